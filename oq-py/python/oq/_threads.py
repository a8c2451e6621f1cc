"""The threads in which plain functions run: tasks at once, hooks one after the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import NoReturn


class Threads:
    """As many threads as work at the same time.

    There is no limit here: the worker takes no more tasks than it has slots, and a thread that is
    stuck in a task that timed out must not cost a slot. They are daemons, so that such a thread
    does not keep the process from ending.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._free = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Has it done by a free thread, or by a new one. It must not raise."""
        with self._lock:
            self._free -= 1
            new = self._free < 0
            if new:
                self._free += 1
                self._threads += 1
        self._work.put(work)
        if new:
            name = f"oq-task-{self._threads}"
            threading.Thread(target=self._run, name=name, daemon=True).start()

    def stop(self) -> None:
        """Threads end when they are free."""
        for _ in range(self._threads):
            self._work.put(None)

    def _run(self) -> None:
        while True:
            work = self._work.get()
            if work is None:
                return
            work()
            with self._lock:
                self._free += 1


def hold(_: object) -> NoReturn:
    """Holds something until the process ends. The core takes an attempt that Python drops for one
    that failed, so one that is left to its lease must not be dropped, not even at the very end."""
    while True:
        threading.Event().wait()


class Line:
    """Work that is done in the order in which it came, by one thread at a time."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False

    def submit(self, work: Callable[[], None]) -> None:
        """Has it done after what was submitted before. It must not raise."""
        with self._lock:
            self._waiting.append(work)
            if self._busy:
                return
            self._busy = True
        self._threads.submit(self._run)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._busy = False
                    return
                work = self._waiting.popleft()
            work()
