"""huggingface_hub: InferenceClient has no reranking; what it asks of a TEI server is refused in words."""

import os

os.environ.pop("HF_HUB_OFFLINE", None)  # offline mode refuses every request, also those to this machine

from exchange import Case, refusal, tell
from huggingface_hub import InferenceClient

case = Case()
# docs
client = InferenceClient(model=case.url, token=case.key)
# end
tell("huggingface-hub", embeddings=lambda: refusal(lambda: client.feature_extraction(case.query)))
