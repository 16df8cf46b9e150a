"""`yesrank rerank`: documents in the order of their probability of being a yes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from yesrank.cli import output
from yesrank.cli.documents import Passage, read_passages
from yesrank.cli.options import (
    DeviceOption,
    EngineName,
    EngineOption,
    InstructionOption,
    JsonOption,
    MaxLengthOption,
    ModelOption,
    Precision,
    PrecisionOption,
    TemplateOption,
    VariantOption,
)
from yesrank.errors import InputError

if TYPE_CHECKING:
    from yesrank.models.reranker import Reranker
    from yesrank.types import Ranking

_BUILT_IN = (
    "note: this is the small built-in model, for trying things out; for real use: "
    "yesrank pull Qwen/Qwen3-Reranker-0.6B, then --model Qwen3-Reranker-0.6B"
)


_ID_WIDTH = 24


def rerank(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What is looked for.", show_default=False)],
    documents: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DOC...|-|FILE.jsonl]",
            help="Documents; or one .jsonl or .txt file; or - for standard input (text or JSONL).",
            show_default=False,
        ),
    ] = None,
    *,
    model: ModelOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    variant: VariantOption = None,
    instruction: InstructionOption = None,
    template: TemplateOption = None,
    max_length: MaxLengthOption = None,
    top_n: Annotated[
        int | None, typer.Option("--top-n", "-n", min=1, help="Show only the best N documents.")
    ] = None,
    logits: Annotated[
        bool, typer.Option("--logits/--no-logits", help="Show the logit; scores near 1 differ only there.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Rank documents for a query.

    A JSONL line is a JSON string, or an object with "text" (or "document", "contents") and, where wanted,
    "title" and "id".
    """
    if not query.strip():
        raise InputError("query", "it is empty", "give the question as the first argument")
    passages = read_passages(documents or [])
    with open_reranker(
        model, device, precision, template, max_length, engine=engine, variant=variant
    ) as reranker:
        ranking = reranker.rank(
            query, [passage.text for passage in passages], instruction=instruction, top_n=top_n
        )
        info = reranker.info
    if as_json:
        output.show_json(
            {"query": query, "engine": info.engine, "precision": info.precision, **as_data(ranking, passages)}
        )
    else:
        output.show(as_table(ranking, passages, logits=logits))


def open_reranker(
    model: str | None,
    device: str | None,
    precision: Precision | None,
    template: str | None = None,
    max_length: int | None = None,
    *,
    engine: EngineName | None = None,
    variant: str | None = None,
) -> "Reranker":
    """The reranker that the options ask for; says on stderr when it is the built-in one.

    What is None is as stored with the model's name.
    """
    from yesrank.models.reranker import Reranker
    from yesrank.store import resolve

    if model is None:
        output.note(_BUILT_IN, style="dim")
    entry = resolve(model).overridden(
        device=device,
        precision=precision,
        engine=engine,
        variant=variant,
        template=template,
        max_length=max_length,
    )
    return Reranker(
        entry.path,
        device=entry.device,
        precision=entry.precision,
        engine=entry.engine,
        variant=entry.variant,
        instruction=entry.instruction,
        template=entry.template,
        max_length=entry.max_length,
    )


def as_data(ranking: "Ranking", passages: Sequence[Passage]) -> dict[str, Any]:
    """A ranking as plain data for JSON, best document first."""
    results = [
        {
            "index": hit.index,
            "id": passages[hit.index].id,
            "score": float(hit.score),
            "logit": float(hit.logit),
            "truncated": hit.truncated,
            "text": hit.document,
        }
        for hit in ranking
    ]
    return {"tokens": ranking.tokens, "results": results}


def as_table(
    ranking: "Ranking", passages: Sequence[Passage], *, logits: bool = True, title: str | None = None
) -> Table:
    """A ranking as a table, one line a document. A document that was cut is marked in the text column."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, expand=True
    )
    table.add_column("", justify="right", style="dim", min_width=len(str(len(ranking))))
    table.add_column("score", min_width=len("0.000 ") + output.BAR)
    if logits:
        table.add_column("logit", justify="right", min_width=6)
    named = any(passages[hit.index].id is not None for hit in ranking)
    names = [passages[hit.index].id or str(hit.index) for hit in ranking]
    width = min(max(map(len, names), default=1), _ID_WIDTH)
    table.add_column(
        "id" if named else "#",
        justify="right",
        style="cyan",
        no_wrap=True,
        min_width=width,
        max_width=_ID_WIDTH,
    )
    table.add_column("document", no_wrap=True, overflow="ellipsis", ratio=1)
    for rank, (hit, name) in enumerate(zip(ranking, names, strict=True), start=1):
        text = Text(output.printable(hit.document))
        if hit.truncated:
            text = Text("[cut] ", style="yellow") + text
        score = Text(f"{hit.score:.3f} ") + Text(output.bar(hit.score), style="green")
        cells: list[str | Text] = [str(rank), score]
        if logits:
            cells.append(f"{hit.logit:+.2f}")
        table.add_row(*cells, Text(output.printable(name)), text)
    return table
