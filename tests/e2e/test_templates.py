"""The templates that deploy a function, checked without AWS: SAM by cfn-lint, Terraform by its grammar
and by the AWS provider's schema, both for what they promise. A template that was bent is refused.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml
from conftest import binary
from templates import PAGE, SAM, TERRAFORM, Functions, Template, flat, lint, sam, terraform
from terraform_schema import SCHEMA, used


def test_the_command_prints_the_templates():
    for tool, path in [("sam", SAM), ("terraform", TERRAFORM)]:
        command = [binary(), "lambda", "template", tool]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == path.read_text() + "\n" or done.stdout == path.read_text()


# SAM


def test_cfn_lint_finds_nothing_in_the_sam_template():
    done = lint(SAM)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize(
    "good, bad",
    [
        ("ReservedConcurrentExecutions", "ReservedConcurrentExecution"),
        ("SSEAlgorithm: AES256", "SSEAlgorithm: AES257"),
        ("!GetAtt Worker.Arn", "!GetAtt Worker.Arnn"),
        ("${Prefix}/*", "${Prefixes}/*"),
        ("Type: AWS::S3::BucketPolicy", "Type: AWS::S3::Policy"),
    ],
)
def test_a_bent_sam_template_is_refused(good, bad, tmp_path):
    assert good in SAM.read_text()
    (tmp_path / "template.yaml").write_text(SAM.read_text().replace(good, bad))
    assert lint(tmp_path / "template.yaml").returncode != 0


# Terraform


def test_the_provider_knows_all_that_the_terraform_template_says():
    assert used() == set(json.loads(SCHEMA.read_text())), "make the schema again, see its script"
    assert terraform().wrong() == []


@pytest.mark.parametrize(
    "good, bad, why",
    [
        ("filter_prefix", "prefix_filter", "no argument prefix_filter"),
        ('principal      = "s3.amazonaws.com"', "", "principal is missing"),
        ("sse_algorithm =", "algorithm =", "no argument algorithm"),
        ("var.architecture]", "var.arch]", "no variable arch"),
        ("local.url\n", "local.uri\n", "no local uri"),
        ("aws_iam_role.worker.arn", "aws_iam_role.workers.arn", "no aws_iam_role.workers"),
        ("aws_s3_bucket.store.arn\n}", "aws_s3_bucket.store.name\n}", "has no name"),
        ("  lambda_function {", "  lambda_function = {", "lambda_function: no block"),
        ("aws_s3_bucket_policy", "aws_s3_policy", "no such kind"),
    ],
)
def test_a_bent_terraform_template_is_refused(good, bad, why):
    text = TERRAFORM.read_text()
    assert good in text
    found = Template(text.replace(good, bad)).wrong()
    assert any(why in one for one in found), found


def test_what_is_no_terraform_is_refused():
    with pytest.raises(Exception, match="(?i)unexpected|no terminal"):
        Template(TERRAFORM.read_text().replace("resource ", "resource = ", 1))


# What both promise


def listed(value: Any) -> "list[Any]":
    return value if isinstance(value, list) else [value]


Rules = "set[tuple[str, str, str, str]]"


def rules(statements: Any) -> Rules:
    """Each action, on what, and on which condition; as JSON says it and as Terraform does."""
    found = set()
    for one in statements:
        effect = one.get("Effect") or one.get("effect", "Allow")
        actions = listed(one.get("Action") or one.get("actions"))
        resources = json.loads(flat(listed(one.get("Resource") or one.get("resources"))))
        conditions = {
            (test, variable, *json.loads(flat(listed(values))))
            for test, tested in one.get("Condition", {}).items()
            for variable, values in tested.items()
        } | {
            (c["test"], c["variable"], *json.loads(flat(c["values"])))
            for c in one.get("condition", [])
        }
        found |= {
            (effect, action, resource, json.dumps(sorted(conditions)))
            for action in actions
            for resource in resources
        }
    return found


def tool(*args: str) -> Rules:
    """What the tool itself prints."""
    command = [binary(), "iam", *args, "--url", "s3://bucket/prefix"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return rules(json.loads(done.stdout)["Statement"])


def test_roles_may_do_what_the_tool_says_that_they_need_and_no_more():
    worker, producer = (tool("--role", role, "--only", "queue") for role in ("worker", "producer"))
    assert len(worker) > 10 and len(producer) > 5
    # Handlers submit, and whoever comes first marks the store.
    mark = ("Allow", "s3:PutObject", "BUCKET/PREFIX/oq.json", "[]")
    resources, data = sam(), terraform().data
    policies = resources["Worker"]["Properties"]["Policies"][0]["Statement"]
    assert rules(policies) == worker | producer | {mark}
    policy = resources["ProducerPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert rules(policy) == producer
    of = {name.rpartition(".")[2]: body["statement"] for name, body in data.items() if body}
    assert rules(of["worker"]) == worker | producer | {mark}
    assert rules(of["producer"]) == producer
    assert {action for _, action, _, _ in rules(of["logs"])} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    # A schedule may call the function.
    assert {(action, on) for _, action, on, _ in rules(of["schedule"])} == {
        ("lambda:InvokeFunction", "${aws_lambda_function.worker.arn}")
    }
    policies = {body["policy"] for body in terraform().resources.values() if "policy" in body}
    known = ("worker", "producer", "logs", "schedule", "bucket")
    assert policies == {f"${{data.aws_iam_policy_document.{n}.json}}" for n in known}


def test_the_bucket_takes_only_encrypted_connections_and_conditional_writes():
    refused = tool("--bucket-policy")
    assert {effect for effect, _, _, _ in refused} == {"Deny"} and len(refused) == 3
    statements = sam()["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert rules(statements) == refused
    assert {one["Principal"] for one in statements} == {"*"}
    statements = terraform().data["data.aws_iam_policy_document.bucket"]["statement"]
    assert rules(statements) == refused
    everybody = [{"type": "*", "identifiers": ["*"]}]
    assert all(one["principals"] == everybody for one in statements)


def test_the_bucket_is_encrypted_private_and_tells_of_live_objects_only():
    resources, other = sam(), terraform().resources
    bucket = resources["Bucket"]["Properties"]
    assert "AES256" in flat(bucket["BucketEncryption"])
    assert "AES256" in flat(other["aws_s3_bucket_server_side_encryption_configuration.store"])
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    block = other["aws_s3_bucket_public_access_block.store"]
    assert [block[name] for name in block if name != "bucket"] == [True] * 4

    (told,) = bucket["NotificationConfiguration"]["LambdaConfigurations"]
    (rule,) = told["Filter"]["S3Key"]["Rules"]
    assert (told["Event"], rule["Name"]) == ("s3:ObjectCreated:*", "prefix")
    (same,) = other["aws_s3_bucket_notification.live"]["lambda_function"]
    assert same["events"] == ["s3:ObjectCreated:*"]
    assert json.loads(flat(rule["Value"])) == json.loads(flat(same["filter_prefix"])) == "PREFIX/QUEUE/live/"


def test_a_minute_s_schedule_is_the_backstop():
    resources, template = sam(), terraform()
    tick = resources["Worker"]["Properties"]["Events"]["Tick"]["Properties"]
    rule = template.resources["aws_cloudwatch_event_rule.tick"]
    assert tick["Schedule"] == rule["schedule_expression"] == "rate(1 minute)"


def test_events_beyond_the_concurrency_wait_an_hour_and_failures_are_repeated_twice():
    said = sam()["Worker"]["Properties"]["EventInvokeConfig"]
    assert said == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 2}
    config = terraform().resources["aws_lambda_function_event_invoke_config.worker"]
    assert config["function_name"] == "${aws_lambda_function.worker.function_name}"
    assert config["maximum_event_age_in_seconds"] == 3600
    assert config["maximum_retry_attempts"] == 2
    # That they waited is told, and the page says for how long.
    assert "Throttles" in {
        body["Properties"]["MetricName"]
        for body in sam().values()
        if body["Type"] == "AWS::CloudWatch::Alarm"
    }
    page = " ".join(PAGE.read_text().split())
    assert "Events beyond it wait up to an hour, then the schedule finds their tasks." in page


def test_tasks_are_taken_by_http_only_if_that_is_wanted_and_by_who_may_only_submit():
    read, template = yaml.load(SAM.read_text(), Functions), terraform()
    auth = read["Parameters"]["SubmitAuth"]
    assert (auth["Default"], auth["AllowedValues"]) == ("off", ["off", "AWS_IAM", "NONE"])
    assert read["Conditions"]["SubmitsByHttp"] == [["SubmitAuth", "off"]]
    resources = read["Resources"]
    for name in ("Submit", "SubmitUrl"):
        assert resources[name]["Condition"] == "SubmitsByHttp", name
    everybody = [n for n, b in resources.items() if b.get("Properties", {}).get("Principal") == "*"]
    assert {resources[name]["Condition"] for name in everybody} == {"EverybodySubmits"}
    submit = resources["Submit"]["Properties"]
    assert submit["Policies"] == ["ProducerPolicy"]
    assert submit["Environment"]["Variables"] == {"OQ_HANDLERS": "none", "OQ_HTTP": "on"}
    found = {n: b for n, b in template.resources.items() if n.endswith((".submit", ".submit_logs"))}
    assert len(found) == 5
    assert all(body["count"] == "${local.submitters}" for body in found.values())
    assert template.locals["submitters"] == '${var.submit_auth == "off" ? 0 : 1}'
    attached = template.resources["aws_iam_role_policy_attachment.submit"]
    assert "aws_iam_policy.producer.arn" in attached["policy_arn"]
    assert 'OQ_HANDLERS = "none", OQ_HTTP = "on"' in template.text


def pattern(name: str) -> "tuple[str, str]":
    """What a parameter may be, in both templates."""
    sam_name, *_ = (n for n in yaml.load(SAM.read_text(), Functions)["Parameters"] if n.lower() == name)
    read = yaml.load(SAM.read_text(), Functions)["Parameters"][sam_name]["AllowedPattern"]
    condition = terraform().variables[name]["validation"][0]["condition"]
    return f"^({read})$", re.search(r'regex\("([^"]+)"', condition)[1]


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("prefix", ["prod", "team/prod"], ["", "prod/", "/prod", "a//b", "a b"]),
        ("queue", ["default", "a.b", "q" * 64], ["", ".a", "A", "q" * 65, "a/b"]),
    ],
)
def test_names_that_would_never_match_are_refused(name, good, bad):
    for one in pattern(name):
        assert all(re.search(one, text) for text in good), one
        assert not any(re.search(one, text) for text in bad), one


def test_a_function_in_python_is_to_be_named():
    """The handler that holds unless set is no module of anybody's."""
    read = yaml.load(SAM.read_text(), Functions)
    rule = read["Rules"]["HandlerIsNamed"]
    assert rule["RuleCondition"] == [["Runtime", read["Parameters"]["Runtime"]["Default"]]]
    assert [one["Assert"] for one in rule["Assertions"]] == [
        [["Handler", read["Parameters"]["Handler"]["Default"]]],
        [["SubmitAuth", "off"], [["SubmitHandler", read["Parameters"]["SubmitHandler"]["Default"]]]],
    ]
    for function, said in [("worker", "handler"), ("submit", "submit_handler")]:
        (life,) = terraform().resources[f"aws_lambda_function.{function}"]["lifecycle"]
        (before,) = life["precondition"]
        assert f"[.]\", var.{said})" in before["condition"].replace("\\", "")


