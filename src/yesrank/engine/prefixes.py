"""What engines remember of prefixes between calls, where that is one value a prefix."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from yesrank.types import Ids

State = TypeVar("State")


class PrefixStates(Generic[State]):
    """States after a prefix by its ids: the kept ones whatever their size, the others least recently used first."""

    def __init__(self, max_bytes: int, size: Callable[[State], int]) -> None:
        """max_bytes: bound of what is not kept. size: bytes of a state."""
        self._max_bytes, self._size = max_bytes, size
        self._states: OrderedDict[Ids, State] = OrderedDict()
        self._kept: frozenset[Ids] = frozenset()

    def find(self, prefix: Ids) -> State | None:
        """The state after these ids, where it is known."""
        state = self._states.get(prefix)
        if state is not None:
            self._states.move_to_end(prefix)
        return state

    def add(self, prefix: Ids, state: State) -> None:
        """Remembers a state until `trim` or `keep` finds that it takes too much."""
        self._states[prefix] = state

    def keep(self, prefixes: Collection[Ids]) -> None:
        """These stay from now on, once they are added; those kept before do no longer."""
        self._kept = frozenset(prefixes)
        self.trim()

    def trim(self) -> None:
        """Drops states over the bound."""
        loose = [prefix for prefix in self._states if prefix not in self._kept]
        excess = sum(self._size(self._states[prefix]) for prefix in loose) - self._max_bytes
        for prefix in loose:
            if excess <= 0:
                break
            excess -= self._size(self._states.pop(prefix))

    def clear(self) -> None:
        """Forgets all states."""
        self._states.clear()
