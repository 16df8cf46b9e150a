"""`yesrank search`: the passages of one's own files that answer a query."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from yesrank.cli import output
from yesrank.cli.index import NameOption
from yesrank.cli.opening import find, name_model, open_reranker, overridden
from yesrank.cli.options import (
    DeviceOption,
    EngineOption,
    InstructionOption,
    JsonOption,
    MaxLengthOption,
    ModelOption,
    PrecisionOption,
    TemplateOption,
    VariantOption,
)

if TYPE_CHECKING:
    from yesrank.models.reranker import Reranker
    from yesrank.search import Answer, Asked, Found, Index
    from yesrank.store import Entry
    from yesrank.types import FloatArray

NOTHING_FOUND = 1
_EXCERPT = 320
_MARKS = "»", "«"


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What is looked for.", show_default=False)],
    *,
    name: NameOption = "default",
    top: Annotated[int, typer.Option("--top", "-t", min=1, max=1000, help="Show the best N passages.")] = 10,
    candidates: Annotated[
        int,
        typer.Option("--candidates", "-c", min=1, max=1000, help="How many passages the model judges."),
    ] = 50,
    rerank: Annotated[
        bool, typer.Option("--rerank/--no-rerank", help="Judge them by the model, or keep the order of BM25.")
    ] = True,
    model: ModelOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    variant: VariantOption = None,
    instruction: InstructionOption = None,
    template: TemplateOption = None,
    max_length: MaxLengthOption = None,
    full: Annotated[bool, typer.Option("--full", help="Show passages whole.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find passages in the files of an index (yesrank index), and mark the sentence that answers best.

    BM25 finds the candidates, in any language; the model puts them in order. The built-in model's order is fused with
    that of BM25. Nothing leaves this machine. Exit code 1 where nothing is found.
    """
    from yesrank.search import Asked, Index
    from yesrank.store import BUILTIN

    entry = overridden(
        find(model),
        device=device,
        precision=precision,
        engine=engine,
        variant=variant,
        template=template,
        max_length=max_length,
    )
    asked = Asked(query, top, candidates, rerank, fused=rerank and entry.name == BUILTIN)
    with Index(name) as index:
        answer, used = _answer(index, asked, entry, instruction)
        empty = not index.status().passages
    if as_json:
        output.show_json(
            {"query": query, "index": name, "model": entry.name if rerank else None, **as_data(answer)}
        )
    else:
        for rank, found in enumerate(answer.found, start=1):
            _show(rank, found, full=full)
    if rerank and answer.found:
        name_model(entry, used)
    if not answer.found:
        output.warn(
            "the index is empty" if empty else "nothing was found: no passage has a word of the query"
        )
        raise typer.Exit(NOTHING_FOUND)


def as_data(answer: "Answer") -> dict[str, Any]:
    """An answer as plain data for JSON, best passage first."""
    return {
        "candidates": answer.candidates,
        "fused": answer.fused,
        "results": [found.as_data() for found in answer.found],
    }


def _answer(
    index: "Index", asked: "Asked", entry: "Entry", instruction: str | None
) -> tuple["Answer", str | None]:
    """The answer, and the arithmetic that was used; the model is loaded where something was found only."""
    from yesrank.search import search as run

    opened: list[Reranker] = []

    def judge(texts: list[str]) -> "FloatArray":
        if not opened:
            with output.busy(f"loading {entry.name}"):
                opened.append(open_reranker(entry))
        with output.progress("ranking", len(texts)) as progress:
            pairs = [(asked.query, text) for text in texts]
            return (
                opened[0]
                .score(pairs, instruction=instruction, progress=progress or False, as_text=True)
                .logits
            )

    try:
        answer = run(index, asked, judge if asked.rerank else None)
        return answer, opened[0].info.precision if opened else None
    finally:
        for each in opened:
            each.close()


def _show(rank: int, found: "Found", *, full: bool) -> None:
    """Place and score on one line, then the passage, or the part of it around its best sentence."""
    passage = found.passage
    score = f"{found.score:.3f}" if found.score is not None else f"{found.first:.1f}"
    title = f"{rank:>2}  {score}  {_near(passage.path)}{passage.place[len(passage.path) :]}"
    heading = " > ".join(passage.heading)
    shown = Text(output.printable(title), style="bold cyan")
    if heading:
        shown.append(f"  {output.printable(heading)}", style="dim")
    person = output.is_read_by_a_person()
    before, best, after = _parts(found, full=full or not person)
    body = Text("    ") + Text(output.printable(before))
    marked = output.printable(best) if person else _MARKS[0] + output.printable(best) + _MARKS[1]
    body.append((" " if before else "") + marked, style="bold")
    body.append(f" {output.printable(after)}" if after else "")
    if person:
        output.show(shown)
        output.show(body)
    else:
        output.line(shown.plain)
        output.line(body.plain)


def _parts(found: "Found", *, full: bool) -> tuple[str, str, str]:
    """What stands before the best sentence, the sentence, and what follows it."""
    text, (start, end) = found.passage.text, found.best or (0, len(found.passage.text))
    before, best, after = text[:start], text[start:end], text[end:]
    room = max(0, _EXCERPT - len(best)) // 2
    if full:
        return before, best, after
    return (
        before if len(before) <= room else "…" + before[len(before) - room :],
        best,
        after if len(after) <= room else after[:room] + "…",
    )


def _near(path: str) -> str:
    """From here, where it lies below."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path
