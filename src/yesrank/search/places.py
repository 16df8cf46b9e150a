"""Where indexes are kept, and what may be their name."""

import os
import re
import unicodedata
from pathlib import Path

from yesrank.errors import InputError

VARIABLE = "YESRANK_INDEXES"
DEFAULT = "default"
ENDING = ".sqlite"
_NAME = re.compile(r"\w[\w.-]{0,63}")


def indexes_folder() -> Path:
    """YESRANK_INDEXES, else indexes in the platform's data folder."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("yesrank", appauthor=False) / "indexes"


def index_file(name: str) -> Path:
    """The file of the index of that name. Raises InputError for what is no name."""
    normal = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(normal) or normal.endswith("."):
        raise InputError(
            "name",
            f"{name!r} is no name for an index",
            "use letters, digits, - _ and dots, at most 64, such as notes",
        )
    return indexes_folder() / f"{normal}{ENDING}"


def index_names() -> list[str]:
    """Names of all indexes that there are, in the order of the alphabet."""
    try:
        return sorted(path.name.removesuffix(ENDING) for path in indexes_folder().glob(f"*{ENDING}"))
    except OSError:
        return []
