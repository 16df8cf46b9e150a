"""Prompts on their way through the engine, and the blocks they own, borrow and leave behind."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from yesrank.engine.openvino.blocks import BlockPool, PrefixCache, block_keys
from yesrank.types import Prompt


@dataclass(slots=True, eq=False)
class Running:
    """One distinct prompt. done: tokens whose keys and values are in the cache already.

    blocks: its block table as far as it is kept. owned: those of them that go back to the pool with it. keys: of the
    blocks of its prefix, which the prefix cache may keep. leader: whose prefix it takes over, or None.
    """

    prompt: Prompt
    done: int
    blocks: list[int] = field(default_factory=list)
    owned: set[int] = field(default_factory=set)
    keys: tuple[bytes, ...] = ()
    leader: "Running | None" = None


class Tables:
    """Block tables over a pool and a prefix cache: who owns which block, and when it is given back."""

    def __init__(self, pool: BlockPool, prefixes: PrefixCache) -> None:
        self._pool, self._prefixes = pool, prefixes

    def begin(self, prompt: Prompt) -> Running:
        """A prompt that starts after whatever is cached of its prefix.

        Where that is all of them, it follows the cache as if that were a prompt before it. Otherwise it goes on after
        the last full block: a partly filled one in the cache may not be written on.
        """
        size = self._pool.block_tokens
        keys = tuple(block_keys(prompt.prefix.array, size))
        found = self._prefixes.find(keys)
        if keys and len(found) == len(keys):
            return self.follow(prompt, Running(prompt, prompt.shared, blocks=found))
        found = found[: prompt.shared // size]
        return Running(prompt, len(found) * size, blocks=found, keys=keys)

    def follow(self, prompt: Prompt, leader: Running) -> Running:
        """A prompt that starts after its prefix, which the leader will have computed before it."""
        return Running(prompt, prompt.shared, leader=leader)

    def needed(self, running: Running, start: int, stop: int) -> int:
        """An upper bound of the blocks that `extend` and `keep_prefix` will take."""
        return self._staying(running, start, stop) - len(running.blocks) + 1

    def extend(self, running: Running, start: int, stop: int) -> None:
        """Makes the table cover what has to be kept of the tokens to `stop`; those before `start` are there."""
        if running.leader is not None and not running.blocks:
            self._borrow(running, running.leader)
        while len(running.blocks) < self._staying(running, start, stop):
            self._take(running)

    def _staying(self, running: Running, start: int, stop: int) -> int:
        """How many of its blocks hold what another call, or another prompt, writes or reads; the others pass."""
        ends = stop == len(running.prompt)
        return -(-(max(start, running.prompt.shared) if ends else stop) // self._pool.block_tokens)

    def keep_prefix(self, running: Running, *, whole: bool) -> None:
        """Hands the full blocks of the prefix to the cache; where `whole`, a copy of the partly filled one too."""
        full = running.prompt.shared // self._pool.block_tokens
        if whole and len(running.keys) > full:
            copy = self._pool.take()
            self._pool.copy(running.blocks[full], copy)
            if not self._prefixes.add(running.keys[full], copy):
                self._pool.give((copy,))
        blocks = zip(running.keys[:full], running.blocks, strict=False)
        for key, block in reversed([*blocks]):  # the first block of a chain must be the last to go
            if block in running.owned and self._prefixes.add(key, block):
                running.owned.remove(block)

    def shorten(self, running: Running) -> None:
        """Gives back what lies behind the prefix: a leader that is done is kept for its prefix only."""
        keep = -(-running.prompt.shared // self._pool.block_tokens)
        behind = running.owned.intersection(running.blocks[keep:])
        del running.blocks[keep:]
        running.owned -= behind
        self._pool.give(behind)

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


def windows(found: list[list[Prompt]], size: int) -> Iterator[list[list[Prompt]]]:
    """So many groups at a time: their leaders' blocks are held until the window is done."""
    for begin in range(0, len(found), size):
        yield found[begin : begin + size]
