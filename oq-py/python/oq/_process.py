"""Functions that run in a process of their own, and may crash or be killed there.

A child is an interpreter of its own that imports the function by its name; it is kept for the next
task. What goes between is JSON with a length before it; nothing is pickled. Each message of a child
tells which call it is about and which process speaks: one that is out of step is not believed, and
its child is ended.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _answer
from ._threads import hold
from .errors import Invalid

if TYPE_CHECKING:
    from ._oq import Job
    from ._task import Task

_LENGTH = struct.Struct("!Q")

_LONGEST = 1 << 32
"""No message has more bytes: what says so is no message."""

_LOOK = 500
"""Milliseconds between two looks whether a silent child is still there."""


is_child = False
"""Whether this is the process of a task, which imports the user's module for the function in it."""


def send(to: socket.socket, message: dict[str, Any]) -> None:
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    to.sendall(_LENGTH.pack(len(body)) + body)


def receive(end: socket.socket, is_over: Callable[[], bool] | None = None) -> Any:
    """The next message; ``None`` when the other end is gone, which ``is_over`` may know as well.

    Raises ``ValueError`` for what is no message.
    """
    head = _read(end, _LENGTH.size, is_over)
    if head is None:
        return None
    length = _LENGTH.unpack(head)[0]
    if length > _LONGEST:
        raise ValueError(f"a message of {length} bytes")
    body = _read(end, length, is_over)
    return None if body is None else json.loads(body.decode("utf-8", "surrogatepass"))


def _read(end: socket.socket, size: int, is_over: Callable[[], bool] | None) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        try:
            if is_over is not None and not _wait(end, is_over):
                return None
            part = end.recv(min(size - len(parts), 1 << 20))
        except OSError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)


def _wait(end: socket.socket, is_over: Callable[[], bool]) -> bool:
    """Whether there is something to read before it is over.

    A process that a task started may hold the other end after the child has died, so that nothing
    tells its end.
    """
    poll = select.poll()
    poll.register(end, select.POLLIN)
    while not poll.poll(_LOOK):
        if is_over():
            return bool(poll.poll(0))
    return True


class _Child:
    def __init__(self) -> None:
        self._end, other = socket.socketpair()
        with other:
            # A session of its own: Ctrl-C goes to all processes of a terminal, and is for the worker
            # alone, which lets its tasks end.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "oq._child", str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._call = 0
        self._wrong: str | None = None
        send(self._end, {"path": sys.path, "main": _main()})

    def run(self, task: Task[..., Any, Any], job: Job) -> bool:
        """Whether it is still there, and in step, afterwards."""
        self._call += 1
        try:
            send(self._end, {"call": self._call, **_start(task, job)})
        except OSError:
            pass  # how it ended is told below
        while True:
            try:
                said = receive(self._end, self.is_over)
                if said is None:
                    return False
                if _heard(job, said, (self._process.pid, self._call)):
                    return True
            except Invalid as e:
                # What the core refuses ends the attempt as in a thread, where it is raised.
                _answer.raised(task, job, e.with_traceback(None))
                self._wrong = str(e)
                return False
            except Exception as e:
                self._wrong = f"its process was not understood: {e}"
                return False

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> str:
        """Ends it, and says how it ended."""
        if self._wrong is not None:
            self.kill()
        try:
            # One that closed its end is on its way out: its own exit code says more than a kill.
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        self._end.close()
        if self._wrong is not None:
            return self._wrong
        if code >= 0:
            return f"its process ended with exit code {code}"
        return f"its process was ended by {signal.Signals(-code).name}"

    def kill(self) -> None:
        self._process.kill()


def _main() -> str | None:
    """The script that runs here, which a child has to read as well."""
    main = sys.modules.get("__main__")
    return getattr(main, "__file__", None)


def _start(task: Task[..., Any, Any], job: Job) -> dict[str, Any]:
    return {
        "module": task.function.__module__,
        "name": task.function.__qualname__,
        "input": job.input,
        "saved": job.saved(),
        "about": {
            "id": job.id,
            "task": job.task,
            "queue": job.queue,
            "attempt": job.attempt,
            "delivery": job.delivery,
            "token": job.token,
            "tags": job.tags,
            "trace": job.trace,
        },
    }


_SPOKEN = ("progress", "save", "flush", "extend")
_ANSWERS = ("complete", "fail", "snooze")


def _heard(job: Job, said: dict[str, Any], expected: tuple[int, int]) -> bool:
    """Passes on what a child said; whether that was its answer."""
    came = said["from"], said["call"]
    if came != expected:
        raise ValueError(f"process and call {came} answered instead of {expected}")
    what, given = said["what"], said["given"]
    if what not in _SPOKEN and what not in _ANSWERS:
        raise ValueError(f"it said {what!r}")
    getattr(job, what)(*given)
    return what in _ANSWERS


class Processes:
    """The children of one worker: as many as work at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[_Child] = []
        self._busy: dict[int, _Child] = {}
        self._killed: dict[int, bool] = {}
        self._stopped = False

    def attempt(self, task: Task[..., Any, Any], job: Job) -> Callable[[], None]:
        """The attempt, for a thread that waits for the child."""

        def run() -> None:
            try:
                self._run(task, job)
            except Exception as e:  # no more processes, or descriptors
                job.fail(type(e).__name__, f"its process could not be used: {e}", False)

        return run

    def _run(self, task: Task[..., Any, Any], job: Job) -> None:
        with self._lock:
            child = self._free.pop() if self._free else None
        if child is not None and child.is_over():  # it died since its last task
            child.end()
            child = None
        child = child or _Child()
        with self._lock:
            self._busy[job.number] = child
        alive = child.run(task, job)
        with self._lock:
            del self._busy[job.number]
            cancelled = self._killed.pop(job.number, None)
            keep = alive and cancelled is None and not self._stopped
            if keep:
                self._free.append(child)
        if keep:
            return
        how = child.end()
        if cancelled:
            job.cancel()
        elif not alive:
            if cancelled is None and self._stopped:  # its worker leaves it
                hold(job)
            job.fail("crashed", how, False)

    def kill(self, number: int, *, cancelled: bool) -> None:
        """Ends an attempt, if it runs here."""
        with self._lock:
            child = self._busy.get(number)
            if child is not None:
                self._killed[number] = cancelled
                child.kill()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            children, self._free = [*self._free, *self._busy.values()], []
        for child in children:
            child.kill()
