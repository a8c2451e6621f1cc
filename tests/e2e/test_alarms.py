"""The alarms of the templates: what they count, whom they tell, and that a function logs what they count."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from conftest import ROOT
from templates import SAM, Functions, flat, sam, terraform


def alarms_of_sam() -> dict[str, Any]:
    found = {n: b for n, b in sam().items() if b["Type"] == "AWS::CloudWatch::Alarm"}
    return {n: b["Properties"] | {"on": b.get("Condition")} for n, b in found.items()}


def test_alarms_tell_of_what_fails_what_is_lost_and_what_stops():
    alarms, template = alarms_of_sam(), terraform()
    told = {
        # What it counts, of whom, how many of it in five minutes, and what no word means.
        ("FailedTasks/${BucketName}/${Prefix}/${Queue}", None, 1, "notBreaching"),
        ("Errors", "Worker", 5, "notBreaching"),
        ("AsyncEventsDropped", "Worker", 1, "notBreaching"),
        ("Throttles", "Worker", 1, "notBreaching"),
        ("Invocations", "Worker", 1, "breaching"),
        ("Errors", "Submit", 5, "notBreaching"),
    }
    of = {n: b.get("Dimensions", [{"Value": None}])[0]["Value"] for n, b in alarms.items()}
    keys = ("MetricName", "Threshold", "TreatMissingData")
    said = {(b[keys[0]], of[n], b[keys[1]], b[keys[2]]) for n, b in alarms.items()}
    assert said == told
    # A function that is not there has no alarm.
    assert {n for n, b in alarms.items() if b["on"]} == {"SubmitFailing"}
    assert alarms["SubmitFailing"]["on"] == "SubmitsByHttp"
    other = template.locals["alarms"]
    of = {"${local.of_worker}": "Worker", "${local.of_submitter}": "Submit"}
    failed = "${local.failed}"
    assert {
        (
            "FailedTasks/${BucketName}/${Prefix}/${Queue}" if b["metric"] == failed else b["metric"],
            of.get(str(b["of"])),
            b["at"],
            "breaching" if b["below"] is True or b["below"] == "true" else "notBreaching",
        )
        for b in other.values()
        if b["metric"] != "InvocationDroppedCount"
    } == told
    when = {name: b["on"] for name, b in other.items() if b["on"] not in (True, "true")}
    assert when == {
        "not-scheduled": "${length(var.schedules) > 0}",
        "submit-failing": "${local.submitters > 0}",
    }
    # Whoever is named is told; without anybody they only show their state.
    topic = ["AlarmsAreSent", "AlarmTopic", "AWS::NoValue"]
    assert all(body["AlarmActions"] == [topic] for body in alarms.values())
    alarm = template.resources["aws_cloudwatch_metric_alarm.worker"]
    assert "var.alarm_topic" in alarm["alarm_actions"]


def test_failed_tasks_are_counted_at_every_level_that_a_function_may_log_at():
    """By words of a line that is there even where only errors are logged."""
    levels = yaml.load(SAM.read_text(), Functions)["Parameters"]["LogLevel"]["AllowedValues"]
    condition = terraform().variables["log_level"]["validation"][0]["condition"]
    assert levels == re.findall(r'"(\w+)"', condition) and "error" in levels
    words = sam()["FailedTasks"]["Properties"]["FilterPattern"].strip('"')
    (line,) = re.findall(rf'.*"{words}"\);', (ROOT / "oq-lambda/src/failures.rs").read_text())
    assert line.strip().startswith("tracing::error!(")


def test_failed_tasks_are_counted_by_the_words_that_a_function_logs():
    resources, template = sam(), terraform()
    filters = resources["FailedTasks"]["Properties"]
    other = template.resources["aws_cloudwatch_log_metric_filter.failed"]
    words = filters["FilterPattern"].strip('"')
    assert words in other["pattern"]
    assert f'"{words}")' in (ROOT / "oq-lambda/src/failures.rs").read_text()
    assert filters["LogGroupName"] == "Logs" == resources["Worker"]["Properties"]["LoggingConfig"]["LogGroup"]
    assert "aws_cloudwatch_log_group.worker" in other["log_group_name"]
    (made,) = filters["MetricTransformations"]
    (same,) = other["metric_transformation"]
    assert (made["MetricNamespace"], made["MetricValue"]) == (same["namespace"], same["value"])
    assert json.loads(flat(made["MetricName"])) in json.loads(
        flat(template.text).replace("${var.bucket}", "${BucketName}")
    )
