"""Lines about requests: who asked what kind of thing, how it went, how long it took. Never a text.

What may stand in a line is listed in `Line`; query, documents, scores, keys and messages of unforeseen exceptions
(which may quote what they tripped over) have no place in it.
"""

import json
import logging
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from typing import TextIO

LOGGER = logging.getLogger("yesrank.serve")
LEVELS = {"yesrank": logging.INFO, "uvicorn": logging.WARNING, "asyncio": logging.WARNING}
"""Loggers whose lines are written, and from which level on."""


@dataclass(slots=True)
class Line:
    """One request as it is logged. route: the route's own pattern, not the path. path: of a request that no
    route answers, shortened. Times in milliseconds."""

    id: str
    method: str
    route: str = "unknown"
    path: str | None = None
    dialect: str | None = None
    model: str | None = None
    status: int = 0
    documents: int | None = None
    tokens: int | None = None
    truncated: int | None = None
    bytes: int | None = None
    error: str | None = None
    ms: dict[str, float] = field(default_factory=dict)

    def as_fields(self) -> dict[str, object]:
        """What is set, in order."""
        return {key: value for key, value in asdict(self).items() if value not in (None, {})}


def log_request(line: Line) -> None:
    """One line a request; probes and scrapes that went well only at debug level, or they would be all there is."""
    quiet = line.status == 200 and line.route in ("/health", "/ready", "/metrics")
    LOGGER.log(logging.DEBUG if quiet else logging.INFO, "request", extra={"fields": line.as_fields()})


def log_crash(request_id: str, error: BaseException) -> None:
    """An exception that nobody foresaw: its kind and where it was raised, without its message."""
    LOGGER.error("crash", extra={"fields": {"id": request_id, **_origin(error)}})


def log_event(event: str, **facts: object) -> None:
    """Something that happened to the server: started, loaded, draining."""
    LOGGER.info(event, extra={"fields": facts})


def set_up(log_format: str, stream: TextIO | None = None) -> None:
    """Sends our lines and the warnings of uvicorn and asyncio to stderr as text or as one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    for name, level in LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


class JsonLines(logging.Formatter):
    """{"time", "level", "event", ...fields}."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        head = {"time": _time(record), "level": record.levelname.lower(), "event": _event(record)}
        return json.dumps({**head, **_fields(record)}, default=str)


class TextLines(logging.Formatter):
    """time level event key=value ..."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        pairs = [f"{key}={_flat(value)}" for key, value in _fields(record).items()]
        return " ".join([_time(record), record.levelname.lower(), _flat(_event(record)), *pairs])


def _event(record: logging.LogRecord) -> str:
    """What a record says. What others say in several lines holds places of this machine, and objects as they print."""
    first, *more = record.getMessage().strip().splitlines() or [""]
    if more and first.startswith("Traceback"):  # a traceback as text: its last line begins with the kind
        return more[-1].partition(":")[0]
    return first


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """A record's own fields; a traceback of others' code is cut down in the same way as our own."""
    error = record.exc_info[1] if record.exc_info else None
    return {**getattr(record, "fields", {}), **(_origin(error) if error else {})}


def _origin(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    where = [f"{short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
    return {"kind": type(error).__name__, "where": where}


def _time(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}:{part:g}" for key, part in value.items())
    if isinstance(value, list):
        return ",".join(map(str, value)).replace(" ", "_")
    return " ".join(str(value).split())


def short(filename: str) -> str:
    """The last two parts of a file's path: enough to find it, and nothing about the machine."""
    return "/".join(filename.replace("\\", "/").split("/")[-2:])
