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


hits = ask(return_documents=True)
tell(
    "openai",
    models=[model.id for model in client.models.list()],
    scores=rank(),
    top_n=rank(top_n=case.top_n),
    instruction=rank(instruction=case.instruction),
    documents=[(hit["index"], hit["relevance_score"], hit["document"]["text"]) for hit in hits],
    refusal=refusal(lambda: rank(model=case.unknown)),
    embeddings=refusal(lambda: client.embeddings.create(model=case.model, input=case.query)),
)
