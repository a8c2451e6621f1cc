"""The `oq` command of the package."""

import json
import os
import re
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

import oq
import pytest
from oq._oq import exit_code

UNKNOWN = "01HF7YAT0000000000000G0000"
OQ = Path(sysconfig.get_path("scripts"), "oq")

MODULE = """
import asyncio
import oq

app = oq.App()

@app.task()
async def double(n: int) -> int:
    return {factor} * n

@app.task()
async def endless() -> None:
    await asyncio.sleep(3600)

@app.task()
def fails(n: int) -> float:
    return n / 0

@app.task(process=True)
def treble(n: int) -> int:
    return 3 * n

nothing = oq.App()
"""


def run(*args: str, url: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "OQ_URL": url}
    return subprocess.run([OQ, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "jobs.py").write_text(MODULE.format(factor=2))
    return f"sqlite:{tmp_path}/oq.db"


def start(*args: str, url: str, cwd: Path) -> "subprocess.Popen[str]":
    env = {**os.environ, "OQ_URL": url}
    return subprocess.Popen([OQ, *args], cwd=cwd, env=env, stderr=subprocess.PIPE, text=True)


def test_the_command_of_the_core_is_there(url, tmp_path):
    assert run("--version", url=url, cwd=tmp_path).stdout == f"oq {oq.__version__}\n"
    submitted = run("submit", "double", '{"n": 21}', "-o", "id", url=url, cwd=tmp_path)
    id = submitted.stdout.strip()
    assert re.fullmatch("[0-9A-Z]{26}", id), submitted
    assert run("get", "nonsense", url=url, cwd=tmp_path).returncode == 2
    assert oq.App(url).handle(id).status_sync().input == {"n": 21}


def test_a_worker_runs_an_app_until_it_is_told_to_stop(url, tmp_path):
    with start("worker", "jobs:app", "-c", "4", url=url, cwd=tmp_path) as worker:
        try:
            for task, input, output in [("double", '{"n": 21}', 42), ("treble", "[2]", 6)]:
                id = run("submit", task, input, "-o", "id", url=url, cwd=tmp_path).stdout.strip()
                assert run("wait", id, url=url, cwd=tmp_path).returncode == 0
                assert oq.App(url).handle(id).result_sync(1) == output
            worker.send_signal(signal.SIGTERM)
            _, err = worker.communicate(timeout=30)
        finally:
            worker.kill()
    assert worker.returncode == 0
    assert "jobs:app works on double, endless, fails, treble" in err and "stopped" in err


@pytest.mark.parametrize(
    "args, store, code, says",
    [
        (["worker", "nowhere:app"], None, 2, "there is no module nowhere here"),
        (["worker", "jobs:app2"], None, 2, "jobs:app2 is no oq.App; there is jobs:app"),
        (["worker", "jobs:nothing"], None, 2, "the app has no tasks"),
        (["worker", "jobs:app", "--queues", "a:b"], None, 2, "write NAME or NAME:WEIGHT"),
        (["worker", "jobs:app", "--concurrency", "0"], None, 2, "concurrency 0"),
        (["worker", "--concurrency=0", "jobs:app"], None, 2, "concurrency 0"),
        (["worker", "-c0", "jobs:app"], None, 2, "concurrency 0"),
        (["worker", "jobs:app"], "redis://x", 7, "oq: OQ-UNUSABLE: "),
        (["worker", "jobs:app"], "", 7, "OQ_URL"),
    ],
)
def test_a_worker_that_cannot_start_says_why(url, tmp_path, args, store, code, says):
    done = run(*args, url=url if store is None else store, cwd=tmp_path)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize(
    "args, says",
    [
        (["worker", "jobs"], "jobs is a module: write oq worker jobs:app"),
        (["dev", "jobs"], "jobs is a module: write oq dev jobs:app"),
        (["worker", "jobs.py"], "write the module without .py: oq worker jobs:app"),
        (["worker", "no/where"], "such as oq worker jobs:app"),
        (["worker", "jobs:app", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["--cost", "worker", "jobs:app"], "--cost is not for apps"),
        (["worker", "jobs:app", "-c", "many"], "invalid int value: 'many'"),
        (["worker", "jobs:app", "--within", "1m"], "--within is for --drain"),
        (["worker", "jobs:app", "--profile", "none"], 'no profile "none"'),
    ],
)
def test_what_is_said_wrongly_is_told_with_what_to_write(url, tmp_path, args, says):
    done = run(*args, url=url, cwd=tmp_path)
    assert (done.returncode, done.stderr.startswith("oq: OQ-INVALID: ")) == (2, True), done.stderr
    assert says in done.stderr, done.stderr


@pytest.mark.parametrize("place", [0, 1, 2])
def test_options_of_every_command_may_stand_anywhere(url, tmp_path, place):
    """As with the commands of the core."""
    id = run("submit", "double", '{"n": 21}', "-o", "id", url=url, cwd=tmp_path).stdout.strip()
    args = ["worker", "jobs:app"]
    args[place:place] = ["--quiet", "--url", url, "--color", "never", "-o", "jsonl"]
    done = run(*args, "--drain", "--queue", "default", url="unused:", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["completed"] == 1
    assert oq.App(url).handle(id).result_sync(1) == 42


def test_a_profile_names_the_store(url, tmp_path):
    (tmp_path / "oq.toml").write_text(f'[profiles.here]\nurl = "{url}"\n')
    run("submit", "double", '{"n": 21}', url=url, cwd=tmp_path)
    args = ["worker", "jobs:app", "--drain", "--profile", "here", "-o", "table"]
    done = run(*args, url="redis://unused", cwd=tmp_path)
    assert re.search("^completed +1$", done.stdout, re.M), done


@pytest.mark.parametrize(
    "args, levels",
    [
        ([], {"INFO", "WARNING", "ERROR"}),
        (["--log-level", "warning"], {"WARNING", "ERROR"}),
        (["--quiet"], {"ERROR"}),
    ],
)
def test_a_worker_tells_of_failures(url, tmp_path, args, levels):
    app = oq.App(url)
    twice = app.task(name="fails", retry=oq.Retry(2, base=0))(lambda n: None)
    id = twice.enqueue_sync(7).id
    with start("worker", "jobs:app", *args, url=url, cwd=tmp_path) as worker:
        assert run("wait", id, url=url, cwd=tmp_path).returncode == 1
        worker.terminate()
        _, err = worker.communicate(timeout=30)
    said = re.findall(r"^\S+ \S+ (INFO|WARNING|ERROR) (.*)$", err, re.M)
    assert {level for level, _ in said} == levels, err
    assert f"ERROR fails {id} failed for good at attempt 2: ZeroDivisionError: " in err
    if "WARNING" in levels:
        assert f"WARNING fails {id} failed and is tried again after attempt 1: ZeroDivisionError" in err


def test_the_help_shows_both_forms(url, tmp_path):
    for command, other in [("worker", "--task <NAME=PROGRAM>"), ("dev", "--latency <PROFILE>")]:
        shown = run(command, "--help", url=url, cwd=tmp_path).stdout
        assert "MODULE:APP" in shown and other in shown, shown
        assert shown.index("MODULE:APP") < shown.index(other)
        only = run(command, "jobs:app", "--help", url=url, cwd=tmp_path).stdout
        assert "MODULE:APP" in only and other not in only


def test_a_dependency_that_is_missing_is_not_taken_for_the_app(url, tmp_path):
    (tmp_path / "jobs_mail.py").write_text("import jobs_ma")
    done = run("worker", "jobs_mail:app", url=url, cwd=tmp_path)
    assert "No module named 'jobs_ma'" in done.stderr, done.stderr
    done = run("worker", "nowhere.inner:app", url=url, cwd=tmp_path)
    assert (done.returncode, "no module nowhere.inner" in done.stderr) == (2, True), done.stderr


def test_the_traceback_of_a_failed_attempt_is_shown(url, tmp_path):
    app = oq.App(url)
    once = app.task(name="fails", retry=oq.Retry(1))(lambda n: None)
    id = once.enqueue_sync(7).id
    with start("worker", "jobs:app", url=url, cwd=tmp_path) as worker:
        assert run("wait", id, url=url, cwd=tmp_path).returncode == 1
        worker.terminate()
        assert worker.wait(30) == 0
    shown = run("get", id, "-o", "table", url=url, cwd=tmp_path).stdout
    for part in ("ZeroDivisionError", "Traceback", "jobs.py", "in fails", "return n / 0"):
        assert part in shown, shown


def test_errors_have_the_codes_and_exit_codes_of_the_command(url, tmp_path):
    """Every error of the core; the command knows some more, which no library raises."""
    explained = run("explain", "-o", "jsonl", url=url, cwd=tmp_path).stdout.splitlines()
    of_command = {json.loads(line)["code"] for line in explained}
    kinds = [e for e in vars(oq).values() if isinstance(e, type) and issubclass(e, oq.OqError)]
    here = {kind.code for kind in kinds} - {"OQ-ERROR"}
    assert here <= of_command, here - of_command
    only = {"OQ-CONFIG", "OQ-FAULTY", "OQ-INTERRUPTED", "OQ-NOT-COMPLETED", "OQ-PARTLY-FAILED"}
    assert of_command - here == only


@pytest.mark.parametrize(
    "args, call",
    [
        (["get", "nonsense"], lambda app, _: app.handle("nonsense").status_sync()),
        (["get", UNKNOWN], lambda app, _: app.handle(UNKNOWN).status_sync()),
        (["wait", "ID", "--timeout", "50ms"], lambda app, id: app.handle(id).wait_sync("50ms")),
        (["submit", "a b", "1"], lambda app, _: app.task(name="a b")(print)),
        (["list", "--url", "redis:"], lambda *_: oq.App("redis:").handle(UNKNOWN).status_sync()),
    ],
    ids=["invalid", "not found", "timed out", "name", "unusable"],
)
def test_the_same_fault_is_the_same_error_in_both(url, tmp_path, args, call):
    id = run("submit", "double", "[1]", "-o", "id", url=url, cwd=tmp_path).stdout.strip()
    done = run(*(id if arg == "ID" else arg for arg in args), url=url, cwd=tmp_path)
    with pytest.raises(oq.OqError) as raised:
        call(oq.App(url), id)
    assert f"oq: {raised.value.code}: " in done.stderr, done.stderr
    assert done.returncode == exit_code(raised.value.code)


def test_dev_serves_a_store_and_starts_again_when_the_code_changes(tmp_path, monkeypatch):
    jobs = tmp_path / "jobs.py"
    # What the app names itself is not for `oq dev`.
    module = MODULE.replace("app = oq.App()", f'app = oq.App("sqlite:{tmp_path}/own.db")', 1)
    jobs.write_text(module.format(factor=2))
    env = {name: value for name, value in os.environ.items() if name != "OQ_URL"}
    command = [OQ, "dev", "jobs:app", "--watch", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as dev:
        try:
            for _ in range(5):
                name, value = re.match("export (\\w+)='(.*)'", dev.stdout.readline()).groups()
                monkeypatch.setenv(name, value)
            app = oq.App()

            @app.task()
            async def double(n: int) -> int: ...

            assert double.enqueue_sync(2).result_sync("30s") == 4
            jobs.write_text("an error of syntax")
            time.sleep(0.6)  # so that both changes are seen; either order must do
            jobs.write_text(module.format(factor=10))
            deadline = time.monotonic() + 30
            while double.enqueue_sync(2).result_sync("30s") != 20:
                assert time.monotonic() < deadline
            dev.send_signal(signal.SIGINT)
            assert dev.wait(30) == 0
        finally:
            dev.kill()


def test_dev_ends_at_once_when_it_is_told_twice(tmp_path, monkeypatch):
    (tmp_path / "jobs.py").write_text(MODULE.format(factor=2))
    command = [OQ, "dev", "jobs:app", "--listen", "127.0.0.1:0", "--grace", "1h"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as dev:
        try:
            for _ in range(5):
                name, value = re.match("export (\\w+)='(.*)'", dev.stdout.readline()).groups()
                monkeypatch.setenv(name, value)
            endless = oq.App().task(name="endless")(lambda: None).enqueue_sync()
            while endless.status_sync().state != "running":
                time.sleep(0.05)
            dev.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                dev.wait(0.5)
            dev.send_signal(signal.SIGINT)
            assert dev.wait(30) == 0
        finally:
            dev.kill()
