"""How things end that somebody ends early: drains, submissions of many, workers whose hooks exit."""

import asyncio
import logging
import sys
import threading
import time

import oq
import pytest
from conftest import worker
from oq.testing import Harness

SOON = "20s"


def test_a_drain_that_is_cancelled_gives_its_tasks_back(app):
    began = threading.Event()

    @app.task(retry=oq.Retry(1))
    async def endless() -> None:
        began.set()
        await asyncio.sleep(3600)

    async def main() -> None:
        drain = asyncio.create_task(app.drain(grace=0.1))
        await asyncio.to_thread(began.wait, 10)
        drain.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drain

    handle = endless.enqueue_sync()
    asyncio.run(main())
    view = handle.status_sync()
    assert (view.state, view.attempts) == ("pending", 0)


def test_a_drain_that_is_cancelled_lets_its_tasks_end(memory_app):
    began, go = threading.Event(), threading.Event()

    @memory_app.task
    def ends() -> str:
        began.set()
        assert go.wait(10)
        return "ended"

    async def main() -> None:
        drain = asyncio.create_task(memory_app.drain())
        await asyncio.to_thread(began.wait, 10)
        drain.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await drain

    handle = ends.enqueue_sync()
    asyncio.run(main())
    assert handle.result_sync("1s") == "ended"


def test_ctrl_c_in_a_drain_gives_its_tasks_back(memory_app, ctrl_c):
    @memory_app.task(retry=oq.Retry(1))
    async def interrupts() -> None:
        ctrl_c()
        await asyncio.sleep(3600)

    handle = interrupts.enqueue_sync()
    with pytest.raises(KeyboardInterrupt):
        memory_app.drain_sync(grace=0.1)
    view = handle.status_sync()
    assert (view.state, view.attempts) == ("pending", 0)


def test_calls_of_another_app_are_refused(memory_app):
    other = oq.App("memory:another")

    @other.task
    def theirs(n: int) -> None: ...

    with pytest.raises(oq.Invalid, match="theirs is a task of another app"):
        memory_app.enqueue_many_sync([theirs.call(1)])
    with pytest.raises(oq.Invalid, match="theirs is a task of another app"):
        asyncio.run(memory_app.enqueue_many([theirs.call(1)]))


@pytest.fixture
def task(app):
    @app.task
    def takes(n: int) -> None: ...

    return takes


def accepted(app: oq.App, error: BaseException) -> int:
    """How many tasks its batch has, each of which is there."""
    batch = error.batch
    assert len(batch) == batch.accepted
    assert [h.status_sync().input["n"] for h in batch[:2]] == list(range(min(2, len(batch))))
    if sys.version_info >= (3, 11) and len(batch):
        assert error.__notes__ == [f"oq: {len(batch)} tasks were accepted: see .batch of this exception"]
    return len(batch)


def test_what_was_accepted_before_the_iterable_raised_is_told(app, task):
    def calls(most: int, error: BaseException):
        yield from (task.call(n) for n in range(most))
        raise error

    with pytest.raises(ZeroDivisionError) as raised:
        app.enqueue_many_sync(calls(1200, ZeroDivisionError()))
    assert accepted(app, raised.value) == 1000, "full portions"
    with pytest.raises(ZeroDivisionError) as raised:
        asyncio.run(app.enqueue_many(calls(1200, ZeroDivisionError())))
    assert accepted(app, raised.value) == 1000
    with pytest.raises(KeyError) as raised:
        app.enqueue_many_sync(calls(3, KeyError()))
    assert accepted(app, raised.value) == 0
    assert repr(raised.value.batch) == "<oq.Batch of 0 tasks in default: 0 accepted, 0 existing>"


def test_what_was_accepted_before_ctrl_c_is_told(app, task, ctrl_c):
    def calls():
        for n in range(1_000_000):
            yield task.call(n)
            if n == 1600:
                ctrl_c()

    with pytest.raises(KeyboardInterrupt) as raised:
        app.enqueue_many_sync(calls())
    assert accepted(app, raised.value) in (1500, 2000)


def test_what_was_accepted_before_a_cancellation_is_told(memory_app):
    @memory_app.task
    def takes(n: int) -> None: ...

    at = asyncio.Event()

    async def calls():
        for n in range(1100):
            yield takes.call(n)
        at.set()
        await asyncio.sleep(3600)

    async def main() -> None:
        work = asyncio.create_task(memory_app.enqueue_many(calls()))
        await at.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await work
        assert len(raised.value.batch) == 1000

    asyncio.run(main())


