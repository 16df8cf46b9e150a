"""Plots as inline SVG: small, readable on a phone, coloured by the page's style sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
WIDTH, HEIGHT = 420, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 38
_MOST_TITLES = 400  # beyond that, one title a bar makes a page slow


@dataclass(frozen=True, slots=True)
class Axes:
    """What a plot spans, and what its axes are called."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_name: str
    y_name: str

    def across(self, value: float) -> float:
        """The pixel of an x."""
        return _LEFT + (value - self.x[0]) / (self.x[1] - self.x[0] or 1) * (WIDTH - _LEFT - _RIGHT)

    def up(self, value: float) -> float:
        """The pixel of a y."""
        return (
            HEIGHT - _BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0] or 1) * (HEIGHT - _TOP - _BOTTOM)
        )


def gains(changes: Floats, names: Sequence[str]) -> str:
    """One bar a query, best gain first. changes: [Q], names: for the bars' titles."""
    order = np.argsort(-changes, kind="stable")
    reach = max(float(np.abs(changes).max(initial=0)), 0.1)
    axes = Axes((0, max(len(changes), 1)), (-reach, reach), "queries, best gain first", "change of nDCG@10")
    titled = len(changes) <= _MOST_TITLES
    bars = []
    for at, index in enumerate(order):
        value = float(changes[index])
        if value == 0:
            continue
        x, wide = axes.across(at), max(axes.across(at + 1) - axes.across(at) - 0.4, 0.4)
        top, tall = axes.up(max(value, 0)), abs(axes.up(value) - axes.up(0))
        title = f"<title>{escape(names[index])}: {value:+.3f}</title>" if titled else ""
        kind = "up" if value > 0 else "down"
        bars.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}">{title}</rect>'
        )
    return _svg(
        "Change of nDCG@10, query by query", axes, "".join(bars) + _level(axes, 0, "zero"), signed=True
    )


def distribution(relevant: Floats, others: Floats) -> str:
    """Two histograms of logits, each as shares of its own group."""
    both = np.concatenate([relevant, others])
    low, high = (float(both.min()), float(both.max())) if len(both) else (0.0, 1.0)
    if high - low < 1e-6:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 31)
    shares = [np.histogram(group, edges)[0] / max(len(group), 1) for group in (others, relevant)]
    axes = Axes(
        (low, high), (0, float(max(share.max() for share in shares)) or 1.0), "logit", "share of the group"
    )
    marks = "".join(
        f'<path class="{kind}" d="{_steps(axes, edges, share)}"/>'
        for kind, share in zip(("other", "relevant"), shares, strict=True)
    )
    return _svg("Logits of relevant documents and of the others", axes, marks)


def calibration(scores: Floats, relevant: npt.NDArray[np.bool_]) -> str:
    """Share of relevant documents by score, in ten bins of equal width; the size of a dot is that of its bin."""
    axes = Axes((0, 1), (0, 1), "score", "share that is relevant")
    bins = np.minimum((scores * 10).astype(int), 9)
    marks = [_line("ideal", axes, (0, 0), (1, 1))]
    points = []
    for at in range(10):
        here = bins == at
        if count := int(here.sum()):
            x, y = axes.across(float(scores[here].mean())), axes.up(float(relevant[here].mean()))
            points.append(f"{x:.1f},{y:.1f}")
            radius = 3 + 5 * (count / len(scores)) ** 0.5
            title = f"<title>{relevant[here].mean():.3f} of {count} documents</title>"
            marks.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}">{title}</circle>')
    marks.append(f'<polyline class="curve" points="{" ".join(points)}"/>')
    return _svg("Score and share of relevant documents", axes, "".join(marks))


def speed(points: Sequence[tuple[str, float, float]], baseline: float) -> str:
    """Quality against speed. points: (label, documents a second, nDCG@10); baseline: the first stage's nDCG@10."""
    rates = np.log10([rate for _, rate, _ in points])
    heights = [baseline, *(quality for _, _, quality in points)]
    pad = max((max(heights) - min(heights)) * 0.25, 0.01)
    axes = Axes(
        (float(np.floor(rates.min() * 2) / 2), float(np.ceil(rates.max() * 2 + 0.2) / 2)),
        (max(min(heights) - pad, 0), min(max(heights) + pad, 1.0)),
        "documents a second (logarithmic)",
        "nDCG@10",
    )
    marks = [_level(axes, baseline, "ideal")]
    for number, ((label, rate, quality), at) in enumerate(zip(points, rates, strict=True)):
        x, y = axes.across(float(at)), axes.up(quality)
        below = 16 if number % 2 else -8  # two models of like quality: one label above, one below
        side, anchor = (-8, "end") if x > WIDTH / 2 else (8, "start")
        marks.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{rate:.1f}/s</title></circle>'
        )
        marks.append(
            f'<text x="{x + side:.1f}" y="{y + below:.1f}" text-anchor="{anchor}">{escape(label)}</text>'
        )
    return _svg("nDCG@10 against documents a second", axes, "".join(marks), x_label=_power)


def _svg(
    title: str, axes: Axes, marks: str, *, signed: bool = False, x_label: Callable[[float], str] | None = None
) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{_scale(axes, signed, x_label or _plain)}{marks}</svg>"
    )


def _scale(axes: Axes, signed: bool, x_label: Callable[[float], str]) -> str:
    found = [_line("axis", axes, (axes.x[0], axes.y[0]), (axes.x[1], axes.y[0]))]
    for value in np.linspace(*axes.y, 5):
        y = axes.up(float(value))
        text = f"{value:+.2f}" if signed else f"{value:.2f}"
        found.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        found.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for value in np.linspace(*axes.x, 5)[(0 if not signed else 1) :]:
        x, anchor = axes.across(float(value)), "end" if value == axes.x[1] else "middle"
        found.append(
            f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 15}" text-anchor="{anchor}">{x_label(value)}</text>'
        )
    found.append(
        f'<text class="name" x="{WIDTH - _RIGHT}" y="{HEIGHT - 5}" text-anchor="end">{axes.x_name}</text>'
    )
    found.append(f'<text class="name" x="2" y="{HEIGHT - 5}">&uarr; {axes.y_name}</text>')
    return "".join(found)


def _level(axes: Axes, value: float, kind: str) -> str:
    return _line(kind, axes, (axes.x[0], value), (axes.x[1], value))


def _line(kind: str, axes: Axes, begin: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = ((axes.across(x), axes.up(y)) for x, y in (begin, end))
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _steps(axes: Axes, edges: Floats, shares: Floats) -> str:
    parts = [f"M{axes.across(edges[0]):.1f} {axes.up(0):.1f}"]
    for at, share in enumerate(shares):
        parts.append(f"V{axes.up(float(share)):.1f}H{axes.across(float(edges[at + 1])):.1f}")
    return "".join(parts) + f"V{axes.up(0):.1f}Z"


def _plain(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


def _power(value: float) -> str:
    return f"{10**value:.2g}" if value < 2 else f"{10**value:,.0f}"
