"""What is written wrongly is refused where it stands, as an error of oq that names it."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import AsyncIterator, Iterator

import oq
import pydantic
import pytest

HALF = "\ud800"


class Thing:
    def method(self, n: int) -> int:
        return n

    @staticmethod
    def static(n: int) -> int:
        return n

    def __call__(self, n: int) -> int:
        return n


def generator() -> Iterator[int]:
    yield 1


async def stream() -> AsyncIterator[int]:
    yield 1


@pytest.fixture
def task(memory_app):
    return memory_app.task(name="takes")(lambda n: n)


WRONG = [
    (lambda a, t: oq.App(3), "url: expected text, got 3"),
    (lambda a, t: oq.App(queue="a/b"), 'queue name "a/b"'),
    (lambda a, t: oq.App(queue=""), 'queue name ""'),
    (lambda a, t: oq.App(queue=3), "queue: expected text, got 3"),
    (lambda a, t: a.task(queue="Bad Queue!"), 'queue name "Bad Queue!"'),
    (lambda a, t: a.task(queue=3), "queue: expected text"),
    (lambda a, t: a.task(3), "expected a function, got 3"),
    (lambda a, t: a.task(Thing), "expected a function, got <class"),
    (lambda a, t: a.task(name="thing")(Thing()), "got a Thing: write def thing(…) that calls it"),
    (lambda a, t: a.task(functools.partial(print, 1)), "got a partial: write def"),
    (lambda a, t: a.task(Thing.method), "a method needs an object"),
    (lambda a, t: a.task(Thing.__dict__["static"]), "got a staticmethod"),
    (lambda a, t: a.task(generator), "a generator has no result"),
    (lambda a, t: a.task(stream), "a generator has no result"),
    (lambda a, t: a.task(process="yes"), "process: expected True or False"),
    (lambda a, t: a.task(retry=3), "retry: expected a policy, got 3: write oq.Retry(5)"),
    (lambda a, t: a.task(max_snoozes=-1), "max_snoozes: expected 0 to"),
    (lambda a, t: a.task(priority=1.5), "priority: expected 0 to 31"),
    (lambda a, t: a.task(priority=True), "priority: expected 0 to 31"),
    (lambda a, t: a.task(timeout=b"1s"), 'timeout: expected text such as "1h30m"'),
    (lambda a, t: t.using(delay=10**400), "delay: so many seconds have no date"),
    (lambda a, t: t.using(delay=1, at=dt.datetime.now(dt.timezone.utc)), "both delay and at"),
    (lambda a, t: oq.Retry(-1), "retry: attempts: expected 1 to 1000, got -1"),
    (lambda a, t: oq.Retry(10**12), "retry: attempts: expected 1 to 1000"),
    (lambda a, t: oq.Retry("3"), "retry: attempts: expected an integer, got '3'"),
    (lambda a, t: oq.Retry(jitter="much"), "retry: jitter: expected a number"),
    (lambda a, t: oq.Retry(growth=3), "retry: growth: expected text"),
    (lambda a, t: oq.Retry(base=[1]), "retry: base: expected text"),
    (lambda a, t: oq.Retry(never="ValueError"), "got 'ValueError': write ['ValueError']"),
    (lambda a, t: oq.Retry(never=ValueError), "got ValueError: write [ValueError]"),
    (lambda a, t: oq.Retry(never=3), "retry: never: expected a list of exceptions, got 3"),
    (lambda a, t: oq.Retry(only=[int]), "retry: only: expected a class of exceptions"),
    (lambda a, t: oq.Retry(never=[ValueError()]), "retry: never: expected a class of exceptions"),
    (lambda a, t: t.using(key=3), "key: expected text, got 3"),
    (lambda a, t: t.using(key=HALF), "key: '\\ud800' has half of a character"),
    (lambda a, t: t.using(tags={"a": 1}), "tags: a: expected text, got 1"),
    (lambda a, t: t.using(tags={"a": HALF}), "tags: a: '\\ud800' has half"),
    (lambda a, t: t.using(tags={HALF: "a"}), "tags: a name: '\\ud800' has half"),
    (lambda a, t: t.using(tags=["a"]), "tags: expected a dict"),
    (lambda a, t: t.using(trace=HALF), "trace: '\\ud800' has half"),
    (lambda a, t: t.using(at="tomorrow"), "at: expected a datetime"),
    (lambda a, t: t.using(queue="a/b"), 'queue name "a/b"'),
    (lambda a, t: t.handle(None), "id: expected text, got None"),
    (lambda a, t: t.handle("x", queue="a/b"), 'queue name "a/b"'),
    (lambda a, t: a.handle("x").cancel_sync(HALF), "reason: '\\ud800' has half"),
    (lambda a, t: a.drain_sync(concurrency=-1), "concurrency: expected 0 to"),
    (lambda a, t: a.drain_sync(concurrency="8"), "concurrency: expected an integer, got '8'"),
    (lambda a, t: a.drain_sync(3), "queues: expected names or a dict"),
    (lambda a, t: a.drain_sync([3]), "queues: expected text, got 3"),
    (lambda a, t: a.drain_sync({"a": -1}), "queues: a: expected 0 to"),
    (lambda a, t: a.enqueue_many_sync([1]), "expected calls, as task.call(…) makes them, got int"),
    (lambda a, t: a.enqueue_many_sync(t.call(1)), "another iterable of calls, got Call"),
]


@pytest.mark.parametrize("wrong, says", WRONG, ids=[says for _, says in WRONG])
def test_what_is_wrong_is_named(memory_app, task, wrong, says):
    with pytest.raises(oq.Invalid, match=re.escape(says)):
        wrong(memory_app, task)


def test_a_decorator_needs_no_parentheses(memory_app):
    @memory_app.task
    def plain(n: int) -> int:
        return n

    @memory_app.task
    async def on_the_loop(n: int) -> int:
        return n

    handles = [plain.enqueue_sync(1), on_the_loop.enqueue_sync(2)]
    memory_app.drain_sync()
    assert [handle.result_sync("1s") for handle in handles] == [1, 2]


def test_functions_of_classes_and_bound_methods_may_be_tasks(memory_app):
    tasks = [memory_app.task(Thing.static), memory_app.task(Thing().method)]
    handles = [task.enqueue_sync(3) for task in tasks]
    memory_app.drain_sync()
    assert [handle.result_sync("1s") for handle in handles] == [3, 3]


def test_a_parameter_may_be_called_self(memory_app):
    @memory_app.task
    def odd(self: int) -> int:
        return self

    handle = odd.enqueue_sync(self=3)
    memory_app.drain_sync()
    assert (odd(self=4), handle.result_sync("1s")) == (4, 3)


def test_a_direct_call_does_not_get_the_placeholder_of_a_resource(memory_app):
    @memory_app.task
    def uses(n: int, thing: Thing = oq.resource()) -> int:
        return thing.method(n)

    with pytest.raises(oq.Unusable, match="uses: thing comes from the worker: pass it"):
        uses(1)
    assert uses(1, Thing()) == uses(1, thing=Thing()) == 1


def test_two_resources_of_one_class_are_not_guessed_between(memory_app):
    class Other(Thing): ...

    memory_app.on_start(Other)
    memory_app.on_start(Thing)

    @memory_app.task
    def uses(thing: Thing = oq.resource()) -> str:
        return type(thing).__name__

    handle = uses.enqueue_sync()
    memory_app.drain_sync()
    assert handle.result_sync("1s") == "Thing", "the one of just this class"
    memory_app.on_start(lambda: Thing())
    with pytest.raises(oq.Unusable, match="several @app.on_start functions give a Thing"):
        memory_app.drain_sync()


class Blob(pydantic.BaseModel):
    data: bytes


class Odd(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    thing: Thing


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    n: int


class Wider(Strict):
    more: int = 0


def test_what_pydantic_cannot_write_is_told_with_its_place(memory_app):
    @memory_app.task
    def takes(blob: Blob | None = None, odd: Odd | None = None) -> None: ...

    with pytest.raises(oq.Invalid, match="^takes: blob: pydantic cannot write it as JSON: "):
        takes.enqueue_sync(Blob(data=b"\xff"))
    with pytest.raises(oq.Invalid, match="^takes: odd: pydantic cannot write it as JSON: "):
        takes.enqueue_sync(odd=Odd(thing=Thing()))


def test_a_timedelta_does_not_lose_its_microseconds_silently(memory_app):
    @memory_app.task
    def takes(span: dt.timedelta) -> None: ...

    takes.call(dt.timedelta(days=99_999_999))
    with pytest.raises(oq.Invalid, match="span: a timedelta this long has no microseconds"):
        takes.call(dt.timedelta(days=99_999_999, microseconds=1))


def test_wrong_progress_and_extensions_fail_the_attempt_with_the_reason(memory_app):
    @memory_app.task(retry=oq.Retry(1))
    def progress() -> None:
        oq.current().progress(-1, -3)

    @memory_app.task(retry=oq.Retry(1))
    def extend() -> None:
        oq.current().extend("400d")

    handles = [progress.enqueue_sync(), extend.enqueue_sync()]
    memory_app.drain_sync()
    failures = [handle.status_sync().failure for handle in handles]
    assert [failure.kind for failure in failures] == ["Invalid", "Invalid"]
    assert "progress: done: expected 0 to" in failures[0].message
    assert "extend: '400d' is longer than 366 days" in failures[1].message


def test_arguments_of_newer_code_are_tried_again(memory_app):
    """As in a rolling deploy: the newer program enqueues, an older worker takes it first."""
    new = oq.App(memory_app._url)

    @memory_app.task(name="add")
    def older(n: int, strict: Strict | None = None) -> int:
        return n

    @new.task(name="add", retry=oq.Retry(3, base=0))
    def newer(n: int, more: int = 5) -> int:
        return n + more

    @new.task(name="add2", retry=oq.Retry(3, base=0))
    def inner(n: int, strict: Wider) -> int:
        return n

    @memory_app.task(name="add2")
    def inner_older(n: int, strict: Strict) -> int:
        return n

    handles = [newer.enqueue_sync(1, more=6), inner.enqueue_sync(1, Wider(n=1, more=2))]
    memory_app.drain_sync()
    for handle in handles:
        assert handle.status_sync().failure.kind == "input"
        assert handle.status_sync().attempts == 3, "tried again, as the policy says"
    # In time another worker takes it.
    handle = newer.using(retry=oq.Retry(3, base="1h", cap="1h")).enqueue_sync(1, more=6)
    memory_app.drain_sync()
    assert (handle.status_sync().state, handle.status_sync().attempts) == ("waiting", 1)


def test_a_task_that_is_not_found_names_the_queue_that_was_looked_in(memory_app, task):
    handle = task.using(queue="other").enqueue_sync(1)
    with pytest.raises(oq.NotFound, match="Only the queue default was looked in"):
        memory_app.handle(handle.id).status_sync()
    assert memory_app.handle(handle.id, queue="other").status_sync().id == handle.id
