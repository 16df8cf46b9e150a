"""The bodies that /openapi.json names: one type for each, so that generators of clients can read them.

A path whose body decides its answer is described with the shape that most clients send there. Lists are answered on
paths of their own (/tei/rerank), and so are the shapes of other services (/voyage/v1/rerank).
"""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
_STRING: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_FLAG: Schema = {"type": "boolean"}
_TEXT: Schema = {"type": "string", "minLength": 1}
_COUNT: Schema = {
    "type": "integer",
    "minimum": 0,
    "description": "The best so many; all without it, or for 0.",
}
_TEXTS: Schema = {"type": "array", "minItems": 1, "items": _STRING}
_MODEL: Schema = {"type": "string", "description": "A name from /v1/models; the first one when left out."}
_COMMON: Schema = {
    "model": _MODEL,
    "instruction": {"type": "string", "description": "What makes a document relevant, in one sentence."},
    "max_tokens_per_doc": {"type": "integer", "minimum": 0},
    "raw_scores": {**_FLAG, "description": "Logits instead of probabilities."},
}


def ref(name: str) -> Schema:
    """What stands for a type of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(required: str, **properties: Schema) -> Schema:
    found: Schema = {"type": "object", "properties": properties}
    return {**found, "required": required.split()} if required else found


_FOUND: Schema = {"index": {**_WHOLE, "description": "Position in the request."}}
SCHEMAS: Mapping[str, Schema] = {
    "RerankRequest": _object(
        "query documents",
        query=_TEXT,
        documents={
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [_STRING, ref("Document")]},
        },
        top_n=_COUNT,
        score_threshold={
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "The least score that comes back; not for OpenArc.",
        },
        return_documents=_FLAG,
        **_COMMON,
    ),
    "Document": {**_object("text", text=_TEXT), "additionalProperties": True},
    "RerankResponse": _object(
        "id model results usage",
        id=_STRING,
        object=_STRING,
        created=_WHOLE,
        model=_STRING,
        results=_list(ref("RerankResult")),
        usage=ref("Usage"),
        meta={"type": "object", "additionalProperties": True},
    ),
    "RerankResult": _object(
        "index relevance_score",
        **_FOUND,
        relevance_score={**_NUMBER, "description": "Probability of yes, or with raw_scores the logit."},
        document=ref("Document"),
        truncated={**_FLAG, "description": "Whether the document was cut; absent where it was not."},
    ),
    "Usage": _object("total_tokens", prompt_tokens=_WHOLE, total_tokens=_WHOLE, completion_tokens=_WHOLE),
    "TeiRerankRequest": _object(
        "query texts",
        query=_TEXT,
        texts=_TEXTS,
        return_text=_FLAG,
        truncate=_FLAG,
        **_COMMON,
    ),
    "TeiRank": _object("index score", **_FOUND, score=_NUMBER, text=_STRING),
    "VoyageRerankRequest": _object(
        "query documents",
        query=_TEXT,
        documents=_TEXTS,
        top_k=_COUNT,
        return_documents=_FLAG,
        truncation=_FLAG,
        **_COMMON,
    ),
    "VoyageRerankResponse": _object(
        "data model usage",
        object=_STRING,
        data=_list(_object("index relevance_score", **_FOUND, relevance_score=_NUMBER, document=_STRING)),
        model=_STRING,
        usage=ref("Usage"),
    ),
    "RankingRequest": _object(
        "query passages",
        query=ref("Document"),
        passages={"type": "array", "minItems": 1, "items": ref("Document")},
        truncate={**_STRING, "enum": ["END", "NONE"]},
        model=_MODEL,
    ),
    "RankingResponse": _object(
        "rankings", rankings=_list(_object("index logit", **_FOUND, logit=_NUMBER)), usage=ref("Usage")
    ),
    "DashscopeRequest": _object(
        "input",
        model=_MODEL,
        input=_object("query documents", query=_TEXT, documents=_TEXTS),
        parameters=_object("", top_n=_COUNT, return_documents=_FLAG, instruct=_STRING),
    ),
    "DashscopeResponse": _object(
        "output request_id",
        request_id=_STRING,
        code=_STRING,
        message=_STRING,
        output=_object("results", results=_list(ref("RerankResult"))),
        usage=ref("Usage"),
    ),
    "ScoreRequest": _object("text_1 text_2", text_1=_TEXT, text_2=_TEXTS, **_COMMON),
    "ScoreResponse": _object(
        "data model usage",
        id=_STRING,
        object=_STRING,
        created=_WHOLE,
        model=_STRING,
        data=_list(_object("index score", **_FOUND, object=_STRING, score=_NUMBER, truncated=_FLAG)),
        usage=ref("Usage"),
    ),
    "SearchRequest": _object(
        "query",
        query=_TEXT,
        index={**_STRING, "description": "Which index, where the server has several."},
        top={
            **_WHOLE,
            "minimum": 1,
            "maximum": 1000,
            "description": "Passages that come back; 10 without it.",
        },
        candidates={
            **_WHOLE,
            "minimum": 1,
            "maximum": 1000,
            "description": "Passages that the model judges; 50.",
        },
        rerank={**_FLAG, "description": "false keeps the order of the first stage."},
        model=_MODEL,
        instruction=_COMMON["instruction"],
    ),
    "SearchResponse": _object(
        "query index results",
        object=_STRING,
        query=_STRING,
        index=_STRING,
        model={**_STRING, "nullable": True},
        candidates=_WHOLE,
        fused={**_FLAG, "description": "Whether the first stage's score counts in the order."},
        results=_list(ref("FoundPassage")),
    ),
    "FoundPassage": {
        **_object(
            "passage path place text first_stage",
            passage={**_WHOLE, "description": "Its number in the index."},
            path=_STRING,
            place=_STRING,
            kind=_STRING,
            heading=_list(_STRING),
            text=_STRING,
            first_stage=_NUMBER,
        ),
        "description": "Also score and logit, lines, page, record, and best: the best sentence with start, end, text.",
        "additionalProperties": True,
    },
    "Error": {
        **_object(
            "message detail",
            message=_STRING,
            detail=_STRING,
            field={**_STRING, "description": "The one at fault."},
            hint={**_STRING, "description": "The next step to take."},
            id={**_STRING, "description": "The request's id, as in X-Request-Id and the log."},
        ),
        "description": "`error` holds the same in the shape of the service whose shape was asked for.",
        "additionalProperties": True,
    },
    "Model": {
        **_object(
            "id object state aliases",
            id=_STRING,
            object=_STRING,
            created=_WHOLE,
            owned_by=_STRING,
            aliases=_list(_STRING),
            state={**_STRING, "enum": ["unloaded", "loading", "ready", "unloading", "failed"]},
            task=_STRING,
            reason=_STRING,
        ),
        "additionalProperties": True,
    },
    "ModelList": _object("object data", object=_STRING, data=_list(ref("Model"))),
    "Info": {
        **_object(
            "model_id max_input_length max_client_batch_size",
            model_id=_STRING,
            max_input_length=_WHOLE,
            max_client_batch_size=_WHOLE,
            max_concurrent_requests=_WHOLE,
            max_batch_tokens=_WHOLE,
            payload_limit=_WHOLE,
            auto_truncate=_FLAG,
            version=_STRING,
        ),
        "additionalProperties": True,
    },
    "Status": {**_object("status", status=_STRING), "additionalProperties": True},
    "Auth": _object("auth", auth=_FLAG),
}
"""Name -> type."""
