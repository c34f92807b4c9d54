"""Two simulated rollouts for the pictures in docs/judge.md, judged by what ``canary-bot replay`` runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from bench.judge.ours import figures, increments
from bench.judge.scenarios import HEALTHY, TEN, Scenario, Split
from bench.judge.traffic import ERRORS, REQUESTS, SCRAPE, Traffic, simulate
from bot.analysis.judge.replay import Answer, replay

SEED = 11
RPS, BASE = 100, 0.001
ONSET = 900  # seconds until the bad one turns bad
SMOOTH = 4  # rows of a minute, over which shares are shown
STAGES = {"mirror": Split.MIRROR, "5": Split.FIVE, "20": Split.TWENTY, "50": Split.FIFTY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Fifteen seconds: counts as replayed, and the judge's answer."""

    t: float
    stage: str
    canary: Sequence[float]
    primary: Sequence[float]
    answer: Answer


@lru_cache
def aborted() -> tuple[Row, ...]:
    """Stages of fixed length; ten times the errors from minute 15 on. It ends with the abort."""
    scenario = Scenario(group=TEN, rps=RPS, base=BASE, split=Split.STAGED, times=10, onset=ONSET)
    traffic = simulate(scenario, 1, SEED)
    rows: list[Row] = []

    def lines() -> Iterator[str]:
        yield _history(traffic)
        for number, sides in enumerate(_pairs(traffic), 1):
            stage = next(name for name, end, _ in scenario.stages if number * SCRAPE <= end)
            yield from _fed(rows, number * SCRAPE, stage, sides)
            if rows[-1].answer["verdict"] == "abort":
                return

    _judge(lines(), rows)
    return tuple(rows)


@lru_cache
def passed() -> tuple[Row, ...]:
    """A canary like its primary; each stage ends when it is passed."""
    scenarios = {stage: Scenario(group=HEALTHY, rps=RPS, base=BASE, split=split) for stage, split in STAGES.items()}
    traffic = {stage: simulate(scenario, 1, SEED) for stage, scenario in scenarios.items()}
    rows: list[Row] = []

    def lines() -> Iterator[str]:
        yield _history(traffic["mirror"])
        for stage in STAGES:
            for sides in _pairs(traffic[stage]):
                yield from _fed(rows, (len(rows) + 1) * SCRAPE, stage, sides)
                if rows[-1].answer["verdict"] == "pass":
                    break

    _judge(lines(), rows)
    return tuple(rows)


def _judge(lines: Iterator[str], rows: list[Row]) -> None:
    """Lines are drawn one by one, so that the next can depend on the answer to the last."""
    for answer in replay(lines):
        if "summary" not in answer:
            rows[-1] = replace(rows[-1], answer=answer)


def _fed(rows: list[Row], t: int, stage: str, sides: tuple[list[float], list[float]]) -> Iterator[str]:
    canary, primary = sides
    rows.append(Row(t=t, stage=stage, canary=canary, primary=primary, answer={}))
    yield json.dumps({"t": t, "stage": stage, "canary": _side(canary), "primary": _side(primary)})


def _pairs(traffic: Traffic) -> Iterator[tuple[list[float], list[float]]]:
    return zip(increments(traffic.canary)[0].tolist(), increments(traffic.primary)[0].tolist(), strict=True)


def _history(traffic: Traffic) -> str:
    return json.dumps({"history": [_side(row) for row in traffic.history[0].tolist()]})


def _side(row: list[float]) -> dict[str, object]:
    side = figures(row)
    buckets = {f"{bound:g}".replace("inf", "+Inf"): count for bound, count in side.buckets.items()}
    return {"requests": side.requests, "errors": side.errors, "buckets": buckets}


def shares(rows: Sequence[Row], side: str) -> list[float]:
    """The share of errors over the last minute of the same stage, by row, in percent."""
    findings = []
    for place, row in enumerate(rows):
        recent = [getattr(one, side) for one in rows[max(0, place - SMOOTH + 1) : place + 1] if one.stage == row.stage]
        requests, errors = (sum(counts[column] for counts in recent) for column in (REQUESTS, ERRORS))
        findings.append(100 * errors / requests if requests else 0.0)
    return findings
