"""voyageai: its own field names and its own shape of answer; it puts the documents back in by itself."""

import voyageai
from exchange import Case, refusal, tell

case = Case()
# docs
client = voyageai.Client(case.key, base_url=case.url)
# end


def ask(model=case.model, **options):
    return client.rerank(case.query, case.documents, model=model, **options).results


def rank(**options):
    return [(hit.index, hit.relevance_score) for hit in ask(**options)]


tell(
    "voyageai",
    scores=rank,
    top_n=lambda: rank(top_k=case.top_n),
    documents=lambda: [(hit.index, hit.relevance_score, hit.document) for hit in ask()],
    refusal=lambda: refusal(lambda: rank(model=case.unknown)),
)
