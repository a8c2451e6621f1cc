"""Writes docs/reference/python.md from the package: its signatures, docstrings, and options.

    python oq-py/reference.py

A test holds the page to what this makes.
"""

from __future__ import annotations

import argparse
import ast
import functools
import inspect
from collections.abc import Iterator
from pathlib import Path

import oq
from oq import _cli, _oq

PACKAGE = Path(__file__).parent / "python/oq"
PAGE = Path(__file__).parents[1] / "docs/reference/python.md"

GROUPS = {
    "Apps and tasks": ["App", "Task", "Bound", "Call", "Retry", "Duration", "Priority", "Queues"],
    "Handles": ["Handle", "Batch", "TaskView", "Failure", "Progress"],
    "In a handler": ["current", "Context", "Snooze", "Fail", "resource", "Event"],
    "Errors": [
        "OqError", "Invalid", "NotFound", "Conflict", "TaskFailed", "Denied", "Unavailable",
        "InDoubt", "Unusable", "Unreadable", "TimedOut",
    ],
    "Lambda": ["lambda_handler", "lambda_submitter", "LambdaFunction"],
    "Tests": ["Harness", "Called", "Survived", "oq_test", "oq_app"],
}  # fmt: skip

OTHERS = {"Priority", "Queues", "Harness", "Called", "Survived", "oq_test", "oq_app"}
"""What is public, and not of the package's first module."""

STATES = {
    "pending": "it may start, and waits for a worker",
    "waiting": "it is not due yet: it was delayed, snoozed, or is tried again later",
    "running": "a worker holds it",
    "finishing": "it ran, and its outcome is being recorded",
    "completed": "it returned",
    "failed": "it failed for good",
    "cancelled": "somebody cancelled it",
    "expired": "it did not start before its `expires_in` was over",
}

KINDS = {
    "a class of exceptions": "what the handler raised: `ValueError`, `Fail`, `SystemExit`; by its name, "
    "or by the name of the class in `Retry(only=…)` that it is of",
    "timeout": "the attempt ran longer than its `timeout`",
    "crashed": "its process, or its worker, ended under it, or answered out of step",
    "input": "the arguments do not fit the function; final, unless they name what this code does not know",
    "result": "what the function returned does not fit its annotation, or is not JSON; final",
    "payload": "the input cannot be read, or the result cannot be stored, as one that is too large",
    "rescheduled_too_often": "it snoozed more often than `max_snoozes`; final",
    "Snooze": "the delay of an `oq.Snooze` is no duration; final",
    "lost": "the worker's Python side ended without an answer",
    "panic": "a handler in Rust panicked",
    "error": "a handler in Rust, or a program, failed without saying a kind",
}

Found = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign


@functools.cache
def definitions() -> dict[str, tuple[Found, str | None]]:
    """The definitions of the package by name, and the texts below assignments."""
    found: dict[str, tuple[Found, str | None]] = {}
    for path in [*sorted(PACKAGE.glob("*.py")), PACKAGE / "_oq.pyi"]:
        body = ast.parse(path.read_text()).body
        for node, doc in with_docs(body):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(node.name, (node, ast.get_docstring(node)))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found.setdefault(node.targets[0].id, (node, doc))
    return found


