"""What one row of counts says about "worse than allowed": a log likelihood ratio that never wins on average.

A row is (n_c, b_c, n_p, b_p): new requests and new bad requests of canary and primary. Given the total, the canary's
part of the bad requests is compared under "the canary's share is ``theta`` times the primary's" and "``g`` times that".
With pi = n_c / (n_c + n_p):

    log B = log(theta pi + 1 - pi) - log(theta g pi + 1 - pi)        log A = log g + log B
    l(g)  = (b_c log A + b_p log B - n_c slack (A - 1)) / phi

For independent requests of any probabilities with p_c <= theta p_p + slack and g > 1, E exp l <= 1 at phi = 1: E A^b_c
is at most exp(n_c p_c (A - 1)), likewise for B, and the weights of A and B under the null sum to one, so the exponents
sum to at most zero. Copies that fail together with their originals only make it smaller. No rarity of errors and no
nuisance parameter is needed, and what hits both versions alike (load, incidents, weights that change) cancels. Dividing
by phi > 1 keeps it valid (Jensen). With g < 1 the same shows "not worse than".

Counts have any number of leading axes (metrics here), and results have one more at the end, the alternatives'; theta
and slack are single values or have that axis too.
"""

from __future__ import annotations

import numpy as np

from bot.analysis.judge.settings import Floats

N_C, B_C, N_P, B_P = range(4)  # a row's columns


def ratios(pi: Floats, theta: Floats, g: Floats) -> tuple[Floats, Floats]:
    """``log A`` and ``log B`` of each alternative."""
    null = theta * pi[..., None]
    rest = (1 - pi)[..., None]
    log_b = np.log(null + rest) - np.log(null * g + rest)
    return np.log(g) + log_b, log_b


def relative(counts: Floats, theta: Floats, slack: Floats, g: Floats) -> Floats:
    """``phi l(g)`` of each row; zero where only one side, or neither, has requests."""
    n_c, n_p = counts[..., N_C], counts[..., N_P]
    comparable = (n_c > 0) & (n_p > 0)
    pi = np.where(comparable, n_c / np.maximum(n_c + n_p, 1.0), 0.5)
    log_a, log_b = ratios(pi, theta, g)
    counted = counts[..., B_C, None] * log_a + counts[..., B_P, None] * log_b
    return (counted - n_c[..., None] * slack * np.expm1(log_a)) * comparable[..., None]


def originals(counts: Floats) -> Floats:
    """The rows with no more of the primary's requests than can be originals of the canary's copies.

    For a mirror of some methods: E B^b_p <= exp(mu_p (B - 1)) with mu_p the bad ones expected of all the primary's
    requests, which are at least those of the copied ones, and B < 1. So with as many requests on both sides and every
    bad one of the primary's counted, the exponents still sum to at most zero: nothing is assumed about the others.
    """
    fair = counts.copy()
    fair[..., N_P] = np.minimum(counts[..., N_P], counts[..., N_C])
    return fair


def absolute(requests: float | Floats, bad: float | Floats, ceiling: float, shares: Floats) -> Floats:
    """The binomial likelihood ratio of each share of errors against the ceiling, canary alone; divide it by phi too."""
    return bad * np.log(shares / ceiling) + (requests - bad) * np.log((1 - shares) / (1 - ceiling))
