"""Typical latency: a question or only shown, and what is said where buckets hide it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.analysis import analysis
from bot.analysis.typical_latency import one_bucket
from bot.model.figures import TYPICAL, Figures, Finding, SideFigures
from bot.model.rollout import Phase
from bot.model.service import GateLimits
from bot.words.rendering import plain
from tests.builders import a_rollout, a_service, keys
from tests.unit.analysis.test_step_back_played import USUAL, Play, over

BOUNDS = (1.0, 5.0, 10.0, 100.0, math.inf)


def a_side(*counts: int) -> SideFigures:
    """So many answers in each bucket."""
    within = [sum(counts[: place + 1]) for place in range(len(counts))]
    return SideFigures(requests=sum(counts), errors=0.0, buckets=dict(zip(BOUNDS, map(float, within), strict=True)))


def played(*, asks: bool) -> Play:
    play = Play(lambda _at, _copies: USUAL, slower_asks=asks)
    play.fast, play.slow = 0.0, 0.0
    return play


def found(play: Play) -> list[Finding]:
    assert play.rollout.judgement is not None
    return [one for one in play.rollout.judgement.findings if one.gate == TYPICAL]


def test_where_it_is_a_question_a_slower_canary_waits_for_people_and_no_line_says_it_twice() -> None:
    play = played(asks=True)
    play.until(lambda rollout: rollout.asked_at is not None, most=100)

    assert play.rollout.is_asked_in_doubt
    assert found(play) == []


def test_where_it_is_only_shown_a_slower_canary_goes_on_and_that_is_shown_in_every_stage() -> None:
    play = played(asks=False)
    shown = set()
    while not over(play.row()):
        shown |= {play.rollout.current.name for _ in found(play)}

    assert play.rollout.phase is Phase.UPGRADING
    assert not any(one.approvals for one in play.rollout.walked)
    assert play.heard("analysis.is_slower")  # in the line about a stage that is done
    assert shown >= {"mirror", "shift 20", "shift 40", "shift 60", "shift 80"}


def test_what_is_only_shown_has_both_sides_figures_and_acts_on_nothing() -> None:
    play = played(asks=False)
    play.until(lambda _: found(play))
    (one,) = found(play)

    assert not one.acts
    assert one.bound == 50
    assert plain(one.sentence).startswith("v2 is slower: answers over 50 ms 100 % (")
    assert one.canary
    assert one.primary


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((1, 98, 1, 0, 0), "98 % of version 1's answers took 1 to 5 ms, one bucket: a version up to 5x as slow"),
        ((0, 0, 1, 99, 0), "99 % of version 1's answers took 10 to 100 ms, one bucket: a version up to 10x as slow"),
        ((100, 0, 0, 0, 0), "100 % of version 1's answers took up to 1 ms, the first bucket: how slow a version is"),
        ((0, 0, 0, 1, 99), "99 % of version 1's answers took over 100 ms, beyond the last bucket: how slow"),
        ((3, 96, 1, 0, 0), None),
        ((0, 50, 50, 0, 0), None),
    ],
)
def test_a_primary_whose_answers_are_all_in_one_bucket_is_said_to_hide_slower_ones(
    counts: tuple[int, ...], words: str | None
) -> None:
    rows = [a_side(*counts)] * 240
    begun = a_rollout(a_service())
    side = replace(a_side(*counts), first=0.0, last=15.0)
    rollout = replace(
        begun, phase=Phase.MIRRORING, settled_at=0.0, since=0.0, analysis_state=analysis.begin(GateLimits(), rows)
    )

    judgement, _ = analysis.analyse(rollout, Figures(start=0.0, end=15.0, canary=side, primary=side))

    said = [one for one in judgement.findings if one.gate == TYPICAL]
    assert [plain(one.sentence).startswith(words or "") for one in said] == ([] if words is None else [True])
    assert not any(one.acts for one in said)


def test_a_service_whose_latency_is_not_judged_is_told_nothing_of_it() -> None:
    limits = GateLimits(latency=False)
    begun = a_rollout(a_service(gates=limits))
    side = replace(a_side(1, 98, 1, 0, 0), first=0.0, last=15.0)
    rollout = replace(
        begun, phase=Phase.MIRRORING, settled_at=0.0, since=0.0, analysis_state=analysis.begin(limits, [side] * 240)
    )

    judgement, _ = analysis.analyse(rollout, Figures(start=0.0, end=15.0, canary=side, primary=side))

    assert TYPICAL not in {one.gate for one in judgement.findings}
    assert "analysis.hidden_between" not in keys(judgement.sentence)


@given(st.lists(st.integers(0, 10_000), min_size=5, max_size=5))
def test_either_a_bound_tells_something_or_nearly_everything_is_in_one_bucket(counts: list[int]) -> None:
    hidden, total = one_bucket(a_side(*counts)), sum(counts)
    beyond = [sum(counts[place + 1 :]) / max(total, 1) for place in range(4)]

    if total == 0 or any(0.02 <= share <= 0.98 for share in beyond):
        assert hidden is None
    else:
        assert hidden is not None
        assert hidden[0] < hidden[1]
        assert hidden[2] > 0.96
