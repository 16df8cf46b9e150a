"""BM25 over the postings of an index: all passages that share a word with the query, with their scores."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yesrank.search import postings
from yesrank.search.postings import CountRow, IdRow, Segment
from yesrank.search.terms import Wanted
from yesrank.search.writing import pending, terms_of_passage

K1, B = 0.9, 0.4
"""Anserini's, as in `yesrank eval`."""
_MOST_OF_A_PREFIX = 500
_END = "\U0010ffff"
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What stays between two queries, of one state of the index.

    first: the lowest id of a passage. lengths: float32 by id - first; 0 where there is no passage. segments: their
    numbers. waiting: passages that are in none yet. count, mean: of the passages, and of their lengths.
    """

    first: int
    lengths: Scores
    segments: tuple[int, ...]
    waiting: Segment
    count: int
    mean: float


def load(connection: sqlite3.Connection) -> Lexicon:
    """Reads lengths and what waits; within the caller's snapshot. Raises sqlite3.DatabaseError for what is damaged."""
    rows = connection.execute("SELECT id, ids, lengths, sum FROM segments ORDER BY id").fetchall()
    for number, ids, lengths, total in rows:
        if postings.checked(number, ids, lengths) != total:
            raise sqlite3.DatabaseError(f"segment {number} is not what was written")
    waiting = Segment()
    for passage in pending(connection):
        found = terms_of_passage(passage.path, passage.heading, passage.text, passage.language)
        waiting.add(passage.id, found.counts, found.length)
    all_ids = np.concatenate(
        [*(np.frombuffer(row[1], np.uint32) for row in rows), np.array(waiting.ids, np.uint32)]
    )
    all_lengths = np.concatenate(
        [*(np.frombuffer(row[2], np.uint32) for row in rows), np.array(waiting.lengths, np.uint32)]
    )
    if (np.diff(all_ids.astype(np.int64)) <= 0).any():
        raise sqlite3.DatabaseError("a passage is in two segments")
    first = int(all_ids[0]) if len(all_ids) else 0
    by_id = np.zeros(int(all_ids[-1]) - first + 1 if len(all_ids) else 0, np.float32)
    by_id[all_ids - first] = np.maximum(all_lengths, 1)
    gone = np.array([row[0] for row in connection.execute("SELECT id FROM removed")], np.int64) - first
    by_id[gone[(gone >= 0) & (gone < len(by_id))]] = 0
    count = int(np.count_nonzero(by_id))
    mean = float(by_id.sum() / count) if count else 0.0
    return Lexicon(first, by_id, tuple(row[0] for row in rows), waiting, count, mean)


def scores(connection: sqlite3.Connection, lexicon: Lexicon, query: Sequence[Wanted]) -> Scores:
    """float32 by id - first; 0 for passages that share no word with the query. A word told twice counts twice."""
    found = np.zeros(len(lexicon.lengths), np.float32)
    for word, times in Counter(query).items():
        at, counts = _rows(connection, lexicon, word)
        alive = lexicon.lengths[at] > 0
        at, counts = at[alive], counts[alive]
        if not len(at):
            continue
        weight = np.log1p((lexicon.count - len(at) + 0.5) / (len(at) + 0.5))
        saturation = K1 * (1 - B + B * lexicon.lengths[at] / lexicon.mean)
        found[at] += np.float32(times * weight) * counts / (counts + saturation)
    return found


def best(found: Scores, count: int) -> npt.NDArray[np.int64]:
    """Where the highest scores above 0 are, the highest first, equal ones in the order of the passages."""
    at = np.flatnonzero(found)
    if len(at) > count:
        least = np.partition(found[at], -count)[-count]
        at = at[found[at] >= least]
    return at[np.argsort(-found[at], kind="stable")][:count]


def weights(connection: sqlite3.Connection, lexicon: Lexicon, query: Sequence[Wanted]) -> list[float]:
    """How much each word of the query tells, 0 for one that is in no passage."""
    made = []
    for word in query:
        at, _ = _rows(connection, lexicon, word)
        alive = int(np.count_nonzero(lexicon.lengths[at]))
        made.append(float(np.log1p((lexicon.count - alive + 0.5) / (alive + 0.5))) if alive else 0.0)
    return made


def _rows(
    connection: sqlite3.Connection, lexicon: Lexicon, word: Wanted
) -> tuple[npt.NDArray[np.int64], Scores]:
    """(id - first, how often) of the passages with any of the word's terms, those of several terms added up."""
    rows = _found(connection, lexicon, word.terms, word.prefixes)
    if not rows and word.otherwise:
        rows = _found(connection, lexicon, word.otherwise, ())
    if not rows:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    at = np.concatenate([row[0] for row in rows]).astype(np.int64) - lexicon.first
    counts = np.concatenate([row[1] for row in rows]).astype(np.float32)
    if len(word.terms) == 1 and not word.prefixes and len(word.otherwise) < 2:
        return at, counts  # segments share no passage
    total = np.bincount(at, counts, len(lexicon.lengths)).astype(np.float32)
    at = np.flatnonzero(total)
    return at, total[at]


def _found(
    connection: sqlite3.Connection, lexicon: Lexicon, terms: Sequence[str], prefixes: tuple[str, ...]
) -> list[tuple[IdRow, CountRow]]:
    rows = [
        _stored(connection, segment, term)
        for segment in lexicon.segments
        for term in (*terms, *_with_prefixes(connection, segment, prefixes))
    ]
    waiting = {*terms, *(each for each in lexicon.waiting.terms if prefixes and each.startswith(prefixes))}
    rows += [lexicon.waiting.of(term) for term in waiting]
    return [row for row in rows if row is not None]


def _stored(connection: sqlite3.Connection, segment: int, term: str) -> tuple[IdRow, CountRow] | None:
    row = connection.execute(
        "SELECT ids, counts, sum FROM postings WHERE segment = ? AND term = ?", (segment, term)
    ).fetchone()
    if row is None:
        return None
    if postings.checked(segment, term, row[0], row[1]) != row[2]:
        raise sqlite3.DatabaseError(f"postings of segment {segment} are not what was written")
    return np.frombuffer(row[0], np.uint32), np.frombuffer(row[1], np.uint8)


def _with_prefixes(connection: sqlite3.Connection, segment: int, prefixes: tuple[str, ...]) -> list[str]:
    return [
        row[0]
        for prefix in prefixes
        for row in connection.execute(
            "SELECT term FROM postings WHERE segment = ? AND term > ? AND term < ? LIMIT ?",
            (segment, prefix, prefix + _END, _MOST_OF_A_PREFIX),
        )
    ]
