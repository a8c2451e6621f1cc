"""The blocks of docs/python.md run, print what the page says, and pass mypy in its strict mode.

A section's blocks are files of one folder: those that begin with `# name.py` have that name.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import worker
from mypy import api

PAGE = Path(__file__).parents[2] / "docs/python.md"
README = PAGE.parents[1] / "README.md"
EXAMPLES = Path(__file__).parents[1] / "examples"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.M | re.S)


def sections() -> "dict[str, list[tuple[str, str]]]":
    """The blocks of each section, with their languages."""
    titles = re.split(r"^## (.*)$", PAGE.read_text(), flags=re.M)
    found = {t: BLOCK.findall(text) for t, text in zip(titles[1::2], titles[2::2])}
    return {title: blocks for title, blocks in found.items() if blocks}


def write(blocks: "list[tuple[str, str]]", folder: Path) -> "tuple[list[Path], str]":
    """The files of a section, and what the last one prints."""
    files, prints = [], ""
    for language, text in blocks:
        if language == "text":
            prints = text
            continue
        named = re.match(r"# (\w+\.py)\n", text)
        files.append(folder / (named[1] if named else "example.py"))
        files[-1].write_text(text)
    return files, prints


def run(*args: "str | Path", cwd: Path, url: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "OQ_URL": url}
    return subprocess.run(args, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("title", sections())
def test_the_blocks_of_a_section_run(title, tmp_path, monkeypatch):
    files, prints = write(sections()[title], tmp_path)
    url = f"sqlite:{tmp_path}/oq.db"
    if title == "Tests":
        done = run(sys.executable, "-m", "pytest", "-q", cwd=tmp_path, url=url)
        assert "2 passed" in done.stdout, done.stdout
        return
    if title == "First steps":
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("OQ_URL", url)
        import jobs

        with worker(jobs.app):
            done = run(sys.executable, files[-1], cwd=tmp_path, url=url)
    else:
        done = run(sys.executable, files[-1], cwd=tmp_path, url=url)
    assert (done.returncode, done.stdout) == (0, prints), done.stderr


def test_the_example_of_the_readme_runs_and_passes_mypy(tmp_path, monkeypatch):
    (language, text), *more = [b for b in BLOCK.findall(README.read_text()) if b[0] == "python"]
    assert not more
    files, _ = write([(language, text)], tmp_path)
    done = run(sys.executable, files[-1], cwd=tmp_path, url="unused:")
    assert (done.returncode, done.stdout) == (0, "hello a@x.io of t1\n"), done.stderr
    monkeypatch.chdir(tmp_path)
    out, err, code = api.run(["--strict", files[-1].name])
    assert code == 0, out + err


def test_the_blocks_pass_mypy(tmp_path, monkeypatch):
    for number, blocks in enumerate(sections().values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        files, _ = write(blocks, folder)
        monkeypatch.chdir(folder)
        # What all import is looked at once.
        cache = ["--cache-dir", str(tmp_path / "cache")]
        out, err, code = api.run(["--strict", *cache, *(f.name for f in files)])
        assert code == 0, out + err


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_the_examples_run_and_pass_mypy(example, tmp_path):
    done = run(sys.executable, example, cwd=tmp_path, url=f"sqlite:{tmp_path}/oq.db")
    assert done.returncode == 0, done.stderr
    said = re.findall(r"^# prints: (.*)$", example.read_text(), re.M)
    assert said and done.stdout.splitlines() == said
    out, err, code = api.run(["--strict", str(example)])
    assert code == 0, out + err
