"""What /v1/models and /info say."""

import time
from functools import cache
from importlib.metadata import version
from typing import Any

from yesrank.manifest import read_manifest
from yesrank.models.folder import builtin_folder
from yesrank.serve.endpoints import modelfiles
from yesrank.serve.models.pool import ModelSpec, ModelStatus
from yesrank.serve.service import Service
from yesrank.tokens import MODEL_CARD_MAX_LENGTH

_STARTED = int(time.time())


def models(service: Service) -> dict[str, Any]:
    """OpenAI's list, the default model first."""
    return {"object": "list", "data": [_model(service, status) for status in service.pool.states()]}


def model(service: Service, name: str) -> dict[str, Any]:
    """One model. Raises ModelNotFound."""
    wanted = service.pool.find(name).name
    return _model(service, next(status for status in service.pool.states() if status.name == wanted))


_RERANKS = {"reranker": {"id2label": {"0": "yes"}, "label2id": {"yes": 0}}}
_EMBEDS = {"embedding": {"pooling": "last_token"}}


def info(service: Service, name: str | None = None) -> dict[str, Any]:
    """TEI's /info of a model, the default one where none is named, and which limits hold for a client.

    Raises ModelNotFound.
    """
    settings, spec = service.settings, service.pool.find(name).spec
    status = next(each for each in service.pool.states() if each.name == spec.name)
    return {
        "model_id": status.name,
        "model_sha": None,
        "model_dtype": status.info.precision if status.info else None,
        "model_type": _EMBEDS if spec.embeds else _RERANKS,
        "max_concurrent_requests": settings.max_queue_requests,
        "max_input_length": _max_length(spec),
        "max_batch_tokens": settings.max_queue_tokens,
        "max_client_batch_size": settings.max_documents,
        "payload_limit": settings.max_body_bytes,
        "auto_truncate": True,
        "tokenization_workers": 2,
        "version": version("yesrank"),
    }


def _model(service: Service, status: ModelStatus) -> dict[str, Any]:
    embeds = service.pool.find(status.name).spec.embeds
    found: dict[str, Any] = {
        "id": status.name,
        "object": "model",
        "created": _STARTED,
        "owned_by": "yesrank",
        "aliases": list(status.aliases),
        "state": str(status.state),
        "task": "embed" if embeds else "rerank",
        "model_type": "embedding" if embeds else "rerank",  # this and the next two are Xinference's
        "model_ability": ["embed" if embeds else "rerank"],
        "model_name": status.name,
    }
    if status.reason:
        found["reason"] = status.reason
    if status.info is not None:
        found["engine"] = {
            "engine": status.info.engine,
            "device": status.info.device,
            "precision": status.info.precision,
        }
    files = modelfiles.summary(service.pool.find(status.name).spec, service.settings.root_path)
    if files is not None:
        found["onnx"] = files
    return found


@cache
def _max_length(spec: ModelSpec) -> int:
    """The longest prompt in tokens, without loading the model."""
    manifest = read_manifest(spec.path or builtin_folder())
    return spec.max_length or (manifest.max_length if manifest else MODEL_CARD_MAX_LENGTH)
