"""``python -m bench.judge.editions --seed N``: the second edition in closed loop, beside the first and other tools.

One process, and all seeds at once, because most of the time goes by the row and not by the run. ``--alone`` leaves out
the others on healthy traffic. Exit 1 when a check fails.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from bench.judge.acceptance import SEEDS, bad, checks, cost_checks, healthy
from bench.judge.checks import Check
from bench.judge.cost import cost_second
from bench.judge.second import ALONE, FIRST, Beside, Loop, besides, loops

OTHERS = (FIRST, ALONE, "flagger", "argo", "kayenta")
RUNS, QUICK_RUNS = 200, 20


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="bench.judge.editions", description="the judge's two editions")
    parser.add_argument("--runs", type=int, help="rollouts a scenario and seed, 200 by default")
    parser.add_argument("--seed", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--alone", action="store_true", help="the second edition alone on healthy traffic")
    parser.add_argument("--quick", action="store_true", help="bad canaries only, 20 runs each")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON, after every scenario")
    arguments = parser.parse_args()
    runs = arguments.runs or (QUICK_RUNS if arguments.quick else RUNS)
    calm, ill = [] if arguments.quick else [*healthy()], [*bad()]
    began, reports = time.monotonic(), [Report(seed) for seed in arguments.seed]
    for number, one in enumerate([*ill, *calm], 1):
        for report, found in zip(reports, loops(one, runs, arguments.seed), strict=True):
            report.loops.append(found)
        if one in ill or not arguments.alone:
            for report, other in zip(reports, besides(one, runs, arguments.seed), strict=True):
                report.besides.append(other)
        _progress(number, len(ill) + len(calm), one.name, time.monotonic() - began)
        if arguments.out:
            arguments.out.write_text(json.dumps([report.to_json() for report in reports]) + "\n", encoding="utf-8")
    for report in reports:
        report.print()
    spent = cost_second()
    measured = [*cost_checks(spent)]
    for line in measured:
        print(line)
    print(
        f"A row takes {spent.row:.3f} ms, {spent.row / spent.alone:.2f} times one without the shield and"
        f" {spent.row / spent.first:.2f} times the first edition's; with reading and storing {spent.total:.3f} ms"
    )
    print(f"\n{len(ill) + len(calm)} scenarios of {runs} runs a seed in {time.monotonic() - began:.0f} s")
    held = [*measured, *(one for report in reports for one in report.checks)]
    return 0 if all(one.holds for one in held) else 1


@dataclass(slots=True)
class Report:
    """What is found with one seed."""

    seed: int
    loops: list[Loop] = field(default_factory=list)
    besides: list[Beside] = field(default_factory=list)

    @property
    def checks(self) -> list[Check]:
        """Those whose scenarios were simulated."""
        return [*checks(self.loops, self.besides)]

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "seed": self.seed,
            "loops": [one.to_json() for one in self.loops],
            "beside": [one.to_json() for one in self.besides],
            "checks": [
                {"what": one.what, "value": _number(one.value), "limit": one.limit, "holds": one.holds}
                for one in self.checks
            ],
        }

    def print(self) -> None:
        """All figures as tables."""
        print(
            f"\nSeed {self.seed}. The second edition in closed loop: % aborted, home, asked, slower; seconds to home,"
        )
        print("abort and pass (median/p90); requests of users that failed beyond the base rate")
        for one in self.loops:
            shares = (f"{share * 100:.1f}" for share in (one.aborts(), one.homes(), one.asks(), one.slowers()))
            times = (f"{_seconds(of(0.5))}/{_seconds(of(0.9))}" for of in (one.home, one.abort, one.passing))
            print(_line(one.scenario.name, chain(shares, times, [f"{one.failed:.1f}"])))
        print("\nThe others on the same world: % aborted, median seconds; failed of users under the first edition")
        print(_line("", OTHERS))
        for other in self.besides:
            cells = (f"{other.aborts(name) * 100:.1f} {_seconds(other.median(name))}" for name in OTHERS)
            print(_line(other.scenario.name, chain(cells, [f"{other.failed:.1f}"])))
        print("\nChecks")
        for line in self.checks:
            print(line)


def _progress(done: int, whole: int, name: str, seconds: float) -> None:
    print(f"{done} of {whole}, {seconds:.0f} s: {name}", file=sys.stderr, flush=True)


def _line(name: str, cells: Iterable[str]) -> str:
    return " ".join(chain([f"{name:<64}"], (f"{cell:>12}" for cell in cells)))


def _seconds(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "-"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    sys.exit(main())
