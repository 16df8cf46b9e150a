"""An index of a person's files, and the query that finds passages in it.

paths ─ walk ─► files ─ read ─► sections ─ passages ─► pieces ─ terms ─► index
query ─ terms ─ lexical ─► candidates ─ ranking ─► Found
"""

from yesrank.search.indexing import Report, index, remove
from yesrank.search.places import DEFAULT, index_file, index_names
from yesrank.search.ranking import Answer, Asked, Found, ranked, search
from yesrank.search.reading import Candidate, Index, Passage, Status

__all__ = [
    "DEFAULT",
    "Answer",
    "Asked",
    "Candidate",
    "Found",
    "Index",
    "Passage",
    "Report",
    "Status",
    "index",
    "index_file",
    "index_names",
    "ranked",
    "remove",
    "search",
]
