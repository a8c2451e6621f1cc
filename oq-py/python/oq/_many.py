"""Submitting many tasks in portions, while the store takes the ones before."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ._bridge import answer, wait
from ._handle import Batch
from .errors import Invalid

if TYPE_CHECKING:
    from ._app import App
    from ._oq import Draft, Ids, Many
    from ._task import Call

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

    def batch(self, ids: Ids) -> Batch[Any]:
        batch: Batch[Any] = Batch(self.app, self.queue, ids)
        if ids.error is not None:
            setattr(ids.error, "batch", batch)
            raise ids.error
        return batch


def enqueue_sync(app: App, calls: Iterable[Call[T]]) -> Batch[T]:
    submission = _Submission(app)
    try:
        for call in calls:
            if submission.add(call) and not wait(submission.many.put(submission.take())):
                break
        wait(submission.many.put(submission.take()))
    finally:
        # Also when the iterable raised: what was taken from it is submitted.
        ids = wait(submission.many.end())
    return submission.batch(ids)


async def enqueue(app: App, calls: Iterable[Call[T]] | AsyncIterable[Call[T]]) -> Batch[T]:
    submission = _Submission(app)
    try:
        async for call in _stream(calls):
            if submission.add(call) and not await answer(submission.many.put(submission.take())):
                break
        await answer(submission.many.put(submission.take()))
    finally:
        ids = await answer(submission.many.end())
    return submission.batch(ids)


async def _stream(
    calls: Iterable[Call[T]] | AsyncIterable[Call[T]],
) -> AsyncIterator[Call[T]]:
    if isinstance(calls, AsyncIterable):
        async for call in calls:
            yield call
    else:
        for call in calls:
            yield call
