"""Functions that run in a process of their own, and may crash or be killed there.

A child is a fresh interpreter that imports the function by its name. What goes between is JSON with
a length before it; nothing is pickled.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._oq import Job
    from ._task import Task

_LENGTH = struct.Struct("!Q")


def send(to: socket.socket, message: dict[str, Any]) -> None:
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    to.sendall(_LENGTH.pack(len(body)) + body)


def receive(end: socket.socket) -> dict[str, Any] | None:
    """The next message; ``None`` when the other end is gone."""
    head = _read(end, _LENGTH.size)
    body = _read(end, _LENGTH.unpack(head)[0]) if head else None
    if body is None:
        return None
    message: dict[str, Any] = json.loads(body.decode("utf-8", "surrogatepass"))
    return message


def _read(end: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        try:
            part = end.recv(min(size - len(parts), 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)


class _Child:
    def __init__(self) -> None:
        self._end, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "oq._child", str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
            )
        send(self._end, {"path": sys.path, "main": _main()})

    def run(self, task: Task[..., Any, Any], job: Job) -> bool:
        """Whether it is still there afterwards."""
        try:
            send(self._end, _start(task, job))
        except OSError:
            pass  # how it ended is told below
        while True:
            said = receive(self._end)
            if said is None:
                return False
            if _heard(job, said):
                return True

    def end(self) -> str:
        """Ends it, and says how it ended."""
        try:
            # One that closed its end is on its way out: its own exit code says more than a kill.
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        self._end.close()
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


def _heard(job: Job, said: dict[str, Any]) -> bool:
    """Passes on what a child said; whether that was its answer."""
    what, given = said["what"], said["given"]
    getattr(job, what)(*given)
    return what in ("complete", "fail", "snooze")


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
