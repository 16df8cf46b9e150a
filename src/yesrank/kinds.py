"""What kind of model a folder holds: one that ranks, or one that embeds.

Both are Qwen3 decoders of the same sizes, and both publish `Qwen3ForCausalLM`. What tells them apart lies beside the
weights: what sentence-transformers runs after the decoder, the names of tensors, what the tokenizer puts at the end.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from yesrank.errors import CheckpointError, InputError, UnsupportedModel
from yesrank.filekinds import read_json
from yesrank.manifest import Manifest, read_manifest
from yesrank.qwen3 import is_classifier
from yesrank.tensorplaces import INDEX, SINGLE, unwrapped

RERANKER, EMBEDDING = "reranker", "embedding"
KINDS = (RERANKER, EMBEDDING)
END = "<|endoftext|>"
"""What Qwen3-Embedding reads after a text, and pools the state of."""
INSTRUCT = re.compile(r"Instruct: (?P<instruction>.*)\nQuery:(?P<space> ?)", re.DOTALL)
"""What it reads before a query."""

_OTHER_NAMES = {
    "rerank": RERANKER,
    "reranker": RERANKER,
    "emb": EMBEDDING,
    "embed": EMBEDDING,
    "embedding": EMBEDDING,
    "embedder": EMBEDDING,
}
_STATES = (b'"last_hidden_state"', b'"token_embeddings"', b'"sentence_embedding"')
_POST_PROCESSOR = re.compile(r'"post_processor"\s*:\s*')


@dataclass(frozen=True, slots=True)
class Sign:
    """kind: RERANKER or EMBEDDING. why: what says so, to be read after "since"."""

    kind: str
    why: str


def kind_named(name: str) -> str:
    """The kind that a person means, such as rerank or embedding. Raises InputError."""
    try:
        return _OTHER_NAMES[name.lower()]
    except KeyError:
        raise InputError("model type", f"{name!r} is not known", "use rerank or embedding") from None


def kind_of(folder: Path, manifest: Manifest | None = None) -> Sign | None:
    """What says most about the folder; None where nothing tells the two kinds apart.

    Its manifest, a decoder without its head, what sentence-transformers saved, the names of its tensors, what its graph
    gives, its tokenizer: in this order. Raises CheckpointError for files that cannot be read, ModelError for a bad
    manifest.
    """
    if not folder.is_dir():
        return None  # a GGUF file says it when it is opened
    manifest = manifest or read_manifest(folder)
    if manifest is not None:
        return Sign(manifest.kind, "its yesrank.json says so")
    return next(_signs(folder), None)


def refuse_other(folder: Path, wanted: str, sign: Sign | None) -> None:
    """Raises UnsupportedModel where a sign says another kind than is wanted."""
    if sign is None or sign.kind == wanted:
        return
    if sign.kind == EMBEDDING:
        raise UnsupportedModel(
            f"{folder} is an embedding model ({sign.why}): it turns texts into vectors and has no answer yes or no",
            "use it with Embedder or yesrank embed; to rank, take a reranker such as Qwen/Qwen3-Reranker-0.6B. One "
            "that only looks like an embedding model: yesrank convert SRC DST --model-type rerank",
        )
    raise UnsupportedModel(
        f"{folder} is a reranker ({sign.why}): it answers yes or no, and its vectors mean nothing",
        "use it with Reranker or yesrank rerank; to embed, take a model such as Qwen/Qwen3-Embedding-0.6B",
    )


def undecided(folder: Path) -> UnsupportedModel:
    """The error for a folder that is to embed, and says nothing of what it is."""
    return UnsupportedModel(
        f"nothing in {folder} tells whether it embeds or ranks: no modules.json, no {END} that its tokenizer "
        "appends, a decoder with its output embedding",
        "where you know that it is an embedding model, say so: yesrank convert SRC DST --model-type embedding, "
        "yesrank add NAME --model-path ... --model-type embedding, or Embedder(..., sure=True)",
    )


def appended(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tokens that the folder's tokenizer puts before and after a text; none without a tokenizer.json.

    Raises CheckpointError for one that cannot be read, UnsupportedModel for a post-processor of another kind.
    """
    path = folder / "tokenizer.json"
    try:
        data = path.read_bytes()
        text = data.decode(json.detect_encoding(data))
    except FileNotFoundError:
        return (), ()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", "download it again") from error
    found = _POST_PROCESSOR.search(text)
    if found is None:
        return (), ()
    try:
        processor, _ = json.JSONDecoder().raw_decode(text, found.end())
        return _around(processor)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: its post_processor cannot be read: {error}", "download it again"
        ) from error


