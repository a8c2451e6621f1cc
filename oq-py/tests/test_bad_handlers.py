"""Handlers that do what they should not: each ends its own task in a defined way, and no other."""

import asyncio
import ctypes
import os
import subprocess
import sys
import time
from typing import Any

import oq
import pytest
from conftest import worker

SOON = "30s"
ONCE = oq.Retry(1)

app = oq.App("memory:bad-handlers")


async def coroutine() -> None: ...


@app.task(retry=ONCE)
def returns_a_coroutine() -> Any:
    return coroutine()


@app.task(retry=ONCE)
async def returns_a_coroutine_async() -> Any:
    return coroutine()


@app.task(retry=ONCE)
def raises_a_monster() -> None:
    raise ValueError("x" * 100_000_000)


@app.task(retry=ONCE)
def raises_what_cannot_be_shown() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    raise Mute


@app.task(retry=ONCE)
def raises_what_exits_when_shown() -> None:
    class Exits(Exception):
        def __str__(self) -> str:
            sys.exit(3)

    raise Exits


@app.task(retry=ONCE)
async def raises_what_exits_when_shown_async() -> None:
    raises_what_exits_when_shown.function()


@app.task(retry=ONCE)
def raises_half_a_character() -> None:
    raise ValueError("\ud800")


@app.task(retry=ONCE)
def exits() -> None:
    sys.exit(3)


@app.task(retry=ONCE)
async def exits_async() -> None:
    sys.exit(3)


@app.task(retry=ONCE)
async def interrupts_async() -> None:
    raise KeyboardInterrupt


@app.task(retry=ONCE)
async def cancels_itself() -> None:
    raise asyncio.CancelledError


@app.task(retry=ONCE)
def unserialisable() -> Any:
    return {"a": [1, object()]}


@app.task(retry=ONCE)
def not_a_number() -> float:
    return float("nan")


@app.task(retry=ONCE)
def recursive() -> Any:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@app.task(retry=ONCE)
def returns_a_monster() -> str:
    return "x" * (65 << 20)


@app.task(retry=ONCE)
def another_type() -> int:
    return "3"  # type: ignore[return-value]


@app.task(retry=ONCE)
def snoozes_for_nonsense() -> None:
    raise oq.Snooze("soon")


@app.task(retry=ONCE, process=True)
def exits_at_once() -> None:
    os._exit(5)


@app.task(retry=ONCE, process=True)
def exits_by_sys() -> None:
    sys.exit(3)


@app.task(retry=ONCE, process=True)
def segfaults() -> None:
    ctypes.string_at(0)


@app.task(retry=ONCE, process=True, timeout="300ms")
def never_ends() -> None:
    while True:
        pass


@app.task(retry=ONCE, process=True)
def forks() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return 1


@app.task(process=True)
def in_a_process(n: int) -> int:
    oq.current().progress(1, n)
    oq.current().save(n)
    return n + oq.current().saved(0)


@app.task()
def good(n: int) -> int:
    return n


BAD = [
    (returns_a_coroutine, "result", "it returned a coroutine"),
    (returns_a_coroutine_async, "result", "it returned a coroutine"),
    (raises_a_monster, "ValueError", "(100000000 characters)"),
    (raises_what_cannot_be_shown, "Mute", "cannot be shown"),
    (raises_what_exits_when_shown, "Exits", "cannot be shown"),
    (raises_what_exits_when_shown_async, "Exits", "cannot be shown"),
    (raises_half_a_character, "ValueError", "\\ud800"),
    (exits, "SystemExit", "3"),
    (exits_async, "SystemExit", "3"),
    (interrupts_async, "KeyboardInterrupt", ""),
    (cancels_itself, "CancelledError", ""),
    (unserialisable, "result", "result['a'][1]: object is not JSON"),
    (not_a_number, "result", "nan is no JSON number"),
    (recursive, "result", "contains itself"),
    (returns_a_monster, "payload", "bytes: use at most"),
    (another_type, "result", "result: expected int, got str '3'"),
    (snoozes_for_nonsense, "Snooze", "soon"),
    (exits_at_once, "crashed", "exit code 5"),
    (exits_by_sys, "SystemExit", "3"),
    (segfaults, "crashed", "SIGSEGV"),
    (never_ends, "timeout", "timeout"),
]


@pytest.fixture(scope="module", autouse=True)
def working():
    with worker(app):
        yield


@pytest.mark.parametrize("task, kind, message", BAD, ids=lambda v: getattr(v, "name", ""))
def test_a_bad_handler_ends_its_own_task_only(task, kind, message):
    view = task.enqueue_sync().wait_sync(SOON)
    assert (view.state, view.attempts, view.failure.kind) == ("failed", 1, kind)
    assert message in view.failure.message
    assert len(view.failure.message.encode()) <= 16 << 10
    assert good.enqueue_sync(7).result_sync(SOON) == 7


