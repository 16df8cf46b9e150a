"""README.md of the finished folder: what it was made from, how, and what that changed."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from training.finetune.loop import Progress
from training.finetune.loss import Figures
from training.finetune.settings import Settings
from yesrank.store.resolve import HUB_ID

_PACKAGES = ("yesrank", "torch", "transformers", "peft")


@dataclass(frozen=True, slots=True)
class Result:
    """All that the card tells. data: rows of counts by kind; collection: of ranking.summary, or None."""

    settings: Settings
    method: str
    hardware: str
    data: Mapping[str, Mapping[str, int]]
    documents: int
    progress: Progress
    peak_bytes: int
    before: Figures | None
    after: Figures | None
    collection: Mapping[str, Any] | None
    notes: Sequence[str]


def text(result: Result) -> str:
    """The whole card, in Markdown."""
    base = result.settings.model
    is_hub = bool(HUB_ID.fullmatch(base))
    name = base if is_hub else base.rstrip("/").rsplit("/", 1)[-1]
    parts = [
        "---",
        *([f"base_model: {base}"] if is_hub else []),
        "library_name: transformers",
        "pipeline_tag: text-ranking",
        "---",
        f"# {result.settings.out.name}",
        "",
        f"A fine-tuned copy of {name}: a Qwen3 decoder that says whether a document answers a query. "
        "Score = sigmoid(logit of yes - logit of no) at the last token of the prompt.",
        "",
        "    yesrank convert FOLDER MODEL && yesrank rerank --model MODEL QUERY DOCUMENT ...",
        "",
        *_data(result),
        *_settings(result),
        *_figures(result),
        *_notes(result),
    ]
    return "\n".join(parts) + "\n"


def _data(result: Result) -> list[str]:
    names = [*next(iter(result.data.values()))]
    files = ", ".join(f"`{path.name}`" for path in result.settings.pairs)
    corpus = f", `{result.settings.corpus.name}`" if result.settings.corpus else ""
    return [
        "## Data",
        "",
        f"From {files}{corpus}: {result.documents} distinct documents.",
        "",
        f"| | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *(
            f"| {kind} | {' | '.join(str(row[name]) for name in names)} |"
            for kind, row in result.data.items()
        ),
        "",
    ]


def _settings(result: Result) -> list[str]:
    settings, progress = result.settings, result.progress
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    mined = f"{settings.mine}{f' (guard {settings.guard})' if settings.mine == 'self' else ''}"
    rows = {
        "method": result.method,
        "steps": f"{progress.step} of {settings.batch} groups of a positive and {settings.negatives} negatives",
        "prompt tokens": f"{progress.tokens:,}",
        "time": f"{progress.seconds / 60:.1f} minutes on {platform.machine()}, {result.hardware}",
        "peak memory": f"{result.peak_bytes / 1e9:.1f} GB",
        "negatives mined": mined,
        "loss": f"softmax over the group + {settings.bce} binary cross-entropy",
        "seed": settings.seed,
        "prompt": f"template {settings.template}, cut at {settings.max_length} tokens, "
        f"instruction where a line has none: {settings.instruction!r}",
        "made": f"{time.strftime('%Y-%m-%d')} with {versions}",
    }
    return [
        "## Training",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows.items()),
        "",
    ]


def _figures(result: Result) -> list[str]:
    parts = ["## Figures", ""]
    if result.before and result.after:
        parts += [
            f"Held-out groups ({result.after.groups}): the positive against the hardest negatives known. "
            f"The weights in this folder are those of step {result.progress.best_step}, which had the lowest loss "
            "there: the figures after training flatter a little.",
            "",
            "| | loss | binary loss | accuracy | MRR |",
            "|---|---|---|---|---|",
            *(
                f"| {when} | {row.loss:.4f} | {row.binary:.4f} | {row.accuracy:.3f} | {row.mrr:.3f} |"
                for when, row in (("before", result.before), ("after", result.after))
            ),
            "",
        ]
    if found := result.collection:
        gain, low, high, p = found["difference"]
        parts += [
            f"{found['collection']}, {found['queries']} queries, BM25's best {result.settings.eval_top_k} reranked, "
            "nDCG@10 with its 95 % interval:",
            "",
            "| BM25 | before | after | after - before |",
            "|---|---|---|---|",
            f"| {' | '.join(_interval(found[name]) for name in ('BM25', 'before', 'after'))} "
            f"| {gain:+.4f} ({low:+.3f} to {high:+.3f}), p {p:.4f} |",
            "",
        ]
    return parts if len(parts) > 2 else [*parts, "Nothing was held out: no figures.", ""]


def _notes(result: Result) -> list[str]:
    return ["## Notes", "", *(f"- {note}" for note in result.notes), ""] if result.notes else []


def _interval(row: Sequence[float]) -> str:
    return f"{row[0]:.4f} ({row[1]:.3f} to {row[2]:.3f})"
