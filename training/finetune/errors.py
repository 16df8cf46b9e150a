"""What can go wrong here and nowhere else in yesrank."""

from __future__ import annotations

from importlib.util import find_spec

from yesrank.errors import YesrankError

_TORCH = (
    "install a build for the CPU before anything else that wants PyTorch: pip install torch==2.13.0 "
    "--index-url URL, with the URL that pytorch.org/get-started names for CPU (on macOS and Windows without "
    "--index-url); without it pip may bring gigabytes of CUDA libraries. Or: uv pip install torch==2.13.0 "
    "--torch-backend cpu"
)
_REST = "install it after PyTorch: pip install -r training/finetune/requirements.txt"


class TrainingFailed(YesrankError):
    """A training run that cannot go on."""


class MissingPackage(YesrankError):
    """A package that fine-tuning needs is not installed."""


def require(*modules: str) -> None:
    """Raises MissingPackage for the first of these that is not installed, PyTorch before the others."""
    for module in ("torch", *modules):
        if find_spec(module) is None:
            raise MissingPackage(
                f"fine-tuning needs the package {module}, which is not installed",
                _TORCH if module == "torch" else _REST,
            )
