"""A serverless task queue whose only dependency is an object store.

    queue = oq.connect("sqlite:./oq.db")
    task = queue.submit("resize", {"path": "cat.png"}, delay=60)
    print(queue.wait(task, timeout=300).output)

Inputs and outputs are JSON. Durations are seconds or ``datetime.timedelta``.
"""

from __future__ import annotations

import json as _json
import os as _os
from dataclasses import dataclass as _dataclass
from datetime import timedelta as _timedelta
from typing import Any, Mapping, Optional, Union

from . import _oq
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

__all__ = [
    "Conflict",
    "Denied",
    "InDoubt",
    "Invalid",
    "NotFound",
    "OqError",
    "Queue",
    "Task",
    "TimedOut",
    "Unavailable",
    "Unreadable",
    "Unusable",
    "connect",
]

Seconds = Union[float, int, _timedelta]


@_dataclass(frozen=True)
class Task:
    """One task, as it looked when it was asked for."""

    id: str
    type: str
    state: str
    attempts: int
    input: Any
    output: Any
    failure: Optional[Mapping[str, Any]]
    tags: Mapping[str, str]
    all: Mapping[str, Any]
    """Everything that is known of it."""

    @property
    def is_over(self) -> bool:
        return _OVER[self.state]


class Queue:
    """One queue of a store. Threads may share it; processes may not."""

    def __init__(self, inner: _oq.Queue) -> None:
        self._inner = inner

    def __repr__(self) -> str:
        return f"<oq.Queue {self.name}>"

    @property
    def name(self) -> str:
        return self._inner.name

    def submit(
        self,
        type: str,
        input: Any = None,
        *,
        delay: Optional[Seconds] = None,
        priority: Optional[int] = None,
        timeout: Optional[Seconds] = None,
        expires_in: Optional[Seconds] = None,
        retention: Optional[Seconds] = None,
        key: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
    ) -> str:
        """Submits a task and returns its id. Once it returns, the task is accepted."""
        try:
            text = _json.dumps(input, allow_nan=False, ensure_ascii=False)
            text.encode()  # lone surrogates have no UTF-8
        except (TypeError, ValueError, RecursionError) as e:
            raise Invalid(f"input: it has no JSON form: {e}") from e
        return self._inner.submit(
            type,
            text,
            delay=_seconds(delay),
            priority=priority,
            timeout=_seconds(timeout),
            expires_in=_seconds(expires_in),
            retention=_seconds(retention),
            key=key,
            tags=None if tags is None else dict(tags),
        )

    def get(self, id: str) -> Task:
        """One task as it stands now."""
        return _task(self._inner.get(id))

    def wait(self, id: str, timeout: Seconds = 3600) -> Task:
        """The task once it is over; raises ``TimedOut`` if that takes longer."""
        return _task(self._inner.wait(id, _seconds(timeout) or 0.0))

    def flush(self) -> None:
        """Waits until workers have been told of what was submitted; call it before you exit."""
        self._inner.flush()


def connect(url: Optional[str] = None, queue: str = "default") -> Queue:
    """Opens a queue of the store at ``url``, or at ``OQ_URL``."""
    url = url or _os.environ.get("OQ_URL")
    if not url:
        raise Unusable("no store was named: pass a URL or set OQ_URL")
    return Queue(_oq.connect(url, queue))


_OVER = dict(_oq.Queue.states())


def _seconds(value: Optional[Seconds]) -> Optional[float]:
    if isinstance(value, _timedelta):
        return value.total_seconds()
    return None if value is None else float(value)


def _task(text: str) -> Task:
    known = _json.loads(text)
    return Task(
        id=known["id"],
        type=known["type"],
        state=known["state"],
        attempts=known["attempts"],
        input=known.get("input"),
        output=known.get("output"),
        failure=known.get("failure"),
        tags=known["tags"],
        all=known,
    )
