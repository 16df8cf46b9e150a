"""Random requests that mean no good, among good ones whose answers are known.

`python tests/http/hostile.py 20000 [SEED]` sends so many to a server of its own, and prints what came back.
"""

import json
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

SERVE = (sys.executable, "-c", "from yesrank.cli.main import main; main()", "serve", "builtin")
THREADS = 20
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}).*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
CANARY = "zanzibar-canary-91"
KNOWN = [
    {
        "query": f"{CANARY}: who barks, {count}?",
        "documents": [f"Dogs bark {n} {CANARY}." for n in range(count)],
    }
    for count in range(1, 7)
]
NASTY = [
    b"http://[", b"[", b"[::1", b"null", b"", b" ", b"*", b",", b";", b"\xff\xfe", b"%00", b"../../etc/passwd",
    b"0", b"-1", b"1e9", b"9" * 5000, b"\xb2", b"bytes=9-1", b"bytes=-", b"bytes=0-0,5-,-1",
    b"bytes=" + b"0-1," * 200, b"nan;q=nan", b"text/html;q=1e999", b"Bearer", b"Bearer \xff", b"Basic OjpA",
    b"gzip", b"chunked", b"identity, chunked", b"W/\"x\"", b"100-continue",
    b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01", b"a=b; c=\"d", b"h2c", b"x" * 9000, b"evil.example",
    b"https://evil.example", b"for=[::1]:x;proto=", b"\"", b"\\", b"utf-16", b"application/json; charset=utf-7",
]  # fmt: skip
HEADERS = [
    b"Origin", b"Host", b"Content-Length", b"Content-Type", b"Authorization", b"x-api-key", b"api-key",
    b"Accept", b"Range", b"If-Range", b"If-None-Match", b"If-Modified-Since", b"Accept-Encoding",
    b"Content-Encoding", b"Transfer-Encoding", b"X-Request-Id", b"X-Forwarded-Host", b"X-Forwarded-For",
    b"X-Forwarded-Proto", b"X-Forwarded-Prefix", b"Forwarded", b"traceparent", b"tracestate", b"Sec-Fetch-Site",
    b"Upgrade", b"Connection", b"Expect", b"Cookie", b"TE", b"Trailer", b"Access-Control-Request-Method",
    b"Access-Control-Request-Headers", b"X-HTTP-Method-Override", b"Referer",
]  # fmt: skip
PATHS = [
    "/v1/rerank", "/rerank", "/v2/rerank", "/score", "/v1/ranking", "/embed", "/v1/embeddings", "/v1/models",
    "/health", "/ready", "/metrics", "/info", "/docs", "/openapi.json", "/", "/assets/x.js",
    "/v1/models/builtin", "/v1/models/x/load", "/models/builtin/resolve/main/onnx/model.onnx",
    "/models/builtin/resolve/main/%2e%2e/x", "//v1//rerank/", "/%00", "/v1/models/", "/models/x/resolve/main",
    "http://localhost/v1/rerank", "/?q=" + "%" * 50, "*", "/\u007f", "/v1/rerank?" + CANARY, "/" + "a/" * 2000,
    f"/{CANARY}", "/v1/models/%F0%28%8C%28", "/v1/models/" + "x" * 5000,
]  # fmt: skip
VERBS = [
    "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "\u0001", "X" * 300,
]  # fmt: skip
BODIES = [
    b"", b"{", b"[]", b"null", b"1e999", b'"' + CANARY.encode(), b"\xff\xfe{\x00", b"[" * 5000,
    b'{"query": NaN}', b"9" * 5000, b'{"query": "\\ud800", "documents": ["\\udfff"]}',
    b'{"query": "q", "documents": [{"text": {}}]}', b'{"query": "q", "documents": [], "top_n": -1}',
    b'{"query": ["q"], "documents": "a"}', b"\xef\xbb\xbf{}",
    b'{"query": "q", "documents": ["a"], "model": "' + CANARY.encode() + b'"}',
    b'{"texts": [null], "query": 1}',
]  # fmt: skip


@dataclass
class Outcome:
    """What came back, over all requests. wrong: what should not have."""

    statuses: Counter[int] = field(default_factory=Counter)
    known: int = 0
    wrong: list[str] = field(default_factory=list)


