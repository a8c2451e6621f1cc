"""Functions on Lambda: `oq.lambda_handler`, called as Lambda calls it."""

import asyncio
import base64
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import oq
import pytest
from lambda_events import EVENTS, MINUTE, POST, TICK, Context, told


@pytest.fixture
def shop(app):
    """Tasks of each kind."""

    @app.task()
    async def double(n: int) -> int:
        await asyncio.sleep(0.01)
        return 2 * n

    @app.task()
    def shout(text: str) -> str:
        return text.upper()

    @app.task(retry=oq.Retry(1))
    async def broken() -> None:
        raise ValueError("the disk is full")

    return app


def test_an_event_runs_its_tasks_once_however_often_it_comes(shop, url, functions):
    handler = oq.lambda_handler(shop)
    functions.append(handler)
    double, shout = shop.tasks["double"], shop.tasks["shout"]
    handles = [double.enqueue_sync(21), shout.enqueue_sync("cat")]
    answer = handler(told(url, *handles), MINUTE)
    assert answer == {"leads": {"ran": 2}, "claimed": 2, "completed": 2, "stopped": "empty"}
    assert [handle.result_sync(1) for handle in handles] == [42, "CAT"]
    for event in (told(url, handles[0]), told(url, *handles, *handles)):
        answer = handler(event, MINUTE)
        assert "claimed" not in answer and list(answer["leads"]) == ["over"], answer
    assert [handle.status_sync().attempts for handle in handles] == [1, 1]


def test_what_no_event_told_of_is_found_by_the_schedule(shop, functions):
    handler = oq.lambda_handler(shop)
    functions.append(handler)
    failing = shop.tasks["broken"].enqueue_sync()
    shop.enqueue_many_sync(shop.tasks["double"].call(n) for n in range(100))
    answer = handler(TICK, MINUTE)
    assert (answer["completed"], answer["failed"], answer["stopped"]) == (100, 1, "empty")
    failure = failing.status_sync().failure
    assert failure.kind == "ValueError" and "the disk is full" in failure.message


def test_each_failure_is_one_line_of_the_log(shop, url, functions, caplog):
    hooked: list[str] = []

    @shop.on_failure
    async def hook(event: oq.Event) -> None:
        hooked.append(event.id)

    handler = oq.lambda_handler(shop)
    functions.append(handler)
    broken = shop.tasks["broken"]
    once, twice = broken.enqueue_sync(), broken.using(retry=oq.Retry(2, base=0)).enqueue_sync()
    assert handler(told(url, once), MINUTE)["failed"] == 1
    (line,) = lines(caplog, once)
    assert (line.name, line.levelname) == ("oq", "ERROR")
    for part in ["a task failed for good", "task_type=broken", "attempts=1", "ValueError"]:
        assert part in line.getMessage()
    assert "the disk is full" in line.getMessage()
    assert handler({"drain": True, "linger_s": 3}, MINUTE)["failed"] == 1
    again, final = lines(caplog, twice)
    assert "a task failed and is tried again" in again.getMessage()
    assert "a task failed for good" in final.getMessage()
    assert hooked == [once.id, twice.id]


def lines(caplog: pytest.LogCaptureFixture, handle: "oq.Handle[Any]") -> "list[Any]":
    """The records that name this task."""
    return [r for r in caplog.records if handle.id in r.getMessage()]


def test_the_environment_says_how_many_run_at_once_unless_the_program_does(
    app, functions, monkeypatch
):
    running, most = 0, 0

    @app.task()
    async def together() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    monkeypatch.setenv("OQ_CONCURRENCY", "2")
    for said, expected in [({}, 2), ({"concurrency": 1}, 1)]:
        most = 0
        function = oq.lambda_handler(app, **said)
        functions.append(function)
        app.enqueue_many_sync(together.call() for _ in range(6))
        assert function({"drain": True}, MINUTE)["completed"] == 6
        assert most == expected
    monkeypatch.setenv("OQ_CONCURRENCY", "many")
    with pytest.raises(oq.Invalid, match="OQ_CONCURRENCY=many"):
        oq.lambda_handler(app)


def test_a_drain_takes_what_it_is_told_to(shop, functions):
    handler = oq.lambda_handler(shop)
    functions.append(handler)
    handles = [shop.tasks["double"].enqueue_sync(n) for n in range(4)]
    assert handler({"drain": [handles[0].id]}, MINUTE)["leads"] == {"ran": 1}
    answer = handler({"drain": True, "queues": ["default"], "max_tasks": 2}, MINUTE)
    assert (answer["completed"], answer["stopped"]) == (2, "limit")
    with pytest.raises(oq.Invalid, match="elsewhere"):
        handler({"drain": True, "queues": ["elsewhere"]}, MINUTE)


