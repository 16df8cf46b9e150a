"""Prompts and their ids."""

import tracemalloc

import numpy as np

from yesrank.types import Hit, Ids, PairScores, Prompt, Ranking


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


def hit(index: int, document: str = "d", given: object = None) -> Hit:
    return Hit(index, 0.25, -1.0986, False, document, given)


def test_a_hit_is_shown_in_a_line() -> None:
    shown = repr(Hit(3, 0.98765, 4.376, True, "x" * 500, {"text": "x" * 500}))
    assert shown == f"Hit(index=3, score=0.988, logit=+4.38, truncated, '{'x' * 60}…')"
    assert hit(0, given=np.zeros(3)) == hit(0)  # what came with it is no part of it


def test_a_ranking_is_a_sequence_that_shows_its_best() -> None:
    ranking = Ranking(tuple(map(hit, range(12))), 99)
    assert ranking[:2] == ranking.hits[:2] == (ranking[0], ranking[1])
    assert [*reversed(ranking)] == [*ranking.hits[::-1]]
    lines = repr(ranking).splitlines()
    assert lines[0] == "Ranking(12 hits, 99 tokens:"
    assert lines[1] == f"  {ranking[0]!r},"
    assert (lines[-2], len(lines)) == ("  ... 2 more", 13)
    assert repr(Ranking((), 0)) == "Ranking(0 hits, 0 tokens)"


def test_pair_scores_are_their_scores() -> None:
    scores = PairScores(np.array([0.25, 0.5], np.float32), np.array([-1.1, 0], np.float32), (False, True), 7)
    assert (len(scores), [*scores], scores[0], scores[-1]) == (2, [0.25, 0.5], 0.25, 0.5)
    assert type(scores[0]) is float
    assert scores[1:].tolist() == [0.5]
    assert np.asarray(scores).tolist() == [0.25, 0.5]
    assert np.asarray(scores, np.float64).dtype == np.float64
    assert repr(scores) == "PairScores(2 pairs: 0.250, 0.500)"
    own = scores.numpy()
    own[0] = 9
    assert scores[0] == 0.25
