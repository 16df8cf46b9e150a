"""Text Embeddings Inference: inputs in, a bare array of vectors out."""

from typing import Any

from yesrank.errors import InputError
from yesrank.serve.dialects import embedding as shared
from yesrank.serve.dialects import errorbodies, options
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.embedding import EmbedDialect
from yesrank.serve.embedrequests import EmbedRequest, EmbedResult

_OWN = ("inputs", "truncate", "truncation_direction", "normalize", "prompt_name")
ALL = "embed_all"
NO_TOKENS = (
    "one vector stands for a whole text: the state of its last token. Those of the others are not made"
)


def parse(body: Any) -> EmbedRequest:
    """A text that does not fit is an error unless truncate is true, as there."""
    fields = read.as_object(body)
    if read.flag(fields, "normalize") is False:
        raise InputError("normalize", "false cannot be had here", "vectors are one long; leave it out")
    cut = read.flag(fields, "truncate") or False
    options.truncate({name: fields[name] for name in ("truncate", "truncation_direction") if name in fields})
    return EmbedRequest(
        dialect="tei-embed",
        inputs=shared.inputs(fields, "inputs", ids=True),
        model=read.string(fields, "model"),
        purpose=shared.purpose(fields, "prompt_name"),
        instruction=shared.instruction(fields),
        dimensions=shared.dimensions(fields, "dimensions"),
        truncate=cut,
        notes=shared.check(fields, _OWN),
    )


def render(request: EmbedRequest, result: EmbedResult) -> list[Any]:
    """[[number, ...], ...]."""
    return shared.numbers(result.vectors["float32"])


def refuse_all(_: object) -> EmbedRequest:
    """In the place of parse, for /embed_all."""
    raise InputError("path", NO_TOKENS, "send the same body to /embed")


TEI = EmbedDialect("tei-embed", parse, render, errorbodies.tei)
TEI_ALL = EmbedDialect("tei-embed", refuse_all, render, errorbodies.tei)
