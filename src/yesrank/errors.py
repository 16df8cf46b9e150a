"""Every error that yesrank raises, in one tree.

YesrankError                 message and, where there is one, the next step to take
├── InputError               a query, document or option of the caller (names the field)
│   ├── EmptyInput           nothing in it
│   └── TooLong              more tokens than the model, or the request itself, allows
├── ModelError               a model folder or checkpoint that cannot be used
│   ├── ModelNotFound        nothing at that name or path
│   ├── CheckpointError      truncated, corrupt, missing or wrong-shape tensors
│   ├── UnsupportedModel     another architecture, an adapter, a GGUF
│   └── NoMemory             a model that does not fit into the memory that is free
├── ConversionError          a conversion that could not be finished (nothing is left behind)
│   └── NoSpace              not enough free disk, found out before anything is written
├── JobError                 a batch job that could not be finished, or must not go on (what is done is kept)
├── EngineError              an engine that cannot be started, a run that failed
│   └── DeviceMissing        a device that is not on this machine (names it)
├── ServerError              a request that the server cannot answer now (says when to try again)
│   ├── QueueFull            more work is waiting than the limits allow
│   ├── ModelLoading         the model is not ready yet
│   ├── ModelUnavailable     the model could not be loaded, and is tried again later
│   ├── Draining             the server is shutting down
│   └── DeadlineExceeded     the time that the request was given is over
├── SearchError              an index of files that cannot be used
│   ├── IndexNotFound        no index of that name, or no such passage in it
│   └── IndexDamaged         a file that is no index any more (says how it is made again)
├── VerificationFailed       a converted folder outside its stated tolerance
└── MissingExtra             an optional dependency that is not installed
"""


class YesrankError(Exception):
    """Base of all errors here. `str(error)` is the message, followed by the hint if there is one."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        """For other processes: not every error here is made from what it is shown as."""
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(kind: type[YesrankError], args: tuple[object, ...], state: dict[str, object]) -> YesrankError:
    found = kind.__new__(kind, *args)
    found.__dict__.update(state)
    return found


class InputError(YesrankError):
    """Bad input from the caller; `field` names the argument at fault."""

    def __init__(self, field: str, message: str, hint: str | None = None) -> None:
        super().__init__(f"{field}: {message}", hint)
        self.field = field


class EmptyInput(InputError):
    """A text or list with nothing in it."""


class TooLong(InputError):
    """A text of more tokens than the model takes, or than the request allows."""


class ModelError(YesrankError):
    """A model folder or checkpoint that cannot be used."""


class ModelNotFound(ModelError):
    """Nothing at that name or path."""


class CheckpointError(ModelError):
    """A checkpoint with truncated, corrupt, missing or wrong-shape tensors."""


class UnsupportedModel(ModelError):
    """A model of another architecture or file format."""


class NoMemory(ModelError):
    """A model that does not fit into the memory that is free."""


class ConversionError(YesrankError):
    """A conversion that could not be finished; nothing is left behind."""


class NoSpace(ConversionError):
    """Not enough free disk for the output."""


class JobError(YesrankError):
    """A batch job that could not be finished, or that must not go on as it is asked to; what is done is kept."""


class EngineError(YesrankError):
    """An engine that cannot be started, or a run that failed."""


class DeviceMissing(EngineError):
    """A device that is not on this machine, or that its engine does not know; `device` names it."""

    def __init__(self, device: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.device = device


class ServerError(YesrankError):
    """A request that cannot be answered now. retry_after: seconds after which it may be sent again, or None."""

    def __init__(self, message: str, hint: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class QueueFull(ServerError):
    """More work is waiting than the limits allow."""


class ModelLoading(ServerError):
    """The model is not ready yet: it is being loaded, or has to wait for memory."""


class ModelUnavailable(ServerError):
    """The model could not be loaded; it is tried again after `retry_after`, or when its folder has changed."""


class Draining(ServerError):
    """The server finishes what it has accepted and takes nothing more."""


class DeadlineExceeded(ServerError):
    """The time that the request was given is over; what was left of its work is dropped."""


class SearchError(YesrankError):
    """An index of files that cannot be used as it is."""


class IndexNotFound(SearchError):
    """No index of that name, or no such passage in it."""


class IndexDamaged(SearchError):
    """A file whose content is not what was written."""


class VerificationFailed(YesrankError):
    """A converted folder whose scores are outside its stated tolerance."""


class MissingExtra(YesrankError, ImportError):
    """A dependency that is not installed: an ImportError too, for those who try whether it is.

    otherwise: what helps where it cannot be installed.
    """

    def __init__(self, package: str, extra: str, otherwise: str | None = None) -> None:
        install = f"install it with: pip install 'yesrank[{extra}]'"
        super().__init__(
            f"this needs the package {package}, which is not installed",
            install if otherwise is None else f"{install}; {otherwise}",
        )


def without_openvino() -> MissingExtra:
    """For what only OpenVINO can do, where it is not installed: there are platforms without it."""
    return MissingExtra("openvino", "openvino", "or use ONNX files: yesrank convert SRC DST --format onnx")
