"""The peers: their own virtual environment, and a Redis of their own on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target"))

PEERS = {
    "Celery": ("celery_noop", "2 processes", 10_000),
    "RQ": ("rq_noop", "2 processes", 3_000),
    "Dramatiq": ("dramatiq_noop", "2 processes of 8 threads", 20_000),
}
"""Their no-op programs, their workers, and with how many tasks each is measured."""


def environment() -> Path:
    """The folder of programs of a virtual environment with what `requirements.txt` pins."""
    folder = TARGET / "venv-peers"
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_bytes() != REQUIREMENTS.read_bytes():
        venv.create(folder, clear=True, with_pip=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([folder / "bin/pip", "install", *quiet, "-r", REQUIREMENTS], check=True)
        shutil.copy(REQUIREMENTS, installed)
    return folder / "bin"


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """The URL of a Redis on a free port of the loopback; it keeps nothing on disk."""
    server = shutil.which("redis-server")
    if server is None:
        sys.exit("redis-server is missing: install it (apt-get install redis-server)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([server, *settings, "--dir", folder], stdout=subprocess.DEVNULL) as process,
    ):
        try:
            until_it_listens(port, process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            if process.poll() is not None:
                raise
            time.sleep(0.02)


def program(url: str) -> dict[str, str]:
    """The environment variables of the peers' programs."""
    path = f"{environment()}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "REDIS_URL": url, "PATH": path}


def measure(url: str, module: str, tasks: int) -> tuple[float, float, float]:
    """Tasks enqueued, worked off, and run end to end in a second."""
    done = subprocess.run(
        [environment() / "python", "run.py", module, str(tasks)],
        cwd=HERE / "noop",
        env=program(url),
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
    )
    rates = json.loads(done.stdout)
    return rates["enqueued"], rates["drained"], rates["ran"]


def versions() -> str:
    """Of what is measured beside oq."""
    pins = dict(line.split("==") for line in REQUIREMENTS.read_text().splitlines() if "==" in line)
    names = ", ".join(f"{who} {pins[who.lower()]}" for who in PEERS)
    shown = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
    return f"{names}, Redis {shown.stdout.partition('v=')[2].split()[0]}"
