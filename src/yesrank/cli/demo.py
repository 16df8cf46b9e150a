"""`yesrank demo`: a few questions with passages that come with the package."""

import json
from importlib.resources import files
from typing import Any

from yesrank.cli import output
from yesrank.cli.opening import find, name_model, open_reranker, overridden
from yesrank.cli.options import DeviceOption, JsonOption, ModelOption, PrecisionOption
from yesrank.cli.ranking import as_data, as_table
from yesrank.documents import Passage


def demo(
    model: ModelOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank the passages of a few built-in questions, to see what a reranker does."""
    answers: list[dict[str, Any]] = []
    right = 0
    tick = "✓" if output.can_show("✓") else "*"
    entry = overridden(find(model), device=device, precision=precision)
    with open_reranker(entry) as reranker:
        for question in questions():
            query, texts = question["query"], question["documents"]
            ranking = reranker.rank(query, texts)
            best = question["best"]
            right += ranking[0].index == best
            passages = [Passage(text, f"{tick} {i}" if i == best else None) for i, text in enumerate(texts)]
            if as_json:
                answers.append({"query": query, **as_data(ranking, passages)})
            else:
                output.show(as_table(ranking, passages, title=query))
                output.show("")
    if as_json:
        output.show_json(answers)
    else:
        output.show(
            f"{tick} marks the passage that answers the question; it came first in {right} of {len(questions())}."
        )
    name_model(entry)


def questions() -> list[dict[str, Any]]:
    """The questions that come with the package: query, documents, and the index of the best document."""
    text = files("yesrank").joinpath("data/demo.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
