"""What `import yesrank` offers: a curated list, every name of which can be had, and nothing heavy."""

import subprocess
import sys

import yesrank
from yesrank import errors


def test_every_public_name_can_be_had() -> None:
    for name in set(yesrank.__all__) - {"__version__"}:
        assert getattr(yesrank, name).__name__ == name


def test_the_list_is_complete() -> None:
    assert {"Hit", "Ranking", "Reranker"} <= set(yesrank.__all__)
    tree = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert {name for name in tree if issubclass(getattr(errors, name), errors.YesrankError)} <= set(
        yesrank.__all__
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(yesrank, "no_such_name")


def test_import_is_light() -> None:
    heavy = ("openvino", "tokenizers", "safetensors", "typer", "rich")
    code = f"import sys, yesrank; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_starts_without_openvino() -> None:
    code = "import sys, yesrank.cli.main; print('openvino' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_every_error_carries_message_and_hint() -> None:
    error = errors.InputError("query", "it is empty", "give one")
    assert (error.message, error.hint, str(error)) == (
        "query: it is empty",
        "give one",
        "query: it is empty\ngive one",
    )
    assert "pip install 'yesrank[x]'" in str(errors.MissingExtra("y", "x"))
