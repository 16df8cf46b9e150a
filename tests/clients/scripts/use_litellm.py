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


def ask(model=case.model, **options):
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
if provider != "huggingface":  # whose interface has neither models nor a number of results
    answers["top_n"] = lambda: rank(top_n=case.top_n, **bare)
    answers["refusal"] = lambda: refusal(lambda: rank(model=case.unknown, **bare))
tell("litellm", **answers)
