"""The KV cache as a pool of blocks of equal size, and the prefixes that are kept in it.

One numpy buffer [2 (key, value), places, KV heads, tokens a block, head size] holds everything, and every layer is
bound to all of it. First come the places that serve all layers in turn (see shared_cache.py), then the blocks, each
with a place for every layer. Pages are touched only when they are first written: an unused block costs nothing.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from yesrank.errors import EngineError
from yesrank.types import IdArray


class BlockPool:
    """Allocates blocks by index."""

    def __init__(
        self, shape: tuple[int, int, int, int], capacity: int, passing: int, element: ov.Type
    ) -> None:
        """shape: (layers, KV heads, tokens a block, head size). passing: places that serve all layers in turn."""
        self._shape, self._element, self._base, self._passing = shape, element, capacity, passing
        self._data: npt.NDArray[Any]
        self._touched: set[int]
        self._dtype = np.dtype(np.uint16 if element.size == 2 else np.float32)  # uint16 stands for bf16
        self.block_tokens = shape[2]
        self.reset()

    @property
    def block_bytes(self) -> int:
        """Bytes of one block over all layers."""
        layers, heads, tokens, size = self._shape
        return 2 * layers * heads * tokens * size * self._dtype.itemsize

    @property
    def touched(self) -> int:
        """How many blocks take up memory: those that were ever taken, since the pool was made or reset."""
        return len(self._touched)

    def reset(self) -> None:
        """Forgets all blocks and gives their memory back."""
        self._allocate(self._base, ())

    def close(self) -> None:
        """Gives all memory back; the pool is of no use afterwards."""
        self._allocate(0, ())

    def reserve(self, blocks: int) -> bool:
        """Grows so that at least so many blocks are free, keeping what the taken ones hold. True where it grew.

        By half at least: growing by a call's need at a time would copy a long prompt's blocks at every call.
        """
        if len(self._free) >= blocks:
            return False
        capacity = self._capacity
        more = max(blocks - len(self._free), capacity // 2)
        self._allocate(capacity + more, sorted(set(range(capacity)).difference(self._free)))
        return True

    def shrink(self) -> None:
        """Gives the memory of free blocks back; the taken ones keep what they hold."""
        used = sorted(set(range(self._capacity)).difference(self._free))
        self._allocate(max([self._base, *(block + 1 for block in used)]), used)

    def take(self) -> int:
        """A free block. The one given back last comes first, which keeps the touched memory small."""
        block = self._free.pop()
        self._touched.add(block)
        return block

    def give(self, blocks: Iterable[int]) -> None:
        """Returns blocks to the pool."""
        self._free.extend(blocks)

    def copy(self, source: int, target: int) -> None:
        """Copies one block over all layers."""
        self._data[:, self._places(target)] = self._data[:, self._places(source)]

    def first(self, block: int) -> int:
        """The place of a block's first layer; those of the others follow it."""
        return self._passing + block * self._shape[0]

    def tensors(self) -> tuple[ov.Tensor, ov.Tensor]:
        """(key, value) of all layers, sharing the pool's memory. Valid until the pool grows or is reset."""
        key, value = self._data
        return self._tensor(key), self._tensor(value)

    def _places(self, block: int) -> slice:
        return slice(self.first(block), self.first(block + 1))

    def _tensor(self, view: npt.NDArray[np.generic]) -> ov.Tensor:
        return ov.Tensor(view, ov.Shape(list(view.shape)), self._element)

    def _allocate(self, capacity: int, used: Sequence[int]) -> None:
        layers, heads, tokens, size = self._shape
        try:
            data = np.empty((2, self._passing + capacity * layers, heads, tokens, size), self._dtype)
        except MemoryError:
            raise EngineError(
                f"no memory for a KV cache of {capacity * self.block_bytes / 1e9:.1f} GB",
                "lower max_length, or close other programs",
            ) from None
        for block in used:
            data[:, self._places(block)] = self._data[:, self._places(block)]
        self._data, self._capacity = data, capacity
        self._touched = set(used)
        self._free = sorted(set(range(capacity)).difference(used), reverse=True)


class PrefixCache:
    """Blocks of past prefixes by the ids that lead to them: the kept ones, others least recently used first.

    The key of a block is the hash of all ids up to its end, so two prompts share the blocks of whatever they begin
    with in common: the same query, or only the same system prompt.
    """

    def __init__(self, pool: BlockPool, max_bytes: int) -> None:
        self._pool, self._max_blocks = pool, max(0, max_bytes // pool.block_bytes)
        self._blocks: OrderedDict[bytes, int] = OrderedDict()
        self._kept: frozenset[bytes] = frozenset()

    def __len__(self) -> int:
        return len(self._blocks)

    def find(self, keys: Sequence[bytes]) -> list[int]:
        """The blocks of the longest known beginning of a chain of keys."""
        found = []
        for key in keys:
            block = self._blocks.get(key)
            if block is None:
                break
            found.append(block)
        for key in reversed(keys[: len(found)]):  # the first block of a chain must be the last to go
            self._blocks.move_to_end(key)
        return found

    def add(self, key: bytes, block: int) -> bool:
        """Keeps a block; False where the key is already known (the caller keeps its own)."""
        if key in self._blocks:
            return False
        self._blocks[key] = block
        return True

    def trim(self) -> None:
        """Drops blocks over the limit, which the kept ones do not count for. Call only when no prompt is running."""
        loose = [key for key in self._blocks if key not in self._kept]
        for key in loose[: max(0, len(loose) - self._max_blocks)]:
            self._pool.give((self._blocks.pop(key),))

    def keep(self, keys: Collection[bytes]) -> None:
        """Blocks of these keys stay from now on, whatever the limit. Call only when no prompt is running."""
        self._kept = frozenset(keys)
        self.trim()

    def clear(self) -> None:
        """Forgets everything (the pool is reset by the caller)."""
        self._blocks.clear()


def block_keys(ids: IdArray, block_tokens: int) -> list[bytes]:
    """One key for each block of ids: a chained SHA-256 over everything up to the block's end.

    The last block may be partly filled; its key then differs from that of any full one.
    """
    keys, key = [], b""
    for start in range(0, len(ids), block_tokens):
        key = hashlib.sha256(key + ids[start : start + block_tokens].tobytes()).digest()
        keys.append(key)
    return keys
