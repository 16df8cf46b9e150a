"""The environments that contenders run in: each made when it is first asked for, and again when its list changes.

`peers/NAME.txt` lists what goes into one; yesrank itself is read from the source tree, since the packages' own pins do
not agree with each other's. What cannot be installed here is told with pip's own reason, and the others go on.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
HOME = ROOT / ".venv-peers"
OWN = "own"
"""The environment that this program runs in, for yesrank and what its development environment holds."""

REQUIREMENTS = {
    "torch": ROOT / "tests" / "parity" / "requirements.txt",
    "vllm": HERE / "peers" / "vllm.txt",
    "qwen3-embed": HERE / "peers" / "qwen3-embed.txt",
}
_TORCH = "torch==2.13.0"  # first and alone: chosen together with others it may become a CUDA build
_FIRST = {"torch": _TORCH, "vllm": _TORCH}
_WITHOUT = {"vllm": ("torchvision", "torchaudio", "torchcodec")}
"""Built for another torch than the CPU's: transformers finds them, and fails to import them. No contender needs one."""
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
_WHEELS = ("--only-binary", ":all:")  # nothing is compiled: who measures a build measures the builder


class Unavailable(Exception):
    """An environment that cannot be made here; str() is why."""


def python_of(name: str) -> Path:
    """The environment's interpreter; makes the environment where it is missing. Raises Unavailable."""
    if name == OWN:
        return Path(sys.executable)
    folder, wanted = HOME / name, _state(name)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    mark = folder / "made.sha256"
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return python
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    if name in _FIRST:
        index = os.environ.get("TORCH_INDEX")
        _run(str(python), *_PIP, *_WHEELS, *(("--index-url", index) if index else ()), _FIRST[name])
    _run(str(python), *_PIP, *_WHEELS, "-r", str(REQUIREMENTS[name]))
    if name in _WITHOUT:
        _run(str(python), "-m", "pip", "uninstall", "--quiet", "--yes", *_WITHOUT[name])
    mark.write_text(wanted, encoding="utf-8")
    return python


def variables(name: str) -> dict[str, str]:
    """The environment variables of a process there: yesrank's source is found, the hub is not asked."""
    own = {} if name == OWN else {"PYTHONPATH": str(ROOT / "src")}
    return {**os.environ, "HF_HUB_OFFLINE": "1", **own}


def _state(name: str) -> str:
    said = REQUIREMENTS[name].read_bytes() + f"{_FIRST.get(name)} {_WITHOUT.get(name)} {sys.version}".encode()
    return hashlib.sha256(said).hexdigest()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Unavailable("; ".join(lines[:2]) or f"{' '.join(command[:4])} failed: {done.stderr[-300:]}")