def test_a_batch_says_what_it_is(memory_app):
    @memory_app.task
    def takes(n: int) -> None: ...

    batch = memory_app.enqueue_many_sync([takes.using(key="k").call(1), takes.call(2)])
    assert repr(batch) == "<oq.Batch of 2 tasks in default: 2 accepted, 0 existing>"
    assert repr(takes.call(1)) == "<oq.Call of takes>"


def test_hooks_that_exit_or_raise_end_nothing(memory_app, caplog):
    told = threading.Event()

    @memory_app.on_success
    def exits(event: oq.Event) -> None:
        sys.exit(3)

    @memory_app.on_success
    async def exits_async(event: oq.Event) -> None:
        sys.exit(3)

    @memory_app.on_failure
    def failure(event: oq.Event) -> None:
        told.set()

    @memory_app.task(retry=oq.Retry(1))
    def job(fails: bool) -> None:
        assert not fails

    with worker(memory_app):
        job.enqueue_sync(False).wait_sync(SOON)
        job.enqueue_sync(True).wait_sync(SOON)
        assert told.wait(10)
    said = [r.getMessage() for r in caplog.records]
    assert sum(text.startswith("the hook exits failed") for text in said) == 1, said
    assert sum(text.startswith("the hook exits_async failed") for text in said) == 1, said


def test_plain_hooks_run_in_order_beside_the_loop(memory_app):
    events, order, threads, go = [], [], set(), threading.Event()
    at_once, most = 0, 0

    @memory_app.on_success
    async def told(event: oq.Event) -> None:
        events.append(event.id)

    @memory_app.on_success
    def slow(event: oq.Event) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        threads.add(threading.get_ident())
        assert go.wait(10)
        # The first takes longest: hooks beside one another would end the other way round.
        time.sleep(0.05 * (5 - len(order)))
        order.append(event.id)
        at_once -= 1

    @memory_app.task
    async def job() -> int:
        return threading.get_ident()

    with worker(memory_app, concurrency=1):
        handles = [job.enqueue_sync() for _ in range(5)]
        # The hook holds nobody up.
        loop = {handle.result_sync(SOON) for handle in handles}
        go.set()
    assert order == events and set(order) == {handle.id for handle in handles}
    assert (len(order), most) == (5, 1)
    assert not loop & threads


def test_an_async_hook_that_blocks_the_loop_is_named(memory_app, caplog):
    @memory_app.on_success
    async def heavy(event: oq.Event) -> None:
        time.sleep(1.8)

    @memory_app.task
    async def job() -> None: ...

    with worker(memory_app):
        first = job.enqueue_sync()
        first.wait_sync(SOON)
        job.enqueue_sync().wait_sync(SOON)
    said = [r.getMessage() for r in caplog.records]
    assert any("did not run for" in text and "the hook heavy" in text for text in said), said


def test_failed_attempts_are_logged_and_the_last_as_an_error(memory_app, caplog):
    @memory_app.task(retry=oq.Retry(2, base=0))
    def fails() -> None:
        raise ValueError("\nwhy it failed")

    @memory_app.task(retry=oq.Retry(1), timeout="50ms")
    async def slow() -> None:
        await asyncio.sleep(60)

    handles = [fails.enqueue_sync(), slow.enqueue_sync()]
    memory_app.drain_sync()
    told = {(r.levelno, r.oq_task, r.oq_id, r.oq_attempt): r.getMessage() for r in caplog.records}
    first, last = [
        told[level, "fails", handles[0].id, attempt]
        for level, attempt in [(logging.WARNING, 1), (logging.ERROR, 2)]
    ]
    assert first.endswith("and is tried again after attempt 1: ValueError: why it failed")
    assert "failed for good at attempt 2: ValueError: \nwhy it failed\nTraceback" in last
    assert "timeout" in told[logging.ERROR, "slow", handles[1].id, 1]


def test_run_in_another_thread_says_what_to_do(memory_app):
    memory_app.task(name="nothing")(lambda: None)
    failed = []

    def run() -> None:
        try:
            memory_app.run()
        except oq.Unusable as e:
            failed.append(str(e))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert failed and "use asyncio.run(app.run_async())" in failed[0]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_what_starts_a_loop_is_refused_in_a_running_one(memory_app):
    memory_app.task(name="nothing")(lambda: None)
    harness = Harness(memory_app)

    async def main() -> None:
        for call, instead in [
            (memory_app.drain_sync, "await app.drain()"),
            (memory_app.run, "await app.run_async()"),
            (harness.run, "await run_async()"),
            (lambda: harness.advance("1s"), "await advance_async()"),
            (lambda: next(harness.crash_at_every_write(lambda: None)), "in a test without async"),
        ]:
            with pytest.raises(oq.Unusable) as raised:
                call()
            assert instead in str(raised.value)

    asyncio.run(main())
    harness.close()
