"""Bytes -> text: what is no text is refused as what it is; the encoding is the one that the bytes state, else UTF-8."""

import codecs
import re
import shlex
from collections.abc import Callable

from yesrank.documents.passages import bad
from yesrank.errors import InputError
from yesrank.filekinds import PAGE, POINTER, kind_of

_MARKS = (  # the longer mark first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD = 4096
STANDARD_INPUT = "standard input"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x7f]")
_PANDOC = "make text of it first: pandoc -t markdown {} -o documents.md"
_UNPACK = "unpack it first: TOOL {} | yesrank rerank QUERY -"
_HINTS = {
    "a PDF file": "make text of it first: pdftotext {} documents.txt",
    "an RTF file": _PANDOC,
    "an old Office file": "save it as text, CSV or .docx first",
    "a Parquet file": "write it as JSONL or CSV first",
    "a SQLite database": "write its texts as JSONL or CSV first",
    "packed with gzip": _UNPACK.replace("TOOL", "gzip -dc"),
    "packed with bzip2": _UNPACK.replace("TOOL", "bzip2 -dc"),
    "packed with xz": _UNPACK.replace("TOOL", "xz -dc"),
    "packed with Zstandard": _UNPACK.replace("TOOL", "zstd -dc"),
    "a picture": "make text of it first, for example with: tesseract {} documents",
    POINTER: "fetch the file, where it lies: git lfs pull",
    PAGE: f"{_PANDOC}; or --format text to rank its source",
}
_PACKED = ((b"word/", "a Word document", _PANDOC), (b"xl/", "an Excel file", "save it as CSV first"),
           (b"ppt/", "a PowerPoint file", "save it as text first"),
           (b"application/vnd.oasis", "an OpenDocument file", _PANDOC),
           (b"application/epub", "an EPUB book", _PANDOC))  # fmt: skip
_SAVE = "save it as UTF-8, or make it so: iconv -f {} -t UTF-8 {} | yesrank rerank QUERY -"


def text_of(data: bytes, name: str, *, html: bool = False) -> str:
    """The text, with its mark taken off. html: take a web page as it is. Raises InputError for what is no text."""
    encoding = next((found for mark, found in _MARKS if data.startswith(mark)), None)
    if encoding in (None, "utf-8-sig"):
        _refuse_other_formats(data.removeprefix(codecs.BOM_UTF8), name, html=html)
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding in ("utf-16", "utf-32"):
            raise bad(
                f"{name} says that it is {encoding.upper()}, and is damaged: {error.reason}",
                "save it again, best as UTF-8",
            ) from error
        if _CONTROL.search(data):
            raise _binary(data, name) from error
        line = data.count(b"\n", 0, error.start) + 1
        raise bad(f"{name} is not UTF-8 (line {line})", _SAVE.format("WINDOWS-1252", _shown(name))) from error


def _shown(name: str) -> str:
    """The name as a shell takes it."""
    return "FILE" if name == STANDARD_INPUT else shlex.quote(name)


def _refuse_other_formats(data: bytes, name: str, *, html: bool) -> None:
    shown = _shown(name)
    what = kind_of(data)
    if what == "a ZIP archive":
        raise _packed(data, name, shown)
    hint = _HINTS.get(what or "")
    if what is not None and hint is not None and not (html and what == PAGE):
        raise bad(f"{name} is {what}", hint.replace("{}", shown))
    if b"\0" in data:
        raise _binary(data, name)


def _packed(data: bytes, name: str, shown: str) -> InputError:
    inside: Callable[[bytes], bool] = (data[:_HEAD] + data[-4 * _HEAD :]).__contains__
    for mark, what, hint in _PACKED:
        if inside(mark):
            return bad(f"{name} is {what}", hint.replace("{}", shown))
    return bad(f"{name} is a ZIP archive", "unpack it first, and give its files")


def _binary(data: bytes, name: str) -> InputError:
    """Zero bytes: at every second place they are UTF-16 of Latin letters, whose mark is missing."""
    head = data[:_HEAD]
    for encoding, zeros, letters in (
        ("UTF-16LE", head[1::2], head[::2]),
        ("UTF-16BE", head[::2], head[1::2]),
    ):
        if zeros.count(0) > 0.8 * len(zeros) and letters.count(0) < 0.1 * len(letters):
            return bad(
                f"{name} seems to be {encoding} without its mark", _SAVE.format(encoding, _shown(name))
            )
    return bad(f"{name} is a binary file, no text", "give text, Markdown, JSON, JSONL, CSV or TSV")
