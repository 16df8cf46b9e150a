"""Which model of a repository is taken, and which of its files that needs: of ONNX files one variant, not all."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from yesrank import asking, embedding
from yesrank.engine.onnx.files import data_patterns, graphs_among
from yesrank.errors import InputError, UnsupportedModel
from yesrank.qwen3 import GENAI
from yesrank.tensorplaces import refuse_adapters

CONFIG = "config.json"
_SMALL = {
    CONFIG,
    GENAI,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "yesrank.json",
    "head.safetensors",
    "adapter_config.json",
    *asking.FILES,
    *embedding.FILES,
}
_PARTS = (f"{asking.SCORE_FOLDER}/config.json", f"{embedding.POOLING_FOLDER}/config.json")
_LEGAL = ("LICENSE", "NOTICE")
_CHECKPOINT = {"model.safetensors", "model.safetensors.index.json"}
_OPENVINO = {"openvino_model.xml", "openvino_model.bin"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is taken of a repository.

    kind: "checkpoint", "openvino" or "onnx". weights: patterns for the names of its weights' files.
    variant: of the ONNX files, the one that is taken; variants: all that there are.
    """

    kind: str
    weights: tuple[str, ...]
    variant: str | None = None
    variants: tuple[str, ...] = ()

    @property
    def patterns(self) -> list[str]:
        """For the names of all files that are needed."""
        return [*sorted(_SMALL), *_PARTS, *(f"{name}*" for name in _LEGAL), *self.weights]

    def takes(self, name: str) -> bool:
        """Whether the file of that name is needed."""
        legal = name.upper().startswith(_LEGAL)
        return legal or says_what_it_is(name) or any(fnmatchcase(name, pattern) for pattern in self.weights)


def says_what_it_is(name: str) -> bool:
    """Whether it is one of the small files that say what a model is and how it is asked."""
    return name in _SMALL or any(fnmatchcase(name, pattern) for pattern in _PARTS)


def choose(
    hub_id: str, names: Collection[str], engine: str | None = None, variant: str | None = None
) -> Choice:
    """The choice among the files of a repository. engine, variant: what was asked for.

    ONNX files where the engine onnx or a variant was asked for. Else the first that is there of a safetensors
    checkpoint, an OpenVINO model and ONNX files: a checkpoint is what the others were made from, and what verify
    compares with. Raises InputError for a variant that is not there, UnsupportedModel.
    """
    names, graphs = {*names}, graphs_among(names)
    if not (graphs or names >= _OPENVINO):
        refuse_adapters(hub_id, names)
    onnx = engine == "onnx" or variant is not None
    kinds = _kinds(names)
    if not kinds:
        raise UnsupportedModel(*_refusal(hub_id, names))
    if onnx and not graphs:
        raise InputError(
            "engine" if variant is None else "variant",
            f"{hub_id} holds no ONNX files (onnx/model*.onnx)",
            "leave it out; to make ONNX files of a checkpoint: yesrank convert SRC DST --format onnx",
        )
    if onnx or kinds[0] == "onnx":
        return _onnx(hub_id, graphs, variant)
    return Choice(kinds[0], ("model*.safetensors*",) if kinds[0] == "checkpoint" else ("openvino_*",))


def _kinds(names: set[str]) -> list[str]:
    """What there is, the first choice first."""
    there = {
        "checkpoint": bool(_CHECKPOINT & names),
        "openvino": names >= _OPENVINO,
        "onnx": bool(graphs_among(names)),
    }
    kinds = [kind for kind, found in there.items() if found and CONFIG in names]
    return kinds or (["onnx"] if there["onnx"] and GENAI in names else [])


def _onnx(hub_id: str, graphs: Mapping[str, str], variant: str | None) -> Choice:
    chosen = variant or next(iter(graphs))
    if chosen not in graphs:
        raise InputError(
            "variant",
            f"{hub_id} has no variant {chosen}; it has {', '.join(graphs)}",
            f"give another, such as --variant {next(iter(graphs))}",
        )
    graph = graphs[chosen]
    return Choice("onnx", (graph, *data_patterns(graph)), chosen, tuple(graphs))


def _refusal(hub_id: str, names: set[str]) -> tuple[str, str]:
    if any(name.endswith(".gguf") for name in names):
        return (
            f"{hub_id} holds GGUF models, of which each is a file",
            "pull the original safetensors checkpoint; or download one of the files, then: "
            "yesrank add NAME --model-path FILE.gguf",
        )
    example = "for example: yesrank pull Qwen/Qwen3-Reranker-0.6B"
    if found := sorted(name for name in names if name.endswith(".onnx") and CONFIG in names):
        return (
            f"{hub_id} holds ONNX files under other names than onnx/model.onnx, onnx/model_quantized.onnx, "
            f"...: {', '.join(found[:3])}",
            example,
        )
    what = "a safetensors checkpoint, an OpenVINO model or ONNX files"
    if CONFIG not in names:
        return f"{hub_id} has no config.json, so it is not {what} of a Qwen3-Reranker", example
    return f"{hub_id} holds none of {what}", example
