"""One life of a queue, with real processes, on every S3 that is at hand.

Submit, work, retry, reschedule, cancel, a worker that is killed, take-over, dead letters, bulk: by
the real binary against `oq dev`, LocalStack and moto, with a look at the objects through boto3
and the AWS command line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from conftest import PATIENCE, ROOT, Dev, binary, clean_env

#: Installing a server at its first start may take minutes.
START = 600

#: Prints what a server's script put into the environment, and stays until stdin ends.
TELL = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


class Place:
    """A store that programs reach as S3."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = clean_env() | env
        url = urlsplit(env["OQ_URL"])
        self.bucket, self.prefix = url.netloc, url.path.strip("/")
        self.endpoint = parse_qs(url.query)["endpoint"][0]
        self.s3: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=env["AWS_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )

    def keys(self, below: str) -> list[str]:
        """The keys below a prefix, as boto3 sees them."""
        prefix = f"{self.prefix}/{below}" if self.prefix else below
        pages = self.s3.get_paginator("list_objects_v2")
        pages = pages.paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def aws(self, *args: str) -> str:
        """What the AWS command line says."""
        done = subprocess.run(
            [Path(sys.executable).parent / "aws", "--endpoint-url", self.endpoint, *args],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"aws {args}: {done.stderr}"
        return done.stdout

    def body(self, key: str) -> dict[str, Any]:
        """An object, read as JSON."""
        body: dict[str, Any] = json.loads(
            self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        )
        return body


@pytest.fixture(scope="module", params=["dev", "localstack", "moto"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "dev":
        dev = Dev("--no-worker")
        yield Place(dev.env)
        dev.kill()
        return
    server = [str(ROOT / "localstack" / "start")]
    server += ["--moto"] if request.param == "moto" else []
    process = subprocess.Popen(
        [*server, "--run", "--", sys.executable, "-c", TELL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_env() | {"OQ_START_TIMEOUT": str(START)},
    )
    assert process.stdin is not None and process.stdout is not None
    lines = (line for line in process.stdout if line.startswith("{"))
    told = json.loads(next(lines))
    yield Place({k: v for k, v in told.items() if k == "OQ_URL" or k.startswith("AWS_")})
    process.stdin.close()
    process.wait(timeout=PATIENCE)


class Here:
    """A queue of the test's own, and the processes that work on it."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.queue = f"q-{uuid.uuid4().hex[:12]}"
        self.env = place.env | {"OQ_QUEUE": self.queue, "HERE": str(folder)}
        self.workers: list[subprocess.Popen[str]] = []

    def oq(self, *args: str, stdin: str | None = None, code: int = 0) -> str:
        done = subprocess.run(
            [binary(), *args],
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == code, f"oq {args} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout.strip()

    def submit(self, task_type: str, task_input: object = None, *options: str) -> str:
        return self.oq("submit", task_type, json.dumps(task_input), "-o", "id", *options)

    def get(self, task: str) -> dict[str, Any]:
        view: dict[str, Any] = json.loads(self.oq("get", task, "-o", "json"))
        return view

    def wait(self, task: str, code: int = 0) -> str:
        return self.oq("wait", task, "--timeout", f"{PATIENCE}s", code=code)

    def drain(self, *tasks: str, linger: str = "0s") -> dict[str, Any]:
        """Runs a worker until nothing is due."""
        options = [word for task in tasks for word in ("--task", task)]
        told = self.oq("worker", "--drain", "--linger", linger, *options, "-o", "json")
        drained: dict[str, Any] = json.loads(told)
        return drained

    def worker(self, *tasks: str) -> subprocess.Popen[str]:
        """Starts one that stays."""
        options = [word for task in tasks for word in ("--task", task)]
        log = (self.folder / f"worker-{len(self.workers)}").open("w")
        worker = subprocess.Popen(
            [binary(), "worker", "--log", "jsonl", *options],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stderr=log,
            text=True,
        )
        self.workers.append(worker)
        return worker

    def script(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return f"{sys.executable} {path}"

    def keys(self, kind: str) -> list[str]:
        return self.place.keys(f"{self.queue}/{kind}/")


@pytest.fixture
def here(place: Place, tmp_path: Path) -> Iterator[Here]:
    here = Here(place, tmp_path)
    yield here
    for worker in here.workers:
        worker.kill()
        worker.wait(timeout=PATIENCE)


def until(holds: Callable[[], bool]) -> None:
    for _ in range(PATIENCE * 20):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come to pass")


def test_a_task_is_one_object_until_it_is_an_outcome(here: Here) -> None:
    task = here.submit("upper", "cat")
    [live] = here.keys("live")
    assert live.endswith(f"/{task}")
    assert here.place.body(live)["v"] == 1
    assert here.get(task)["state"] == "pending"
    upper = here.script("upper.py", "import json; print(json.dumps(json.loads(input()).upper()))")
    assert here.drain(f"upper={upper}")["completed"] == 1
    assert here.wait(task) == '"CAT"'
    assert here.keys("live") == []
    [done] = here.keys("done")
    assert done.endswith(f"/{task}")


def test_a_failure_is_tried_again(here: Here) -> None:
    options = ("--attempts", "3", "--backoff", "fixed", "--retry-base", "200ms")
    task = here.submit("flaky", None, *options)
    program = "import os; a = os.environ['OQ_ATTEMPT']; a == '3' or exit('attempt ' + a); print(a)"
    flaky = here.script("flaky.py", program)
    drained = here.drain(f"flaky={flaky}", linger="20s")
    assert (drained["retried"], drained["completed"]) == (2, 1)
    assert here.wait(task) == "3"


def test_a_program_may_ask_to_come_again(here: Here) -> None:
    task = here.submit("later")
    program = """
import os, pathlib, sys
saved = pathlib.Path(os.environ["OQ_SAVE"])
if not saved.exists():
    saved.write_text("seen")
    print("300ms")
    sys.exit(75)
print(saved.read_text(), os.environ["OQ_ATTEMPT"], os.environ["OQ_DELIVERY"])
"""
    drained = here.drain(f"later={here.script('later.py', program)}", linger="20s")
    assert (drained["rescheduled"], drained["completed"]) == (1, 1)
    assert here.wait(task) == '"seen 1 2"'


def test_what_fails_for_good_is_a_dead_letter(here: Here) -> None:
    task = here.submit("bad", {"customer": 7})
    bad = here.script("bad.py", "import sys; print('no such customer', file=sys.stderr); exit(65)")
    assert here.drain(f"bad={bad}")["failed"] == 1
    here.wait(task, code=1)
    [dead] = here.keys("dead")
    assert dead.endswith(f"/{task}")
    failure = here.get(task)["failure"]
    assert (failure["kind"], failure["message"]) == ("exit-65", "no such customer")


def test_the_aws_command_line_sees_the_same_objects(here: Here) -> None:
    place = here.place
    task = here.submit("upper", "cat")
    below = f"s3://{place.bucket}/" + (f"{place.prefix}/" if place.prefix else "") + here.queue
    listed = place.aws("s3", "ls", "--recursive", f"{below}/live/").split()
    key = listed[-1]
    assert key.endswith(f"/{task}")
    body = place.aws("s3", "cp", f"s3://{place.bucket}/{key}", "-")
    assert json.loads(body) == place.body(key)
    assert int(listed[-2]) == len(body.encode())
    object_ = ("--bucket", place.bucket, "--key", key)
    etag = json.loads(place.aws("s3api", "head-object", *object_))["ETag"]
    assert here.drain("upper=cat")["completed"] == 1
    # Whoever has seen an older version cannot write over what oq made of it.
    with pytest.raises(AssertionError, match="NoSuchKey|PreconditionFailed|404|412"):
        place.aws("s3api", "put-object", *object_, "--if-match", etag)
    done = place.aws("s3", "ls", "--recursive", f"{below}/done/").split()[-1]
    assert done.endswith(f"/{task}")


def test_dead_letters_are_tried_again_when_the_fault_is_mended(here: Here) -> None:
    tasks = [here.submit("bill", n) for n in range(3)]
    program = """
import os, pathlib, sys
if not (pathlib.Path(os.environ["HERE"]) / "mended").exists():
    print("no tariff for customer", input(), file=sys.stderr)
    sys.exit(65)
print(input())
"""
    bill = f"bill={here.script('bill.py', program)}"
    assert here.drain(bill)["failed"] == 3
    # Three failures of one kind are one fault.
    [fault] = json.loads(here.oq("dead", "list", "-o", "json"))
    assert (fault["count"], fault["type"]) == (3, "bill")
    found = here.oq("dead", "show", fault["fingerprint"], "-o", "id").split()
    assert sorted(found) == sorted(tasks)
    (here.folder / "mended").touch()
    would = here.oq("dead", "retry", fault["fingerprint"], "--dry-run", "-o", "id").split()
    assert sorted(would) == sorted(tasks) and len(here.keys("dead")) == 3
    why = ("--reason", "tariffs are there")
    retried = here.oq("dead", "retry", fault["fingerprint"], "--yes", *why)
    again = {line["id"]: line["new"] for line in map(json.loads, retried.splitlines())}
    assert sorted(again) == sorted(tasks) and here.keys("dead") == []
    assert here.drain(bill)["completed"] == 3
    for n, task in enumerate(tasks):
        assert here.wait(again[task]) == str(n)
        view = here.get(again[task])
        assert (view["retry_of"], here.get(task)["state"]) == (task, "failed")
        assert view["history"][0]["reason"] == "tariffs are there"


def test_many_are_cancelled_by_what_they_have_in_common(here: Here) -> None:
    lines = "".join(f"{n}\n" for n in range(120))
    for customer in ("left", "stays"):
        options = ("--pack", "50", "--tag", f"customer={customer}", "--delay", "1h")
        here.oq("submit", "mail", "--jsonl", "-", *options, stdin=lines)
    which = ("--tag", "customer=left")
    assert len(here.oq("cancel", *which, "--dry-run", "-o", "id").split()) == 120
    # Nobody is there to ask.
    here.oq("cancel", *which, code=2)
    summed = json.loads(here.oq("cancel", *which, "--yes", "--reason", "left us"))
    assert summed["cancelled"] + summed["requested"] == 120
    left = here.oq("list", "--state", "waiting", "--all", "-o", "id").split()
    assert len(left) == 120
    kept = {task.split(".")[0] for task in left}
    assert {key.rsplit("/", 1)[-1] for key in here.keys("live")} == kept


def test_a_cancelled_task_never_runs(here: Here) -> None:
    task = here.submit("slow", None, "--delay", "1h")
    here.oq("cancel", task, "--yes")
    assert here.get(task)["state"] == "cancelled"
    assert here.keys("live") == []
    assert here.drain("slow=true")["claimed"] == 0


def test_tasks_of_a_bulk_share_objects(here: Here) -> None:
    lines = "".join(f"{n}\n" for n in range(250))
    ids = here.oq("submit", "double", "--jsonl", "-", "--pack", "100", "-o", "id", stdin=lines)
    tasks = ids.split()
    assert len(set(tasks)) == 250
    assert len(here.keys("live")) == 3
    double = here.script("double.py", "print(2 * int(input()))")
    assert here.drain(f"double={double}")["completed"] == 250
    assert (here.keys("live"), len(here.keys("done"))) == ([], 3)
    # Ids come as their objects are accepted, which are on their way together.
    found = {int(here.wait(task)) for task in tasks[::25]}
    assert len(found) == 10 and found <= {2 * n for n in range(250)}


def test_a_killed_worker_is_replaced(here: Here) -> None:
    spec = json.dumps({"type": "slow", "input": None, "lease": "15s"})
    task = here.oq("submit", "--jsonl", "-", "-o", "id", stdin=spec)
    program = """
import os, pathlib, time
here = pathlib.Path(os.environ["HERE"])
(here / ("delivery-" + os.environ["OQ_DELIVERY"])).write_text(os.environ["OQ_TOKEN"])
if os.environ["OQ_DELIVERY"] == "1":
    time.sleep(30)
print(os.environ["OQ_DELIVERY"])
"""
    slow = f"slow={here.script('slow.py', program)}"
    first = here.worker(slow)
    until((here.folder / "delivery-1").exists)
    first.kill()
    assert first.wait(timeout=PATIENCE) == -9
    # Its object still says that it runs: nobody else was told.
    [live] = here.keys("live")
    assert here.get(task)["state"] == "running"
    second = here.worker(slow)
    assert here.wait(task) == "2"
    tokens = {(here.folder / f"delivery-{n}").read_text() for n in (1, 2)}
    assert len(tokens) == 2
    view = here.get(task)
    # One crash charges nobody: its neighbours may have been to blame.
    assert (view["state"], view["attempts"], view["delivery"]) == ("completed", 1, 2)
    until(lambda: live not in here.keys("live"))
    events = (here.folder / "worker-1").read_text().splitlines()
    assert "taken_over" in [json.loads(line)["event"] for line in events]
    second.terminate()
    assert second.wait(timeout=PATIENCE) == 0
