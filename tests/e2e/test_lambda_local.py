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
