"""A function whose sandbox was frozen for ten minutes: its clock did not move, Lambda's did, and
what it had open is dead without its knowing."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection, create_server, socket
from typing import Any
from urllib.parse import urlsplit

import oq
import pytest
from lambda_events import MINUTE, told


def jobs(url: str) -> "tuple[oq.App, oq.Task[[int], Any, int]]":
    app = oq.App(url)

    @app.task()
    async def double(n: int) -> int:
        return 2 * n

    return app, double


def freeze(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """From now on the time of day, by which Lambda says the deadline, is that much later."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)


@pytest.mark.parametrize("seconds, expected", [(600, "untried"), (0, "ran")])
def test_what_was_set_during_a_freeze_is_known_after_it(
    seconds, expected, tmp_path, functions, monkeypatch
):
    url = f"sqlite:{tmp_path}/oq.db"
    app, double = jobs(url)
    handler = oq.lambda_handler(app)
    functions.append(handler)
    assert handler(told(url, double.enqueue_sync(1)), MINUTE)["leads"] == {"ran": 1}
    command = [sys.executable, "-m", "oq._cli", "--url", url, "queue", "pause"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    freeze(monkeypatch, seconds)
    # Who knows of no freeze takes what it read a moment ago for the queue's settings.
    assert handler(told(url, double.enqueue_sync(2)), MINUTE)["leads"] == {expected: 1}


class Proxy:
    """Stands between a function and its S3, and lets connections die without a word."""

    def __init__(self, server: "tuple[str, int]") -> None:
        self._server = server
        self._listener = create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._alive = threading.Event()
        self._alive.set()
        self.connections = 0
        self.swallowed = 0
        """Bytes that went into a dead connection."""
        self._open: list[socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def kill_connections(self) -> None:
        """From now on nothing comes through those that are open."""
        self._alive.clear()
        self._alive = threading.Event()
        self._alive.set()

    def close(self) -> None:
        for one in [self._listener, *self._open]:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = create_connection(self._server)
            self._open += [client, server]
            for pair in [(client, server, True), (server, client, False)]:
                args = (*pair, self._alive)
                threading.Thread(target=self._pass, args=args, daemon=True).start()

    def _pass(
        self, source: socket, sink: socket, of_client: bool, alive: threading.Event
    ) -> None:
        try:
            while data := source.recv(65536):
                if not alive.is_set():
                    self.swallowed += len(data) if of_client else 0
                    continue
                sink.sendall(data)
        except OSError:
            pass
        if alive.is_set():
            sink.close()


@pytest.fixture
def proxied(s3: str) -> "Iterator[tuple[Proxy, str, str]]":
    """A proxy, the store's URL, and the same through the proxy."""
    bucket, _, query = s3.partition("?")
    endpoint = next(word for word in query.split("&") if word.startswith("endpoint="))
    server = urlsplit(endpoint.removeprefix("endpoint="))
    assert server.hostname and server.port
    proxy = Proxy((server.hostname, server.port))
    through = query.replace(f"{server.hostname}:{server.port}", f"127.0.0.1:{proxy.port}")
    yield proxy, f"{bucket}/dead?{query}", f"{bucket}/dead?{through}"
    proxy.close()


def test_connections_that_died_in_a_freeze_are_not_used(proxied, functions, monkeypatch):
    proxy, url, through = proxied
    _, produced = jobs(url)
    app, _ = jobs(through)
    handler = oq.lambda_handler(app)
    functions.append(handler)
    first, second = produced.enqueue_sync(1), produced.enqueue_sync(2)
    assert handler(told(url, first), MINUTE)["completed"] == 1
    before = proxy.connections
    assert before > 0
    proxy.kill_connections()
    freeze(monkeypatch, 600)
    answer = handler(told(url, second), MINUTE)
    assert answer == {"leads": {"ran": 1}, "claimed": 1, "completed": 1, "stopped": "empty"}
    assert proxy.connections > before and proxy.swallowed == 0
    assert second.result_sync(1) == 4
