"""`yesrank embed`: texts to vectors."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from yesrank.cli.opening import find, name_model
from yesrank.cli.options import (
    DeviceOption,
    EngineOption,
    InstructionOption,
    JsonOption,
    MaxLengthOption,
    PrecisionOption,
    VariantOption,
)
from yesrank.documents import Options
from yesrank.errors import InputError

if TYPE_CHECKING:
    from yesrank.store import Entry
    from yesrank.vectors import Vectors


class Output(StrEnum):
    """In which type vectors are written."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    UINT8 = "uint8"
    BINARY = "binary"
    UBINARY = "ubinary"


def embed(
    documents: DocumentsArgument = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            envvar="YESRANK_EMBEDDER",
            show_envvar=False,
            metavar="NAME|FOLDER",
            help="Stored name or model folder; without it YESRANK_EMBEDDER, else the first embedding model added.",
        ),
    ] = None,
    query: Annotated[
        bool, typer.Option("--query", help="Texts are queries: the model's instruction goes before them.")
    ] = False,
    instruction: InstructionOption = None,
    dimensions: Annotated[
        int | None,
        typer.Option("--dimensions", min=1, help="Dimensions of the vectors; without it all that there are."),
    ] = None,
    stored: Annotated[
        Output, typer.Option("--type", help="Type of the numbers (docs/embedding.md).")
    ] = Output.FLOAT32,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.npy|FILE.jsonl", help="Where to write; else JSONL to stdout."
        ),
    ] = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    variant: VariantOption = None,
    max_length: MaxLengthOption = None,
    text: TextOption = False,
    file: FileOption = False,
    written: FormatOption = None,
    field: FieldOption = None,
    split: SplitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn texts into vectors with a Qwen3-Embedding model.

    Texts are read as rerank reads its documents. A line of JSONL is {"index", "id", "embedding"} (id where the text has
    one); an .npy file is the array [texts, dimensions], in the order of the texts, and opens with numpy.load.
    """
    if instruction is not None and not query:
        raise InputError(
            "instruction", "is for queries; documents are read as they are", "give --query as well"
        )
    kind = _kind(out)
    if as_json and out is not None:
        raise InputError("json", "--json and --out are two places for the vectors", "give one of them")
    found = read_documents(documents or [], Options(written, field, split), text=text, file=file)
    texts = [passage.text for passage in found.passages]
    if not texts:
        raise InputError("texts", "there are none", "give texts, files, or - for standard input")
    entry = _entry(model).overridden(
        device=device, precision=precision, engine=engine, variant=variant, max_length=max_length
    )
    with output.busy(f"loading {entry.name}"):
        opened = _open(entry)
    with opened as embedder:
        with output.warnings_as_notes(), output.progress("embedding", len(texts)) as progress:
            options: dict[str, Any] = {
                "dimensions": dimensions,
                "output": stored.value,
                "progress": progress or False,
            }
            vectors = (
                embedder.encode_query(texts, instruction=instruction, as_text=text, **options)
                if query
                else embedder.encode_document(texts, **options)
            )
        used = embedder.info.precision
    ids = [passage.id for passage in found.passages]
    if as_json:
        about = {"model": entry.name, "precision": used, "type": stored.value}
        output.show_json({**about, "embeddings": _rows(vectors, ids)})
    else:
        _write(vectors, ids, out, kind)
    name_model(entry, used)


def _kind(out: Path | None) -> str:
    kind = ".jsonl" if out is None else out.suffix.lower()
    if kind not in (".jsonl", ".npy"):
        raise InputError("out", f"{out} is neither .npy nor .jsonl", "give the file one of these endings")
    return kind


def _entry(model: str | None) -> "Entry":
    from yesrank.store import Store

    return Store().default_embedder() if model is None else find(model)


def _open(entry: "Entry") -> Any:
    from yesrank.kinds import EMBEDDING
    from yesrank.models.embedder import Embedder

    return Embedder(
        entry.path,
        device=entry.device,
        precision=entry.precision,
        instruction=entry.instruction,
        max_length=entry.max_length,
        engine=entry.engine,
        variant=entry.variant,
        engine_options=entry.engine_options,
        sure=entry.kind == EMBEDDING,
    )


def _write(vectors: "Vectors", ids: list[Any], out: Path | None, kind: str) -> None:
    """The whole file or none: it takes its name when it is written."""
    if out is None:
        for line in _lines(vectors, ids):
            sys.stdout.write(line)
        return
    staged = out.with_name(f".{out.name}.part")
    try:
        if kind == ".npy":
            import numpy as np

            with staged.open("wb") as binary:
                np.save(binary, vectors)
        else:
            with staged.open("w", encoding="utf-8") as lines:
                lines.writelines(_lines(vectors, ids))
        staged.replace(out)
    finally:
        staged.unlink(missing_ok=True)
    output.note(f"wrote {out}: {vectors.shape[0]} vectors of {vectors.shape[1]} {vectors.dtype}")


def _lines(vectors: "Vectors", ids: list[Any]) -> Iterator[str]:
    import json

    for row in _rows(vectors, ids):
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _rows(vectors: "Vectors", ids: list[Any]) -> list[dict[str, Any]]:
    rows = []
    for index, vector in enumerate(vectors):
        # the shortest decimals that give the same float32
        numbers = [float(str(each)) for each in vector] if vector.dtype.kind == "f" else vector.tolist()
        named = {} if ids[index] is None else {"id": ids[index]}
        rows.append({"index": index, **named, "embedding": numbers})
    return rows
