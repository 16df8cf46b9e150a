"""What each service answers when something is wrong, by its own documentation: status, and where its type stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from yesrank.errors import EmptyInput, InputError, ModelNotFound, QueueFull, TooLong, YesrankError
from yesrank.serve.dialects import DIALECTS, unread
from yesrank.serve.dialects.base import Fault, Kind
from yesrank.serve.http.body import Refused
from yesrank.serve.http.failures import kind_of, status_of

RAISED: Mapping[Kind, YesrankError] = {
    Kind.MODEL: ModelNotFound("no such model"),
    Kind.FIELD: InputError("top_n", "must be a whole number"),
    Kind.EMPTY: EmptyInput("documents", "is empty"),
    Kind.LONG: TooLong("documents[0]", "is longer than the model takes"),
    Kind.LARGE: Refused(413, "10001 documents are more than the 10000 of one request"),
    Kind.BUSY: QueueFull("the queue is full"),
}


@dataclass(frozen=True)
class Service:
    """source: where its errors are documented. statuses: of the kinds in the order of Kind. type_at: where the type
    of the error stands in a body, and the type of each kind."""

    source: str
    statuses: tuple[int, int, int, int, int, int, int]
    type_at: tuple[str, ...]
    types: tuple[Any, Any, Any, Any, Any, Any, Any]


OPENAI_TYPES = (
    "authentication_error",
    *("invalid_request_error",) * 5,
    "rate_limit_error",
)
NUMBERS = (401, 404, 400, 400, 400, 413, 429)
SERVICES = {
    "cohere-v1": Service("docs.cohere.com/v1/reference/errors", NUMBERS, ("error", "type"), OPENAI_TYPES),
    "cohere-v2": Service("docs.cohere.com/v2/reference/errors", NUMBERS, ("error", "type"), OPENAI_TYPES),
    "jina": Service(  # FastAPI's validation errors
        "api.jina.ai/redoc (422 HTTPValidationError)",
        (401, 404, 422, 422, 422, 413, 429),
        ("error", "type"),
        OPENAI_TYPES,
    ),
    "infinity": Service(
        "michaelfeil/infinity, infinity_emb/fastapi_schemas/errors.py",
        NUMBERS,
        ("error", "type"),
        OPENAI_TYPES,
    ),
    "tei": Service(
        "huggingface/text-embeddings-inference, router/src/http/server.rs (From<&ErrorType> for StatusCode)",
        (401, 404, 422, 400, 413, 413, 429),
        ("error_type",),
        ("Validation", "Validation", "Validation", "Empty", "Validation", "Validation", "Overloaded"),
    ),
    "voyage": Service(
        "docs.voyageai.com/docs/error-codes",
        (401, 400, 400, 400, 400, 400, 429),
        ("error", "type"),
        OPENAI_TYPES,
    ),
    "vllm-score": Service(
        "vllm-project/vllm, create_error_response of its OpenAI server",
        NUMBERS,
        ("error", "type"),
        (
            "AuthenticationError",
            "NotFoundError",
            *("BadRequestError",) * 4,
            "RateLimitError",
        ),
    ),
    "mixedbread": Service(
        "www.mixedbread.com/api-reference/error-handling",
        (401, 404, 422, 422, 422, 413, 429),
        ("error", "type"),
        OPENAI_TYPES,
    ),
    "nvidia": Service(
        "docs.nvidia.com/nim/nemo-retriever/reranking (422 HTTPValidationError)",
        (401, 404, 422, 422, 422, 413, 429),
        ("error", "type"),
        OPENAI_TYPES,
    ),
    "dashscope": Service(
        "www.alibabacloud.com/help/en/model-studio/error-code",
        NUMBERS,
        ("code",),
        (
            "InvalidApiKey",
            "ModelNotFound",
            *("InvalidParameter",) * 3,
            "BadRequest.TooLarge",
            "Throttling",
        ),
    ),
    "openrouter": Service(
        "openrouter.ai/docs/api/reference/errors-and-debugging", NUMBERS, ("error", "code"), NUMBERS
    ),
    "bedrock": Service(
        "docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html",
        (403, 404, 400, 400, 400, 413, 429),
        ("__type",),
        (
            "AccessDeniedException",
            "ResourceNotFoundException",
            *("ValidationException",) * 4,
            "ThrottlingException",
        ),
    ),
    "sglang": Service(
        "sgl-project/sglang, ErrorResponse of its OpenAI server",
        NUMBERS,
        ("error", "type"),
        ("AuthenticationError", "NotFoundError", *("BadRequestError",) * 4, "RateLimitError"),
    ),
    "pinecone": Service(
        "docs.pinecone.io/reference/api/errors",
        NUMBERS,
        ("error", "code"),
        (
            "UNAUTHENTICATED",
            "NOT_FOUND",
            *("INVALID_ARGUMENT",) * 4,
            "RESOURCE_EXHAUSTED",
        ),
    ),
}


def raised(kind: Kind) -> Fault:
    if kind is Kind.KEY:
        return Fault(401, "an API key is missing or wrong", kind=kind)
    error = RAISED[kind]
    assert kind_of(error) is kind
    return Fault(status_of(error), error.message, kind=kind)


@pytest.mark.parametrize("name", SERVICES)
def test_status_and_type_are_the_services_own(name: str) -> None:
    service = SERVICES[name]
    for kind, status, wanted in zip(Kind, service.statuses, service.types, strict=False):
        told, body = DIALECTS[name].error(raised(kind))
        found: Any = body
        for key in service.type_at:
            found = found[key]
        assert (told, found) == (status, wanted), kind


def test_no_service_is_left_out() -> None:
    ours = {
        "deepinfra",
        "watsonx",
        "openarc",
        "weaviate",
        "openai-embeddings",
        "tei-embed",
    }  # a text and no more
    assert set(SERVICES) | ours >= set(DIALECTS)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/rerank", "tei"),
        ("/behind/a/proxy/rerank", "tei"),
        ("/jina/rerank", "jina"),
        ("/v1/rerank", "cohere-v1"),
        ("/v2/rerank", "cohere-v2"),
        ("/api/v1/rerank", "openrouter"),
        ("/text-rerank", "dashscope"),
        ("/embed", "tei-embed"),
        ("/score", "vllm-score"),
        ("/v1/models", "cohere-v1"),
    ],
)
def test_before_the_body_is_read_the_path_says_whose_errors_they_are(path: str, name: str) -> None:
    assert unread(path).name == name
