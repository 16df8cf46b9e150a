"""The files from which sentence-transformers knows what to run: those of the source, else the model card's.

With them it loads our folders by its OpenVINO and ONNX backends, and other programs see that they hold an embedder.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yesrank.checkpoint import Checkpoint
from yesrank.embedding import FILES, Recipe

_MODULES = ("Transformer", "Pooling", "Normalize")


def write_sentence_files(checkpoint: Checkpoint, folder: Path, recipe: Recipe) -> None:
    """Writes modules.json, the settings of its modules, and the prompts."""
    source = checkpoint.folder
    for name in FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    for path in _settings(source):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, folder / path)
    if not (folder / "modules.json").exists():
        _write(folder / "modules.json", [_module(index, kind) for index, kind in enumerate(_MODULES)])
    pooling = folder / "1_Pooling" / "config.json"
    if not any(folder.glob("*_Pooling/config.json")):
        _write(pooling, {
            "word_embedding_dimension": checkpoint.config.hidden_size,
            **{f"pooling_mode_{mode}": False for mode in ("cls_token", "mean_tokens", "max_tokens")},
            "pooling_mode_lasttoken": True,
            "include_prompt": True,
        })  # fmt: skip
    if not (folder / "config_sentence_transformers.json").exists():
        _write(
            folder / "config_sentence_transformers.json",
            {
                "prompts": dict(recipe.prompts),
                "default_prompt_name": recipe.default,
                "similarity_fn_name": "cosine",
            },
        )
    if not recipe_is_appended(folder, recipe):
        _append_end(folder / "tokenizer.json", recipe)


def recipe_is_appended(folder: Path, recipe: Recipe) -> bool:
    """Whether the folder's tokenizer puts the recipe's end after a text by itself."""
    from yesrank.kinds import appended

    return "".join(appended(folder)[1]) == recipe.after


def _settings(source: Path) -> Iterator[str]:
    """Of the source's modules: their config.json, by their paths in the folder."""
    path = source / "modules.json"
    if path.is_file():
        for module in json.loads(path.read_bytes()):
            name = f"{module['path']}/config.json"
            if module["path"] and (source / name).is_file():
                yield name


def _module(index: int, kind: str) -> dict[str, Any]:
    place = "" if kind == "Transformer" else f"{index}_{kind}"
    return {
        "idx": index,
        "name": str(index),
        "path": place,
        "type": f"sentence_transformers.models.{kind}",
    }


def _append_end(path: Path, recipe: Recipe) -> None:
    """Has the tokenizer append the end token, where the model card has its reader do so."""
    spec = json.loads(path.read_bytes())
    [number] = [token["id"] for token in spec["added_tokens"] if token["content"] == recipe.after]
    end = {"SpecialToken": {"id": recipe.after, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    template = {
        "type": "TemplateProcessing",
        "single": [first, end],
        "pair": [first, end, second, end],
        "special_tokens": {recipe.after: {"id": recipe.after, "ids": [number], "tokens": [recipe.after]}},
    }
    own = spec.get("post_processor")
    spec["post_processor"] = {"type": "Sequence", "processors": [own, template]} if own else template
    path.write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
