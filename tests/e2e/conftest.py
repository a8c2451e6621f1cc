"""Starts `oq dev` from the built binary, and gives tests the means to look at it.

Every server listens on a free port of 127.0.0.1 and holds one end of a pipe to this process, so
that it ends with it, even if that is killed.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60


def binary() -> Path:
    """The `oq` that was built, or the one that OQ_BIN names."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("OQ_BIN", target / "debug" / "oq"))
    if not path.exists():
        pytest.exit(f"{path} is missing: run `cargo build -p oq-cli`, or tests/run e2e", 2)
    return path


class Dev:
    """A running `oq dev`."""

    def __init__(self, *args: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [binary(), "dev", "--listen", "127.0.0.1:0", "--until-eof", "-o", "jsonl", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_env() | (env or {}),
        )
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._errors: list[str] = []
        for read in (self._read_events, self._read_errors):
            threading.Thread(target=read, daemon=True).start()
        ready = self._lines.get(timeout=PATIENCE)
        if ready is None:
            raise RuntimeError(f"oq dev did not start: {''.join(self._errors)}")
        assert ready["event"] == "ready", ready
        self.endpoint: str = ready["endpoint"]
        self.bucket: str = ready["bucket"]
        self.url: str = ready["url"]
        #: What a program needs to use it.
        self.env = {
            "OQ_URL": self.url,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ready["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": ready["secret_access_key"]
            or (env or {})["OQ_DEV_SECRET_ACCESS_KEY"],
            "AWS_REGION": ready["region"],
            "AWS_DEFAULT_REGION": ready["region"],
        }

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)

    def until(self, found: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """The events up to the first one that is looked for, that one included."""
        seen = []
        while True:
            event = self._lines.get(timeout=PATIENCE)
            assert event is not None, f"oq dev ended; seen: {seen}; {''.join(self._errors)}"
            seen.append(event)
            if found(event):
                return seen

    def boto3(self, **options: Any) -> Any:
        """A boto3 client; `config` is merged over one that does not repeat requests."""
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        config = config.merge(options.pop("config", Config()))
        given = {
            "endpoint_url": self.endpoint,
            "region_name": self.env["AWS_REGION"],
            "aws_access_key_id": self.env["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.env["AWS_SECRET_ACCESS_KEY"],
        }
        return boto3.session.Session().client("s3", **(given | options), config=config)

    def run(
        self, *command: str | Path, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program in the environment that `oq dev` prints."""
        done = subprocess.run(
            command,
            env=clean_env() | self.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            **options,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stderr}")
        return done

    def oq(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs `oq`."""
        return self.run(binary(), *args, **options)

    def aws(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs the AWS command line."""
        # Beside the interpreter: the environment of the tests need not be activated.
        return self.run(Path(sys.executable).parent / "aws", *args, **options)

    def stop(self) -> int:
        """Ends it as a service manager does, and waits for that."""
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE)

    def kill(self) -> None:
        """Ends it at once, whatever it is doing."""
        self.process.kill()
        self.process.wait(timeout=PATIENCE)


def clean_env() -> dict[str, str]:
    """This environment without what would lead elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "OQ_"))}
    # No profile of the user's, and no question to the metadata service of a cloud.
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return kept | nowhere | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}


@pytest.fixture
def start_dev() -> Iterator[Callable[..., Dev]]:
    """Starts `oq dev` with these arguments; it ends with the test."""
    started: list[Dev] = []

    def start(*args: str, **options: Any) -> Dev:
        dev = Dev(*args, **options)
        started.append(dev)
        return dev

    yield start
    for dev in started:
        dev.kill()


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def dev(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """One `oq dev` for the tests of a file, on each kind of store, without a worker."""
    url = "memory:"
    if request.param == "sqlite":
        url = f"sqlite:{tmp_path_factory.mktemp('dev') / 'oq.db'}"
    dev = Dev("--url", url, "--no-worker")
    yield dev
    dev.kill()


@pytest.fixture
def s3(dev: Dev) -> Any:
    """A boto3 client of it."""
    return dev.boto3()


@pytest.fixture
def bucket(dev: Dev, s3: Any, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own."""
    name = f"b-{abs(hash(request.node.nodeid)) % 10**10}"
    s3.create_bucket(Bucket=name)
    return name
