"""langchain-cohere: CohereRerank, which compresses the documents of a retriever."""

from exchange import Case, refusal, tell
from langchain_cohere import CohereRerank
from langchain_core.documents import Document

case = Case()
# docs
ranker = CohereRerank(model=case.model, cohere_api_key=case.key, base_url=case.url, top_n=None)
# end
documents = [Document(text) for text in case.documents]


def rank(model=case.model, **options):
    found = ranker.rerank(documents, case.query, model=model, **options)
    return [(hit["index"], hit["relevance_score"]) for hit in found]


tell(
    "langchain-cohere",
    scores=rank,
    top_n=lambda: rank(top_n=case.top_n),
    documents=lambda: [
        (case.index(hit.page_content), hit.metadata["relevance_score"], hit.page_content)
        for hit in ranker.compress_documents(documents, case.query)
    ],
    refusal=lambda: refusal(lambda: rank(model=case.unknown)),
)