def test_sqs_is_told_which_messages_to_deliver_again(memory_app, functions):
    @memory_app.task()
    async def double(n: int) -> int:
        return 2 * n

    handler = oq.lambda_handler(memory_app)
    functions.append(handler)
    handle = double.enqueue_sync(4)
    bodies = [json.dumps(told("memory:", handle)), "hello", json.dumps({"Event": "s3:TestEvent"})]
    records = [
        {"messageId": str(n), "body": body, "eventSource": "aws:sqs"}
        for n, body in enumerate(bodies)
    ]
    answer = handler({"Records": records}, MINUTE)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert handle.result_sync(1) == 8


def test_tasks_are_taken_by_http_only_where_that_is_said(memory_app, functions):
    @memory_app.task()
    async def resize(path: str) -> str:
        return path

    closed = oq.lambda_handler(memory_app)
    opened = oq.lambda_handler(memory_app, http=True, max_body=1000)
    submitter = oq.lambda_submitter(memory_app)
    functions += [closed, opened, submitter]
    assert closed(POST, MINUTE)["statusCode"] == 403
    first, again = opened(POST, MINUTE), submitter(POST, MINUTE)
    assert (first["statusCode"], again["statusCode"]) == (202, 200)
    id = json.loads(first["body"])["id"]
    assert json.loads(again["body"])["id"] == id
    encoded = base64.b64encode(POST["body"].encode()).decode()
    again = submitter({**POST, "body": encoded, "isBase64Encoded": True}, MINUTE)
    assert json.loads(again["body"])["id"] == id
    long = json.dumps({"type": "resize", "input": "x" * 2000})
    assert opened({**POST, "body": long}, MINUTE)["statusCode"] == 413
    accepted = submitter({"type": "resize", "input": {"path": "dog.png"}}, MINUTE)
    with pytest.raises(oq.Unusable, match="only submits"):
        submitter(TICK, MINUTE)
    assert closed(TICK, MINUTE)["completed"] == 2
    assert memory_app.handle(accepted["id"]).status_sync().output == "dog.png"


def test_an_invocation_that_lambda_repeats_submits_once(memory_app, functions):
    submitter = oq.lambda_submitter(memory_app)
    functions.append(submitter)
    task = {"type": "resize", "input": ["cat.png"]}
    first = submitter(task, Context(3, "request-1"))
    again = submitter(task, Context(3, "request-1"))
    assert (again["id"], again["existing"]) == (first["id"], True)
    other = submitter(task, Context(3, "request-2"))
    assert not first["existing"] and not other["existing"] and other["id"] != first["id"]
    # A key of its own holds for every invocation; nobody's request has none.
    keyed = [submitter({**task, "key": "k"}, Context(3, f"request-{n}")) for n in range(2)]
    assert keyed[0]["id"] == keyed[1]["id"]
    assert submitter(task)["id"] != submitter(task)["id"]
    # By HTTP the header alone decides.
    bare = {**POST, "headers": {"content-type": "application/json"}}
    posted = [submitter(bare, Context(3, "request-1")) for _ in range(2)]
    assert [reply["statusCode"] for reply in posted] == [202, 202]


