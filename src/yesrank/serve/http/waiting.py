"""Work that ends with its client: cancelled when the connection closes, or when the request's time is over."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from yesrank.errors import DeadlineExceeded
from yesrank.serve.http.body import ClientGone

T = TypeVar("T")


async def while_wanted(request: Request, work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result of the work. Raises ClientGone or DeadlineExceeded, after the work has been cancelled.

    The body must have been read: what comes after it can only be the end of the connection.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise ClientGone
        raise DeadlineExceeded("the time for this request is over", "send fewer documents at a time")
    finally:
        await _cancel(task, gone)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _cancel(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
