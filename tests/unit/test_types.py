"""Prompts and their ids."""

import tracemalloc

import numpy as np

from yesrank.types import Ids, Prompt


def test_ids_are_compared_and_hashed_by_value() -> None:
    assert Ids([1, 2, 300_000]) == Ids((1, 2, 300_000)) != Ids([1, 2])
    assert len({Ids([1, 2]), Ids([1, 2]), Ids([])}) == 2
    assert list(Ids([1, 300_000])) == [1, 300_000]
    assert len(Ids()) == 0
    assert Ids([5]) != (5,)
    assert Ids([7, 8]).array.dtype == np.int32


def test_a_prompt_is_its_prefix_and_its_own() -> None:
    prompt = Prompt.of((1, 2, 3, 4, 5), 2, truncated=True)
    assert (prompt.prefix, prompt.own) == (Ids([1, 2]), Ids([3, 4, 5]))
    assert (prompt.ids, prompt.shared, len(prompt)) == ((1, 2, 3, 4, 5), 2, 5)
    assert prompt == Prompt(Ids([1, 2]), Ids([3, 4, 5]))
    assert prompt != Prompt.of((1, 2, 3, 4, 5), 3)


def test_the_last_id_is_never_shared() -> None:
    assert Prompt.of((1, 2), 2).shared == 1
    assert Prompt.of((), 3) == Prompt(Ids(), Ids())


def test_any_part_of_a_prompt() -> None:
    prompt = Prompt.of(range(10), 4)
    for start in range(11):
        for stop in range(start, 11):
            assert prompt.part(start, stop).tolist() == list(range(start, stop))


def test_documents_hold_their_prefix_once() -> None:
    """A query of 7,900 tokens, held once a document, would be 80 MB for these."""
    tracemalloc.start()
    prefix = Ids(range(7900))
    prompts = [Prompt(prefix, Ids(range(index, index + 10))) for index in range(1000)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(set(prompts)) == 1000
    assert held < 1_000_000
