"""The application: a store, its tasks, and what goes with its workers."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

from . import _many
from ._bridge import answer, refuse_in_loop, wait
from ._handle import Batch, Handle
from ._options import (
    CONCURRENCY,
    Duration,
    Options,
    Priority,
    Retry,
    queue_name,
    text,
    to_seconds,
    whole,
)
from ._oq import Client, Event, named_queue
from ._task import Call, Task
from .errors import Invalid, Unusable

if TYPE_CHECKING:
    from ._oq import Request, Worker
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
    store is opened by the first request. ``queue`` is that of tasks that name none: what ``OQ_QUEUE``
    names when the app is made, or ``default``, unless given.
    """

    def __init__(self, url: str | None = None, *, queue: str | None = None) -> None:
        self._url = url if url is None else text(url, "url")
        self.queue: str = (named_queue() or "default") if queue is None else queue_name(queue)
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

    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, T]], /
    ) -> Task[P, Coroutine[Any, Any, T], T]: ...
    @overload
    def task(self, function: Callable[P, T], /) -> Task[P, T, T]: ...
    @overload
    def task(
        self,
        /,
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
    ) -> Decorator: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
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
    ) -> Any:
        """Makes a task of a function; its name is the function's unless said.

        Async functions run on the worker's event loop, plain ones in a thread, and with
        ``process=True`` in a process of their own, which may be killed. Without options,
        ``@app.task`` is enough.
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
        if not isinstance(process, bool):
            raise Invalid(f"process: expected True or False, got {process!r}")

        def decorate(function: Callable[..., Any]) -> Task[..., Any, Any]:
            own = name if name is not None else getattr(function, "__name__", "task")
            task: Task[..., Any, Any] = Task(self, function, own, options, process)
            if task.name in self.tasks:
                raise Invalid(f"task {task.name}: there are two of this name; give one a name=")
            self.tasks[task.name] = task
            return task

        return decorate if function is None else decorate(function)

    def handle(self, id: str, queue: str | None = None) -> Handle[Any]:
        """The handle of a task whose id is known, in the queue that it was enqueued to.

        An id does not tell its queue: without ``queue`` it is the app's. A handle costs no request.
        """
        return self._handle(id, queue or self.queue)

    def _handle(self, id: str, queue: str) -> Handle[Any]:
        return Handle(self, queue_name(queue), text(id, "id"))

    async def enqueue_many(self, calls: Iterable[Call[T]] | AsyncIterable[Call[T]]) -> Batch[T]:
        """Submits many tasks, packed: a few objects instead of one for each.

        The iterable is read as the store takes the tasks. When the store fails the rest is not
        read. Whatever ends it early (the store, the iterable, Ctrl-C, a cancellation), the
        exception's ``batch`` has the tasks that were accepted.
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
        concurrency: int = CONCURRENCY,
        grace: Duration = "30s",
        cancel_grace: Duration = "10s",
        poll: Duration = "2s",
    ) -> None:
        """Works until SIGTERM or Ctrl-C; then lets what runs end, for ``grace`` at most.

        ``cancel_grace`` is how long a task that was cancelled may take to end before it is left. An
        idle worker asks the store for tasks every ``poll``. Only the main thread can be told of
        signals: elsewhere use ``asyncio.run(app.run_async())``.
        """
        from ._worker import run

        refuse_in_loop("app.run()", "await app.run_async()")
        if threading.current_thread() is not threading.main_thread():
            raise Unusable(
                "app.run() is told of signals, which only the main thread can be: "
                "in this thread use asyncio.run(app.run_async())"
            )
        run(
            self.run_async(
                queues, concurrency=concurrency, grace=grace, cancel_grace=cancel_grace, poll=poll
            )
        )

    async def run_async(
        self,
        queues: Queues = None,
        *,
        concurrency: int = CONCURRENCY,
        grace: Duration = "30s",
        cancel_grace: Duration = "10s",
        poll: Duration = "2s",
    ) -> None:
        """The same on the running loop, until it is cancelled. It sets no signal handlers."""
        from ._worker import serve, unless_cancelled

        options = self._worker_options(
            queues,
            concurrency=concurrency,
            grace=to_seconds(grace),
            cancel_grace=to_seconds(cancel_grace),
            poll=to_seconds(poll),
        )
        await serve(self, options, lambda worker: unless_cancelled(worker, worker.run()))

    async def drain(
        self,
        queues: Queues = None,
        *,
        concurrency: int = CONCURRENCY,
        within: Duration | None = None,
        grace: Duration = "30s",
    ) -> Mapping[str, Any]:
        """Runs what is due and returns what it did; for cron, and functions that start for a while.

        ``within`` says by when it must be over, 20 s at least. Cancelled, it lets what runs end for
        ``grace``, gives the rest back, and only then ends.
        """
        from ._worker import unless_cancelled

        done, _ = await self._drain(
            unless_cancelled, queues, concurrency=concurrency, within=within, grace=grace
        )
        drained: Mapping[str, Any] = json.loads(done)
        return drained

    def drain_sync(
        self,
        queues: Queues = None,
        *,
        concurrency: int = CONCURRENCY,
        within: Duration | None = None,
        grace: Duration = "30s",
    ) -> Mapping[str, Any]:
        """The same without a loop. Ctrl-C lets what runs end, for ``grace``; a second one does not."""
        import asyncio

        refuse_in_loop("app.drain_sync()", "await app.drain()")
        return asyncio.run(self.drain(queues, concurrency=concurrency, within=within, grace=grace))

    async def _drain(
        self,
        end: Callable[[Worker, Request[tuple[str, str | None]]], Awaitable[T]],
        queues: Queues,
        *,
        concurrency: int,
        within: Duration | None,
        grace: Duration,
    ) -> T:
        """A drain as JSON and with the code of its error, as ``end`` waits for it."""
        from ._worker import serve

        limit = None if within is None else to_seconds(within, "within")
        options = self._worker_options(queues, concurrency=concurrency, grace=to_seconds(grace))
        return await serve(self, options, lambda worker: end(worker, worker.drain(limit)))

    def _worker_options(
        self, queues: Queues, *, concurrency: int = CONCURRENCY, **settings: Any
    ) -> WorkerOptions:
        from ._worker import FAILURES, WorkerOptions, read_queues

        return WorkerOptions(
            read_queues(queues, self),
            sorted(self.tasks),
            sorted({*FAILURES, *self._hooks}),
            whole(concurrency, "concurrency"),
            **settings,
        )
