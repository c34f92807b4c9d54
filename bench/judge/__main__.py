"""``python -m bench.judge``: simulate, print the tables and the checks; exit 1 when a check fails.

The full run takes about three minutes on two cores, ``--quick`` a quarter of one: fewer runs of fewer scenarios, and
the checks that such few runs can tell.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from bench.judge import refusals
from bench.judge.checks import NEAR, Check, check, check_cost, check_refusals
from bench.judge.cost import cost
from bench.judge.outcomes import OURS, Outcome, work_out
from bench.judge.peers import PEERS
from bench.judge.refusals import Finding
from bench.judge.scenarios import LIMIT, MARGIN, Scenario, Split, bad, healthy
from bench.judge.tuned import Tuned

JUDGES = (OURS, *PEERS)
RUNS, QUICK_RUNS = 500, 40
FEWER, FEWEST = 5, 10  # client errors are simulated run by run: a fifth of the runs, and at least ten


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="bench.judge", description="the judge on simulated traffic")
    parser.add_argument("--runs", type=int, help="rollouts a scenario, 500 by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    scenarios = [*_quick(healthy()), *_quick(bad())] if arguments.quick else [*healthy(), *bad()]
    runs = arguments.runs or (QUICK_RUNS if arguments.quick else RUNS)
    began = time.monotonic()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        # Where a limit is near the truth, more runs keep chance from deciding.
        each = [4 * runs if one.group in NEAR else runs for one in scenarios]
        outcomes = []
        for one in pool.map(partial(work_out, seed=arguments.seed), scenarios, each):
            outcomes.append(one)
            print(f"{len(outcomes)} of {len(scenarios)}: {one.scenario.name}", file=sys.stderr, flush=True)
        few = max(runs // FEWER, FEWEST)
        findings = list(pool.map(partial(refusals.work_out, runs=few, seed=arguments.seed), refusals.scenarios()))
    checks = [*check(outcomes), *check_refusals(findings), *check_cost(cost())]
    _print(outcomes, checks)
    _print_refusals(findings)
    print(f"\n{len(outcomes)} scenarios of {runs} runs in {time.monotonic() - began:.0f} s, seed {arguments.seed}")
    if arguments.out:
        _write(arguments.out, outcomes, checks)
    return 0 if all(one.holds for one in checks) else 1


def _quick(scenarios: Iterable[Scenario]) -> Iterable[Scenario]:
    """Those that a few runs tell most about."""
    return (
        one
        for one in scenarios
        if one.rps > 1 and one.split in (Split.TWENTY, Split.STAGED) and one.group not in (LIMIT, MARGIN)
        if one.base == 0.001 or one.group == "x5"  # noqa: PLR2004  # 0.1 %
    )


def _print(outcomes: Sequence[Outcome], checks: Sequence[Check]) -> None:
    calm, ill = [one for one in outcomes if not one.is_bad], [one for one in outcomes if one.is_bad]
    print("False aborts, %\n" + _line("", JUDGES))
    for one in calm:
        if one.scenario.group == MARGIN:  # worse than allowed, and rightly aborted: simulated for its passes
            continue
        print(_line(one.scenario.name, (f"{one.aborts(judge) * 100:.1f}" for judge in JUDGES)))
    _print_unfair(calm)
    print("\nDetection, seconds: median/p90 (missed, %)\n" + _line("", JUDGES))
    for one in ill:
        print(_line(one.scenario.name, (_detection(one, judge) for judge in JUDGES)))
    print("\nPassing, healthy: share of runs, median seconds from the stage's start")
    for one in calm:
        if one.scenario.group == "healthy":
            findings = (f"{stage}: {share:.0%} {took:.0f}" for stage, (share, took) in one.stage_passing().items())
            print(f"{one.scenario.name:<52} {'   '.join(findings)}")
    print("\nWhere a fixed threshold, chosen with hindsight for service and fault, is faster: median seconds")
    for one in ill:
        if one.tuned and (beaten := _beaten(one, one.tuned)):
            print(f"{one.scenario.name:<52} {beaten}")
    print("\nChecks")
    for line in checks:
        print(line)


def _print_unfair(calm: Sequence[Outcome]) -> None:
    print("\nFalse aborts if copies of some requests were compared with all of the primary's, %")
    for one in calm:
        if one.unfair is not None:
            print(_line(one.scenario.name, [f"{one.unfair * 100:.1f}"]))


def _print_refusals(findings: Sequence[Finding]) -> None:
    print("\nClient errors: told, % of runs, and after how many seconds (median)")
    for one in findings:
        split = "mirror" if one.scenario.split is None else f"{one.scenario.split:.0%}"
        name = f"{one.scenario.name}, {one.scenario.rps:g} rps, {split}"
        print(f"{name:<60} {one.share:>6.1%} {_seconds(one.median):>8}")


def _beaten(one: Outcome, tuned: Tuned) -> str:
    ours = one.detection(0.5)
    if tuned.median is None or tuned.median >= ours:
        return ""
    also = f"but aborts {tuned.in_incident * 100:.0f} % when both versions fail together"
    return f"{tuned.median:.0f}, ours {_seconds(ours)}: {tuned.rule}; {also}"


def _line(name: str, cells: Iterable[str]) -> str:
    return " ".join(chain([f"{name:<52}"], (f"{cell:>16}" for cell in cells)))


def _detection(one: Outcome, judge: str) -> str:
    median, p90 = (one.detection(share, judge) for share in (0.5, 0.9))
    missed = 1 - one.aborts(judge)
    times = f"{_seconds(median)}/{_seconds(p90)}"
    return f"{times} ({missed * 100:.0f})" if missed else times


def _seconds(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "-"


def _write(path: Path, outcomes: Sequence[Outcome], checks: Sequence[Check]) -> None:
    figures = {
        "scenarios": [one.to_json() for one in outcomes],
        "checks": [{"what": one.what, "value": one.value, "limit": one.limit, "holds": one.holds} for one in checks],
    }
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
