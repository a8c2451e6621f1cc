"""Requests to a store: what comes back, what is refused, and what may happen meanwhile."""

import asyncio
import datetime
import os
import pathlib
import re
import sys
import threading
import time

import oq
import pytest


@pytest.fixture
def welcome(app):
    @app.task(queue="mail")
    async def welcome(to: str, n: int = 0) -> str:
        return to

    return welcome


def test_what_is_enqueued_can_be_looked_up(welcome):
    handle = welcome.using(
        delay=datetime.timedelta(minutes=5), priority="high", tags={"customer": "c1"}
    ).enqueue_sync("ä@x.io", n=2**60)
    view = handle.status_sync()
    assert (view.id, view.task, view.state) == (handle.id, "welcome", "waiting")
    assert view.queue == handle.queue == "mail"
    assert view.input == {"to": "ä@x.io", "n": 2**60}
    assert view.tags == {"customer": "c1"}
    assert not view.is_over
    assert view.available_at - view.submitted > datetime.timedelta(minutes=4)
    assert view.all["priority"] == 8
    assert welcome.handle(handle.id).status_sync() == view


def test_a_moment_may_be_named_instead_of_a_delay(welcome):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)
    view = welcome.using(at=at).enqueue_sync("a").status_sync()
    assert abs(view.available_at - at) < datetime.timedelta(seconds=1)
    with pytest.raises(oq.Invalid, match="time zone"):
        welcome.using(at=datetime.datetime(2030, 1, 1))


def test_a_key_stands_for_one_task(welcome):
    first = welcome.using(key="a").enqueue_sync("a")
    again = welcome.using(key="a").enqueue_sync("b")
    assert (first.id, first.existing, again.existing) == (again.id, False, True)


def test_a_call_is_the_functions_own(welcome):
    assert asyncio.run(welcome("a")) == "a"
    assert welcome.__name__ == "welcome"


def test_many_are_packed_in_order(app, welcome):
    batch = app.enqueue_many_sync(welcome.call(f"u{i}", n=i) for i in range(1234))
    assert len(batch) == batch.accepted == 1234
    assert [batch[i].status_sync().input["n"] for i in (0, 617, -1)] == [0, 617, 1233]
    assert [h.id for h in batch[10:12]] == [batch[10].id, batch[11].id]
    assert len({handle.id.partition(".")[0] for handle in batch}) < 100
    with pytest.raises(IndexError):
        batch[1234]


def test_many_from_an_async_stream(app, welcome):
    async def stream():
        for i in range(3):
            await asyncio.sleep(0)
            yield welcome.call(str(i))

    async def main():
        batch = await app.enqueue_many(stream())
        return [(await handle.status()).input["to"] for handle in batch]

    assert asyncio.run(main()) == ["0", "1", "2"]


def test_what_was_taken_from_an_iterable_that_raises_is_enqueued(app, welcome):
    keyed = welcome.using(key="the last before the error")

    def calls():
        yield keyed.call("a")
        yield welcome.call(3)

    with pytest.raises(oq.Invalid, match="to: expected str"):
        app.enqueue_many_sync(calls())
    assert not keyed.enqueue_sync("a").existing, "less than a portion is not sent"


def test_a_key_in_many_is_told_as_existing(app, welcome):
    keyed = welcome.using(key="k")
    batch = app.enqueue_many_sync([keyed.call("a"), welcome.call("b")])
    assert (batch.accepted, batch.existing) == (2, 0)
    batch = app.enqueue_many_sync([keyed.call("a"), welcome.call("b")])
    assert (batch.accepted, batch.existing) == (1, 1)


@pytest.mark.parametrize(
    "kind, code, call",
    [
        (oq.Invalid, "OQ-INVALID", lambda a, t: a.task(name="a b")(lambda: None)),
        (oq.Invalid, "OQ-INVALID", lambda a, t: a.task(name="welcome")(lambda: None)),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.enqueue_sync(1)),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.enqueue_sync("\ud800")),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.using(delay=-1)),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.using(delay="soon")),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.using(delay=float("inf"))),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.using(delay=float("nan"))),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.using(priority=32)),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.using(priority=-1)),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.using(retry=oq.Retry(0))),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.using(queue="../x").enqueue_sync("a")),
        (oq.Invalid, "OQ-INVALID", lambda a, t: t.handle("nonsense").status_sync()),
        (oq.NotFound, "OQ-NOT-FOUND", lambda a, t: t.handle(UNKNOWN).status_sync()),
        (oq.TimedOut, "OQ-TIMED-OUT", lambda a, t: t.enqueue_sync("a").wait_sync(0.05)),
        (oq.Unusable, "OQ-UNUSABLE", lambda a, t: connect("redis://host")),
        (oq.Unusable, "OQ-UNUSABLE", lambda a, t: oq.current()),
    ],
)
def test_errors_have_the_codes_of_the_core(app, welcome, kind, code, call):
    with pytest.raises(kind) as raised:
        call(app, welcome)
    assert raised.value.code == code
    assert isinstance(raised.value, oq.OqError)


