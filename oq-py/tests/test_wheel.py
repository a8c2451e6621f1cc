"""The wheel in an environment that has nothing else. `tests/run` builds it and names it in OQ_WHEEL."""

import os
import subprocess
import venv
import zipfile
from pathlib import Path

import oq
import pytest

WHEEL = os.environ.get("OQ_WHEEL")
pytestmark = pytest.mark.skipif(WHEEL is None, reason="OQ_WHEEL names no wheel")

PROGRAM = """
import asyncio, sys

before = {name.partition(".")[0] for name in sys.modules}
import oq

app = oq.App("sqlite:oq.db")

@app.task()
async def double(n: int) -> int:
    return 2 * n

@app.task(process=True)
def treble(n: int) -> int:
    return 3 * n

async def main() -> None:
    handles = [await double.enqueue(21), await treble.enqueue(14)]
    await app.drain()
    print([await handle.result("1m") for handle in handles])

if __name__ == "__main__":
    asyncio.run(main())
    others = {name.partition(".")[0] for name in sys.modules} - before - sys.stdlib_module_names
    print(sorted(others))
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin/python", "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-index", WHEEL], check=True)
    return folder / "bin"


def test_the_wheel_says_what_it_is():
    assert WHEEL is not None
    assert "-cp310-abi3-" in WHEEL
    with zipfile.ZipFile(WHEEL) as wheel:
        names = wheel.namelist()
        metadata = wheel.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert {"oq/py.typed", "oq/_oq.pyi", "oq/_oq.abi3.so"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "Requires-Dist" not in metadata and "Requires-Python: >=3.10" in metadata


def test_it_runs_with_nothing_but_python(scripts, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [scripts / "python", "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[42, 42]\n['oq']\n", done.stderr


def test_it_brings_the_command(scripts, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    env = {**os.environ, "OQ_URL": f"sqlite:{tmp_path}/other.db"}

    def run(*args: str) -> str:
        command = [scripts / "oq", *args]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run("--version") == f"oq {oq.__version__}"
    id = run("submit", "double", "[4]", "-o", "id")
    worker = [scripts / "oq", "worker", "program:app", "--url", env["OQ_URL"]]
    with subprocess.Popen(worker, cwd=tmp_path, env=env) as working:
        assert run("wait", id) == "8"
        working.terminate()
    assert working.returncode == 0
