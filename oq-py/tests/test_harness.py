"""The fixture `oq_test`, as a user's tests see it."""

from __future__ import annotations

import asyncio

import oq
import pytest
from oq.testing import Called, Harness

app = oq.App("s3://not-there/at-all")
balance = {"a": 0}


@app.task()
async def greet(name: str) -> str:
    await later.using(delay="1h").enqueue(name)
    return f"hello {name}"


@app.task(retry=oq.Retry(3, base="10m", jitter=0))
def later(name: str) -> None:
    if oq.current().attempt < 3:
        raise ValueError


@app.task()
async def fetch(url: str) -> str:
    raise AssertionError("there is no network in a test")


@app.task()
async def pay(to: str, amount: int) -> None:
    ctx = oq.current()
    if not ctx.saved(default=False):
        balance[to] += amount


@app.task(process=True)
def heavy(n: int) -> int:
    return n + 1


@pytest.fixture
def oq_app() -> oq.App:
    return app


def test_time_can_be_moved(oq_test: Harness):
    handle = greet.enqueue_sync("Ada")
    assert oq_test.run()["completed"] == 1
    assert handle.result_sync(0) == "hello Ada"
    assert [c.task for c in oq_test.calls] == ["greet"]
    oq_test.advance("59m")
    assert [c.task for c in oq_test.calls] == ["greet"]
    oq_test.advance("2m")
    assert oq_test.calls[1:] == [Called("later", (), {"name": "Ada"}, 1)]
    oq_test.advance("1h")
    assert [c.attempt for c in oq_test.calls] == [1, 1, 2, 3]


def test_each_test_has_a_store_of_its_own(oq_test: Harness):
    assert oq_test.run()["claimed"] == 0


def test_tasks_can_be_mocked(oq_test: Harness):
    oq_test.mock(fetch, "<html>")
    handle = fetch.enqueue_sync("https://example.org")
    oq_test.run()
    assert handle.result_sync(0) == "<html>"
    oq_test.mock(fetch, raises=oq.Fail("404"))
    handle = fetch.enqueue_sync("https://example.org")
    oq_test.run()
    assert handle.status_sync().failure.kind == "Fail"
    oq_test.mock(fetch, calls=lambda url: url.upper())
    handle = fetch.enqueue_sync("x")
    oq_test.run()
    assert handle.result_sync(0) == "X"


def test_process_tasks_run_in_the_test(oq_test: Harness):
    handle = heavy.enqueue_sync(1)
    oq_test.run()
    assert handle.result_sync(0) == 2


def test_async_tests_await(oq_test: Harness):
    async def main():
        handle = await greet.enqueue("Ada")
        await oq_test.run_async()
        await oq_test.advance_async("3h")
        return await handle.result(0)

    assert asyncio.run(main()) == "hello Ada"
    assert len(oq_test.calls) == 4


def test_a_worker_may_crash_at_every_write(oq_test: Harness):
    crashes = []
    for crash in oq_test.crash_at_every_write(lambda: greet.enqueue_sync("Ada")):
        crashes.append((crash.write, crash.written))
        assert crash.given.status_sync().state == "completed"
        oq_test.advance("3h")
        assert {c.task for c in oq_test.calls} == {"greet", "later"}
    # To claim, to enqueue the other, to record: the least that a worker writes here.
    assert crashes[:6] == [(1, False), (1, True), (2, False), (2, True), (3, False), (3, True)]


def test_a_task_that_is_not_idempotent_is_found(oq_test: Harness):
    found = []
    balance["a"] = 0
    for crash in oq_test.crash_at_every_write(lambda: pay.enqueue_sync("a", 5)):
        if balance["a"] != 5:
            found.append(crash.write)
        balance["a"] = 0
    assert found, "it pays twice when the worker dies after it paid"


def test_the_app_is_what_it_was_afterwards():
    function = pay.function
    with Harness(app):
        assert pay.function is not function
    assert pay.function is function and app._opened is None
    assert heavy.process


def test_an_app_must_be_named(pytester: pytest.Pytester):
    pytester.makepyfile("def test_it(oq_test): pass")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*define a fixture oq_app that returns it*"])


pytest_plugins = ["pytester"]
