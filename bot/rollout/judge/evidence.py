"""What one row of counts says about "worse than allowed": a log likelihood ratio that never wins on average.

A row is (n_c, b_c, n_p, b_p): new requests and new bad requests of canary and primary. Given the total, the canary's
part of the bad requests is compared under "the canary's share is ``theta`` times the primary's" and "``g`` times that".
With pi = n_c / (n_c + n_p):

    log B = log(theta pi + 1 - pi) - log(theta g pi + 1 - pi)        log A = log g + log B
    l(g)  = (b_c log A + b_p log B - n_c slack (A - 1)) / phi

For independent requests of any probabilities with p_c <= theta p_p + slack and g > 1, E exp l <= 1 at phi = 1: E A^b_c
is at most exp(n_c p_c (A - 1)), likewise for B, and the weights of A and B under the null sum to one, so the exponents
sum to at most zero. No rarity of errors and no nuisance parameter is needed, and what hits both versions alike (load,
incidents, weights that change) cancels. Dividing by phi > 1 keeps it valid (Jensen). With g < 1 the same shows "not
worse than".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bot.rollout.judge.settings import Floats


@dataclass(frozen=True, slots=True)
class Row:
    """New requests (n) and bad ones among them (b), canary and primary, over ``seconds``."""

    n_c: float
    b_c: float
    n_p: float
    b_p: float
    seconds: float = 15.0


def ratios(row: Row, theta: float, g: Floats) -> tuple[Floats, Floats]:
    """``log A`` and ``log B`` for each alternative."""
    pi = row.n_c / (row.n_c + row.n_p)
    log_b = np.log(theta * pi + 1 - pi) - np.log(theta * g * pi + 1 - pi)
    return np.log(g) + log_b, log_b


def relative(row: Row, theta: float, slack: float, g: Floats, phi: float) -> Floats:
    """``l(g)`` for each alternative; zero where only one side, or neither, has requests."""
    if row.n_c <= 0 or row.n_p <= 0:
        return np.zeros_like(g)
    log_a, log_b = ratios(row, theta, g)
    return (row.b_c * log_a + row.b_p * log_b - row.n_c * slack * np.expm1(log_a)) / phi


def absolute(row: Row, ceiling: float, shares: Floats, phi: float) -> Floats:
    """The binomial likelihood ratio of each share of errors against the ceiling, canary alone."""
    good = row.n_c - row.b_c
    return (row.b_c * np.log(shares / ceiling) + good * np.log((1 - shares) / (1 - ceiling))) / phi
