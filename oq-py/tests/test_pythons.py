"""Pythons and programs around oq: event loops, web frameworks, and what is refused at the import."""

import asyncio
import subprocess
import sys
import threading

import oq
import pytest
from conftest import worker

SOON = "30s"


def python(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_a_build_without_the_gil_is_refused_clearly():
    """There is none here: what it says of itself is put in its place."""
    done = python("import sys; sys._is_gil_enabled = lambda: False; import oq")
    assert done.returncode == 1
    assert "ImportError: oq does not work without the GIL yet" in done.stderr


SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
inside = '''
try:
    import oq
except ImportError as e:
    print(e, flush=True)
'''
interpreters.run_string(interpreters.create(), inside)
"""


@pytest.mark.parametrize("before", ["", "import oq"], ids=["first", "after the main one"])
def test_a_sub_interpreter_is_refused_clearly(before):
    done = python(before + SUBINTERPRETER)
    assert "oq works in the main interpreter of a process only" in done.stdout, done.stderr


def test_a_worker_runs_on_uvloop(memory_app):
    uvloop = pytest.importorskip("uvloop")
    loops = []

    @memory_app.task()
    async def where() -> int:
        loops.append(type(asyncio.get_running_loop()))
        await asyncio.sleep(0)
        return (await memory_app.handle(oq.current().id).status()).attempts

    async def main() -> int:
        handle = await where.enqueue()
        await memory_app.drain()
        return await handle.result(SOON)

    assert uvloop.run(main()) == 1
    assert loops == [uvloop.Loop]


RUNS = """
import asyncio, os, signal
import oq

app = oq.App("memory:")

@app.task()
async def where() -> None:
    print(type(asyncio.get_running_loop()).__module__)
    os.kill(os.getpid(), signal.SIGTERM)

where.enqueue_sync()
app.run()
"""


def test_app_run_takes_uvloop_where_it_is_installed():
    assert python(RUNS).stdout == "uvloop\n"
    without = "import sys; sys.modules['uvloop'] = None\n" + RUNS
    assert python(without).stdout == "asyncio.unix_events\n"


@pytest.fixture
def double(memory_app):
    @memory_app.task()
    def double(n: int) -> int:
        return 2 * n

    with worker(memory_app):
        yield double


def test_flask_uses_the_twins(double):
    import flask

    web = flask.Flask("web")

    @web.post("/<int:n>")
    def post(n: int) -> "dict[str, int]":
        return {"double": double.enqueue_sync(n).result_sync(SOON)}

    @web.get("/<int:n>")
    async def get(n: int) -> "dict[str, int]":  # Flask gives each such request a loop of its own
        return {"double": await (await double.enqueue(n)).result(SOON)}

    answers: list[object] = []

    def ask() -> None:
        client = web.test_client()
        answers.append(client.post("/21").json)
        answers.append(client.get("/21").json)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [{"double": 42}] * 8


DJANGO = """
import asyncio, sys
import django
from django.conf import settings
from django.http import JsonResponse
from django.urls import path

import oq

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of a test")
app = oq.App("memory:")

@app.task()
def double(n: int) -> int:
    return 2 * n

def plain(request):
    return JsonResponse({"id": double.enqueue_sync(21).id})

async def awaits(request):
    return JsonResponse({"id": (await double.enqueue(21)).id})

async def wrong(request):
    return JsonResponse({"id": double.enqueue_sync(21).id})

urlpatterns = [path("plain", plain), path("awaits", awaits), path("wrong", wrong)]
django.setup()

from django.test import AsyncClient, Client

ids = [Client().get("/plain").json()["id"], Client().get("/awaits").json()["id"]]

async def main():
    client = AsyncClient()
    ids.append((await client.get("/plain")).json()["id"])
    ids.append((await client.get("/awaits")).json()["id"])
    try:
        await client.get("/wrong")
    except oq.Unusable as e:
        print(e)

asyncio.run(main())
app.drain_sync()
print([app.handle(id).result_sync("1s") for id in ids])
"""


def test_django_uses_the_twins_and_awaits_in_async_views(tmp_path):
    script = tmp_path / "web.py"
    script.write_text(DJANGO)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    wrong, results = done.stdout.splitlines() or [done.stderr, ""]
    assert "await the call without _sync" in wrong
    assert results == "[42, 42, 42, 42]"


def test_the_import_leaves_asyncio_to_who_needs_it() -> None:
    """It takes as long as all else together."""
    code = "import sys, oq; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
