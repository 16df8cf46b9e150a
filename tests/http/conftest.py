"""Servers that the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The built-in model with the usual settings. For tests that leave it as they found it."""
    with serving() as found:
        found.wait_ready()
        yield found


@pytest.fixture
def no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of names that does not exist, in the place of the user's."""
    monkeypatch.setenv("YESRANK_CONFIG", str(tmp_path / "models.toml"))
    return tmp_path / "models.toml"
