"""``python -m training.finetune``. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped on request."""

from __future__ import annotations

import logging
import os
import sys

from training.finetune.errors import require
from training.finetune.settings import parse
from yesrank.errors import InputError, YesrankError

log = logging.getLogger("training")

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    _log_to_stderr()
    try:
        return _run(arguments)
    except InputError as error:
        log.error("error: %s", error)  # noqa: TRY400  a message, no traceback
        return WRONG_USAGE
    except YesrankError as error:
        log.error("error: %s", error)  # noqa: TRY400  a message, no traceback
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: list[str] | None) -> int:
    settings = parse(arguments)
    # oneDNN keeps up to 1024 compiled kernels, about 1.5 MB for each new length of a group: gigabytes in the end
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    require("transformers", "peft", "bm25s", "Stemmer", *(["ir_measures"] if settings.eval else []))
    from training.finetune.job import run  # these import PyTorch
    from training.finetune.loop import Stopped

    try:
        run(settings)
    except Stopped:
        log.info("stopped; the same command goes on from here")
        return INTERRUPTED
    return 0


def _log_to_stderr() -> None:
    """Our own lines only: libraries tell of matters that nobody asked about."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


if __name__ == "__main__":
    sys.exit(main())
