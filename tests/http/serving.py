"""A real server on a loopback port, in a thread of the test process."""

import io
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import httpx
import numpy as np
from fastapi import FastAPI

from yesrank.serve.app import create_app
from yesrank.serve.models.pool import PoolOptions
from yesrank.serve.run import bind, run
from yesrank.serve.settings import Settings
from yesrank.serve.watch import logs
from yesrank.store import Entry, builtin_entry
from yesrank.types import EngineInfo, FloatArray, Ids, Prompt

QUERY = "What is the capital of France?"
DOCUMENTS = ["Bananas are yellow when ripe.", "The capital of France is Paris.", "Rain is expected."]
START_SECONDS = 30.0


class SlowScorer:
    """A model of the scheduler's tests and these: known logits, and as slow as a test wants it."""

    info = EngineInfo("fake", "CPU", "f32", 4, 1, 0)

    def __init__(self, seconds: float = 0.0, fail: BaseException | None = None) -> None:
        self.seconds, self.fail = seconds, fail
        self.scored: list[int] = []

    def prompts(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        max_document_tokens: int | None = None,
    ) -> list[Prompt]:
        shared = tuple(query.encode()) or (0,)
        return [
            Prompt.of((*shared, *text.encode()[:max_document_tokens], 1), len(shared)) for text in documents
        ]

    def keep(self, prefixes: Collection[Ids], begun: Prompt | None = None) -> None: ...

    def begin(self, prompt: Prompt, tokens: int) -> int:
        return 0

    def logits(self, prompts: Sequence[Prompt]) -> FloatArray:
        time.sleep(self.seconds)
        if self.fail is not None:
            raise self.fail
        self.scored.append(len(prompts))
        return np.array([len(prompt.ids) / 100 for prompt in prompts], np.float32)

    def close(self) -> None: ...


class Server:
    """A server that runs. client: an HTTP client of it; log: its lines so far."""

    def __init__(self, app: FastAPI, url: str, stream: io.StringIO) -> None:
        self.app, self.url, self._stream = app, url, stream
        self.client = httpx.Client(base_url=url, timeout=60)

    @property
    def log(self) -> str:
        return self._stream.getvalue()

    def rerank(self, body: object, path: str = "/v1/rerank", **options: object) -> httpx.Response:
        return self.client.post(path, json=body, **options)  # type: ignore[arg-type]

    def metric(self, start: str) -> float:
        """The sum of the samples whose line begins so."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))

    def wait_ready(self) -> None:
        """Returns when /ready says 200."""
        wait_for(lambda: self.client.get("/ready").status_code == 200, START_SECONDS)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Returns when the condition holds; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not come true within {seconds} s"
        time.sleep(0.02)


@contextmanager
def serving(
    settings: Settings | None = None,
    entries: Sequence[Entry] | None = None,
    scorer: SlowScorer | None = None,
) -> Iterator[Server]:
    """A server of these models, or of a stand-in for the built-in one."""
    settings = replace(settings or Settings(), port=0)
    options = PoolOptions(open=lambda _: scorer, available=lambda: 1 << 40) if scorer else None
    stream = io.StringIO()
    logs.set_up("json", stream)
    app = create_app(settings, entries or [builtin_entry()], options)
    listener = bind(settings)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=run, args=(app, settings, listener), daemon=True)
    thread.start()
    server = Server(app, url, stream)
    try:
        yield server
    finally:
        server.client.close()
        app.state.server.should_exit = True
        thread.join(20)
        listener.close()
        for name in logs.LEVELS:
            logging.getLogger(name).handlers, logging.getLogger(name).propagate = [], True
        assert not thread.is_alive(), "the server did not end"
