"""Small clients that people publish for endpoints like these: the one that the argument names."""

import sys

from exchange import Case, refusal, tell

case = Case()


def easyrerank():
    # docs easyrerank
    from EasyRerank.remote_reranker import RemoteReranker

    def ask(model=case.model, **options):
        client = RemoteReranker(api_key=case.key, model=model, base_url=case.url)
        found = client.rerank(case.query, case.documents, batch_size=64, **options)
        # end
        return [(hit["index"], hit["relevance_score"]) for hit in found]

    return ask


def simple():
    # docs openai-simple-rerank
    from openai import OpenAI
    from openai_simple_rerank import get_rerank_scores

    def ask(model=case.model, top_n=None):
        llm = OpenAI(api_key=case.key, base_url=case.url)
        scores = get_rerank_scores(case.query, case.documents, llm=llm, model=model)
        # end
        return sorted(enumerate(scores), key=lambda hit: -hit[1])[:top_n]

    return ask


def jina_cli():
    # docs jina-cli
    import jina_cli.api

    jina_cli.api.API_BASE = case.url

    def ask(model=case.model, **options):
        found = jina_cli.api.rerank(case.query, case.documents, api_key=case.key, model=model, **options)
        # end
        return [(hit["index"], hit["relevance_score"]) for hit in found]

    return ask


package = sys.argv[1]
rank = {"easyrerank": easyrerank, "openai-simple-rerank": simple, "jina-cli": jina_cli}[package]()
answers = {"scores": rank, "top_n": lambda: rank(top_n=case.top_n)}
if package == "easyrerank":  # the others show a status, or less
    answers["refusal"] = lambda: refusal(lambda: rank(model=case.unknown))
tell(package, **answers)
