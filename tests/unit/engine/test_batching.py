from hypothesis import given
from hypothesis import strategies as st

from yesrank.engine.openvino.batching import LEAST_ROWS, calls, filled, filled_rows, padded_batches
from yesrank.engine.openvino.paged import CALL_SEQUENCES, CALL_TOKENS

ranges = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 300)), max_size=40).map(
    lambda pairs: [(start, start + length) for start, length in pairs]
)


@given(ranges, st.integers(1, 200), st.integers(1, 10))
def test_every_token_runs_once_and_in_order_within_the_limits(spans, tokens, sequences) -> None:
    done = [start for start, _ in spans]
    for call in calls(spans, tokens, sequences):
        assert 0 < sum(span.stop - span.start for span in call) <= tokens
        assert len(call) <= sequences
        assert len({span.sequence for span in call}) == len(call)
        for span in call:
            assert span.start == done[span.sequence] < span.stop
            done[span.sequence] = span.stop
    assert done == [stop for _, stop in spans]


@given(ranges, st.integers(1, 200))
def test_calls_are_full_but_for_the_last(spans, tokens) -> None:
    sizes = [sum(span.stop - span.start for span in call) for call in calls(spans, tokens, 1000)]
    assert all(size >= tokens - 2 for size in sizes[:-1])


@given(ranges, st.integers(4, 200), st.integers(1, 10))
def test_no_single_token_is_cut_off(spans, tokens, sequences) -> None:
    """Attention over one token runs on another kernel: what it gives must not depend on the other sequences."""
    lengths = [stop - start for start, stop in spans]
    for call in calls(spans, tokens, sequences):
        assert all(span.stop - span.start > 1 or lengths[span.sequence] == 1 for span in call)


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(1, 500))
def test_padded_batches_hold_every_sequence_once(lengths, tokens) -> None:
    batches = list(padded_batches(lengths, tokens))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= tokens


def test_calls_are_filled_up_to_few_numbers_of_tokens_for_two_percent() -> None:
    tokens = range(LEAST_ROWS, CALL_TOKENS + 1)
    filler = [filled(count) - count for count in tokens]
    assert all(0 <= more <= count / 16 for count, more in zip(tokens, filler, strict=True))
    assert max(filler) < 32  # a block of the KV cache takes them
    assert sum(more / count for count, more in zip(tokens, filler, strict=True)) < 0.025 * len(tokens)
    assert len(set(map(filled, tokens))) < 100


def test_no_call_is_smaller_than_the_kernels_that_round_alike() -> None:
    assert {filled(count) for count in range(1, LEAST_ROWS)} == {LEAST_ROWS}
    assert {filled_rows(count) for count in range(CALL_SEQUENCES + 1)} == {8, 16, 32, 64}
    assert all(filled_rows(count) >= count for count in range(CALL_SEQUENCES + 1))
