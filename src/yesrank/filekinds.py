"""What a file really is, by its first bytes, where it is not what it was taken for."""

import json
import re
from pathlib import Path
from typing import Any

from yesrank.errors import CheckpointError

POINTER = "a Git LFS pointer, not the file itself"
PAGE = "a web page"
GGUF = "a GGUF model"
_HEAD = 4096
_KINDS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"version https://git-lfs\.github\.com/spec/"), POINTER),
    (re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL), PAGE),
    (re.compile(rb"\s*%PDF-\d"), "a PDF file"),
    (re.compile(rb"\{\\rtf\d"), "an RTF file"),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "an old Office file"),
    (re.compile(rb"PAR1[^\s -~]"), "a Parquet file"),
    (re.compile(rb"SQLite format 3\0"), "a SQLite database"),
    (re.compile(rb"\x1f\x8b"), "packed with gzip"),
    (re.compile(rb"BZh\d1AY&SY"), "packed with bzip2"),
    (re.compile(rb"\xfd7zXZ\0"), "packed with xz"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "packed with Zstandard"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive"),
    (re.compile(rb"GGUF"), GGUF),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*", re.DOTALL), "a picture"),
)
_HINTS = {
    GGUF: "give it a name that ends in .gguf, and that name: yesrank convert MODEL.gguf FOLDER",
    POINTER: "fetch the file: git lfs pull, where it was cloned; or: yesrank pull OWNER/NAME",
    PAGE: "a login or error page was saved in its place: download it with: yesrank pull OWNER/NAME",
}


def kind_of(data: bytes) -> str | None:
    """What the content is, in words such as "a PDF file"; None for text and for what is not known."""
    head = data[:_HEAD]
    return next((words for start, words in _KINDS if start.match(head)), None)


def in_place_of(path: Path) -> tuple[str, str] | None:
    """What a part of a model really is, and what to do; None where its bytes do not say. Never raises."""
    try:
        with path.open("rb") as file:
            found = kind_of(file.read(_HEAD))
    except OSError:
        return None
    if found == GGUF and path.suffix == ".gguf":
        return None
    return None if found is None else (found, _HINTS.get(found, "download the file again"))


def read_json(path: Path) -> Any:
    """The content of a JSON file of a model, UTF-8 or UTF-16 as some shells save it; None where there is none.

    Raises CheckpointError, which says what the file is where it is something else.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        if found := in_place_of(path):
            raise CheckpointError(f"{path} is {found[0]}", found[1]) from error
        raise CheckpointError(f"{path} cannot be read: {error}", "download it again") from error
