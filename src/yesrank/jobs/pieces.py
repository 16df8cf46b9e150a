"""Partitions that are computed pair by pair, and put together again."""

from dataclasses import dataclass, replace

import numpy as np

from yesrank.jobs.pairs import Failure, Partition, Rows


@dataclass(slots=True, eq=False)
class Item:
    """What a worker is given: a partition; or one pair of `whole`, the one at `at`. tries: that came to nothing."""

    partition: Partition
    whole: Partition | None = None
    at: int = 0
    tries: int = 0


class Pieces:
    """Rows of single pairs, until all of a partition's are there."""

    def __init__(self) -> None:
        self._found: dict[int, dict[int, Rows]] = {}

    def of(self, item: Item) -> list[Item]:
        """An item for each pair of a partition."""
        whole = item.partition
        return [Item(replace(whole, pairs=(pair,)), whole, at) for at, pair in enumerate(whole.pairs)]

    def add(self, item: Item, rows: Rows) -> tuple[Partition, Rows] | None:
        """The partition and its rows, where these are the last of them."""
        if item.whole is None:
            return item.partition, rows
        found = self._found.setdefault(item.whole.index, {})
        found[item.at] = rows
        if len(found) < len(item.whole.pairs):
            return None
        del self._found[item.whole.index]
        return item.whole, _together([found[at] for at in range(len(item.whole.pairs))])


def _together(pieces: list[Rows]) -> Rows:
    failures: dict[int, Failure] = {at: each.failures[0] for at, each in enumerate(pieces) if each.failures}
    logits = np.concatenate([each.logits for each in pieces])
    return Rows(logits, tuple(each.truncated[0] for each in pieces), failures)
