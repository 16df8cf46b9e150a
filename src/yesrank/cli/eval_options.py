"""The options of `yesrank eval` that no other verb has."""

from pathlib import Path
from typing import Annotated

import typer

from yesrank.cli.options import Precision

SPLIT = "test"

FolderArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[FOLDER]", help="A BEIR folder; or give the three files.", show_default=False),
]

# the collection and its first stage
SplitOption = Annotated[str, typer.Option("--split", help="Which judgments: qrels/SPLIT.tsv.")]
CorpusOption = Annotated[Path | None, typer.Option("--corpus", help="Documents: JSONL, TSV or CSV.")]
QueriesOption = Annotated[Path | None, typer.Option("--queries", help="Queries: JSONL, TSV or CSV.")]
QrelsOption = Annotated[Path | None, typer.Option("--qrels", help="Judgments: BEIR's or TREC's columns.")]
RunOption = Annotated[
    Path | None, typer.Option("--run", help="First stage: a TREC run file, in place of BM25.")
]
LanguageOption = Annotated[
    str | None, typer.Option("--language", help="Of BM25: en, de, zh, ..., plain; else guessed.")
]
KeepOwnOption = Annotated[
    bool,
    typer.Option(
        "--keep-own-id", help="Let a query's candidates hold the document that has the query's own id."
    ),
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N judged queries.")]

# the models
ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|FOLDER[@PRECISION|@VARIANT]",
        help="A model; may be given again. Without it YESRANK_MODEL, else what yesrank default shows.",
    ),
]
PrecisionsOption = Annotated[
    list[Precision] | None,
    typer.Option(
        "--precision", "-p", metavar="auto|f32|bf16|int8", help="May be given again: each model in each."
    ),
]
FirstStageOnlyOption = Annotated[
    bool, typer.Option("--first-stage-only", help="Measure BM25 or the --run alone; no model.")
]
CompareOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--compare", metavar="A B", help="Two models, each NAME|FOLDER[@PRECISION]: do they rank alike?"
    ),
]
TopKOption = Annotated[int, typer.Option("--top-k", "-k", min=1, help="Candidates of each query to rerank.")]
FuseOption = Annotated[
    float | None,
    typer.Option(
        "--fuse", min=0, max=1, metavar="W", help="Also fuse z-scores, the first stage with this weight."
    ),
]
ScoresOption = Annotated[
    Path | None,
    typer.Option("--scores", help="File that keeps scores; else YESRANK_SCORES or the cache folder."),
]
AgainOption = Annotated[bool, typer.Option("--again", help="Score again what is already known.")]

# what is written, and what must hold
SaveRunOption = Annotated[
    Path | None, typer.Option("--save-run", metavar="DIR", help="Write each ranking as a TREC run.")
]
HtmlOption = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a report with plots.")]
FailUnderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-under", metavar="METRIC=VALUE", help="Exit 1 where a figure is lower; may be repeated."
    ),
]
FailOverOption = Annotated[
    list[str] | None,
    typer.Option("--fail-over", metavar="METRIC=VALUE", help="Exit 1 where it is higher, such as delta-p99."),
]

# a published benchmark
BenchmarkOption = Annotated[
    str | None,
    typer.Option(
        "--benchmark",
        metavar="NAME",
        help="A published one instead: MTEB-R, CMTEB-R, MMTEB-R, MLDR, MTEB-Code, FollowIR.",
    ),
]
TaskOption = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="NAME", help="Of a benchmark, only this; may be given again."),
]
FirstStageOption = Annotated[
    str | None,
    typer.Option(
        "--first-stage",
        metavar="FOLDER|NAME",
        help="Of a benchmark: predictions by mteb, or its name of an embedding model.",
    ),
]
KeepOption = Annotated[
    Path | None, typer.Option("--keep", metavar="DIR", help="Keep what a benchmark has done, to go on.")
]
