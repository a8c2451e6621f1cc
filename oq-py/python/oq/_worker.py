"""A worker's side of Python: attempts come in whatever number there are, each gets one answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    TypeVar,
)

from . import _answer
from ._bridge import answer
from ._context import Context, running
from ._forks import Steps, end
from ._oq import first_line
from ._options import queue_name, text, whole
from ._process import Processes
from ._resources import Resources
from ._threads import Line, Threads, hold
from .errors import Invalid

if TYPE_CHECKING:
    from ._app import App, Queues
    from ._oq import Event, Job, Request, Worker
    from ._task import Task

T = TypeVar("T")

log = logging.getLogger("oq")

_BLOCKED = 1.0
"""From so many seconds on, a loop that did not listen is reported."""

_TURNS = 10
"""So many turns of the loop later a worker knows that it was cancelled together with an attempt."""


@dataclass(frozen=True)
class WorkerOptions:
    """As the private module reads them."""

    queues: list[tuple[str, int]]
    tasks: list[str]
    events: list[str]
    concurrency: int
    grace: float = 30.0
    cancel_grace: float = 10.0
    poll: float = 2.0
    fleet: bool = True


class Attempts:
    """The attempts of one worker that run now."""

    def __init__(self, app: App, resources: Resources, logs: bool) -> None:
        self._app = app
        self._logs = logs
        self._loop = asyncio.get_running_loop()
        self._resources = {
            task.name: {
                name: resources.find(task.name, name, kind)
                for name, kind in task._schema.resources.items()
            }
            for task in app.tasks.values()
        }
        self._on_loop: dict[int, tuple[Job, asyncio.Task[None]]] = {}
        self._asked: set[int] = set()
        """The attempts that the core wants to end."""
        self._left = False
        self._threads = Threads()
        self._processes = Processes()
        self._hooks: dict[asyncio.Task[None], str] = {}
        self._told: set[str] = set()
        """The hooks that ended since the letters were read last."""
        self._line = Line(self._threads)

    def read(self, worker: Worker) -> None:
        """Starts, cancels and stops what there is to; everything that came since the last time."""
        letters = worker.letters()
        if letters.waited > _BLOCKED:
            self._report_block(letters.waited, letters.meanwhile)
        self._told.clear()
        for job in letters.jobs:
            task = self._app.tasks[job.task]
            if task.is_async:
                attempt = self._loop.create_task(Steps(self._run(task, job), task.name))
                self._on_loop[job.number] = job, attempt
            elif task.process:
                self._threads.submit(self._processes.attempt(task, job))
            else:
                self._threads.submit(_InThread(task, job, self._resources[task.name]))
        for number in letters.cancel:
            self._processes.kill(number, cancelled=True)
            self._asked.add(number)
            self._cancel(number)
        for number in letters.stop:
            self._processes.kill(number, cancelled=False)
            self._asked.add(number)
            self._cancel(number)
        for event in letters.events:
            self._tell(event)
        for line in letters.logs:
            log.log(line.level, "%s", line.text)

    async def _run(self, task: Task[..., Any, Any], job: Job) -> None:
        running.set(Context(job))
        try:
            try:
                args, kwargs = task._schema.decode(job.input)
            except Invalid as e:
                _answer.unread(job, e)
                return
            result = await task.function(*args, **kwargs, **self._resources[task.name])
        except asyncio.CancelledError as e:
            if job.number in self._asked:
                job.cancel()
            elif not await self._leaves():  # the handler's own
                _answer.raised(task, job, e)
        except BaseException as e:  # sys.exit() ends the task, not the worker
            if self._answers(job):
                _answer.raised(task, job, e)
        else:
            if self._answers(job):
                _answer.returned(task, job, result)
        finally:
            self._on_loop.pop(job.number, None)
            self._asked.discard(job.number)

    def _answers(self, job: Job) -> bool:
        return not self._left or job.number in self._asked

    async def _leaves(self) -> bool:
        """Whether it was cancelled because the worker leaves it. ``asyncio.run()`` cancels all that is
        on its loop when it ends, and the worker may learn of it after its attempts."""
        for _ in range(_TURNS):
            if self._left:
                break
            await asyncio.sleep(0)
        return self._left

    def _cancel(self, number: int) -> None:
        """Cancels an attempt on the loop, also one that has not begun, which then never does."""
        there = self._on_loop.get(number)
        if there is None:
            self._asked.discard(number)
            return
        job, attempt = there

        def gone(_: asyncio.Task[None]) -> None:
            job.cancel()  # only the first answer counts
            self._on_loop.pop(number, None)
            self._asked.discard(number)

        attempt.add_done_callback(gone)
        attempt.cancel()

    def _report_block(self, waited: float, names: Sequence[str]) -> None:
        here = [name for name in names if not self._app.tasks[name].process]
        here += [f"the hook {name}" for name in sorted(self._told.union(self._hooks.values()))]
        log.warning(
            "the event loop did not run for %.1f s, and no task could start; what ran was %s: "
            "a handler that waits or computes without await belongs into a plain function, "
            "and one that holds the GIL into a process",
            waited,
            ", ".join(here) or "no task",
        )

    def _tell(self, event: Event) -> None:
        if self._logs and event.what in FAILURES:
            _log_failure(event)
        for hook in self._app._hooks.get(event.what, ()):
            name = getattr(hook, "__name__", repr(hook))
            told = self._loop.create_task(_Hook(hook, name, event)(self._line))
            self._hooks[told] = name
            told.add_done_callback(lambda told: self._told.add(self._hooks.pop(told)))

    async def told(self, limit: float) -> None:
        """Waits until hooks have come to their end."""
        if self._hooks:
            await asyncio.wait(self._hooks, timeout=max(0, limit))

    async def settled(self, limit: float) -> list[str]:
        """Waits until attempts on the loop have ended that were stopped; the tasks of others."""
        if self._on_loop:
            await asyncio.wait([a for _, a in self._on_loop.values()], timeout=limit)
        return sorted({job.task for job, _ in self._on_loop.values()})

    async def end(self) -> None:
        """Nothing comes any more: what still runs is stopped, and is left without an answer unless the
        core wanted its end. Then it is as if the worker had died: leases run out."""
        self._left = True
        left = [job for job, _ in self._on_loop.values() if job.number not in self._asked]
        if left:
            self._threads.submit(lambda: hold(left))
        stopped = [attempt for _, attempt in self._on_loop.values()]
        for attempt in stopped:
            attempt.cancel()
        await asyncio.gather(*stopped, *self._hooks, return_exceptions=True)
        self._threads.stop()
        self._processes.stop()


class _InThread:
    """An attempt of a plain function."""

    __slots__ = ("_task", "_job", "_resources", "_process")

    def __init__(self, task: Task[..., Any, Any], job: Job, resources: Mapping[str, Any]) -> None:
        self._task, self._job, self._resources = task, job, resources
        self._process = os.getpid()

    def __call__(self) -> None:
        try:
            self._attempt()
        finally:
            if os.getpid() != self._process:
                end(self._task.name)

    def _attempt(self) -> None:
        task, job = self._task, self._job
        token = running.set(Context(job))
        try:
            try:
                args, kwargs = task._schema.decode(job.input)
            except Invalid as e:
                _answer.unread(job, e)
                return
            result = task.function(*args, **kwargs, **self._resources)
        except BaseException as e:  # sys.exit() ends the task, not the thread
            _answer.raised(task, job, e)
        else:
            _answer.returned(task, job, result)
        finally:
            running.reset(token)


FAILURES = ("failed", "retried")
"""The events of failed attempts, which are logged."""


def _log_failure(event: Event) -> None:
    """A failed attempt, which is tried again, or the end of a task that failed."""
    final = event.what == "failed"
    message = event.message or ""
    log.log(
        logging.ERROR if final else logging.WARNING,
        "%s %s failed %s %d: %s: %s",
        event.task,
        event.id,
        "for good at attempt" if final else "and is tried again after attempt",
        event.attempt,
        event.kind,
        message if final else first_line(message),
        extra={"oq_task": event.task, "oq_id": event.id, "oq_attempt": event.attempt},
    )


class _Hook:
    """One hook that is told of one event. A plain one runs in a thread, after those before it."""

    def __init__(self, hook: Callable[[Event], Any], name: str, event: Event) -> None:
        self._hook, self._name, self._event = hook, name, event
        self._process = os.getpid()

    async def __call__(self, line: Line) -> None:
        try:
            if inspect.iscoroutinefunction(self._hook):
                said = self._hook(self._event)
            else:
                said = await self._in_thread(line)
            if inspect.isawaitable(said):
                await said
        except asyncio.CancelledError:
            raise
        except BaseException:  # sys.exit() ends the hook, not the worker
            log.exception("the hook %s failed for %s", self._name, self._event.id)

    async def _in_thread(self, line: Line) -> Any:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

        def work() -> None:
            said: Any = None
            failed: BaseException | None = None
            try:
                said = self._hook(self._event)
            except BaseException as e:
                failed = e
            if os.getpid() != self._process:
                end(f"the hook {self._name}")
            with suppress(RuntimeError):  # the loop is gone
                loop.call_soon_threadsafe(_settle, done, (said, failed))

        line.submit(work)
        said, failed = await done
        if failed is not None:
            raise failed
        return said


def _settle(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


async def serve(app: App, options: WorkerOptions, use: Callable[[Worker], Awaitable[T]]) -> T:
    """What ``use`` makes of a worker whose attempts run on this loop."""
    async with opened(app, options) as (worker, _):
        return await use(worker)


@asynccontextmanager
async def opened(
    app: App, options: WorkerOptions, *, logs: bool = True
) -> AsyncGenerator[tuple[Worker, Attempts], None]:
    """A worker whose attempts run on this loop, and those attempts.

    ``logs`` says whether their failures are logged here: those of a function are by the core.
    """
    resources = Resources()
    try:
        for start in app._starts:
            await resources.start(start)
        attempts = Attempts(app, resources, logs)
        worker = app._client.worker(options)
        loop = asyncio.get_running_loop()
        loop.add_reader(worker.fileno(), attempts.read, worker)
        try:
            yield worker, attempts
        finally:
            loop.remove_reader(worker.fileno())
            attempts.read(worker)  # the last events
            await attempts.end()
    finally:
        try:
            for stop in app._stops:
                said = stop()
                if inspect.isawaitable(said):
                    await said
        finally:
            await resources.stop()


async def to_its_end(
    worker: Worker, request: Request[T]
) -> tuple[T, asyncio.CancelledError | None]:
    """What the worker's work came to, and the cancellation that ended it early, if one did.

    Cancelled once, the worker lets its tasks end; cancelled twice, they are left.
    """
    work = asyncio.ensure_future(answer(request))
    try:
        return await asyncio.shield(work), None
    except asyncio.CancelledError as e:
        worker.stop()
        return await work, e


async def unless_cancelled(worker: Worker, request: Request[T]) -> T:
    """The same; what the work came to is lost if it is cancelled."""
    done, cancelled = await to_its_end(worker, request)
    if cancelled is not None:
        raise cancelled
    return done


def read_queues(queues: Queues, app: App) -> list[tuple[str, int]]:
    """Names and weights."""
    if not app.tasks:
        raise Invalid("worker: the app has no tasks; import the modules that define them first")
    if queues is None:
        return [(name, 1) for name in sorted({task.queue for task in app.tasks.values()})]
    weighted = _weighted(queues)
    if not weighted:
        raise Invalid("queues: expected one at least, got none; None is all that tasks name")
    return weighted


def _weighted(queues: Any) -> list[tuple[str, int]]:
    if isinstance(queues, Mapping):
        return [
            (queue_name(name, "queues"), whole(weight, f"queues: {name}"))
            for name, weight in queues.items()
        ]
    if not isinstance(queues, Iterable):
        raise Invalid(f"queues: expected names or a dict of weights, got {queues!r}")
    weighted = []
    for name in queues.split(",") if isinstance(queues, str) else queues:
        queue, colon, weight = text(name, "queues").strip().partition(":")
        if colon and not weight.isdecimal():
            raise Invalid(f"queues: {name!r}: write NAME or NAME:WEIGHT")
        turns = whole(int(weight), f"queues: {queue}") if colon else 1
        weighted.append((queue_name(queue, "queues"), turns))
    return weighted


def run(work: Coroutine[Any, Any, T]) -> T | None:
    """Runs it on a loop of its own, on uvloop if that is there; SIGTERM and Ctrl-C cancel it, and
    then there may be no result."""
    runs: Callable[[Coroutine[Any, Any, T | None]], T | None]
    try:
        from uvloop import run as runs  # type: ignore[import-not-found, no-redef, unused-ignore]
    except ImportError:
        runs = asyncio.run
    # Not inside of the handler: all that fails in the loop would be told as failed because of it.
    return runs(_until_signal(work))


async def _until_signal(work: Coroutine[Any, Any, T]) -> T | None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    told: signal.Signals | None = None

    def tell(number: signal.Signals) -> None:
        nonlocal told
        told = number
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell, number)
    try:
        return await task
    except asyncio.CancelledError:
        if told is None:
            raise
        return None
