"""Which files of a folder hold its tensors, and which tensor each stored name means.

Programs save the same model in many ways: in shards, over an older save, from inside a wrapper, without a tensor that
is stored under another name. What holds is what transformers 5.24 loads from the same folder; where that would draw
random weights (wrappers' names, which it does not know), the one reading that is possible; else an error, no guess.
"""

import json
from collections.abc import Collection
from pathlib import Path

from yesrank.errors import CheckpointError, ModelNotFound, UnsupportedModel
from yesrank.filekinds import in_place_of

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
_ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_MODEL = "model."
_AROUND_ALL = ("base_model.model.", "module.")  # of peft and of data parallelism, before every name
_ANYWHERE = (
    "_orig_mod.",
    "_fsdp_wrapped_module.",
    "_checkpoint_wrapped_module.",
)  # of a compiled or wrapped part
_UNMERGED = (".lora_", ".base_layer.", ".modules_to_save.", ".adapter_")
_AGAIN = "download the file again"


def refuse_what_is_no_checkpoint(folder: Path) -> None:
    """Raises ModelNotFound, UnsupportedModel or CheckpointError where a path cannot be a whole model."""
    if gguf_of(folder) is not None:
        return
    is_folder = folder.is_dir()
    names = {path.name for path in folder.iterdir()} if is_folder else set()
    whole = bool(names & {SINGLE, INDEX})
    if not is_folder:
        raise ModelNotFound(
            f"there is no folder {folder}", "download the checkpoint, for example with: hf download"
        )
    refuse_adapters(str(folder), names)
    if not whole:
        raise CheckpointError(
            f"{folder} has neither {SINGLE} nor {INDEX}",
            "download the checkpoint's safetensors files; pytorch_model.bin is not read",
        )


def gguf_of(path: Path) -> Path | None:
    """The GGUF file at a path: itself, or the only one of a folder without safetensors. Raises ModelNotFound."""
    if path.suffix == ".gguf" and not path.is_dir():
        if not path.exists():
            raise ModelNotFound(f"there is no file {path}", "check the path")
        return path
    if not path.is_dir() or any((path / name).exists() for name in (SINGLE, INDEX)):
        return None
    found = sorted(path.glob("*.gguf"))
    if len(found) > 1:
        raise UnsupportedModel(
            f"{path} holds {len(found)} GGUF files: {', '.join(each.name for each in found[:4])}",
            "name one of the files",
        )
    return found[0] if found else None


def refuse_adapters(name: str, files: Collection[str]) -> None:
    """Raises UnsupportedModel for an adapter, and for one beside a whole model. files: names of those in the folder.

    Of a whole model with nothing but an adapter's settings beside it, that was merged, these are left over.
    """
    if ADAPTER not in files:
        return
    if not {SINGLE, INDEX} & {*files}:
        raise UnsupportedModel(
            f"{name} is a LoRA adapter, not a whole model",
            "merge it into its base: yesrank convert BASE FOLDER --lora ADAPTER",
        )
    if found := [each for each in _ADAPTER_WEIGHTS if each in files]:
        raise UnsupportedModel(
            f"{name} holds a whole model and an adapter ({found[0]}), which transformers would apply to it once more",
            f"if it is merged already, take {ADAPTER} and {found[0]} out; else merge them (peft: merge_and_unload)",
        )


def weight_files(folder: Path) -> tuple[str, ...]:
    """Names of the files that count. A single file goes before an index.

    Saving anew leaves an older index.json, and even its shards, where they are. Raises CheckpointError.
    """
    path = folder / INDEX
    if (folder / SINGLE).exists():
        return (SINGLE,)
    try:
        files = tuple(
            dict.fromkeys(str(file) for file in json.loads(path.read_bytes())["weight_map"].values())
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        if found := in_place_of(path):
            raise CheckpointError(f"{path} is {found[0]}", found[1]) from error
        raise CheckpointError(f"{path} cannot be read: {error}", _AGAIN) from error
    if outside := next((file for file in files if Path(file).name != file), None):
        raise CheckpointError(f"{path} names {outside!r}, which is not in the folder", _AGAIN)
    return files


def full_names(stored: Collection[str], wanted: Collection[str]) -> dict[str, str]:
    """Full name -> stored name, for those that are wanted and there. Raises UnsupportedModel or CheckpointError."""
    if lora := next((name for name in stored if any(part in name for part in _UNMERGED)), None):
        raise UnsupportedModel(
            f"the checkpoint holds an adapter that is not merged ({lora})",
            "merge it first (peft: merge_and_unload, then save_pretrained)",
        )
    bare = unwrapped(stored)
    result: dict[str, str] = {}
    for name, inner in bare.items():
        full = next((each for each in _readings(inner) if each in wanted), inner)
        if full in result:
            raise CheckpointError(
                f"{full} is there twice, as {result[full]} and as {name}",
                "save the checkpoint anew, with each tensor once",
            )
        result[full] = name
    return result


def _readings(name: str) -> tuple[str, ...]:
    """A causal model is loaded from the names of its decoder alone as well, and from names with one level too many."""
    without = (name.removeprefix(_MODEL),) if name.startswith(_MODEL) else ()
    return (*without, name, _MODEL + name)


def unwrapped(stored: Collection[str]) -> dict[str, str]:
    """Stored name -> name without what wrappers put before and into it."""
    names = {name: name for name in stored}
    for part in _ANYWHERE:
        names = {name: inner.replace(part, "") for name, inner in names.items()}
    while prefix := next(
        (each for each in _AROUND_ALL if all(name.startswith(each) for name in names.values())), None
    ):
        names = {name: inner.removeprefix(prefix) for name, inner in names.items()}
        if not names:
            break
    return names
