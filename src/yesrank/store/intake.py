"""A folder or a model of the hub -> an entry: downloaded, converted and checked on the way in."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from yesrank.asking import asking_of
from yesrank.claims import discard
from yesrank.errors import InputError, ModelError, ModelNotFound, YesrankError
from yesrank.kinds import EMBEDDING, RERANKER
from yesrank.manifest import check_files, read_manifest
from yesrank.store import hub
from yesrank.store.choice import Choice, choose
from yesrank.store.entry import Entry
from yesrank.store.folders import state_of
from yesrank.store.pending import changing, is_leftover, mark, tidy
from yesrank.store.places import folder_for, is_folder, is_model, models_folder
from yesrank.store.resolve import HUB_ID, from_address
from yesrank.store.store import Store, without_taken_aliases
from yesrank.templates import is_own, template_of

if TYPE_CHECKING:
    from yesrank.models.folder import Folder

DEFAULT_WEIGHTS = "int8"


def _silent(message: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Steps:
    """Told what happens. download: bytes here, of how many; convert: as convert.ConvertProgress."""

    note: Callable[[str], None] = _silent
    download: Callable[[int, int], None] | None = None
    convert: Callable[[int, int, int, int], None] | None = None


_SILENT = Steps()


def take_in(
    store: Store,
    entry: Entry,
    model: str,
    *,
    revision: str | None = None,
    weights: str | None = None,
    kind: str | None = None,
    steps: Steps = _SILENT,
) -> Entry:
    """Adds `entry` for a folder or hub id, and returns it as it was stored.

    A checkpoint is converted into the folder of converted models, OpenVINO and ONNX models are used where they lie; the
    path, source, revision and kind of `entry` are set here. revision: for hub ids. weights: for checkpoints, None for
    int8. kind: reranker or embedding where the caller knows, None for what the folder says.
    The engine and variant of `entry` choose what is downloaded of a hub id (see choose), and the variant that was
    downloaded is stored, so that another one that comes later changes nothing.
    Raises InputError, ModelError, ConversionError, MissingExtra; after an error nothing is stored.
    """
    _check_together(entry, weights)
    store.check_free(entry)
    model, revision = _address(model, revision)
    tidy(models_folder(), store)
    path = Path(model).expanduser()
    if is_model(path):
        if revision is not None:
            raise InputError(
                "revision", f"{model} is a folder, not a model of the hub", "leave --revision out"
            )
        source = path.resolve()
        entry = replace(entry, path=source, source=str(source))
        return _store(store, entry, None, weights, kind, steps)
    if not HUB_ID.fullmatch(model):
        raise ModelNotFound(
            f"there is no folder {model}", "give a folder, or an id of the Hugging Face hub: OWNER/NAME"
        )
    found, choice = _download(model, entry, revision, weights, kind, steps)
    aliased = replace(entry, aliases=(*entry.aliases, *({model} - {*entry.names})))
    entry = without_taken_aliases(aliased, store.list()) if model not in entry.names else entry
    entry = replace(entry, path=found, source=model, revision=found.name, variant=choice.variant)
    return _store(store, entry, choice.kind, weights, kind, steps)


def pull(
    store: Store,
    hub_id: str,
    *,
    name: str | None = None,
    revision: str | None = None,
    weights: str | None = None,
    variant: str | None = None,
    kind: str | None = None,
    steps: Steps = _SILENT,
) -> tuple[Entry, bool]:
    """Downloads a model of the hub, converts and adds it; returns the entry, and whether it is new.

    name: None for the last part of the id. variant: of ONNX files, which are then taken even where there is a
    checkpoint. kind: as of take_in. A model that is there in the same revision is left as it is. Raises InputError
    where the name belongs to another model, revision or variant, and what take_in raises.
    """
    hub_id, revision = _address(hub_id, revision)
    if not HUB_ID.fullmatch(hub_id):
        raise InputError("model", f"{hub_id!r} is not an id of the Hugging Face hub", _what_is_wanted(hub_id))
    name = name or hub_id.rpartition("/")[2]
    entry = Entry(name, folder_for(name), variant=variant)
    there = store.find(name)
    if there is not None and there.source == hub_id:
        tidy(models_folder(), store)
        try:
            _check_same(there, hub_id, revision, weights, variant)
        except InputError:
            if store.find(name) is not None:
                raise  # else it was removed in the meantime
        else:
            return there, False
    return take_in(store, entry, hub_id, revision=revision, weights=weights, kind=kind, steps=steps), True


def _address(model: str, revision: str | None) -> tuple[str, str | None]:
    """The id of a model whose page's address is given, and the revision that the address or the caller names."""
    found, named = from_address(model)
    if named is not None and revision not in (None, named):
        raise InputError(
            "revision",
            f"{model} is revision {named}, not {revision}",
            "leave --revision out, or give OWNER/NAME",
        )
    return found, revision if named is None else named


