"""The rules other tools judge by, written from their sources with their defaults; each answers when it would abort.

They see the canary's scrapes through Prometheus' ``[1m]``: four samples, 45 s of data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.judge.traffic import BOUNDS, ERRORS, LATENCY, REQUESTS, SCRAPE, SCRAPES, SECONDS, Floats, Side, Traffic

NEVER = np.inf
Z98 = 2.326  # two-sided 98 %
WINDOW = 4  # scrapes in a minute
MINUTE = 60


def flagger(traffic: Traffic) -> Floats:
    """Success below 99 % or p99 over 500 ms fails a check; five failed checks, one every minute; no data fails too."""
    return _flagger(traffic.canary, every=MINUTE, checks=5)


def flagger15(traffic: Traffic) -> Floats:
    """The same as impatient as we look: a check every 15 s, two failed ones."""
    return _flagger(traffic.canary, every=SCRAPE, checks=2)


def argo(traffic: Traffic) -> Floats:
    """Success below 95 %, measured every minute; the fourth failure. No data is no failure."""
    seen = _minute(traffic.canary)
    with np.errstate(invalid="ignore", divide="ignore"):
        failed = seen[..., ERRORS] / seen[..., REQUESTS] > 0.05  # noqa: PLR2004  # 95 % success
    return _nth(failed, every=MINUTE, count=4)


def kayenta(traffic: Traffic) -> Floats:
    """Mann-Whitney on error ratio and mean latency per minute, 98 %, every 5 min on all data so far."""
    with np.errstate(invalid="ignore", divide="ignore"):
        canary, primary = _by_minute(traffic.canary), _by_minute(traffic.primary)
        pairs = [
            (canary[..., ERRORS] / canary[..., REQUESTS], primary[..., ERRORS] / primary[..., REQUESTS], 1.25),
            (canary[..., LATENCY] / canary[..., REQUESTS], primary[..., LATENCY] / primary[..., REQUESTS], 1.10),
        ]
    aborted = np.full(len(canary), NEVER)
    for run in range(len(aborted)):
        for minutes in range(5, SECONDS // MINUTE + 1, 5):
            if any(_high(one[run, :minutes], two[run, :minutes], effect) for one, two, effect in pairs):
                aborted[run] = minutes * MINUTE
                break
    return aborted


def oracle(traffic: Traffic) -> Floats:
    """Somebody knows the true share of errors: more than three times it, and 1 %, over 2 min; three failed checks."""
    return above(traffic.canary, 8, max(0.01, 3 * traffic.base), 3)


def above(canary: Side, window: int, limit: float, checks: int) -> Floats:
    """Errors above a limit over a window of scrapes, so many times, looked at after every scrape."""
    known = np.pad(_known(canary), ((0, 0), (window - 1, 0), (0, 0)), mode="edge")
    seen = known[:, window:] - known[:, :-window]
    return _nth(seen[..., ERRORS] > limit * seen[..., REQUESTS], every=SCRAPE, count=checks)


PEERS = {"flagger": flagger, "flagger15": flagger15, "argo": argo, "kayenta": kayenta, "oracle": oracle}


def _flagger(canary: Side, *, every: int, checks: int) -> Floats:
    seen = _minute(canary)
    requests, slow = seen[..., REQUESTS], seen[..., LATENCY + 1 + BOUNDS.index(500.0)]
    with np.errstate(invalid="ignore", divide="ignore"):
        healthy = (seen[..., ERRORS] / requests <= 0.01) & (slow / requests <= 0.01)  # noqa: PLR2004  # 99 %
    return _nth(~healthy, every=every, count=checks) + every  # it rolls back at the next tick


def _nth(failed: NDArray[np.bool_], *, every: int, count: int) -> Floats:
    """When the ``count``-th check fails; checks are failures by scrape, looked at every so many seconds."""
    reconciles = failed[:, every // SCRAPE - 1 :: every // SCRAPE]
    reached = np.cumsum(reconciles, axis=1) >= count
    at = (np.argmax(reached, axis=1) + 1.0) * every
    return np.where(reached.any(axis=1), at, NEVER)


def _minute(side: Side) -> Floats:
    """What ``increase(x[1m])`` is made of: (run, scrape, column) of the last less the first of four samples."""
    first = np.full_like(side.scraped[:, 1:], np.nan)
    last = first.copy()
    for back in range(WINDOW):
        # Samples WINDOW-1 ... 0 scrapes ago, oldest first; before the start there is the birth of the pod.
        ago = WINDOW - 1 - back
        sample = np.pad(side.scraped, ((0, 0), (ago, 0), (0, 0)), constant_values=np.nan)[:, 1 : SCRAPES + 1]
        first = np.where(np.isnan(first), sample, first)
        last = np.where(np.isnan(sample), last, sample)
    return last - first


def _by_minute(side: Side) -> Floats:
    """Increments by minute, from the scrapes nearest before its ends."""
    return np.diff(_known(side)[:, :: MINUTE // SCRAPE], axis=1)


def _known(side: Side) -> Floats:
    """The totals, at a lost scrape those of the one before."""
    known = side.scraped.copy()
    for scrape in range(1, SCRAPES + 1):
        known[:, scrape] = np.where(np.isnan(known[:, scrape]), known[:, scrape - 1], known[:, scrape])
    return known


def _high(canary: Floats, primary: Floats, effect: float) -> bool:
    """Clearly higher: the shift's interval lies above a quarter of its estimate, and the means differ enough."""
    one, two = canary[~np.isnan(canary)], primary[~np.isnan(primary)]
    if not one.size or not two.size:
        return False
    shifts = np.sort(np.subtract.outer(one, two).ravel())
    size = one.size * two.size
    rank = size / 2 - Z98 * np.sqrt(size * (one.size + two.size + 1) / 12)
    low = shifts[max(int(rank), 0)]
    return bool(low > 0.25 * abs(np.median(shifts)) and one.mean() >= effect * two.mean())
