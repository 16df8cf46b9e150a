"""The names of a user: read, added to, removed from."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from yesrank.errors import InputError, ModelNotFound
from yesrank.kinds import EMBEDDING
from yesrank.store import toml
from yesrank.store.entry import BUILTIN, Entry, builtin_entry
from yesrank.store.places import config_file, is_folder

LIST = "yesrank list shows all names"


class Store:
    """The entries of one file. Nothing is kept in memory: every call reads the file as it is then.

    path: the file; None for YESRANK_CONFIG or the platform's place. Every method raises ModelError, naming the
    line, for a file that is not valid; such a file is never written to. Safe with several processes.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = config_file() if path is None else path.absolute()

    def list(self) -> tuple[Entry, ...]:
        """All entries, in the order in which they were added."""
        return toml.read(self.path).entries

    def find(self, name: str) -> Entry | None:
        """The entry with that name or alias; None where there is none."""
        return next((entry for entry in self.list() if name in entry.names), None)

    def get(self, name: str) -> Entry:
        """The entry with that name or alias. Raises ModelNotFound, with the names that come near."""
        entries = self.list()
        found = next((entry for entry in entries if name in entry.names), None)
        if found is None:
            raise ModelNotFound(f"no model has the name {name!r}", near(name, entries))
        return found

    def check_free(self, entry: Entry) -> None:
        """Raises InputError where the name or an alias of the entry belongs to another one."""
        _check_free(entry, self.list())

    def add(self, entry: Entry, replace: bool = False, *, present: bool = False) -> Entry:
        """Adds an entry and returns it. replace: an entry of that name gives way. present: its folder must be there.

        Raises InputError where the name or an alias is taken, ModelNotFound for a folder that has gone.
        """
        with toml.locked(self.path):
            if present and not is_folder(entry.path):
                raise ModelNotFound(f"{entry.path} was removed in the meantime", "run the same command again")
            kept = toml.read(self.path)
            entries = tuple(each for each in kept.entries if not (replace and each.name == entry.name))
            _check_free(entry, entries)
            toml.write(self.path, toml.Contents((*entries, entry), kept.default))
        return entry

    def change(self, name: str, how: Callable[[Entry], Entry]) -> Entry:
        """Puts `how` of the entry with that name or alias in its place among the others, and returns it.

        how: keeps the name. Raises ModelNotFound; InputError where another entry has one of the names.
        """
        with toml.locked(self.path):
            entry = self.get(name)
            changed = how(entry)
            kept = toml.read(self.path)
            _check_free(changed, [each for each in kept.entries if each.name != entry.name])
            entries = tuple(changed if each.name == entry.name else each for each in kept.entries)
            toml.write(self.path, toml.Contents(entries, kept.default))
        return changed

    def remove(self, name: str, then: Callable[[Entry, Sequence[Entry]], None] | None = None) -> Entry:
        """Removes the entry of that name and returns it; the model's files stay.

        then: told of the entry and those that are left, before anyone else can add or remove one. Raises ModelNotFound;
        InputError for an alias, so that nothing is removed by one of its other names.
        """
        with toml.locked(self.path):
            entry = self.get(name)
            if entry.name != name:
                raise InputError(
                    "name",
                    f"{name!r} is an alias of {entry.name!r}",
                    f"to remove it: yesrank remove {entry.name}",
                )
            kept = toml.read(self.path)
            left = tuple(each for each in kept.entries if each.name != name)
            toml.write(self.path, toml.Contents(left, None if kept.default == name else kept.default))
            if then is not None:
                then(entry, left)
        return entry

    def default(self) -> Entry:
        """What ranks where no model is named: the one that was chosen, else the first that was added, else built-in."""
        kept = toml.read(self.path)
        ranking = [entry for entry in kept.entries if entry.kind is None]
        if kept.default == BUILTIN or not ranking:
            return builtin_entry()
        return next((entry for entry in ranking if entry.name == kept.default), ranking[0])

    def default_embedder(self) -> Entry:
        """What embeds where no model is named: the first that was added. Raises ModelNotFound where there is none."""
        found = next((entry for entry in self.list() if entry.kind == EMBEDDING), None)
        if found is None:
            raise ModelNotFound(
                "no embedding model has a name, and none comes with yesrank",
                "name a folder, or first: yesrank pull Qwen/Qwen3-Embedding-0.6B",
            )
        return found

    def set_default(self, name: str) -> Entry:
        """Chooses the model of that name or alias, or builtin, and returns it. Raises ModelNotFound, InputError."""
        with toml.locked(self.path):
            entry = builtin_entry() if name == BUILTIN else self.get(name)
            if entry.kind == EMBEDDING:
                raise InputError(
                    "name",
                    f"{name} embeds; the default is what ranks where no model is named",
                    "name a reranker",
                )
            toml.write(self.path, toml.Contents(self.list(), entry.name))
        return entry


def near(name: str, entries: Sequence[Entry]) -> str:
    """The hint for a name that is not there: those that look like it."""
    known = {each.casefold(): each for entry in entries for each in entry.names}
    found = [known[key] for key in get_close_matches(name.casefold(), known, n=3)]
    return f"did you mean {' or '.join(found)}? {LIST}" if found else LIST


def without_taken_aliases(entry: Entry, entries: Sequence[Entry]) -> Entry:
    """The entry less those aliases that are names of others, for aliases that nobody asked for."""
    taken = {name.casefold() for each in entries for name in each.names} | {entry.name.casefold()}
    return replace(entry, aliases=tuple(each for each in entry.aliases if each.casefold() not in taken))


def _check_free(entry: Entry, entries: Sequence[Entry]) -> None:
    owners = {name.casefold(): each.name for each in entries for name in each.names}
    for name in entry.names:
        field = "name" if name == entry.name else "alias"
        if name.casefold() == BUILTIN:
            hint = f"choose another; to give it another name: yesrank serve --alias NAME={BUILTIN}"
            raise InputError(field, f"{name!r} is the model that comes with yesrank", hint)
        if (owner := owners.get(name.casefold())) is not None:
            what = "is there already" if owner == name else f"is a name of {owner!r} already"
            raise InputError(
                field,
                f"{name!r} {what}",
                f"choose another, or first: yesrank remove {owner}",
            )
