"""How long `import oq` takes, and how much memory a worker has that does nothing."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent

IMPORT = "import time; t = time.perf_counter(); import oq; print(time.perf_counter() - t)"


def import_ms(runs: int = 15) -> float:
    """The median of fresh interpreters, their own start left out."""
    command = [sys.executable, "-c", IMPORT]
    times = [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(runs)]
    return 1000 * statistics.median(times)


def idle_worker_mb(env: Mapping[str, str], idle: float = 5.0) -> float:
    """A worker of `oq worker` that has run a task, and has then been idle for so many seconds."""
    command = [sys.executable, "-m", "oq._cli", "worker", "throughput:app"]
    with subprocess.Popen(command, cwd=HERE, env=env, stderr=subprocess.DEVNULL) as worker:
        try:
            produce = "from throughput import warm; warm.enqueue_sync().wait_sync('1m')"
            subprocess.run([sys.executable, "-c", produce], cwd=HERE, env=env, check=True)
            time.sleep(idle)
            return resident_kib(worker.pid) * 1024 / 1e6
        finally:
            worker.terminate()


def resident_kib(process: int) -> int:
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, check=True)
    return int(shown.stdout)


def processor() -> str:
    """The machine, for whoever reads the figures."""
    name = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((l.partition(":")[2].strip() for l in lines if l.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores, {name or os.uname().machine}, {memory:.1f} GiB"
    return f"{machine}, Python {sys.version.split()[0]}"
