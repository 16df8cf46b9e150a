"""A request's body: read within limits of size and time, then decoded. Nothing is kept of a body that is refused."""

import asyncio
import json
import re
from typing import Any

from starlette.requests import ClientDisconnect, Request

from yesrank.errors import InputError, YesrankError
from yesrank.serve.http.admission import Place
from yesrank.serve.http.packing import Unpacker

# a string that never ends counts to the end of the body: so each byte is looked at once
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class Refused(YesrankError):
    """A body that is not read, or not to its end. status: the one to answer with."""

    def __init__(self, status: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class ClientGone(Exception):
    """The client closed the connection: there is nobody to answer."""


async def read(request: Request, place: Place, limit: int, seconds: float) -> bytes:
    """The body, unpacked. place: where its bytes are counted.

    Raises Refused for one that is packed otherwise than by gzip, too large or too slow, InputError for gzip that is
    damaged, QueueFull, ClientGone.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Refused(415, "bodies may be compressed by gzip only", "send it so, or without Content-Encoding")
    unpacker = Unpacker() if encoding.endswith("gzip") else None
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:18]) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _collect(request, place, limit, unpacker)
    except TimeoutError as error:
        raise Refused(408, f"the body did not arrive within {seconds:g} seconds") from error
    except ClientDisconnect as error:
        raise ClientGone from error


async def _collect(request: Request, place: Place, limit: int, unpacker: Unpacker | None) -> bytes:
    """A body may come in chunks, without a length or with a wrong one: what counts is what arrives, unpacked too."""
    parts, size, arrived = [], 0, 0
    async for part in request.stream():
        arrived += len(part)
        for piece in (part,) if unpacker is None else unpacker.pieces(part):
            size += len(piece)
            if max(size, arrived) > limit:
                raise _too_large(limit)
            place.grow(len(piece))
            parts.append(piece)
            await asyncio.sleep(0)  # others are answered while a body is unpacked
        if arrived > limit:  # it may hold nothing
            raise _too_large(limit)
    if unpacker is not None:
        unpacker.end()
    return b"".join(parts)


def decode(body: bytes, values: int) -> Any:
    """The body as JSON. values: how many lists, objects and members it may have. Raises InputError, Refused."""
    _check_structure(body, values)
    if not body.strip():
        raise InputError(
            "body", "is empty", 'send a JSON object such as {"query": "...", "documents": ["..."]}'
        )
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise InputError("body", f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InputError("body", f"is not JSON at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise InputError("body", "is nested too deeply") from None
    except ValueError:
        # Python refuses numbers of more than 4300 digits, and _no_constant its three words
        raise InputError("body", "holds a number that is not of JSON, or too long") from None


def _check_structure(body: bytes, values: int) -> None:
    """Brackets cost a byte each and a hundred in memory, and the decoder cannot be interrupted.

    Counting is quick; only where there are many are those inside of strings left out.
    """
    if _signs(body) <= values:
        return
    # of the quotes at most those behind a backslash are within strings; a member has four: leaving out more takes long
    quotes = body.count(b'"') - body.count(b'\\"')
    if quotes > 4 * values or _signs(_STRINGS.sub(b"", body)) > values:
        raise Refused(
            413, f"the body has more than {values} lists, objects and members", "send less at a time"
        )


def _signs(body: bytes) -> int:
    return body.count(b"[") + body.count(b"{") + body.count(b",")


def _no_constant(word: str) -> None:
    raise ValueError(word)


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the body is larger than {limit} bytes", "send fewer documents at a time")
