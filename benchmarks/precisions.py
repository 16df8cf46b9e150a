"""What every precision and format costs in ranking quality: one checkpoint, converted in all ways.

    python benchmarks/precisions.py CHECKPOINT COLLECTION [COLLECTION ...] [--top-k 20] [--queries 300] [--json FILE]

Each way is compared with float32 arithmetic on the checkpoint's own weights, over the same candidates (BM25), by the
gate of `yesrank eval --compare`: nDCG@10 and its difference, Kendall's tau, overlap of the ten best, change of the
logit. Sizes are those of the model's own files; seconds are of scoring, and mean something on a quiet machine only.

Needs the extras eval and onnx.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yesrank.convert import VARIANTS, convert, convert_onnx
from yesrank.evaluate import Collection, ScoreStore, bm25, contender, evaluate, read_folder
from yesrank.evaluate.gate import compare
from yesrank.store import Entry

BASE = "OpenVINO f32"


@dataclass(frozen=True)
class Way:
    """One way to run the checkpoint. size: bytes of the model's own files."""

    label: str
    entry: Entry
    size: int


def ways(checkpoint: Path, work: Path) -> Iterator[Way]:
    """Converts as it goes; the first is what the others are compared with."""
    for weights, precisions in {
        "bf16": ("f32", "bf16"),
        "int8": ("int8", "bf16", "f32"),
        "int8-sym": ("int8",),
        "int4": ("int8",),
    }.items():
        folder = work / weights
        convert(checkpoint, folder, weights=weights)
        size = sum((folder / f"openvino_model.{kind}").stat().st_size for kind in ("xml", "bin"))
        for precision in precisions:
            label = f"OpenVINO {weights}" if weights != "bf16" else f"OpenVINO {precision}"
            if weights == "int8" and precision != "int8":
                label += f", unpacked to {precision}"
            yield Way(label, Entry(f"{weights}-{precision}", folder, precision=precision), size)
    folder = work / "onnx"
    convert_onnx(checkpoint, folder, variants=tuple(VARIANTS))
    for variant in VARIANTS:
        stem = "model" + {"fp32": "", "q8": "_quantized"}.get(variant, f"_{variant}") + ".onnx"
        size = sum(path.stat().st_size for path in (folder / "onnx").glob(f"{stem}*"))
        yield Way(f"ONNX {variant}", Entry(variant, folder, engine="onnx", variant=variant), size)


def measure(found: list[Way], collection: Collection, top_k: int, store: ScoreStore) -> list[dict[str, Any]]:
    """A row a way."""
    first = bm25(collection)
    rows, base = [], None
    for way in found:
        started = time.perf_counter()
        result = evaluate(collection, first, [contender(way.entry, way.label)], store, top_k=top_k)
        system = result.systems[1]
        base = base or system
        beside = asdict(compare(base, system))
        ndcg = system.means["nDCG@10"].value
        rows.append(
            {
                **{"way": way.label, "bytes": way.size, "bm25": result.systems[0].means["nDCG@10"].value},
                **{"nDCG@10": ndcg, "seconds": time.perf_counter() - started, **beside},
            }
        )
        print(f"{collection.name}: {way.label}: nDCG@10 {ndcg:.4f}", file=sys.stderr, flush=True)
    return rows


def markdown(name: str, rows: list[dict[str, Any]]) -> str:
    """One collection's table."""
    heads = ("", "size", "nDCG@10", "difference", "tau", "top 10", "logit mean", "p99", "max")
    lines = [
        f"{name}: BM25 {rows[0]['bm25']:.4f}, {rows[0]['queries']} queries, {rows[0]['pairs']} pairs",
        "",
    ]
    lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        difference = row["ndcg"]
        cells = (
            row["way"],
            f"{row['bytes'] / 1e6:.1f} MB",
            f"{row['nDCG@10']:.4f}",
            f"{difference['value']:+.4f} ({difference['low']:+.4f} to {difference['high']:+.4f})",
            f"{row['tau']:.4f}",
            f"{row['overlap']:.4f}",
            *(f"{row[f'delta_{kind}']:.4f}" for kind in ("mean", "p99", "max")),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Converts, scores, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--top-k", type=int, default=20)
    parser.add_argument("--queries", type=int, help="only the first so many of each collection")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, ScoreStore(Path(work) / "scores.sqlite") as store:
        found = list(ways(given.checkpoint, Path(work)))
        tables = {
            folder.name: measure(found, read_folder(folder, "test").first(given.queries), given.top_k, store)
            for folder in given.collections
        }
    if given.json:
        given.json.write_text(json.dumps(tables, indent=2) + "\n", encoding="utf-8")
    print("\n".join(markdown(name, rows) for name, rows in tables.items()))


if __name__ == "__main__":
    main()
