"""Secrets are never said: each is planted where a program finds secrets, and looked for in errors, in
what objects are shown as, and in the log at its lowest level."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from oq._dev import served

SECRET = "canary-secret-kJ8s0f3LqZ"
TOKEN = "canary-token-Wq71mm0aPz"
PASSWORD = "canary-password-9xT2"

PROGRAM = """
import asyncio, logging, os, sys, traceback
import oq

logging.basicConfig(level=1, stream=sys.stdout)

def tell(error):
    traceback.print_exception(error)
    print(repr(error), str(error), error.args, vars(error))

def attempt(what):
    try:
        result = what()
        if asyncio.iscoroutine(result):
            result = asyncio.run(result)
        print(repr(result))
        return result
    except Exception as error:
        tell(error)

app = attempt(oq.App)
if app is not None:
    @app.task()
    def double(n: int) -> int:
        logging.getLogger("handler").info("runs")
        return 2 * n

    print(repr(app), vars(app), repr(double), repr(double.call(1)))
    handle = attempt(lambda: double.enqueue_sync(1))
    attempt(lambda: double.enqueue(2))
    attempt(lambda: app.enqueue_many_sync([double.call(3)]))
    attempt(lambda: app.drain_sync(within="20s"))
    if handle is not None:
        attempt(lambda: handle.result_sync(timeout=10))
        print(repr(handle), vars(handle) if hasattr(handle, "__dict__") else "")
    async def work():
        async with asyncio.timeout(1.5):
            await app.run_async(poll=0.2, grace=0.2)
    attempt(work)
print("the end")
"""


def said(folder: Path, env: "dict[str, str]") -> str:
    program = folder / "program.py"
    program.write_text(PROGRAM)
    ran = subprocess.run(
        [sys.executable, program],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "the end" in ran.stdout, ran
    return ran.stdout + ran.stderr


def test_a_program_that_is_let_in_says_no_secret(tmp_path):
    with served("memory:") as dev:
        text = said(tmp_path, dev.env)
    assert "<oq.Handle " in text and "DEBUG" in text
    assert dev.env["AWS_SECRET_ACCESS_KEY"] not in text, text


def test_a_program_that_is_refused_says_no_secret(tmp_path):
    with served("memory:") as dev:
        planted = {"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
        text = said(tmp_path, {**dev.env, **planted})
    assert "_oq.Denied: " in text, text
    assert SECRET not in text and TOKEN not in text, text


@pytest.mark.parametrize(
    "url",
    [
        f"s3://user:{PASSWORD}@bucket/p",
        f"s3://bucket/p?endpoint=http://user:{PASSWORD}@127.0.0.1:9",
        f"s3://bucket/p?secret={PASSWORD}",
        f"postgres://user:{PASSWORD}@host/db",
    ],
)
def test_a_secret_in_the_url_is_refused_and_not_repeated(tmp_path, url):
    planted = {"AWS_ACCESS_KEY_ID": "canary", "AWS_SECRET_ACCESS_KEY": SECRET}
    text = said(tmp_path, {"OQ_URL": url, **planted})
    assert "_oq.Unusable: " in text, text
    assert SECRET not in text and PASSWORD not in text, text
