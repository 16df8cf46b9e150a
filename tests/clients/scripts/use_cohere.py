"""Cohere's own client: the second edition of its interface."""

import cohere
from exchange import Case, refusal, tell

case = Case()
# docs
client = cohere.ClientV2(case.key, base_url=case.url)
# end


def rank(model=case.model, **options):
    found = client.rerank(model=model, query=case.query, documents=case.documents, **options)
    return [(hit.index, hit.relevance_score) for hit in found.results]


with_instruction = {"additional_body_parameters": {"instruction": case.instruction}}
tell(
    "cohere",
    scores=rank,
    top_n=lambda: rank(top_n=case.top_n),
    instruction=lambda: rank(request_options=with_instruction),
    refusal=lambda: refusal(lambda: rank(model=case.unknown)),
)