def _around(processor: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if processor is None:
        return (), ()
    kind = processor["type"]
    if kind == "Sequence":
        parts = [_around(each) for each in processor["processors"]]
        before = tuple(token for part, _ in reversed(parts) for token in part)
        return before, tuple(token for _, part in parts for token in part)
    if kind == "ByteLevel":
        return (), ()
    if kind != "TemplateProcessing":
        raise UnsupportedModel(f"the tokenizer's post-processor is a {kind}, which no Qwen3 model has")
    sides: tuple[list[str], list[str]] = ([], [])
    after = 0
    for piece in processor["single"]:
        if "Sequence" in piece:
            after = 1
        else:
            sides[after].extend(processor["special_tokens"][piece["SpecialToken"]["id"]]["tokens"])
    return tuple(sides[0]), tuple(sides[1])


def _signs(folder: Path) -> Iterator[Sign]:
    config = read_json(folder / "config.json")
    if isinstance(config, dict) and config.get("architectures") == ["Qwen3Model"]:
        yield Sign(EMBEDDING, "config.json says Qwen3Model, a decoder without its output embedding")
    modules = read_json(folder / "modules.json")
    for module in modules if isinstance(modules, list) else ():
        name = str(module.get("type")).rpartition(".")[2] if isinstance(module, dict) else ""
        if name in ("Pooling", "LogitScore"):
            yield Sign(EMBEDDING if name == "Pooling" else RERANKER, f"its modules.json runs {name}")
    settings = read_json(folder / "config_sentence_transformers.json")
    settings = settings if isinstance(settings, dict) else {}
    kind = settings.get("model_type")
    if kind in ("SentenceTransformer", "SparseEncoder", "CrossEncoder"):
        yield Sign(
            RERANKER if kind == "CrossEncoder" else EMBEDDING,
            f"config_sentence_transformers.json says {kind}",
        )
    if isinstance(config, dict) and is_classifier(config):
        yield Sign(RERANKER, "config.json is of a classifier")
    if _is_bare(folder):
        yield Sign(EMBEDDING, "its tensors are those of a decoder alone")
    if _ends_at_states(folder / "openvino_model.xml"):
        yield Sign(EMBEDDING, "openvino_model.xml ends at hidden states")
    if appended(folder)[1]:
        yield Sign(EMBEDDING, f"its tokenizer appends {''.join(appended(folder)[1])} to a text")
    prompts = settings.get("prompts")
    query = prompts.get("query") if isinstance(prompts, dict) else None
    if isinstance(query, str) and INSTRUCT.fullmatch(query):
        yield Sign(EMBEDDING, "config_sentence_transformers.json has its prompt for queries")


def _is_bare(folder: Path) -> bool:
    """Whether the tensors were saved from the decoder alone: names without `model.`, no output embedding."""
    names = unwrapped(_tensor_names(folder)).values()
    plain = {name for name in names if name.split(".")[0] in ("embed_tokens", "layers", "norm")}
    return "embed_tokens.weight" in plain and plain == {*names}


def _tensor_names(folder: Path) -> tuple[str, ...]:
    """As they are stored; none where there are none, or the files cannot be read, which opening them will say."""
    try:
        if (folder / SINGLE).is_file():
            with safe_open(folder / SINGLE, framework="np") as file:
                return tuple(file.keys())
        return tuple(json.loads((folder / INDEX).read_bytes())["weight_map"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return ()


def _ends_at_states(xml: Path) -> bool:
    try:
        text = xml.read_bytes()
    except OSError:
        return False
    return (
        any(f"names={name.decode()}".encode() in text for name in _STATES) and b'names="logits"' not in text
    )
