"""Figures computed once by an independent implementation; ours meets them to a millionth, also through JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
import pytest

from bot.analysis.judge.dispersion import dispersion
from bot.analysis.judge.evidence import absolute, ratios, relative
from bot.analysis.judge.processes import NotWorse, Worse, lse
from bot.analysis.judge.ratio import BadRequests
from bot.analysis.judge.saved import pack, unpack
from bot.analysis.judge.settings import CEILING_TIMES, LADDER, LOWER, Floats

ROWS = [
    (30, 0, 120, 1),
    (28, 3, 124, 0),
    (33, 4, 118, 2),
    (0, 0, 120, 1),
    (31, 2, 0, 0),
    (60, 9, 240, 3),
    (30, 12, 121, 1),
]
WORSE = [-0.627311, 0.541542, 1.710395, 1.710395, 1.710395, 2.879247, 4.048100]
NOT_WORSE = [0.351132, -2.123835, -2.913505, -2.913505, -2.913505, -4.280788, -6.213223]
CEILING = [-1.180531, -0.941550, -0.370703, -0.370703, -0.477228, 1.288878, 3.054984]
RATIOS = [
    (0.016, 0.016, 104.821, 0),
    (0.533, 13.034, 1024, 1.014302),
    (1.228, 9.082, 130.924, 2.873396),
    (1.228, 9.082, 130.924, 2.873396),
    (1.228, 9.082, 130.924, 2.873396),
    (2.459, 10.436, 65.348, 9.382962),
    (4.409, 15.834, 91.22, 21.860878),
]
NEEDED = math.log(1 / 0.03)
SAVED = pytest.mark.parametrize("saved", [False, True], ids=["streaming", "through JSON at every row"])


def hazards(count: int) -> list[float]:
    return [0.25 if number == 4 else 1 / 200 for number in range(count)]


def gains(row: tuple[float, ...], theta: float, slack: float, g: Floats) -> Floats:
    """One metric, one row."""
    return relative(np.array([row], float), np.array([theta]), np.array([slack]), g)


def stored(*logs: Floats) -> Iterator[Floats]:
    """Written as JSON and read again."""
    return unpack(json.loads(json.dumps(pack(logs))), [one.shape for one in logs])


def test_the_ratios_of_one_row() -> None:
    log_a, log_b = ratios(np.array(0.2), np.array(1.25), LADDER)

    assert log_a[[0, 5, 11]] == pytest.approx([0.135802, 1.072185, 1.386294], abs=1e-6)
    assert log_b[[0, 5, 11]] == pytest.approx([-0.046520, -0.917664, -2.772589], abs=1e-6)


@SAVED
def test_worse(saved: bool) -> None:  # noqa: FBT001  # a parameter of the table
    worse, seen = Worse.fresh((1, len(LADDER)), 0.8), []
    for row, h in zip(ROWS, hazards(len(ROWS)), strict=True):
        worse = worse.step(gains(row, 1.25, 0.0002, LADDER), h, np.array([NEEDED / 3]))
        worse = Worse(*stored(worse.active, worse.reserve, worse.log_e)) if saved else worse
        seen.append(worse.log_e[0])

    assert seen == pytest.approx(WORSE, abs=1e-6)


@SAVED
def test_not_worse(saved: bool) -> None:  # noqa: FBT001  # a parameter of the table
    proof, seen = NotWorse.fresh(1), []
    for row in ROWS:
        proof = proof.step(gains(row, 1.5, 0.005, LOWER), math.log(20) / 4)
        proof = NotWorse(*stored(proof.all, proof.stage)) if saved else proof
        seen.append(lse(proof.all)[0])

    assert seen == pytest.approx(NOT_WORSE, abs=1e-6)


@SAVED
def test_the_ceiling(saved: bool) -> None:  # noqa: FBT001  # a parameter of the table
    shares = np.array(CEILING_TIMES) * 0.05
    ceiling, seen = Worse.fresh((len(shares),), 0.8), []
    for row, h in zip(ROWS, hazards(len(ROWS)), strict=True):
        ceiling = ceiling.step(absolute(row[0], row[1], 0.05, shares), h, np.array(math.log(1 / 0.005) / 3))
        ceiling = Worse(*stored(ceiling.active, ceiling.reserve, ceiling.log_e)) if saved else ceiling
        seen.append(float(ceiling.log_e))

    assert seen == pytest.approx(CEILING, abs=1e-6)


def test_the_interval_for_display() -> None:
    seen, shown = BadRequests(), []
    for row in ROWS:
        seen = seen.add(row)
        ratio = seen.ratio(1.25, 1.0)
        shown.append((ratio.low, ratio.best, ratio.high, ratio.log_sure))

    for found, expected in zip(shown, RATIOS, strict=True):
        assert found[:3] == pytest.approx(expected[:3], abs=6e-4)
        assert found[3] == pytest.approx(expected[3], abs=1e-6)


def test_the_interval_hardly_changes_when_the_past_is_kept_in_classes() -> None:
    seen = BadRequests()
    for number in range(40):
        seen = seen.add((300 + number, 4 + number % 3, 1200, 5))
    merged = seen.ratio(1.25, 1.0)
    whole = BadRequests(tuple(sorted((round(n / (n + 1200), 9), 4.0 + (n - 300) % 3, 5.0) for n in range(300, 340))))
    one = whole.ratio(1.25, 1.0)
    exact = np.array([one.low, one.best, one.high])

    assert len(seen.classes) == 8
    assert [merged.low, merged.best, merged.high] == pytest.approx(exact, rel=0.03)


def test_the_vote_process() -> None:
    votes, seen = Worse.fresh((1, len(LADDER)), 0.8), []
    for row in ((300, 40, 1200, 2), (300, 2, 1200, 1), (300, 3, 1200, 0)):
        events = max(1.0, row[1] + row[3])
        votes = votes.step(gains(row, 1.25, 0.0002, LADDER) / events, 1 / 200, np.array([NEEDED / 6]))
        seen.append(votes.log_e[0])

    assert seen == pytest.approx([0.584426, 0.787357, 1.371783], abs=1e-6)


def test_half_of_the_evidence_for_a_pass_is_inherited() -> None:
    proof, needed = NotWorse.fresh(1), math.log(20)
    for _ in range(6):
        proof = proof.step(gains((300, 1, 300, 2), 1.5, 0.005, LOWER), needed / 4)
    assert lse(proof.all) == pytest.approx([4.117745], abs=1e-6)
    assert proof.shown(needed).all()

    proof = proof.next_stage(0.5, needed).step(gains((100, 0, 400, 1), 1.5, 0.005, LOWER), needed / 4)

    assert (lse(proof.all)[0], lse(proof.stage)[0]) == pytest.approx((2.117789, 0.604553), abs=1e-6)
    assert not proof.shown(needed).any()


def test_the_dispersion_of_bursts() -> None:
    assert dispersion([100] * 48, [0, 0, 9, 0, 0, 0, 1, 0] * 6) == pytest.approx(6.856349, abs=1e-6)
    assert dispersion([100] * 48, [0] * 48) == 1


@pytest.mark.parametrize("row", [(0, 0, 500, 7), (500, 7, 0, 0), (0, 0, 0, 0)], ids=["no canary", "no primary", "none"])
def test_a_row_with_one_side_says_nothing(row: tuple[float, ...]) -> None:
    assert not gains(row, 1.25, 0.0002, LADDER).any()


def test_a_million_errors_are_still_a_number() -> None:
    row = (10**7, 10**6, 10**7, 0)

    assert np.isfinite(gains(row, 1.25, 0.0002, LADDER)).all()


def test_the_evidence_of_one_row_never_wins_on_average() -> None:
    """The expectation of exp l is worked out exactly for two small binomial counts at the limit."""
    n_c, n_p, p_p = 12, 30, 0.2
    p_c = 1.25 * p_p + 0.0002
    b_c, b_p = (np.arange(n + 1) for n in (n_c, n_p))
    rows = np.array([[(n_c, one, n_p, two) for two in b_p] for one in b_c], float)
    chance = np.outer(*(binomial(n, p) for n, p in ((n_c, p_c), (n_p, p_p))))

    won = np.exp(relative(rows, np.array(1.25), np.array(0.0002), LADDER))

    assert ((chance[..., None] * won).sum(axis=(0, 1)) <= 1 + 1e-12).all()


def binomial(n: int, p: float) -> Floats:
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
