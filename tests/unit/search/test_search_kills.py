"""Killed before any statement, an index is whole, and the next run makes of it what one that was not killed does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent.parent.parent / "killed_index.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_before_every_thirteenth_statement(tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), str(tmp_path), "13"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kills"] >= 30
