"""rerankers: APIRanker in the shape of the provider that the argument names."""

import sys

from exchange import Case, tell
from rerankers import Reranker

case = Case()
provider = sys.argv[1]
# docs
ranker = Reranker(case.model, model_type="APIRanker", api_provider=provider, api_key=case.key, url=case.url)
# end


def ask():
    return ranker.rank(case.query, case.documents, doc_ids=list(range(len(case.documents)))).results


tell(
    "rerankers",
    scores=lambda: [(hit.doc_id, hit.score) for hit in ask()],
    documents=lambda: [(hit.doc_id, hit.score, hit.text) for hit in ask()],
)
