"""What a function submits, and where: by its environment, its tasks' declarations and its events."""

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import oq
import pytest
from lambda_events import MINUTE, POST, TICK

SAID = {
    "queue": "mail",
    "priority": "high",
    "timeout": "30s",
    "lease": "40s",
    "retry": oq.Retry(1, never=(ValueError,)),
    "expires_in": "1h",
    "retention": "7d",
    "max_snoozes": 3,
}


@pytest.fixture
def mail(memory_app):
    @memory_app.task(**SAID)
    async def send(to: str) -> str:
        return to

    return memory_app


def options(handle: "oq.Handle[Any]") -> "dict[str, Any]":
    """How a task is run, without what only this one has."""
    view = handle.status_sync().all
    said = {"priority": view["priority"], **view["options"]}
    if "expires_at" in said:
        # The clock is read for each of the two; a millisecond may pass between.
        said["expires_at"] = round((said["expires_at"] - view["submitted"]) / 1000)
    return said


def posted(function: Any, task: "dict[str, Any]") -> "dict[str, Any]":
    reply = function({**POST, "body": json.dumps(task), "headers": JSON}, MINUTE)
    assert reply["statusCode"] == 202, reply
    accepted: dict[str, Any] = json.loads(reply["body"])
    return accepted


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("how", ["handler", "submitter", "http", "http submitter"])
def test_an_event_s_task_is_as_its_declaration_says_and_runs(how, mail, functions):
    handler = oq.lambda_handler(mail, http=True)
    function = oq.lambda_submitter(mail) if "submitter" in how else handler
    functions += [handler, function]
    task = {"type": "send", "input": "a"}
    accepted = posted(function, task) if "http" in how else function(task, MINUTE)
    assert accepted["queue"] == "mail"
    handle, enqueued = mail.handle(accepted["id"], "mail"), mail.tasks["send"].enqueue_sync("b")
    assert options(handle) == options(enqueued)
    assert options(handle)["expires_at"] == 3600
    assert handler(TICK, MINUTE)["completed"] == 2
    assert handle.result_sync(1) == "a"


@pytest.mark.parametrize("of", [oq.lambda_handler, oq.lambda_submitter])
def test_what_an_event_says_wins_and_other_types_are_as_they_come(of, mail, functions):
    function = of(mail)
    functions.append(function)
    said = {"queue": "other", "timeout": 9, "priority": 20, "retry": {"attempts": 4}}
    accepted = function({"type": "send", "input": "a", **said}, MINUTE)
    assert accepted["queue"] == "other"
    view = options(mail.handle(accepted["id"], "other"))
    assert (view["timeout_ms"], view["priority"]) == (9000, 20)
    # A policy is one thing; the rest is declared.
    assert view["retry"]["attempts"] == 4 and "never" not in view["retry"]
    assert (view["retention_ms"], view["max_reschedules"]) == (7 * 24 * 3_600_000, 3)
    unknown = function({"type": "others", "input": 1}, MINUTE)
    assert unknown["queue"] == ("mail" if of is oq.lambda_handler else "default")
    view = options(mail.handle(unknown["id"], unknown["queue"]))
    assert not {"max_reschedules", "expires_at"} & view.keys()


def test_by_http_only_the_queues_that_are_open_are_written_to(mail, functions):
    handler, submitter = oq.lambda_handler(mail, http="images"), oq.lambda_submitter(mail)
    functions += [handler, submitter]
    for function, task in [
        (handler, {"type": "send", "input": "a"}),
        (submitter, {"type": "send", "input": "a", "queue": "images"}),
    ]:
        reply = function({**POST, "body": json.dumps(task), "headers": JSON}, MINUTE)
        assert reply["statusCode"] == 403, reply
    assert posted(handler, {"type": "send", "input": "a", "queue": "images"})["queue"] == "images"


def test_the_environment_names_the_queue_of_what_names_none(memory_app, monkeypatch, functions):
    monkeypatch.setenv("OQ_QUEUE", "mailq")
    app = oq.App(memory_app._url)

    @app.task()
    async def greet(name: str) -> str:
        return (await tell.enqueue(name)).queue

    @app.task()
    async def tell(name: str) -> str:
        return name

    @app.task(queue="own")
    async def other() -> None: ...

    assert greet.enqueue_sync("x").queue == "mailq" == app.queue
    assert app.enqueue_many_sync([tell.call("x")])[0].queue == "mailq"
    assert other.queue == "own" and oq.App("memory:", queue="mine").queue == "mine"
    handler = oq.lambda_handler(app)
    functions.append(handler)
    assert handler(TICK, MINUTE)["completed"] == 3
    monkeypatch.setenv("OQ_QUEUE", "")
    assert oq.App("memory:").queue == "default"


@pytest.mark.parametrize("name", ["a,b", "A/B", "mail:3"])
def test_what_is_no_queue_is_refused_as_on_the_command_line(name, memory_app, monkeypatch):
    @memory_app.task()
    async def greet() -> None: ...

    monkeypatch.setenv("OQ_QUEUE", name)
    program = Path(sysconfig.get_path("scripts"), "oq")
    said = subprocess.run([program, "list"], capture_output=True, text=True, timeout=60)
    for make in (oq.App, lambda: oq.lambda_handler(memory_app), lambda: oq.lambda_submitter(memory_app)):
        with pytest.raises(oq.Invalid) as refused:
            make()
        assert f'OQ_QUEUE: queue "{name}"' in str(refused.value)
        assert str(refused.value) in said.stderr
