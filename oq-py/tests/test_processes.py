"""Tasks with `process=True`: what their processes answer, and how they end."""

import os
import signal
import socket
import subprocess
import sys
import time

import oq
import pytest
from conftest import worker

SOON = "30s"
ONCE = oq.Retry(1)

app = oq.App("memory:processes")


@app.task(process=True, retry=ONCE)
def square(n: int) -> int:
    return n * n


@app.task(process=True, retry=ONCE)
def forks_and_both_return() -> str:
    child = os.fork()
    if child == 0:
        return "child"
    return f"parent of one that ended with {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}"


@app.task(process=True, retry=ONCE)
def forks_and_the_child_raises() -> str:
    child = os.fork()
    if child == 0:
        raise ValueError("of the child")
    return f"parent of one that ended with {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}"


@app.task(process=True, retry=ONCE)
def forks_and_the_child_speaks() -> list[int]:
    child = os.fork()
    if child == 0:
        oq.current().save(-1)
        oq.current().progress(9, 9)
        os._exit(0)
    os.waitpid(child, 0)
    return [oq.current().saved(7)]


@app.task(process=True, retry=ONCE)
def leaves_a_child_behind_and_dies() -> None:
    if os.fork() == 0:
        time.sleep(60)
    os._exit(5)


@app.task(process=True, retry=oq.Retry(3, base=0))
def snoozes_into_the_past() -> None:
    raise oq.Snooze(-1)


@app.task(process=True, retry=ONCE)
def extends_into_the_past() -> list[str]:
    try:
        oq.current().extend(-1)
    except oq.Invalid as e:
        return [str(e)]
    return []


@app.task(process=True, retry=ONCE)
def saves_too_much() -> None:
    oq.current().save("x" * (2 << 20))
    time.sleep(60)


def _socket() -> socket.socket:
    """The socket to the worker, as only code without manners finds it."""
    return socket.socket(fileno=os.dup(int(sys.argv[-1])))


@app.task(process=True, retry=oq.Retry(2, base=0))
def answers_out_of_step(how: str) -> str:
    from oq._process import send

    if oq.current().attempt == 1:
        with _socket() as end:
            if how == "another call":
                said = {"what": "complete", "given": ['"x"'], "from": os.getpid(), "call": 0}
                send(end, said)
            elif how == "another process":
                send(end, {"what": "complete", "given": ['"x"'], "from": 1, "call": 1})
            else:
                end.sendall(b"what a library writes to a descriptor that is not its own")
    return "right"


@app.task(process=True)
def pid() -> list[int]:
    return [os.getpid(), os.getsid(0)]


@pytest.fixture(scope="module", autouse=True)
def working():
    with worker(app, concurrency=2):
        yield


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS's own libraries do not cross a fork")
@pytest.mark.parametrize("forks", [forks_and_both_return, forks_and_the_child_raises])
def test_what_a_handler_forks_answers_for_nobody_and_ends(forks):
    for n in range(4):
        assert forks.enqueue_sync().result_sync(SOON) == "parent of one that ended with 1"
        squares = [square.enqueue_sync(m) for m in range(n, n + 4)]
        assert [h.result_sync(SOON) for h in squares] == [m * m for m in range(n, n + 4)]


def test_what_a_handler_forks_says_nothing_of_the_task():
    handle = forks_and_the_child_speaks.enqueue_sync()
    assert handle.result_sync(SOON) == [7]
    assert handle.status_sync().progress is None


def test_a_death_is_noticed_while_a_fork_lives_on():
    """The fork would hold the worker's socket open."""
    view = leaves_a_child_behind_and_dies.enqueue_sync().wait_sync(SOON)
    assert (view.failure.kind, view.attempts) == ("crashed", 1)


@pytest.mark.parametrize("how", ["another call", "another process", "no message"])
def test_what_answers_out_of_step_is_not_believed_and_is_ended(how, caplog):
    handle = answers_out_of_step.enqueue_sync(how)
    assert handle.result_sync(SOON) == "right"
    assert handle.status_sync().attempts == 2
    told = [r.getMessage() for r in caplog.records if handle.id in r.getMessage()]
    assert "crashed: its process was not understood" in told[0], told
    assert [square.enqueue_sync(n).result_sync(SOON) for n in range(5)] == [0, 1, 4, 9, 16]


def test_a_snooze_that_is_no_duration_is_final():
    view = snoozes_into_the_past.enqueue_sync().wait_sync(SOON)
    assert (view.state, view.failure.kind, view.attempts) == ("failed", "Snooze", 1)
    assert "-1" in view.failure.message and "negative" in view.failure.message


def test_an_extension_that_is_no_duration_is_refused_where_it_is_said():
    (refused,) = extends_into_the_past.enqueue_sync().result_sync(SOON)
    assert "extend of -1 s" in refused and "negative" in refused


def test_a_state_that_is_refused_fails_as_in_a_thread():
    in_thread = app.task(name="saves_too_much_in_a_thread", retry=ONCE)(saves_too_much.function)
    with worker(app, concurrency=1):
        view, same = [t.enqueue_sync().wait_sync(SOON) for t in (saves_too_much, in_thread)]
    assert (view.state, view.failure.kind) == (same.state, same.failure.kind) == ("failed", "Invalid")
    assert "a saved state of" in view.failure.message and "a saved state of" in same.failure.message
    assert square.enqueue_sync(3).result_sync(SOON) == 9


def test_a_process_is_kept_for_the_next_task_and_replaced_if_it_died_meanwhile():
    first, session = pid.enqueue_sync().result_sync(SOON)
    assert session == first, "a session of its own: Ctrl-C at the terminal does not reach it"
    seen = {pid.enqueue_sync().result_sync(SOON)[0] for _ in range(4)}
    assert len(seen | {first}) <= 2, "as many as work at the same time"
    for one in seen | {first}:
        os.kill(one, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(_runs(one) for one in seen):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    view = pid.enqueue_sync().wait_sync(SOON)
    assert (view.state, view.attempts) == ("completed", 1)


def _runs(pid: int) -> bool:
    """Whether it is there, and not a zombie that waits for the worker to look."""
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True)
    return state.stdout.strip() not in ("", "Z")


SCRIPT = """
import os, sys, time
import oq

app = oq.App(sys.argv[1])

@app.task(process=True, retry=oq.Retry(1))
def slow() -> str:
    print("began", flush=True)
    time.sleep(1)
    return "ended"

if __name__ == "__main__":
    app.run(grace="20s")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_lets_process_tasks_end(tmp_path, number):
    """As Ctrl-C at a terminal sends it, or a supervisor to all it started."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    url = f"sqlite:{tmp_path}/oq.db"
    slow = oq.App(url).task(name="slow", retry=ONCE)(lambda: None)
    with subprocess.Popen(
        [sys.executable, script, url], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            handle = slow.enqueue_sync()
            assert process.stdout.readline() == "began\n"
            os.killpg(process.pid, number)
            assert process.wait(30) == 0
            # Nothing of it is left that holds its stdout.
            assert process.stdout.read() == ""
        finally:
            process.kill()
    assert handle.status_sync().output == "ended"
