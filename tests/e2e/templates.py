"""The templates that deploy a function, read without AWS: SAM as YAML, Terraform by its grammar, checked
by the AWS provider's schema.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import yaml
from conftest import ROOT
from terraform_schema import SCHEMA

SAM = ROOT / "oq-lambda/deploy/sam/template.yaml"
TERRAFORM = ROOT / "oq-lambda/deploy/terraform/main.tf"
PAGE = ROOT / "docs/lambda.md"


def lint(path: Path) -> "subprocess.CompletedProcess[str]":
    beside = Path(sys.executable).parent / "cfn-lint"
    return subprocess.run([beside, "-t", path], capture_output=True, text=True, timeout=120)


class Functions(yaml.SafeLoader):
    """`!Sub x` as `x`, `!GetAtt a.b` as `a.b`."""


def _plain(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    assert isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node)


Functions.add_multi_constructor("!", _plain)


def sam() -> dict[str, Any]:
    resources: dict[str, Any] = yaml.load(SAM.read_text(), Functions)["Resources"]
    return resources


class Template:
    """A Terraform template, read, and what is wrong with it by the provider's schema."""

    def __init__(self, text: str) -> None:
        read = _plainly(hcl2.loads(text))
        self.text = text
        self.resources = _addressed("", read["resource"])
        self.data = _addressed("data.", read["data"])
        self.variables = _merged(read["variable"])
        self.locals = _merged(read["locals"])

    def wrong(self) -> "list[str]":
        schema = json.loads(SCHEMA.read_text())
        found = []
        for address, body in (self.resources | self.data).items():
            kind = address.rpartition(".")[0].replace("data.", "data_")
            if kind not in schema:
                found.append(f"{address}: there is no such kind")
            else:
                found += self._arguments(address, body, schema[kind]["arguments"])
        return found + list(self._references(schema))

    def _arguments(self, where: str, body: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
        for name, value in body.items():
            if name in ("count", "depends_on", "for_each", "lifecycle"):
                continue
            if name not in known:
                yield f"{where}: no argument {name}"
                continue
            block = known[name].get("block")
            inside = [v for v in value if isinstance(v, Block)] if isinstance(value, list) else []
            if bool(inside) != bool(block):
                yield f"{where}.{name}: {'a block' if inside else 'no block'}"
            for one in inside:
                yield from self._arguments(f"{where}.{name}", one, block or {})
        for name, about in known.items():
            if about["required"] and name not in body:
                yield f"{where}: {name} is missing"

    def _references(self, schema: dict[str, Any]) -> Iterator[str]:
        code = re.sub(r"#.*", "", self.text)
        for name in re.findall(r"\bvar\.(\w+)", code):
            if name not in self.variables:
                yield f"no variable {name}"
        for name in re.findall(r"\blocal\.(\w+)", code):
            if name not in self.locals:
                yield f"no local {name}"
        there = self.resources | self.data
        for data, kind, name, attribute in re.findall(
            r"\b(data\.)?(aws_\w+)\.(\w+)(?:\.(\w+))?", code
        ):
            if f"{data}{kind}.{name}" not in there:
                yield f"no {data}{kind}.{name}"
            elif attribute and attribute not in (
                schema[("data_" if data else "") + kind]["attributes"]
            ):
                yield f"{kind}.{name} has no {attribute}"


def _merged(blocks: "list[dict[str, Any]]") -> dict[str, Any]:
    """What several blocks say, by name."""
    return {name: body for block in blocks for name, body in block.items()}


def _addressed(before: str, blocks: "list[dict[str, Any]]") -> dict[str, Any]:
    """What has a kind and a name, by its address."""
    kinds = [(kind, named) for block in blocks for kind, named in block.items()]
    return {f"{before}{kind}.{name}": body for kind, named in kinds for name, body in named.items()}


class Block(dict[str, Any]):
    """What stands in braces after a name, as opposed to a value."""


def _plainly(value: Any) -> Any:
    """Without the reader's own marks and the quotes around texts."""
    if isinstance(value, dict):
        kind = Block if "__is_block__" in value else dict
        return kind(
            (_plainly(k), _plainly(v)) for k, v in value.items() if not k.startswith("__")
        )
    if isinstance(value, list):
        return [_plainly(v) for v in value]
    if isinstance(value, str) and value[:1] == value[-1:] == '"':
        return value[1:-1]
    return value


def terraform() -> Template:
    return Template(TERRAFORM.read_text())


def flat(value: Any) -> str:
    """As one line, with Terraform's, SAM's and the tool's words for one thing made alike."""
    text = json.dumps(value)
    for named, plain in [
        ("${aws_s3_bucket.store.arn}", "BUCKET"),
        ("arn:${AWS::Partition}:s3:::${BucketName}", "BUCKET"),
        ("arn:aws:s3:::bucket", "BUCKET"),
        ("${var.prefix}", "PREFIX"),
        ("${Prefix}", "PREFIX"),
        ("BUCKET/prefix/", "BUCKET/PREFIX/"),
        ('"prefix/', '"PREFIX/'),
        ("${var.queue}", "QUEUE"),
        ("${Queue}", "QUEUE"),
        ("/queue/", "/QUEUE/"),
    ]:
        text = text.replace(named, plain)
    return text
