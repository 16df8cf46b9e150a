"""Adding what is there already, as it is there: nothing to do, and no error."""

from dataclasses import replace
from pathlib import Path

from yesrank.manifest import FILE, read_manifest
from yesrank.store.entry import Entry
from yesrank.store.intake import weights_here
from yesrank.store.places import folder_for, is_folder
from yesrank.store.resolve import from_address
from yesrank.store.store import Store

_OPTIONS = ("device", "precision", "engine", "instruction", "template", "max_length", "shape")


def stored_already(
    store: Store, entry: Entry, model: str, *, revision: str | None = None, weights: str | None = None
) -> Entry | None:
    """The stored entry that `take_in` has made of the same arguments; None where there is none, or no folder any more.

    A model of the hub is not looked up again, and its variant may be left to what was chosen; so may precision, engine
    and variant of a model that was tuned. Raises ModelError for a file of names or a manifest that is not valid.
    """
    there = store.find(entry.name)
    if there is None or there.name != entry.name or not is_folder(there.path):
        return None
    path = Path(model).expanduser()
    source, named = (str(path.resolve()), None) if is_folder(path) else from_address(model)
    options = {name: getattr(there, name) for name in _OPTIONS}
    asked = _run_as(there, entry)
    others = set(there.aliases) - set(entry.aliases)
    same = (
        there.source == source
        and asked == replace(asked, **options)
        and (asked.variant == there.variant or (asked.variant is None and not is_folder(path)))
        and set(entry.aliases) <= set(there.aliases)
        and others <= {source}  # the id of the hub, which becomes an alias by itself
        and (revision or named) in (None, there.revision)
        and _is_made_so(there, path, weights)
    )
    return there if same else None


def _run_as(there: Entry, entry: Entry) -> Entry:
    """The asked entry; where it leaves open how it is run, and the stored one was tuned, with that one's way."""
    if there.tuned is None or (entry.precision, entry.engine, entry.variant) != ("auto", None, None):
        return entry
    return replace(entry, precision=there.precision, engine=there.engine, variant=there.variant)


def _is_made_so(there: Entry, source: Path, weights: str | None) -> bool:
    """Whether a converted checkpoint has the weights that are asked for, and is not older than its source."""
    if there.path != folder_for(there.name):
        return weights is None
    manifest = read_manifest(there.path)
    if manifest is None:
        return False
    made = (there.path / FILE).stat().st_mtime
    newer = is_folder(source) and any(file.stat().st_mtime > made for file in source.glob("*.safetensors"))
    return not newer and weights_here(weights) == manifest.weights
