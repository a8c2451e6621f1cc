"""`oq-lambda/deploy/build` with a program of one's own, a small one: what it makes and what it refuses. That of
oq-lambda itself, which takes minutes, is measured by the figures of the page.
"""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

BUILD = ROOT / "oq-lambda/deploy/build"
MANIFEST = '[package]\nname = "own"\nversion = "0.1.0"\nedition = "2024"\n'


def build(folder: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    command = [BUILD, *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    source = tmp_path / "own/src/bin"
    source.mkdir(parents=True)
    (tmp_path / "own/Cargo.toml").write_text(MANIFEST)
    (source / "greeter.rs").write_text('fn main() { println!("hello from my own"); }\n')
    return tmp_path


def test_a_program_of_one_s_own_is_the_bootstrap_of_the_zip(package):
    (package / "handlers").mkdir()
    (package / "handlers/shout").write_text("#!/bin/sh\ntr a-z A-Z\n")
    (package / "handlers/shout").chmod(0o755)
    named = ["--manifest-path", "own/Cargo.toml", "--bin", "greeter"]
    done = build(package, *named, "--handlers", "handlers", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "out/function.zip for" in done.stdout
    with zipfile.ZipFile(package / "out/function.zip") as made:
        assert made.namelist() == ["bootstrap", "handlers/shout"]
        assert {one.external_attr >> 16 & 0o777 for one in made.infolist()} == {0o755}
        made.extract("bootstrap", package)
    program = package / "bootstrap"
    program.chmod(0o755)
    assert subprocess.check_output([program], text=True) == "hello from my own\n"


@pytest.mark.parametrize(
    "args, says",
    [
        (["--manifest-path", "none/Cargo.toml", "--bin", "greeter"], "none/Cargo.toml is no file"),
        (["--bin", "greeter"], "name the package of greeter with --manifest-path"),
        (["--manifest-path", "own/Cargo.toml"], "no bin target named `bootstrap`"),
        (["--arch", "riscv64"], "use arm64 or x86_64"),
    ],
)
def test_what_it_cannot_build_is_said(package, args, says):
    done = build(package, *args, "--out", "out")
    assert done.returncode != 0 and says in done.stderr, done.stderr
    assert not (package / "out").exists()
