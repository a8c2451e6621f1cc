"""What mypy and pyright say about the package, the examples, and programs that use oq."""

import json
import os
import pathlib
import re
import subprocess
import sys

from mypy import api

PACKAGE = pathlib.Path(__file__).parents[1]
WRONG = "tests/typing_wrong.py"
PYRIGHT = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]

CONSEQUENCES = re.compile("reportUnknown|reportUntypedFunctionDecorator")
"""What pyright says of a line because of an error that it said already."""


def mypy(*names: str) -> "tuple[str, dict[int, set[str]]]":
    """What it says, and the kinds of the errors by line."""
    out, err, _ = api.run(["--strict", "--show-error-codes", *(str(PACKAGE / n) for n in names)])
    assert not err
    return out, by_line(
        (int(line), kind) for line, kind in re.findall(r":(\d+): error: .*\[([a-z-]+)\]$", out, re.M)
    )


def pyright(*names: str) -> "tuple[str, dict[int, set[str]]]":
    """The same; without names, of what `pyproject.toml` names."""
    done = subprocess.run(
        [*PYRIGHT, "--outputjson", *names],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    told = [(f["range"]["start"]["line"] + 1, f.get("rule", "error")) for f in found]
    return done.stdout, by_line((n, kind) for n, kind in told if not CONSEQUENCES.match(kind))


def by_line(found: "object") -> "dict[int, set[str]]":
    lines: dict[int, set[str]] = {}
    for line, kind in found:
        lines.setdefault(line, set()).add(kind)
    return lines


def expected() -> "dict[int, list[set[str]]]":
    """By line: mypy's errors, one of which it must say, and pyright's."""
    lines = enumerate((PACKAGE / WRONG).read_text().splitlines(), 1)
    marks = {n: line.partition("# E: ")[2].split() for n, line in lines if "# E: " in line}
    return {n: [set(kinds.split("|")) for kinds in mark] for n, mark in marks.items()}


def test_the_package_and_right_uses_pass_mypy():
    """The examples do as well, see `test_docs.py`."""
    out, errors = mypy("python", "tests/typing_good.py")
    assert not errors, out


def test_the_package_the_examples_and_right_uses_pass_pyright():
    out, errors = pyright()
    checked = json.loads(out)["summary"]["filesAnalyzed"]
    assert not errors and checked > 30, out


def test_the_public_names_are_typed_to_the_last():
    # For this pyright looks at the Python of the PATH, whatever --pythonpath says.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    done = subprocess.run(
        [*PYRIGHT, "--ignoreexternal", "--verifytypes", "oq", "--outputjson"],
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
    )
    found = json.loads(done.stdout)["typeCompleteness"]
    assert found["completenessScore"] == 1, [
        symbol["name"]
        for symbol in found["symbols"]
        if symbol["isExported"] and not symbol["isTypeKnown"]
    ]


def test_each_wrong_use_is_refused_by_both():
    wanted = expected()
    assert len(wanted) > 30
    for place, (out, said) in enumerate([mypy(WRONG), pyright(WRONG)]):
        assert said.keys() == wanted.keys(), out
        for line, kinds in said.items():
            assert kinds & wanted[line][place], (line, kinds)
