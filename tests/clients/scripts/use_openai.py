"""openai: the list of models, and reranking through the client's own connection."""

import openai
from exchange import Case, refusal, tell

case = Case()
# docs
client = openai.OpenAI(api_key=case.key, base_url=case.url)
# end


def ask(**options):
    body = {"model": case.model, "query": case.query, "documents": case.documents, **options}
    return client.post("/rerank", body=body, cast_to=object)["results"]


def rank(**options):
    return [(hit["index"], hit["relevance_score"]) for hit in ask(**options)]


tell(
    "openai",
    models=lambda: [model.id for model in client.models.list()],
    scores=rank,
    top_n=lambda: rank(top_n=case.top_n),
    instruction=lambda: rank(instruction=case.instruction),
    documents=lambda: [
        (hit["index"], hit["relevance_score"], hit["document"]["text"]) for hit in ask(return_documents=True)
    ],
    refusal=lambda: refusal(lambda: rank(model=case.unknown)),
    embeddings=lambda: refusal(lambda: client.embeddings.create(model=case.model, input=case.query)),
)
