"""`oq dev` as a program: what it prints, how it ends, whom it lets in."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
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


def test_ends_when_nobody_reads_what_it_prints() -> None:
    process = subprocess.Popen(
        [binary(), "dev", "--listen", "127.0.0.1:0", "-o", "jsonl"],
        env=clean_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        # As `oq dev | head -1` does. What the worker does next is said to nobody.
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.stdout.close()
        subprocess.run(
            [binary(), "submit", "echo", "1", "--url", ready["url"]],
            env=clean_env()
            | {"AWS_ACCESS_KEY_ID": ready["access_key_id"]}
            | {"AWS_SECRET_ACCESS_KEY": ready["secret_access_key"]},
            timeout=60,
            check=False,
        )
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()


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


def test_tasks_end_whatever_fails_on_the_way(start_dev: StartDev) -> None:
    dev = start_dev("--faults", "503=0.05,500=0.03,cut=0.03")
    tasks = []
    for n in range(20):
        done = dev.oq("submit", "echo", str(n), check=False)
        # A submission in doubt names the task; whether it was accepted shows later.
        if done.returncode == 0:
            tasks.append((n, done.stdout.strip()))
    assert len(tasks) > 10
    for n, task in tasks:
        assert dev.oq("wait", task).stdout.strip() == str(n)


def connection(dev: Dev) -> socket.socket:
    host, port = dev.endpoint.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def test_a_head_that_does_not_end_is_refused(start_dev: StartDev) -> None:
    dev = start_dev("--no-worker")
    with connection(dev) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
        answer = b""
        with contextlib.suppress(OSError):
            for _ in range(10_000):
                client.sendall(b"x-more: " + b"a" * 100 + b"\r\n")
        with contextlib.suppress(OSError):
            answer = client.recv(1000)
    assert answer == b"" or b" 431 " in answer
    # It is none the worse for it.
    assert dev.boto3().list_buckets()["Buckets"]


def test_a_body_that_is_cut_short_writes_nothing(start_dev: StartDev) -> None:
    dev = start_dev("--no-worker")
    s3 = dev.boto3(config=Config(signature_version="s3v4"))
    where = {"Bucket": dev.bucket, "Key": "cut"}
    url = urlsplit(s3.generate_presigned_url("put_object", where))
    with connection(dev) as client:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-length: 100\r\n\r\n"
        client.sendall(head.encode() + b"only this")
        client.shutdown(socket.SHUT_WR)
        client.recv(1000)
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(**where)
