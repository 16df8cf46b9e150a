"""Killed at any step, a job goes on with what it had, and ends with the same rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent.parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_before_every_change(tmp_path: Path) -> None:
    command = [sys.executable, str(TESTS / "killed_job.py"), str(tmp_path / "job"), "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] >= 15
    assert found["kept"] >= 50
