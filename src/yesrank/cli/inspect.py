"""`yesrank inspect`: what a folder holds, and what is wrong with it."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from yesrank.cli import output
from yesrank.cli.options import FolderArgument, JsonOption
from yesrank.errors import ModelError, YesrankError
from yesrank.filekinds import in_place_of

if TYPE_CHECKING:
    from yesrank.engine.onnx.describe import Description
    from yesrank.models.embedding_folder import EmbeddingFolder
    from yesrank.models.folder import Folder
    from yesrank.store import Entry


def inspect(
    folder: FolderArgument,
    *,
    with_hashes: Annotated[
        bool, typer.Option("--hash", help="Read every file and compare it with the manifest's hash.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a model folder or checkpoint holds: files, weights, configuration, template, problems.

    Ends with exit code 1 where there are problems.
    """
    from yesrank.store import resolve

    entry = resolve(str(folder))
    folder = entry.path
    files = {
        path.relative_to(folder).as_posix() if path != folder else path.name: path.stat().st_size
        for path in sorted(folder.rglob("*") if folder.is_dir() else [folder])
        if path.is_file()
    }
    place = folder if folder.is_dir() else folder.parent
    problems = [*file_problems(place, files), *_against_manifest(folder, files, with_hashes=with_hashes)]
    facts: dict[str, Any] = {}
    try:
        facts = _facts(folder, entry)
        _check_graph(folder, facts["kind"])
    except YesrankError as error:
        problems = problems or [error.message]
    facts["files"] = files
    if as_json:
        output.show_json({"folder": str(folder), **facts, "problems": problems})
    else:
        _show(folder, facts, problems)
    if problems:
        raise typer.Exit(1)


def file_problems(folder: Path, files: dict[str, int]) -> list[str]:
    """Empty files, Git LFS pointers in place of files, and an IR that is larger than its weights."""
    problems = [
        f"{name} is empty: an unfinished conversion or download" for name, size in files.items() if not size
    ]
    for name, size in files.items():
        if size and (found := in_place_of(folder / name)):
            problems.append(f"{name} is {found[0]}: {found[1]}")
    if files.get("openvino_model.xml"):
        problems += _ir_problems(folder)
    # a file that is empty or a pointer was told above
    told = {name for name in files if any(problem.startswith(f"{name} ") for problem in problems)}
    return problems + _variants(folder, told)[1]


def _ir_problems(folder: Path) -> list[str]:
    from yesrank.engine.openvino.files import check_ir

    try:
        check_ir(folder)
    except ModelError as error:
        return [error.message]
    return []


def _variants(folder: Path, told: Collection[str] = ()) -> tuple[list["Description"], list[str]]:
    """The ONNX files, and what is wrong with them. told: files that are not to be looked at."""
    from importlib.util import find_spec

    from yesrank.engine.onnx import variants_of

    files = [file for file in variants_of(folder) if file.path.relative_to(folder).as_posix() not in told]
    if not files or find_spec("onnx") is None:
        return [], []
    from yesrank.engine.onnx.describe import describe

    found, problems = [], []
    for file in files:
        try:
            found.append(describe(file))
        except ModelError as error:
            problems.append(error.message)
    return found, problems


def _facts(folder: Path, entry: "Entry") -> dict[str, Any]:
    """What the manifest says, or what can be derived without one, and how the model is asked. entry: that of its name.

    Raises ModelError, and InputError for a template that this model cannot have.
    """
    from yesrank.models.embedding_folder import EmbeddingFolder, open_folder

    model = open_folder(folder, kind=entry.kind)
    if isinstance(model, EmbeddingFolder):
        asked = {"model_type": "embedding", **_asked_to_embed(model)}
    else:
        asked = {"model_type": "reranker", **_asked_to_rank(model, entry.template)}
    manifest = model.manifest
    return {
        "kind": model.kind,
        "weights": manifest.weights if manifest is not None else None,
        "smooth": manifest.smooth if manifest is not None else None,
        "variants": [asdict(each) for each in _variants(folder)[0]],
        "source": manifest.source if manifest is not None else None,
        **asked,
        "instruction": model.instruction,
        "max_length": model.max_length,
        "config": asdict(model.config),
        "notes": list(model.notes),
    }


