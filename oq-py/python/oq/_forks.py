"""Handlers that fork. The child has copies of everything, the worker's sockets included: it must not
go on as a second worker, so it ends where its handler ends or waits."""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn


class Steps(Coroutine[Any, Any, None]):
    """An attempt on the event loop, whose forks end with the step that forked."""

    __slots__ = ("_steps", "_process", "_task")

    def __init__(self, steps: Coroutine[Any, Any, None], task: str) -> None:
        self._steps = steps
        self._process = os.getpid()
        self._task = task

    def send(self, value: Any, /) -> Any:
        try:
            return self._steps.send(value)
        finally:
            if os.getpid() != self._process:
                end(self._task)

    def throw(self, error: Any, /, *_: Any) -> Any:
        try:
            return self._steps.throw(error)
        finally:
            if os.getpid() != self._process:
                end(self._task)

    def close(self) -> None:
        self._steps.close()

    def __await__(self) -> Any:
        return self._steps.__await__()


def end(task: str) -> NoReturn:
    """Ends a process that a handler forked. Nothing else of its copy of the worker runs."""
    print(
        f"oq: a process that {task} forked came to the end of its handler's part and ends here: "
        "end it with os._exit(), or start a subprocess",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)
