"""Documents that are no candidates of a query: those that it excludes, and the one that is the query itself.

In ArguAna and Quora the queries are documents of the corpus, under the same id; BEIR and mteb leave each query's own
out. Ids that are bare numbers may be equal by chance (Cranfield), so that there the text must be the query's too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from yesrank.evaluate.collection import Collection


@dataclass(frozen=True, slots=True)
class LeftOut:
    """names: documents by query id. notes: how many there are."""

    names: Mapping[str, frozenset[str]]
    notes: tuple[str, ...]

    def of(self, query: str) -> frozenset[str]:
        """What is no candidate of that query."""
        return self.names.get(query, frozenset())


def left_out(collection: Collection, *, keep_own_id: bool = False) -> LeftOut:
    """For the judged queries. A document that was judged relevant for the query of its own id stays."""
    documents, qrels = collection.documents, collection.qrels
    own = {name for name in qrels if name in documents and qrels[name].get(name, 0) <= 0}
    same = {name for name in own if not name.isdecimal() or _holds(documents[name], collection.queries[name])}
    excluded = {name: collection.excluded.get(name, frozenset()) & documents.keys() for name in qrels}
    itself = frozenset() if keep_own_id else same
    names = {name: row | ({name} & itself) for name, row in excluded.items() if row or name in itself}
    count = sum(map(len, excluded.values()))
    judged = sum(qrels[name].get(each, 0) > 0 for name, row in excluded.items() for each in row)
    what = "is kept" if keep_own_id else "is left out, as BEIR does; --keep-own-id keeps it"
    notes = (
        (len(same), f"own id: of {len(same)} queries the document with the same id {what}"),
        (
            len(own - same),
            f"own id: {len(own - same)} queries have the number of a document with another text; it stays",
        ),
        (count, f"excluded_ids: {count} documents are left out for the queries that exclude them"),
        (judged, f"excluded_ids: {judged} of them are judged relevant, and count as never found"),
    )
    return LeftOut(names, tuple(note for holds, note in notes if holds))


def _holds(document: str, query: str) -> bool:
    one, other = (" ".join(text.split()).casefold() for text in (query, document))
    return bool(one) and one in other
