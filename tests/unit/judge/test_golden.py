"""Figures computed once by an independent implementation; ours meets them to a millionth, also through JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from bot.rollout.judge.dispersion import dispersion
from bot.rollout.judge.evidence import Row, absolute, ratios, relative
from bot.rollout.judge.processes import Bets, Proof
from bot.rollout.judge.ratio import Seen
from bot.rollout.judge.settings import CEILING_TIMES, LADDER, LOWER

ROWS = [
    Row(30, 0, 120, 1),
    Row(28, 3, 124, 0),
    Row(33, 4, 118, 2),
    Row(0, 0, 120, 1),
    Row(31, 2, 0, 0),
    Row(60, 9, 240, 3),
    Row(30, 12, 121, 1),
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


def hazards(count: int) -> list[float]:
    return [0.25 if number == 4 else 1 / 200 for number in range(count)]


def through_json(bets: Bets) -> Bets:
    saved = json.loads(json.dumps(asdict(bets)))
    return Bets(tuple(saved["bets"]), saved["reserve"], saved["log_e"])


def test_the_ratios_of_one_row() -> None:
    log_a, log_b = ratios(Row(20, 0, 80, 0), 1.25, LADDER)

    assert log_a[[0, 5, 11]] == pytest.approx([0.135802, 1.072185, 1.386294], abs=1e-6)
    assert log_b[[0, 5, 11]] == pytest.approx([-0.046520, -0.917664, -2.772589], abs=1e-6)


@pytest.mark.parametrize("saved", [False, True], ids=["streaming", "through JSON at every row"])
def test_worse(saved: bool) -> None:  # noqa: FBT001  # a parameter of the table
    bets, seen = Bets.fresh(len(LADDER), 0.8), []
    for row, h in zip(ROWS, hazards(len(ROWS)), strict=True):
        bets = bets.step(relative(row, 1.25, 0.0002, LADDER, 1.0), h, NEEDED / 3)
        bets = through_json(bets) if saved else bets
        seen.append(bets.log_e)

    assert seen == pytest.approx(WORSE, abs=1e-6)


@pytest.mark.parametrize("saved", [False, True], ids=["streaming", "through JSON at every row"])
def test_not_worse(saved: bool) -> None:  # noqa: FBT001  # a parameter of the table
    proof, seen = Proof.fresh(), []
    for row in ROWS:
        proof = proof.step(relative(row, 1.5, 0.005, LOWER, 1.0), math.log(20) / 4)
        proof = Proof(**{k: tuple(v) for k, v in json.loads(json.dumps(asdict(proof))).items()}) if saved else proof
        seen.append(proof.log_e)

    assert seen == pytest.approx(NOT_WORSE, abs=1e-6)


def test_the_ceiling() -> None:
    shares = np.array([times * 0.05 for times in CEILING_TIMES])
    bets, seen = Bets.fresh(len(shares), 0.8), []
    for row, h in zip(ROWS, hazards(len(ROWS)), strict=True):
        bets = bets.step(absolute(row, 0.05, shares, 1.0), h, math.log(1 / 0.005) / 3)
        seen.append(bets.log_e)

    assert seen == pytest.approx(CEILING, abs=1e-6)


def test_the_interval_for_display() -> None:
    seen, shown = Seen(), []
    for row in ROWS:
        seen = seen.add(row)
        ratio = seen.ratio(1.25, 1.0)
        shown.append((ratio.low, ratio.best, ratio.high, ratio.log_sure))

    for found, expected in zip(shown, RATIOS, strict=True):
        assert found[:3] == pytest.approx(expected[:3], abs=6e-4)
        assert found[3] == pytest.approx(expected[3], abs=1e-6)


def test_the_vote_process() -> None:
    bets, seen = Bets.fresh(len(LADDER), 0.8), []
    for row in (Row(300, 40, 1200, 2), Row(300, 2, 1200, 1), Row(300, 3, 1200, 0)):
        gains = relative(row, 1.25, 0.0002, LADDER, max(1.0, row.b_c + row.b_p))
        bets = bets.step(gains, 1 / 200, NEEDED / 6)
        seen.append(bets.log_e)

    assert seen == pytest.approx([0.584426, 0.787357, 1.371783], abs=1e-6)


def test_half_of_the_evidence_for_a_pass_is_inherited() -> None:
    proof, needed = Proof.fresh(), math.log(20)
    for _ in range(6):
        proof = proof.step(relative(Row(300, 1, 300, 2), 1.5, 0.005, LOWER, 1.0), needed / 4)
    assert proof.log_e == pytest.approx(4.117745, abs=1e-6)

    proof = proof.next_stage(0.5, needed).step(relative(Row(100, 0, 400, 1), 1.5, 0.005, LOWER, 1.0), needed / 4)

    assert (proof.log_e, proof.stage_log_e) == pytest.approx((2.117789, 0.604553), abs=1e-6)


def test_the_dispersion_of_bursts() -> None:
    assert dispersion([100] * 48, [0, 0, 9, 0, 0, 0, 1, 0] * 6) == pytest.approx(6.856349, abs=1e-6)
    assert dispersion([100] * 48, [0] * 48) == 1