def _what_is_wanted(given: str) -> str:
    if is_folder(Path(given).expanduser()):
        return f"to take in a folder: yesrank add NAME --model-path {given}"
    if given.lower().startswith("qwen3-") and "/" not in given:
        return f"it has an owner as well: yesrank pull Qwen/{given}"
    return "write OWNER/NAME, or the address of its page: https://huggingface.co/OWNER/NAME"


def _check_same(
    there: Entry, hub_id: str, revision: str | None, weights: str | None, variant: str | None
) -> None:
    again = f"yesrank remove {there.name} --delete-files, then pull again; or keep both with --name"
    repository = hub.look_up(hub_id, revision)
    if repository is not None and repository.commit != there.revision:
        raise InputError(
            "name", f"{there.name} is revision {there.revision}, the hub has {repository.commit}", again
        )
    if not is_folder(there.path):
        raise InputError("name", f"{there.name} is stored, but its folder {there.path} is gone", again)
    if (problem := state_of(there).problem) is not None:
        raise InputError("name", f"{there.name} is damaged: {problem}", again)
    what = _differs(there, weights, variant)
    if what is not None and variant is not None:
        again = f"keep both: yesrank pull {hub_id} --variant {variant} --name {there.name}-{variant}"
    if what is not None:
        raise InputError("name", f"{there.name} {what}", again)


def _differs(there: Entry, weights: str | None, variant: str | None) -> str | None:
    """What an entry is, where that is not what was asked for."""
    if variant not in (None, there.variant):
        return f"is {f'variant {there.variant}' if there.variant else 'no ONNX model'}, not variant {variant}"
    if weights is None:
        return None
    if there.variant is not None:
        return f"is the ONNX variant {there.variant}, not a conversion with {weights} weights"
    manifest = read_manifest(there.path)
    if manifest is not None and manifest.weights != weights:
        return f"has {manifest.weights} weights, not {weights}"
    return None


def _check_together(entry: Entry, weights: str | None) -> None:
    if weights is not None and (entry.variant is not None or entry.engine == "onnx"):
        raise InputError(
            "weights",
            "they are chosen for a checkpoint that is converted to OpenVINO; ONNX files have variants",
            "leave out --weights, or --variant and --engine",
        )


def _download(
    hub_id: str, entry: Entry, revision: str | None, weights: str | None, kind: str | None, steps: Steps
) -> tuple[Path, Choice]:
    asked = {"engine": entry.engine, "variant": entry.variant}
    repository = hub.look_up(hub_id, revision)
    if repository is None:
        steps.note(f"HF_HUB_OFFLINE is set: {hub_id} as it is in the cache, not compared with the hub")
        found, choice = hub.cached(hub_id, revision, **asked)
        _check_choice(hub_id, choice, weights)
        return found, choice
    choice = choose(hub_id, [file.name for file in repository.files], **asked)
    _check_choice(hub_id, choice, weights)
    files = repository.taken(choice)
    size = sum(file.size for file in files) / 1e6
    what = f"variant {choice.variant} of {', '.join(choice.variants)}; " if choice.variant else ""
    steps.note(f"{hub_id} at {repository.commit[:12]}: {what}{len(files)} files, {size:,.1f} MB")
    return hub.download(repository, choice, revision, steps.download, entry.template, kind), choice


def _check_choice(hub_id: str, choice: Choice, weights: str | None) -> None:
    """Finds out before a download what would make it useless."""
    if weights is not None and choice.kind != "checkpoint":
        raise InputError("weights", f"{hub_id} is converted already", "leave --weights out")
    if choice.kind == "onnx":
        from yesrank.engine.onnx import check_installed

        check_installed()


def _store(
    store: Store, entry: Entry, format: str | None, weights: str | None, kind: str | None, steps: Steps
) -> Entry:
    """Converts where that is needed, checks, and adds. format: what to take, where the folder may hold more."""
    from yesrank.models.folder import format_of

    if (format or format_of(entry.path)) == "checkpoint":
        return _store_checkpoint(store, entry, weights, kind, steps)
    from yesrank.models.embedding_folder import EmbeddingFolder, open_folder

    model = open_folder(entry.path, entry.template, kind)
    embeds = isinstance(model, EmbeddingFolder)
    if kind not in (None, EMBEDDING if embeds else RERANKER):
        raise InputError(
            "model type",
            f"{entry.path} is {'an embedding model' if embeds else 'a reranker'}, not of the kind {kind}",
            "leave it out",
        )
    entry = replace(entry, kind=EMBEDDING if embeds else None)
    _check_entry(model, entry)
    if weights is not None:
        raise InputError("weights", f"{entry.path} is converted already", "leave --weights out")
    _check_model(entry, format or model.kind)
    _check_weights(model, entry)
    return store.add(entry, present=True)


def _store_checkpoint(
    store: Store, entry: Entry, weights: str | None, kind: str | None, steps: Steps
) -> Entry:
    from yesrank.convert.subject import subject_of

    subject = subject_of(entry.path, entry.template, kind)
    entry = replace(entry, kind=EMBEDDING if subject.recipe else None)
    _check_length(entry, subject.checkpoint.config.longest)
    _check_template(subject.checkpoint.folder, entry)
    _check_converted(entry)
    for line in subject.notes:
        steps.note(line)
    return _convert(store, entry, weights, kind, steps)


