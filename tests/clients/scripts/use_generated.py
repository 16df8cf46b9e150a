"""What openapi-python-client makes of our description: typed all the way."""

import json
import sys

from yesrank_client import AuthenticatedClient
from yesrank_client.api.default import list_models_v1_models_get, post_v1_rerank
from yesrank_client.models import Error, ModelList, RerankRequest, RerankResponse

case = json.load(sys.stdin)
client = AuthenticatedClient(base_url=case["url"], token=case["key"])
asked = RerankRequest(query=case["query"], documents=case["documents"])
found = post_v1_rerank.sync(client=client, body=asked)
assert isinstance(found, RerankResponse)
refused = post_v1_rerank.sync(
    client=client, body=RerankRequest(query="q", documents=["a"], model=case["unknown"])
)
assert isinstance(refused, Error)
models = list_models_v1_models_get.sync(client=client)
assert isinstance(models, ModelList)
print(
    json.dumps(
        {
            "results": [hit.index for hit in found.results],
            "models": [model.id for model in models.data],
            "type": type(found).__name__,
            "refusal": "no model of that name"
            if "no model of that name" in refused.message
            else refused.message,
        }
    )
)
