"""Bytes -> text: what is no text is refused as what it is; the encoding is the one that the bytes state, else UTF-8."""

import codecs
import re
import shlex
from collections.abc import Callable

from yesrank.documents.passages import bad
from yesrank.errors import InputError

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
_KNOWN: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (re.compile(rb"\s*%PDF-\d"), "a PDF file", "make text of it first: pdftotext {} documents.txt"),
    (re.compile(rb"\{\\rtf\d"), "an RTF file", _PANDOC),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "an old Office file", "save it as text, CSV or .docx first"),
    (re.compile(rb"PAR1.*PAR1\Z", re.DOTALL), "a Parquet file", "write it as JSONL or CSV first"),
    (re.compile(rb"SQLite format 3\0"), "a SQLite database", "write its texts as JSONL or CSV first"),
    (re.compile(rb"\x1f\x8b"), "packed with gzip", _UNPACK.replace("TOOL", "gzip -dc")),
    (re.compile(rb"BZh\d1AY&SY"), "packed with bzip2", _UNPACK.replace("TOOL", "bzip2 -dc")),
    (re.compile(rb"\xfd7zXZ\0"), "packed with xz", _UNPACK.replace("TOOL", "xz -dc")),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "packed with Zstandard", _UNPACK.replace("TOOL", "zstd -dc")),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*", re.DOTALL), "a picture",
     "make text of it first, for example with: tesseract {} documents"),
    (re.compile(rb"version https://git-lfs\.github\.com/spec/"), "a Git LFS pointer, not the file itself",
     "fetch the file, where it lies: git lfs pull"),
)  # fmt: skip
_PACKED = ((b"word/", "a Word document", _PANDOC), (b"xl/", "an Excel file", "save it as CSV first"),
           (b"ppt/", "a PowerPoint file", "save it as text first"),
           (b"application/vnd.oasis", "an OpenDocument file", _PANDOC),
           (b"application/epub", "an EPUB book", _PANDOC))  # fmt: skip
_HTML = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_SAVE = "save it as UTF-8, or: iconv -f {} -t UTF-8"


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
        raise bad(f"{name} is not UTF-8 (line {line})", _SAVE.format("WINDOWS-1252")) from error


def _refuse_other_formats(data: bytes, name: str, *, html: bool) -> None:
    shown = "FILE" if name == STANDARD_INPUT else shlex.quote(name)
    for start, what, hint in _KNOWN:
        if start.match(data):
            raise bad(f"{name} is {what}", hint.replace("{}", shown))
    if data.startswith(b"PK\x03\x04"):
        raise _packed(data, name, shown)
    if not html and _HTML.match(data[:_HEAD]):
        raise bad(
            f"{name} is a web page", f"{_PANDOC.replace('{}', shown)}; or --format text to rank its source"
        )
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
            return bad(f"{name} seems to be {encoding} without its mark", _SAVE.format(encoding))
    return bad(f"{name} is a binary file, no text", "give text, Markdown, JSON, JSONL, CSV or TSV")
