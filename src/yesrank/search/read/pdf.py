"""PDF by pypdfium2: a section a page."""

import re
import threading
from typing import Any

from yesrank.errors import InputError, MissingExtra
from yesrank.search.sections import Extract, Section

_one_at_a_time = threading.Lock()  # PDFium may be called from one thread only
_HYPHEN = re.compile(
    r"(?<=[^\W\d_])[\ufffe\xad\u0002]\s*(?=[^\W\d_])"
)  # how PDFium gives a hyphen at a line's end
_MANY_PAGES = 20_000


def read(data: bytes, name: str) -> Extract:
    """Raises InputError for a file that is locked or damaged, or holds pictures of text only; MissingExtra."""
    try:
        import pypdfium2
    except ImportError:
        raise MissingExtra("pypdfium2", "files") from None
    with _one_at_a_time:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            raise InputError("file", f"{name} is {_why(str(error))}") from error
        try:
            pages = [_text(document, number) for number in range(min(len(document), _MANY_PAGES))]
        finally:
            document.close()
    sections = tuple(Section(text, page=at) for at, text in enumerate(pages, start=1) if text.strip())
    if not sections:
        raise InputError(
            "file", f"{name} is a PDF without text: pages are pictures", "make text of it with: ocrmypdf"
        )
    empty = len(pages) - len(sections)
    return Extract("pdf", sections, (f"{name}: {empty} of {len(pages)} pages hold no text",) if empty else ())


def _text(document: Any, number: int) -> str:
    page = document[number]
    try:
        part = page.get_textpage()
        try:
            found = str(part.get_text_range())
        finally:
            part.close()
    finally:
        page.close()
    return _HYPHEN.sub("", found.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""))


def _why(error: str) -> str:
    return "a PDF that is locked with a password" if "assword" in error else f"a damaged PDF ({error})"
