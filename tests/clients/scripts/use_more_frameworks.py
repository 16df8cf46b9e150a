"""Rerankers of LangChain and llama-index for other services: the one that the argument names."""

import sys

from exchange import Case, refusal, tell
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

case = Case()


def langchain_nvidia(top_n, model):
    # docs langchain-nvidia-ai-endpoints
    from langchain_nvidia_ai_endpoints import NVIDIARerank

    return NVIDIARerank(model=model, base_url=case.url, api_key=case.key, top_n=top_n)
    # end


def langchain_voyageai(top_n, model):
    # docs langchain-voyageai
    from langchain_voyageai import VoyageAIRerank

    return VoyageAIRerank(model=model, api_key=case.key, base_url=case.url, top_k=top_n)
    # end


def langchain_reranker(top_n, model):
    # docs langchain-reranker
    from langchain_reranker.rerankers import init_reranker

    return init_reranker(f"custom:{model}", base_url=case.url, api_key=case.key, top_n=top_n)
    # end


def llama_nvidia(top_n, model):
    # docs llama-index-postprocessor-nvidia-rerank
    from llama_index.postprocessor.nvidia_rerank import NVIDIARerank

    return NVIDIARerank(model=model, base_url=case.url, api_key=case.key, top_n=top_n)
    # end


def llama_dashscope(top_n, model):
    # docs llama-index-postprocessor-dashscope-rerank
    import dashscope
    from llama_index.postprocessor.dashscope_rerank import DashScopeRerank

    dashscope.base_http_api_url = case.url
    return DashScopeRerank(model=model, api_key=case.key, top_n=top_n)
    # end


package = sys.argv[1]
make = {
    "langchain-nvidia-ai-endpoints": langchain_nvidia,
    "langchain-voyageai": langchain_voyageai,
    "langchain-reranker": langchain_reranker,
    "llama-index-postprocessor-nvidia-rerank": llama_nvidia,
    "llama-index-postprocessor-dashscope-rerank": llama_dashscope,
}[package]


def ask(top_n=None, model=case.model):
    found = make(top_n or len(case.documents), model)
    if package.startswith("langchain"):
        hits = found.compress_documents([Document(text) for text in case.documents], case.query)
        return [(hit.page_content, hit.metadata["relevance_score"]) for hit in hits]
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.0) for text in case.documents]
    return [(hit.text, hit.score) for hit in found.postprocess_nodes(nodes, QueryBundle(case.query))]


def rank(**options):
    return [(case.index(text), score) for text, score in ask(**options)]


answers = {
    "scores": rank,
    "top_n": lambda: rank(top_n=case.top_n),
    "documents": lambda: [(case.index(text), score, text) for text, score in ask()],
}
if package in ("langchain-nvidia-ai-endpoints", "langchain-voyageai"):  # the others show a status, or less
    answers["refusal"] = lambda: refusal(lambda: rank(model=case.unknown))
tell(package, **answers)
