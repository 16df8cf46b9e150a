"""The kinds of ONNX files, by the names and file suffixes that Transformers.js gives them."""

from collections.abc import Sequence
from dataclasses import dataclass

from yesrank.errors import InputError

HEADS = ("yesno", "full", "seq-cls")
"""yesno: two logits a prompt, and its last hidden state. full: logits over the vocabulary at every token. seq-cls: one
logit a prompt, yes less no, and no cache, as of a classifier with one label."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind of file.

    name: its Transformers.js dtype; suffix: of its file name. linear: how the matrices of the layers are stored and
    multiplied (f32, f16, q8, int8 or q4). table: how the embedding is stored (f32, f16, s8: one scale a row, or b8:
    one scale for every 32 weights). half: activations and KV cache are float16.
    """

    name: str
    suffix: str
    linear: str
    table: str
    half: bool = False

    @property
    def stored(self) -> str:
        """How the matrices of the layers are stored: f32, f16, s8 (q8 and int8 differ in the activations) or q4."""
        return {"q8": "s8", "int8": "s8"}.get(self.linear, self.linear)

    @property
    def file(self) -> str:
        """The file's path in a model folder."""
        return f"onnx/model{self.suffix}.onnx"


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("fp32", "", "f32", "f32"),
        Variant("fp16", "_fp16", "f16", "f16", half=True),
        Variant("q8", "_quantized", "q8", "s8"),
        Variant("int8", "_int8", "int8", "s8"),
        Variant("q4", "_q4", "q4", "b8"),
        Variant("q4f16", "_q4f16", "q4", "b8", half=True),
    )
}
"""Every variant by name."""

DEFAULT_VARIANTS = ("q8", "int8", "q4")
"""What is written where nothing is asked for: what browsers load by default, the most exact small one, the smallest."""


def chosen(names: Sequence[str]) -> tuple[Variant, ...]:
    """The variants of those names, each once, in the table's order; "all" stands for every one of them.

    Raises InputError for an unknown name, or where none is given.
    """
    wanted = set(VARIANTS) if "all" in names else set(names)
    if unknown := sorted(wanted - set(VARIANTS)):
        raise InputError(
            "variants", f"{unknown[0]!r} is not known", f"use some of: {', '.join(VARIANTS)}, or all"
        )
    if not wanted:
        raise InputError("variants", "none is named", f"use some of: {', '.join(VARIANTS)}, or all")
    return tuple(variant for name, variant in VARIANTS.items() if name in wanted)


def check_head(head: str) -> None:
    """Raises InputError for an unknown head."""
    if head not in HEADS:
        raise InputError("head", f"{head!r} is not known", f"use one of: {', '.join(HEADS)}")
