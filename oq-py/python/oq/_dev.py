"""``oq dev module:app --watch``: a store of this machine, served as S3, and a worker that starts
again when the code changes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ._cli import level, of_profile, options
from ._oq import exit_code
from .errors import Unusable

_LOOK = 0.5
"""Seconds between two looks at the code."""

_COMMAND = [sys.executable, "-m", "oq._cli"]


class _Told:
    """How often somebody pressed Ctrl-C."""

    def __init__(self) -> None:
        self.once = threading.Event()
        self.twice = threading.Event()

    def hear(self, *_: object) -> None:
        (self.twice if self.once.is_set() else self.once).set()


def dev(words: Sequence[str]) -> int:
    """Runs until Ctrl-C; a second one ends what runs. A store that is S3 is used as it is."""
    said = options("dev").parse_args(words)
    url = said.url or (of_profile(said.profile) if said.profile else os.environ.get("OQ_URL"))
    url = url or "memory:"
    worker = ["worker", said.app, "--concurrency", str(said.concurrency), "--grace", said.grace]
    worker += ["--queues", said.queues] if said.queues else []
    worker += ["--log-level", level(said)]
    told = _Told()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told.hear)
    with _store(url, said.listen) as env:
        if env is None:  # why was said by the command itself
            return exit_code(Unusable.code)
        worker += ["--url", env["OQ_URL"]]  # an app may name another store
        while not told.once.is_set():
            code = _until_change(worker, env, told, said.watch)
            if code is not None:
                return code
    return 0


@contextlib.contextmanager
def _store(url: str, listen: str) -> Generator[Mapping[str, str] | None]:
    """The environment of programs that use the store, which is served until the end."""
    if url.startswith("s3:"):
        yield {"OQ_URL": url}
        return
    with served(url, listen) as store:
        if store is not None:
            for name, value in store.env.items():
                print(f"export {name}='{value}'", flush=True)
        yield store and store.env


class Served(NamedTuple):
    """A store of this machine that is served as S3."""

    env: Mapping[str, str]
    """The environment of programs that use it."""
    process: int
    """The process that serves it."""


@contextlib.contextmanager
def served(url: str, listen: str = "127.0.0.1:0") -> Generator[Served | None]:
    """A store that is served until the end; none if it cannot be, which the command itself says."""
    command = [*_COMMAND, "dev", "--no-worker", "--until-eof", "-o", "jsonl"]
    # It ends with this process, whose end of the pipe is closed then; Ctrl-C does not reach it.
    with subprocess.Popen(
        [*command, "--listen", listen, "--url", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as store:
        assert store.stdout is not None
        line = store.stdout.readline()
        if not line:
            yield None
            return
        ready = json.loads(line)
        env = {
            "OQ_URL": ready["url"],
            "AWS_ENDPOINT_URL": ready["endpoint"],
            "AWS_ACCESS_KEY_ID": ready["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": ready["secret_access_key"] or "",
            "AWS_REGION": ready["region"],
        }
        yield Served(env, store.pid)


def _until_change(
    words: Sequence[str], env: Mapping[str, str], told: _Told, watch: bool
) -> int | None:
    """Runs a worker until the code changes; its exit code if it ended before."""
    seen = dict(_times())
    # A group of its own: Ctrl-C comes here, and is passed on once.
    worker = subprocess.Popen(
        [*_COMMAND, *words], env={**os.environ, **env}, start_new_session=True
    )
    try:
        while not told.once.wait(_LOOK):
            if watch and dict(_times()) != seen:
                print("oq dev: the code changed", file=sys.stderr)
                return None
            # One that failed waits for the next change.
            if not watch and worker.poll() is not None:
                return worker.returncode
        return None
    finally:
        worker.terminate()
        while worker.poll() is None:
            if told.twice.wait(0.1):
                worker.kill()


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
