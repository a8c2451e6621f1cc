"""``oq dev module:app --watch``: a store, and a worker that starts again when the code changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Iterator, Optional, Sequence

from ._cli import options

_STORE = "sqlite:oq.db"
_LOOK = 0.5


def dev(words: Sequence[str]) -> int:
    """Runs until Ctrl-C; the store is ``OQ_URL``, or a file here."""
    parser = options("dev")
    parser.add_argument("--watch", action="store_true", help="start again when the code changes")
    said = parser.parse_args(words)
    url = said.url or os.environ.get("OQ_URL") or _STORE
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    print(f"oq dev: {said.app} on {url}; Ctrl-C ends it", file=sys.stderr)
    worker = [word for word in words if word != "--watch"]
    while not told.is_set():
        code = _until_change(worker, url, told, said.watch)
        if code is not None and not said.watch:
            return code
    return 0


def _until_change(
    words: Sequence[str], url: str, told: threading.Event, watch: bool
) -> Optional[int]:
    """Runs a worker until the code changes; its exit code if it ended before."""
    seen = dict(_times())
    command = [sys.executable, "-m", "oq._cli", "worker", *words]
    # A group of its own: Ctrl-C comes here, and is passed on once.
    worker = subprocess.Popen(
        command, env={**os.environ, "OQ_URL": url}, start_new_session=True
    )
    try:
        while not told.wait(_LOOK):
            if watch and dict(_times()) != seen:
                print("oq dev: the code changed", file=sys.stderr)
                return None
            # One that failed waits for the next change.
            if not watch and worker.poll() is not None:
                return worker.returncode
        return None
    finally:
        worker.terminate()
        worker.wait()


def _times() -> Iterator[tuple[Path, float]]:
    """When each Python file below this folder was changed."""
    for folder, names, files in os.walk("."):
        names[:] = [n for n in names if not n.startswith((".", "__")) and n != "node_modules"]
        for name in files:
            if name.endswith(".py"):
                path = Path(folder, name)
                try:
                    yield path, path.stat().st_mtime
                except OSError:
                    pass  # gone meanwhile
