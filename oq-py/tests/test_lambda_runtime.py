"""Functions on Lambda by the real runtime client of AWS, against an emulated Lambda."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import oq
import pytest
from lambda_events import EVENTS, TICK, told
from mypy import api

OQ = Path(sysconfig.get_path("scripts"), "oq")

MODULE = """
import os
import oq

app = oq.App()

@app.task()
async def whoami(n: int) -> "list[int]":
    return [os.getpid(), n]

@app.task()
def stuck() -> None:
    import time
    time.sleep(60)

handler = oq.lambda_handler(app)
"""


class Lambda:
    """The real runtime client with a module of handlers, started by `oq lambda invoke --local`."""

    def __init__(self, folder: Path, url: str, module: str = MODULE) -> None:
        self.folder, self.url = folder, url
        (folder / "jobs.py").write_text(module)
        self.app = oq.App(url)

        @self.app.task()
        async def whoami(n: int) -> "list[int]": ...

        self.whoami = whoami
        self.program = folder / "bootstrap"
        run = f"cd {folder} && exec {sys.executable} -m awslambdaric jobs.handler"
        self.program.write_text(f"#!/bin/sh\n{run}\n")
        self.program.chmod(0o755)

    def file(self, name: str, event: Any) -> Path:
        path = self.folder / f"{name}.json"
        path.write_text(event if isinstance(event, str) else json.dumps(event))
        return path

    def start(self, *events: "Path | str", timeout: str = "60s") -> "subprocess.Popen[str]":
        args = ["--function", self.program, "--timeout", timeout, *events]
        return subprocess.Popen(
            [OQ, "lambda", "invoke", "--local", *args],
            env={**os.environ, "OQ_URL": self.url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *events: "Path | str", timeout: str = "60s") -> "tuple[int, list[Any], str]":
        with self.start(*events, timeout=timeout) as process:
            out, err = process.communicate(timeout=120)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err


linux = pytest.mark.skipif(sys.platform != "linux", reason="AWS's runtime client is Linux's")


@linux
def test_the_real_runtime_client_answers_event_after_event(url, tmp_path):
    if url.startswith("memory:"):
        url = f"sqlite:{tmp_path}/oq.db"
    function = Lambda(tmp_path, url)
    handle = function.whoami.enqueue_sync(7)
    event = told(url, handle)
    record = event["Records"][0]
    foreign = json.loads(json.dumps(record).replace("/live/", "/done/"))
    large = {"Records": [foreign] * (5_900_000 // len(json.dumps(foreign))) + [record]}
    code, answers, err = function.run(
        function.file("wrong", {}),
        function.file("large", large),
        function.file("event", event),
        function.file("submit", {"type": "whoami", "input": [8]}),
        function.file("tick", TICK),
    )
    wrong, ran, again, accepted, tick = answers
    assert (code, wrong["errorType"]) == (1, "Invalid"), err
    assert "not an event that oq knows" in wrong["errorMessage"]
    assert (ran["leads"], ran["ignored"]["not_live"]) == ({"ran": 1}, len(large["Records"]) - 1)
    assert again["leads"] == {"over": 1} and tick["completed"] == 1
    pid, n = handle.result_sync(1)
    other, m = function.app.handle(accepted["id"]).status_sync().output
    assert (pid, n, m) == (other, 7, 8)


@linux
@pytest.mark.parametrize("queue", ["", "mailq"])
def test_the_examples_of_the_page_run_and_pass_mypy(queue, tmp_path, monkeypatch):
    if queue:  # as both templates say it
        monkeypatch.setenv("OQ_QUEUE", queue)
    page = (EVENTS.parents[2] / "docs/lambda.md").read_text()
    jobs, producer = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    url = f"sqlite:{tmp_path}/oq.db"
    function = Lambda(tmp_path, url, jobs)
    (tmp_path / "producer.py").write_text(producer)
    # Its key: whoever runs it again gets the same task.
    told = [
        subprocess.check_output(
            [sys.executable, "producer.py"],
            cwd=tmp_path,
            env={**os.environ, "OQ_URL": url},
            text=True,
            timeout=60,
        ).strip()
        for _ in range(2)
    ]
    assert told[0] == told[1]
    submit = function.file("submit", {"type": "greet", "input": ["world"]})
    code, (accepted, tick), err = function.run(submit, function.file("tick", TICK))
    assert (code, tick["completed"]) == (0, 2), err
    for id, greeting in [(accepted["id"], "hello world"), (told[0], "hello Ada")]:
        assert function.app.handle(id).status_sync().output == greeting
    monkeypatch.chdir(tmp_path)
    out, err, code = api.run(["--strict", "jobs.py", "producer.py"])
    assert code == 0, out + err


IN_PROCESSES = """
import os
import oq

app = oq.App()

@app.on_start
async def start() -> None:
    with open("starts", "a") as file:
        print(os.getpid(), file=file)

@app.task(process=True)
def heavy() -> "list[str]":
    event = {"drain": True}
    try:
        return [str(os.getpid()), handler(event, None), submitter(event, None)]
    except oq.Unusable as e:
        submitter.close()
        return [str(os.getpid()), str(e)]

handler = oq.lambda_handler(app)
submitter = oq.lambda_submitter(app)
"""


@linux
def test_a_function_s_processes_start_it_no_second_time(tmp_path):
    function = Lambda(tmp_path, f"sqlite:{tmp_path}/oq.db", IN_PROCESSES)
    submit = function.file("submit", {"type": "heavy", "input": []})
    tick = function.file("tick", TICK)
    code, (accepted, *_, ran), err = function.run(submit, submit, tick)
    assert (code, ran["completed"]) == (0, 2), err
    (start,) = (tmp_path / "starts").read_text().split()
    pid, says = function.app.handle(accepted["id"]).status_sync().output
    assert pid != start and "process=True" in says


@linux
def test_the_real_runtime_client_goes_on_after_it_was_stopped_and_continued(tmp_path, s3):
    """What a freeze does to its clock and connections is seen in `test_lambda_freeze.py`."""
    bucket, _, query = s3.partition("?")
    url = f"{bucket}/frozen?{query}"
    function = Lambda(tmp_path, url)
    first = function.whoami.enqueue_sync(1)
    with function.start(function.file("first", told(url, first)), "-") as process:
        assert process.stdout and process.stdin
        assert json.loads(process.stdout.readline())["leads"] == {"ran": 1}
        pid, _ = first.result_sync(1)
        os.kill(pid, signal.SIGSTOP)
        second = function.whoami.enqueue_sync(2)
        os.kill(pid, signal.SIGCONT)
        process.stdin.write(json.dumps(told(url, second)))
        process.stdin.close()
        assert json.loads(process.stdout.readline())["leads"] == {"ran": 1}
        assert process.wait(60) == 0
    assert second.result_sync(1) == [pid, 2]


@linux
def test_a_function_that_does_not_answer_is_killed_and_says_so(tmp_path):
    url = f"sqlite:{tmp_path}/oq.db"
    blocks = MODULE + "\ndef handler(event, context):\n    import time\n    time.sleep(60)\n"
    function = Lambda(tmp_path, url, blocks)
    code, answers, err = function.run(function.file("tick", TICK), timeout="1s")
    assert (code, answers) == (6, []) and "killed as Lambda would" in err


@linux
def test_a_module_that_cannot_be_loaded_ends_the_function(tmp_path):
    function = Lambda(tmp_path, f"sqlite:{tmp_path}/oq.db", "import oq\noq.App('x').nothing\n")
    code, answers, err = function.run(function.file("tick", TICK))
    assert code != 0 and answers == [] or answers[0]["errorType"], err
