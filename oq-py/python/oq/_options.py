"""How a task is to be run, as users say it, and as the private module takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Literal

from ._oq import Draft, Invalid, seconds

Duration = str | float | timedelta
"""``"90s"``, ``"1h30m"``, a number of seconds, or a ``timedelta``."""

Priority = int | Literal["high", "normal", "low"]
"""0 (most urgent) to 31, or a name."""

ErrorKind = type[BaseException] | str


def to_seconds(duration: Duration) -> float:
    if isinstance(duration, str):
        return seconds(duration)
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, bool) or not isinstance(duration, (int, float)):
        raise Invalid(f"duration: expected text, seconds or a timedelta, got {duration!r}")
    return float(duration)


@dataclass(frozen=True)
class Retry:
    """When a failed attempt is tried again: so many attempts in all, the first included."""

    attempts: int = 5
    base: Duration = "1s"
    """The delay after the first attempt."""
    cap: Duration = "10m"
    """No delay is longer."""
    growth: Literal["fixed", "linear", "exponential"] = "exponential"
    jitter: float = 0.5
    """How much of a delay is random, 0 to 1."""
    never: Sequence[ErrorKind] = ()
    """Exceptions that are not tried again, by class or by name."""
    only: Sequence[ErrorKind] = ()
    """If there are any: the only exceptions that are tried again."""

    def parts(self) -> tuple[int, str, float, float, float, list[str], list[str]]:
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


@dataclass(frozen=True)
class Options:
    """What is not ``None`` is set."""

    queue: str | None = None
    delay: Duration | None = None
    at: datetime | None = None
    priority: Priority | None = None
    timeout: Duration | None = None
    lease: Duration | None = None
    retry: Retry | None = None
    expires_in: Duration | None = None
    retention: Duration | None = None
    key: str | None = None
    key_window: Duration | None = None
    tags: Mapping[str, str] | None = None
    trace: str | None = None
    max_snoozes: int | None = None

    def over(self, base: Options) -> Options:
        """These options, and those of ``base`` where these say nothing."""
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(base, **{name: value for name, value in said.items() if value is not None})

    def draft(self, task: str) -> Draft:
        if self.at is not None and self.at.tzinfo is None:
            raise Invalid(f"at: {self.at.isoformat()} has no time zone")
        return Draft(
            task,
            delay=_seconds(self.delay),
            at=None if self.at is None else self.at.timestamp(),
            priority=None if self.priority is None else str(self.priority),
            timeout=_seconds(self.timeout),
            lease=_seconds(self.lease),
            retry=None if self.retry is None else self.retry.parts(),
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
