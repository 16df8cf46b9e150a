"""Haystack: the ranker that the argument names, as a pipeline runs it."""

import sys

from exchange import Case, refusal, tell
from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.rankers.cohere import CohereRanker
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker
from haystack_integrations.components.rankers.jina import JinaRanker
from haystack_integrations.components.rankers.vllm import VLLMRanker

case = Case()


def tei(model=case.model, **options):
    # docs huggingface-api-haystack
    return HuggingFaceTEIRanker(url=case.url, token=Secret.from_token(case.key), **options)
    # end


def cohere(model=case.model, **options):
    # docs cohere-haystack
    return CohereRanker(model=model, api_base_url=case.url, api_key=Secret.from_token(case.key), **options)
    # end


def jina(model=case.model, **options):
    # docs jina-haystack
    return JinaRanker(model=model, base_url=case.url, api_key=Secret.from_token(case.key), **options)
    # end


def vllm(model=case.model, **options):
    # docs vllm-haystack
    return VLLMRanker(model=model, api_base_url=case.url, api_key=Secret.from_token(case.key), **options)
    # end


package = sys.argv[1]
makers = {
    "huggingface-api-haystack": tei,
    "cohere-haystack": cohere,
    "jina-haystack": jina,
    "vllm-haystack": vllm,
}
make = makers[package]


def ask(**options):
    ranker = make(**{"top_k": len(case.documents), **options})
    if hasattr(ranker, "warm_up"):
        ranker.warm_up()
    return ranker.run(query=case.query, documents=[Document(content=text) for text in case.documents])[
        "documents"
    ]


def rank(**options):
    return [(case.index(hit.content), hit.score) for hit in ask(**options)]


answers = {
    "scores": rank,
    "top_n": lambda: rank(top_k=case.top_n),
    "documents": lambda: [(case.index(hit.content), hit.score, hit.content) for hit in ask()],
}
if make is vllm:
    answers["instruction"] = lambda: rank(extra_parameters={"instruction": case.instruction})
if make is not tei:  # whose interface has no models
    answers["refusal"] = lambda: refusal(lambda: rank(model=case.unknown))
tell(package, **answers)
