"""Workers: what handlers may do and say, and how a worker ends."""

import asyncio
import ctypes
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator

import oq
import pytest
from conftest import worker

SOON = "20s"


def test_async_and_plain_functions_give_results(app):
    loop_thread = []

    @app.task()
    async def double(n: int) -> int:
        loop_thread.append(threading.get_ident())
        return 2 * n

    @app.task()
    def where(n: int) -> int:
        return threading.get_ident()

    with worker(app):
        assert double.enqueue_sync(21).result_sync(SOON) == 42
        assert where.enqueue_sync(0).result_sync(SOON) not in (
            loop_thread[0],
            threading.get_ident(),
        )


def test_tasks_of_one_worker_run_at_the_same_time(memory_app):
    together = threading.Barrier(4)

    @memory_app.task()
    def meet() -> int:
        return together.wait(10)

    met = []

    @memory_app.task()
    async def meet_async() -> None:
        met.append(1)
        while len(met) < 4:
            await asyncio.sleep(0.01)

    with worker(memory_app, concurrency=16):
        batch = memory_app.enqueue_many_sync(
            [*(meet.call() for _ in range(4)), *(meet_async.call() for _ in range(4))]
        )
        assert sorted(h.result_sync(SOON) for h in batch[:4]) == [0, 1, 2, 3]
        assert [h.result_sync(SOON) for h in batch[4:]] == [None] * 4


def test_what_fails_is_tried_again_and_says_where(app):
    @app.task(retry=oq.Retry(3, base="10ms"))
    async def flaky(n: int) -> int:
        if oq.current().attempt < n:
            raise ValueError(f"attempt {oq.current().attempt}")
        return oq.current().attempt

    with worker(app):
        assert flaky.enqueue_sync(3).result_sync(SOON) == 3
        with pytest.raises(oq.TaskFailed) as raised:
            flaky.enqueue_sync(9).result_sync(SOON)
    view = raised.value.view
    assert (view.state, view.attempts, view.failure.kind) == ("failed", 3, "ValueError")
    assert view.failure.message.startswith("attempt 3\n")
    assert "test_worker.py" in view.failure.message
    assert "raise ValueError" in view.failure.message
    assert raised.value.code == "OQ-CONFLICT"


class Trouble(LookupError):
    pass


@pytest.mark.parametrize(
    "retry, attempts",
    [
        (oq.Retry(3, base=0), 3),
        (oq.Retry(3, base=0, never=[LookupError]), 1),
        (oq.Retry(3, base=0, never=["Trouble"]), 1),
        (oq.Retry(3, base=0, never=[ValueError]), 3),
        (oq.Retry(3, base=0, only=[LookupError]), 3),
        (oq.Retry(3, base=0, only=[ValueError]), 1),
    ],
)
def test_policies_name_classes_and_mean_their_subclasses(memory_app, retry, attempts):
    @memory_app.task(retry=retry)
    def trouble() -> None:
        raise Trouble

    with worker(memory_app):
        assert trouble.enqueue_sync().wait_sync(SOON).attempts == attempts


def test_fail_is_final_and_snooze_is_no_attempt(app):
    runs = []

    @app.task()
    async def fail() -> None:
        raise oq.Fail("no")

    @app.task()
    def snooze() -> int:
        runs.append(1)
        if len(runs) < 3:
            raise oq.Snooze("20ms")
        return oq.current().attempt

    with worker(app):
        view = fail.enqueue_sync().wait_sync(SOON)
        assert (view.attempts, view.failure.kind) == (1, "Fail")
        assert snooze.enqueue_sync().result_sync(SOON) == 1
    assert len(runs) == 3


def test_what_was_saved_is_there_in_the_next_attempt(app):
    seen = []

    @app.task(retry=oq.Retry(base="10ms"))
    async def resumes() -> int:
        ctx = oq.current()
        seen.append(ctx.saved(default={"at": 0}))
        ctx.progress(1, 2)
        ctx.save({"at": seen[-1]["at"] + 1})
        if len(seen) < 3:
            raise RuntimeError
        return ctx.saved()["at"]

    with worker(app):
        assert resumes.enqueue_sync().result_sync(SOON) == 3
    assert [s["at"] for s in seen] == [0, 1, 2]


def test_progress_can_be_seen_while_a_task_runs(memory_app):
    go = threading.Event()

    @memory_app.task(lease="15s")
    def slow() -> None:
        oq.current().progress(3, 7)
        oq.current().flush()
        go.wait(20)

    with worker(memory_app):
        handle = slow.enqueue_sync()
        deadline = time.monotonic() + 15
        while handle.status_sync().progress != oq.Progress(3, 7):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        go.set()
        assert handle.wait_sync(SOON).state == "completed"


