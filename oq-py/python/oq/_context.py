"""What a handler knows of its attempt and can say while it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar, overload

from ._json import dumps
from ._options import Duration, to_seconds, whole
from ._oq import MAX_SPAN
from .errors import Invalid, Unusable

T = TypeVar("T")

_MOST = 2**64 - 1


class Attempt(Protocol):
    """Where a context leads: the worker's job, or the other end of a process."""

    @property
    def id(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def delivery(self) -> int: ...
    @property
    def token(self) -> str: ...
    @property
    def tags(self) -> dict[str, str]: ...
    @property
    def trace(self) -> str | None: ...
    @property
    def cancelled(self) -> bool: ...
    def progress(self, done: int, total: int) -> None: ...
    def saved(self) -> str | None: ...
    def save(self, cursor: str) -> None: ...
    def flush(self) -> None: ...
    def extend(self, more: float) -> None: ...


class Context:
    """The attempt that runs now; see ``oq.current()``."""

    __slots__ = ("_attempt",)

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    @property
    def id(self) -> str:
        """The task's id."""
        return self._attempt.id

    @property
    def task(self) -> str:
        """The task's name."""
        return self._attempt.task

    @property
    def queue(self) -> str:
        """The queue that it came from."""
        return self._attempt.queue

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1. Snoozed ones are not counted."""
        return self._attempt.attempt

    @property
    def delivery(self) -> int:
        """How often the task was claimed, this time included.

        It grows with every claim: a side effect that keeps the highest one can refuse older ones.
        """
        return self._attempt.delivery

    @property
    def token(self) -> str:
        """The token of the lease under which this attempt runs."""
        return self._attempt.token

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags that the task was given."""
        return self._attempt.tags

    @property
    def trace(self) -> str | None:
        """The submitter's W3C ``traceparent``."""
        return self._attempt.trace

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to cancel the task. An async task gets ``CancelledError`` too."""
        return self._attempt.cancelled

    def progress(self, done: int, total: int) -> None:
        """Says how far the task is. Written with the next renewal of the lease."""
        self._attempt.progress(
            whole(done, "progress: done", most=_MOST), whole(total, "progress: total", most=_MOST)
        )

    def save(self, cursor: Any) -> None:
        """Saves where the next attempt is to resume, as JSON. Written with the next renewal."""
        self._attempt.save(dumps(cursor, "cursor"))

    @overload
    def saved(self) -> Any: ...
    @overload
    def saved(self, default: T) -> T: ...

    def saved(self, default: Any = None) -> Any:
        """What this attempt or an earlier one saved last."""
        text = self._attempt.saved()
        return default if text is None else json.loads(text)

    def flush(self) -> None:
        """Writes progress and what was saved now, in the background; costs one PUT."""
        self._attempt.flush()

    def extend(self, more: Duration) -> None:
        """Lets this attempt run for so long from now on, whatever its timeout was."""
        seconds = to_seconds(more, "extend")
        if seconds > MAX_SPAN:
            days = f"{MAX_SPAN / 86_400:.0f} days"
            raise Invalid(f"extend: {more!r} is longer than {days}, which no attempt may last")
        self._attempt.extend(seconds)


running: ContextVar[Context] = ContextVar("oq.current")


def current() -> Context:
    """The attempt that runs here."""
    try:
        return running.get()
    except LookupError:
        raise Unusable("no task runs here: oq.current() is for handlers") from None