UNKNOWN = "01HF7YAT0000000000000G0000"


def connect(url):
    app = oq.App(url)

    @app.task()
    def nothing() -> None: ...

    nothing.enqueue_sync()


def test_an_input_over_the_limit_is_refused_before_it_is_sent(memory_app):
    @memory_app.task()
    def takes(text: str) -> None: ...

    with pytest.raises(oq.Invalid, match="bytes"):
        takes.enqueue_sync("a" * (260 << 20))


def test_there_is_an_exception_for_every_code_of_the_core():
    source = pathlib.Path(__file__).parents[2] / "oq-core/src/error.rs"
    core = set(re.findall(r'"(OQ-[A-Z-]+)"', source.read_text()))
    here = {e.code for e in vars(oq).values() if isinstance(e, type) and issubclass(e, oq.OqError)}
    assert core and here == core | {"OQ-ERROR"}


def test_a_store_must_be_named(monkeypatch):
    monkeypatch.delenv("OQ_URL", raising=False)
    with pytest.raises(oq.Unusable, match="OQ_URL"):
        connect(None)
    monkeypatch.setenv("OQ_URL", "memory:")
    connect(None)


def test_waiting_lets_other_threads_run(welcome):
    handle = welcome.enqueue_sync("a")
    ticks = []

    def tick():
        for _ in range(10):
            ticks.append(1)
            time.sleep(0.01)

    thread = threading.Thread(target=tick)
    thread.start()
    with pytest.raises(oq.TimedOut):
        handle.wait_sync(timeout=1)
    assert len(ticks) == 10
    thread.join()


def test_awaiting_lets_other_tasks_run(welcome):
    async def main():
        handle = await welcome.enqueue("a")
        waits = asyncio.ensure_future(handle.wait("1s"))
        ticks = 0
        while not waits.done():
            ticks += 1
            await asyncio.sleep(0.01)
        assert isinstance(waits.exception(), oq.TimedOut)
        return ticks

    assert asyncio.run(main()) > 10


def test_what_is_awaited_can_be_cancelled(welcome):
    async def main():
        handle = await welcome.enqueue("a")
        await asyncio.wait_for(handle.wait(), 0.1)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())


def test_a_sync_call_in_a_running_loop_says_what_to_do(welcome):
    async def main():
        with pytest.raises(oq.Unusable, match="await the call without _sync"):
            welcome.enqueue_sync("a")
        return await asyncio.to_thread(welcome.enqueue_sync, "a")

    assert asyncio.run(main()).id


def test_each_loop_has_its_own_answers(welcome):
    ids = {asyncio.run(welcome.enqueue("a")).id for _ in range(5)}
    assert len(ids) == 5


def test_waiting_can_be_interrupted(welcome, ctrl_c):
    handle = welcome.enqueue_sync("a")
    threading.Timer(0.2, ctrl_c).start()
    with pytest.raises(KeyboardInterrupt):
        handle.wait_sync(timeout=60)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS's own libraries do not cross a fork")
def test_a_fork_works_or_is_told_what_to_do(welcome, url):
    welcome.enqueue_sync("a")
    child = os.fork()
    if child == 0:
        try:
            welcome.using(key="from the fork").enqueue_sync("a")
            os._exit(10)
        except oq.Unusable as e:
            os._exit(11 if "after the fork" in str(e) else 3)
        finally:
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == (10 if url.startswith("s3:") else 11)
    assert welcome.using(key="from the fork").enqueue_sync("a").existing == (code == 10)


def test_a_fork_may_use_a_store_that_was_not_opened_before(tmp_path):
    app = oq.App(f"sqlite:{tmp_path}/fork.db")

    @app.task()
    def nothing() -> None: ...

    other = oq.App("memory:")
    other.task(name="nothing")(lambda: None).enqueue_sync()  # the process has threads by now
    child = os.fork()
    if child == 0:
        try:
            nothing.using(key="from the fork").enqueue_sync()
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert nothing.using(key="from the fork").enqueue_sync().existing
