"""Without its project, each file names the extra that brings it."""

import sys
from importlib import import_module

import pytest

from yesrank.errors import MissingExtra, YesrankError
from yesrank.integrations.extras import missing


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("langchain", "langchain_core", "langchain-core"),
        ("llamaindex", "llama_index", "llama-index-core"),
        ("haystack", "haystack", "haystack-ai"),
    ],
)
def test_the_extra_is_named(name: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in [each for each in sys.modules if each.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, each)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"yesrank.integrations.{name}", raising=False)
    with pytest.raises(MissingExtra, match=rf"{package}.*\n.*pip install 'yesrank\[{name}\]'") as caught:
        import_module(f"yesrank.integrations.{name}")
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, YesrankError)


def test_what_the_project_itself_lacks_is_another_matter() -> None:
    error = ModuleNotFoundError("No module named 'numpy.x'", name="numpy.x")
    assert missing(error, "haystack", "haystack-ai", "haystack") is error
