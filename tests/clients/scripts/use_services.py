"""The own clients of services: the one that the argument names."""

import sys

from exchange import Case, refusal, tell

case = Case()


def dashscope_():
    # docs dashscope
    import dashscope

    dashscope.base_http_api_url = case.url

    def ask(model=case.model, **options):
        found = dashscope.TextReRank.call(
            model=model, query=case.query, documents=case.documents, api_key=case.key, **options
        )
        # end
        if found.status_code != 200:
            raise RuntimeError(f"{found.status_code} {found.code}: {found.message}")
        return [(hit["index"], hit["relevance_score"], hit.get("document")) for hit in found.output.results]

    return ask, {"documents": {"return_documents": True}}


def openrouter():
    # docs openrouter
    from openrouter import OpenRouter

    client = OpenRouter(api_key=case.key, server_url=case.url)

    # end

    def ask(model=case.model, **options):
        found = client.rerank.rerank(model=model, query=case.query, documents=case.documents, **options)
        return [(hit.index, hit.relevance_score, hit.document.text) for hit in found.results]

    return ask, {}


def pinecone():
    # docs pinecone
    from pinecone import Pinecone

    client = Pinecone(api_key=case.key, host=case.url)

    # end

    def ask(model=case.model, **options):
        found = client.inference.rerank(model=model, query=case.query, documents=case.documents, **options)
        return [(hit.index, hit.score, hit.document["text"]) for hit in found.data]

    return ask, {}


def xinference_client():
    # docs xinference-client
    from xinference_client import RESTfulClient

    client = RESTfulClient(case.url, api_key=case.key)

    # end

    def ask(model=case.model, **options):
        found = client.get_model(model).rerank(case.documents, case.query, **options)
        return [(hit["index"], hit["relevance_score"], hit.get("document")) for hit in found["results"]]

    return ask, {"documents": {"return_documents": True}}


def together():
    # docs together
    from together import Together

    client = Together(api_key=case.key, base_url=case.url)

    # end

    def ask(model=case.model, **options):
        found = client.rerank.create(model=model, query=case.query, documents=case.documents, **options)
        return [(hit.index, hit.relevance_score, hit.document and hit.document.text) for hit in found.results]

    return ask, {"documents": {"return_documents": True}}


def mixedbread():
    # docs mixedbread
    from mixedbread import Mixedbread

    client = Mixedbread(api_key=case.key, base_url=case.url)

    # end

    def ask(model=case.model, top_n=None, **options):
        found = client.rerank(model=model, query=case.query, input=case.documents, top_k=top_n, **options)
        return [(hit.index, hit.score, hit.input) for hit in found.data]

    return ask, {"documents": {"return_input": True}}


def contextual_client():
    # docs contextual-client
    from contextual import ContextualAI

    client = ContextualAI(api_key=case.key, base_url=case.url)

    # end

    def ask(model=case.model, **options):
        found = client.rerank.create(model=model, query=case.query, documents=case.documents, **options)
        return [(hit.index, hit.relevance_score, None) for hit in found.results]

    return ask, {"instruction": {"instruction": case.instruction}}


def zeroentropy():
    # docs zeroentropy
    from zeroentropy import ZeroEntropy

    client = ZeroEntropy(api_key=case.key, base_url=case.url)

    # end

    def ask(model=case.model, **options):
        found = client.models.rerank(model=model, query=case.query, documents=case.documents, **options)
        return [(hit.index, hit.relevance_score, None) for hit in found.results]

    return ask, {}


def boto3():
    # docs boto3
    import boto3

    client = boto3.client(
        "bedrock-agent-runtime",
        endpoint_url=case.url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    # it signs its requests with keys of its own, where the server's have no place
    client.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("x-api-key", case.key)
    )

    # end

    def ask(model=case.model, top_n=None):
        wanted = {"modelConfiguration": {"modelArn": model}} | ({"numberOfResults": top_n} if top_n else {})
        found = client.rerank(
            queries=[{"type": "TEXT", "textQuery": {"text": case.query}}],
            sources=[
                {
                    "type": "INLINE",
                    "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": text}},
                }
                for text in case.documents
            ],
            rerankingConfiguration={
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": wanted,
            },
        )
        return [(hit["index"], hit["relevanceScore"], None) for hit in found["results"]]

    return ask, {}


package = sys.argv[1]
makers = {
    "dashscope": dashscope_,
    "openrouter": openrouter,
    "pinecone": pinecone,
    "xinference-client": xinference_client,
    "together": together,
    "mixedbread": mixedbread,
    "contextual-client": contextual_client,
    "zeroentropy": zeroentropy,
    "boto3": boto3,
}
ask, more = makers[package]()


def rank(**options):
    return [(index, score) for index, score, _ in ask(**options)]


def text(document):
    return document["text"] if isinstance(document, dict) else document


answers = {
    "scores": rank,
    "top_n": lambda: rank(top_n=case.top_n),
    "refusal": lambda: refusal(lambda: rank(model=case.unknown)),
}
if "instruction" in more:
    answers["instruction"] = lambda: rank(**more["instruction"])
if "documents" in more or package in ("openrouter", "pinecone"):  # which always give them back
    answers["documents"] = lambda: [
        (index, score, text(document)) for index, score, document in ask(**more.get("documents", {}))
    ]
tell(package, **answers)
