"""Clients for the benchmark of the server: HTTP/1.1 over asyncio streams, cheap enough to share cores with a server.

Answers are kept as bytes and read after the clock has stopped.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

_LONGEST = 600.0
_JSON = "content-type: application/json"


@dataclass(frozen=True)
class Job:
    """One request: its body, and what it asked."""

    query: str
    documents: Sequence[str]
    body: bytes

    @classmethod
    def of(cls, query: str, documents: Sequence[str]) -> Self:
        """Encoded once, before any clock runs."""
        return cls(query, documents, json.dumps({"query": query, "documents": documents}).encode())


@dataclass
class Answer:
    """What came back, and when. seconds: from sending until the last byte; of an open loop: from when it was due."""

    job: Job | None
    status: int
    seconds: float
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def scores(self) -> list[float]:
        """In the order of the request. Raises ValueError when an index is missing or comes twice."""
        hits = json.loads(self.body)["results"]
        if sorted(hit["index"] for hit in hits) != list(range(len(hits))):
            raise ValueError("an index is missing or comes twice")
        by_index = {hit["index"]: hit["relevance_score"] for hit in hits}
        return [by_index[index] for index in range(len(by_index))]


class Connection:
    """One keep-alive connection; opened anew when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, job: Job, due: float | None = None) -> Answer:
        """Sends a request and waits for its answer."""
        return await self._exchange("POST /v1/rerank", job.body, job, due)

    async def get(self, path: str) -> Answer:
        """The same without a body."""
        return await self._exchange(f"GET {path}", b"", None, None)

    async def _exchange(self, what: str, body: bytes, job: Job | None, due: float | None) -> Answer:
        started = time.perf_counter() if due is None else due
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 26)
        reader, writer = self._streams
        head = (f"{what} HTTP/1.1", "host: 127.0.0.1", _JSON, f"content-length: {len(body)}", "", "")
        writer.write("\r\n".join(head).encode() + body)
        async with asyncio.timeout(_LONGEST):
            status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            data = await reader.readexactly(int(headers.get("content-length", 0)))
        seconds = time.perf_counter() - started
        if headers.get("connection") == "close":
            self.close()
        return Answer(job, int(status_line.split()[1]), seconds, headers, data)

    def close(self) -> None:
        """Ends the connection."""
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def closed_loop(port: int, jobs: Iterable[Job], clients: int) -> list[Answer]:
    """Each client sends its next request when it has the answer to its last."""
    waiting = iter(jobs)
    answers: list[Answer] = []

    async def client() -> None:
        connection = Connection(port)
        for job in waiting:
            answers.append(await connection.post(job))
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


async def open_loop(port: int, jobs: Sequence[Job], per_second: float) -> list[Answer]:
    """Requests leave at a fixed rate, whether or not the earlier ones are answered."""
    begin = time.perf_counter() + 0.05
    idle: list[Connection] = []

    async def send(number: int, job: Job) -> Answer:
        due = begin + number / per_second
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        connection = idle.pop() if idle else Connection(port)
        answer = await connection.post(job, due)
        idle.append(connection)
        return answer

    answers = await asyncio.gather(*(send(number, job) for number, job in enumerate(jobs)))
    for connection in idle:
        connection.close()
    return list(answers)


async def beside(
    work: Callable[[], Any], port: int, path: str = "/health", every: float = 0.05
) -> tuple[Any, list[float]]:
    """Does the work and asks for a path all the while: the work's result, and the seconds that each answer took."""
    seconds: list[float] = []

    async def ask() -> None:
        connection = Connection(port)
        while True:
            answer = await connection.get(path)
            if answer.status != 200:
                raise RuntimeError(f"{path} answered {answer.status}")
            seconds.append(answer.seconds)
            await asyncio.sleep(every)

    asking = asyncio.create_task(ask())
    try:
        result = await work()
        if asking.done():
            asking.result()
    finally:
        asking.cancel()
    return result, seconds
