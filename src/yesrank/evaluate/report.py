"""An evaluation as one HTML file that needs nothing else: no script, no request, light and dark."""

from collections.abc import Iterable
from html import escape
from importlib.resources import files

import numpy as np

from yesrank import head
from yesrank.evaluate import plots
from yesrank.evaluate.bounds import compared_figures
from yesrank.evaluate.gate import Comparison
from yesrank.evaluate.measures import MAIN, MEASURES
from yesrank.evaluate.run import Evaluation, System

_EXTREMES = 10
_LONGEST = 160
_CONTROLS = dict.fromkeys(
    {*range(0x20), *range(0x7F, 0xA0)} - {*map(ord, "\t\n\r")}, "\N{REPLACEMENT CHARACTER}"
)


def render(found: Evaluation, comparison: Comparison | None = None) -> str:
    """The whole page. It shows the text of the queries that gained and lost most; no document's text."""
    collection = found.collection
    style = (files("yesrank") / "evaluate" / "report.css").read_text(encoding="utf-8")
    about = (
        f"{len(collection.documents):,} documents, {len(found.queries):,} judged queries. First stage: "
        f"{found.first_stage.how}. {found.what}."
    )
    parts = [
        f"<h1>{escape(collection.name)}</h1><p>{escape(about)}</p>",
        _list(found.notes),
        _figures(found),
        _settings(found),
        _compared(comparison) if comparison else "",
        _speeds(found),
        *(_system(found, system) for system in found.systems[1:]),
        _reading(),
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(collection.name)}: ranking quality</title><style>{style}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )
    return _printable(page)


def _figures(found: Evaluation) -> str:
    top_row = ["ranking", *MEASURES, f"{MAIN} gain", "p", "documents/s"]
    rows = []
    for system in found.systems:
        cells = [escape(system.label)]
        for name in MEASURES:
            mean = system.means[name]
            cells.append(f"{mean.value:.4f}<small>{mean.low:.3f} to {mean.high:.3f}</small>")
        gain = system.gains[MAIN] if system.gains else None
        cells.append(f"{gain.value:+.4f}<small>{gain.low:+.3f} to {gain.high:+.3f}</small>" if gain else "")
        cells.append(f"{gain.p:.4f}" if gain else "")
        speed = system.model.per_second if system.model else None
        cells.append(f"{speed:,.1f}" if speed else "")
        rows.append(cells)
    return "<h2>Figures</h2>" + _table(top_row, rows)


def _settings(found: Evaluation) -> str:
    """What the figures of each model depend on, besides the files."""
    names = ("template", "instruction", "max_length")
    rows = [
        [
            escape(each.label),
            escape(each.precision),
            *(escape(str(each.settings.get(name, ""))) for name in names),
        ]
        for each in found.systems
        if each.model
    ]
    head_row = ["model", "precision", *(name.replace("_", " ") for name in names)]
    return "<h2>Settings</h2>" + _table(head_row, rows) if rows else ""


def _compared(found: Comparison) -> str:
    figures = {name: f"{value:.4f}" for name, value in compared_figures(found).items()}
    if not found.ordered:
        figures["tau"] = "no query has two candidates"
    rows = [[*figure] for figure in figures.items()]
    heading = f"<h2>{escape(found.b)} beside {escape(found.a)}</h2>"
    return (
        heading
        + f"<p>{found.pairs:,} pairs of {found.queries:,} queries.</p>"
        + _table(["figure", "value"], rows)
    )


def _speeds(found: Evaluation) -> str:
    points = [
        (system.label, system.model.per_second, system.means[MAIN].value)
        for system in found.systems
        if system.model and system.model.per_second
    ]
    if not points:
        return ""
    base = found.systems[0]
    plot = plots.speed(points, base.means[MAIN].value)
    return "<h2>Quality and speed</h2>" + _figure(
        f"{MAIN} and documents a second", plot, f"Dashed: {escape(base.label)} alone."
    )


def _system(found: Evaluation, system: System) -> str:
    base = found.systems[0]
    changes = system.values[MAIN] - base.values[MAIN]
    better, worse = int((changes > 0).sum()), int((changes < 0).sum())
    caption = f"{better} queries better, {worse} worse, {len(changes) - better - worse} the same."
    shown = [_figure(f"Change of {MAIN}, query by query", plots.gains(changes, found.queries), caption)]
    if system.model:
        logits, relevant = _judged(found, system)
        if len(logits):
            legend = f'<b class="relevant">relevant</b> ({int(relevant.sum()):,}) and ' \
                f'<b class="other">others</b> ({int((~relevant).sum()):,})'  # fmt: skip
            shown.append(
                _figure(
                    "Logits of the candidates",
                    plots.distribution(logits[relevant], logits[~relevant]),
                    legend,
                )
            )
            scores = head.scores(logits.astype(np.float32)).astype(np.float64)
            caption = "Dashed: a score that is a probability. What nobody judged counts as not relevant."
            shown.append(
                _figure(
                    "Calibration: score and share of relevant documents",
                    plots.calibration(scores, relevant),
                    caption,
                )
            )
    title = f"<h2>{escape(system.label)} against {escape(base.label)}</h2>"
    return title + f'<div class="plots">{"".join(shown)}</div>' + _extremes(found, system, base, changes)


def _judged(found: Evaluation, system: System) -> tuple[plots.Floats, "np.ndarray"]:
    """The logits of all candidates, and which of them are relevant: both [N]."""
    model, qrels = system.model, found.collection.qrels
    rows = [] if model is None else [
        (logit, qrels[query].get(name, 0) > 0) for query, row in model.logits.items() for name, logit in row.items()
    ]  # fmt: skip
    return np.array([row[0] for row in rows], np.float64), np.array([row[1] for row in rows], bool)


def _extremes(found: Evaluation, system: System, base: System, changes: plots.Floats) -> str:
    order = np.argsort(-changes, kind="stable")
    tables = []
    for title, indices in (("Gained most", order[:_EXTREMES]), ("Lost most", order[::-1][:_EXTREMES])):
        rows = [
            [
                f"{escape(_short(found.collection.queries[found.queries[at]]))}<small>{escape(found.queries[at])}</small>",
                f"{base.values[MAIN][at]:.3f}",
                f"{system.values[MAIN][at]:.3f}",
            ]
            for at in indices
            if (changes[at] > 0 if title == "Gained most" else changes[at] < 0)
        ]
        if rows:
            table = _table(["query", escape(base.label), escape(system.label)], rows)
            tables.append(f"<details><summary>{title}</summary>{table}</details>")
    return "".join(tables)


def _reading() -> str:
    return (
        "<h2>How to read this</h2><p>Small figures are 95 % bootstrap intervals over the queries; p is that of a "
        "two-sided paired randomisation test against the first stage. A query for which nothing was found counts as 0. "
        "Judged@10 is the share of the ten best documents that anyone judged: where it is low, a better ranking may "
        "look worse. AP and R@100 are of the whole list: documents that were not reranked stay below those that were, "
        "in the first stage's order.</p>"
    )


def _figure(title: str, plot: str, caption: str) -> str:
    return f"<figure><h3>{title}</h3>{plot}<figcaption>{caption}</figcaption></figure>"


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top_row = "".join(f"<th>{name}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top_row}</tr></thead><tbody>{body}</tbody></table></div>'


def _list(notes: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<ul>{items}</ul>" if items else ""


def _printable(page: str) -> str:
    """JSON may hold lone surrogates, a file may not; and control characters, which HTML may not."""
    return page.encode("utf-8", "replace").decode("utf-8").translate(_CONTROLS)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
