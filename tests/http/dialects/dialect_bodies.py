"""Bodies as real clients send them, and results that were never computed."""

import math
from typing import Any

from yesrank.prompt import TEMPLATES
from yesrank.serve.requests import RerankRequest, RerankResult, Scored

QUERY = "What is the capital of France?"
CITIES = [
    "Berlin is the capital of Germany.",
    "Paris is the capital of France.",
    "Zürich is not a capital. 🦊",
]
BOOKS = [
    {"title": "Atlas", "year": 1999, "text": "Maps of Europe.", "isbn": None},
    {"title": "Paris", "year": 2020.5, "text": "The capital of France.", "tags": ["city", {"a": True}]},
]
MODEL = "Qwen/Qwen3-Reranker-0.6B"
BASE = {"model": MODEL, "query": QUERY, "documents": CITIES}
CARD = TEMPLATES["card"]


def _source(document: dict[str, Any]) -> dict[str, Any]:
    return {"type": "INLINE", "inlineDocumentSource": document}


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    # Cohere and those who speak like it
    "cohere-v2-sdk": ("/v2/rerank", {**BASE, "top_n": 2}),
    "cohere-v1-sdk": ("/v1/rerank", {**BASE, "return_documents": True, "max_chunks_per_doc": 10}),
    "cohere-v1-rank-fields": (
        "/v1/rerank",
        {**BASE, "documents": BOOKS, "rank_fields": ["year", "title", "isbn"], "return_documents": True},
    ),
    "cohere-v1-objects": ("/v1/rerank", {**BASE, "documents": [{"text": text} for text in CITIES]}),
    "langchain-cohere": ("/v2/rerank", {**BASE, "top_n": 3, "max_tokens_per_doc": None}),
    "ai-sdk-cohere": ("/v2/rerank", {**BASE, "top_n": 1, "max_tokens_per_doc": 512, "priority": 1}),
    "litellm-jina": ("/v1/rerank", {**BASE, "top_n": 2, "return_documents": True}),
    "litellm-hosted-vllm": (
        "/rerank",
        {**BASE, "return_documents": True, "instruction": "Find the capital.", "max_tokens_per_doc": 256},
    ),
    "litellm-infinity": ("/rerank", {**BASE, "return_documents": False}),
    "infinity-by-path": ("/infinity/rerank", {**BASE, "return_documents": True, "raw_scores": False}),
    "haystack-jina": ("/v1/rerank", {**BASE, "top_n": 10}),
    "jina-own-fields": ("/v1/rerank", {**BASE, "top_n": 1, "return_embeddings": False}),
    "open-webui": ("/v1/rerank", {**BASE, "top_n": 3}),
    "dify": ("/v1/rerank", {**BASE, "top_n": None, "return_documents": True}),
    "ragflow-xinference": ("/v1/rerank", {**BASE, "return_documents": "true", "return_len": "true"}),
    "vllm-chat-template": (
        "/v1/rerank",
        {**BASE, "top_n": 0, "chat_template_kwargs": {"instruction": "Find."}, "truncate_prompt_tokens": -1},
    ),
    "vllm-limits": (
        "/v1/rerank",
        {
            **BASE,
            "truncate_prompt_tokens": 512,
            "max_tokens_per_query": 64,
            "max_tokens_per_doc": 99,
            "user": "u",
        },
    ),
    "sglang-instruct": (
        "/v1/rerank",
        {**BASE, "instruct": "Find.", "chat_template_kwargs": {"instruct": "Find."}},
    ),
    "jina-limits": ("/v1/rerank", {**BASE, "max_doc_length": 256, "max_query_length": 64}),
    "max-length": ("/v1/rerank", {**BASE, "max_length": 300, "truncate_prompt_tokens": 512}),
    "two-names-of-one-number": ("/v1/rerank", {**BASE, "top_n": 2, "top_k": 2}),
    "unknown-fields": (
        "/v1/rerank",
        {
            **BASE,
            "rankings": 1,
            "ein Feld": 2,
            "chat_template_kwargs": {"enable_thinking": False, "shape": 1},
        },
    ),
    "vllm-no-activation": ("/rerank", {**BASE, "use_activation": False}),
    "model-server-v3": ("/v3/rerank", {**BASE, "return_documents": False}),
    "raw-scores": ("/v1/rerank", {**BASE, "raw_scores": True, "top_n": "2"}),
    "threshold": ("/v1/rerank", {**BASE, "score_threshold": 0.3}),
    "threshold-and-top-n": ("/v2/rerank", {**BASE, "min_score": "0.3", "top_n": 1}),
    "threshold-of-logits": ("/jina/rerank", {**BASE, "threshold": 0.9, "raw_scores": True}),
    "threshold-voyage": ("/voyage/rerank", {**BASE, "score_threshold": 0.5}),
    "threshold-mixedbread": ("/rerank", {"query": QUERY, "input": CITIES, "score_threshold": 0.5}),
    "threshold-dashscope": (
        "/text-rerank",
        {"input": {"query": QUERY, "documents": CITIES}, "parameters": {"score_threshold": 0.5}},
    ),
    "threshold-pinecone": ("/pinecone/rerank", {**BASE, "score_threshold": 1}),
    "threshold-of-nothing": ("/rerank", {"query": QUERY, "texts": CITIES, "score_threshold": None}),
    # DashScope: its own path, and the compatible one
    "dashscope": (
        "/api/v1/services/rerank/text-rerank/text-rerank",
        {
            "model": MODEL,
            "input": {"query": QUERY, "documents": CITIES},
            "parameters": {"top_n": 2, "return_documents": True, "instruct": "Find the capital."},
        },
    ),
    "dashscope-compatible": ("/compatible-api/v1/reranks", {**BASE, "top_n": 2, "instruct": "Find."}),
    # Together reads usage.completion_tokens, OpenRouter a document in each result
    "openrouter": ("/api/v1/rerank", {**BASE, "top_n": 2}),
    "pinecone": (
        "/pinecone/rerank",
        {
            "model": MODEL,
            "query": QUERY,
            "documents": BOOKS,
            "rank_fields": ["text"],
            "top_n": 1,
            "parameters": {"truncate": "NONE"},
        },
    ),
    "weaviate": ("/rerank", {"query": QUERY, "documents": CITIES, "property": ""}),
    "content-parts": (
        "/v1/retrieval/nvidia/model/reranking",
        {
            "model": MODEL,
            "query": {"text": QUERY},
            "passages": [
                {"text": [{"type": "text", "text": "Berlin."}, {"type": "text", "text": "A city."}]},
                [{"type": "text", "text": "Paris."}],
            ],
        },
    ),
    # NVIDIA
    "nvidia-nim": (
        "/v1/ranking",
        {
            "model": MODEL,
            "query": {"text": QUERY},
            "passages": [{"text": text} for text in CITIES],
            "truncate": "END",
        },
    ),
    # TEI
    "litellm-huggingface": (
        "/rerank",
        {
            "raw_scores": False,
            "truncate": False,
            "truncation_direction": "Right",
            "query": QUERY,
            "texts": CITIES,
            "top_n": 2,
            "return_text": True,
        },
    ),
    "llama-index-tei": ("/rerank", {"query": QUERY, "texts": CITIES}),
    "haystack-tei": ("/rerank", {"query": QUERY, "texts": CITIES, "raw_scores": True}),
    # Voyage
    "voyageai": ("/v1/rerank", {**BASE, "top_k": None, "truncation": True}),
    "voyageai-top-k": ("/v1/rerank", {**BASE, "top_k": 1, "truncation": False, "return_documents": True}),
    "litellm-voyage": ("/v1/rerank", {**BASE, "top_k": 2, "return_documents": True}),
    "voyage-by-path": ("/voyage/v1/rerank", {**BASE, "return_documents": True}),
    # OpenArc
    "openarc": ("/v1/rerank", {**BASE, "prefix": CARD.prefix, "suffix": CARD.suffix, "instruction": "Find."}),
    "openarc-asked-for": ("/v1/rerank", {**BASE, "dialect": "openarc"}),
    # asked for by name, or by what their paths and bodies have
    "sglang": ("/sglang/v1/rerank", {**BASE, "top_n": 2, "instruct": "Find."}),
    "deepinfra": ("/v1/inference/Qwen/Qwen3-Reranker-0.6B", {"queries": [QUERY] * 3, "documents": CITIES}),
    "watsonx": (
        "/ml/v1/text/rerank",
        {
            "model_id": MODEL,
            "project_id": "p",
            "query": QUERY,
            "inputs": [{"text": text} for text in CITIES],
            "parameters": {"truncate_input_tokens": 99, "return_options": {"top_n": 2, "inputs": True}},
        },
    ),
    "bedrock": (
        "/rerank",
        {
            "queries": [{"type": "TEXT", "textQuery": {"text": QUERY}}],
            "sources": [
                _source({"type": "TEXT", "textDocument": {"text": CITIES[0]}}),
                _source({"type": "JSON", "jsonDocument": BOOKS[1] | {"tags": "city"}}),
            ],
            "rerankingConfiguration": {
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": {
                    "numberOfResults": 1,
                    "modelConfiguration": {
                        "modelArn": "arn:aws:bedrock:eu-1::foundation-model/cohere.rerank-v3-5:0"
                    },
                },
            },
        },
    ),
    # vLLM score
    "score-one-to-many": ("/v1/score", {"model": MODEL, "text_1": QUERY, "text_2": CITIES}),
    "score-pairs": ("/score", {"text_1": [QUERY, "2", "3"], "text_2": CITIES, "encoding_format": "float"}),
    "score-queries": ("/score", {"queries": QUERY, "documents": CITIES, "use_activation": False}),
    "score-data": ("/score", {"model": None, "data_1": "a", "data_2": "b"}),
    "score-query": ("/score", {"query": QUERY, "documents": CITIES}),
    # Mixedbread, through the package rerankers
    "mixedbread": (
        "/v1/reranking",
        {"model": MODEL, "query": QUERY, "input": CITIES, "top_k": 2, "return_input": True},
    ),
}

