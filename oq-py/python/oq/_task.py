"""Tasks: functions that can be enqueued."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from ._bridge import answer, wait
from ._handle import Handle
from ._options import Duration, Options, Priority, Retry
from ._schema import Schema
from .errors import Invalid, Unusable

if TYPE_CHECKING:
    from ._app import App
    from ._oq import Draft, Request

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Task(Generic[P, R, T]):
    """A function that can be enqueued; calling it calls the function.

    ``R`` is what a call gives (a coroutine, of an async function), ``T`` what the task's result is.
    """

    def __init__(
        self, app: App, function: Callable[P, R], name: str, options: Options, process: bool
    ) -> None:
        _check_function(function, name)
        functools.update_wrapper(self, function)
        self.function: Callable[P, R] = function
        """The function itself."""
        self.name: str = name
        """The name under which it is recorded, and looked up by workers."""
        self.options: Options = options
        """What the decorator said; see the options."""
        self.process: bool = process
        """Whether it runs in a process of its own."""
        self.is_async: bool = inspect.iscoroutinefunction(function)
        """Whether it runs on the event loop."""
        self._app = app
        self._draft = options.draft(name)
        if process:
            self._check_process()
        try:
            _ = self._schema
        except Invalid as e:
            # A name that is defined further down can be read at the first use.
            if not isinstance(e.__cause__, NameError):
                raise

    @functools.cached_property
    def _schema(self) -> Schema:
        schema = Schema(self.function, self.name)
        if self.process and schema.resources:
            raise Invalid(f"{self.name}: a task with process=True takes no resources")
        return schema

    def _check_process(self) -> None:
        if self.is_async:
            raise Invalid(f"{self.name}: process=True is for plain functions")
        if "<locals>" in getattr(self.function, "__qualname__", ""):
            raise Invalid(f"{self.name}: process=True needs a function of a module")

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._schema.resources:
            self._check_resources(args, kwargs)
        return self.function(*args, **kwargs)

    def _check_resources(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Refuses the placeholder, which a call outside of a worker would get."""
        given = inspect.signature(self.function).bind_partial(*args, **kwargs).arguments
        for name in self._schema.resources:
            if name not in given:
                raise Unusable(
                    f"{self.name}: {name} comes from the worker: pass it when you call the function"
                )

    def __repr__(self) -> str:
        return f"<oq.Task {self.name}>"

    @property
    def queue(self) -> str:
        """The queue it goes to unless `using` says another."""
        return self.options.queue or self._app.queue

    async def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """Submits the task. When it returns, the task is accepted and ends in one outcome."""
        return await self.call(*args, **kwargs).enqueue()

    def enqueue_sync(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        return self.call(*args, **kwargs).enqueue_sync()

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """The task with its arguments, for ``app.enqueue_many``."""
        text = self._schema.encode(args, kwargs)
        return Call(self._app, self.name, self.queue, self._draft, text)

    def using(
        self,
        *,
        queue: str | None = None,
        delay: Duration | None = None,
        at: datetime | None = None,
        priority: Priority | None = None,
        timeout: Duration | None = None,
        lease: Duration | None = None,
        retry: Retry | None = None,
        expires_in: Duration | None = None,
        retention: Duration | None = None,
        key: str | None = None,
        key_window: Duration | None = None,
        tags: Mapping[str, str] | None = None,
        trace: str | None = None,
        max_snoozes: int | None = None,
    ) -> Bound[P, T]:
        """The task with other options."""
        said = Options(
            queue=queue,
            delay=delay,
            at=at,
            priority=priority,
            timeout=timeout,
            lease=lease,
            retry=retry,
            expires_in=expires_in,
            retention=retention,
            key=key,
            key_window=key_window,
            tags=tags,
            trace=trace,
            max_snoozes=max_snoozes,
        )
        return Bound(self, said.over(self.options))

    def handle(self, id: str, queue: str | None = None) -> Handle[T]:
        """The handle of a task whose id is known; ``queue`` where it was enqueued to another one."""
        return self._app._handle(id, queue or self.queue)


class Bound(Generic[P, T]):
    """A task with options of its own."""

    def __init__(self, task: Task[P, Any, T], options: Options) -> None:
        self._task = task
        self._queue = options.queue or task.queue
        self._draft = options.draft(task.name)

    async def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """Submits the task with these options."""
        return await self.call(*args, **kwargs).enqueue()

    def enqueue_sync(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        return self.call(*args, **kwargs).enqueue_sync()

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """The task with these options and its arguments, for ``app.enqueue_many``."""
        text = self._task._schema.encode(args, kwargs)
        return Call(self._task._app, self._task.name, self._queue, self._draft, text)


class Call(Generic[T_co]):
    """A task with its arguments, checked and ready to be submitted."""

    __slots__ = ("_app", "_draft", "_text", "task", "queue")

    def __init__(self, app: App, task: str, queue: str, draft: Draft, text: str) -> None:
        self._app = app
        self.task: str = task
        """The task's name."""
        self.queue: str = queue
        """The queue it goes to."""
        self._draft = draft
        self._text = text

    def __repr__(self) -> str:
        return f"<oq.Call of {self.task}>"

    @property
    def input(self) -> str:
        """The arguments, as JSON."""
        return self._text

    async def enqueue(self) -> Handle[T_co]:
        """Submits it."""
        return self._handle(*await answer(self._request()))

    def enqueue_sync(self) -> Handle[T_co]:
        return self._handle(*wait(self._request()))

    def _request(self) -> Request[tuple[str, bool]]:
        return self._app._client.submit(self.queue, self._draft, self._text)

    def _handle(self, id: str, existing: bool) -> Handle[T_co]:
        return Handle(self._app, self.queue, id, existing)


def _check_function(function: Any, name: str) -> None:
    """Refuses what has no name, no result, or needs an object to be called on."""
    why = None
    if isinstance(function, type) or not callable(function):
        why = f"expected a function, got {function!r}"
    elif not hasattr(function, "__qualname__") or isinstance(function, staticmethod | classmethod):
        kind = type(function).__name__
        why = f"expected a function, got a {kind}: write def {name}(…) that calls it"
    elif inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        why = "a generator has no result: return a list, or enqueue a task for each item"
    elif _is_method(function):
        why = "a method needs an object, which no worker has: write a function outside of the class"
    if why is not None:
        raise Invalid(f"{name}: {why}")


def _is_method(function: Callable[..., Any]) -> bool:
    """Whether it stands in a class and takes its object; one that is bound has it."""
    outside = function.__qualname__.rpartition(".")[0]
    if not outside or outside.endswith("<locals>") or inspect.ismethod(function):
        return False
    first = next(iter(inspect.signature(function).parameters), None)
    return first in ("self", "cls")
