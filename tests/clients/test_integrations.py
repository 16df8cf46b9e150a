"""The classes of yesrank.integrations, run in an environment that has the projects they are for."""

import os
import subprocess
from pathlib import Path

from clients import environments
from clients.execute import quiet

ROOT = Path(__file__).parent.parent.parent
SECONDS = 600


def test_classes_for_other_projects() -> None:
    """tests/integrations, with LangChain's standard tests of retrievers among them; nothing is skipped there."""
    python = environments.python_of("integrations")
    paths = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "tests/clients/guard")]
    options = ("--noconftest", "-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider", "-rs")
    asynchronous = ("-o", "asyncio_mode=auto")  # LangChain's are
    done = subprocess.run(
        [str(python), "-m", "pytest", *options, *asynchronous, "tests/integrations"],
        capture_output=True,
        text=True,
        check=False,
        env=quiet() | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "skipped" not in done.stdout, done.stdout[-2000:]
    assert "beyond this machine" not in done.stderr, done.stderr[-4000:]
