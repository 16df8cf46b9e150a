"""Which reader a file gets."""

from pathlib import PurePath

from yesrank.documents.content import text_of
from yesrank.errors import InputError
from yesrank.filekinds import PAGE, kind_of
from yesrank.search.read import code, html, markdown, office, pdf, records, text
from yesrank.search.sections import Extract

_BY_ENDING = {
    **dict.fromkeys((".md", ".markdown", ".mdx", ".qmd", ".rmd"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".txt", ".text", ".log", ".rst", ".adoc", ".org", ".tex"), "text"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json", ".csv", ".tsv"), "records"),
    **dict.fromkeys(code.ENDINGS, "code"),
    ".pdf": "pdf",
    ".docx": "docx",
}
_PDF = b"%PDF-"


def kind_by_name(name: str) -> str | None:
    """What a file of that name is read as; None where its content has to say."""
    return _BY_ENDING.get(PurePath(name).suffix.lower())


def read_file(data: bytes, name: str) -> Extract:
    """Raises InputError for what holds no text that can be read, MissingExtra where a reader is not installed."""
    kind = kind_by_name(name)
    if kind == "pdf" or (kind is None and data[:1024].lstrip().startswith(_PDF)):
        return pdf.read(data, name)
    if kind == "docx":
        return office.read(data, name)
    page = kind == "html" or (kind != "code" and kind_of(data) == PAGE)
    content = text_of(data, name, html=page or kind == "code").replace("\r\n", "\n").replace("\0", " ")
    return html.read(content) if page else _read_text(kind, data, content, name)


def _read_text(kind: str | None, data: bytes, content: str, name: str) -> Extract:
    if kind == "markdown":
        return markdown.read(content)
    if kind == "records":
        try:
            return records.read(data, name)
        except InputError:  # settings, a lock file, a table without a usual column: text all the same
            return text.read(content, kind="data")
    return code.read(content, name) if kind == "code" else text.read(content)
