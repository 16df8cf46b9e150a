"""The shapes that rerank clients speak: parse(body) -> RerankRequest, render(request, result) -> body.

    recognise(path, body, headers) ─► Dialect(name, parse, render, error)

The body decides; the path only where the body does not. Whoever wants a certain dialect asks for it by name, in
the body ("dialect": "voyage") or as a part of the path (/voyage/v1/rerank). A header that only one service's clients
send goes before the body.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from yesrank.errors import InputError
from yesrank.serve.dialects.base import Dialect, ErrorRenderer
from yesrank.serve.dialects.bedrock import BEDROCK, SOURCES
from yesrank.serve.dialects.cohere import COHERE_V1, COHERE_V2, INFINITY, JINA, JINA_ONLY, OPENROUTER
from yesrank.serve.dialects.dashscope import DASHSCOPE
from yesrank.serve.dialects.deepinfra import DEEPINFRA
from yesrank.serve.dialects.embeddings import OPENAI_EMBEDDINGS, TEI_EMBED, refusal
from yesrank.serve.dialects.mixedbread import MIXEDBREAD
from yesrank.serve.dialects.nvidia import NVIDIA
from yesrank.serve.dialects.openarc import OPENARC
from yesrank.serve.dialects.pinecone import HEADER, PINECONE
from yesrank.serve.dialects.sglang import SGLANG
from yesrank.serve.dialects.tei import TEI
from yesrank.serve.dialects.vllm_score import OWN as SCORE_ONLY
from yesrank.serve.dialects.vllm_score import VLLM_SCORE
from yesrank.serve.dialects.voyage import VOYAGE
from yesrank.serve.dialects.watsonx import WATSONX
from yesrank.serve.dialects.weaviate import PROPERTY, WEAVIATE

__all__ = [
    "DIALECTS",
    "LAST_PARTS",
    "PREFIXES",
    "SHAPES",
    "Dialect",
    "ErrorRenderer",
    "model_in",
    "recognise",
    "refusal",
    "unread",
]

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        COHERE_V1,
        COHERE_V2,
        JINA,
        INFINITY,
        TEI,
        VOYAGE,
        OPENARC,
        VLLM_SCORE,
        MIXEDBREAD,
        NVIDIA,
        DASHSCOPE,
        OPENROUTER,
        PINECONE,
        WEAVIATE,
        DEEPINFRA,
        SGLANG,
        WATSONX,
        BEDROCK,
        OPENAI_EMBEDDINGS,
        TEI_EMBED,
    )
}
"""All dialects by name."""

PREFIXES: Mapping[str, Dialect] = {
    "jina": JINA,
    "infinity": INFINITY,
    "tei": TEI,
    "voyage": VOYAGE,
    "openarc": OPENARC,
    "mixedbread": MIXEDBREAD,
    "nvidia": NVIDIA,
    "dashscope": DASHSCOPE,
    "openrouter": OPENROUTER,
    "pinecone": PINECONE,
    "weaviate": WEAVIATE,
    "deepinfra": DEEPINFRA,
    "sglang": SGLANG,
    "watsonx": WATSONX,
    "bedrock": BEDROCK,
}
"""What may stand in a path before its last part, or under "dialect" in a body, to ask for a dialect by name."""


def _unknown(*_: object) -> NoReturn:
    raise InputError("dialect", "is not known", f"use one of: {', '.join(PREFIXES)}")


_UNKNOWN = Dialect(COHERE_V1.name, _unknown, _unknown, COHERE_V1.error)
_BY_LAST_PART = {
    "score": VLLM_SCORE,
    "embed": TEI_EMBED,
    "embeddings": OPENAI_EMBEDDINGS,
    "text-rerank": DASHSCOPE,
}
_SHAPES: Mapping[str, Dialect] = {
    "cohere": COHERE_V1,
    **{name: PREFIXES[name] for name in ("jina", "infinity", "voyage", "openarc", "openrouter", "sglang")},
}
SHAPES = tuple(_SHAPES)
"""What a plain body of query and documents may be answered in: no field tells these services apart."""
LAST_PARTS = ("rerank", "reranking", "reranks", "ranking", "text-rerank", "score", "invocations", "invoke")
"""Last parts of a path that are answered whatever stands before them: base URLs end in many ways.

