"""What is known of a model by its name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self

from yesrank.engine.onnx.files import VARIANTS
from yesrank.errors import InputError
from yesrank.kinds import EMBEDDING
from yesrank.templates import template_of

BUILTIN = "builtin"
"""The name of the model that comes with the package. A store gives it to no other."""

ENGINES = ("openvino", "onnx", "vllm")
"""Those that a name may be run with."""

SHAPES = ("cohere", "jina", "infinity", "voyage", "openarc", "openrouter", "sglang")
"""Services whose plain body of query and documents is the same, and whose answers differ."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*(/[A-Za-z0-9][A-Za-z0-9._:@-]*)*")
"""Other services have : and @ in their names; ours stand in paths of files, too, where not every system takes them."""
_LONGEST_NAME = 200
_NAME_RULE = "use letters, digits and . _ - (and / between parts), beginning with a letter or digit"


@dataclass(frozen=True, slots=True)
class Entry:
    """A named model folder and how it is to be run.

    path: the folder, absolute. source: the Hugging Face id or folder that it was made from; revision: its commit.
    engine, variant, device, precision, instruction, template, max_length: as for Reranker; None means the folder's own.
    engine_options: of vLLM, likewise.
    A template that is none of the known ones is kept as its text.
    shape: in which of SHAPES a server answers a body that could be of several services; None for the server's.
    kind: "embedding" of one that embeds, None of one that ranks.
    aliases: other names. added: the day on which it was added; tuned: that on which `yesrank tune` chose how it is run.
    """

    name: str
    path: Path
    source: str | None = None
    revision: str | None = None
    device: str = "CPU"
    precision: str = "auto"
    engine: str | None = None
    variant: str | None = None
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    instruction: str | None = None
    template: str | None = None
    max_length: int | None = None
    shape: str | None = None
    kind: str | None = None
    aliases: tuple[str, ...] = ()
    added: date = field(default_factory=date.today)
    tuned: date | None = None

    def __post_init__(self) -> None:
        """Raises InputError, which names the field."""
        check_name("name", self.name)
        for alias in self.aliases:
            check_name("aliases", alias)
        if len({name.casefold() for name in self.names}) < len(self.names):
            raise InputError("aliases", f"{self.name} has the same name twice", "give each alias once")
        if self.template is not None:
            template_of(self.template)
        if self.max_length is not None and self.max_length < 1:
            raise InputError("max_length", f"must be 1 or more tokens, not {self.max_length}")
        _one_of("engine", self.engine, ENGINES)
        _one_of("variant", self.variant, VARIANTS)
        _one_of("shape", self.shape, SHAPES)
        _one_of("kind", self.kind, (EMBEDDING,))
        if self.kind == EMBEDDING and self.template is not None:
            raise InputError("template", "is for rerankers; an embedding model has prompts", "leave it out")
        for text in ("device", "precision"):
            if not getattr(self, text).strip():
                raise InputError(text, "it is empty", "leave it out for the usual choice")

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)

    def overridden(
        self,
        *,
        device: str | None = None,
        precision: str | None = None,
        engine: str | None = None,
        variant: str | None = None,
        engine_options: Mapping[str, Any] | None = None,
        instruction: str | None = None,
        template: str | None = None,
        max_length: int | None = None,
    ) -> Self:
        """The entry with what is not None in place of its own: what a caller asks for goes before it.

        Its own engine and variant belong together: where one of them is asked for, the other is not kept.
        """
        own = (
            self
            if engine is None and variant is None
            else replace(self, engine=None, variant=None, engine_options={})
        )
        asked = {
            "device": device,
            "precision": precision,
            "engine": engine,
            "variant": variant,
            "engine_options": engine_options,
            "instruction": instruction,
            "template": template,
            "max_length": max_length,
        }
        return replace(own, **{key: value for key, value in asked.items() if value is not None})  # type: ignore[arg-type]

    def as_table(self) -> dict[str, Any]:
        """The TOML table, without the name and without what is not set."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "name"}
        found["path"], found["aliases"] = str(self.path), [*self.aliases]
        return {key: value for key, value in found.items() if value not in (None, [], {})}


def builtin_entry() -> Entry:
    """The small model that comes with the package."""
    from yesrank.models.folder import builtin_folder

    return Entry(BUILTIN, builtin_folder())


class FieldError(Exception):
    """A key of a table that is wrong. Turned into a ModelError by who knows file and line."""

    def __init__(self, key: str | None, message: str) -> None:
        super().__init__(message)
        self.key, self.message = key, message


_KINDS: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("path", "source", "revision", "device", "precision"), (str, "a string")),
    **dict.fromkeys(("engine", "variant", "instruction", "template", "shape", "kind"), (str, "a string")),
    "max_length": (int, "a whole number"),
    "engine_options": (dict, "a table"),
    "aliases": (list, "a list of strings"),
    **dict.fromkeys(("added", "tuned"), (date, "a date such as 2026-01-31")),
}


def entry_from_table(name: str, table: object) -> Entry:
    """The entry that a TOML table describes. Raises FieldError for unknown, missing and wrong keys."""
    if not isinstance(table, dict):
        raise FieldError(None, "it is not a table")
    for key, value in table.items():
        _check_kind(key, value)
    for key in ("path", "added"):
        if key not in table:
            raise FieldError(None, f"{key} is missing")
    path = Path(table["path"]).expanduser()
    if not path.is_absolute():
        raise FieldError("path", f"path must be a whole path, not {table['path']!r}")
    try:
        return Entry(name, **{**table, "path": path, "aliases": tuple(table.get("aliases", ()))})
    except InputError as error:
        key = error.field if error.field in table else None
        raise FieldError(key, error.message) from error


def check_name(field_name: str, name: str) -> None:
    """Raises InputError for a name or alias that cannot be one."""
    rule = _ALIAS if field_name == "aliases" else _NAME
    if not rule.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise InputError(field_name, f"{name[:_LONGEST_NAME]!r} cannot be a name", _NAME_RULE)


def _one_of(field_name: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise InputError(field_name, f"{value!r} is not known", f"use one of: {', '.join(known)}")


def _check_kind(key: str, value: object) -> None:
    if key not in _KINDS:
        raise FieldError(key, f"{key} is not known; the keys are {', '.join(_KINDS)}")
    kind, words = _KINDS[key]
    right = isinstance(value, kind) and not isinstance(value, bool | datetime)
    if isinstance(value, list):
        right = right and all(isinstance(each, str) for each in value)
    if not right:
        raise FieldError(key, f"{key} must be {words}")