def test_the_context_knows_the_task(memory_app):
    @memory_app.task(queue="q")
    async def about() -> list[str]:
        c = oq.current()
        assert c.delivery == 1 and not c.cancelled and len(c.token) > 10
        return [c.id, c.task, c.queue, c.tags["a"]]

    with worker(memory_app):
        handle = about.using(tags={"a": "b"}).enqueue_sync()
        assert handle.result_sync(SOON) == [handle.id, "about", "q", "b"]


def test_an_async_task_is_cancelled_where_it_awaits(memory_app):
    began, ended = threading.Event(), []

    @memory_app.task(lease="15s")
    async def endless() -> None:
        began.set()
        try:
            while True:  # so that the worker soon learns of it
                oq.current().flush()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            ended.append(oq.current().cancelled)
            raise

    with worker(memory_app):
        handle = endless.enqueue_sync()
        assert began.wait(10)
        assert handle.cancel_sync("enough") == "requested"
        assert handle.wait_sync(SOON).state == "cancelled"
    assert ended == [True]


def test_a_plain_task_looks_whether_it_is_cancelled(memory_app):
    began = threading.Event()

    @memory_app.task(lease="15s")
    def endless() -> str:
        began.set()
        while not oq.current().cancelled:
            oq.current().flush()
            time.sleep(0.05)
        return "stopped by itself"

    with worker(memory_app):
        handle = endless.enqueue_sync()
        assert began.wait(10)
        handle.cancel_sync()
        assert handle.result_sync(SOON) == "stopped by itself"


def test_a_timeout_stops_an_async_task(memory_app):
    stopped = threading.Event()

    @memory_app.task(timeout="100ms", retry=oq.Retry(1))
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    @memory_app.task(timeout="100ms")
    async def extended() -> None:
        oq.current().extend("1m")
        await asyncio.sleep(0.3)

    with worker(memory_app):
        assert slow.enqueue_sync().wait_sync(SOON).failure.kind == "timeout"
        assert stopped.wait(10)
        assert extended.enqueue_sync().wait_sync(SOON).state == "completed"


class Database:
    def __init__(self, log: list):
        self.log = log


@dataclasses.dataclass
class Settings:
    name: str


def test_resources_are_made_once_and_found_by_annotation(app):
    log = []

    @app.on_start
    async def database() -> AsyncIterator[Database]:
        log.append("open")
        yield Database(log)
        log.append("close")

    @app.on_start
    def settings() -> Settings:
        return Settings("s")

    @app.on_stop
    async def stopped() -> None:
        log.append("stop")

    @app.task()
    async def uses(n: int, *, db: Database = oq.resource()) -> int:
        db.log.append(n)
        return n

    @app.task()
    def plain(settings: Settings = oq.resource()) -> str:
        return settings.name

    with worker(app):
        assert uses.enqueue_sync(1).result_sync(SOON) == 1
        assert uses.enqueue_sync(2).result_sync(SOON) == 2
        assert plain.enqueue_sync().result_sync(SOON) == "s"
    assert log == ["open", 1, 2, "stop", "close"]
    with pytest.raises(oq.Invalid, match="db: there is no such parameter"):
        uses.enqueue_sync(1, db=Database([]))


def test_a_resource_that_nobody_gives_is_told_before_any_task_runs(memory_app):
    @memory_app.task()
    def uses(db: Database = oq.resource()) -> None: ...

    with pytest.raises(oq.Unusable, match="give a Database in a function under @app.on_start"):
        asyncio.run(memory_app.run_async())


def test_hooks_are_told_what_became_of_tasks(app):
    told = []
    done = threading.Event()

    @app.on_success
    def success(event: oq.Event) -> None:
        told.append((event.what, event.task, event.kind))

    @app.on_retry
    async def retry(event: oq.Event) -> None:
        told.append((event.what, event.task, event.kind))
        raise RuntimeError("a hook that fails harms nobody")

    @app.on_failure
    def failure(event: oq.Event) -> None:
        told.append((event.what, event.task, event.kind))
        done.set()

    @app.task()
    async def good() -> None: ...

    @app.task(retry=oq.Retry(2, base=0))
    async def bad() -> None:
        raise KeyError("k")

    with worker(app):
        good.enqueue_sync().wait_sync(SOON)
        bad.enqueue_sync().wait_sync(SOON)
        assert done.wait(10)
    assert told == [
        ("completed", "good", None),
        ("retried", "bad", "KeyError"),
        ("failed", "bad", "KeyError"),
    ]


