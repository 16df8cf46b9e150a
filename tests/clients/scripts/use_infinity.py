"""infinity_client: made from infinity's own OpenAPI schema, so it parses strictly."""

from exchange import Case, tell
from infinity_client import AuthenticatedClient
from infinity_client.api.default import rerank
from infinity_client.models import RerankInput

case = Case()
# docs
client = AuthenticatedClient(base_url=case.url, token=case.key, raise_on_unexpected_status=True)
# end


def ask(**options):
    body = RerankInput(query=case.query, documents=case.documents, model=case.model, **options)
    return rerank.sync(client=client, body=body).results


def rank(**options):
    return [(hit.index, hit.relevance_score) for hit in ask(**options)]


tell(
    "infinity-client",
    scores=rank,
    top_n=lambda: rank(top_n=case.top_n),
    documents=lambda: [(hit.index, hit.relevance_score, hit.document) for hit in ask(return_documents=True)],
)
