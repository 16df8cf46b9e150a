"""The shapes that embedding clients speak: recognise(path, body) -> EmbedDialect."""

from collections.abc import Mapping
from typing import Any

from yesrank.serve.dialects import embed_cohere, embed_openai, embed_tei
from yesrank.serve.dialects.embedding import EmbedDialect
from yesrank.serve.dialects.embeddings import HINT, MESSAGE

__all__ = ["HINT", "MESSAGE", "NAMES", "recognise"]

_BY_NAME: Mapping[str, EmbedDialect] = {
    "openai": embed_openai.OPENAI,
    "jina": embed_openai.JINA,
    "voyage": embed_openai.VOYAGE,
    "tei": embed_tei.TEI,
    "cohere": embed_cohere.V2,
}
NAMES = tuple(_BY_NAME)
"""What may stand in a path before its last part, or under "dialect" in a body, to ask for a dialect by name."""


def recognise(path: str, body: Mapping[str, Any] | Any) -> EmbedDialect:
    """The dialect of a request. Never fails: a body that fits none gets one whose parse says what is wrong."""
    fields: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    parts = [part for part in path.lower().split("/") if part]
    if parts[-1:] == [embed_tei.ALL]:
        return embed_tei.TEI_ALL
    asked = fields.get("dialect")
    named = [asked] if isinstance(asked, str) else parts[:-1]
    found = next((_BY_NAME[each] for each in named if each in _BY_NAME), None)
    return found or _by_body(parts, fields)


def _by_body(parts: list[str], fields: Mapping[str, Any]) -> EmbedDialect:
    if "texts" in fields or _has_content(fields):
        return embed_cohere.V1 if "v1" in parts else embed_cohere.V2
    if "inputs" in fields:
        return embed_tei.TEI
    if "input" in fields:
        return _of_input(fields)
    if parts[-1:] == ["embed"]:
        return embed_cohere.V2 if "v2" in parts else embed_tei.TEI
    return embed_openai.OPENAI


def _has_content(fields: Mapping[str, Any]) -> bool:
    items = fields.get("inputs")
    return isinstance(items, list) and any(isinstance(each, Mapping) and "content" in each for each in items)


def _of_input(fields: Mapping[str, Any]) -> EmbedDialect:
    if not embed_openai.JINA_ONLY.isdisjoint(fields):
        return embed_openai.JINA
    if not embed_openai.VOYAGE_ONLY.isdisjoint(fields):
        return embed_openai.VOYAGE
    return embed_openai.OPENAI
