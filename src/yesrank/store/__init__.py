"""Names for model folders: a small file in the user's configuration, and what fills it.

name or path ─ resolve ─► Entry ─ (path, device, precision, ...) ─► Reranker
hub id or folder ─ take_in ─► download, convert, check ─► Store.add
"""

from yesrank.store.again import stored_already
from yesrank.store.entry import BUILTIN, Entry, builtin_entry
from yesrank.store.folders import State, forget, source_of, state_of
from yesrank.store.intake import Steps, pull, take_in
from yesrank.store.places import config_file, models_folder
from yesrank.store.resolve import not_found, resolve
from yesrank.store.store import Store

__all__ = [
    "BUILTIN",
    "Entry",
    "State",
    "Steps",
    "Store",
    "builtin_entry",
    "config_file",
    "forget",
    "models_folder",
    "not_found",
    "pull",
    "resolve",
    "source_of",
    "state_of",
    "stored_already",
    "take_in",
]
