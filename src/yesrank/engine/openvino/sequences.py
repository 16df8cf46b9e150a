"""Prompts on their way through the engine, and the blocks they own, borrow and leave behind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from yesrank.engine.openvino.blocks import BlockPool, PrefixCache, block_keys
from yesrank.types import Prompt

Ids = tuple[int, ...]


@dataclass(slots=True, eq=False)
class Running:
    """One distinct prompt. done: tokens whose keys and values are in the cache already.

    blocks: its block table. owned: those of them that go back to the pool with it. keys: of the full blocks
    of its shared ids, which the prefix cache may keep. leader: the prompt whose prefix it takes over, or None.
    """

    ids: Ids
    done: int
    blocks: list[int] = field(default_factory=list)
    owned: set[int] = field(default_factory=set)
    keys: tuple[bytes, ...] = ()
    leader: "Running | None" = None


def groups(prompts: Sequence[Prompt]) -> list[tuple[int, list[Ids]]]:
    """(number of shared ids, distinct prompts) for each distinct beginning, in order of first appearance.

    At least the last token is never shared: it is the one whose hidden state is asked for.
    """
    found: dict[Ids, dict[Ids, None]] = {}
    for prompt in prompts:
        shared = min(prompt.shared, len(prompt.ids) - 1)
        found.setdefault(prompt.ids[:shared], {})[prompt.ids] = None
    return [(len(prefix), list(members)) for prefix, members in found.items()]


class Tables:
    """Block tables over a pool and a prefix cache: who owns which block, and when it is given back."""

    def __init__(self, pool: BlockPool, prefixes: PrefixCache) -> None:
        self._pool, self._prefixes = pool, prefixes

    def begin(self, ids: Ids, shared: int) -> Running:
        """A prompt that starts after whatever full blocks of its shared ids are cached."""
        keys = tuple(block_keys(ids[:shared], self._pool.block_tokens))
        found = self._prefixes.find(keys)
        return Running(ids, len(found) * self._pool.block_tokens, blocks=found, keys=keys)

    def needed(self, running: Running, stop: int) -> int:
        """An upper bound of the blocks that `extend` will take."""
        return -(-stop // self._pool.block_tokens) - len(running.blocks)

    def extend(self, running: Running, stop: int) -> None:
        """Makes the table cover `stop` tokens."""
        if running.leader is not None and not running.blocks:
            self._borrow(running, running.leader)
        while len(running.blocks) * self._pool.block_tokens < stop:
            self._take(running)

    def keep_prefix(self, running: Running) -> None:
        """Hands the full blocks of the shared ids to the prefix cache."""
        for key, block in zip(running.keys, running.blocks, strict=False):
            if block in running.owned and self._prefixes.add(key, block):
                running.owned.remove(block)

    def release(self, running: Running) -> None:
        """Gives back what the prompt owns."""
        self._pool.give(running.owned)
        running.owned.clear()
        running.blocks.clear()

    def _borrow(self, running: Running, leader: Running) -> None:
        """Full blocks of the prefix are shared as they are; the partly filled one is copied, to be written on."""
        full, rest = divmod(running.done, self._pool.block_tokens)
        running.blocks.extend(leader.blocks[:full])
        if rest:
            self._take(running)
            self._pool.copy(leader.blocks[full], running.blocks[-1])

    def _take(self, running: Running) -> None:
        block = self._pool.take()
        running.blocks.append(block)
        running.owned.add(block)


def windows(found: list[tuple[int, list[Ids]]], size: int) -> Iterator[list[tuple[int, list[Ids]]]]:
    """So many groups at a time: their leaders' blocks are held until the window is done."""
    for begin in range(0, len(found), size):
        yield found[begin : begin + size]
