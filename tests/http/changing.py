"""Hostile requests, and questions with known answers in all shapes, while models come, go and change."""

import json
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from changing_models import BROKEN, SOUND, Question
from hostile import Hostile, Outcome, answers

Body = Mapping[str, Any]
Shape = Callable[[str, Sequence[str], str], tuple[str, Body]]
SHAPES: Mapping[str, Shape] = {
    "cohere": lambda q, d, m: ("/v1/rerank", {"query": q, "documents": d, "model": m}),
    "top_n": lambda q, d, m: ("/v2/rerank", {"query": q, "documents": d, "model": m, "top_n": len(d)}),
    "raw": lambda q, d, m: ("/v1/rerank", {"query": q, "documents": d, "model": m, "raw_scores": True}),
    "objects": lambda q, d, m: (
        "/v1/rerank",
        {"query": q, "documents": [{"text": t} for t in d], "model": m},
    ),
    "form": lambda q, d, m: ("/v1/rerank", {"query": q, "lines": d, "model": m}),
    "tei": lambda q, d, m: ("/rerank", {"query": q, "texts": d, "model": m, "raw_scores": True}),
    "voyage": lambda q, d, m: ("/voyage/v1/rerank", {"query": q, "documents": d, "model": m}),
    "nvidia": lambda q, d, m: (
        "/v1/ranking",
        {"query": {"text": q}, "passages": [{"text": t} for t in d], "model": m},
    ),
    "mixedbread": lambda q, d, m: ("/v1/reranking", {"query": q, "input": d, "model": m}),
    "score": lambda q, d, m: ("/score", {"text_1": q, "text_2": d, "model": m}),
    "pairs": lambda q, d, m: ("/v1/score", {"text_1": [q] * len(d), "text_2": d, "model": m}),
    "jina": lambda q, d, m: ("/jina/v1/rerank", {"query": q, "documents": d, "model": m}),
}
OFTEN = ("small",) * 8 + ("graph",) * 6 + ("builtin",)
"""The larger one seldom: what is tried is the server."""
RAW = ("raw", "tei", "nvidia")
GETS = ["/health", "/ready", "/v1/models", "/metrics", "/info", "/models/graph/resolve/main/config.json"]


@dataclass
class Tally(Outcome):
    """kinds: (what was asked for, status) -> how many."""

    kinds: Counter[tuple[str, int]] = field(default_factory=Counter)


