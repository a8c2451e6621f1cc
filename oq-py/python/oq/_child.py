"""The child's end of ``_process``: ``python -m oq._child FD``."""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import socket
import sys
import threading
from queue import SimpleQueue
from typing import Any

from . import _answer, _forks, _process
from ._context import Context, running
from ._process import receive, send
from ._task import Task
from .errors import Invalid, Unusable


class _Far:
    """The attempt, which the worker's process holds."""

    cancelled = False  # whoever is cancelled here is killed

    def __init__(
        self, end: socket.socket, call: int, about: dict[str, Any], saved: str | None
    ) -> None:
        self._end = end
        self._call = call
        self._process = os.getpid()
        self._saved = saved
        self.id: str = about["id"]
        self.task: str = about["task"]
        self.queue: str = about["queue"]
        self.attempt: int = about["attempt"]
        self.delivery: int = about["delivery"]
        self.token: str = about["token"]
        self.tags: dict[str, str] = about["tags"]
        self.trace: str | None = about["trace"]

    def _say(self, what: str, *given: Any) -> None:
        if os.getpid() != self._process:
            return  # a fork of the handler's is not asked
        said = {"what": what, "given": given, "from": self._process, "call": self._call}
        send(self._end, said)

    def progress(self, done: int, total: int) -> None:
        self._say("progress", done, total)

    def saved(self) -> str | None:
        return self._saved

    def save(self, cursor: str) -> None:
        self._saved = cursor
        self._say("save", cursor)

    def flush(self) -> None:
        self._say("flush")

    def extend(self, more: float) -> None:
        self._say("extend", more)

    def complete(self, output: str) -> None:
        self._say("complete", output)

    def fail(self, kind: str, message: str, fatal: bool) -> None:
        self._say("fail", kind, message, fatal)

    def snooze(self, delay: float) -> None:
        self._say("snooze", delay)


def _find(module: str, name: str, main: str | None) -> Task[..., Any, Any]:
    if module == "__main__":
        module = "__mp_main__"
        if module not in sys.modules and main is not None:
            # Under this name a script's `if __name__ == "__main__"` does not run.
            there = type(sys)(module)
            there.__dict__.update(runpy.run_path(main, run_name=module))
            sys.modules[module] = there
    found: Any = importlib.import_module(module)
    for step in name.split("."):
        found = getattr(found, step)
    if not isinstance(found, Task):
        raise Unusable(f"{module}.{name} is no task: is the decorated function called otherwise?")
    return found


def _attempt(end: socket.socket, start: dict[str, Any], main: str | None) -> None:
    far = _Far(end, start["call"], start["about"], start["saved"])
    running.set(Context(far))
    try:
        task = _find(start["module"], start["name"], main)
    except Exception as e:
        far.fail(type(e).__name__, f"its process cannot find it: {e}", True)
        return
    try:
        try:
            args, kwargs = task._schema.decode(start["input"])
        except Invalid as e:
            _answer.unread(far, e)
            return
        result = task.function(*args, **kwargs)
    except BaseException as e:
        _answer.raised(task, far, e)
    else:
        _answer.returned(task, far, result)


def _forks_leave(end: socket.socket) -> None:
    """What a handler forks lets go of the worker, and may be ended as any process."""

    def leave() -> None:
        end.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    os.register_at_fork(after_in_child=leave)


def main(descriptor: int) -> None:
    # A signal to all processes of the worker is for the worker alone, which ends this one. It is not
    # ignored, since that would be inherited by programs that a task starts.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    process = os.getpid()
    end = socket.socket(fileno=descriptor)
    end.set_inheritable(False)
    first = receive(end)
    if first is None:
        return
    sys.path[:] = first["path"]
    _process.is_child = True
    _forks_leave(end)
    starts: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def listen() -> None:
        while (start := receive(end)) is not None:
            starts.put(start)
        os._exit(1)  # nobody is there any more for whom this could be done

    threading.Thread(target=listen, daemon=True).start()
    while True:
        start = starts.get()
        try:
            _attempt(end, start, first["main"])
        finally:
            if os.getpid() != process:
                _forks.end(start["about"]["task"])


if __name__ == "__main__":
    main(int(sys.argv[1]))
