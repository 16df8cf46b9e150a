"""gzip: requests that come packed, bombs among them, and answers that leave so."""

import gzip
import json
import random
import zlib

import pytest
from serving import Server, SlowScorer, serving

from yesrank.errors import InputError
from yesrank.serve.http.packing import Unpacker, pack, wants_gzip
from yesrank.serve.settings import Settings

MANY = {"query": "q", "documents": [f"document {number}" for number in range(400)], "return_documents": True}
GZIP = {"Content-Encoding": "gzip"}


def unpacked(data: bytes, step: int) -> bytes:
    unpacker = Unpacker()
    found = b"".join(
        piece for at in range(0, len(data), step) for piece in unpacker.pieces(data[at : at + step])
    )
    unpacker.end()
    return found


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 22])
@pytest.mark.parametrize("size", [0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_what_was_packed_comes_out(size: int, step: int) -> None:
    text = random.Random(size).randbytes(min(size, 5000)) + b"a" * max(0, size - 5000)
    assert unpacked(gzip.compress(text), step) == text
    assert unpacked(gzip.compress(text[:10]) + gzip.compress(text[10:]), step) == text


def test_pieces_are_bounded() -> None:
    sizes = [len(piece) for piece in Unpacker().pieces(gzip.compress(bytes(10 << 20)))]
    assert max(sizes) == 1 << 20 and sum(sizes) == 10 << 20


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"query": "q"}', "not gzip"),
        (zlib.compress(b"abc"), "not gzip"),
        (gzip.compress(b"abc")[:-1], "cut short"),
        (gzip.compress(b"abc")[:-4] + b"\0\0\0\0", "not gzip"),
        (gzip.compress(b"abc") + b"more", "not gzip"),
        (b"", "cut short"),
        (gzip.compress(b"") * 17, "more than 16"),
    ],
)
def test_what_is_no_gzip_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        unpacked(data, 1000)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("gzip, deflate, br", True),
        ("x-gzip", True),
        ("*", True),
        ("br;q=1.0, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=much", False),
        ("identity", False),
        ("", False),
    ],
)
def test_who_wants_gzip(accept: str, wanted: bool) -> None:
    assert wants_gzip(accept) is wanted


def test_a_packed_body_means_the_same(server: Server) -> None:
    plain = server.rerank(MANY).json()["results"]
    for name in ("gzip", "x-gzip", "GZIP"):
        answer = server.client.post(
            "/v1/rerank", content=gzip.compress(json.dumps(MANY).encode()), headers={"Content-Encoding": name}
        )
        assert answer.json()["results"] == plain
    other = server.client.post("/v1/rerank", content=b"x", headers={"Content-Encoding": "br"})
    assert other.status_code == 415 and "gzip" in other.json()["message"]
    broken = server.client.post("/v1/rerank", json=MANY, headers=GZIP)
    assert (broken.status_code, broken.json()["field"]) == (400, "body")


def test_bombs_are_given_up_at_the_limit() -> None:
    with serving(Settings(max_body_bytes=1 << 20), scorer=SlowScorer()) as server:
        server.wait_ready()
        bomb = gzip.compress(bytes(256 << 20))
        assert len(bomb) < 1 << 20
        assert server.client.post("/v1/rerank", content=bomb, headers=GZIP).status_code == 413
        # what arrives is limited, too: this unpacks to nothing
        empty = zlib.compressobj(wbits=31)
        nothing = empty.compress(b"") + empty.flush(zlib.Z_FULL_FLUSH) * (1 << 19)
        assert server.client.post("/v1/rerank", content=nothing, headers=GZIP).status_code == 413
        whole = gzip.compress(json.dumps(MANY).encode())
        assert server.client.post("/v1/rerank", content=whole, headers=GZIP).status_code == 200
        assert server.app.state.service._admission.bytes == 0


def test_large_answers_leave_packed_for_those_who_ask(server: Server) -> None:
    asked = server.rerank(MANY, headers={"Accept-Encoding": "gzip"})
    plain = server.rerank(MANY, headers={"Accept-Encoding": "identity"})
    assert asked.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert asked.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert int(asked.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert asked.json()["results"] == plain.json()["results"]
    small = server.rerank({"query": "q", "documents": ["a"]}, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers


def test_the_same_answer_is_packed_alike() -> None:
    assert pack(b"a" * 5000) == pack(b"a" * 5000)
