"""What type checkers say about programs that use oq."""

import pathlib
import re

from mypy import api

HERE = pathlib.Path(__file__).parent


def mypy(name: str) -> tuple[str, int]:
    out, err, code = api.run(["--strict", "--show-error-codes", str(HERE / name)])
    assert not err
    return out, code


def test_right_uses_pass():
    out, code = mypy("typing_good.py")
    assert code == 0, out


def test_each_wrong_use_is_refused():
    out, _ = mypy("typing_wrong.py")
    said = {
        int(line): code for line, code in re.findall(r":(\d+): error: .*\[([a-z-]+)\]$", out, re.M)
    }
    expected = {
        number: kind.strip().split("|")
        for number, line in enumerate((HERE / "typing_wrong.py").read_text().splitlines(), 1)
        for _, mark, kind in [line.partition("# E:")]
        if mark
    }
    assert expected
    assert said.keys() == expected.keys(), out
    assert all(said[line] in expected[line] for line in expected), out
