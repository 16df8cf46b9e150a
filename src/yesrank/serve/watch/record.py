"""What is known of a request while it is answered: for its log line, its spans, and errors in its shape."""

import time
from dataclasses import dataclass, field

from starlette.requests import Request

from yesrank.serve.dialects import Dialect
from yesrank.serve.watch.logs import Line


@dataclass(slots=True)
class Record:
    """What is known of a request while it is answered. dialect: as far as it is known, for errors in its shape.

    notes: what the caller is told beside the answer; they may hold names of his fields, so that no log has them.
    foreign: a page of another origin asks, which gets answers only that cost nothing.
    """

    line: Line
    dialect: Dialect
    started: float = field(default_factory=time.perf_counter)
    notes: tuple[str, ...] = ()
    foreign: bool = False

    @property
    def id(self) -> str:
        """The request's id."""
        return self.line.id


def record_of(request: Request) -> Record:
    """The record that Frame made for this request."""
    found: Record = request.state.record
    return found
