"""docs/behaviour.md names what shows each row: it has to be there, and every finding has to have its row."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TABLE = (ROOT / "docs" / "behaviour.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in TABLE.splitlines() if line.startswith("| ") and "---" not in line][
    1:
]
FINDINGS = sorted((ROOT / "findings").glob("*.sh"))


def test_every_row_names_what_shows_it() -> None:
    for row in ROWS:
        named = re.findall(r"`((?:tests|findings)/[^`]+)`", row[-1])
        assert named, f"nothing shows the row on {row[0].strip()}"
        missing = [name for name in named if not (ROOT / name).is_file()]
        assert not missing, f"docs/behaviour.md names {', '.join(missing)}"


def test_every_finding_has_its_row() -> None:
    unnamed = [path.name for path in FINDINGS if f"findings/{path.name}" not in TABLE]
    assert not unnamed, f"add to docs/behaviour.md: {', '.join(unnamed)}"


def test_findings_run_without_yesrank_and_pin_what_they_install() -> None:
    for path in FINDINGS:
        script = path.read_text(encoding="utf-8")
        assert os.access(path, os.X_OK), f"{path.name} is not executable"
        assert "import yesrank" not in script
        assert "mktemp -d" in script
        assert "==" in script, f"{path.name} installs packages without a version"
