"""How many no-op tasks Python enqueues, works off and runs in a second; prints a table in Markdown.

    python oq-py/bench/throughput.py                       # memory, a file, and `oq dev` over HTTP
    python oq-py/bench/throughput.py s3://bucket/prefix    # a store of yours

Build the package with optimisation first: `maturin develop --release` in `oq-py`. Packed tasks are
enqueued by `enqueue_many`, lone ones each by itself, 64 at a time, with an input of 100 bytes. They are
enqueued with nobody at work, worked off by a worker that starts then, and end to end, from the first
call, with the worker there before. Both clocks of the worker stop when it has recorded all and ended.
Producer, worker and, with `oq dev`, the store are processes of their own; on `memory:` all are one. On a
machine that does other things as well the last column says more: it is the processor time of all of
them a task, end to end, the start of interpreters left out.
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
from collections.abc import Callable, Coroutine, Iterator, Mapping
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
async def asynchronous(text: str) -> None:
    one_less()


@app.task()
def plain(text: str) -> None:
    one_less()


@app.task()
async def warm() -> None: ...


TASKS: dict[str, oq.Task[[str], Any, None]] = {"async": asynchronous, "plain": plain}

TEXT = "x" * 98
"""100 bytes of JSON, as for all others."""

CONCURRENCY, POLL = 100, "2s"
SETUP = f"{CONCURRENCY} slots, {POLL.removesuffix('s')} s poll"


class Rates(NamedTuple):
    """Tasks a second, and microseconds of all processes' processor time a task."""

    enqueued: float
    drained: float
    ran: float
    processor: float

    def shown(self) -> str:
        """As the last columns of a table."""
        return f"{self.enqueued:,.0f} | {self.drained:,.0f} | {self.ran:,.0f} | {self.processor:,.1f}"


class Store(NamedTuple):
    """Where to measure."""

    env: Mapping[str, str]
    """The environment of programs that use it."""
    server: int | None = None
    """The process that serves it, if it is one of ours."""

    def used(self) -> float:
        """Processor seconds of the server so far."""
        stat = Path(f"/proc/{self.server}/stat")
        if self.server is None or not stat.exists():
            return 0.0
        ticks = stat.read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


async def enqueue(kind: str, how: str, tasks: int) -> tuple[float, float]:
    """When the first call was, and when the last task was accepted."""
    task = TASKS[kind]
    began = time.monotonic()
    if how == "packed":
        await app.enqueue_many(task.call(TEXT) for _ in range(tasks))
    else:
        left = iter(range(tasks))

        async def some() -> None:
            for _ in left:
                await task.enqueue(TEXT)

        await asyncio.gather(*(some() for _ in range(64)))
    ended = time.monotonic()
    # The last ring is still to go out.
    await app.flush()
    return began, ended


async def until_warm() -> None:
    await (await warm.enqueue()).wait("1m")


async def work(
    tasks: int, concurrency: int, meanwhile: Coroutine[Any, Any, None] | None = None
) -> float:
    """Works until so many tasks are recorded, and `meanwhile` is over; when it ended."""
    Left.tasks = tasks
    Left.over.clear()
    working = asyncio.create_task(app.run_async(concurrency=concurrency, poll=POLL))
    if meanwhile is not None:
        await meanwhile
    await asyncio.to_thread(Left.over.wait)
    # The last handler has run. A worker that is told to end records what is still to record.
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    return time.monotonic()


async def produce(said: argparse.Namespace) -> dict[str, float]:
    """The producer's process."""
    if said.warm:
        await until_warm()
    used = time.process_time()
    began, ended = await enqueue(said.kind, said.how, said.tasks)
    return {"began": began, "enqueued": ended - began, "processor": time.process_time() - used}


async def serve(said: argparse.Namespace) -> dict[str, float]:
    """The worker's process."""
    used, began = time.process_time(), time.monotonic()
    ended = await work(said.tasks, said.concurrency)
    return {"ended": ended, "drained": ended - began, "processor": time.process_time() - used}


async def alone(said: argparse.Namespace) -> dict[str, float]:
    """All in one process, for a store that is there as long as that."""
    submitted = await enqueue(said.kind, said.how, said.tasks)
    began = time.monotonic()
    drained = await work(said.tasks, said.concurrency) - began
    times: dict[str, float] = {}

    async def meanwhile() -> None:
        await until_warm()
        times["used"] = time.process_time()
        times["began"], _ = await enqueue(said.kind, said.how, said.tasks)

    ended = await work(said.tasks, said.concurrency, meanwhile())
    return {
        "enqueued": submitted[1] - submitted[0],
        "drained": drained,
        "ran": ended - times["began"],
        "processor": time.process_time() - times["used"],
    }


ROLES = {"produce": produce, "serve": serve, "alone": alone}


def measure(store: Store, kind: str, how: str, tasks: int, concurrency: int = CONCURRENCY) -> Rates:
    """One run; processes of one machine share its clock."""

    @contextlib.contextmanager
    def running(role: str, *more: str) -> Iterator[Callable[[], dict[str, float]]]:
        command = [sys.executable, __file__, "--role", role, "--kind", kind, "--how", how, *more]
        command += ["--tasks", str(tasks), "--concurrency", str(concurrency)]
        with subprocess.Popen(command, env=store.env, stdout=subprocess.PIPE) as process:

            def said() -> dict[str, float]:
                out, _ = process.communicate(timeout=600)
                if process.returncode:
                    raise subprocess.CalledProcessError(process.returncode, command)
                times: dict[str, float] = json.loads(out)
                return times

            try:
                yield said
            finally:
                process.kill()

    if store.env["OQ_URL"].startswith("memory:"):
        with running("alone") as one:
            times = one()
    else:
        with running("produce") as producer:
            times = producer()
        with running("serve") as worker:
            times["drained"] = worker()["drained"]
        before = store.used()
        with running("serve") as worker, running("produce", "--warm") as producer:
            produced, worked = producer(), worker()
        times["ran"] = worked["ended"] - produced["began"]
        of_them = produced["processor"] + worked["processor"]
        times["processor"] = of_them + store.used() - before
    return Rates(
        tasks / times["enqueued"],
        tasks / times["drained"],
        tasks / times["ran"],
        times["processor"] * 1e6 / tasks,
    )


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
        memory = Store({**os.environ, "OQ_URL": "memory:"})
        file = Store({**os.environ, "OQ_URL": f"sqlite:{folder}/oq.db"})
        served_one = stack.enter_context(served())
        yield {"`memory:`": memory, "`sqlite:`": file, "`oq dev`, HTTP": served_one}


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
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY)
    for own in ("role", "kind", "how"):
        parser.add_argument(f"--{own}", help=argparse.SUPPRESS)
    parser.add_argument("--tasks", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--warm", action="store_true", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.role:
        print(json.dumps(asyncio.run(ROLES[said.role](said))))
        return
    refuse_unoptimised()
    print("| store | tasks | function | enqueued/s | worked off/s | end to end/s | µs of processors |")
    print("|---|---|---|---:|---:|---:|---:|")
    with stores(said.url) as named:
        for name, store in named.items():
            for how, tasks in (("packed", said.packed), ("lone", said.lone)):
                for kind in TASKS:
                    rates = measure(store, kind, how, tasks, said.concurrency)
                    print(f"| {name} | {tasks:,} {how} | {kind} | {rates.shown()} |", flush=True)


if __name__ == "__main__":
    main()
