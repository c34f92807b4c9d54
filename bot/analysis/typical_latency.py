"""What people read of typical latency beside the evidence: that it is watched only, and where buckets hide it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from bot.analysis.amounts import by_side, of
from bot.analysis.conclusion import Case, names, slower_at
from bot.analysis.judge.editions import State
from bot.analysis.judge.second.constants import STRETCH
from bot.analysis.judge.second.single import Trace
from bot.analysis.judge.second.stretch import USED
from bot.analysis.judge.wording import figures
from bot.model.figures import TYPICAL, Finding, SideFigures, Tendency, Unit, Verdict
from bot.model.rollout import Rollout
from bot.model.service import Measure
from bot.model.versions import spoken_sides
from bot.words.sentence import Sentence, Share, Text, said, together


def find(rollout: Rollout, case: Case) -> list[Finding]:
    """A line where the canary is slower and that is nobody's question, or where the primary's buckets cannot tell."""
    if not rollout.spec.gates.latency or not rollout.current.routes.compared or not _is_compared(case.state):
        return []
    return [*_watched(rollout, case), *_hidden(rollout)]


def _is_compared(state: State) -> bool:
    """By the first edition it is not."""
    return isinstance(state, Trace)


def _watched(rollout: Rollout, case: Case) -> Iterator[Finding]:
    account = slower_at(rollout, case)
    if rollout.spec.gates.judge.slower_asks or not case.state.slower or account is None:
        return
    called, (n_c, b_c, n_p, b_p) = names(rollout), account.counts
    found = said("analysis.is_slower", name=called.subject, figures=figures(account, called))
    limit = said("analysis.slower_allowed", times=STRETCH, other=called.reference)
    yield Finding(
        gate=TYPICAL,
        verdict=Verdict.INCONCLUSIVE,
        sentence=together((found, limit)),
        brief=found,
        value=b_c / n_c,
        sample=n_c,
        acts=False,
        unit=Unit.SHARE,
        compared=Measure.LATENCY,
        bound=account.metric.bound,
        allowed=said("analysis.allowed_times", times=STRETCH, other=called.reference),
        seen=Tendency.WORSE,
        **by_side(rollout, of(b_c, n_c), of(b_p, n_p)),
    )


def _hidden(rollout: Rollout) -> Iterator[Finding]:
    before = rollout.analysis_state.before
    hidden = one_bucket(before) if before is not None else None
    if hidden is not None:
        sentence = _say(hidden, spoken_sides(rollout)[1])
        yield Finding(gate=TYPICAL, verdict=Verdict.PASS, sentence=sentence, acts=False, part=True)


def one_bucket(side: SideFigures) -> tuple[float, float, float] | None:
    """The bucket in which nearly all of a side's requests are, as its bounds and their share; None: there is none.

    It begins at 0 where nothing is known below it, and ends at infinity where nothing is known above.
    """
    total = max(side.buckets.values(), default=0.0)
    if total <= 0:
        return None
    within = [(0.0, 0.0), *((bound, side.buckets[bound] / total) for bound in sorted(side.buckets))]
    if any(USED[0] <= 1 - share <= USED[1] for bound, share in within[1:] if math.isfinite(bound)):
        return None
    (low, below), (high, up_to) = max(pairwise(within), key=lambda ends: ends[1][1] - ends[0][1])
    return low, high, up_to - below


def _say(hidden: tuple[float, float, float], primary: Text) -> Sentence:
    low, high, held = hidden
    if math.isinf(high):
        return said("analysis.hidden_above", share=Share(held), other=primary, low=low)
    if low <= 0:
        return said("analysis.hidden_below", share=Share(held), other=primary, high=high)
    return said("analysis.hidden_between", share=Share(held), other=primary, low=low, high=high, times=high / low)
