"""oq beside Celery, RQ and Dramatiq: prints the figures and their bounds as Markdown.

    python oq-py/bench            # ends with 1 when a bound is missed
    python oq-py/bench --write    # puts them into docs/from-celery-rq-dramatiq.md as well

Build the package with optimisation first: `maturin develop --release` in `oq-py`. The peers are
installed from PyPI into a virtual environment of their own; Redis must be there (Debian's package
redis-server). Everything runs on this machine, one after the other.
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

PACKED, LONE = 50_000, 5_000
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
    parser.add_argument("--runs", type=int, default=3, help="each figure is the median of so many")
    parser.add_argument("--write", action="store_true", help=f"put it into {PAGE.name}")
    said = parser.parse_args()
    throughput.refuse_unoptimised()
    runs: int = said.runs
    bounds, report = Bounds(), Report()
    report.say(f"No-op tasks; {footprint.processor()}; medians of {runs} runs.", "")
    report.say("| who | how | enqueued/s | run/s, end to end |", "|---|---|---:|---:|")

    def row(who: str, how: str, enqueued: float, ran: float) -> None:
        report.say(f"| {who} | {how} | {enqueued:,.0f} | {ran:,.0f} |")

    peers: dict[str, float] = {}
    with redis_peers.redis() as url:
        for who, (module, tasks) in redis_peers.PEERS.items():
            enqueued, peers[who] = median(runs, lambda: redis_peers.measure(url, module, tasks))
            row(who, "Redis on loopback", enqueued, peers[who])
    ours: dict[str, float] = {}
    with throughput.served() as store:
        for how, tasks in (("packed", PACKED), ("lone", LONE)):
            enqueued, ran, _ = median(
                runs, lambda: throughput.measure(store, "async", how, tasks)
            )
            ours[how] = ran
            row(f"oq, {how}", "`oq dev`, HTTP on loopback", enqueued, ran)
        enqueued, *_ = median(runs, lambda: throughput.measure(store, "async", "unworked", PACKED))
        memory = footprint.idle_worker_mb(store.env)
    bounds.at_least("packed, end to end", ours["packed"], 15_000, " /s")
    bounds.at_least("lone, end to end", ours["lone"], 1_500, " /s")
    bounds.at_least("`enqueue_many` with no worker beside it", enqueued, 40_000, " /s")
    for who, ran in peers.items():
        bounds.more_than(f"packed against {who}", ours["packed"] / ran)
    bounds.more_than("lone against Celery", ours["lone"] / peers["Celery"])
    bounds.at_most("`import oq`", footprint.import_ms(), 60, " ms")
    bounds.at_most("memory of an idle worker", memory, 60, " MB")
    report.say("", "| figure | measured | bound | |", "|---|---:|---:|---|", *bounds.lines)
    if said.write:
        report.write()
    return 1 if bounds.missed else 0


if __name__ == "__main__":
    sys.exit(main())
