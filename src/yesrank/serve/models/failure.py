"""Why a model cannot be used, in words for anybody who asks, and when loading it is tried again."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Self

from yesrank.errors import (
    DeviceMissing,
    EngineError,
    InputError,
    MissingExtra,
    ModelError,
    ModelLoading,
    ModelNotFound,
    ModelUnavailable,
    NoMemory,
    ServerError,
    UnsupportedModel,
    YesrankError,
)
from yesrank.serve.models.handle import ModelSpec

_FIRST, _LONGEST = 1.0, 60.0  # seconds from a failed load to the next attempt: the first time, and at most
_BUSY = 2.0  # seconds, where others hold the memory: an attempt costs next to nothing
_LONGEST_DETAIL = 2000

# messages of these may hold paths of this machine or words of a driver: they go into the log only
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (NoMemory, "there is not enough free memory for it"),
    (MemoryError, "there is not enough free memory for it"),
    (ModelNotFound, "its folder, or a file in it, is not there"),
    (UnsupportedModel, "it is of a kind that cannot be run here"),
    (ModelError, "its files cannot be used: they may be damaged or incomplete"),
    (MissingExtra, "a package that it needs is not installed"),
    (InputError, "it cannot be run with the options that it is served with"),
    (EngineError, "its engine cannot be started"),
    (TimeoutError, "loading it took too long"),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A load that failed. reason: for clients; detail: for the log. retry_at: on the loop's clock.

    attempts: failed loads in a row. seen: the folder as it was before (see folder_marks). looked_at: when it was last
    compared with that.
    """

    name: str
    reason: str
    detail: str
    attempts: int
    retry_at: float
    seen: Hashable
    looked_at: float
    busy: bool = False

    @classmethod
    def of(cls, name: str, error: Exception, before: Self | None, seen: Hashable, now: float) -> Self:
        """The failure after `before`, if there was one: each waits twice as long as the last, up to a minute."""
        busy = isinstance(error, ServerError)  # the model is sound, and waits for others
        attempts = (before.attempts if before else 0) + (not busy)
        delay = _BUSY if busy else min(_LONGEST, _FIRST * 2.0 ** min(attempts - 1, 20))
        detail = str(error) if isinstance(error, YesrankError) else f"{type(error).__name__}: {error}"
        detail = " ".join(detail.split())[:_LONGEST_DETAIL]
        return cls(name, _reason(error), detail, attempts, now + delay, seen, now, busy)

    def looked(self, now: float) -> Self:
        """The same, with the folder compared now."""
        return replace(self, looked_at=now)

    def error(self, now: float) -> ServerError:
        """What is raised for those who ask for the model before it is tried again. A new one each time."""
        seconds = max(1.0, self.retry_at - now)
        if self.busy:
            return ModelLoading(self.reason, "try again later", retry_after=seconds)
        return ModelUnavailable(
            f"the model {self.name} cannot be used now: {self.reason}",
            f"it is tried again in {seconds:.0f} s, or when its folder has changed",
            retry_after=seconds,
        )


def folder_marks(spec: ModelSpec) -> Hashable:
    """Names, sizes and times of a model's files: another value where the folder was changed."""
    if spec.path is None:
        return ()
    try:
        files = [path for path in spec.path.rglob("*") if path.is_file()]
        stats = [(path.name, path.stat()) for path in files]
    except OSError as error:
        return type(error).__name__
    return frozenset((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)


def _reason(error: Exception) -> str:
    if isinstance(error, DeviceMissing):
        return f"its device {error.device} is not there, or cannot be started"
    if isinstance(error, ServerError):  # written by this package for clients
        return error.message
    words = next((words for kind, words in _WORDS if isinstance(error, kind)), None)
    return words or f"loading it failed with {type(error).__name__}"
