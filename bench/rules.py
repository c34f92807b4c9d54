"""Milliseconds of CPU of the pure parts of one reconcile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from bench.judge.cost import cost_second
from bot.analysis.analysis import analyse, begin
from bot.rollout import decide
from bot.slack.cards import card
from tests.builders import a_rollout, a_side_of, an_observation, figures

TIMES = 500


def rules() -> dict[str, float]:
    """Judging, deciding and drawing."""
    begun, _ = decide.enter_first_stage(a_rollout(), 0.0)
    past = [a_side_of(4000, 40 if row % 16 == 0 else 4, slow=4) for row in range(240)]
    rollout = replace(begun, settled_at=0.0, analysis_state=begin(begun.spec.gates, past))
    seen = figures(a_side_of(4000, 4), a_side_of(1000, 1))
    judgement, analysis_state = analyse(rollout, seen)
    rollout = replace(rollout, analysis_state=analysis_state)
    later = replace(seen, start=60.0, end=75.0)
    observed = an_observation(rollout)
    total = cost_second()
    return {
        "the judge: read its state (CPU ms)": total.load,
        "the judge: one interval, three bursty metrics (CPU ms)": total.row,
        "the judge: store its state (CPU ms)": total.save,
        "the judge: one look in all (CPU ms)": total.total,
        "the judge: its state at most (bytes)": total.largest,
        "judge one look with its gates and sentences (CPU ms)": cpu_ms(lambda: analyse(rollout, later)),
        "decide one look (CPU ms)": cpu_ms(lambda: decide.decide(rollout, observed, judgement, 10.0)),
        "draw one card (CPU ms)": cpu_ms(lambda: card(rollout, (), 10.0)),
    }


def cpu_ms(work: Callable[[], object]) -> float:
    """Mean of one call."""
    began = time.process_time()
    for _ in range(TIMES):
        work()
    return (time.process_time() - began) * 1000 / TIMES
