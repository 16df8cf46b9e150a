"""A ranking on the screen and as data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from yesrank.cli import output
from yesrank.documents import Passage

if TYPE_CHECKING:
    from yesrank.types import Hit, Ranking

_ID_WIDTH, _CUT = 24, "[cut] "


def as_data(ranking: "Ranking", passages: Sequence[Passage]) -> dict[str, Any]:
    """A ranking as plain data for JSON, best document first."""
    results = [
        {
            "index": hit.index,
            "id": passages[hit.index].id,
            "source": passages[hit.index].source,
            "score": float(hit.score),
            "logit": float(hit.logit),
            "truncated": hit.truncated,
            "passage": None if hit.passage is None else [*hit.passage],
            "text": hit.document,
        }
        for hit in ranking
    ]
    return {"tokens": ranking.tokens, "results": results}


def show_ranking(
    ranking: "Ranking", passages: Sequence[Passage], *, logits: bool, sources: bool, full: bool
) -> None:
    """A table as wide as the terminal; elsewhere lines that hold the documents whole."""
    if output.is_read_by_a_person():
        output.show(as_table(ranking, passages, logits=logits, sources=sources, full=full))
        return
    names = [_name(passages[hit.index], hit.index, sources=sources, width=None) for hit in ranking]
    width = max(map(len, names), default=0)
    for rank, (hit, name) in enumerate(zip(ranking, names, strict=True), start=1):
        cells = [str(rank).rjust(len(str(len(ranking)))), f"{hit.score:.3f}"]
        if logits:
            cells.append(f"{hit.logit:+.2f}".rjust(6))
        cells += [output.printable(name).ljust(width), _text(hit)]
        output.line("  ".join(cells))


def as_table(
    ranking: "Ranking",
    passages: Sequence[Passage],
    *,
    logits: bool = True,
    sources: bool = False,
    full: bool = False,
    title: str | None = None,
) -> Table:
    """A ranking as a table, one line a document. A document that was cut is marked in the text column.

    sources: name documents without an id by where they stood, not by their position. full: show all of their text.
    """
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, expand=True
    )
    table.add_column("", justify="right", style="dim", min_width=len(str(len(ranking))))
    table.add_column("score", min_width=len("0.000 ") + output.BAR)
    if logits:
        table.add_column("logit", justify="right", min_width=6)
    named = sources or any(passages[hit.index].id is not None for hit in ranking)
    names = [_name(passages[hit.index], hit.index, sources=sources) for hit in ranking]
    width = min(max(map(len, names), default=1), _ID_WIDTH)
    table.add_column(
        ("source" if sources else "id") if named else "#",
        justify="left" if sources else "right",
        style="cyan",
        no_wrap=True,
        min_width=width,
        max_width=_ID_WIDTH,
    )
    table.add_column("document", no_wrap=not full, overflow="fold" if full else "ellipsis", ratio=1)
    for rank, (hit, name) in enumerate(zip(ranking, names, strict=True), start=1):
        text = Text(_text(hit))
        if hit.truncated:
            text.stylize("yellow", 0, len(_CUT))
        score = Text(f"{hit.score:.3f} ") + Text(output.bar(hit.score), style="green")
        cells: list[str | Text] = [str(rank), score]
        if logits:
            cells.append(f"{hit.logit:+.2f}")
        table.add_row(*cells, Text(output.printable(name)), text)
    return table


def _text(hit: "Hit") -> str:
    if hit.passage is not None:  # the part that the score is of
        start, end = hit.passage
        return f"{_CUT if hit.truncated else ''}[{start}-{end}] {output.printable(hit.document[start:end])}"
    return (_CUT if hit.truncated else "") + output.printable(hit.document)


def _name(passage: Passage, index: int, *, sources: bool, width: int | None = _ID_WIDTH) -> str:
    if passage.id is not None:
        return passage.id
    if sources and passage.source is not None:  # the end of a path says more than its beginning
        short = width is None or len(passage.source) <= width
        return passage.source if short else "…" + passage.source[1 - _ID_WIDTH :]
    return str(index)
