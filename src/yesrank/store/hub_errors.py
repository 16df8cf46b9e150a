"""What can go wrong with the hub, in words, each with its next step."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from yesrank.errors import InputError, ModelError, ModelNotFound, NoSpace, YesrankError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_LOG_IN = "log in with: hf auth login (or set HF_TOKEN), with an account that may read it"
_AGAIN = "run again: a download goes on where it stopped"
_TRANSIENT = (408, 429, 500, 502, 503, 504)


@contextmanager
def explaining(hub_id: str, revision: str | None = None) -> Iterator[None]:
    """Raises ModelError, ModelNotFound, InputError or NoSpace in place of what huggingface_hub raises."""
    try:
        yield
    except YesrankError:
        raise
    except Exception as error:
        explained = _explained(error, hub_id, revision)
        if explained is None:
            raise
        raise explained from error


def is_offline(error: BaseException) -> bool:
    """Whether it says that HF_HUB_OFFLINE is set, here or as its cause."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    return isinstance(error, OfflineModeIsEnabled) or isinstance(error.__cause__, OfflineModeIsEnabled)


def is_transient(error: BaseException) -> bool:
    """Whether asking again may help: a broken connection, or a hub in trouble."""
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _TRANSIENT
    return _is_http(error)


def _explained(error: BaseException, hub_id: str, revision: str | None) -> YesrankError | None:
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError):  # a cover for what really happened
        if error.__cause__ is None or is_offline(error):
            return not_cached(hub_id)
        return _explained(error.__cause__, hub_id, revision)
    if isinstance(error, errors.HfHubHTTPError):
        return _answered(error, hub_id, revision)
    if _is_http(error):
        return ModelError(
            f"the connection to the hub at {_endpoint()} failed: {error}",
            f"check the network, a proxy (HTTPS_PROXY) or HF_ENDPOINT, and {_AGAIN}; "
            "HF_HUB_OFFLINE=1 uses only what is in the cache",
        )
    if isinstance(error, errors.HFValidationError):
        return InputError("model", f"{hub_id!r} is not an id of the Hugging Face hub", "write OWNER/NAME")
    return _on_disk(error, hub_id) if isinstance(error, OSError) else None


def _is_http(error: BaseException) -> bool:
    """An error of the HTTP client, which is httpx or httpx2 as huggingface_hub has chosen."""
    return any(kind.__module__.partition(".")[0] in ("httpx", "httpx2") for kind in type(error).__mro__)


def _answered(error: "HfHubHTTPError", hub_id: str, revision: str | None) -> YesrankError:
    """The hub answered, and not with what was asked for."""
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"{hub_id} is gated: its owner wants you to accept terms first",
            f"accept them at {_endpoint()}/{hub_id}, then {_LOG_IN}",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelNotFound(
            f"{hub_id} has no revision {revision!r}", "leave --revision out for the newest, or give a commit"
        )
    if status in (401, 403):
        return _forbidden(hub_id)
    if status == 404:
        return ModelNotFound(
            f"{_endpoint()} has no model {hub_id}, or does not show it to you",
            f"check the spelling; or {_LOG_IN}",
        )
    if status == 429:
        return ModelError("the hub has had too many requests from here", f"wait some minutes; or {_LOG_IN}")
    return ModelError(f"the hub at {_endpoint()} answered with status {status}", f"later, {_AGAIN}")


def _forbidden(hub_id: str) -> ModelError:
    """The hub says the same of what is private and of what does not exist."""
    from huggingface_hub import get_token

    if get_token():
        return ModelError(
            f"{hub_id} is private or does not exist, or the token in use is not valid for it",
            f"check the spelling; or {_LOG_IN}",
        )
    return ModelError(f"{hub_id} is private, or does not exist", f"check the spelling; or {_LOG_IN}")


def _on_disk(error: OSError, hub_id: str) -> YesrankError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(
            f"the disk is full; {hub_id} is not whole yet",
            f"free some space and {_AGAIN}; HF_HOME names another place for the cache",
        )
    return ModelError(f"{hub_id} could not be downloaded: {error}", _AGAIN)


def not_cached(what: str) -> ModelError:
    """For a model, or a part of one, that is not here while the network is forbidden."""
    return ModelNotFound(
        f"{what} is not, or not wholly, in the Hugging Face cache, and HF_HUB_OFFLINE forbids the network",
        "unset HF_HUB_OFFLINE and run again",
    )


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)
