"""The second edition against the golden vectors of its specification, also through JSON between any two rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bot.analysis.judge.evidence import ratios
from bot.analysis.judge.processes import lse
from bot.analysis.judge.second import sequential
from bot.analysis.judge.second.baseline import dispersion
from bot.analysis.judge.second.compact import load, save
from bot.analysis.judge.second.constants import (
    BLOCKS,
    BLOCKS_SHORT,
    BLOCKS_TO_PASS,
    FIRST,
    HOME_FIRST,
    LADDER,
)
from bot.analysis.judge.second.mixture import fresh
from bot.analysis.judge.second.noninferiority import root
from bot.analysis.judge.second.row_evidence import USUAL, VOTES, WORSE
from bot.analysis.judge.second.sequential import Outcome
from bot.analysis.judge.second.shield import idle
from bot.analysis.judge.second.single import start, step
from tests.unit.analysis.second_rows import DEFAULTS, GOOD, HISTORY, SLOW, errors_only, interval, judged, row_of

STORED = pytest.mark.parametrize("stored", [False, True], ids=["streaming", "through JSON at every row"])
EXACT = 1.01e-6  # the vectors have six decimals
BURSTS = [0, 0, 9, 0, 0, 0, 1, 0] * 30

# n_c, b_c, n_p, b_p; verdict; log E, W, A, ceiling, shield of errors; proof of errors, slow_a, slow_b; slower
PROBATION = (150, 1, 150, 2)
TABLE = [
    ((30, 0, 120, 1), "WATCH", (-0.314756, -0.273147, -0.429287, -0.931825, -0.689307), (0.289586, 0.0, 0.0), 0.0),
    ((30, 1, 120, 2), "WATCH", (-0.260773, -0.322056, -0.313849, -1.031106, -0.234603), (-0.121964, 0.0, 0.0), 0.0),
    ((28, 0, 124, 0), "WATCH", (-0.349254, -0.324062, -0.475874, -1.126724, -0.458328), (0.056827, 0.0, 0.0), 0.0),
    ((31, 0, 119, 1), "WATCH", (-0.413473, -0.441307, -0.596324, -1.176039, -0.679490), (0.343469, 0.0, 0.0), 0.0),
    ((30, 1, 120, 1), "WATCH", (-0.468359, -0.337260, -0.502879, -1.189493, -0.008385),
     (-0.094137, -0.587332, 0.547021), 0.662931),
    ((30, 9, 120, 1), "WATCH", (0.983580, 1.416019, 1.250400, 1.278001, 1.797439),
     (-5.164126, -1.067551, 1.106372), 1.413785),
    ((32, 11, 118, 2), "STEP_BACK", (1.375055, 1.766675, 1.601056, 1.989498, 3.594879),
     (-0.693147, -0.693147, -0.693147), 2.246799),
    ((150, 44, 150, 1), "WATCH", (1.763079, 2.117331, 1.951712, 2.519330, 1.797439),
     (-13.652502, -3.487556, -0.477867), 2.621266),
    ((150, 2, 150, 3), "WATCH", (-1.266945, -1.619691, -1.916057, -1.917118, -0.939565),
     (-13.143265, -2.738629, 0.260532), -1.146207),
    (PROBATION, "WATCH", (-1.524613, -1.895881, -1.918269, -1.919630, -1.220120),
     (-12.671682, -1.989700, 1.000788), -1.542604),
    (PROBATION, "WATCH", (-1.642250, -1.917235, -1.920490, -1.922133, -1.220120),
     (-12.199858, -1.240769, 1.742585), -1.603104),
    (PROBATION, "WATCH", (-1.712662, -1.921606, -1.922762, -1.924636, -1.220120),
     (-11.727747, -0.491838, 2.485658), -1.625805),
    (PROBATION, "WATCH", (-1.759919, -1.924099, -1.925079, -1.927139, -1.220120),
     (-11.255294, 0.257094, 3.229785), -1.636305),
    (PROBATION, "WATCH", (-1.793457, -1.926375, -1.927431, -1.929642, -1.220120),
     (-0.014527, 1.328508, 3.994266), -1.641981),
    (PROBATION, "WATCH", (-1.818341, -1.928655, -1.929812, -1.932145, -1.220120),
     (0.671528, 2.074413, 4.739889), -1.645740),
    (PROBATION, "WATCH", (-1.837595, -1.930966, -1.932214, -1.934648, -1.220120),
     (1.363995, 2.821267, 5.486114), -1.648739),
    (PROBATION, "WATCH", (-1.852957, -1.933304, -1.934635, -1.937151, -1.220120),
     (2.061986, 3.568775, 6.232832), -1.651438),
    (PROBATION, "WATCH", (-1.865600, -1.935666, -1.937071, -1.939655, -1.220120),
     (2.764764, 4.316731, 6.979954), -1.654019),
    (PROBATION, "GO_BACK", (-1.876339, -1.938047, -1.939519, -1.942158, -1.220120),
     (3.471719, 5.064994, 7.727407), -1.656553),
    ((30, 0, 120, 1), "WATCH", (-1.879218, -1.939290, -1.941056, -1.944333, -0.689307),
     (3.760829, 5.375051, 8.262964), -1.658244),
    ((60, 1, 90, 1), "WATCH", (-2.002634, -2.002829, -2.041784, -2.205058, -0.485148),
     (1.368225, 2.198920, 2.219951), -1.740515),
]  # fmt: skip


def test_the_ratios_of_one_row() -> None:
    log_a, log_b = ratios(np.array(0.2), np.array(1.25), LADDER)

    assert log_a[[0, 2, 4]] == pytest.approx([0.135802, 0.610909, 1.241713], abs=EXACT)
    assert log_b[[0, 2, 4]] == pytest.approx([-0.046520, -0.305382, -1.466337], abs=EXACT)


@pytest.mark.parametrize(
    ("share", "slack", "expected"),
    [(0.01, 0.005, -0.440510), (0.001, 0.005, -0.837176), (0.01, 0.0, -0.266667)],
    ids=["1 %", "0.1 %", "without slack"],
)
def test_the_informed_bet_of_a_pass(share: float, slack: float, expected: float) -> None:
    found = root(*map(np.asarray, (share, 1.5, slack, 1.5 * 0.25)))

    assert found == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("lengths", [BLOCKS, BLOCKS_TO_PASS, BLOCKS_SHORT], ids=["all", "to pass", "short"])
def test_the_dispersion_of_bursts(lengths: tuple[int, ...]) -> None:
    requests = np.full(240, 100.0)

    assert dispersion(requests, np.array(BURSTS, float), lengths) == pytest.approx(6.846067, abs=EXACT)
    assert dispersion(requests, np.zeros(240), lengths) == 1


GAINS = np.array([[0.1, 0.4, 1, 1.5, 1], [0.2, 0.8, 2, 3, 4], [-0.1, -0.2, -0.5, -1, -2]])


def test_the_level_cap() -> None:
    first, further, h = (np.asarray(value) for value in (1.753279, 0.350656, 1 / 400))
    found, steps = fresh((5,), 0.7, first), []
    for gains in GAINS:
        found = found.step(gains, h, first, further)
        steps.append([float(found.log_e), float(found.most), float(found.reserve), *found.active.tolist()])

    assert steps == [
        pytest.approx(row, abs=2e-6)
        for row in (
            [0.719430, 1.753279, -1.206476, -1.865042, -1.565042, -0.965042, -0.465042, -0.965042],
            [2.103935, 2.103935, -1.208979, -3.205396, -2.305646, -0.505969, 0.993877, 1.494031],
            [0.866677, 2.454591, -1.211482, -3.301721, -2.504150, -1.005721, -0.006068, -0.505935],
        )
    ]


def test_the_shields_sums() -> None:
    found, values = idle((5,)), []
    for gains in GAINS:
        found = found.step(gains, np.asarray(math.log(20) * HOME_FIRST))
        values.append(float(found.value))

    assert values == pytest.approx([0.917510, 2.714949, 1.410249], abs=EXACT)
    assert found.sums == pytest.approx([-0.100000, -0.200000, 1.251527, 2.251527, 1.751527], abs=EXACT)


def test_what_the_history_fixes() -> None:
    trace = start(DEFAULTS, HISTORY)
    base, typical = trace.base, trace.typical

    assert [metric.bound for metric in trace.metrics] == [None, 250, 500]
    for one in (base.phi, base.phi_pass, base.rho):
        assert one.tolist() == [1, 1, 1]
    assert base.usual == pytest.approx([0.010000, 0.028902, 0.000986], abs=EXACT)
    assert typical is not None
    assert trace.buckets == (50, 100, 250)
    assert typical.scores == pytest.approx([0, 0.302069, 0.651034, 1], abs=EXACT)
    assert typical.allowed == pytest.approx(0.038487, abs=EXACT)
    assert typical.shifts == pytest.approx([0.018059, 0.051986, 0.112081, 0.218432], abs=EXACT)
    assert (typical.mean, typical.variance, typical.phi) == pytest.approx((0.368996, 0.069177, 1), abs=EXACT)


@STORED
def test_a_step_back_a_probation_and_a_return(stored: bool) -> None:  # noqa: FBT001  # a parameter of the table
    trace = start(DEFAULTS, HISTORY)
    for number, (counts, verdict, evidence, proof, slower) in enumerate(TABLE, 1):
        shares, stage = SLOW if 5 <= number <= 8 else GOOD, "40" if number == 21 else "20"
        users = not 8 <= number <= 19
        trace, ruling = step(trace, interval(number, counts, stage, shares), DEFAULTS, users=users)
        trace = load(save(trace), DEFAULTS) if stored else trace
        state = trace.state
        worse, usual = (state.evidence.log_e[kind, 0] for kind in (WORSE, USUAL))
        found = (ruling.log_e, worse, usual, float(state.ceiling.log_e), ruling.shield["errors"])
        assert ruling.outcome is Outcome[verdict], number
        assert found == pytest.approx(evidence, abs=EXACT), number
        assert lse(state.proof.all) == pytest.approx(proof, abs=EXACT), number
        assert float(state.slower.log_e) == pytest.approx(slower, abs=EXACT), number
    assert trace.state.step_backs == 1


@STORED
def test_alone_a_total_failure_is_aborted_by_three_rows(stored: bool) -> None:  # noqa: FBT001  # a parameter
    failing = [interval(number, (300, 90, 1200, 12), shares=SLOW) for number in (1, 2, 3)]
    seen = [judged(failing[:rows], alone=True, stored=stored) for rows in (1, 2, 3)]

    assert [rulings[-1].log_e for _, rulings in seen] == pytest.approx([1.644480, 2.634897, 3.696351], abs=EXACT)
    errors = [trace.state.evidence.log_e[WORSE, 0] for trace, _ in seen]
    assert errors == pytest.approx([1.753279, 2.629918, 3.506558], abs=EXACT)
    ceilings = [float(trace.state.ceiling.log_e) for trace, _ in seen]
    assert ceilings == pytest.approx([2.649159, 3.973738, 5.298317], abs=EXACT)
    assert [one.outcome for one in seen[-1][1]] == [Outcome.WATCH, Outcome.WATCH, Outcome.ABORT]
    assert seen[-1][0].aborted_by == "errors"


@STORED
def test_a_pass(stored: bool) -> None:  # noqa: FBT001  # a parameter of the table
    rows = [interval(number, (300, 3, 1200, 12)) for number in range(1, 10)]
    seen = [judged(rows[:count], alone=True, stored=stored) for count in range(1, 10)]

    proof = [float(lse(trace.state.proof.all)[0]) for trace, _ in seen]
    assert proof == pytest.approx(
        [0.632666, 1.350431, 2.081080, 2.815391, 3.551956, 4.290318, 5.030178, 5.771295, 6.513468], abs=EXACT
    )
    assert [one.outcome for one in seen[-1][1]] == [Outcome.WATCH] * 8 + [Outcome.PASS]
    assert seen[-1][1][-1].log_e == pytest.approx(-1.157039, abs=EXACT)


def test_a_bursty_metrics_rows_also_vote() -> None:
    fixed = errors_only(np.full(240, 100.0), np.array(BURSTS, float))
    state, found = sequential.begin(fixed, DEFAULTS), []
    for counts in ((300, 40, 1200, 2), (300, 2, 1200, 1), (300, 3, 1200, 0)):
        state, answer = sequential.step(state, row_of(np.array(counts)), fixed, DEFAULTS)
        worse, votes = (state.evidence.log_e[kind, 0] for kind in (WORSE, VOTES))
        whole = np.logaddexp(answer.log_e, math.log(0.3))  # the vectors' latencies keep their weight, and saw nothing
        found.append((float(whole), worse, votes, answer.shield[0]))

    assert fixed.base.phi == pytest.approx([6.846067], abs=EXACT)
    assert found == [
        pytest.approx(row, abs=EXACT)
        for row in (
            (1.055574, 1.753279, 0.502965, 1.382150),
            (1.081261, 1.879705, 0.730886, 1.262456),
            (1.577067, 2.354214, 1.498686, 1.761769),
        )
    ]
    assert fixed.limits.first[WORSE, 0] == pytest.approx(FIRST * math.log(1 / (0.05 * 0.6)))
