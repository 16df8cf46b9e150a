"""What a server is told: flag before environment before default, in one frozen record that is checked once.

Every field has an environment variable, YESRANK_SERVE_ and the field's name in capitals (YESRANK_SERVE_PORT);
lists are separated by commas. A YESRANK_SERVE_ variable that names no field is an error, so that a slip of the
pen is seen. YESRANK_API_KEYS holds keys without the prefix, since deployments keep secrets apart.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from yesrank.engine.onnx.files import VARIANTS
from yesrank.errors import InputError
from yesrank.search import index_file
from yesrank.serve.http.hosts import name_of
from yesrank.store.entry import ENGINES, SHAPES, check_name

PREFIX, KEYS_VARIABLE = "YESRANK_SERVE_", "YESRANK_API_KEYS"
LOG_FORMATS, LOADS, UNKNOWN_MODELS = ("text", "json"), ("first", "all", "none"), ("refuse", "default")
PRECISIONS = ("auto", "f32", "bf16", "int8")
_LOOPBACK = ("localhost", "::1")
_SHORTEST_KEY = 8
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#\s]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server listens, whom it answers, what it refuses. Sizes in bytes, times in seconds.

    allowed_hosts: names that the server is reached by, see hosts.py. names: models or folders to serve; none means all
    that are stored. device, precision, engine, variant: instead of a stored model's own. max_documents,
    max_characters: of one request, the latter over its documents and queries; max_query_characters: of one query or
    instruction, far above what any model takes.
    timeout: from a request's arrival to its answer. body_timeout: for a request's body to arrive. head_timeout:
    for its headers. send_timeout: in which a client must take something of its answer. drain_timeout: for accepted
    work after SIGTERM. idle_unload: None keeps models loaded. watchdog: for which the event loop may stand still before
    the process is ended, 0 for ever.
    load: which models are loaded at the start: "first" (the default one), "all" or "none"; others on first use.
    aliases: NAME=MODEL or, for the default model, NAME: other names for what is served.
    shape: of the answer to a body that could be of several services (store.entry.SHAPES), where the model has none.
    indexes: of files, which /v1/search may search: whoever may ask the server may read what is in them.
    unknown_model: what a request with a name that no model has gets: "refuse" (404), or the "default" model and a note.
    """

    names: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    device: str | None = None
    precision: str | None = None
    engine: str | None = None
    variant: str | None = None
    max_queue_tokens: int = 4_000_000
    max_queue_requests: int = 1024
    max_body_bytes: int = 32 * 1024 * 1024
    max_documents: int = 10_000
    max_characters: int = 50_000_000
    max_query_characters: int = 200_000
    timeout: float = 300.0
    body_timeout: float = 60.0
    head_timeout: float = 10.0
    send_timeout: float = 30.0
    drain_timeout: float = 30.0
    idle_unload: float | None = None
    watchdog: float = 60.0
    log_format: str = "text"
    root_path: str = ""
    load: str = "first"
    unknown_model: str = "refuse"
    aliases: tuple[str, ...] = ()
    shape: str = "cohere"
    indexes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises InputError, which names the field."""
        _range("port", self.port, 0, 65535)
        for name in (
            "max_queue_tokens",
            "max_queue_requests",
            "max_body_bytes",
            "max_documents",
            "max_characters",
            "max_query_characters",
        ):
            _range(name, getattr(self, name), 1, 2**53)
        for name in (
            "timeout",
            "body_timeout",
            "head_timeout",
            "send_timeout",
            "drain_timeout",
            "idle_unload",
        ):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(name, "must be more than 0 seconds")
        if not 0 <= self.watchdog < float("inf"):
            raise InputError("watchdog", "must be 0 seconds (off) or more")
        _one_of("log_format", self.log_format, LOG_FORMATS)
        _one_of("load", self.load, LOADS)
        _one_of("unknown_model", self.unknown_model, UNKNOWN_MODELS)
        _one_of("shape", self.shape, SHAPES)
        for name in self.indexes:
            index_file(name)
        for alias in self.aliases:
            check_name("aliases", alias.partition("=")[0])
        for name, known in (("precision", PRECISIONS), ("engine", ENGINES), ("variant", VARIANTS)):
            if getattr(self, name) is not None:
                _one_of(name, getattr(self, name), known)
        self._check_addresses()

    def _check_addresses(self) -> None:
        if self.root_path and not self.root_path.startswith("/"):
            raise InputError("root_path", "must begin with /", "such as --root-path /rerank-service")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):  # browsers send no other, so that it would never match
                raise InputError(
                    "cors_origin",
                    f"{origin!r} is not a web origin",
                    "such as https://example.org, without a path",
                )
        for host in self.allowed_hosts:
            if host != "*" and name_of(host.removeprefix("*.")) != host.removeprefix("*.").lower().rstrip(
                "."
            ):
                raise InputError(
                    "allowed_host",
                    f"{host!r} is not a name",
                    "such as rank.example.org or *.example.org, without scheme and port",
                )
        if any(
            not key.isascii() or not key.isprintable() or len(key) < _SHORTEST_KEY for key in self.api_keys
        ):
            raise InputError("api_key", f"a key must be {_SHORTEST_KEY} or more printable ASCII characters")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in _LOOPBACK or self.host.startswith("127.")

    @classmethod
    def resolve(cls, flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Self:
        """Settings from flags (None: not given) and the environment. Raises InputError for what is unknown."""
        found = from_environment(os.environ if environ is None else environ)
        unknown = set(flags) - set(_READERS)
        if unknown:
            raise InputError(min(unknown), "is not a setting of the server")
        return cls(**{**found, **{name: value for name, value in flags.items() if value is not None}})


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The fields that the environment sets, as their own types."""
    found: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or not text:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name == "api_keys" or name not in _READERS:
            raise InputError(
                variable, "is not a setting of the server", f"the settings are {', '.join(_KNOWN)}"
            )
        found[name] = _read(variable, name, text)
    if environ.get(KEYS_VARIABLE):
        found["api_keys"] = _words(environ[KEYS_VARIABLE])
    return found


def read_keys(path: Path) -> tuple[str, ...]:
    """API keys from a file: one a line, lines with # in front are notes. Raises InputError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("api_key_file", f"{path} cannot be read: {type(error).__name__}") from error
    keys = tuple(line.strip() for line in lines if line.strip() and not line.strip().startswith("#"))
    if not keys:
        raise InputError("api_key_file", f"{path} holds no key", "write one key a line")
    return keys


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


_BY_TYPE: Mapping[object, Callable[[str], Any]] = {
    tuple[str, ...]: _words,
    int: int,
    float: float,
    float | None: float,
    str: str,
    str | None: str,
}
_READERS = {each.name: _BY_TYPE[each.type] for each in fields(Settings)}
_KNOWN = sorted(PREFIX + name.upper() for name in _READERS if name != "api_keys")


def _read(variable: str, name: str, text: str) -> Any:
    try:
        return _READERS[name](text)
    except ValueError as error:
        wanted = "a whole number" if _READERS[name] is int else "a number of seconds"
        raise InputError(variable, f"must be {wanted}") from error


def _range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InputError(name, f"must be {least} to {most}, not {value}")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(name, f"{value!r} is not known", f"use one of: {', '.join(known)}")
