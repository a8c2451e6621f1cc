"""Tasks by the clock: what the schedules of the templates send for one time, and what Terraform refuses
before it makes one. Where there is Terraform it says so itself; without, a few lines here stand for it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from templates import PAGE, SAM, TERRAFORM, Functions, lint, terraform

SCHEDULED = ROOT / "oq-lambda/tests/events/direct-scheduled.json"
"""What a schedule sends for one time; tests of the function give it what this is."""

TIME = "<aws.scheduler.scheduled-time>"
NIGHTLY = {"at": "cron(0 3 * * ? *)", "timezone": "Europe/Berlin", "type": "sleep", "input": "1"}


def at_three(sent: str) -> Any:
    """As EventBridge passes it on at one time."""
    assert TIME in sent
    return json.loads(sent.replace(TIME, "2026-11-21T03:00:00Z"))


def encoded(value: Any) -> str:
    """As Terraform's jsonencode writes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def expression() -> str:
    """What makes the input of a schedule, as the template says it."""
    (found,) = re.findall(r"(?ms)^    input = (replace\(.*?^    \))$", TERRAFORM.read_text())
    return str(found)


def by_hand(name: str, schedule: dict[str, str]) -> str:
    text, pattern, by = re.findall(r'(?m)(?<=[ (])"(.*?)"(?=,?$|, ")', expression())
    options = json.loads(schedule.get("options", "{}")) | {"type": schedule["type"]}
    said = '${trimsuffix(jsonencode(merge(jsondecode(each.value.options), { type = each.value.type })), "}")}'
    for part, value in {
        said: encoded(options).removesuffix("}"),
        "${each.value.input}": schedule.get("input", "null"),
        "${each.key}": name,
    }.items():
        assert text.count(part) == 1, part
        text = text.replace(part, "\0").replace('\\"', '"').replace("\0", value)
    pattern = pattern.replace("\\\\", "\\").strip("/")
    return re.sub(pattern, by.replace("$", "\\"), text)


