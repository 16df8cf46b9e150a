"""What `serve.py` measures, and the server that it starts."""

import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve_client import Answer, Connection, Job, beside, closed_loop, open_loop

from yesrank import Reranker
from yesrank.bench import synthetic_documents
from yesrank.bench.documents import synthetic_query
from yesrank.bench.run import percentile

_MOST_RUNS, _FEWEST_RUNS = 100, 3


@dataclass(frozen=True)
class Options:
    """What to measure. documents: of a request; sizes: of the requests whose latency is measured."""

    model: Path | None
    clients: int
    documents: int
    sizes: tuple[int, ...]
    words: int
    seconds: float
    rounds: int


@dataclass(frozen=True)
class Throughput:
    """Documents a second in one round. one_by_one: the engine, request after request; together: all pairs in a call."""

    requests: int
    one_by_one: float
    together: float
    server: float

    @property
    def ratio(self) -> float:
        """The server over the engine at its better way."""
        return self.server / max(self.one_by_one, self.together)


@dataclass(frozen=True)
class Latency:
    """Seconds of requests of one size in one situation."""

    documents: int
    situation: str
    runs: int
    p50: float
    p99: float


@dataclass(frozen=True)
class Overload:
    """Requests at `times` the capacity. accepted_p99, health_worst: seconds."""

    times: float
    sent: int
    statuses: dict[int, int]
    with_retry_after: int
    documents_per_second: float
    accepted_p99: float
    health_worst: float


@dataclass
class Correctness:
    """Answers compared with the engine's own. worst: the largest difference of two scores; itself: of the engine's."""

    answers: int = 0
    documents: int = 0
    bad: int = 0
    worst: float = 0.0
    itself: float = 0.0

    def compare(self, answers: Sequence[Answer], expected: dict[int, Sequence[float]]) -> None:
        """expected: the engine's scores by the identity of the job."""
        for answer in answers:
            self.answers += 1
            try:
                scores = answer.scores() if answer.status == 200 else None
            except (KeyError, ValueError):
                scores = None
            truth = expected[id(answer.job)]
            if scores is None or len(scores) != len(truth):
                self.bad += 1
                continue
            self.documents += len(scores)
            self.worst = max([self.worst, *(abs(a - b) for a, b in zip(scores, truth, strict=True))])


class Jobs:
    """Made-up requests, every one with a query and documents of its own."""

    def __init__(self, words: int) -> None:
        self._words, self._number = words, 0

    def make(self, count: int, documents: int) -> list[Job]:
        """New ones."""
        found = []
        for _ in range(count):
            self._number += 1
            texts = synthetic_documents(documents, self._words, self._number)
            found.append(Job.of(synthetic_query(self._number), texts))
        return found