def _check_entry(model: "Folder", entry: Entry) -> None:
    """Raises InputError for a length or a template that this model cannot have."""
    _check_length(entry, model.limit)
    _check_template(model.texts, entry)


def _check_length(entry: Entry, limit: int) -> None:
    if entry.max_length is not None and entry.max_length > limit:
        raise InputError("max_length", f"must be 1 to {limit} tokens for this model, not {entry.max_length}")


def _check_template(texts: Path, entry: Entry) -> None:
    """Raises InputError for a template of one's own that the model's tokenizer cannot spell."""
    from yesrank.tokens import PromptEncoder

    if entry.template is not None and is_own(template := template_of(entry.template)):
        PromptEncoder.from_folder(texts).check_template(template)


def _check_converted(entry: Entry) -> None:
    """A checkpoint becomes an OpenVINO model on the way in: no name for it may ask for ONNX files."""
    if entry.variant is not None or entry.engine == "onnx":
        raise InputError(
            "engine" if entry.variant is None else "variant",
            f"{entry.path} is a checkpoint, and holds no ONNX files",
            f"leave it out; or first: yesrank convert {entry.path} FOLDER --format onnx",
        )


def weights_here(asked: str | None) -> str:
    """What a manifest says of a checkpoint that is taken in on this machine: ONNX variants where OpenVINO is not."""
    from yesrank.convert import DEFAULT_VARIANTS
    from yesrank.engine.openvino import is_installed

    if asked is None and not is_installed():
        return ",".join(DEFAULT_VARIANTS)
    return asked or DEFAULT_WEIGHTS


def _convert(store: Store, entry: Entry, weights: str | None, kind: str | None, steps: Steps) -> Entry:
    """To OpenVINO; to ONNX files where that is not installed and no weights of it are asked for.

    Killed at any moment, it leaves nothing that the same command does not take up or away.
    """
    from yesrank.convert import DEFAULT_VARIANTS, convert, convert_onnx

    target, template = folder_for(entry.name), entry.template
    wanted = weights_here(weights)
    onnx = wanted == ",".join(DEFAULT_VARIANTS)
    with changing(target, store):
        store.check_free(entry)  # of two that add a name the second waited here
        made = not _is_result(target, store, entry, wanted, kind)
        try:
            if made:
                mark(target, store)
            if made and onnx:
                convert_onnx(entry.path, target, template=template, kind=kind, progress=steps.convert)
            elif made:
                convert(
                    entry.path, target, weights=wanted, template=template, kind=kind, progress=steps.convert
                )
            return store.add(replace(entry, path=target), present=True)
        except YesrankError:  # another process took an alias in the meantime
            if made and is_leftover(target, store):
                discard(target)
            raise


def _is_result(target: Path, store: Store, entry: Entry, weights: str, kind: str | None) -> bool:
    """Whether an earlier run made the very folder and was stopped before it could store the name.

    What a killed run left besides is deleted. Raises InputError for a folder that is somebody's.
    """
    if not target.exists():
        return False
    what = ""
    try:
        if _is_whole_result(target, entry, weights, kind):
            return True
    except ModelError as error:
        what = f" damaged ({error.message}),"
    if is_leftover(target, store):
        discard(target)
        return False
    raise InputError(
        "name",
        f"{target} exists,{what} and no stored model has the name {entry.name}",
        f"remove it, choose another name, or use it: yesrank add {entry.name} --model-path {target}",
    )


def _is_whole_result(target: Path, entry: Entry, weights: str, kind: str | None) -> bool:
    """Whether the folder is the conversion that is asked for. Reads all of it. Raises ModelError for damage."""
    manifest = read_manifest(target)
    if manifest is None or entry.revision is None:
        return False
    template = "none"
    if entry.kind is None:
        template = asking_of(entry.path, entry.template, sure=kind is not None).template.name
    made = (manifest.source, manifest.revision, manifest.weights, manifest.template)
    if made != (entry.source, entry.revision, weights, template):
        return False
    check_files(target, manifest, hashes=True)
    return True


def _check_model(entry: Entry, kind: str) -> None:
    """Raises ModelError for an IR that is cut short, and for an ONNX variant that is not there."""
    if kind == "onnx" or "onnx" in (entry.engine, entry.variant and "onnx"):
        from yesrank.engine.onnx import check_variant

        check_variant(entry.path, entry.variant)
        return
    from yesrank.engine.openvino import check_graph

    check_graph(entry.path)


def _check_weights(model: "Folder", entry: Entry) -> None:
    """Reads the weights once, so that a damaged model gets no name. Raises ModelError."""
    from yesrank.models.engines import engine_for
    from yesrank.models.integrity import check_contents, weights_files

    engine = entry.engine or engine_for(model, entry.variant)
    check_contents(model.path, model.manifest, weights_files(model.path, engine, entry.variant))
