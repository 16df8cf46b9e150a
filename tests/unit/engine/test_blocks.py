from itertools import pairwise

import numpy as np
import openvino as ov

from yesrank.engine.openvino.blocks import BlockPool, PrefixCache, block_keys

SHAPE = (2, 1, 4, 8)  # layers, KV heads, tokens a block, head size


def pool(capacity: int = 4) -> BlockPool:
    return BlockPool(SHAPE, capacity, 3, ov.Type.f32)


def places(blocks: BlockPool, block: int) -> tuple[np.ndarray, np.ndarray]:
    """(keys, values) of a block, [layers, ...] each."""
    key, value = blocks.tensors()
    rows = slice(blocks.first(block), blocks.first(block) + SHAPE[0])
    return key.data[rows], value.data[rows]


def test_growing_keeps_what_taken_blocks_hold() -> None:
    blocks = pool()
    taken = [blocks.take() for _ in range(3)]
    for block in taken:
        key, value = places(blocks, block)
        key[:], value[:] = block + 1, -block - 1
    blocks.give([taken[1]])
    assert blocks.reserve(6)
    for block in (taken[0], taken[2]):
        key, value = places(blocks, block)
        assert (key == block + 1).all()
        assert (value == -block - 1).all()
    fresh = {blocks.take() for _ in range(6)}
    assert not fresh & {taken[0], taken[2]}


def test_reserving_what_is_free_changes_nothing() -> None:
    blocks = pool()
    assert not blocks.reserve(4)


def test_reset_forgets_growth() -> None:
    blocks = pool()
    assert blocks.reserve(100)
    for _ in range(50):
        blocks.take()
    assert blocks.touched == 50
    blocks.reset()
    assert blocks.touched == 0
    assert blocks.reserve(100)
    assert len({blocks.take() for _ in range(4)}) == 4


def test_copy_copies_all_layers() -> None:
    blocks = pool()
    a, b = blocks.take(), blocks.take()
    for each in places(blocks, a):
        each[:] = np.random.rand(*SHAPE)
    blocks.copy(a, b)
    for one, other in zip(places(blocks, a), places(blocks, b), strict=True):
        assert (one == other).all()


def test_blocks_overlap_neither_each_other_nor_what_serves_all_layers() -> None:
    blocks = pool()
    firsts = sorted(blocks.first(blocks.take()) for _ in range(4))
    assert firsts[0] >= 3
    assert {b - a for a, b in pairwise(firsts)} == {SHAPE[0]}
    assert blocks.tensors()[0].shape[0] == firsts[-1] + SHAPE[0]


def test_keys_name_everything_before_a_block() -> None:
    ids = list(range(10))
    keys = block_keys(np.array(ids, np.int32), 4)
    assert len(keys) == 3
    assert block_keys(np.array([*ids[:8], 99, 98], np.int32), 4)[:2] == keys[:2]
    assert block_keys(np.array([*ids, 10, 11], np.int32), 4)[2] != keys[2]  # the same block once it is full
    assert (
        block_keys(np.array([5, *ids[1:]], np.int32), 4)[1] != keys[1]
    )  # the same second block after another first one


def test_prefix_cache_finds_the_longest_beginning() -> None:
    blocks = pool()
    cache = PrefixCache(blocks, 10 * blocks.block_bytes)
    one, two, three = b"1", b"2", b"3"
    assert cache.add(one, 10)
    assert cache.add(two, 11)
    assert not cache.add(one, 12)
    assert cache.find([one, two, three]) == [10, 11]
    assert cache.find([three, one]) == []


def test_prefix_cache_drops_the_least_recently_used_chain_from_its_end() -> None:
    blocks = pool(8)
    cache = PrefixCache(blocks, 2 * blocks.block_bytes)
    for key in (b"a1", b"a2", b"b1"):
        cache.add(key, blocks.take())
    cache.find([b"a1", b"a2"])
    cache.find([b"b1"])
    cache.trim()
    assert cache.find([b"a1", b"a2"]) == cache.find([b"a1"])
    assert len(cache.find([b"a1", b"a2"])) == 1
    assert len(cache.find([b"b1"])) == 1