class Hostile:
    """Sends requests to a server on this machine. answers: the logits of each of KNOWN, in its documents' order."""

    stated: tuple[int, ...] = ()
    """Statuses from 500 on that are no fault of the server."""

    def __init__(self, port: int, answers: list[list[float]], seed: int, outcome: Outcome) -> None:
        self._port, self._answers, self._outcome = port, answers, outcome
        self._random = random.Random(seed)
        self._kinds: list[tuple[Callable[[], None], float]] = [
            (self._good, 4),
            (self._headers, 4),
            (self._paths, 2),
            (self._bodies, 2),
            (self._partial, 2),
            (self._deserter, 1),
            (self._noise, 1),
        ]

    def run(self, number: int) -> None:
        """So many of them."""
        kinds, weights = zip(*self._kinds, strict=True)
        for kind in self._random.choices(kinds, weights, k=number):
            kind()

    def _good(self) -> None:
        """One to three in a row, in pieces, with an end or without: each must have its own answer."""
        chosen = [self._random.randrange(len(KNOWN)) for _ in range(self._random.choice([1, 1, 1, 2, 3]))]
        data = b"".join(self._known(each) for each in chosen)
        found = self._talk(data, expect=len(chosen), half_close=self._random.random() < 0.5, seconds=60)
        if [status for status, _ in found] != [200] * len(chosen):
            self._outcome.wrong.append(f"{[status for status, _ in found]} for {len(chosen)} good ones")
            return
        for each, (_, body) in zip(chosen, found, strict=True):
            self._check(each, body)

    def _check(self, place: int, body: bytes) -> None:
        self._outcome.known += 1
        found, wanted = scores(body), self._answers[place]
        if len(found) != len(wanted) or max(abs(a - b) for a, b in zip(found, wanted, strict=True)) > 2e-3:
            self._outcome.wrong.append(f"known answer {place}: {found} for {wanted}")

    def _known(self, place: int) -> bytes:
        body = json.dumps(KNOWN[place]).encode()
        kind = self._random.choice(
            [b"", b"Content-Type: application/json\r\n", b"Content-Type: text/plain\r\n"]
        )
        top = b"POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\n" + kind
        if self._random.random() < 0.3:
            middle = self._random.randrange(1, len(body))
            parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:middle], body[middle:]))
            return top + b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"
        return top + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def _headers(self) -> None:
        lines = b"".join(
            self._random.choice(HEADERS) + b": " + self._random.choice(NASTY) + b"\r\n"
            for _ in range(self._random.randrange(1, 5))
        )
        verb, path = self._random.choice(["GET", "POST"]), self._random.choice(PATHS[:19])
        host = b"" if b"Host:" in lines and self._random.random() < 0.7 else b"Host: localhost\r\n"
        body = b"" if verb == "GET" else json.dumps(KNOWN[0]).encode()
        length = b"" if b"Content-Length" in lines else b"Content-Length: %d\r\n" % len(body)
        self._talk(f"{verb} {path} HTTP/1.1\r\n".encode() + host + length + lines + b"\r\n" + body)

    def _paths(self) -> None:
        choose = self._random.choice
        line = f"{choose(VERBS)} {choose(PATHS)} HTTP/{choose(['1.1', '1.0', '2.0', '0.9'])}"
        self._talk(line.encode("latin-1") + b"\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")

    def _bodies(self) -> None:
        body = bytearray(self._random.choice([*BODIES, json.dumps(self._random.choice(KNOWN)).encode()]))
        for _ in range(self._random.choice([0, 0, 1, 3])):
            if body:
                body[self._random.randrange(len(body))] = self._random.randrange(256)
        head = f"POST {self._random.choice(PATHS[:7])} HTTP/1.1\r\nHost: localhost\r\n".encode()
        length = len(body) + self._random.choice([0, 0, 0, -1, 1, 50])
        self._talk(head + b"Content-Length: %d\r\n\r\n" % max(length, 0) + bytes(body))

    def _partial(self) -> None:
        data = self._known(self._random.randrange(len(KNOWN)))
        self._talk(data[: self._random.randrange(len(data))], seconds=0.05)

    def _deserter(self) -> None:
        """Asks for something long and leaves, in one way or the other."""
        body = json.dumps({"query": CANARY, "documents": [f"{n} words" * 30 for n in range(40)]}).encode()
        head = b"POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        with self._connect() as client:
            client.sendall(head + body)
            if self._random.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _noise(self) -> None:
        self._talk(self._random.randbytes(self._random.randrange(1, 400)), seconds=0.05)

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=30)

    def _talk(
        self, data: bytes, *, expect: int = 1, half_close: bool | None = None, seconds: float = 0.3
    ) -> list[tuple[int, bytes]]:
        """(status, body) of what came back, counted. Ends when so many answers are there, or nothing more comes."""
        found = b""
        with self._connect() as client:
            try:
                for part in self._pieces(data):
                    client.sendall(part)
                if half_close or (half_close is None and self._random.random() < 0.4):
                    client.shutdown(socket.SHUT_WR)
                client.settimeout(seconds)
                while len(answers(found)) < expect and (got := client.recv(65536)):
                    found += got
            except TimeoutError:
                if half_close is not None:
                    self._outcome.wrong.append("no answer in time")
            except (ConnectionResetError, BrokenPipeError):
                pass
            if self._random.random() < 0.2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        complete = answers(found)
        self._outcome.statuses.update(status for status, _ in complete)
        self._outcome.wrong += [
            f"{status} for {data[:300]!r}"
            for status, _ in complete
            if status >= 500 and status not in self.stated
        ]
        return complete

    def _pieces(self, data: bytes) -> list[bytes]:
        if len(data) < 2 or self._random.random() < 0.6:
            return [data]
        middle = self._random.randrange(1, len(data))
        return [data[:middle], data[middle:]]