class Changing(Hostile):
    """Those of Hostile, and questions to models that change."""

    stated = (503,)  # what a server may say that has no memory, or a model that cannot be used

    def __init__(self, port: int, asked: Sequence[Question], seed: int, tally: Tally) -> None:
        super().__init__(port, [], seed, tally)
        self._asked, self._tally = asked, tally
        self._kinds = [
            (self._questions, 30), (self._moving, 2), (self._broken, 2), (self._change, 0.4), (self._look, 2),
            (self._leaver, 3), (self._slow, 0.3), (self._headers, 4), (self._paths, 3), (self._bodies, 4),
            (self._partial, 2), (self._deserter, 1), (self._noise, 1),
        ]  # fmt: skip

    def _questions(self) -> None:
        """One to three on a connection, to several models."""
        chosen = [
            self._choose(self._random.choice(OFTEN)) for _ in range(self._random.choice([1, 1, 1, 2, 3]))
        ]
        found = self._ask(b"".join(_post(*made) for _, _, made in chosen), len(chosen))
        for (judge, _, _), answer in zip(chosen, found, strict=False):
            judge(answer)

    def _moving(self) -> None:
        judge, _, made = self._choose("moving")
        for answer in self._ask(_post(*made), 1):
            judge(answer)

    def _broken(self) -> None:
        judge, _, made = self._choose(self._random.choice(BROKEN))
        for answer in self._ask(_post(*made), 1):
            judge(answer)

    def _change(self) -> None:
        name = self._random.choice([*SOUND, "moving", "moving", *BROKEN])
        verb = self._random.choice(["load", "unload", "unload"])
        for status, _, head in self._ask(_post(f"/v1/models/{name}/{verb}", {}), 1):
            self._count(f"{verb} {name}", status, head, (200, 503))

    def _look(self) -> None:
        path = self._random.choice(GETS)
        for status, _, head in self._ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), 1):
            self._count(path, status, head, (200, 503) if path == "/ready" else (200,))

    def _leaver(self) -> None:
        """Leaves at a random moment."""
        _, _, made = self._choose(self._random.choice([*SOUND, "moving", "gpu"]))
        with self._connect() as client:
            client.sendall(_post(*made))
            time.sleep(self._random.choice([0, 0, 0.005, 0.05]))
            if self._random.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _slow(self) -> None:
        """Five on a connection, whose answers are read a few bytes at a time."""
        chosen = [self._choose(self._random.choice(OFTEN)) for _ in range(5)]
        found = self._ask(b"".join(_post(*made) for _, _, made in chosen), 5, bytes_at_a_time=300)
        for (judge, _, _), answer in zip(chosen, found, strict=False):
            judge(answer)

    def _choose(
        self, model: str
    ) -> tuple[Callable[[tuple[int, bytes, bytes]], None], Question, tuple[str, Body]]:
        question, shape = self._random.choice(self._asked), self._random.choice(list(SHAPES))
        may_be = {"moving": ("a", "b"), **dict.fromkeys(BROKEN, ())}.get(model, (model,))
        allowed = [question.known[each][shape not in RAW] for each in may_be]

        def judge(answer: tuple[int, bytes, bytes]) -> None:
            status, body, head = answer
            self._count(model, status, head, (200, 429, 503) if allowed else (429, 503))
            if status == 200 and allowed:
                self._tally.known += 1
                found = numbers(body, len(question.documents))
                if found not in allowed:
                    self._tally.wrong.append(f"{model}, {shape}: {found} for {allowed}")

        return judge, question, SHAPES[shape](question.query, list(question.documents), model)

    def _count(self, what: str, status: int, head: bytes, allowed: Sequence[int]) -> None:
        self._tally.kinds[what, status] += 1
        if status not in allowed:
            self._tally.wrong.append(f"{what}: {status}")
        elif status in (429, 503) and b"retry-after:" not in head.lower():
            self._tally.wrong.append(f"{what}: {status} without Retry-After")

    def _ask(
        self, data: bytes, expect: int, *, bytes_at_a_time: int = 65536
    ) -> list[tuple[int, bytes, bytes]]:
        """(status, body, all that came) of so many answers, each of which must come."""
        found = b""
        with self._connect() as client:
            client.settimeout(180)
            try:
                for part in self._pieces(data):
                    client.sendall(part)
                if self._random.random() < 0.4:
                    client.shutdown(socket.SHUT_WR)
                while len(answers(found)) < expect and (got := client.recv(bytes_at_a_time)):
                    found += got
                    if bytes_at_a_time < 1000:
                        time.sleep(0.002)
            except OSError as error:
                self._tally.wrong.append(f"{type(error).__name__} after {len(found)} bytes")
        complete = answers(found)
        if len(complete) != expect:
            self._tally.wrong.append(f"{len(complete)} answers for {expect}")
        return [(status, body, found) for status, body in complete]


def _post(path: str, body: Body) -> bytes:
    """A body with `lines` is sent as a form, with these as a file."""
    kind, raw = "application/json", json.dumps(body).encode()
    if "lines" in body:
        kind, raw = "multipart/form-data; boundary=b", _form(body)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


def _form(body: Body) -> bytes:
    parts = [f'name="{name}"\r\n\r\n{body[name]}' for name in body if name != "lines"]
    parts.append('name="documents"; filename="a.txt"\r\n\r\n' + "\n".join(body["lines"]))
    return "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts).encode() + b"--b--"


def numbers(body: bytes, count: int) -> list[float]:
    """An answer's numbers in the order of its documents, whatever its shape."""
    made = json.loads(body)
    rows = made if isinstance(made, list) else made.get("results") or made.get("rankings") or made["data"]
    found = {
        row["index"]: next(row[key] for key in ("relevance_score", "logit", "score") if key in row)
        for row in rows
    }
    return [found[index] for index in range(count)]


def attack(port: int, asked: Sequence[Question], seed: int, threads: int, each: int, tally: Tally) -> None:
    """So many requests from each of so many threads."""
    runs = [Changing(port, asked, 1000 * seed + place, tally).run for place in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(each_run, each) for each_run in runs]:
            done.result()