def _asked_to_embed(model: "EmbeddingFolder") -> dict[str, Any]:
    """What is put around a text."""
    recipe = model.recipe
    return {
        "dimensions": model.config.hidden_size,
        "prompts": dict(recipe.prompts),
        "end": recipe.after,
    }


def _asked_to_rank(model: "Folder", template: str | None) -> dict[str, Any]:
    """template: the name's, where it has one of its own."""
    from yesrank.models.folder import ModelFolder
    from yesrank.templates import is_own, template_of
    from yesrank.tokens import PromptEncoder

    assert isinstance(model, ModelFolder)
    used = model.template if template is None else template_of(template)
    if is_own(used):
        PromptEncoder.from_folder(model.texts).check_template(used)
    return {
        "template": used.name,
        "template_text": used.text if is_own(used) else None,
        "answers": {"yes": model.answers[0], "no": model.answers[1]},
    }


def _check_graph(folder: Path, kind: str) -> None:
    """Raises as whoever loads the folder would, for a graph that no engine here can run. Loads no weights."""
    from importlib.util import find_spec

    if kind == "openvino":
        from yesrank.engine.openvino import check_graph

        check_graph(folder)
    elif kind == "onnx" and find_spec("onnx") is not None and find_spec("onnxruntime") is not None:
        from yesrank.engine.onnx import check_variant

        check_variant(folder)


def _against_manifest(folder: Path, files: dict[str, int], *, with_hashes: bool) -> list[str]:
    """Every file that is missing or not what the manifest describes; nothing where there is no manifest.

    A variant of the ONNX files that is not there at all is no problem: it may not have been downloaded.
    """
    from yesrank.manifest import read_manifest, sha256, without_absent_variants

    try:
        manifest = read_manifest(folder)
        manifest = None if manifest is None else without_absent_variants(folder, manifest)
    except ModelError as error:
        return [error.message]
    problems = []
    for name, entry in manifest.files.items() if manifest is not None else ():
        if name not in files:
            problems.append(f"{name} is in the manifest but not in the folder")
        elif files[name] != entry.bytes:
            problems.append(f"{name} has {files[name]} bytes, its manifest says {entry.bytes}")
        elif with_hashes and sha256(folder / name) != entry.sha256:
            problems.append(f"{name} is not the file that the manifest describes (its SHA-256 differs)")
    return problems


def _show(folder: Path, facts: dict[str, Any], problems: list[str]) -> None:
    rows = {"folder": str(folder)}
    for name in (
        *("kind", "model_type", "weights", "smooth", "source", "template", "instruction"),
        *("max_length", "dimensions", "end"),
    ):
        if facts.get(name) is not None:
            rows[name.replace("_", " ")] = str(facts[name])
    if "answers" in facts:
        rows["answers"] = "yes = {yes}, no = {no}".format(**facts["answers"])
    rows |= {f"prompt {name}": repr(text) for name, text in facts.get("prompts", {}).items()}
    rows |= {name.replace("_", " "): str(value) for name, value in facts.get("config", {}).items()}
    output.show(output.facts(rows))
    table = Table(box=None, pad_edge=False)
    table.add_column("file")
    table.add_column("size", justify="right")
    for name, size in facts["files"].items():
        table.add_row(Text(name), output.size(size))
    output.show(table)
    if facts.get("variants"):
        _show_variants(folder)
    if facts.get("template_text"):
        output.show(Text(f"template {facts['template']}:\n{facts['template_text']}"))
    for line in facts.get("notes", ()):
        output.show(f"note: {line}")
    for line in problems:
        output.show(f"problem: {line}")


def _show_variants(folder: Path) -> None:
    found, _ = _variants(folder)
    table = Table(box=None, pad_edge=False)
    for name in ("variant", "size", "head", "opset", "cache", "computes with"):
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for each in found:
        opsets = ", ".join(f"{domain} {version}" for domain, version in each.opsets.items())
        cache = f"{each.layers_cached} layers" if each.layers_cached else "none"
        table.add_row(each.variant, output.size(each.bytes), each.head, opsets, cache, each.arithmetic)
    output.show(table)
    for what in ("inputs", "outputs"):
        ports: Mapping[str, str] = getattr(found[0], what)
        output.show(f"{what}: " + "; ".join(f"{name} {kind}" for name, kind in ports.items()))