def run(folder: Path, schedules: "dict[str, dict[str, str]]") -> "subprocess.CompletedProcess[str]":
    """Terraform itself with the template's variable and expression, without a provider."""
    (variable,) = re.findall(r'(?ms)^variable "schedules" \{$.*?^\}$', TERRAFORM.read_text())
    each = expression().replace("each.value.", "one.").replace("each.key", "name")
    sent = (
        f'output "sent" {{\n  value = {{ for name, one in var.schedules : name => {each} }}\n}}\n'
    )
    (folder / "main.tf").write_text(f"{variable}\n{sent}")
    (folder / "terraform.tfvars.json").write_text(json.dumps({"schedules": schedules}))
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1"}
    command = ["terraform", "apply", "-auto-approve", "-input=false", "-no-color"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def by_terraform(folder: Path, name: str, schedule: dict[str, str]) -> str:
    done = run(folder, {name: schedule})
    assert done.returncode == 0, done.stderr
    outputs = json.loads((folder / "terraform.tfstate").read_text())["outputs"]
    return str(outputs["sent"]["value"][name])


needs_terraform = pytest.mark.skipif(not shutil.which("terraform"), reason="no Terraform here")


@pytest.mark.parametrize(
    "more, sends",
    [
        ({}, {}),
        # jsonencode hides the time from EventBridge.
        ({"input": encoded({"at": TIME})}, {"input": {"at": "2026-11-21T03:00:00Z"}}),
        ({"input": json.dumps([TIME])}, {"input": ["2026-11-21T03:00:00Z"]}),
        # What is meant by the letter stays as it is.
        ({"input": '"a\\\\u003cb \\u003c <&"'}, {"input": "a\\u003cb < <&"}),
        (
            {
                "options": encoded(
                    {"timeout": "10m", "retry": {"attempts": 3}, "tags": {"a": "<b>"}}
                )
            },
            {"timeout": "10m", "retry": {"attempts": 3}, "tags": {"a": "<b>"}},
        ),
    ],
)
def test_a_schedule_of_terraform_s_sends_a_task_whose_key_is_its_time(more, sends, tmp_path):
    expected = json.loads(SCHEDULED.read_text()) | sends
    assert at_three(by_hand("nightly", NIGHTLY | more)) == expected
    if shutil.which("terraform"):
        assert at_three(by_terraform(tmp_path, "nightly", NIGHTLY | more)) == expected


def test_without_schedules_there_is_nothing_of_them():
    resources = terraform().resources
    assert terraform().variables["schedules"]["default"] == {}
    none = "${length(var.schedules) == 0 ? 0 : 1}"
    for kind in ("scheduler_schedule_group.task", "iam_role.schedule", "iam_role_policy.schedule"):
        assert resources[f"aws_{kind}"]["count"] == none
    assert resources["aws_scheduler_schedule.task"]["for_each"] == "${var.schedules}"


def test_options_are_the_members_of_a_task_that_a_schedule_leaves_open():
    """The function would refuse others, each night."""
    (named,) = re.findall(
        r"A task is the object .*?; and beside them `queue`", PAGE.read_text(), re.DOTALL
    )
    members = set(re.findall(r"`(\w+)`", named)) - {"queue"}
    (options,) = re.findall(r"setsubtract\(keys\(.*?\)\), \[(.*?)\]", TERRAFORM.read_text())
    own = {"type", "input", "key", "at", "trace"}
    assert set(re.findall(r'"(\w+)"', options)) == members - own and own < members


@pytest.mark.parametrize(
    "task_type, good",
    [
        ("sleep", True),
        ("_a/b:c.d-9", True),
        ("t" * 128, True),
        ("", False),
        ("t" * 129, False),
        ("-a", False),
        ("two words", False),
        ("sleep\n", False),
    ],
)
def test_types_are_those_that_a_task_may_have(task_type, good):
    pattern = re.search(r'regex\("([^"]+)", one\.type\)', TERRAFORM.read_text())
    assert pattern and bool(re.search(pattern[1].replace("$", r"\Z"), task_type)) == good


@needs_terraform
@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"type": "two words"}, "Types of tasks are"),
        ({"type": ""}, "Types of tasks are"),
        ({"input": "{"}, "write inputs as JSON"),
        ({"options": "{"}, "Options are the JSON"),
        ({"options": '"10m"'}, "Options are the JSON"),
        ({"options": '{"timeout": "10m", "key": "mine"}'}, "Options are the JSON"),
        ({"options": '{"time_out": "10m"}'}, "Options are the JSON"),
    ],
)
def test_a_schedule_that_could_never_submit_is_refused_when_it_is_planned(wrong, says, tmp_path):
    done = run(tmp_path, {"nightly": NIGHTLY | wrong})
    assert done.returncode != 0
    assert says in " ".join(done.stderr.split()), done.stderr


def test_the_documented_schedule_of_terraform_s_is_one(tmp_path):
    (block,) = re.findall(r"```hcl\n(schedules = .*?)```", PAGE.read_text(), re.DOTALL)
    said = dict(re.findall(r"(?m)^    (\w+) += (.*)$", block))
    plain = {
        name: re.sub(r'^"(.*)"$|^jsonencode\((.*)\)$', r"\1\2", text) for name, text in said.items()
    }
    plain["options"] = re.sub(r"(\w+) = ", r'"\1": ', plain["options"])
    sent = at_three(by_hand("nightly", plain))
    assert sent == json.loads(SCHEDULED.read_text()) | json.loads(plain["options"])


def test_the_documented_schedule_of_sam_s_sends_the_same(tmp_path):
    (event,) = re.findall(r"```yaml\n( +Nightly:\n.*?)```", PAGE.read_text(), re.DOTALL)
    template = re.sub(r"(?m)^( +)Tick:\n", lambda tick: event + tick[0], SAM.read_text())
    assert template != SAM.read_text()
    (tmp_path / "template.yaml").write_text(template)
    done = lint(tmp_path / "template.yaml")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    nightly = yaml.load(event, Functions)["Nightly"]["Properties"]
    assert at_three(nightly["Input"]) == json.loads(SCHEDULED.read_text())