def test_only_runtimes_on_which_the_wheel_can_run_are_allowed():
    read = yaml.load(SAM.read_text(), Functions)["Parameters"]["Runtime"]["AllowedValues"]
    condition = terraform().variables["runtime"]["validation"][0]["condition"]
    one = re.search(r'regex\("([^"]+)"', condition)[1]
    assert "provided.al2023" in read and "python3.12" in read
    assert all(re.search(one, runtime) for runtime in read)
    assert not any(re.search(one, old) for old in ["python3.11", "python3.9", "provided.al2"])
    assert not {"python3.11", "provided.al2"} & set(read)


def test_names_of_two_stores_in_one_account_differ_and_are_short_enough():
    values = terraform().locals
    assert values["mark"] == '${substr(sha1("${local.url}/${var.queue}"), 0, 8)}'
    assert values["name"] == 'oq-${substr(replace(var.queue, ".", "-"), 0, 40)}-${local.mark}'
    longest = len("oq-") + 40 + len("-") + 8
    ends = re.findall(r"\$\{local\.name\}(-[a-z]+)", TERRAFORM.read_text())
    assert {"-worker", "-producer", "-submit"} <= set(ends)
    assert longest + max(map(len, ends)) <= 64


def test_functions_are_built_for_arm_or_x86():
    read = yaml.load(SAM.read_text(), Functions)
    assert read["Parameters"]["Architecture"]["AllowedValues"] == ["arm64", "x86_64"]
    assert read["Parameters"]["Runtime"]["Default"] == "provided.al2023"
    variables = terraform().variables
    assert variables["runtime"]["default"] == "provided.al2023"
    assert 'contains(["arm64", "x86_64"]' in variables["architecture"]["validation"][0]["condition"]
