"""How many no-op tasks Python enqueues and runs in a second; prints a table in Markdown.

    python oq-py/bench/throughput.py                       # a file, and `oq dev` over HTTP
    python oq-py/bench/throughput.py s3://bucket/prefix    # a store of yours

Build the package with optimisation first: `maturin develop --release` in `oq-py`. Packed tasks are
enqueued by `enqueue_many`, lone ones each by itself, 64 at a time. Producer, worker and, with `oq dev`,
the store are processes of their own. A rate counts from the first call to the end of the last task;
the worker is there before. On a machine that does other things as well the last column says more: it
counts the processor time of all processes, the store's and the enqueueing included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import oq
from oq import _dev, _oq

app = oq.App()
HERE = Path(__file__).parent


class Left:
    """How many tasks are still to run in this process."""

    tasks = 0
    over = threading.Event()


def one_less() -> None:
    Left.tasks -= 1
    if Left.tasks == 0:
        Left.over.set()


@app.task()
async def asynchronous(n: int) -> None:
    one_less()


@app.task()
def plain(n: int) -> None:
    one_less()


@app.task()
async def warm() -> None: ...


TASKS: dict[str, oq.Task[[int], Any, None]] = {"async": asynchronous, "plain": plain}


class Rates(NamedTuple):
    """Tasks a second."""

    enqueued: float
    ran: float
    processor: float
    """By the processor time of all processes."""


class Store(NamedTuple):
    """Where to measure."""

    env: Mapping[str, str]
    """The environment of programs that use it."""
    server: int | None = None
    """The process that serves it, if it is one of ours."""

    def used(self) -> float:
        """Processor seconds so far: of this process, of its children that ended, and of the server."""
        own = sum(os.times()[:4])
        stat = Path(f"/proc/{self.server}/stat")
        if self.server is None or not stat.exists():
            return own
        ticks = stat.read_text().rpartition(")")[2].split()[11:13]
        return own + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


async def enqueue(kind: str, how: str, tasks: int) -> None:
    task = TASKS[kind]
    if how == "packed":
        await app.enqueue_many(task.call(n) for n in range(tasks))
        return
    numbers = iter(range(tasks))

    async def some() -> None:
        for n in numbers:
            await task.enqueue(n)

    await asyncio.gather(*(some() for _ in range(64)))


async def produce(kind: str, how: str, tasks: int) -> None:
    """The producer's process; without a worker it enqueues only."""
    if how == "unworked":
        how = "packed"
    else:
        await (await warm.enqueue()).wait("1m")
    began = time.monotonic()
    await enqueue(kind, how, tasks)
    enqueued = time.monotonic()
    # The last ring is still to go out.
    await app.flush()
    print(json.dumps({"began": began, "enqueued": enqueued}))


async def serve(tasks: int, concurrency: int) -> None:
    """The worker's process: says when the last task has run."""
    Left.tasks = tasks
    work = asyncio.create_task(app.run_async(concurrency=concurrency))
    await asyncio.to_thread(Left.over.wait)
    print(json.dumps({"ran": time.monotonic()}), flush=True)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


def measure(store: Store, kind: str, how: str, tasks: int, concurrency: int = 100) -> Rates:
    """One run; processes of one machine share its clock."""
    command = [sys.executable, __file__, "--kind", kind, "--how", how, "--tasks", str(tasks)]
    before = store.used()
    worker = None
    if how != "unworked":
        worker = subprocess.Popen(
            [*command, "--concurrency", str(concurrency), "--role", "serve"],
            env=store.env,
            stdout=subprocess.PIPE,
        )
    try:
        said = subprocess.run(
            [*command, "--role", "produce"], env=store.env, stdout=subprocess.PIPE, check=True
        )
        times = json.loads(said.stdout)
        if worker is not None:
            out, _ = worker.communicate(timeout=600)
            times.update(json.loads(out))
    finally:
        if worker is not None:
            worker.kill()
            worker.wait()
    enqueued = times["enqueued"] - times["began"]
    ran = times.get("ran", times["enqueued"]) - times["began"]
    return Rates(tasks / enqueued, tasks / ran, tasks / (store.used() - before))


@contextlib.contextmanager
def served(url: str = "memory:") -> Iterator[Store]:
    """An `oq dev` with this store, over HTTP."""
    with _dev.served(url) as server:
        assert server is not None
        yield Store({**os.environ, **server.env}, server.process)


@contextlib.contextmanager
def stores(url: str | None) -> Iterator[dict[str, Store]]:
    """The stores to measure, by name."""
    with contextlib.ExitStack() as stack:
        if url is not None:
            yield {url.partition(":")[0]: Store({**os.environ, "OQ_URL": url})}
            return
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        file = Store({**os.environ, "OQ_URL": f"sqlite:{folder}/oq.db"})
        yield {"sqlite:": file, "`oq dev`, HTTP": stack.enter_context(served())}


def refuse_unoptimised() -> None:
    """Ends the program where what it would measure is not what users have."""
    if not getattr(_oq, "__optimised__", False):
        how = "`maturin develop --release` in oq-py, in the environment of this Python"
        sys.exit(f"the installed oq is not optimised: build it with {how}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?")
    parser.add_argument("--packed", type=int, default=50_000)
    parser.add_argument("--lone", type=int, default=5_000)
    parser.add_argument("--concurrency", type=int, default=100)
    for own in ("role", "kind", "how"):
        parser.add_argument(f"--{own}", help=argparse.SUPPRESS)
    parser.add_argument("--tasks", type=int, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.role == "serve":
        asyncio.run(serve(said.tasks, said.concurrency))
        return
    if said.role == "produce":
        asyncio.run(produce(said.kind, said.how, said.tasks))
        return
    refuse_unoptimised()
    print("| store | tasks | function | enqueued/s | run/s, end to end | run/s of a processor |")
    print("|---|---|---|---:|---:|---:|")
    with stores(said.url) as named:
        for name, store in named.items():
            for how, tasks in (("packed", said.packed), ("lone", said.lone)):
                for kind in TASKS:
                    rates = measure(store, kind, how, tasks, said.concurrency)
                    shown = " | ".join(f"{rate:,.0f}" for rate in rates)
                    print(f"| {name} | {tasks:,} {how} | {kind} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
