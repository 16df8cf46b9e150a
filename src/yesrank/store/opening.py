"""A stored name -> the reranker that runs it."""

from typing import TYPE_CHECKING

from yesrank.store.entry import Entry

if TYPE_CHECKING:
    from yesrank.models.reranker import Reranker


def open_entry(entry: Entry) -> "Reranker":
    """The entry's reranker, run as the entry says. Raises as Reranker."""
    from yesrank.models.reranker import Reranker

    return Reranker(
        entry.path,
        device=entry.device,
        precision=entry.precision,
        engine=entry.engine,
        variant=entry.variant,
        engine_options=entry.engine_options,
        instruction=entry.instruction,
        template=entry.template,
        max_length=entry.max_length,
    )
