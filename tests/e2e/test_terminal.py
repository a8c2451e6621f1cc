"""What people see: progress, questions, tables, `oq top`, and completion in their shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import binary, clean_env
from terminal import Terminal

CTRL_C, CTRL_D = "\x03", "\x04"

Start = Callable[..., Terminal]


@pytest.fixture
def env() -> dict[str, str]:
    path = f"{binary().parent}:{clean_env()['PATH']}"
    return clean_env() | {"OQ_URL": "sqlite:oq.db", "PATH": path, "NO_COLOR": "", "CARGO": ""}


@pytest.fixture
def start(env: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts `oq` on a terminal; `shell` names another program."""
    terminals: list[Terminal] = []

    def start(*args: str, shell: str | None = None, **size: int) -> Terminal:
        terminal = Terminal(shell or binary(), *args, env=env, folder=tmp_path, **size)
        terminals.append(terminal)
        return terminal

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def oq(env: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """Runs `oq` without a terminal."""

    def oq(*args: str, stdin: str = "") -> str:
        done = subprocess.run(
            [binary(), *args], env=env, cwd=tmp_path, input=stdin, capture_output=True, text=True, check=True
        )
        return done.stdout

    return oq


def test_the_demonstration_shows_how_far_it_is_and_leaves_a_table(start: Start) -> None:
    demo = start("demo", "--packed", "300")
    demo.until("lone tasks, an object each")
    demo.until(" of 60  [")
    assert demo.ended() == 0
    bar = re.compile(rb"done \d+ of 60  \[#*(\xc2\xb7)*\] +\d+ %")
    assert len(set(bar.findall(demo.written))) >= 1
    seen = demo.past()
    # The bar is gone, and nothing of it is left.
    assert not [line for line in seen if "[#" in line or "\N{MIDDLE DOT}" in line]
    [head] = [n for n, line in enumerate(seen) if line.startswith("WHAT ")]
    assert len({line.index("completed") for line in seen[head : head + 6] if "completed" in line}) == 1
    assert demo.shows("Next:")


def test_ctrl_c_ends_the_demonstration(start: Start) -> None:
    demo = start("demo")
    demo.until(" of 60  [")
    demo.send(CTRL_C)
    assert demo.ended() == 130


def test_a_bulk_submission_shows_count_share_rate_and_time_left(start: Start, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text("".join(f"{n}\n" for n in range(2000)))
    submit = start("-o", "id", "submit", "echo", "--jsonl", str(lines), "--pack", "1")
    assert submit.ended() == 0
    drawn = re.findall(r"submitted ([\d,]+) of ([\d,]+)  \[[#·]+\] +(\d+) %  [\d,.]+/s", submit.written.decode())
    assert drawn, submit.written[-2000:]
    shares = [int(share) for *_, share in drawn]
    assert all(share <= 100 for share in shares) and shares == sorted(shares)
    assert submit.shows("oq: submitted 2,000 in ")
    # No row has a piece of the bar in it.
    assert not [line for line in submit.past() if "[" in line and not line.startswith("oq:")]


def test_questions_take_no_unless_yes_is_said(start: Start, oq: Callable[..., str]) -> None:
    for n in range(3):
        oq("submit", "echo", str(n))

    def pending() -> int:
        return len(oq("list", "--state", "pending", "-o", "id").split())

    question = "Cancel 3 tasks of the queue default? [y/N]"
    for answer in ("\r", "n\r", "nonsense\r", CTRL_D):
        cancel = start("cancel", "--type", "echo")
        cancel.until(question)
        cancel.send(answer)
        assert cancel.ended() == 0
        assert cancel.shows("oq: nothing was cancelled") and pending() == 3
        # What follows stands on a line of its own.
        assert "oq: nothing was cancelled" in cancel.lines()
    cancel = start("cancel", "--type", "echo")
    cancel.until(question)
    cancel.send(CTRL_C)
    assert cancel.ended() == 130
    assert pending() == 3
    assert [line for line in cancel.lines() if line.startswith("oq: OQ-INTERRUPTED")]
    cancel = start("cancel", "--type", "echo")
    cancel.until(question)
    cancel.send("y\r")
    assert cancel.ended() == 0
    assert pending() == 0


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_fit_the_terminal(start: Start, oq: Callable[..., str], columns: int) -> None:
    oq("submit", "mail.welcome", '"a"', "--delay", "1h")
    oq("submit", "a-type-with-quite-a-long-name-that-somebody-chose", "--tag", "a=b")
    listing = start("list", columns=columns)
    assert listing.ended() == 0
    lines = [line for line in listing.past() if line]
    assert len(lines) == 3, lines
    assert all(len(line) <= columns for line in lines)
    ids = [line.split()[0] for line in lines[1:]]
    assert all(len(task) == 26 for task in ids)


def test_colours_are_for_terminals_that_want_them(
    start: Start, oq: Callable[..., str], env: dict[str, str]
) -> None:
    oq("submit", "echo", "1")
    wrong = start("get", "nonsense")
    assert wrong.ended() == 2
    assert b"\x1b[31m" in wrong.written
    env["NO_COLOR"] = "1"
    plain = start("get", "nonsense")
    assert plain.ended() == 2
    assert b"\x1b[" not in plain.written


@pytest.mark.parametrize("keys", ["q", CTRL_C])
def test_top_draws_and_gives_the_terminal_back(start: Start, oq: Callable[..., str], keys: str) -> None:
    oq("submit", "echo", "1", "-q", "mail")
    top = start("top", "--every", "1s", lines=20)
    top.until("mail")
    top.send("\r")
    top.until("none is present")
    top.send("?")
    top.until("select a queue")
    top.send("x" + keys)
    assert top.ended() == 0
    # The other screen is left, and the cursor is there again.
    assert top.written.rindex(b"\x1b[?1049l") > top.written.rindex(b"\x1b[?1049h")
    assert top.written.rindex(b"\x1b[?25h") > top.written.rindex(b"\x1b[?25l")


def test_top_does_not_draw_into_a_pipe(start: Start, oq: Callable[..., str]) -> None:
    oq("submit", "echo", "1")
    shell = start("-c", "oq top | cat; echo over", shell="bash")
    shell.until("over")
    assert shell.shows("there is no terminal to draw on")


SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], "source <(oq completion bash)\r"),
    "zsh": (["-f", "-i"], "autoload -U compinit; compinit -u; source <(oq completion zsh)\r"),
    "fish": (["--no-config", "-i"], "oq completion fish | source\r"),
}


@pytest.mark.parametrize("name", SHELLS)
def test_a_tab_completes_what_the_store_has(
    start: Start, oq: Callable[..., str], env: dict[str, str], name: str
) -> None:
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    task = oq("submit", "echo", "1", "-q", "invoices").strip()
    env["PS1"] = "ready> "
    args, setup = SHELLS[name]
    shell = start(*args, shell=name)
    shell.send(setup + "echo set-\"\"up\r")
    shell.until("set-up")
    shell.send("oq queue sta\tinv\t")
    shell.until("oq queue stats invoices")
    shell.send("\x15oq get -q invoices " + task[:8] + "\t")
    shell.until(f"oq get -q invoices {task}")
    shell.send("\x15oq list --queue=inv\t")
    shell.until("oq list --queue=invoices")
    shell.send("\x15oq explain OQ-NOT-F\t")
    shell.until("oq explain OQ-NOT-FOUND")
