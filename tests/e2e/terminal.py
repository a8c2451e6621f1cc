"""A terminal with a program on it: keys go in, and what a person would see comes out."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from pathlib import Path

import pyte
from conftest import PATIENCE


class Terminal:
    """A program that runs on a terminal of its own, as people start it."""

    def __init__(
        self, *command: str | Path, env: dict[str, str], folder: Path, columns: int = 100, lines: int = 30
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        #: Everything that was written, with what steers the terminal.
        self.written = b""
        self.pid, self._side = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(folder)
                # The parent sets the size before it lets go; programs read it later anyway.
                os.execvpe(command[0], [str(word) for word in command], env | {"TERM": "xterm-256color"})
            finally:
                # This is a second pytest: it must not go on with the tests.
                os._exit(127)
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._side, termios.TIOCSWINSZ, size)
        self._ended: int | None = None

    def read(self, patience: float = 0.05) -> bool:
        """Takes in what is there; whether anything was."""
        ready, _, _ = select.select([self._side], [], [], patience)
        if not ready:
            return False
        with contextlib.suppress(OSError):
            if piece := os.read(self._side, 1 << 16):
                self.written += piece
                self._stream.feed(piece)
                return True
        return False

    def lines(self) -> list[str]:
        """What stands on the screen, without blanks at the ends."""
        return [line.rstrip() for line in self.screen.display]

    def past(self) -> list[str]:
        """The same, and what has left it at the top."""
        rows = self.screen.history.top
        width = self.screen.columns
        gone = ["".join(row[n].data for n in range(width)).rstrip() for row in rows]
        return gone + self.lines()

    def shows(self, text: str) -> bool:
        return any(text in line for line in self.past())

    def until(self, text: str) -> None:
        """Waits until it is on the screen, or was."""
        end = time.monotonic() + PATIENCE
        while not self.shows(text):
            assert time.monotonic() < end and self._ended is None, "\n".join([text, *self.past()])
            if not self.read():
                self._look()

    def send(self, keys: str) -> None:
        os.write(self._side, keys.encode())

    def _look(self) -> None:
        if self._ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended = os.waitstatus_to_exitcode(status)

    def ended(self) -> int:
        """Waits for its end; the exit code."""
        end = time.monotonic() + PATIENCE
        while self._ended is None:
            assert time.monotonic() < end, "\n".join(["it does not end", *self.past()])
            self.read()
            self._look()
        while self.read():
            pass
        return self._ended

    def close(self) -> None:
        if self._ended is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._side)
