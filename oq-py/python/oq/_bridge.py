"""The two ways to make a request: awaited on the running loop, or waited for by this thread."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, TypeVar

from ._oq import Bridge, Request, Unusable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")


class _Bridges(threading.local):
    """The bridge of the loop that this thread used last."""

    loop: AbstractEventLoop | None = None
    bridge: Bridge

    def of(self, loop: AbstractEventLoop) -> Bridge:
        if self.loop is not loop:
            self.bridge = Bridge()
            try:
                loop.add_reader(self.bridge.fileno(), self.bridge.deliver)
            except NotImplementedError:
                raise Unusable(
                    f"{type(loop).__name__} cannot watch a socket: use another event loop, "
                    "or the calls that end in _sync from a thread"
                ) from None
            self.loop = loop
        return self.bridge


_bridges = _Bridges()


async def answer(request: Request[T]) -> T:
    """Makes the request; other tasks of the loop go on meanwhile."""
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    request.send(_bridges.of(loop), future)
    try:
        return await future
    except asyncio.CancelledError:
        request.abort()
        raise


def wait(request: Request[T]) -> T:
    """Makes the request; other threads go on meanwhile, and Ctrl-C ends it."""
    refuse_in_loop("a call that ends in _sync", "await the call without _sync")
    return request.wait()


def refuse_in_loop(what: str, instead: str) -> None:
    """Raises where an event loop runs, which ``what`` would block."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        raise Unusable(
            f"{what} would block the event loop that runs in this thread: "
            f"{instead}, or use asyncio.to_thread"
        )
