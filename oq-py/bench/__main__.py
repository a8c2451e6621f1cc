"""oq beside Celery, RQ and Dramatiq: prints the figures and their bounds as Markdown.

    python oq-py/bench            # ends with 1 when a bound is missed
    python oq-py/bench --write    # puts them into docs/from-celery-rq-dramatiq.md as well

Build the package with optimisation first: `maturin develop --release` in `oq-py`. The peers are
installed from PyPI into a virtual environment of their own; Redis must be there (Debian's package
redis-server). Everything runs on this machine, one after the other. No-op tasks with an input of 100
bytes: how they are enqueued, worked off and run end to end is said in `throughput.py` and `noop/run.py`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import footprint
import redis_peers
import throughput

SIZES = {"packed": 50_000, "lone": 5_000}
SERVED = "`oq dev`, HTTP"
PAGE = Path(__file__).parents[2] / "docs/from-celery-rq-dramatiq.md"
BEGIN, END = "<!-- printed by oq-py/bench -->\n", "<!-- end -->\n"


def median(runs: int, measure: Callable[[], tuple[float, ...]]) -> list[float]:
    return [statistics.median(figures) for figures in zip(*(measure() for _ in range(runs)))]


class Bounds:
    """Figures beside what they must be."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.missed = 0

    def at_least(self, what: str, measured: float, bound: float, unit: str = "") -> None:
        self._add(what, measured, f"≥ {bound:,.0f}", measured >= bound, unit)

    def at_most(self, what: str, measured: float, bound: float, unit: str = "") -> None:
        self._add(what, measured, f"≤ {bound:,.0f}", measured <= bound, unit)

    def more_than(self, what: str, measured: float) -> None:
        self._add(what, measured, "> 1", measured > 1, " ×")

    def _add(self, what: str, measured: float, bound: str, holds: bool, unit: str) -> None:
        shown = f"{measured:,.0f}" if measured >= 100 else f"{measured:,.2f}"
        verdict = "holds" if holds else "**missed**"
        self.lines.append(f"| {what} | {shown}{unit} | {bound} | {verdict} |")
        self.missed += not holds


class Report:
    """What is printed, line by line, to be put into the page as well."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, *lines: str) -> None:
        self.lines += lines
        print(*lines, sep="\n", flush=True)

    def write(self) -> None:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text("".join([before, BEGIN, "\n".join(self.lines), "\n", END, after]))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="each figure is the median of so many")
    parser.add_argument("--write", action="store_true", help=f"put it into {PAGE.name}")
    said = parser.parse_args()
    throughput.refuse_unoptimised()
    runs: int = said.runs
    bounds, report = Bounds(), Report()
    what = f"{footprint.processor()}; {redis_peers.versions()}; medians of {runs} runs."
    report.say(f"No-op tasks with an input of 100 bytes; {what}", "")
    report.say("| who | how | tasks | enqueued/s | worked off/s | run/s, end to end |")
    report.say("|---|---|---:|---:|---:|---:|")

    def row(who: str, how: str, tasks: int, *rates: float) -> None:
        shown = " | ".join(f"{rate:,.0f}" for rate in rates)
        report.say(f"| {who} | {how} | {tasks:,} | {shown} |")

    peers: dict[str, float] = {}
    with redis_peers.redis() as url:
        for who, (module, worker, tasks) in redis_peers.PEERS.items():
            rates = median(runs, lambda: redis_peers.measure(url, module, tasks))
            row(who, f"Redis on loopback; {worker}", tasks, *rates)
            peers[who] = rates[-1]
    with throughput.stores(None) as stores:
        measured = {
            (store, how): throughput.Rates(
                *median(runs, lambda: throughput.measure(stores[store], "async", how, tasks))
            )
            for store in reversed(stores)  # the one beside the others first
            for how, tasks in SIZES.items()
        }
        memory = footprint.idle_worker_mb(stores[SERVED].env)
    for how, tasks in SIZES.items():
        where = f"`oq dev`, HTTP on loopback; {throughput.SETUP}"
        row(f"oq, {how}", where, tasks, *measured[SERVED, how][:3])
    time = "the processor time is of all processes, end to end, the start of interpreters left out."
    report.say("", f"oq on each store; {time}", "")
    report.say("| store | tasks | enqueued/s | worked off/s | run/s, end to end | µs a task |")
    report.say("|---|---:|---:|---:|---:|---:|")
    for store in stores:
        for how, tasks in SIZES.items():
            report.say(f"| {store}, {how} | {tasks:,} | {measured[store, how].shown()} |")
    ours_ran = {how: measured[SERVED, how].ran for how in SIZES}
    enqueued = measured[SERVED, "packed"].enqueued
    bounds.at_least("packed, end to end", ours_ran["packed"], 15_000, " /s")
    bounds.at_least("lone, end to end", ours_ran["lone"], 1_500, " /s")
    bounds.at_least("`enqueue_many` with no worker beside it", enqueued, 40_000, " /s")
    for who, ran in peers.items():
        bounds.more_than(f"packed against {who}", ours_ran["packed"] / ran)
    bounds.more_than("lone against Celery", ours_ran["lone"] / peers["Celery"])
    bounds.at_most("`import oq`", footprint.import_ms(), 60, " ms")
    bounds.at_most("memory of an idle worker", memory, 60, " MB")
    report.say("", "| figure | measured | bound | |", "|---|---:|---:|---|", *bounds.lines)
    if said.write:
        report.write()
    return 1 if bounds.missed else 0


if __name__ == "__main__":
    sys.exit(main())
