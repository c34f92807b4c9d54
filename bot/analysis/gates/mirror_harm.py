"""Whether mirroring harms the primary: it, before and during the copies. Pure.

A canary that harms the primary through what they share looks no worse than it, so the primary is its own reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bot.analysis.amounts import of
from bot.analysis.histograms import slower, tail_bounds
from bot.model.figures import HARM, Figures, Finding, SideFigures, Tendency, Unit, Verdict
from bot.model.judge_settings import FEWEST
from bot.model.rollout import Rollout
from bot.model.versions import spoken_sides
from bot.words.sentence import Sentence, Share, Text, said, together

# How many standard deviations of a Poisson count the bad events must exceed what is allowed: about 1 in 1,000.
SURPRISE = 3.09


def find(rollout: Rollout, stage: Figures, recent: Sequence[Figures]) -> Iterator[Finding]:
    """The primary before and during the mirror: copies load what both versions share, and then both look alike.

    It holds and does not abort: the hour before may have been a quieter one. Copies load for as long as they are made,
    so what most of the last rows do not show was a burst of something else.
    """
    before, name = rollout.analysis_state.before, spoken_sides(rollout)[1]
    if before is None or before.requests <= 0:
        return
    rows = [row.primary for row in recent if row.primary is not None and row.primary.requests > 0]
    for measured in _compared(rollout, before):
        now = measured.share(stage.primary)
        lasts = 2 * sum(measured.is_above(row) for row in rows) > len(rows)
        if now is None or not lasts or not measured.is_surprising(stage.primary):
            continue
        bad = now * stage.primary.requests if stage.primary is not None else 0.0
        here = of(bad, stage.primary.requests if stage.primary is not None else 0.0)
        worse = measured.sentence(name, here)
        yield Finding(
            gate=HARM,
            verdict=Verdict.INCONCLUSIVE,
            sentence=together((worse, said("analysis.harm_why"))),
            brief=worse,
            value=now,
            limit=measured.allowed,
            unit=Unit.SHARE,
            allowed=said("analysis.allowed_before", times=measured.times, before=Share(measured.before)),
            primary=here,
            seen=Tendency.WORSE,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """One share of bad requests of the primary's: what it was before, and what it may be now."""

    bound: float | None  # milliseconds; None: errors
    before: float
    times: float
    allowed: float
    bad: Callable[[SideFigures], float | None]

    def sentence(self, name: Text, here: Sentence) -> Sentence:
        """That the primary is worse, in a sentence."""
        before = Share(self.before)
        if self.bound is None:
            return said("analysis.harm_errors", name=name, here=here, before=before)
        return said("analysis.harm_slow", name=name, bound=self.bound, here=here, before=before)

    def share(self, side: SideFigures | None) -> float | None:
        bad = None if side is None or side.requests <= 0 else self.bad(side)
        return None if side is None or bad is None else bad / side.requests

    def is_above(self, side: SideFigures) -> bool:
        """More than is allowed, be it by chance."""
        share = self.share(side)
        return share is not None and share > self.allowed

    def is_surprising(self, side: SideFigures | None) -> bool:
        """More than chance explains."""
        share = self.share(side)
        if side is None or share is None:
            return False
        expected, bad = self.allowed * side.requests, share * side.requests
        return bad >= FEWEST and bad > expected + SURPRISE * math.sqrt(expected)


def _compared(rollout: Rollout, before: SideFigures) -> Iterator[_Compared]:
    """What the service wants judged: errors, and requests slower than the least bound that 1 % were slower than."""
    errors, slow = rollout.spec.gates.judge.errors, rollout.spec.gates.judge.slow
    was = before.errors / before.requests
    if rollout.spec.gates.errors:
        allowed = errors.tolerance * was + errors.slack
        yield _Compared(bound=None, before=was, times=errors.tolerance, allowed=allowed, bad=lambda side: side.errors)
    for bound in tail_bounds(before.buckets)[-1:] if rollout.spec.gates.latency else ():
        late = partial(_slower_than, bound)
        was = (late(before) or 0.0) / before.requests
        allowed = slow.tolerance * was + slow.slack
        yield _Compared(bound=bound, before=was, times=slow.tolerance, allowed=allowed, bad=late)


def _slower_than(bound: float, side: SideFigures) -> float | None:
    return slower(side.buckets, bound)
