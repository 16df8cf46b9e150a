"""A partition that is computed pair by pair is the same partition."""

import random

import numpy as np
from job_stand_ins import HashJudge, planned, write_input

from yesrank.jobs.pieces import Item, Pieces
from yesrank.jobs.scoring import score


def test_pieces_in_any_order_make_the_whole(tmp_path) -> None:
    pieces = Pieces()
    for partition in planned(write_input(tmp_path / "in.jsonl")).partitions:
        parts = pieces.of(Item(partition))
        random.Random(partition.index).shuffle(parts)
        *first, last = [pieces.add(part, score(HashJudge(), part.partition)) for part in parts]
        assert not any(first)
        assert last is not None
        whole, rows = last
        wanted = score(HashJudge(), partition)
        assert whole is partition
        np.testing.assert_array_equal(rows.logits, wanted.logits)
        assert (rows.truncated, rows.failures) == (wanted.truncated, wanted.failures)