def test_a_worker_that_stops_lets_its_tasks_end(app):
    began, stopped = threading.Event(), threading.Event()

    @app.task()
    async def ends() -> str:
        began.set()
        while not stopped.is_set():
            await asyncio.sleep(0.01)
        return "ended"

    with worker(app, grace="1m") as stop:
        handle = ends.enqueue_sync()
        assert began.wait(10)
        stop()
        stopped.set()
    assert handle.result_sync(SOON) == "ended"


def test_a_worker_that_stops_gives_back_what_does_not_end(app):
    began = threading.Event()

    @app.task()
    async def endless() -> None:
        began.set()
        await asyncio.sleep(3600)

    with worker(app, grace=0.1):
        handle = endless.enqueue_sync()
        assert began.wait(10)
    view = handle.status_sync()
    assert (view.state, view.attempts) == ("pending", 0)


def test_a_worker_that_is_told_twice_leaves_its_tasks_at_once(memory_app):
    began = threading.Event()
    ended = []

    @memory_app.task()
    async def endless() -> None:
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(1)

    async def main() -> None:
        work = asyncio.create_task(memory_app.run_async(grace="1h"))
        await asyncio.to_thread(began.wait, 10)
        for _ in range(2):
            work.cancel()
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await work

    endless.enqueue_sync()
    asyncio.run(main())
    assert ended == [1], "its handlers are cancelled with it"


OBSERVER = """
import sys, time
import oq
handle = oq.App(sys.argv[1]).handle(sys.argv[2])
deadline = time.monotonic() + 20
while handle.status_sync().progress != oq.Progress(1, 2):
    if time.monotonic() > deadline:
        sys.exit(1)
    time.sleep(0.02)
"""


def test_leases_are_renewed_while_a_handler_holds_the_gil(tmp_path):
    """It waits for another process to see a renewal, and lets nobody have the GIL meanwhile."""
    app = oq.App(f"sqlite:{tmp_path}/oq.db")

    @app.task()
    def holds() -> int:
        me = oq.current()
        command = [sys.executable, "-c", OBSERVER, app._url, me.id]
        observer = subprocess.Popen(command)
        me.progress(1, 2)
        me.flush()
        status = ctypes.c_int()
        ctypes.PyDLL(None).waitpid(observer.pid, ctypes.byref(status), 0)
        return os.waitstatus_to_exitcode(status.value)

    with worker(app):
        assert holds.enqueue_sync().result_sync("60s") == 0


def test_draining_runs_what_is_due_and_returns(app):
    @app.task()
    async def first(n: int) -> None:
        await second.enqueue(n)

    @app.task()
    def second(n: int) -> None: ...

    app.enqueue_many_sync(first.call(i) for i in range(100))
    second.using(delay="1h").enqueue_sync(0)
    drained = app.drain_sync()
    assert (drained["completed"], drained["stopped"]) == (200, "empty")


def test_queues_are_named_with_weights(memory_app):
    from oq._worker import read_queues

    @memory_app.task(queue="mail")
    def a() -> None: ...

    @memory_app.task()
    def b() -> None: ...

    assert read_queues(None, memory_app) == [("default", 1), ("mail", 1)]
    assert read_queues("mail:3, default", memory_app) == [("mail", 3), ("default", 1)]
    assert read_queues({"mail": 2}, memory_app) == [("mail", 2)]
    with pytest.raises(oq.Invalid, match="NAME:WEIGHT"):
        read_queues("mail:x", memory_app)
    with pytest.raises(oq.Invalid, match="no tasks"):
        read_queues(None, oq.App("memory:"))


SCRIPT = """
import asyncio, os, sys, time
import oq

app = oq.App(sys.argv[1])

@app.task()
async def slow() -> str:
    print("began", flush=True)
    await asyncio.sleep(0.5)
    return "ended"

@app.task(process=True)
def where() -> int:
    return os.getpid()

if __name__ == "__main__":
    app.run(grace="10s")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_worker_after_its_tasks(tmp_path, number):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    url = f"sqlite:{tmp_path}/oq.db"
    app = oq.App(url)

    @app.task()
    async def slow() -> str: ...

    @app.task()
    def where() -> int: ...

    with subprocess.Popen(
        [sys.executable, script, url], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert where.enqueue_sync().result_sync(SOON) != process.pid
            handle = slow.enqueue_sync()
            assert process.stdout.readline() == "began\n"
            process.send_signal(number)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert handle.result_sync("1s") == "ended"
