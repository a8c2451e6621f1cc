"""Apps on each kind of store, and workers of theirs in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import oq
import pytest
from oq._dev import served

_names = itertools.count()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A bucket of `oq dev`, over HTTP. The server ends when its stdin is closed, by whatever."""
    with served("memory:") as dev, pytest.MonkeyPatch.context() as patch:
        assert dev is not None
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            patch.setenv(name, dev.env[name])
        yield dev.env["OQ_URL"]


@pytest.fixture(params=["memory", "sqlite", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        bucket, _, query = request.getfixturevalue("s3").partition("?")
        return f"{bucket}/test-{next(_names)}?{query}"
    if request.param == "memory":
        return f"memory:test-{next(_names)}"
    return f"sqlite:{tmp_path}/oq.db"


@pytest.fixture
def app(url: str) -> oq.App:
    return oq.App(url)


@pytest.fixture
def memory_app() -> oq.App:
    return oq.App(f"memory:test-{next(_names)}")


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """Presses it. A shell that starts the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def functions() -> Iterator[list[oq.LambdaFunction]]:
    """Closes what a test opened."""
    opened: list[oq.LambdaFunction] = []
    yield opened
    for function in opened:
        function.close()


@contextlib.contextmanager
def worker(app: oq.App, **options: Any) -> Iterator[Callable[[], None]]:
    """A worker in a thread; gives a function that tells it to stop, which the end does as well."""
    options = {"poll": 0.05, "grace": 5, **options}
    started: asyncio.Future[Any] = asyncio.Future(loop=asyncio.new_event_loop())
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

    told = False

    def stop() -> None:
        nonlocal told
        if not told:  # told twice, it would leave its tasks
            told = True
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
