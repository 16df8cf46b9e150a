"""Which member or column of a record is the text of a document, which its title, which its id."""

from collections.abc import Mapping, Sequence

TEXTS = (
    "text", "document", "contents", "content", "passage", "body", "doc", "chunk", "page_content",
    "description", "abstract",
)  # fmt: skip
"""What a text is usually called, the likeliest first."""
IDS = ("id", "_id", "docid", "doc_id", "document_id")
TITLE = "title"


def usual(names: Sequence[str], wanted: Sequence[str] = TEXTS) -> str | None:
    """The name that is a usual one, in the order of `wanted`; capitals and spaces around it do not count."""
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(name.strip().casefold(), name)
    return next((known[each] for each in wanted if each in known), None)


def titled(record: Mapping[str, object], field: str, text: str) -> str:
    """The text after its title, where there is one: as collections for retrieval are joined."""
    name = usual([*record], (TITLE,))
    title = record[name] if name is not None and name != field else None
    return f"{title} {text}" if isinstance(title, str) and title.strip() else text


def id_of(record: Mapping[str, object]) -> str | None:
    """The first of the usual ids that is set."""
    for each in IDS:
        name = usual([*record], (each,))
        if name is not None and record[name] not in (None, ""):
            return str(record[name])
    return None
