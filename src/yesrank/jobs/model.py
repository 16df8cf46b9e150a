"""The model of a job: what its rows depend on, how it is asked, and how it is opened."""

from collections.abc import Mapping, Sequence
from typing import Any

from yesrank.evaluate.contender import contender
from yesrank.jobs.pairs import Pair
from yesrank.jobs.plan import TOKENS, Plan, plan
from yesrank.models.folder import open_model
from yesrank.store import Entry


def settings_of(
    entry: Entry, *, tokens: int = TOKENS, as_text: bool = False, any_processor: bool = False
) -> dict[str, Any]:
    """All that the rows depend on besides the pairs: content of the model's files, versions, processor, options.

    any_processor: leaves the processor out, and with it the certainty that all rows have the same arithmetic.
    Its files are read whole the first time. Raises ModelError.
    """
    found = {**contender(entry, entry.name).settings, "partition_tokens": tokens, "as_text": as_text}
    if any_processor:
        del found["processor"]
    return {name: _plain(value) for name, value in found.items()}


def plan_for(entry: Entry, pairs: Sequence[Pair], *, tokens: int = TOKENS, as_text: bool = False) -> Plan:
    """The partitions of pairs that the entry's model is to judge. Raises ModelError."""
    folder = open_model(entry.path, entry.template)
    longest = entry.max_length or folder.max_length
    return plan(pairs, template=folder.template, longest=longest, tokens=tokens, as_text=as_text)


def _plain(value: object) -> object:
    """What JSON gives back as it was."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return str(value) if isinstance(value, str) else value
