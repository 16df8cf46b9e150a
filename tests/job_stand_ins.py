"""A judge without weights, whose faults are asked for by words in the texts; and the inputs of a small job."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from yesrank.errors import EngineError, InputError
from yesrank.jobs.plan import Plan, plan
from yesrank.jobs.reading import read
from yesrank.prompt import TEMPLATES
from yesrank.types import EngineInfo, FloatArray, Progress, Prompt

SETTINGS = {"model": "abc", "precision": "f32", "versions": {"yesrank": "1"}}


class HashJudge:
    """The logit is a hash of query, instruction and document. Words in the texts are faults of their pairs.

    TOO-LONG in a query, NAN and BROKEN in a document. dead: every call fails, as where a device is lost.
    """

    def __init__(self, *, dead: bool = False) -> None:
        self.info = EngineInfo("fake", "CPU", "f32", 4, 1, 0)
        self.dead, self.calls, self.closed = dead, 0, False

    def prompts(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> list[Prompt]:
        if "TOO-LONG" in query:
            raise InputError("query", "takes 9000 tokens", "shorten it")
        asked = [*f"{instruction}\n{query}\n".encode()]
        return [Prompt.of([*asked, *text.encode(), 0], len(asked), len(text) > 50) for text in documents]

    def logits(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> FloatArray:
        self.calls += 1
        texts = [bytes(prompt.ids) for prompt in prompts]
        if self.dead or any(b"BROKEN" in text for text in texts):
            raise EngineError("the device failed")
        if progress is not None:
            progress(len(prompts))
        return np.array(
            [np.nan if b"NAN" in text else zlib.crc32(text) / 2**30 for text in texts], np.float32
        )

    def close(self) -> None:
        self.closed = True


def write_input(path: Path, queries: int = 7, documents: int = 5) -> Path:
    """Queries with candidates, some of which cannot be scored."""
    faults = {(1, 2): "NAN here", (2, 0): None, (4, 3): "BROKEN here"}
    lines = []
    for q in range(queries):
        texts = [faults.get((q, d), f"document {d} of {q}") for d in range(documents)]
        asked = "TOO-LONG" if q == 5 else f"question {q}"
        lines.append(
            {
                "query_id": f"q{q}",
                "query": asked,
                "documents": [{"id": f"d{d}", "text": t} for d, t in enumerate(texts)],
            }
        )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def planned(*paths: Path, tokens: int = 100) -> Plan:
    return plan(read(paths).pairs, template=TEMPLATES["card"], longest=8192, tokens=tokens)
