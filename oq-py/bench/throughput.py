"""How many no-op tasks Python enqueues and runs in a second; prints a table in Markdown.

    python oq-py/bench/throughput.py                       # memory:, and a file
    python oq-py/bench/throughput.py s3://bucket/prefix    # a store of yours

Build the package with optimisation first: `maturin develop --release`. Packed tasks are enqueued by
`enqueue_many`, lone ones each by itself, 64 at a time. A rate counts from the first call to the end
of the last task; the worker is there before. Except for `memory:` producer and worker are two
processes. On a machine that does other things as well the last column says more: it counts the
processor time of all processes, the enqueueing included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator

import oq

app = oq.App()


class Left:
    """How many tasks are still to run here."""

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
def warm() -> None: ...


TASKS = {"async": asynchronous, "plain": plain}


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


@contextlib.asynccontextmanager
async def worker_here(concurrency: int) -> AsyncIterator[None]:
    work = asyncio.create_task(app.run_async(concurrency=concurrency))
    try:
        yield
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def here(kind: str, how: str, tasks: int, concurrency: int) -> tuple[float, float]:
    """In one process; seconds until all are enqueued, and until all have run."""
    async with worker_here(concurrency):
        await (await warm.enqueue()).wait("1m")
        Left.tasks, Left.over = tasks, threading.Event()
        began = time.monotonic()
        await enqueue(kind, how, tasks)
        enqueued = time.monotonic() - began
        await asyncio.to_thread(Left.over.wait)
        return enqueued, time.monotonic() - began


async def serve(tasks: int, concurrency: int) -> None:
    """The worker's process: says when the last task has run."""
    Left.tasks = tasks
    async with worker_here(concurrency):
        await asyncio.to_thread(Left.over.wait)
        print(time.monotonic(), flush=True)


async def apart(kind: str, how: str, tasks: int, concurrency: int) -> tuple[float, float]:
    """The same in two processes, which share the machine's clock."""
    command = [sys.executable, __file__, "--serve", str(tasks), "--concurrency", str(concurrency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        await (await warm.enqueue()).wait("1m")
        began = time.monotonic()
        await enqueue(kind, how, tasks)
        enqueued = time.monotonic() - began
        assert worker.stdout is not None
        ended = await asyncio.to_thread(worker.stdout.readline)
        return enqueued, float(ended) - began


def used() -> float:
    """Processor seconds of this process and its children."""
    times = os.times()
    return sum(times[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?")
    parser.add_argument("--packed", type=int, default=50_000)
    parser.add_argument("--lone", type=int, default=3_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.serve:
        asyncio.run(serve(said.serve, said.concurrency))
        return
    with tempfile.TemporaryDirectory() as folder:
        urls = [said.url] if said.url else ["memory:bench", f"sqlite:{folder}/oq.db"]
        print(
            "| store | tasks | function | enqueued/s | run/s, end to end | run/s of a processor |"
        )
        print("|---|---|---|---:|---:|---:|")
        for url in urls:
            os.environ["OQ_URL"] = url
            app._opened = None
            measure = here if url.startswith("memory:") else apart
            for how, tasks in (("packed", said.packed), ("lone", said.lone)):
                for kind in TASKS:
                    before = used()
                    enqueued, ran = asyncio.run(measure(kind, how, tasks, said.concurrency))
                    store = url.partition(":")[0]
                    cpu = tasks / (used() - before)
                    rates = f"{tasks / enqueued:,.0f} | {tasks / ran:,.0f} | {cpu:,.0f}"
                    print(f"| {store} | {tasks:,} {how} | {kind} | {rates} |", flush=True)


if __name__ == "__main__":
    main()
