"""Cohere's own client: the first edition of its interface, which takes objects and gives documents back."""

import cohere
from exchange import Case, refusal, tell

case = Case()
# docs
client = cohere.Client(case.key, base_url=case.url)
# end


def ask(**options):
    return client.rerank(
        **{"model": case.model, "query": case.query, "documents": case.documents, **options}
    ).results


def rank(**options):
    return [(hit.index, hit.relevance_score) for hit in ask(**options)]


objects = [{"text": text} for text in case.documents]
with_instruction = {"additional_body_parameters": {"instruction": case.instruction}}
tell(
    "cohere",
    scores=rank,
    top_n=lambda: rank(top_n=case.top_n),
    objects=lambda: rank(documents=objects),
    instruction=lambda: rank(request_options=with_instruction),
    documents=lambda: [
        (hit.index, hit.relevance_score, hit.document.text) for hit in ask(return_documents=True)
    ],
    refusal=lambda: refusal(lambda: rank(model=case.unknown)),
)