def answers(data: bytes) -> list[tuple[int, bytes]]:
    """The responses at the beginning of what came that are complete, but for interim ones."""
    found = []
    while match := _HEAD.match(data):
        head, status = match[0], int(match[1])
        length = _LENGTH.search(head)
        size = int(length[1]) if length and status != 304 else 0
        end = match.end() + size
        if len(data) < end:
            break
        if status >= 200:
            found.append((status, data[match.end() : end]))
        data = data[end:]
    return found


def main() -> None:
    """Sends requests to a server from a few threads, prints what came back and what the server is left with."""
    number, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*SERVE, "--port", "0"], stderr=log)
        try:
            _attack(process, log, number, seed)
        finally:
            process.kill()


def _attack(process: "subprocess.Popen[bytes]", log: IO[str], number: int, seed: int) -> None:
    url = _url(log)
    with httpx.Client(base_url=url, timeout=60) as client:
        while client.get("/ready").status_code != 200:
            time.sleep(0.2)
        wanted = [scores(client.post("/v1/rerank", json=body).content) for body in KNOWN]
    time.sleep(1)
    files = Path(f"/proc/{process.pid}/fd")
    before, begun = len(list(files.iterdir())), time.monotonic()
    outcome = attack(int(url.rsplit(":", 1)[1]), wanted, seed, THREADS, number // THREADS)
    seconds = time.monotonic() - begun
    time.sleep(15)
    after, health = len(list(files.iterdir())), httpx.get(f"{url}/health").status_code
    process.terminate()
    code = process.wait(60)
    log.seek(0)
    text = log.read()
    print(f"{number} requests in {seconds:.0f} s: {sorted(outcome.statuses.items())}")
    print(f"{outcome.known} known answers; wrong: {len(outcome.wrong)} {outcome.wrong[:5]}")
    print(f"open files {before} before, {after} after; /health {health}; exit code {code}")
    print(f"text in the log: {CANARY in text}; crashes: {text.count(' crash ') + text.count('Exception')}")


def attack(port: int, wanted: list[list[float]], seed: int, threads: int, each: int) -> Outcome:
    """So many requests from each of so many threads."""
    outcome = Outcome()
    runs = [Hostile(port, wanted, 1000 * seed + place, outcome).run for place in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(run, each) for run in runs]:
            done.result()
    return outcome


def _url(log: IO[str]) -> str:
    while True:
        time.sleep(0.2)
        log.seek(0)
        for line in log:
            if "listens on" in line:
                return line.split("listens on ")[1].split(",")[0].strip()


def scores(body: bytes) -> list[float]:
    """Of a known request, in the order of its documents."""
    results = sorted(json.loads(body)["results"], key=lambda each: each["index"])
    return [each["relevance_score"] for each in results]


if __name__ == "__main__":
    main()
