"""Takes from the AWS provider's Python bindings what the Terraform template may say, and writes it to
`terraform_schema.json`, by which `test_templates.py` checks the template where there is no Terraform.

    pip download --no-deps cdktf-cdktf-provider-aws==21.22.1
    python tests/e2e/terraform_schema.py cdktf_cdktf_provider_aws-*.whl

The bindings are made of the provider's own schema. Run this again when the template uses another kind
of resource; the test says so.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import hcl2

HERE = Path(__file__).parent
TEMPLATE = HERE.parents[1] / "oq-lambda/deploy/terraform/main.tf"
SCHEMA = HERE / "terraform_schema.json"
META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}


def used() -> set[str]:
    """The kinds of resources and data in the template."""
    template = hcl2.loads(TEMPLATE.read_text())
    resources = {name.strip('"') for block in template["resource"] for name in kinds(block)}
    data = {"data_" + name.strip('"') for block in template["data"] for name in kinds(block)}
    return resources | data


def kinds(block: dict[str, Any]) -> set[str]:
    return {name for name in block if not name.startswith("__")}


def arguments(classes: dict[str, ast.ClassDef], name: str) -> dict[str, Any]:
    """The arguments of a class, whether each must be there, and what is in those that are blocks."""
    init = next(
        node
        for node in classes[name].body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    found = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults):
        word = argument.arg.rstrip("_")
        if word in META:
            continue
        said = ast.unparse(argument.annotation) if argument.annotation else ""
        inner = next((c for c in re.findall(r"\w+", said) if c in classes), None)
        found[word] = {"required": default is None}
        if inner and inner != name:
            found[word]["block"] = arguments(classes, inner)
    return found


def attributes(resource: ast.ClassDef) -> list[str]:
    """What others may read of it."""
    return sorted(
        node.name
        for node in resource.body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(d) == "builtins.property" for d in node.decorator_list)
        and not node.name.endswith("_input")
    )


def main(wheel: str) -> None:
    schema = {}
    with zipfile.ZipFile(wheel) as bindings:
        for kind in sorted(used()):
            module = kind.removeprefix("aws_")
            text = bindings.read(f"cdktf_cdktf_provider_aws/{module}/__init__.py").decode()
            tree = ast.parse(text)
            classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
            own = next(iter(classes))  # the resource itself stands first
            schema[kind] = {
                "arguments": arguments(classes, own),
                "attributes": attributes(classes[own]),
            }
    SCHEMA.write_text(json.dumps(schema, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
