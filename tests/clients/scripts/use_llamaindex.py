"""llama-index: the postprocessor that the argument names, as a query engine calls it."""

import sys

from exchange import Case, refusal, tell
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.postprocessor.cohere_rerank import CohereRerank
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

case = Case()


def tei(top_n, model):
    # docs tei-rerank
    return TextEmbeddingInference(base_url=case.url, auth_token=f"Bearer {case.key}", top_n=top_n)
    # end


def cohere(top_n, model):
    # docs cohere-rerank
    return CohereRerank(base_url=case.url, api_key=case.key, model=model, top_n=top_n)
    # end


def jina(top_n, model):
    # docs jinaai-rerank
    return JinaRerank(base_url=case.url, api_key=case.key, model=model, top_n=top_n)
    # end


kind = sys.argv[1]
make = {"tei-rerank": tei, "cohere-rerank": cohere, "jinaai-rerank": jina}[kind]


def ask(top_n=None, model=case.model):
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.0) for text in case.documents]
    return make(top_n or len(nodes), model).postprocess_nodes(nodes, QueryBundle(case.query))


def rank(**options):
    return [(case.index(hit.text), hit.score) for hit in ask(**options)]


answers = {
    "scores": rank,
    "top_n": lambda: rank(top_n=case.top_n),
    "documents": lambda: [(case.index(hit.text), hit.score, hit.text) for hit in ask()],
}
if kind != "tei-rerank":  # whose interface has no models
    answers["refusal"] = lambda: refusal(lambda: rank(model=case.unknown))
tell(f"llama-index-postprocessor-{kind}", **answers)
