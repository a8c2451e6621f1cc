"""Apps on each kind of store, and workers of theirs in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from typing import Any, Callable, Iterator

import oq
import pytest

_names = itertools.count()


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if request.param == "memory":
        return f"memory:test-{next(_names)}"
    return f"sqlite:{tmp_path}/oq.db"


@pytest.fixture
def app(url: str) -> oq.App:
    return oq.App(url)


@pytest.fixture
def memory_app() -> oq.App:
    return oq.App(f"memory:test-{next(_names)}")


@contextlib.contextmanager
def worker(app: oq.App, **options: Any) -> Iterator[Callable[[], None]]:
    """A worker in a thread; gives a function that tells it to stop."""
    options = {"poll": 0.05, "grace": 5, **options}
    started: "asyncio.Future[Any]" = asyncio.Future(loop=asyncio.new_event_loop())
    ready = threading.Event()
    failed: list[BaseException] = []

    async def work() -> None:
        started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        ready.set()
        await app.run_async(**options)

    def run() -> None:
        try:
            asyncio.run(work())
        except asyncio.CancelledError:
            pass
        except BaseException as e:
            failed.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    loop, task = started.result()

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # it ended by itself
            loop.call_soon_threadsafe(task.cancel)

    try:
        yield stop
    finally:
        stop()
        thread.join(60)
        assert not thread.is_alive()
        if failed:
            raise failed[0]