@pytest.mark.parametrize("fixture", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_document_is_answered_or_refused(fixture, memory_app, functions):
    @memory_app.task()
    async def resize(path: str) -> str:
        return path

    handler = oq.lambda_handler(memory_app)
    functions.append(handler)
    foreign = fixture.stem in ("dynamodb", "eventbridge-ec2")
    try:
        answer = handler(json.loads(fixture.read_text()), MINUTE)
    except oq.Invalid as e:
        assert foreign and "oq knows" in str(e) and e.code == "OQ-INVALID"
    else:
        assert not foreign and isinstance(answer, dict)


def deep() -> "list[Any]":
    inside: list[Any] = []
    for _ in range(100_000):
        inside = [inside]
    return inside


@pytest.mark.parametrize(
    "event, says",
    [
        (None, "not a JSON object"),
        ([], "not a JSON object"),
        ({}, "not an event that oq knows"),
        ({"Records": 5}, "Records cannot be read"),
        ({"Records": [{}]}, "no source that it names"),
        ({"drain": False}, '"drain" is true'),
        ({"drain": ["x"]}, "x"),
        ({"type": "a b"}, "a b"),
        ({"type": "a", "input": float("nan")}, "not JSON"),
        ({"type": "a", "input": "\ud800"}, "not valid JSON"),
        ({"drain": {1, 2}}, "not JSON"),
        (deep(), "not JSON"),
    ],
    ids=range(12),
)
def test_what_is_no_event_is_refused_and_nothing_is_written(event, says, tmp_path, functions):
    app = oq.App(f"sqlite:{tmp_path}/oq.db")

    @app.task()
    async def double(n: int) -> int:
        return 2 * n

    handler = oq.lambda_handler(app)
    functions.append(handler)
    before = keys(tmp_path)
    with pytest.raises(oq.Invalid, match=says):
        handler(event, MINUTE)
    assert keys(tmp_path) == before


def keys(folder: Path) -> "list[str]":
    """What is in the store."""
    with sqlite3.connect(folder / "oq.db") as db:
        return [key for (key,) in db.execute("SELECT key FROM objects ORDER BY key")]


def test_too_little_time_is_said_before_anything_is_claimed(memory_app, functions):
    @memory_app.task()
    async def double(n: int) -> int:
        return 2 * n

    handle = double.enqueue_sync(1)
    handler = oq.lambda_handler(memory_app)
    functions.append(handler)
    with pytest.raises(oq.Unusable, match="timeout"):
        handler(told("memory:", handle), Context(3))
    assert handle.status_sync().attempts == 0


def test_what_does_not_end_in_time_is_stopped_and_given_back(memory_app, functions):
    stopped = threading.Event()

    @memory_app.task(timeout="1h")
    async def slow() -> None:
        await asyncio.sleep(3600)

    @memory_app.task(timeout="1h")
    def blocking() -> None:
        ctx = oq.current()
        while not ctx.cancelled and not stopped.is_set():
            time.sleep(0.05)

    handles = [slow.enqueue_sync(), blocking.enqueue_sync()]
    handler = oq.lambda_handler(memory_app)
    functions.append(handler)
    began = time.monotonic()
    answer = handler(told("memory:", *handles), Context(22))
    stopped.set()
    assert time.monotonic() - began < 22
    assert (answer["stopped"], answer["released"]) == ("deadline", 2), answer
    for handle in handles:
        view = handle.status_sync()
        assert not view.is_over and view.attempts <= 1


def test_hooks_that_do_not_end_leave_time_for_the_answer(memory_app, functions):
    release = asyncio.Event()

    @memory_app.on_success
    async def stuck(event: oq.Event) -> None:
        await release.wait()

    @memory_app.task()
    async def double(n: int) -> int:
        return 2 * n

    handle = double.enqueue_sync(1)
    handler = oq.lambda_handler(memory_app)
    functions.append(handler)
    context = Context(22)
    end = time.monotonic() + 22
    answer = handler(told("memory:", handle), context)
    left = end - time.monotonic()
    release.set()
    assert left > 0, "it answered after its deadline"
    assert answer["completed"] == 1 and handle.status_sync().state == "completed"


def test_one_loop_and_one_start_serve_all_invocations(memory_app, functions):
    seen: list[Any] = []

    class Database:
        pass

    @memory_app.on_start
    async def database() -> Any:
        seen.append("open")
        yield Database()
        seen.append("close")

    @memory_app.on_success
    async def tell(event: oq.Event) -> None:
        await asyncio.sleep(0.05)
        seen.append(event.what)

    @memory_app.task()
    async def save(n: int, db: Database = oq.resource()) -> int:
        seen.append((id(asyncio.get_running_loop()), id(db)))
        return n

    handler = oq.lambda_handler(memory_app)
    for n in range(2):
        handler(told("memory:", save.enqueue_sync(n)), MINUTE)
    handler.close()
    opened, first, told_1, second, told_2, closed = seen
    assert (opened, told_1, told_2, closed) == ("open", "completed", "completed", "close")
    assert first == second


def test_submissions_of_a_function_ring_no_bell_unless_that_is_said(
    tmp_path, monkeypatch, functions
):
    app = oq.App(f"sqlite:{tmp_path}/oq.db")

    @app.task()
    async def child() -> None: ...

    @app.task()
    async def parent() -> None:
        await child.enqueue()

    for bell in ("", "on"):
        monkeypatch.setenv("OQ_BELL", bell)
        app._opened = None
        handler = oq.lambda_handler(app)
        functions.append(handler)
        handler({"type": "parent", "input": []}, MINUTE)
        assert handler(TICK, MINUTE)["completed"] == 2
        assert ("default/bell" in keys(tmp_path)) is (bell == "on")


def test_the_queue_is_the_one_that_the_template_names(memory_app, monkeypatch, functions):
    @memory_app.task(queue="mail")
    async def send(n: int) -> int:
        return n

    monkeypatch.setenv("OQ_QUEUE", "images")
    handler = oq.lambda_handler(memory_app)
    functions.append(handler)
    handle = send.enqueue_sync(1)
    assert handler(told("memory:", handle), MINUTE)["leads"] == {"other_queue": 1}
    assert "completed" not in handler(TICK, MINUTE)
    monkeypatch.delenv("OQ_QUEUE")
    handler = oq.lambda_handler(memory_app)
    functions.append(handler)
    assert handler(told("memory:", handle), MINUTE)["leads"] == {"ran": 1}


def test_a_function_that_cannot_begin_says_why():
    with pytest.raises(oq.Invalid, match="no tasks"):
        oq.lambda_handler(oq.App("memory:nothing"))
    app = oq.App("redis://x")

    @app.task()
    async def double(n: int) -> int:
        return 2 * n

    with pytest.raises(oq.Unusable):
        oq.lambda_handler(app)
