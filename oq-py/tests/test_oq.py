"""The package on a store in a file. What the core decides is tested there."""

import datetime
import os
import signal
import threading
import time

import oq
import pytest


@pytest.fixture
def queue(tmp_path):
    return oq.connect(f"sqlite:{tmp_path}/oq.db", queue="mail")


def test_what_is_submitted_can_be_looked_up(queue):
    task = queue.submit(
        "welcome",
        {"to": "ä@x.io", "n": 2**60},
        delay=datetime.timedelta(minutes=5),
        priority=3,
        tags={"customer": "c1"},
    )
    view = queue.get(task)
    assert (view.id, view.type, view.state) == (task, "welcome", "waiting")
    assert view.input == {"to": "ä@x.io", "n": 2**60}
    assert view.tags == {"customer": "c1"}
    assert not view.is_over
    assert queue.name == "mail"


def test_a_key_stands_for_one_task(queue):
    assert queue.submit("welcome", key="a") == queue.submit("welcome", key="a")


@pytest.mark.parametrize(
    "kind, code, call",
    [
        (oq.Invalid, "OQ-INVALID", lambda q: q.submit("a b")),
        (oq.Invalid, "OQ-INVALID", lambda q: q.submit("a", float("nan"))),
        (oq.Invalid, "OQ-INVALID", lambda q: q.submit("a", object())),
        (oq.Invalid, "OQ-INVALID", lambda q: q.submit("a", "\ud800")),
        (oq.Invalid, "OQ-INVALID", lambda q: q.submit("a", delay=-1)),
        (oq.Invalid, "OQ-INVALID", lambda q: q.submit("a", delay=float("inf"))),
        (oq.Invalid, "OQ-INVALID", lambda q: q.submit("a", priority=32)),
        (oq.Invalid, "OQ-INVALID", lambda q: q.submit("a", priority=-1)),
        (oq.Invalid, "OQ-INVALID", lambda q: q.get("nonsense")),
        (oq.NotFound, "OQ-NOT-FOUND", lambda q: q.get("01HF7YAT0000000000000G0000")),
        (oq.TimedOut, "OQ-TIMED-OUT", lambda q: q.wait(q.submit("a"), timeout=0.05)),
        (oq.Unusable, "OQ-UNUSABLE", lambda q: oq.connect("redis://host")),
    ],
)
def test_errors_have_the_codes_of_the_core(queue, kind, code, call):
    with pytest.raises(kind) as raised:
        call(queue)
    assert raised.value.code == code
    assert isinstance(raised.value, oq.OqError)


def test_waiting_lets_other_threads_run(queue):
    task = queue.submit("a")
    ticks = []

    def tick():
        for _ in range(10):
            ticks.append(time.monotonic())
            time.sleep(0.01)

    thread = threading.Thread(target=tick)
    thread.start()
    with pytest.raises(oq.TimedOut):
        queue.wait(task, timeout=1)
    assert len(ticks) == 10
    thread.join()


def test_waiting_can_be_interrupted(queue):
    task = queue.submit("a")
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        queue.wait(task, timeout=60)
    assert time.monotonic() - began < 10


def test_a_fork_is_told_to_connect_again(queue):
    child = os.fork()
    if child == 0:
        try:
            queue.submit("a")
            os._exit(1)
        except oq.Unusable:
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
