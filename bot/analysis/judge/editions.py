"""Either edition of the judge behind one door: a rollout is judged to its end by the edition that it began with.

What is kept tells which that is. Where the second edition's shield is off nobody is taken home by it, so an abort must
be as soon as it ever was (``alone``); its verdict is read off like the first's (``verdict``). Where it is on, whoever
moves traffic says where users are (``Where``): that they were taken home follows at once from the answer that says so,
and that they are on the canary again when they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bot.analysis.judge import judge, saved, verdict
from bot.analysis.judge.judge import Interval, bad_of
from bot.analysis.judge.second import compact, single
from bot.analysis.judge.second.sequential import Outcome
from bot.analysis.judge.second.single import Trace
from bot.analysis.judge.settings import Floats, JudgeSettings
from bot.analysis.judge.state import CEILING, JudgeState
from bot.analysis.judge.verdict import Assessment, Home
from bot.model.figures import SideFigures
from bot.model.judge_settings import SECOND

State = JudgeState | Trace
AGREE = 2  # rows that must agree that users are better off at home


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where users are while a row is judged.

    Attributes:
        alone: nobody is ever taken home.
        users: some are on the canary.
        ready: the primary could take all of them.
        on_copies: they were taken home, and the canary is judged by copies.
        let: this stage began by what was found of the one before, or by what people said of it.
    """

    alone: bool = True
    users: bool = True
    ready: bool = True
    on_copies: bool = False
    let: bool = True


ANYWHERE = Where()


def start(settings: JudgeSettings, history: Sequence[SideFigures] = ()) -> State:
    """Before the first interval, by the edition of the settings; ``history``: the primary's last hour in rows."""
    if settings.edition < SECOND.edition:
        return judge.start(settings, history)
    return single.start(settings, history, later=True)


def again(state: State, settings: JudgeSettings) -> State:
    """Before the first interval of another subject: the same metrics, nothing held against it."""
    return single.again(state, settings) if isinstance(state, Trace) else judge.again(state, settings)


def entered(state: State, stage: str, settings: JudgeSettings, *, on_copies: bool = False) -> State:
    """As it is for a stage of which no interval has come yet; a probation is no stage of its own."""
    if isinstance(state, Trace):
        if state.state.probation and on_copies:
            return state
        return single.entered(_placed(state, settings, on_copies=on_copies), stage, settings)
    return judge.entered(state, stage, settings)


def step(
    state: State, interval: Interval, settings: JudgeSettings, deadline: float, where: Where = ANYWHERE
) -> tuple[State, Assessment]:
    """One more interval; ``deadline``: when the stage should have passed."""
    if not isinstance(state, Trace):
        return judge.step(state, interval, settings, deadline)
    if (
        state.slower
        and settings.slower_asks
        and where.let
        and _was_said(state, interval, settings, on_copies=where.on_copies)
    ):
        state = single.overruled(state, settings)
    state = _placed(state, settings, on_copies=where.on_copies)
    if state.state.probation:
        interval = replace(interval, stage=state.stage)
    after, ruling = single.step(state, interval, settings, users=where.users, alone=where.alone, waits=True)
    home = Home()
    if ruling.outcome is Outcome.STEP_BACK:
        lately = _lately(after, ruling.by, interval)
        # What was bad and is well again keeps nobody, and takes nobody home: where everyone is on the canary there is
        # nobody to compare it with, so the sums of before would stand for good.
        if lately.bad:
            home = _home(after, ruling.by, ruling.totals, goes=where.ready and lately.helps)
        if not home.by:
            after, _ = single.step(state, interval, settings, users=False, alone=where.alone, waits=True)
    here = entered(after, interval.stage, settings, on_copies=where.on_copies or bool(home.by))
    return after, replace(verdict.assess(here, settings, deadline), home=home)


def _was_said(trace: Trace, interval: Interval, settings: JudgeSettings, *, on_copies: bool) -> bool:
    """Whether this is the first row of a stage that was begun although it was said that the canary is slower.

    A stage with users is left in no other way. One on copies is also left because the canary is well again, which says
    nothing of its latency.
    """
    if trace.state.probation:
        return not on_copies and verdict.assess(trace, settings, -math.inf).suspect == verdict.SLOWER
    return trace.stage != interval.stage


def _placed(trace: Trace, settings: JudgeSettings, *, on_copies: bool) -> Trace:
    """Users are on the canary again, if they are: the stage's proof and clock begin anew."""
    return single.returned(trace, settings) if trace.state.probation and not on_copies else trace


def _home(trace: Trace, by: str, totals: Floats, *, goes: bool) -> Home:
    place = _place(trace, by)
    return Home(
        by=by if goes else "",
        kept="" if goes else by,
        counts=tuple(totals[place].tolist()),
        bound=trace.metrics[place].bound,
    )


def _place(trace: Trace, name: str) -> int:
    return 0 if name == CEILING else [metric.name for metric in trace.metrics].index(name)


class _Lately(NamedTuple):
    """Whether the canary has bad requests lately, and the larger share of them: only then are users better off at
    home.
    """

    bad: bool
    helps: bool

    @classmethod
    def of(cls, canary: tuple[float, float], primary: tuple[float, float]) -> _Lately:
        """By what each side was asked, and how much of that was bad."""
        (n_c, b_c), (n_p, b_p) = canary, primary
        return cls(bad=b_c > 0, helps=b_c * n_p > b_p * n_c if n_p > 0 else b_c > 0)


def _lately(trace: Trace, name: str, interval: Interval) -> _Lately:
    """Of errors the last rows tell; of slow requests this one, because that is all that is kept of them."""
    place = _place(trace, name)
    if place == 0:
        return _of_errors(trace)
    sides = (interval.canary or single.NOBODY, interval.primary or single.NOBODY)
    return _Lately.of(*(bad_of(trace.metrics[place], side) or (0.0, 0.0) for side in sides))


def _of_errors(trace: Trace) -> _Lately:
    rows = trace.recent[-AGREE:]
    return _Lately.of(
        (sum(row.n_c for row in rows), sum(row.b_c for row in rows)),
        (sum(row.n_p for row in rows), sum(row.b_p for row in rows)),
    )


def between(state: State, stage: str, settings: JudgeSettings, deadline: float, where: Where = ANYWHERE) -> Assessment:
    """The answer without another interval: as the last one left it, and what keeps users where they are still does."""
    answer = verdict.assess(entered(state, stage, settings, on_copies=where.on_copies), settings, deadline)
    if not isinstance(state, Trace) or where.alone or not where.users or state.stage != stage:
        return answer
    by = single.says_home(state)
    if by and _place(state, by) == 0 and not _of_errors(state).bad:
        return answer
    return replace(answer, home=_home(state, by, state.stage_totals, goes=False)) if by else answer


def moved(state: State, seconds: float) -> State:
    """The same on a clock that was set forward by so much."""
    return single.moved(state, seconds) if isinstance(state, Trace) else judge.moved(state, seconds)


def save(state: State) -> str:
    """The state as JSON."""
    return compact.save(state) if isinstance(state, Trace) else saved.save(state)


def load(text: str, settings: JudgeSettings) -> State:
    """What ``save`` wrote.

    Raises:
        ValueError: another version did; the evidence then starts again.
    """
    return compact.load(text, settings) if text.startswith(compact.MARK) else saved.load(text)
