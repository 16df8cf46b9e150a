"""Indexes of a test's own, and a folder of a few files."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def indexes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "indexes"
    monkeypatch.setenv("YESRANK_INDEXES", str(folder))
    return folder


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Three files in two folders."""
    folder = tmp_path / "notes"
    (folder / "sub").mkdir(parents=True)
    (folder / "france.md").write_text(
        "# France\n\nA country in Europe.\n\n## Capital\n\nParis is the capital of France. It lies on the Seine.\n"
    )
    (folder / "sub" / "planets.txt").write_text(
        "Mars is red.\n\nVenus is hot, and the brightest of all planets.\n"
    )
    (folder / "rows.csv").write_text("id,text\nr1,A heron waits in the reeds.\nr2,The kettle boils.\n")
    return folder
