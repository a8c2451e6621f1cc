"""A task that was enqueued, and how it looks when it is asked for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NamedTuple,
    TypeVar,
    cast,
    overload,
)

from . import _oq
from ._bridge import answer, wait
from ._options import Duration, text, to_seconds
from .errors import NotFound, TaskFailed

if TYPE_CHECKING:
    from ._app import App

T_co = TypeVar("T_co", covariant=True)

_OVER = dict(_oq.states())


class Progress(NamedTuple):
    """How far a task says it is."""

    done: int
    """So much is done."""
    total: int
    """So much there is to do."""


@dataclass(frozen=True)
class Failure:
    """What went wrong in an attempt."""

    kind: str
    """The exception's class, or a word of the core such as ``timeout``."""
    message: str
    """Its message, and below it the traceback, cut to 16 KiB."""


@dataclass(frozen=True)
class TaskView:
    """One task, as it looked when it was asked for."""

    id: str
    """The task's id."""
    task: str
    """The task's name."""
    queue: str
    """The queue that it is in."""
    state: str
    """pending, waiting, running, finishing, completed, failed, cancelled or expired."""
    attempts: int
    """How many attempts it was charged with so far."""
    submitted: datetime
    """When it was enqueued, in the store's time."""
    available_at: datetime | None
    """From when on it may run, unless it runs or is over."""
    ended: datetime | None
    """When it ended."""
    progress: Progress | None
    """What its handler said last of how far it is."""
    failure: Failure | None
    """What went wrong in the last attempt that failed."""
    tags: Mapping[str, str]
    """The tags it was given."""
    input: Any
    """As JSON; ``None`` once the task completed."""
    output: Any
    """As JSON."""
    all: Mapping[str, Any]
    """Everything that is known of it."""

    @property
    def is_over(self) -> bool:
        """Whether it ended, however."""
        return _OVER[self.state]

    @staticmethod
    def read(queue: str, text: str) -> TaskView:
        known = json.loads(text)
        progress, failure = known.get("progress"), known.get("failure")
        submitted = _moment(known["submitted"])
        assert submitted is not None
        return TaskView(
            id=known["id"],
            task=known["type"],
            queue=queue,
            state=known["state"],
            attempts=known["attempts"],
            submitted=submitted,
            available_at=_moment(known["available_at"]),
            ended=_moment(known["ended"]),
            progress=Progress(progress["done"], progress["total"]) if progress else None,
            failure=Failure(failure["kind"], failure["message"]) if failure else None,
            tags=known["tags"],
            input=known.get("input"),
            output=known.get("output"),
            all=known,
        )


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, timezone.utc)


class Handle(Generic[T_co]):
    """A task that was enqueued. Cheap; it holds an id, nothing of the task."""

    __slots__ = ("_app", "id", "queue", "existing")

    def __init__(self, app: App, queue: str, id: str, existing: bool = False) -> None:
        self._app = app
        self.id: str = id
        """The task's id, to be kept and given to ``handle`` later."""
        self.queue: str = queue
        """The queue in which it is looked for; an id does not tell its own."""
        self.existing: bool = existing
        """Whether it was there before, under the same key."""

    def __repr__(self) -> str:
        return f"<oq.Handle {self.id} in {self.queue}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and (self.queue, self.id) == (other.queue, other.id)

    def __hash__(self) -> int:
        return hash((self.queue, self.id))

    async def result(self, timeout: Duration | None = None) -> T_co:
        """What the task returned, once it is over.

        Raises ``TaskFailed`` when it ended otherwise, ``TimedOut`` when that takes longer.
        """
        return self._result(await self.wait(timeout))

    def result_sync(self, timeout: Duration | None = None) -> T_co:
        return self._result(self.wait_sync(timeout))

    async def wait(self, timeout: Duration | None = None) -> TaskView:
        """The task once it is over, however it ended."""
        with self._in_queue():
            return TaskView.read(self.queue, await answer(self._wait(timeout)))

    def wait_sync(self, timeout: Duration | None = None) -> TaskView:
        with self._in_queue():
            return TaskView.read(self.queue, wait(self._wait(timeout)))

    async def status(self) -> TaskView:
        """The task as it stands now."""
        with self._in_queue():
            return TaskView.read(self.queue, await answer(self._get()))

    def status_sync(self) -> TaskView:
        with self._in_queue():
            return TaskView.read(self.queue, wait(self._get()))

    async def cancel(self, reason: str | None = None) -> str:
        """Asks to cancel it.

        ``cancelled``: it will not run. ``requested``: a worker holds it and will be told. Any other
        word is how it had ended before.
        """
        with self._in_queue():
            return await answer(self._cancel(reason))

    def cancel_sync(self, reason: str | None = None) -> str:
        with self._in_queue():
            return wait(self._cancel(reason))

    @contextlib.contextmanager
    def _in_queue(self) -> Generator[None]:
        """A task that is not found may be in another queue."""
        try:
            yield
        except NotFound as e:
            raise NotFound(
                f"{e}. Only the queue {self.queue} was looked in: "
                "if the task is in another, write handle(id, queue=…)"
            ) from None

    def _wait(self, timeout: Duration | None) -> _oq.Request[str]:
        seconds = _oq.MAX_SPAN if timeout is None else to_seconds(timeout)
        return self._app._client.wait(self.queue, self.id, seconds)

    def _get(self) -> _oq.Request[str]:
        return self._app._client.get(self.queue, self.id)

    def _cancel(self, reason: str | None) -> _oq.Request[str]:
        if reason is not None:
            text(reason, "reason")
        return self._app._client.cancel(self.queue, self.id, reason)

    def _result(self, view: TaskView) -> T_co:
        if view.state != "completed":
            raise TaskFailed(view)
        task = self._app.tasks.get(view.task)
        result = view.output if task is None else task._schema.decode_result(view.output)
        return cast(T_co, result)


class Batch(Sequence[Handle[T_co]]):
    """The tasks of one ``enqueue_many``, in the order in which they were given; a sequence of handles."""

    def __init__(self, app: App, queue: str, ids: _oq.Ids | None) -> None:
        self._app, self._queue, self._ids = app, queue, ids

    def __repr__(self) -> str:
        return (
            f"<oq.Batch of {len(self)} tasks in {self._queue}: "
            f"{self.accepted} accepted, {self.existing} existing>"
        )

    @property
    def accepted(self) -> int:
        """How many were accepted; those that were there already under their key are not counted."""
        return self._ids.accepted if self._ids else 0

    @property
    def existing(self) -> int:
        """How many were there already, under their key."""
        return self._ids.existing if self._ids else 0

    def __len__(self) -> int:
        return len(self._ids) if self._ids else 0

    @overload
    def __getitem__(self, place: int) -> Handle[T_co]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Handle[T_co]]: ...

    def __getitem__(self, place: int | slice) -> Handle[T_co] | Sequence[Handle[T_co]]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        at = place + len(self) if place < 0 else place
        if self._ids is None or not 0 <= at < len(self):
            raise IndexError(place)
        id = self._ids.at(at)
        if id is None:
            raise LookupError(f"task {place} was not accepted")
        return Handle(self._app, self._queue, id)