class Bench:
    """One run. The engine lives in this process, the server in one of its own; they take turns."""

    def __init__(self, options: Options, reranker: Reranker, port: int) -> None:
        self._options, self._reranker, self._port = options, reranker, port
        self._jobs = Jobs(options.words)
        self.correct = Correctness()

    async def throughput(self) -> list[Throughput]:
        """Rounds of engine and server over the same requests."""
        options = self._options
        speed = self._calibrate()
        count = max(round(speed * options.seconds / options.documents), options.clients)
        return [await self._round(self._jobs.make(count, options.documents)) for _ in range(options.rounds)]

    def _calibrate(self) -> float:
        """Documents a second, roughly; also warms the engine up."""
        for job in self._jobs.make(3, self._options.documents):
            started = time.perf_counter()
            self._reranker.rank(job.query, job.documents)
            speed = self._options.documents / (time.perf_counter() - started)
        return speed

    async def _round(self, jobs: list[Job]) -> Throughput:
        documents = sum(len(job.documents) for job in jobs)
        pairs = [(job.query, text) for job in jobs for text in job.documents]
        # both ways of the engine see the same texts: what the first keeps in its cache would help the second
        other = [(f"{query} again", text) for query, text in pairs]
        alone, alone_seconds = _timed(lambda: [self._reranker.rank(job.query, job.documents) for job in jobs])
        together, together_seconds = _timed(lambda: self._reranker.score(other))
        started = time.perf_counter()
        answers = await closed_loop(self._port, jobs, self._options.clients)
        server_seconds = time.perf_counter() - started
        expected = {
            id(job): [hit.score for hit in sorted(ranking, key=lambda hit: hit.index)]
            for job, ranking in zip(jobs, alone, strict=True)
        }
        self.correct.compare(answers, expected)
        del together
        return Throughput(
            len(jobs), documents / alone_seconds, documents / together_seconds, documents / server_seconds
        )

    def check_batches(self) -> None:
        """How much the engine's own scores move when documents are batched in another way."""
        jobs = self._jobs.make(8, self._options.documents)
        alone = [
            hit.score
            for job in jobs
            for hit in sorted(self._reranker.rank(job.query, job.documents), key=lambda hit: hit.index)
        ]
        for job in reversed(jobs):  # out of the cache of prefixes, where it is small
            self._reranker.rank(job.query, job.documents[:1])
        batched = self._reranker.score([(job.query, text) for job in jobs for text in job.documents]).scores
        self.correct.itself = max(abs(float(a) - b) for a, b in zip(batched, alone, strict=True))

    async def latencies(self, capacity: float) -> list[Latency]:
        """Every size alone; the usual size in company."""
        found = [self._engine(size) for size in self._options.sizes]
        found += [await self._alone(size) for size in self._options.sizes]
        found.append(await self._beside_long())
        found.append(await self._paced(capacity / 2, "half the capacity, evenly"))
        found += await self._crowd()
        return found

    def _engine(self, size: int) -> Latency:
        jobs = self._bounded(size)
        seconds = [_timed(lambda job=job: self._reranker.rank(job.query, job.documents))[1] for job in jobs]
        return _latency(size, "engine without a server", seconds)

    def _bounded(self, size: int) -> Iterator[Job]:
        """Requests until the time is over, but not too few and not too many."""
        until = time.perf_counter() + self._options.seconds
        for run in range(_MOST_RUNS):
            if run >= _FEWEST_RUNS and time.perf_counter() >= until:
                return
            yield from self._jobs.make(1, size)

    async def _alone(self, size: int) -> Latency:
        connection = Connection(self._port)
        seconds = [_good(await connection.post(job)).seconds for job in self._bounded(size)]
        connection.close()
        return _latency(size, "alone", seconds)

    async def _beside_long(self) -> Latency:
        """Requests of the usual size, one after another, while one of the largest size is being worked on."""
        size, largest = self._options.documents, max(self._options.sizes)
        [long] = self._jobs.make(1, largest)
        jobs = iter(self._jobs.make(_MOST_RUNS, size))
        seconds: list[float] = []
        running = asyncio.create_task(Connection(self._port).post(long))
        await asyncio.sleep(0.05)
        connection = Connection(self._port)
        while not running.done() and (job := next(jobs, None)):
            seconds.append(_good(await connection.post(job)).seconds)
        _good(await running)
        connection.close()
        return _latency(size, f"beside a request of {largest}", seconds)

    async def _paced(self, documents_per_second: float, situation: str) -> Latency:
        size = self._options.documents
        rate = documents_per_second / size
        jobs = self._jobs.make(max(round(rate * self._options.seconds), 2 * _FEWEST_RUNS), size)
        answers = await open_loop(self._port, jobs, rate)
        return _latency(size, situation, [_good(answer).seconds for answer in answers])

    async def _crowd(self) -> list[Latency]:
        """All clients at once, sizes mixed; one of them sends requests of the largest size."""
        *small, largest = sorted(self._options.sizes)
        clients = self._options.clients
        work = [job for size in small for job in self._jobs.make(2 * clients, size)]
        work[::2], work[1::2] = work[: len(work) // 2], work[len(work) // 2 :]
        answers, big = await asyncio.gather(
            closed_loop(self._port, work, clients - 1),
            closed_loop(self._port, self._jobs.make(1, largest), 1),
        )
        found = []
        for size in self._options.sizes:
            seconds = [
                _good(each).seconds
                for each in (*answers, *big)
                if each.job and len(each.job.documents) == size
            ]
            found.append(_latency(size, f"{clients} clients at once", seconds))
        return found


async def overload(options: Options, port: int, capacity: float, times: float = 2.0) -> Overload:
    """Requests at a multiple of the capacity, on a server whose queue is short."""
    rate = times * capacity / options.documents
    jobs = Jobs(options.words).make(round(rate * options.seconds), options.documents)
    started = time.perf_counter()
    answers, health = await beside(lambda: open_loop(port, jobs, rate), port)
    seconds = time.perf_counter() - started
    refused = [answer for answer in answers if answer.status == 429]
    accepted = [answer for answer in answers if answer.status == 200]
    for answer in accepted:
        answer.scores()
    return Overload(
        times=times,
        sent=len(jobs),
        statuses=dict(sorted(Counter(answer.status for answer in answers).items())),
        with_retry_after=sum("retry-after" in answer.headers for answer in refused),
        documents_per_second=len(accepted) * options.documents / seconds,
        accepted_p99=percentile([answer.seconds for answer in accepted], 0.99) if accepted else 0.0,
        health_worst=max(health),
    )


@contextmanager
def serving(model: Path | None, *flags: str) -> Iterator[int]:
    """A server in a process of its own: its port. Ends it with SIGTERM, and wants exit code 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("YESRANK_")}
    program = "from yesrank.cli.main import main; main()"
    names = [str(model)] if model else ["builtin"]
    command = [sys.executable, "-c", program, "serve", *names, "--port", str(port), *flags]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, port)
        yield port
        process.send_signal(signal.SIGTERM)
        if code := process.wait(60):
            raise RuntimeError(f"the server ended with {code} on SIGTERM")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        try:
            opener.open(f"http://127.0.0.1:{port}/ready", timeout=30).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server was not ready: try yesrank serve by hand")


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


def _good(answer: Answer) -> Answer:
    if answer.status != 200:
        raise RuntimeError(f"the server answered {answer.status}: {answer.body[:300]!r}")
    return answer


def _latency(documents: int, situation: str, seconds: Sequence[float]) -> Latency:
    return Latency(documents, situation, len(seconds), statistics.median(seconds), percentile(seconds, 0.99))
