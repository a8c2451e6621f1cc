"""What oq raises, and what a handler raises to say that it did not succeed.

Every ``OqError`` has a ``code``, the same as in Rust and on the command line.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ._oq import (
    Conflict,
    Denied,
    InDoubt,
    Invalid,
    NotFound,
    OqError,
    TimedOut,
    Unavailable,
    Unreadable,
    Unusable,
)

if TYPE_CHECKING:
    from ._handle import TaskView

__all__ = [
    "Conflict",
    "Denied",
    "Fail",
    "InDoubt",
    "Invalid",
    "NotFound",
    "OqError",
    "Snooze",
    "TaskFailed",
    "TimedOut",
    "Unavailable",
    "Unreadable",
    "Unusable",
]


class TaskFailed(Conflict):
    """A result was asked for, and the task ended without one: failed, cancelled or expired."""

    view: TaskView
    """The task as it ended; ``view.failure`` says what went wrong."""

    def __init__(self, view: TaskView) -> None:
        what = view.failure
        why = f" ({what.kind}: {what.message})" if what else ""
        super().__init__(f"{view.id} has no result: it is {view.state}{why}")
        self.view = view


class Snooze(Exception):
    """Raised in a handler: run this task again after ``delay``. Not a failure, not an attempt."""

    def __init__(self, delay: str | float | timedelta) -> None:
        super().__init__(delay)
        self.delay = delay


class Fail(Exception):
    """Raised in a handler: this task failed, and is not tried again whatever its policy says."""
