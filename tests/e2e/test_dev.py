"""`oq dev` as a program: what it prints, how it ends, whom it lets in."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import Dev, binary, clean_env

StartDev = Callable[..., Dev]


def test_the_lines_it_prints_are_all_that_programs_need(start_dev: StartDev) -> None:
    dev = start_dev()
    task = dev.oq("submit", "echo", '{"a": 1}').stdout.strip()
    assert dev.oq("wait", task).stdout.strip() == '{"a":1}'
    listed = dev.aws("s3", "ls", "--recursive", f"s3://{dev.bucket}/default/done/").stdout
    assert task in listed


def test_tells_what_becomes_of_tasks(start_dev: StartDev) -> None:
    dev = start_dev()
    task = dev.oq("submit", "flaky", "1").stdout.strip()
    events = dev.until(lambda e: e["event"] == "completed")
    told = [e["event"] for e in events if e["id"] == task]
    assert told == ["claimed", "retried", "claimed", "completed"]
    task = dev.oq("submit", "later", "0.1").stdout.strip()
    events = dev.until(lambda e: e["event"] == "completed")
    assert "rescheduled" in [e["event"] for e in events if e["id"] == task]


def test_without_a_worker_it_only_serves(start_dev: StartDev) -> None:
    dev = start_dev("--no-worker")
    task = dev.oq("submit", "echo", "1").stdout.strip()
    assert json.loads(dev.oq("get", task).stdout)["state"] == "pending"


def test_a_file_keeps_what_memory_forgets(start_dev: StartDev, tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'oq.db'}"
    dev = start_dev("--url", url, "--no-worker")
    task = dev.oq("submit", "echo", '"kept"').stdout.strip()
    # The bucket is the file: both show the same queue.
    shown = dev.oq("get", task, "--url", url)
    assert json.loads(shown.stdout)["input"] == "kept"
    assert dev.stop() == 0
    again = start_dev("--url", url)
    assert again.oq("wait", task).stdout.strip() == '"kept"'


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_ends_when_told_to_and_lets_tasks_finish(start_dev: StartDev, sent: signal.Signals) -> None:
    dev = start_dev()
    dev.oq("submit", "sleep", "1")
    dev.until(lambda e: e["event"] == "claimed")
    dev.process.send_signal(sent)
    dev.until(lambda e: e["event"] == "completed")
    assert dev.process.wait(timeout=30) == 0


def test_ends_at_once_when_told_twice(start_dev: StartDev) -> None:
    dev = start_dev()
    dev.oq("submit", "sleep", "600")
    dev.until(lambda e: e["event"] == "claimed")
    dev.process.terminate()
    assert dev.process.stderr is not None
    with pytest.raises(subprocess.TimeoutExpired):
        dev.process.wait(timeout=1)
    dev.process.terminate()
    assert dev.process.wait(timeout=10) == 130


def test_ends_with_the_program_that_started_it(start_dev: StartDev) -> None:
    dev = start_dev()
    assert dev.process.stdin is not None
    dev.process.stdin.close()
    assert dev.process.wait(timeout=30) == 0


def refused(*args: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [binary(), "dev", *args],
        env=clean_env() | (env or {}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("args", "code", "why"),
    [
        (["--listen", "0.0.0.0:0"], 2, "OQ_DEV_SECRET_ACCESS_KEY"),
        (["--listen", "[::]:0"], 2, "OQ_DEV_SECRET_ACCESS_KEY"),
        (["--listen", "localhost"], 2, "invalid value"),
        (["--url", "s3://bucket"], 7, "--url memory: or --url sqlite:PATH"),
        (["--url", "sqlite:/nonexistent/oq.db"], 7, "folder exists"),
        (["--bucket", "Oq"], 2, "small letters"),
        (["--latency", "slow"], 2, "none, s3, express"),
        (["--latency", "put=40"], 2, "get=20ms"),
        (["--faults", "2"], 2, "503=0.05"),
        (["--faults", "404=0.1"], 2, "503=0.05"),
        (["--concurrency", "0"], 2, "use 1 to"),
    ],
)
def test_says_what_is_wrong_and_what_to_do(args: list[str], code: int, why: str) -> None:
    ended, said = refused(*args)
    assert ended == code, said
    assert why in said
    assert "panicked" not in said


def test_a_port_that_is_taken_is_named(start_dev: StartDev) -> None:
    address = start_dev().endpoint.removeprefix("http://")
    ended, said = refused("--listen", address)
    assert ended == 7
    assert address in said and "--listen" in said


def test_a_secret_of_ones_own_is_demanded_and_not_printed(start_dev: StartDev) -> None:
    secret = "correct horse battery staple"
    dev = start_dev(env={"OQ_DEV_ACCESS_KEY_ID": "mine", "OQ_DEV_SECRET_ACCESS_KEY": secret})
    assert dev.env["AWS_ACCESS_KEY_ID"] == "mine"
    assert dev.boto3().list_buckets()["Buckets"]
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        dev.boto3(aws_access_key_id="oqdev").list_buckets()
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        dev.boto3(aws_secret_access_key="oqdevsecret").list_buckets()


def test_faults_reach_the_client_as_s3_sends_them(start_dev: StartDev) -> None:
    dev = start_dev("--no-worker", "--faults", "1")
    with pytest.raises(ClientError) as busy:
        dev.boto3().put_object(Bucket=dev.bucket, Key="a", Body=b"x")
    answer: dict[str, Any] = busy.value.response
    assert answer["Error"]["Code"] == "SlowDown"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