The last two are those of SageMaker and of Bedrock's runtime, which take what the model behind them takes.
"""
_NAMED_IN_PATHS = re.compile(r"/model/(?P<invoked>.+)/invoke|.*/inference/(?P<inferred>.+)", re.DOTALL)
_OPENROUTER = ["api", "v1", "rerank"]
_VERSIONS = frozenset({"v1", "v2", "v3", "api"})


def recognise(
    path: str,
    body: Mapping[str, Any] | Any,
    headers: Mapping[str, str] | None = None,
    undecided: str | None = None,
) -> Dialect:
    """The dialect of a request. Never fails: a body that fits none gets one whose parse says what is wrong.

    headers: their names in small letters, or a mapping that does not mind. undecided: one of SHAPES, for a body of
    query and documents that could be of several services.
    """
    fields: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    parts = [part for part in path.lower().split("/") if part]
    found = _asked_for(parts, fields)
    if found is None and headers is not None and HEADER in headers:
        found = PINECONE
    if found is None and model_in(path) is not None and _last_part(path) not in LAST_PARTS:
        found = DEEPINFRA
    if found is not None:
        return found
    found = _by_body(fields) or _by_path(parts, fields)
    plain = found is COHERE_V1 and fields.get("documents") is not None and "cohere" not in parts
    return _SHAPES[undecided] if plain and undecided else found


def model_in(path: str) -> str | None:
    """The model that a path names: /v1/inference/OWNER/MODEL (DeepInfra), /model/ID/invoke (Bedrock)."""
    found = _NAMED_IN_PATHS.fullmatch(path.rstrip("/"))
    if found is None:
        return None
    return found["invoked"] or (None if _last_part(path) in LAST_PARTS else found["inferred"])


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2].lower()


def unread(path: str, headers: Mapping[str, str] | None = None) -> Dialect:
    """The dialect for errors that come before the body is read: a wrong key, a body that is no JSON.

    On a bare /rerank that is TEI's, whose clients need `error` as a string, as vLLM sends it there for a wrong key.
    """
    found = recognise(path, {}, headers)
    parts = [part for part in path.lower().split("/") if part]
    bare = parts[-1:] == ["rerank"] and found is COHERE_V1 and _VERSIONS.isdisjoint(parts)
    return TEI if bare else found


def _asked_for(parts: list[str], fields: Mapping[str, Any]) -> Dialect | None:
    name = fields.get("dialect")
    if isinstance(name, str):
        return PREFIXES.get(name) or DIALECTS.get(name) or _SHAPES.get(name) or _UNKNOWN
    return next((PREFIXES[part] for part in parts[:-1] if part in PREFIXES), None)


def _by_body(fields: Mapping[str, Any]) -> Dialect | None:
    if not SCORE_ONLY.isdisjoint(fields):
        return BEDROCK if SOURCES in fields else VLLM_SCORE
    if fields.get("documents") is not None:
        return _by_options(fields)
    if "passages" in fields and "query" in fields:
        return NVIDIA
    if "texts" in fields:
        return TEI
    return _by_input(fields)


def _by_input(fields: Mapping[str, Any]) -> Dialect | None:
    if "input" in fields:
        if isinstance(fields["input"], Mapping):
            return DASHSCOPE
        return MIXEDBREAD if "query" in fields else OPENAI_EMBEDDINGS
    if "inputs" in fields:
        return WATSONX if "query" in fields else TEI_EMBED
    return None


def _by_options(fields: Mapping[str, Any]) -> Dialect | None:
    """Bodies with `documents` differ only in their options."""
    if "prefix" in fields or "suffix" in fields:
        return OPENARC
    if PROPERTY in fields:
        return WEAVIATE
    if "top_n" not in fields and ("top_k" in fields or "truncation" in fields):
        return VOYAGE
    return None if JINA_ONLY.isdisjoint(fields) else JINA


def _by_path(parts: list[str], fields: Mapping[str, Any]) -> Dialect:
    last = parts[-1] if parts else ""
    if last == "ranking" and fields.get("documents") is None:
        return NVIDIA
    if parts[-3:] == _OPENROUTER:
        return OPENROUTER
    return _BY_LAST_PART.get(last) or (COHERE_V2 if "v2" in parts else COHERE_V1)
