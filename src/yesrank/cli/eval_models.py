"""The models that `yesrank eval` is told to run: names with a precision or a variant behind them."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yesrank.cli.options import Precision
from yesrank.errors import InputError, ModelNotFound

if TYPE_CHECKING:
    from yesrank.evaluate import Contender
    from yesrank.store import Entry


def named(given: Sequence[str] | None) -> Sequence[str | None]:
    """What --model says, else YESRANK_MODEL, else None for the default model."""
    return given or (os.environ.get("YESRANK_MODEL") or None,)


def contenders(
    models: Sequence[str | None], precisions: Sequence[Precision | None], options: Mapping[str, Any]
) -> "list[Contender]":
    """Each model in each precision, each under a label of its own. Raises ModelError or InputError."""
    from yesrank.evaluate import contender

    found = entries(models, precisions, options)
    names = [entry.name for entry in found]
    labels = [
        entry.name if names.count(entry.name) == 1 else f"{entry.name}@{entry.variant or entry.precision}"
        for entry in found
    ]
    if len(set(labels)) < len(labels):
        labels = [f"{label} ({at})" for at, label in enumerate(labels, start=1)]
    return [contender(entry, label) for entry, label in zip(found, labels, strict=True)]


def entries(
    models: Sequence[str | None], precisions: Sequence[Precision | None], options: Mapping[str, Any]
) -> "list[Entry]":
    """What is to be opened. options: device, instruction, template and max_length, None as stored."""
    return [_entry(model, each, options) for model in models for each in precisions]


def _entry(model: str | None, precision: Precision | None, options: Mapping[str, Any]) -> "Entry":
    from yesrank.engine.onnx import VARIANTS
    from yesrank.store import resolve

    name, at, suffix = (model or "").rpartition("@")
    if at and precision is None:
        if suffix in VARIANTS and (entry := _variant(name, suffix, options)):
            return entry
        if suffix in [*Precision]:
            return resolve(name).overridden(precision=suffix, **options)
    try:
        return resolve(model).overridden(precision=precision, **options)
    except ModelNotFound as error:
        if at and precision is not None and suffix in (*Precision, *VARIANTS):
            raise InputError(
                "model", f"{model!r} says how to run it, and so does --precision", "leave one of the two out"
            ) from error
        raise


def _variant(model: str, suffix: str, options: Mapping[str, Any]) -> "Entry | None":
    """The entry for MODEL@VARIANT, where the model is an ONNX folder; int8 is a precision of others."""
    from yesrank.models.folder import open_model
    from yesrank.store import resolve

    entry = resolve(model)
    asks = entry.engine == "onnx" or entry.variant is not None or open_model(entry.path).kind == "onnx"
    return entry.overridden(variant=suffix, **options) if asks else None
