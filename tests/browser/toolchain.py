"""Node, npm and Chromium of this machine, and JavaScript run with them."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
WEB = ROOT / "web"
SCRIPTS = Path(__file__).parent / "scripts"
OLDEST_NODE = 20
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_NPM_SECONDS, _BUILD_SECONDS = 600, 120


def find_node() -> str:
    """Node's path. Skips the test where it is missing or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node {OLDEST_NODE} or later is needed, not {version}")
    return node


def find_chromium() -> str:
    """Chromium's path: YESRANK_CHROMIUM, or the usual names. Skips the test where there is none."""
    path = os.environ.get("YESRANK_CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    return path


def build_library() -> Path:
    """web/ with its packages and the built library. Fails where npm or the compiler does."""
    lock, mark = WEB / "package-lock.json", WEB / "node_modules" / ".package-lock.json"
    npm = shutil.which("npm") or "npm"
    if not mark.exists() or mark.stat().st_mtime < lock.stat().st_mtime:
        _run([npm, "ci", "--ignore-scripts", "--silent"], _NPM_SECONDS)
    _run([npm, "run", "--silent", "build"], _BUILD_SECONDS)
    return WEB


def run_node(
    node: str,
    script: Path,
    *arguments: str,
    cwd: Path | None = None,
    options: Sequence[str] = (),
    seconds: int = 120,
) -> Any:
    """What a script prints in its last line, decoded from JSON. Fails where the script does."""
    done = subprocess.run(
        [node, "--import", str(SCRIPTS / "guard.mjs"), *options, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd or WEB,
        timeout=seconds,
    )
    assert done.returncode == 0, f"{script.name} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def run_page(
    node: str, executable: str, url: str, flags: list[str] | None = None, seconds: int = 300
) -> dict[str, Any]:
    """What chromium.mjs tells of a page: its result, log, errors and requests. Fails where the page does."""
    job = {"executable": executable, "url": url, "flags": flags or [], "seconds": seconds}
    done = subprocess.run(
        [node, str(SCRIPTS / "chromium.mjs")],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 60,
    )
    assert done.returncode == 0, f"{url}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    url = url.split("#", maxsplit=1)[0]
    failure = told["errors"] or not isinstance(told["result"], dict | list)
    assert not failure, f"{url}: {told['errors']}\n" + "\n".join(told["logs"][-20:])
    assert told["outside"] == [], "requests to other machines"
    return told


def _run(command: list[str], seconds: int) -> None:
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