def with_docs(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str | None]]:
    """Each statement, and the text below it if there is one."""
    for node, after in zip(body, [*body[1:], None]):
        text = after.value if isinstance(after, ast.Expr) else None
        is_text = isinstance(text, ast.Constant) and isinstance(text.value, str)
        yield node, inspect.cleandoc(text.value) if is_text else None


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> str:
    """As it is called: without ``self``, one parameter a line where one line is too long."""
    arguments = node.args
    positional = [a for a in [*arguments.posonlyargs, *arguments.args] if a.arg != "self"]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    parts = [parameter(a, d) for a, d in zip(positional, defaults)]
    if arguments.vararg:
        parts.append(f"*{parameter(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        parts.append("*")
    parts += [parameter(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults)]
    if arguments.kwarg:
        parts.append(f"**{parameter(arguments.kwarg, None)}")
    is_async = isinstance(node, ast.AsyncFunctionDef)
    prefix = f"{'await ' if is_async else ''}{name}"
    is_made = name.rpartition(".")[2][:1].isupper()
    result = f" -> {ast.unparse(node.returns)}" if node.returns and not is_made else ""
    line = f"{prefix}({', '.join(parts)}){result}"
    if len(line) <= 96:
        return line
    return f"{prefix}(\n" + "".join(f"    {part},\n" for part in parts) + f"){result}"


def parameter(argument: ast.arg, default: ast.expr | None) -> str:
    kind = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    if isinstance(default, ast.Name):  # a constant of the package
        constant, _ = definitions()[default.id]
        default = constant.value if isinstance(constant, ast.Assign) else default
    return f"{argument.arg}{kind}" + (f" = {ast.unparse(default)}" if default else "")


def told(text: str | None, name: str) -> str:
    if text is None and name.endswith("_sync"):
        return "The same without an event loop."
    if text is None:
        raise SystemExit(f"{name} is public and has no docstring")
    return text.replace("``", "`")


def members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """What a class has: attributes and properties, then methods, each with what it is."""
    methods: list[tuple[str, str]] = []
    overloads: list[str] = []
    for statement, doc in with_docs(node.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield attribute(statement.target.id, statement.annotation, doc, node.name)
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = {ast.unparse(d) for d in statement.decorator_list}
        if statement.name == "__init__":
            for inner, doc in with_docs(statement.body):
                if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Attribute):
                    name = inner.target.attr
                    if doc is not None or not name.startswith("_"):
                        yield attribute(name, inner.annotation, doc, node.name)
        if statement.name == "__call__" and not decorators:
            line = signature(statement, node.name.lower())
            text = "Calls the function itself, here." if node.name == "Task" else None
            methods.append((line, told(text or ast.get_docstring(statement), node.name)))
        if statement.name.startswith("_") or "staticmethod" in decorators:
            continue
        owner = {"App": "app", "Harness": "oq_test"}.get(node.name, node.name.lower())
        if "property" in decorators:
            yield attribute(statement.name, statement.returns, ast.get_docstring(statement), node.name)
            continue
        line = signature(statement, f"{owner}.{statement.name}")
        if "overload" in decorators:
            overloads.append(line)
            continue
        line = "\n".join(overloads) or line
        overloads.clear()
        methods.append((line, told(ast.get_docstring(statement), statement.name)))
    yield from methods


def attribute(
    name: str, annotation: ast.expr | None, doc: str | None, owner: str
) -> tuple[str, str]:
    kind = f": {ast.unparse(annotation)}" if annotation else ""
    return f".{name}{kind}", told(doc, f"{owner}.{name}")


def section(name: str, node: Found, doc: str | None) -> Iterator[str]:
    yield f"### {name}\n"
    if isinstance(node, ast.Assign):
        yield f"`{ast.unparse(node.value)}`\n"
        yield told(doc, name) + "\n"
        return
    if not isinstance(node, ast.ClassDef):
        if not name.startswith("oq_"):
            yield f"```python\n{signature(node, f'oq.{name}')}\n```\n"
        yield told(doc, name) + "\n"
        return
    made = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    if name in MADE and made:
        yield f"```python\n{signature(made[0], f'oq.{name}')}\n```\n"
    yield told(doc or getattr(oq, name).__doc__, name) + "\n"
    if name not in ("OqError",) and issubclass(getattr(oq, name, object), oq.OqError):
        yield f"Its code is `{getattr(oq, name).code}`.\n"
    for line, text in members(node):
        if line.startswith("."):
            yield f"- `{line}`: {' '.join(text.split())}"
        else:
            yield f"\n```python\n{line}\n```\n\n{text}\n"
    yield ""


MADE = ("App", "Snooze", "Harness")
"""The classes that users make themselves by a constructor that is written out."""


def options() -> Iterator[str]:
    """What ``@app.task`` and ``using`` take."""
    node, _ = definitions()["Options"]
    tasks, using = [inspect.signature(f).parameters for f in (oq.App.task, oq.Task.using)]
    yield "| option | type | | what it says |"
    yield "|---|---|---|---|"
    assert isinstance(node, ast.ClassDef)
    for statement, doc in with_docs(node.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            kind = ast.unparse(statement.annotation).removesuffix(" | None").replace("|", "\\|")
            where = {(True, True): "both", (False, True): "`using`"}[name in tasks, name in using]
            yield f"| `{name}` | `{kind}` | {where} | {' '.join(told(doc, name).split())} |"
    yield "| `name` | `str` | `task` | the task's name; the function's unless set |"
    yield "| `process` | `bool` | `task` | runs it in a process of its own |"


def command_line(command: str) -> Iterator[str]:
    parser = _cli.options(command)
    yield f"### oq {command} MODULE:APP\n"
    yield f"{parser.description}\n"
    for action in parser._actions:
        if not action.option_strings or action.help == argparse.SUPPRESS:
            continue
        if isinstance(action, argparse._HelpAction):
            continue
        names = ", ".join(sorted(action.option_strings, key=len))
        value = "" if action.nargs == 0 else " " + (action.metavar or "|".join(action.choices or []))
        yield f"- `{names}{value}`: {action.help}"
    yield ""


def page() -> str:
    found = definitions()
    public = {*oq.__all__, *OTHERS} - {"__version__"}
    shown = [name for names in GROUPS.values() for name in names]
    if public != set(shown):
        raise SystemExit(f"not in the reference, or not public: {public ^ set(shown)}")
    if set(STATES) != {state for state, _ in _oq.states()}:
        raise SystemExit("the states are others now")
    lines = [
        "<!-- Made from the code. After a change: python oq-py/reference.py -->\n",
        "# Python\n",
        "Every public name of the package `oq`, and of `oq.testing`. What they are for, with examples: "
        "[python.md](../python.md).\n",
        "Every call that is awaited has a twin that ends in `_sync` and blocks the thread instead.\n",
    ]
    for title, names in GROUPS.items():
        lines.append(f"## {title}\n")
        if title == "Tests":
            lines.append("In `oq.testing`, and as fixtures of pytest.\n")
        for name in names:
            lines += section(name, *found[name])
            if name == "Bound":
                lines += ["### Options\n", "`@app.task(…)` and `task.using(…)` take them.\n"]
                lines += [*options(), ""]
            if name == "TaskView":
                lines += ["The states:\n", "| state | over | what it means |", "|---|---|---|"]
                over = dict(_oq.states())
                lines += [f"| `{s}` | {'yes' if over[s] else 'no'} | {w} |" for s, w in STATES.items()]
                lines.append("")
            if name == "Failure":
                lines += ["The kinds:\n", "| kind | what it means |", "|---|---|"]
                lines += [f"| {k if ' ' in k else f'`{k}`'} | {w} |" for k, w in KINDS.items()]
                lines.append("")
    lines.append("## Command line\n")
    lines.append("The forms of `oq worker` and `oq dev` without an app: [cli.md](cli.md).\n")
    for command in ("worker", "dev"):
        lines += command_line(command)
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip("\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
