"""The programs of docs/from-celery-rq-dramatiq.md: one program for each queue, which all print the same.

The peers are installed into a virtual environment of their own, and need `redis-server`.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
PROGRAMS = PACKAGE / "peers"
PAGE = PACKAGE.parent / "docs/from-celery-rq-dramatiq.md"
PRINTS = "cat.png at attempt 2\ndog.png at attempt 2\n5900\n"

sys.path.insert(0, str(PACKAGE / "bench"))
import redis_peers  # noqa: E402


@pytest.fixture(scope="module")
def redis():
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with redis_peers.redis() as url:
        yield url


def test_the_page_shows_the_programs_that_run_here():
    shown = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    there = [path.read_text() for path in PROGRAMS.glob("*_jobs.py")]
    assert len(shown) == 4 and sorted(shown) == sorted(there)


@pytest.mark.parametrize("peer", ["celery", "rq", "dramatiq"])
def test_a_peers_program_runs(peer, redis):
    env = redis_peers.program(redis)
    run(peer, "python", env)


def test_the_program_of_oq_runs(tmp_path):
    scripts = sysconfig.get_path("scripts")
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    run("oq", sys.executable, {**os.environ, "PATH": path, "OQ_URL": f"sqlite:{tmp_path}/oq.db"})


def run(peer, python, env):
    """Its worker, as its first line says, and its producer beside it."""
    first = (PROGRAMS / f"{peer}_jobs.py").read_text().partition("\n")[0]
    command = first.removeprefix("# worker:").replace("$REDIS_URL", env.get("REDIS_URL", ""))
    produce = f"from {peer}_jobs import produce; produce()"
    with subprocess.Popen(
        command.split(), cwd=PROGRAMS, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as worker:
        try:
            done = subprocess.run(
                [python, "-c", produce], cwd=PROGRAMS, env=env, capture_output=True, text=True, timeout=90
            )
        finally:
            worker.terminate()
            said, _ = worker.communicate(timeout=30)
    assert (done.returncode, done.stdout) == (0, PRINTS), (done.stderr, said)
