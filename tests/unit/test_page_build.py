"""The built page in the package belongs to the sources beside it: `npm run build:page` in web/ makes it anew."""

import hashlib
import json
from pathlib import Path

import pytest

from yesrank.serve.http import page

ROOT = Path(__file__).parent.parent.parent
AGAIN = "build the page again: npm ci && npm run build:page in web/"
LARGEST = 4_500_000
"""Bytes of all files: they are in every package."""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def record() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((page.folder() / "build.json").read_text())
    return found


def test_it_was_made_of_the_sources_as_they_are_now(record: dict[str, dict[str, str]]) -> None:
    assert "web/page/src/main.ts" in record["sources"]
    assert "web/page/src/worker.ts" in record["sources"]
    assert "web/src/rerank/reranker.ts" in record["sources"]
    changed = [
        name
        for name, expected in record["sources"].items()
        if not (ROOT / name).is_file() or digest(ROOT / name) != expected
    ]
    assert changed == [], AGAIN


def test_its_files_are_those_that_were_built(record: dict[str, dict[str, str]]) -> None:
    home = page.folder()
    found = {path.relative_to(home).as_posix(): digest(path) for path in home.rglob("*") if path.is_file()}
    found.pop("build.json")
    assert found == record["files"], AGAIN


def test_it_is_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in page.folder().rglob("*") if path.is_file()) < LARGEST


def test_it_names_no_other_host() -> None:
    """What a browser might load by itself; addresses in help texts and of specifications are none."""
    for path in page.folder().rglob("*"):
        if path.suffix in (".js", ".mjs", ".css", ".html"):
            text = path.read_text(encoding="utf-8")
            assert "jsdelivr" not in text, path
            assert "unpkg" not in text, path
            assert 'src="http' not in text, path
            assert "url(http" not in text, path
