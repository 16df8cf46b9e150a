"""`yesrank rerank`: documents in the order of their probability of being a yes."""

from typing import TYPE_CHECKING, Annotated

import typer

from yesrank.cli import output
from yesrank.cli.documents import (
    DocumentsArgument,
    FieldOption,
    FileOption,
    FormatOption,
    SplitOption,
    TextOption,
    read_documents,
)
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
from yesrank.cli.ranking import as_data, as_table
from yesrank.documents import Options
from yesrank.errors import InputError

if TYPE_CHECKING:
    from yesrank.models.reranker import Reranker

_BUILT_IN = (
    "note: this is the small built-in model, for trying things out; for real use: "
    "yesrank pull Qwen/Qwen3-Reranker-0.6B, then --model Qwen3-Reranker-0.6B"
)


def rerank(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What is looked for.", show_default=False)],
    documents: DocumentsArgument = None,
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
    text: TextOption = False,
    file: FileOption = False,
    written: FormatOption = None,
    field: FieldOption = None,
    split: SplitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank documents for a query.

    A DOC that exists is a file or folder, one that looks like a path must exist, any other is a text. In text files a
    document is a line, in Markdown the file, in JSON and JSONL a string or an object with "text" (or "document",
    "content", ...; and where wanted "title" and "id"), in CSV and TSV a row, with the same names of columns. Of folders
    the files with these endings are read, those in folders below them too. What was read is said on stderr.
    """
    if not query.strip():
        raise InputError("query", "it is empty", "give the question as the first argument")
    found = read_documents(documents or [], Options(written, field, split), text=text, file=file)
    passages = found.passages
    with open_reranker(
        model, device, precision, template, max_length, engine=engine, variant=variant
    ) as reranker:
        with output.warnings_as_notes():
            ranking = reranker.rank(
                query, [passage.text for passage in passages], instruction=instruction, top_n=top_n
            )
        info = reranker.info
    if as_json:
        output.show_json(
            {"query": query, "engine": info.engine, "precision": info.precision, **as_data(ranking, passages)}
        )
    else:
        output.show(as_table(ranking, passages, logits=logits, sources=found.several))


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
