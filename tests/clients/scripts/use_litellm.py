"""litellm, in the part of the provider that the argument names."""

import sys

import litellm
from exchange import Case, refusal, tell

case = Case()
provider = sys.argv[1]
if (
    provider == "huggingface"
):  # after each answer it asks the Hugging Face hub about the model, to know what it costs
    litellm.utils._get_max_position_embeddings = lambda model_name: None


more = {"watsonx": {"headers": {"Authorization": f"Bearer {case.key}"}, "project_id": "any"}}.get(
    provider, {}
)


def ask(model=case.model, **options):
    options |= more
    # docs
    return litellm.rerank(
        f"{provider}/{model}", case.query, case.documents, api_base=case.url, api_key=case.key, **options
    )
    # end


def rank(**options):
    return [(hit["index"], hit["relevance_score"]) for hit in ask(**options).results]


# without this, litellm asks for documents: the shape in which they come back is checked for by itself
bare = {"return_documents": False}
answers = {"scores": lambda: rank(**bare)}
if provider == "hosted_vllm":
    answers["instruction"] = lambda: rank(instruction=case.instruction, **bare)
answers["documents"] = lambda: [
    (hit["index"], hit["relevance_score"], hit["document"]["text"])
    for hit in ask(return_documents=True).results
]
if provider == "deepinfra":  # whose answer has scores alone, in the order sent
    del answers["documents"]
    answers["scores"] = lambda: sorted(rank(**bare), key=lambda hit: -hit[1])
if provider == "scaleway":
    del answers["documents"]
if provider not in ("huggingface", "deepinfra"):  # whose interfaces have no number of results
    answers["top_n"] = lambda: rank(top_n=case.top_n, **bare)
if provider != "huggingface":  # whose interface has no models
    answers["refusal"] = lambda: refusal(lambda: rank(model=case.unknown, **bare))
tell("litellm", **answers)