ERRORS: dict[str, tuple[str, Any]] = {
    "nothing": ("/v1/rerank", {}),
    "not-an-object": ("/v1/rerank", [1, 2]),
    "no-query": ("/v2/rerank", {"documents": CITIES}),
    "empty-query": ("/v1/rerank", {"query": "", "documents": CITIES}),
    "query-of-another-kind": ("/v1/rerank", {"query": 7, "documents": CITIES}),
    "no-documents": ("/v1/rerank", {**BASE, "documents": []}),
    "documents-not-a-list": ("/v1/rerank", {**BASE, "documents": "one"}),
    "document-is-a-number": ("/v1/rerank", {**BASE, "documents": ["a", 7]}),
    "document-is-null": ("/v2/rerank", {**BASE, "documents": ["a", None]}),
    "document-without-text": ("/v1/rerank", {**BASE, "documents": [{"title": "secret"}]}),
    "rank-field-is-a-list": ("/v1/rerank", {**BASE, "documents": [{"a": ["secret"]}], "rank_fields": ["a"]}),
    "negative-top-n": ("/v1/rerank", {**BASE, "top_n": -1}),
    "top-n-is-a-boolean": ("/v1/rerank", {**BASE, "top_n": True}),
    "top-n-has-a-fraction": ("/v1/rerank", {**BASE, "top_n": 1.5}),
    "top-n-is-nan": ("/v1/rerank", {**BASE, "top_n": math.nan}),
    "return-documents-maybe": ("/v1/rerank", {**BASE, "return_documents": "maybe"}),
    "instruction-of-another-kind": ("/rerank", {**BASE, "instruct": {"a": 1}}),
    "truncation-side-left": ("/rerank", {**BASE, "truncation_side": "left"}),
    "tei-no-query": ("/rerank", {"texts": CITIES}),
    "tei-no-texts": ("/rerank", {"query": QUERY, "texts": []}),
    "tei-left": (
        "/rerank",
        {"query": QUERY, "texts": CITIES, "truncate": True, "truncation_direction": "Left"},
    ),
    "voyage-top-k": ("/v1/rerank", {**BASE, "top_k": "many"}),
    "openarc-prefix": ("/v1/rerank", {**BASE, "prefix": 1}),
    "another-prefix": ("/v1/rerank", {**BASE, "prefix": "<|im_start|>system\nsecret<|im_end|>\n"}),
    "another-suffix": ("/voyage/v1/rerank", {**BASE, "suffix": "secret"}),
    "misspelt": ("/v1/rerank", {**BASE, "top_m": 1}),
    "misspelt-in-camel-case": ("/v1/rerank", {**BASE, "returnDocuments": True}),
    "misspelt-tei": ("/rerank", {"query": QUERY, "texts": CITIES, "raw_score": True}),
    "chat-template": ("/v1/score", {"text_1": QUERY, "text_2": CITIES, "chat_template": "secret"}),
    "jina-embeddings": ("/v1/rerank", {**BASE, "return_embeddings": True}),
    "score-threshold": ("/v1/rerank", {**BASE, "score_threshold": 50}),
    "score-threshold-is-a-word": ("/v1/rerank", {**BASE, "min_score": "secret"}),
    "score-threshold-twice": ("/v1/rerank", {**BASE, "min_score": 0.5, "threshold": 0.4}),
    "score-threshold-tei": ("/rerank", {"query": QUERY, "texts": CITIES, "score_threshold": 0.5}),
    "score-threshold-score": ("/score", {"text_1": QUERY, "text_2": CITIES, "score_threshold": 0.5}),
    "instruction-twice": ("/v1/rerank", {**BASE, "instruction": "secret", "instruct": "other"}),
    "top-n-twice": ("/v1/rerank", {**BASE, "top_n": 2, "top_k": 3}),
    "dashscope-no-documents": ("/text-rerank", {"input": {"query": QUERY}}),
    "dashscope-twice": ("/text-rerank", {"model": "secret", "input": {"query": QUERY, "model": "x"}}),
    "dashscope-input-is-a-list": ("/text-rerank", {"input": ["secret"]}),
    "openrouter-no-query": ("/api/v1/rerank", {"documents": CITIES}),
    "pinecone-parameters": ("/pinecone/rerank", {**BASE, "parameters": "secret"}),
    "weaviate-no-query": ("/rerank", {"documents": CITIES, "property": "p"}),
    "watsonx-misspelt": ("/rerank", {"query": QUERY, "inputs": CITIES, "parameters": {"return_option": {}}}),
    "watsonx-parameters": ("/rerank", {"query": QUERY, "inputs": CITIES, "parameters": ["secret"]}),
    "bedrock-two-queries": ("/rerank", {"queries": ["secret", "b"], "sources": CITIES}),
    "bedrock-query-is-a-string": ("/rerank", {"queries": ["secret"], "sources": CITIES}),
    "bedrock-source-elsewhere": (
        "/rerank",
        {"queries": [{"textQuery": {"text": QUERY}}], "sources": [{"s3DocumentSource": "secret"}]},
    ),
    "bedrock-number-of-results": (
        "/rerank",
        {
            "queries": [{"textQuery": {"text": QUERY}}],
            "sources": [_source({"textDocument": {"text": "a"}})],
            "rerankingConfiguration": {"bedrockRerankingConfiguration": {"numberOfResults": -1}},
        },
    ),
    "picture": ("/v1/rerank", {**BASE, "documents": [[{"type": "image_url", "image_url": "secret"}]]}),
    "unknown-dialect": ("/v1/rerank", {**BASE, "dialect": "secret"}),
    "negative-limit": ("/v1/rerank", {**BASE, "max_doc_length": -1}),
    "score-lengths": ("/score", {"text_1": ["a", "b"], "text_2": CITIES}),
    "score-one-side": ("/score", {"data_2": CITIES}),
    "openai-embeddings": (
        "/v1/embeddings",
        {"model": MODEL, "input": [[1, 2, 3]], "encoding_format": "base64"},
    ),
    "tei-embed": ("/embed", {"inputs": "a", "truncate": True}),
}


def made(request: RerankRequest) -> RerankResult:
    """A result with a tie (every third document), one cut document and easy numbers."""
    rows = []
    for index in range(len(request.documents)):
        logit = 1.5 - 2.0 * ((index + 2) % 3)
        rows.append(Scored(index, round(1 / (1 + math.exp(-logit)), 6), logit, truncated=index == 1))
    return RerankResult(
        "rerank-7", request.model or "built-in", tuple(rows), tokens=123, created=1_700_000_000
    )
