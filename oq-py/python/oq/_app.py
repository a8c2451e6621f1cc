"""The application: a store, its tasks, and what goes with its workers."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from . import _many
from ._bridge import answer, wait
from ._handle import Batch, Handle
from ._options import Duration, Options, Priority, Retry, to_seconds
from ._oq import Client, Event
from ._task import Call, Task
from .errors import Invalid, Unusable

if TYPE_CHECKING:
    from ._worker import WorkerOptions

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Start = TypeVar("Start", bound=Callable[[], Any])
OnEvent = TypeVar("OnEvent", bound=Callable[[Event], Any])

Queues = str | Iterable[str] | Mapping[str, int] | None
"""``"mail:3,default:1"``, names, or names with weights; ``None`` is all that tasks name."""


class Decorator(Protocol):
    """Makes a task of a function, async or plain."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, T]]
    ) -> Task[P, Coroutine[Any, Any, T], T]: ...
    @overload
    def __call__(self, function: Callable[P, T]) -> Task[P, T, T]: ...


class App:
    """A store and the tasks that are kept in it. Threads may share it.

    ``url`` is ``s3://bucket/prefix``, ``sqlite:path`` or ``memory:``; ``OQ_URL`` unless given. The
    store is opened by the first request.
    """

    def __init__(self, url: str | None = None, *, queue: str = "default") -> None:
        self._url = url
        self.queue: str = queue
        """The queue of tasks that name none."""
        self.tasks: dict[str, Task[..., Any, Any]] = {}
        """The tasks by their names."""
        self._opened: tuple[int, Client] | None = None
        self._starts: list[Callable[[], Any]] = []
        self._stops: list[Callable[[], Any]] = []
        self._hooks: dict[str, list[Callable[[Event], Any]]] = {}

    def __repr__(self) -> str:
        return f"<oq.App with {len(self.tasks)} tasks>"

    @property
    def _client(self) -> Client:
        process = os.getpid()
        if self._opened is None:
            self._opened = (process, Client(self._where()))
        elif self._opened[0] != process:
            url = self._where()
            if not url.startswith("s3:"):
                kind = url.partition(":")[0]
                raise Unusable(
                    f"this process was forked after its store was opened, and {kind}: does not "
                    "cross a fork: make the first request after the fork, or start processes by spawn"
                )
            self._opened = (process, Client(url))
        return self._opened[1]

    def _where(self) -> str:
        url = self._url or os.environ.get("OQ_URL")
        if not url:
            raise Unusable("no store was named: write oq.App(url) or set OQ_URL")
        return url

    # Tasks

    def task(
        self,
        *,
        name: str | None = None,
        process: bool = False,
        queue: str | None = None,
        priority: Priority | None = None,
        timeout: Duration | None = None,
        lease: Duration | None = None,
        retry: Retry | None = None,
        expires_in: Duration | None = None,
        retention: Duration | None = None,
        max_snoozes: int | None = None,
    ) -> Decorator:
        """Makes a task of a function; its name is the function's unless said.

        Async functions run on the worker's event loop, plain ones in a thread, and with
        ``process=True`` in a process of their own, which may be killed.
        """
        options = Options(
            queue=queue,
            priority=priority,
            timeout=timeout,
            lease=lease,
            retry=retry,
            expires_in=expires_in,
            retention=retention,
            max_snoozes=max_snoozes,
        )

        def decorate(function: Callable[..., Any]) -> Task[..., Any, Any]:
            task: Task[..., Any, Any] = Task(
                self, function, name or function.__name__, options, process
            )
            if task.name in self.tasks:
                raise Invalid(f"task {task.name}: there are two of this name; give one a name=")
            self.tasks[task.name] = task
            return task

        return cast(Decorator, decorate)

    def handle(self, id: str, queue: str | None = None) -> Handle[Any]:
        """The handle of a task whose id is known."""
        return Handle(self, queue or self.queue, id)

    async def enqueue_many(self, calls: Iterable[Call[T]] | AsyncIterable[Call[T]]) -> Batch[T]:
        """Submits many tasks, packed: a few objects instead of one for each.

        The iterable is read as the store takes the tasks. When the store fails the rest is not
        read; the error's ``batch`` says which tasks were accepted.
        """
        return await _many.enqueue(self, calls)

    def enqueue_many_sync(self, calls: Iterable[Call[T]]) -> Batch[T]:
        return _many.enqueue_sync(self, calls)

    async def flush(self) -> None:
        """Waits until workers were told of what was enqueued; call it before a program ends."""
        if self._opened is not None:
            await answer(self._client.flush())

    def flush_sync(self) -> None:
        if self._opened is not None:
            wait(self._client.flush())

    # Workers

    def on_start(self, function: Start) -> Start:
        """Called when a worker starts. What it returns or yields is there for tasks that ask for
        it by annotation, see ``oq.resource``; what comes after a ``yield`` runs at the end."""
        self._starts.append(function)
        return function

    def on_stop(self, function: Start) -> Start:
        """Called when a worker ends."""
        self._stops.append(function)
        return function

    def on_success(self, function: OnEvent) -> OnEvent:
        """Told of every task that completed here, once that is recorded."""
        return self._on("completed", function)

    def on_failure(self, function: OnEvent) -> OnEvent:
        """Told of every task that failed for good here, once that is recorded."""
        return self._on("failed", function)

    def on_retry(self, function: OnEvent) -> OnEvent:
        """Told of every attempt that failed and is made again."""
        return self._on("retried", function)

    def _on(self, what: str, function: OnEvent) -> OnEvent:
        self._hooks.setdefault(what, []).append(function)
        return function

    def run(
        self,
        queues: Queues = None,
        *,
        concurrency: int = 32,
        grace: Duration = "30s",
        cancel_grace: Duration = "10s",
        poll: Duration = "2s",
    ) -> None:
        """Works until SIGTERM or Ctrl-C; then lets what runs end, for ``grace`` at most."""
        from ._worker import run

        run(
            self.run_async(
                queues, concurrency=concurrency, grace=grace, cancel_grace=cancel_grace, poll=poll
            )
        )

    async def run_async(
        self,
        queues: Queues = None,
        *,
        concurrency: int = 32,
        grace: Duration = "30s",
        cancel_grace: Duration = "10s",
        poll: Duration = "2s",
    ) -> None:
        """The same on the running loop, until it is cancelled. It sets no signal handlers."""
        from ._worker import serve, until_cancelled

        options = self._worker_options(
            queues,
            concurrency=concurrency,
            grace=to_seconds(grace),
            cancel_grace=to_seconds(cancel_grace),
            poll=to_seconds(poll),
        )
        await serve(self, options, until_cancelled)

    async def drain(
        self, queues: Queues = None, *, concurrency: int = 32, within: Duration | None = None
    ) -> Mapping[str, Any]:
        """Runs what is due and returns what it did; for cron, and functions that start for a while.

        ``within`` says by when it must be over, 15 s at least.
        """
        from ._worker import serve

        limit = None if within is None else to_seconds(within)
        options = self._worker_options(queues, concurrency=concurrency)
        text = await serve(self, options, lambda worker: answer(worker.drain(limit)))
        drained: Mapping[str, Any] = json.loads(text)
        return drained

    def drain_sync(
        self, queues: Queues = None, *, concurrency: int = 32, within: Duration | None = None
    ) -> Mapping[str, Any]:
        import asyncio

        return asyncio.run(self.drain(queues, concurrency=concurrency, within=within))

    def _worker_options(self, queues: Queues, **settings: Any) -> WorkerOptions:
        from ._worker import WorkerOptions, read_queues

        return WorkerOptions(
            read_queues(queues, self), sorted(self.tasks), bool(self._hooks), **settings
        )
