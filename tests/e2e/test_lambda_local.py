"""`oq lambda`: what it passes to a function's program, and what it refuses; with the program of
`oq-lambda` as the page says it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, binary, clean_env


def oq(*args: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [binary(), *args], capture_output=True, text=True, timeout=60, env=environment
    )


@pytest.mark.parametrize(
    "named, environment, told",
    [
        ([], {}, "unset"),
        (["--queue", "default"], {}, "default"),
        (["--queue", "mail"], {}, "mail"),
        ([], {"OQ_QUEUE": "mail"}, "mail"),
    ],
)
def test_a_function_is_told_of_a_queue_only_if_one_was_named(named, environment, told, tmp_path):
    function, event = tmp_path / "function", tmp_path / "event.json"
    function.write_text('#!/bin/sh\necho "its queue is ${OQ_QUEUE-unset}" >&2\nexit 3\n')
    function.chmod(0o755)
    event.write_text("{}")
    where = ["--url", f"sqlite:{tmp_path}/oq.db", *named]
    command = ["lambda", "invoke", "--local", "--function", function, event, *where]
    done = oq(*command, PATH="/usr/bin:/bin", HOME=str(tmp_path), **environment)
    assert f"its queue is {told}\n" in done.stderr


def test_an_event_that_is_no_json_is_refused_and_named(tmp_path):
    function, event = tmp_path / "function", tmp_path / "broken.json"
    function.write_text("#!/bin/sh\nsleep 30\n")
    function.chmod(0o755)
    event.write_text('{"drain": true')
    where = ["--url", f"sqlite:{tmp_path}/oq.db"]
    done = oq("lambda", "invoke", "--local", "--function", function, event, *where)
    assert done.returncode == 2
    assert "OQ-INVALID" in done.stderr and "broken.json is not valid JSON" in done.stderr


@pytest.mark.parametrize("said", [["-q", "mail"], ["--url", "s3://bucket/prefix"]])
def test_a_template_is_of_no_queue_and_no_store(said):
    done = oq("lambda", "template", "sam", *said)
    assert (done.returncode, done.stdout) == (2, "")
    assert "parameters" in done.stderr


PAGE = ROOT / "docs/lambda.md"


def tried() -> str:
    """The commands that the page has for this machine."""
    text = PAGE.read_text().partition("Try it on this machine")[2]
    found = re.search(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    assert found is not None
    return found[1]


def test_the_page_s_commands_run_a_task_in_the_program_that_is_deployed(tmp_path):
    """All but the build: the programs are those that are there."""
    commands = tried()
    build = "cargo build -p oq-lambda -p oq-cli\n"
    assert build in commands
    programs = tmp_path / "target/debug"
    programs.mkdir(parents=True)
    for name in ("oq", "bootstrap"):
        (programs / name).symlink_to(binary().with_name(name))
    done = subprocess.run(
        ["sh", "-eu", "-c", commands.replace(build, "")],
        cwd=tmp_path,
        env=clean_env() | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    submitted, answer = done.stdout.splitlines()
    assert json.loads(answer) == {
        "leads": {},
        "claimed": 1,
        "completed": 1,
        "stopped": "empty",
    }
    result = subprocess.run(
        [programs / "oq", "--url", f"sqlite:{tmp_path}/oq.db", "wait", submitted],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(result.stdout) == "CAT", result.stderr


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with the function's program, a handler, and nothing in its store."""
    (tmp_path / "bootstrap").symlink_to(binary().with_name("bootstrap"))
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers/shout").write_text("#!/bin/sh\ntr a-z A-Z\n")
    (tmp_path / "handlers/shout").chmod(0o755)
    return tmp_path


def at(here: Path, *args: str, say: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": "/usr/bin:/bin",
        "OQ_URL": f"sqlite:{here}/oq.db",
        "OQ_HANDLERS": f"{here}/handlers",
    }
    return subprocess.run(
        [binary(), *args],
        cwd=here,
        env=environment,
        input=say,
        capture_output=True,
        text=True,
        timeout=60,
    )


def invoked(here: Path, event: str, *args: str) -> "subprocess.CompletedProcess[str]":
    return at(here, "lambda", "invoke", "--local", *args, "-", say=event)


def test_the_event_of_a_task_is_that_by_which_a_function_runs_it(here):
    one, two = (at(here, "submit", "shout", text).stdout.strip() for text in ('"cat"', '"dog"'))
    made = at(here, "lambda", "event", one, two)
    assert (made.returncode, made.stderr) == (0, "")
    records = json.loads(made.stdout)["Records"]
    assert len(records) == 2 and all(r["s3"]["object"]["size"] > 100 for r in records)
    # A name alone is the program that is here.
    done = invoked(here, made.stdout, "--function", "bootstrap")
    assert json.loads(done.stdout) == {
        "leads": {"ran": 2},
        "claimed": 2,
        "completed": 2,
        "stopped": "empty",
    }
    over = at(here, "lambda", "event", one)
    assert (over.returncode, over.stdout) == (2, "")
    assert f"task {one} is completed" in over.stderr
    none = at(here, "lambda", "event", "01M7K0Q4Z7X8Y9ABCDEFGHJKMN"[:26])
    assert none.returncode != 0 and none.stdout == ""


def test_packed_tasks_have_one_event(here):
    lines = "".join(json.dumps({"type": "shout", "input": str(n)}) + "\n" for n in range(5))
    ids = at(here, "submit", "--jsonl", "-", "--pack", "5", say=lines).stdout.split()
    made = at(here, "lambda", "event", "-", say="\n".join(ids))
    assert made.returncode == 0, made.stderr
    assert len(json.loads(made.stdout)["Records"]) == 1
    assert json.loads(invoked(here, made.stdout).stdout)["completed"] == 5


def test_what_an_invocation_failed_with_is_logged_once(here):
    done = invoked(here, "{}")
    assert done.returncode == 1
    assert done.stderr.count("not an event that oq knows") == 1, done.stderr
    assert json.loads(done.stdout)["errorType"] == "OQ-INVALID"


def test_quietly_a_function_logs_errors_only(here):
    task = '{"type": "shout", "input": "cat"}'
    assert "answered" in invoked(here, task).stderr
    assert invoked(here, task, "--quiet").stderr == ""
    assert "not an event" in invoked(here, "{}", "--quiet").stderr
    # What the alarm of the templates counts is one of them, at whatever level.
    (here / "handlers/fail").write_text("#!/bin/sh\nexit 3\n")
    (here / "handlers/fail").chmod(0o755)
    invoked(here, '{"type": "fail", "retry": {"attempts": 1}}')
    done = invoked(here, '{"drain": true}', "--quiet")
    assert json.loads(done.stdout)["failed"] == 1
    assert "a task failed for good" in done.stderr and "answered" not in done.stderr


def test_a_link_to_nothing_and_a_file_that_cannot_be_executed_are_passed_over_with_a_warning(here):
    (here / "handlers/gone").symlink_to("nowhere")
    (here / "handlers/README.md").write_text("not a program")
    done = invoked(here, '{"drain": true}')
    assert done.returncode == 0
    warned = [line for line in done.stderr.splitlines() if "no program: " in line]
    assert [line.partition("file=")[2].rpartition("/")[2] for line in warned] == ["README.md", "gone"]
