"""For the tests of programs that use oq: a store in memory, a clock to move, calls, mocks, crashes.

With pytest, ask for the fixture ``oq_test`` and say in ``conftest.py`` which app it is for:

    @pytest.fixture
    def oq_app() -> oq.App:
        return my_project.app
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from . import _oq
from ._app import App
from ._bridge import answer, refuse_in_loop, wait
from ._context import running
from ._options import Duration, to_seconds
from ._task import Task
from ._worker import serve

T = TypeVar("T")

_EPOCH = 1_767_225_600.0
"""When every test begins, in store time: 2026-01-01."""

_TAKEN_OVER = 36.0
"""After so many seconds what a crashed worker held is taken over: the lease and its margin."""


@dataclass(frozen=True)
class Called:
    """One call of a task by the worker."""

    task: str
    """The task's name."""
    args: tuple[Any, ...]
    """Arguments by place: those that cannot be named, and what goes to ``*args``."""
    kwargs: Mapping[str, Any]
    """Arguments by name, without resources."""
    attempt: int
    """Which attempt it was, from 1."""


@dataclass(frozen=True)
class Survived(Generic[T]):
    """One crash, and everything after it done."""

    write: int
    """The crash came at this write of the worker, from 1."""
    written: bool
    """Whether that write had landed."""
    given: T
    """What the scenario returned."""


class Harness:
    """An app on a store of its own, until ``close``."""

    def __init__(self, app: App) -> None:
        self.app: App = app
        """The app under test."""
        self.calls: list[Called] = []
        """What the worker called so far."""
        self._before = app._opened
        self._tasks = {t.name: (t.function, t.is_async, t.process) for t in app.tasks.values()}
        self._mocks: dict[str, Callable[..., Any]] = {}
        for task in app.tasks.values():
            self._watch(task)
        self._new_store()

    def close(self) -> None:
        """The app is what it was before."""
        self.app._opened = self._before
        for name, (function, is_async, process) in self._tasks.items():
            task = self.app.tasks[name]
            task.function, task.is_async, task.process = function, is_async, process

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self) -> Mapping[str, Any]:
        """Runs everything that is due, and what that enqueued; returns what was done."""
        refuse_in_loop("run()", "await run_async()")
        return asyncio.run(self.run_async())

    async def run_async(self) -> Mapping[str, Any]:
        """The same in an async test."""
        return await self.app.drain()

    def advance(self, by: Duration) -> None:
        """Moves the clock, and runs each task when it becomes due on the way."""
        refuse_in_loop("advance()", "await advance_async()")
        asyncio.run(self.advance_async(by))

    async def advance_async(self, by: Duration) -> None:
        """The same in an async test."""
        end = self._clock.now() + to_seconds(by)
        while True:
            next_due = (await self.run_async())["next"]
            now = self._clock.now()
            due = end if next_due is None else next_due / 1000 - _EPOCH
            # Dates have milliseconds: a step too small would not be one.
            self._clock.advance(max(0.0, min(due - now + 0.002, end - now)))
            if due >= end:
                break
        await self.run_async()

    def mock(
        self,
        task: Task[..., Any, T],
        result: T | None = None,
        *,
        raises: BaseException | None = None,
        calls: Callable[..., T] | None = None,
    ) -> None:
        """The task returns this, raises this, or calls this plain function instead."""

        def mocked(*args: Any, **kwargs: Any) -> Any:
            if raises is not None:
                raise raises
            return result if calls is None else calls(*args, **kwargs)

        self._mocks[task.name] = mocked

    def crash_at_every_write(self, scenario: Callable[[], T]) -> Iterator[Survived[T]]:
        """Plays the scenario on an empty store, again and again.

        Each time the worker that runs what the scenario enqueued dies at another of its writes, and
        another worker goes on. What is asserted then holds whenever a worker crashes.
        """
        refuse_in_loop("crash_at_every_write()", "use it in a test without async")
        write = 1
        while True:
            for written in (False, True):
                self._new_store()
                self.calls.clear()
                given = scenario()
                self.app.flush_sync()
                self._clock.crash_at(write, written)
                asyncio.run(self._run_to_crash())
                if not self._clock.survive():
                    return
                self.advance(_TAKEN_OVER)
                yield Survived(write, written, given)
            write += 1

    async def _run_to_crash(self) -> None:
        """Runs what is due, or up to the crash."""

        async def use(worker: _oq.Worker) -> None:
            drained = asyncio.ensure_future(answer(worker.drain()))
            crashed = asyncio.ensure_future(answer(self._clock.crashed()))
            await asyncio.wait({drained, crashed}, return_when=asyncio.FIRST_COMPLETED)
            for waiting in (drained, crashed):
                waiting.cancel()
            await asyncio.gather(drained, crashed, return_exceptions=True)

        await serve(self.app, self.app._worker_options(None), use)

    def _new_store(self) -> None:
        self._clock = _oq.TestClock()
        self.app._opened = os.getpid(), wait(_oq.Client.for_tests(self._clock))

    def _watch(self, task: Task[..., Any, Any]) -> None:
        """Puts a function in the task's place that takes a note of each call by the worker."""
        function = task.function
        _ = task._schema  # of the function itself
        task.process = False  # a mock does not reach a process

        def note(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
            context = running.get(None)
            if context is not None:
                named = {k: v for k, v in kwargs.items() if k not in task._schema.resources}
                self.calls.append(Called(task.name, args, named, context.attempt))
            return self._mocks.get(task.name, function)

        if task.is_async:

            @functools.wraps(function)
            async def noted_async(*args: Any, **kwargs: Any) -> Any:
                called = note(args, kwargs)(*args, **kwargs)
                return called if task.name in self._mocks else await called

            task.function = noted_async
        else:

            @functools.wraps(function)
            def noted(*args: Any, **kwargs: Any) -> Any:
                return note(args, kwargs)(*args, **kwargs)

            task.function = noted
