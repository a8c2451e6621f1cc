"""A worker that is told to end a second time leaves what runs to its lease."""

import asyncio
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import oq
import pytest

OQ = str(Path(sysconfig.get_path("scripts"), "oq"))

JOBS = """
import asyncio
import time

import oq

app = oq.App()

def began() -> None:
    print("began", flush=True)

@app.task
async def waits() -> None:
    began()
    await asyncio.sleep(600)

@app.task
async def makes_the_best_of_it() -> str:
    began()
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        pass
    return "half"

@app.task
def in_a_thread() -> None:
    began()
    time.sleep(600)

@app.task(process=True)
def in_a_process() -> None:
    began()
    time.sleep(600)
"""

TASKS = ["waits", "makes_the_best_of_it", "in_a_thread", "in_a_process"]

# The answer that must not come is waited for as long as the process lives.
LIVES_ON = """
import asyncio, jobs, signal

async def main():
    work = asyncio.create_task(jobs.app.run_async())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        print("left", flush=True)
    await asyncio.to_thread(input)

asyncio.run(main())
"""


@pytest.fixture
def app(tmp_path: Path) -> oq.App:
    (tmp_path / "jobs.py").write_text(JOBS)
    return oq.App(f"sqlite:{tmp_path}/oq.db")


def submitted(app: oq.App, task: str, folder: Path) -> "oq.Handle[None]":
    command = [OQ, "submit", task, "[]", "--attempts", "1"]
    done = subprocess.run(command, cwd=folder, env=environment(app), stdout=subprocess.PIPE, text=True)
    return app.handle(done.stdout.strip())


def environment(app: oq.App) -> "dict[str, str]":
    return {**os.environ, "OQ_URL": app._where(), "PYTHONUNBUFFERED": "1"}


def told_twice(app: oq.App, folder: Path, *command: str) -> "subprocess.Popen[str]":
    """Starts it, and tells it to end as soon as the task began, and once more."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(app),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n", process.communicate()
    process.send_signal(signal.SIGINT)
    # What comes before the loop ran again counts once.
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    return process


@pytest.mark.parametrize("task", TASKS)
def test_a_worker_of_the_command_line_leaves_what_runs(app, tmp_path, task):
    handle = submitted(app, task, tmp_path)
    with told_twice(app, tmp_path, OQ, "worker", "jobs:app") as worker:
        _, err = worker.communicate(timeout=30)
    assert worker.returncode == 130
    assert "oq: OQ-INTERRUPTED: it was told to end a second time: what ran was left" in err
    view = handle.status_sync()
    assert (view.state, view.attempts) == ("running", 1), view


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the first Ctrl-C ends asyncio.run() there")
@pytest.mark.parametrize("runs", ["run_async", "drain"])
def test_asyncio_run_that_is_interrupted_twice_leaves_what_runs(app, tmp_path, runs):
    """It cancels the worker and its attempts all at once."""
    handle = submitted(app, "waits", tmp_path)
    code = f"import asyncio, jobs; asyncio.run(jobs.app.{runs}())"
    with told_twice(app, tmp_path, sys.executable, "-c", code) as program:
        program.communicate(timeout=30)
    view = handle.status_sync()
    assert (view.state, view.attempts) == ("running", 1), view


@pytest.mark.parametrize("task", TASKS)
def test_what_was_left_has_no_outcome_while_the_process_lives(app, tmp_path, task):
    handle = submitted(app, task, tmp_path)
    with told_twice(app, tmp_path, sys.executable, "-c", LIVES_ON) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "left\n"
        with pytest.raises(oq.TimedOut):
            handle.wait_sync("2s")
        program.communicate("\n", timeout=30)
    view = handle.status_sync()
    assert (view.state, view.attempts) == ("running", 1), view


def test_a_cancellation_of_the_handlers_own_is_a_failure(memory_app):
    @memory_app.task(retry=oq.Retry(1))
    async def gives_up() -> None:
        there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        there.cancel()
        await there

    handle = gives_up.enqueue_sync()
    assert memory_app.drain_sync()["failed"] == 1
    with pytest.raises(oq.TaskFailed, match="CancelledError"):
        handle.result_sync(1)


def test_without_uvloop_a_failure_is_told_without_its_absence(memory_app, monkeypatch):
    from oq._worker import run

    monkeypatch.setitem(sys.modules, "uvloop", None)

    @memory_app.task(retry=oq.Retry(1))
    async def fails() -> None:
        raise ValueError("its own")

    handle = fails.enqueue_sync()
    run(memory_app.drain())
    with pytest.raises(oq.TaskFailed, match="its own") as failed:
        handle.result_sync(1)
    assert "uvloop" not in str(failed.value)
