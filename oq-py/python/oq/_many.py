"""Submitting many tasks in portions, while the store takes the ones before."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ._bridge import answer, wait
from ._handle import Batch
from ._task import Call
from .errors import Invalid, OqError

if TYPE_CHECKING:
    from ._app import App
    from ._oq import Draft, Ids, Many, Request

T = TypeVar("T")

_PORTION = 500


class _Submission:
    """Portions of one queue."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.queue = app.queue
        self.portion: list[tuple[Draft, str]] = []
        self._many: Many | None = None

    @property
    def many(self) -> Many:
        if self._many is None:
            self._many = self.app._client.many(self.queue)
        return self._many

    def add(self, call: Call[Any]) -> bool:
        """Whether the portion is full now."""
        if not isinstance(call, Call):
            raise Invalid(
                "enqueue_many: expected calls, as task.call(…) makes them, "
                f"got {type(call).__name__}"
            )
        if call._app is not self.app:
            raise Invalid(
                f"enqueue_many: {call.task} is a task of another app, whose store may be another: "
                "use the enqueue_many of its own"
            )
        if call.queue != self.queue:
            if self._many is not None or self.portion:
                raise Invalid(
                    f"enqueue_many: tasks of one queue at a time, got {self.queue} and {call.queue}"
                )
            self.queue = call.queue
        self.portion.append((call._draft, call._text))
        return len(self.portion) >= _PORTION

    def take(self) -> list[tuple[Draft, str]]:
        portion, self.portion = self.portion, []
        return portion

    def ended(self, ids: Ids) -> Batch[Any]:
        """The batch, if the store took it."""
        batch = self._batch(ids)
        if ids.error is not None:
            self.broken(ids.error, ids)
            raise ids.error
        return batch

    def broken(self, error: BaseException, ids: Ids | None) -> None:
        """Leaves with the error what was accepted before it."""
        setattr(error, "batch", self._batch(ids))
        if ids is not None and hasattr(error, "add_note"):  # from Python 3.11 on
            error.add_note(f"oq: {ids.accepted} tasks were accepted: see .batch of this exception")

    def end(self) -> Request[Ids] | None:
        """What ends it, if anything was begun."""
        return None if self._many is None else self._many.end()

    def _batch(self, ids: Ids | None) -> Batch[Any]:
        return Batch(self.app, self.queue, ids)


def enqueue_sync(app: App, calls: Iterable[Call[T]]) -> Batch[T]:
    submission = _Submission(app)
    try:
        for call in _iterable(calls):
            if submission.add(call) and not wait(submission.many.put(submission.take())):
                break
        wait(submission.many.put(submission.take()))
    except BaseException as e:
        # What the store was given before is accepted: by whom it was interrupted does not matter.
        ids: Ids | None = None
        with contextlib.suppress(OqError):
            if end := submission.end():
                ids = wait(end)
        submission.broken(e, ids)
        raise
    return submission.ended(wait(submission.many.end()))


async def enqueue(app: App, calls: Iterable[Call[T]] | AsyncIterable[Call[T]]) -> Batch[T]:
    submission = _Submission(app)
    try:
        async for call in _stream(calls):
            if submission.add(call) and not await answer(submission.many.put(submission.take())):
                break
        await answer(submission.many.put(submission.take()))
    except BaseException as e:
        ids: Ids | None = None
        with contextlib.suppress(OqError):
            if end := submission.end():
                ids = await answer(end)
        submission.broken(e, ids)
        raise
    return submission.ended(await answer(submission.many.end()))


def _iterable(calls: Any) -> Any:
    if not isinstance(calls, Iterable):
        raise Invalid(
            "enqueue_many: expected a list, a generator or another iterable of calls, "
            f"got {type(calls).__name__}"
        )
    return calls


async def _stream(
    calls: Iterable[Call[T]] | AsyncIterable[Call[T]],
) -> AsyncIterator[Call[T]]:
    if isinstance(calls, AsyncIterable):
        async for call in calls:
            yield call
    else:
        for call in _iterable(calls):
            yield call
