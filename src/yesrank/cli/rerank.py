"""`yesrank rerank`: documents in the order of their probability of being a yes."""

from typing import Annotated

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
from yesrank.cli.opening import find, name_model, open_reranker, overridden
from yesrank.cli.options import (
    DeviceOption,
    EngineOption,
    EngineOptionsOption,
    InstructionOption,
    JsonOption,
    Long,
    MaxLengthOption,
    ModelOption,
    PrecisionOption,
    TemplateOption,
    VariantOption,
)
from yesrank.cli.ranking import as_data, show_ranking
from yesrank.documents import Options, names_file
from yesrank.errors import InputError
from yesrank.models.inputs import least_score
from yesrank.prompt import is_blank


def rerank(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What is looked for.", show_default=False)],
    documents: DocumentsArgument = None,
    *,
    model: ModelOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    variant: VariantOption = None,
    engine_option: EngineOptionsOption = None,
    instruction: InstructionOption = None,
    template: TemplateOption = None,
    max_length: MaxLengthOption = None,
    long: Annotated[
        Long,
        typer.Option(
            "--long", help="A document beyond --max-length: cut, or judged in windows, the best counting."
        ),
    ] = Long.CUT,
    top_n: Annotated[
        int | None, typer.Option("--top-n", "-n", min=1, help="Show only the best N documents.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", metavar="SCORE", help="Show only documents with this score or more, 0 to 1."
        ),
    ] = None,
    logits: Annotated[
        bool, typer.Option("--logits/--no-logits", help="Show the logit; scores near 1 differ only there.")
    ] = True,
    full: Annotated[
        bool,
        typer.Option("--full", help="Show documents whole, as they are where the output is no terminal."),
    ] = False,
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
    if is_blank(query):
        raise InputError("query", "it is empty", "give the question as the first argument")
    if not text and names_file(query):
        raise InputError(
            "query",
            f"{query!r} is a file, and would be the question",
            "give the question first: yesrank rerank QUERY FILE...; or, where the name is the question: --text",
        )
    least_score("threshold", threshold)
    found = read_documents(documents or [], Options(written, field, split), text=text, file=file)
    passages = found.passages
    entry = overridden(
        find(model),
        device=device,
        precision=precision,
        engine=engine,
        variant=variant,
        options=engine_option,
        template=template,
        max_length=max_length,
    )
    with output.busy(f"loading {entry.name}"):
        opened = open_reranker(entry)
    with opened as reranker:
        with output.warnings_as_notes(), output.progress("ranking", len(passages)) as progress:
            ranking = reranker.rank(
                query,
                [passage.text for passage in passages],
                instruction=instruction,
                top_n=top_n,
                threshold=threshold,
                progress=progress or False,
                as_text=text,
                long=long.value,
            )
        info = reranker.info
    if as_json:
        made = {"query": query, "model": entry.name, "engine": info.engine, "precision": info.precision}
        output.show_json({**made, **as_data(ranking, passages)})
    else:
        show_ranking(ranking, passages, logits=logits, sources=found.several, full=full)
    if threshold is not None and not ranking:
        output.note(f"note: no document has a score of {threshold:g} or more")
    name_model(entry, info.precision)
