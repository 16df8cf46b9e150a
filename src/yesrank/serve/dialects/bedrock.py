"""Amazon Bedrock's Rerank (agent runtime): nested texts and a configuration in, `relevanceScore` out.

Its other way, invoke_model of the runtime, has Cohere's body on /model/ID/invoke.
"""

from collections.abc import Mapping
from typing import Any

from yesrank.errors import InputError
from yesrank.serve.dialects import errorbodies, options, ranking, texts
from yesrank.serve.dialects import fields as read
from yesrank.serve.dialects.base import Dialect, Fault, Kind
from yesrank.serve.requests import RerankRequest, RerankResult

NAME = "bedrock"
SOURCES = "sources"
_OWN = ("queries", SOURCES, "rerankingConfiguration", "nextToken")
_CODES: Mapping[Kind | int, str] = {
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
}


def parse(body: Any) -> RerankRequest:
    """One query; each source holds a text, or a JSON object whose strings and numbers are read. There is one page."""
    fields = read.as_object(body)
    if fields.get("nextToken"):
        raise InputError("nextToken", "is not known", "all results come back at once; leave it out")
    queries = texts.items(fields, "queries")
    if len(queries) != 1:
        raise InputError("queries", f"has {len(queries)} queries", "give one")
    query = {"queries": _at(queries[0], "queries[0]", "textQuery", "text")}
    sources = texts.items(fields, SOURCES)
    within = "rerankingConfiguration.bedrockRerankingConfiguration"
    wanted = _at(fields, "body", *within.split("."), missing={})
    if not isinstance(wanted, Mapping):
        raise InputError(within, f"must be an object, not {read.kind(wanted)}")
    model = _at(wanted, within, "modelConfiguration", "modelArn", missing=None)
    return RerankRequest(
        dialect=NAME,
        queries=(texts.query(query, "queries"),),
        documents=tuple(_text(source, f"{SOURCES}[{index}]") for index, source in enumerate(sources)),
        **{**options.shared(fields, _OWN), "model": read.string({"modelArn": model}, "modelArn")},
        top_n=options.count(wanted, "numberOfResults"),
        options={"raw_scores": options.raw_scores(fields)},
    )


def _at(value: Any, where: str, *keys: str, missing: Any = ...) -> Any:
    """What stands at the end of these keys. missing: what counts where one of them is absent."""
    for key in keys:
        if not isinstance(value, Mapping):
            raise InputError(where, f"must be an object, not {read.kind(value)}")
        if value.get(key) is None:
            if missing is ...:
                raise InputError(f"{where}.{key}", "is missing")
            return missing
        value, where = value[key], f"{where}.{key}"
    return value


def _text(source: Any, where: str) -> str:
    inline = _at(source, where, "inlineDocumentSource")
    where += ".inlineDocumentSource"
    if isinstance(inline, Mapping) and inline.get("jsonDocument") is not None:
        found = inline["jsonDocument"]
        if not isinstance(found, Mapping):
            raise InputError(f"{where}.jsonDocument", f"must be an object, not {read.kind(found)}")
        return texts.one_text(found, f"{where}.jsonDocument", tuple(found))
    return texts.one_text(_at(inline, where, "textDocument", "text"), f"{where}.textDocument.text")


def render(request: RerankRequest, result: RerankResult) -> dict[str, Any]:
    """{results: [{index, relevanceScore}]}."""
    return {
        "results": [
            {"index": scored.index, "relevanceScore": ranking.number(request, scored)}
            for scored in ranking.best_first(request, result)
        ]
    }


def _error(error: dict[str, Any], word: str, _status: int, _fault: Fault) -> dict[str, Any]:
    return {"error": error, "__type": word, "code": word}


ERRORS = errorbodies.Errors(
    {**errorbodies.BAD_REQUEST, Kind.KEY: 403},
    errorbodies.with_code(_CODES, ("ValidationException", "InternalServerException"), _error),
)
BEDROCK = Dialect(NAME, parse, render, ERRORS)
