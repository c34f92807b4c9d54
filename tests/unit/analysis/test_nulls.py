"""The promise itself, on simulated canaries exactly at a limit: evidence above 1/alpha, ever, in at most alpha of them.

Every process is looked at after every row of two hours. Chance is allowed for with three standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from bot.analysis.judge.evidence import absolute, relative
from bot.analysis.judge.processes import NotWorse, Worse, lse
from bot.analysis.judge.settings import CEILING_TIMES, LADDER, LOWER, Floats

RUNS, ROWS = 400, 480
ALPHAS = (0.5, 0.2, 0.05)
AT_THE_LIMIT = pytest.mark.parametrize(
    ("canary", "primary", "share"),
    [(30, 120, 0.2), (15, 285, 0.02), (300, 300, 0.01), (240, 960, 0.001), (3, 12, 0.05)],
    ids=["one error in five", "a small canary", "mirrored", "rare errors", "one request in five seconds"],
)


def rarely_above(highest: Floats) -> None:
    for alpha in ALPHAS:
        above = float((highest >= math.log(1 / alpha)).mean())
        assert above <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / RUNS)


def counts(canary: int, primary: int, p_c: float, p_p: float) -> Iterator[Floats]:
    """Rows of (run, n_c b_c n_p b_p)."""
    rng = np.random.default_rng([7, canary, primary])
    for _ in range(ROWS):
        n_c, n_p = rng.poisson(canary, RUNS), rng.poisson(primary, RUNS)
        yield np.stack([n_c, rng.binomial(n_c, p_c), n_p, rng.binomial(n_p, p_p)], axis=-1).astype(float)


@AT_THE_LIMIT
@pytest.mark.parametrize("patience", [1e-9, 3], ids=["no cap", "capped"])
def test_a_canary_at_its_tolerance_is_rarely_called_worse(
    canary: int, primary: int, share: float, patience: float
) -> None:
    theta, slack = 1.25, 0.0002
    worse, highest = Worse.fresh((RUNS, len(LADDER)), 0.8), np.zeros(RUNS)
    for row in counts(canary, primary, theta * share + slack, share):
        gains = relative(row, np.array(theta), np.array(slack), LADDER)
        worse = worse.step(gains, 1 / 200, np.array(math.log(20) / patience))
        highest = np.maximum(highest, worse.log_e)

    rarely_above(highest)


@AT_THE_LIMIT
def test_a_canary_at_its_margin_is_rarely_shown_to_be_below_it(canary: int, primary: int, share: float) -> None:
    theta, slack = 1.5, 0.005
    proof, highest = NotWorse.fresh(RUNS), np.zeros(RUNS)
    for row in counts(canary, primary, theta * share + slack, share):
        proof = proof.step(relative(row, np.array(theta), np.array(slack), LOWER), math.log(20) / 4)
        highest = np.maximum(highest, lse(proof.all))

    rarely_above(highest)


@pytest.mark.parametrize("spare", [False, True])
def test_a_canary_at_the_ceiling_is_rarely_called_above_it(*, spare: bool) -> None:
    shares = np.array(CEILING_TIMES) * 0.05
    ceiling, highest = Worse.fresh((RUNS, len(shares)), 0.8), np.zeros(RUNS)
    for row in counts(40, 160, 0.05, 0.001):
        gains = absolute(row[:, :1], row[:, 1:2], 0.05, shares)
        ceiling = ceiling.step(gains, 1 / 200, np.array(math.log(200) / 3), spare=spare)
        highest = np.maximum(highest, ceiling.log_e)

    rarely_above(highest)


def test_copies_that_fail_together_with_their_originals_only_lower_the_evidence() -> None:
    rng = np.random.default_rng(8)
    worse, highest = Worse.fresh((RUNS, len(LADDER)), 0.8), np.zeros(RUNS)
    for _ in range(ROWS):
        both = rng.binomial(200, 0.02, RUNS)
        alone = rng.binomial(200, 0.005, RUNS)  # 1.25 times the primary's share in all
        row = np.stack([np.full(RUNS, 200), both + alone, np.full(RUNS, 200), both], axis=-1).astype(float)
        worse = worse.step(relative(row, np.array(1.25), np.array(0.0), LADDER), 1 / 200, np.array(1.0))
        highest = np.maximum(highest, worse.log_e)

    rarely_above(highest)
