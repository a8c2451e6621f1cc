"""How a task is to be run, as users say it, and as the private module takes it."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from ._oq import MAX_ATTEMPTS, Draft, Invalid, check_queue, check_seconds, seconds

Duration = str | float | timedelta
"""``"90s"``, ``"1h30m"``, a number of seconds, or a ``timedelta``."""

Priority = int | Literal["high", "normal", "low"]
"""0 (most urgent) to 31, or a name."""

ErrorKind = type[BaseException] | str


CONCURRENCY = 32
"""How many tasks a worker runs at once unless said."""

_MOST = 2**32 - 1


def to_seconds(duration: Duration, what: str = "duration") -> float:
    if isinstance(duration, str):
        return seconds(text(duration, what))
    if isinstance(duration, timedelta):
        number = duration.total_seconds()
    elif isinstance(duration, bool) or not isinstance(duration, (int, float)):
        raise Invalid(
            f'{what}: expected text such as "1h30m", seconds or a timedelta, got {duration!r}'
        )
    else:
        try:
            number = float(duration)
        except OverflowError:
            raise Invalid(f"{what}: so many seconds have no date") from None
    check_seconds(what, number)
    return number


def text(value: Any, what: str) -> str:
    """A text that every reader takes, or ``Invalid`` naming ``what``."""
    if not isinstance(value, str):
        raise Invalid(f"{what}: expected text, got {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(f"{what}: {value!r} has half of a character, which has no UTF-8") from None
    return value


def whole(value: Any, what: str, least: int = 0, most: int = _MOST) -> int:
    """An integer within bounds, or ``Invalid`` naming ``what``."""
    try:
        number = operator.index(value)
    except TypeError:
        raise Invalid(f"{what}: expected an integer, got {value!r}") from None
    if isinstance(value, bool) or not least <= number <= most:
        raise Invalid(f"{what}: expected {least} to {most}, got {value!r}")
    return number


def queue_name(value: Any, what: str = "queue") -> str:
    """A name that a queue may have."""
    check_queue(text(value, what))
    name: str = value
    return name


@dataclass(frozen=True)
class Retry:
    """When a failed attempt is tried again: so many attempts in all, the first included."""

    attempts: int = 5
    """How many in all, 1 to 1000."""
    base: Duration = "1s"
    """The delay after the first attempt."""
    cap: Duration = "10m"
    """No delay is longer."""
    growth: Literal["fixed", "linear", "exponential"] = "exponential"
    """How the delays grow."""
    jitter: float = 0.5
    """How much of a delay is random, 0 to 1."""
    never: Collection[ErrorKind] = ()
    """Exceptions that are not tried again, by class or by name."""
    only: Collection[ErrorKind] = ()
    """If there are any: the only exceptions that are tried again."""

    def __post_init__(self) -> None:
        whole(self.attempts, "retry: attempts", 1, MAX_ATTEMPTS)
        to_seconds(self.base, "retry: base")
        to_seconds(self.cap, "retry: cap")
        if isinstance(self.jitter, bool) or not isinstance(self.jitter, (int, float)):
            raise Invalid(f"retry: jitter: expected a number from 0 to 1, got {self.jitter!r}")
        text(self.growth, "retry: growth")
        _check_kinds("never", self.never)
        _check_kinds("only", self.only)

    def _parts(self) -> tuple[int, str, float, float, float, list[str], list[str]]:
        return (
            self.attempts,
            self.growth,
            to_seconds(self.base),
            to_seconds(self.cap),
            float(self.jitter),
            [_name(kind) for kind in self.never],
            [_name(kind) for kind in self.only],
        )


def _name(kind: ErrorKind) -> str:
    return kind if isinstance(kind, str) else kind.__name__


def _check_kinds(what: str, kinds: Any) -> None:
    """Only what an exception may be told by."""
    if isinstance(kinds, (str, type)):
        wrong = kinds.__name__ if isinstance(kinds, type) else repr(kinds)
        raise Invalid(f"retry: {what}: expected a list of exceptions, got {wrong}: write [{wrong}]")
    if not isinstance(kinds, Collection) or isinstance(kinds, Mapping):
        raise Invalid(f"retry: {what}: expected a list of exceptions, got {kinds!r}")
    for kind in kinds:
        is_class = isinstance(kind, type) and issubclass(kind, BaseException)
        if not is_class and not (isinstance(kind, str) and kind):
            raise Invalid(f"retry: {what}: expected a class of exceptions or its name, got {kind!r}")
        if isinstance(kind, str):
            text(kind, f"retry: {what}")


_DURATIONS = ("delay", "timeout", "lease", "expires_in", "retention", "key_window")


@dataclass(frozen=True)
class Options:
    """What is not ``None`` is set."""

    queue: str | None = None
    """The queue it goes to; the app's unless set."""
    delay: Duration | None = None
    """It may start so much later."""
    at: datetime | None = None
    """It may start at this moment, which has a time zone; instead of `delay`."""
    priority: Priority | None = None
    """0 (most urgent) to 31, or `high`, `normal`, `low`."""
    timeout: Duration | None = None
    """How long one attempt may take; 5 minutes unless set."""
    lease: Duration | None = None
    """How long a worker may be silent before another takes the task over; 30 s unless set."""
    retry: Retry | None = None
    """When a failed attempt is tried again."""
    expires_in: Duration | None = None
    """It expires, and never runs, if it has not started so long after it was enqueued."""
    retention: Duration | None = None
    """How long its outcome is kept; 3 days unless set."""
    key: str | None = None
    """Enqueued again under the same key, it is the same task, whatever the arguments; not if that
    failed, was cancelled or expired."""
    key_window: Duration | None = None
    """How long the key stands for the task after it completed; a day unless set."""
    tags: Mapping[str, str] | None = None
    """Names and values to find it by, shown to its handler."""
    trace: str | None = None
    """A W3C `traceparent`, which its handler finds in `oq.current().trace`."""
    max_snoozes: int | None = None
    """How often it may snooze; once more and it failed. Without limit unless set. In records and on
    the command line it is `max_reschedules`."""

    def over(self, base: Options) -> Options:
        """These options, and those of ``base`` where these say nothing."""
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(base, **{name: value for name, value in said.items() if value is not None})

    def __post_init__(self) -> None:
        """Types, which the private module would refuse without naming the option."""
        if self.queue is not None:
            queue_name(self.queue)
        if self.at is not None and not isinstance(self.at, datetime):
            raise Invalid(f"at: expected a datetime with a time zone, got {self.at!r}")
        if isinstance(self.priority, bool) or not isinstance(self.priority, int | str | None):
            raise Invalid(f'priority: expected 0 to 31, "high", "normal" or "low", got {self.priority!r}')
        if self.retry is not None and not isinstance(self.retry, Retry):
            raise Invalid(f"retry: expected a policy, got {self.retry!r}: write oq.Retry(5)")
        for name in _DURATIONS:
            value = getattr(self, name)
            if value is not None:
                to_seconds(value, name)
        for name in ("key", "trace"):
            value = getattr(self, name)
            if value is not None:
                text(value, name)
        if self.max_snoozes is not None:
            whole(self.max_snoozes, "max_snoozes")
        if self.tags is not None:
            if not isinstance(self.tags, Mapping):
                raise Invalid(f'tags: expected a dict such as {{"customer": "c1"}}, got {self.tags!r}')
            for name, value in self.tags.items():
                text(value, f"tags: {text(name, 'tags: a name')}")

    def draft(self, task: str) -> Draft:
        text(task, "name")
        if self.at is not None and self.at.tzinfo is None:
            raise Invalid(f"at: {self.at.isoformat()} has no time zone")
        return Draft(
            task,
            delay=_seconds(self.delay),
            at=None if self.at is None else self.at.timestamp(),
            priority=None if self.priority is None else text(str(self.priority), "priority"),
            timeout=_seconds(self.timeout),
            lease=_seconds(self.lease),
            retry=None if self.retry is None else self.retry._parts(),
            expires_in=_seconds(self.expires_in),
            retention=_seconds(self.retention),
            key=self.key,
            key_window=_seconds(self.key_window),
            tags=None if self.tags is None else dict(self.tags),
            trace=self.trace,
            max_snoozes=self.max_snoozes,
        )


def _seconds(duration: Duration | None) -> float | None:
    return None if duration is None else to_seconds(duration)