def test_a_process_task_may_fork_and_speak():
    assert forks.enqueue_sync().result_sync(SOON) == 1
    assert in_a_process.enqueue_sync(4).result_sync(SOON) == 8


def test_a_crash_of_a_child_is_tried_again():
    view = exits_at_once.using(retry=oq.Retry(2, base=0)).enqueue_sync().wait_sync(SOON)
    assert view.attempts == 2


def test_wrong_inputs_of_others_fail_for_good():
    """As if another program had submitted them."""
    from oq._bridge import wait
    from oq._options import Options

    draft = Options(retry=oq.Retry(2, base=0)).draft("good")
    for text, says, attempts in [
        ('{"n": "x"}', "n: expected int", 1),
        ("{}", "n: it is missing", 1),
        # What is not known here may be known to newer code, on another worker.
        ('{"m": 1}', "m: there is no such parameter", 2),
        ("[1, 2]", "too many", 2),
    ]:
        id, _ = wait(app._client.submit("default", draft, text))
        view = app.handle(id).wait_sync(SOON)
        assert (view.failure.kind, view.attempts) == ("input", attempts)
        assert says in view.failure.message
    for text in ('{"n": 1}', "[1]", "1"):
        id, _ = wait(app._client.submit("default", Options().draft("good"), text))
        assert good.handle(id).result_sync(SOON) == 1


def test_a_handler_that_blocks_the_loop_is_reported_by_name(memory_app, caplog):
    @memory_app.task()
    async def blocks() -> None:
        time.sleep(1.8)

    @memory_app.task()
    async def waits_for_it() -> None: ...

    with worker(memory_app):
        handle = blocks.enqueue_sync()
        while handle.status_sync().state == "pending":
            pass
        assert waits_for_it.enqueue_sync().wait_sync(SOON).state == "completed"
        assert handle.wait_sync(SOON).state == "completed"
    told = [r.getMessage() for r in caplog.records]
    assert any("did not run for" in text and "what ran was blocks:" in text for text in told), told


HOLDS_THE_GIL = """
import ctypes, os, sys
import oq

app = oq.App("memory:")

@app.task()
def holds() -> int:
    # Unlike time.sleep() it keeps the GIL.
    ctypes.PyDLL(None).usleep(int(11e6))
    return 1

holds.enqueue_sync()
drained = app.drain_sync()
print(drained["completed"])
"""


def test_a_handler_that_holds_the_gil_is_reported_while_it_does():
    """Nothing of Python can run then, so it is told on stderr, before any lease is over."""
    done = subprocess.run([sys.executable, "-c", HOLDS_THE_GIL], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr
    assert "oq: Python has not run the worker's event loop for 10 s" in done.stderr
    assert "Running: holds" in done.stderr


@app.task()
def forks_in_a_thread() -> int:
    child = os.fork()
    # The child returns as well; that must neither answer nor work.
    return 1 if child == 0 else os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@app.task()
async def forks_on_the_loop() -> int:
    child = os.fork()
    if child == 0:
        await asyncio.sleep(0)
        os._exit(77)  # it never comes here
    return os.waitstatus_to_exitcode((await asyncio.to_thread(os.waitpid, child, 0))[1])


@app.task()
async def forks_and_ends_on_the_loop() -> int:
    child = os.fork()
    if child == 0:
        raise ValueError("of the child")
    return os.waitstatus_to_exitcode((await asyncio.to_thread(os.waitpid, child, 0))[1])


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS's own libraries do not cross a fork")
@pytest.mark.parametrize(
    "task", [forks_in_a_thread, forks_on_the_loop, forks_and_ends_on_the_loop], ids=lambda t: t.name
)
def test_what_a_handler_forks_is_no_second_worker(task, capfd):
    assert task.enqueue_sync().result_sync(SOON) == 1
    assert f"a process that {task.name} forked" in capfd.readouterr().err
    assert good.enqueue_sync(7).result_sync(SOON) == 7


EXITS = """
import os
import oq

app = oq.App()

@app.task(retry=oq.Retry(1), lease="15s")
def exits() -> None:
    os._exit(5)

@app.task(lease="15s")
def beside() -> int:
    return 1

if __name__ == "__main__":
    app.run(concurrency=1)
"""


def test_a_handler_that_ends_its_worker_is_charged_and_nothing_is_lost(
    tmp_path, monkeypatch
):
    """No code of the worker runs any more: the next worker finds it, when the lease is over."""
    (tmp_path / "exits.py").write_text(EXITS)
    monkeypatch.setenv("OQ_URL", f"sqlite:{tmp_path}/oq.db")
    monkeypatch.syspath_prepend(tmp_path)
    import exits

    batch = exits.app.enqueue_many_sync([exits.exits.call(), exits.beside.call()])
    assert subprocess.run([sys.executable, exits.__file__], timeout=30).returncode == 5
    with worker(exits.app):
        view = batch[0].wait_sync("1m")
        assert (view.state, view.attempts) == ("failed", 1)
        assert batch[1].result_sync("1m") == 1
