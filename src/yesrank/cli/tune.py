"""`yesrank tune`: which precision or ONNX file is the best one here, on the user's own documents."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yesrank.cli import output
from yesrank.cli.opening import find, name_model
from yesrank.cli.options import DeviceOption, JsonOption
from yesrank.errors import InputError

if TYPE_CHECKING:
    from yesrank.bench.tune import Profile, Sample, Tuning
    from yesrank.store import Entry

_DOCUMENTS, _JUDGED_DOCUMENTS, _TOP_K = 48, 320, 16

SampleOption = Annotated[
    Path | None,
    typer.Option(
        "--sample",
        metavar="FILE",
        help="Your own: JSON lines with query and documents; or documents alone, as rerank reads them.",
    ),
]
CollectionOption = Annotated[
    Path | None,
    typer.Option("--collection", metavar="FOLDER", help="A BEIR folder, whose judgments are looked at, too."),
]
SplitOption = Annotated[str, typer.Option("--split", help="Of a collection: qrels/SPLIT.tsv.")]
QueryOption = Annotated[
    str | None, typer.Option("--query", help="For a sample of documents alone; else one is made up.")
]
DocumentsOption = Annotated[
    int | None,
    typer.Option(
        "--documents",
        min=2,
        show_default=False,
        help=f"At most so many a round; {_DOCUMENTS}, or {_JUDGED_DOCUMENTS} of a collection, without it.",
    ),
]
TopKOption = Annotated[
    int, typer.Option("--top-k", "-k", min=2, help="Of a collection: candidates of each query, by BM25.")
]
WordsOption = Annotated[int, typer.Option("--words", min=1, help="Mean words of a made-up document.")]
RoundsOption = Annotated[
    int, typer.Option("--rounds", min=1, help="Each runs every profile once; medians count.")
]
ProfilesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--profile", metavar="ENGINE/KIND", help="Only this, such as openvino/int8; may be repeated."
    ),
]
TauOption = Annotated[
    float,
    typer.Option("--min-tau", min=-1, max=1, help="The least Kendall tau with the most exact profile."),
]
LossOption = Annotated[
    float, typer.Option("--max-ndcg-loss", min=0, help="The most nDCG@10 that may be lost beside it.")
]
SaveOption = Annotated[
    bool, typer.Option("--save", help="Store the choice with the model's name, for all that use it.")
]


def tune(
    model: Annotated[
        str, typer.Argument(metavar="NAME|FOLDER", help="Stored name, or model folder.", show_default=False)
    ],
    *,
    sample: SampleOption = None,
    collection: CollectionOption = None,
    split: SplitOption = "test",
    query: QueryOption = None,
    documents: DocumentsOption = None,
    top_k: TopKOption = _TOP_K,
    words: WordsOption = 120,
    rounds: RoundsOption = 3,
    profile: ProfilesOption = None,
    device: DeviceOption = None,
    min_tau: TauOption = 0.97,
    max_ndcg_loss: LossOption = 0.005,
    save: SaveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure every way to run a model here, on your own documents, and recommend one.

    Each precision of OpenVINO and each ONNX file of the folder runs in turns, in processes of its own. Recommended is
    the fastest whose order (Kendall tau) and nDCG@10 stay within the bounds, beside the most exact one of the folder.
    Without a sample or collection the documents are made up: that shows speed, and says little of the order.
    """
    from yesrank.bench.tune import Bounds, choose, profiles_of
    from yesrank.bench.tune import tune as run
    from yesrank.models.folder import open_model

    entry = find(model)
    if save:
        _check_stored(entry)
    entry = entry.overridden(device=device)
    profiles = choose(profiles_of(open_model(entry.path), entry.device), profile or ())
    texts = _texts(sample, collection, split, query, documents, top_k, words)
    output.note(f"{texts.what}; {rounds} rounds of {', '.join(each.name for each in profiles)}", style="dim")
    for note in texts.notes:
        output.note(f"note: {note}")
    bounds = Bounds(min_tau, max_ndcg_loss)
    found = run(entry, profiles, texts, rounds=rounds, bounds=bounds, progress=output.note)
    _show(found, saved=save, as_json=as_json)
    if save:
        _save(entry, found.recommended)
    elif not as_json:
        _tell_how_to_save(entry, found.recommended)
    name_model(entry)


def _texts(
    sample: Path | None,
    collection: Path | None,
    split: str,
    query: str | None,
    documents: int | None,
    top_k: int,
    words: int,
) -> "Sample":
    from yesrank.bench.tune import made_up, of_collection, of_file

    if sample is not None and collection is not None:
        raise InputError("sample", "there is a collection, too", "give one of --sample and --collection")
    if query is not None and sample is None:
        raise InputError("query", "it goes with documents of your own", "give them with --sample")
    if sample is not None:
        return of_file(sample, documents or _DOCUMENTS, query)
    if collection is None:
        return made_up(documents or _DOCUMENTS, words)
    from yesrank.evaluate import bm25, read_folder

    judged = read_folder(collection, split)
    return of_collection(judged, bm25(judged), documents or _JUDGED_DOCUMENTS, top_k)


def _check_stored(entry: "Entry") -> None:
    """Before the minutes that would be lost. Raises InputError for what has no name to store a choice with."""
    from yesrank.store import BUILTIN, Store

    if Store().find(entry.name) == entry:
        return
    if entry.name == BUILTIN:
        raise InputError("save", "the built-in model always runs as it comes", "leave --save out")
    raise InputError(
        "save",
        f"{entry.path} has no name to store the choice with",
        f"give it one, then tune that: yesrank add NAME --model-path {entry.path}",
    )


def _save(entry: "Entry", profile: "Profile") -> None:
    from yesrank.store import Store

    device = entry.device
    Store().change(entry.name, lambda now: profile.stored_in(now.overridden(device=device)))
    output.note(f"saved: {entry.name} runs with {profile.name} wherever nothing else is asked for")


def _tell_how_to_save(entry: "Entry", profile: "Profile") -> None:
    from yesrank.store import BUILTIN, Store

    if entry.name == BUILTIN:
        return
    if Store().find(entry.name) is not None:
        output.note(f"nothing is changed; to store the choice: yesrank tune {entry.name} --save")
        return
    how = (
        f"--engine onnx --variant {profile.kind}"
        if profile.engine == "onnx"
        else f"--precision {profile.kind}"
    )
    output.note(f"nothing is changed; to give it a name: yesrank add NAME --model-path {entry.path} {how}")


def _show(found: "Tuning", *, saved: bool, as_json: bool) -> None:
    from yesrank.cli.tune_output import as_data, show

    if as_json:
        output.show_json({**as_data(found), "saved": saved})
    else:
        show(found)
