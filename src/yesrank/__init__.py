"""Rank documents by the probability that Qwen3-Reranker answers yes.

from yesrank import Reranker

for hit in Reranker().rank("capital of France", ["Berlin ...", "Paris ..."], top_n=1):
    print(hit.index, hit.score, hit.logit, hit.truncated)
"""

from yesrank import telemetry
from yesrank.errors import (
    CheckpointError,
    ConversionError,
    DeadlineExceeded,
    DeviceMissing,
    Draining,
    EmptyInput,
    EngineError,
    IndexDamaged,
    IndexNotFound,
    InputError,
    JobError,
    MissingExtra,
    ModelError,
    ModelLoading,
    ModelNotFound,
    ModelUnavailable,
    NoMemory,
    NoSpace,
    QueueFull,
    SearchError,
    ServerError,
    TooLong,
    UnsupportedModel,
    VerificationFailed,
    YesrankError,
)

TYPE_CHECKING = (
    False  # as type checkers know it; typing itself would be most of the time until Ctrl-C is quiet
)
if TYPE_CHECKING:
    from yesrank.store.embedder import Embedder
    from yesrank.store.reranker import Reranker
    from yesrank.types import EngineInfo, Hit, PairScores, Ranking

    __version__: str

telemetry.off()  # every module below imports this one first, and the libraries that send reports after it

__all__ = [
    "CheckpointError",
    "ConversionError",
    "DeadlineExceeded",
    "DeviceMissing",
    "Draining",
    "Embedder",
    "EmptyInput",
    "EngineError",
    "EngineInfo",
    "Hit",
    "IndexDamaged",
    "IndexNotFound",
    "InputError",
    "JobError",
    "MissingExtra",
    "ModelError",
    "ModelLoading",
    "ModelNotFound",
    "ModelUnavailable",
    "NoMemory",
    "NoSpace",
    "PairScores",
    "QueueFull",
    "Ranking",
    "Reranker",
    "SearchError",
    "ServerError",
    "TooLong",
    "UnsupportedModel",
    "VerificationFailed",
    "YesrankError",
    "__version__",
]

_LAZY = {  # numpy and OpenVINO are loaded when they are first needed, so that `yesrank --help` is quick
    "Embedder": "yesrank.store.embedder",
    "Reranker": "yesrank.store.reranker",
    "EngineInfo": "yesrank.types",
    "Hit": "yesrank.types",
    "PairScores": "yesrank.types",
    "Ranking": "yesrank.types",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("yesrank")
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'yesrank' has no attribute {name!r}")
