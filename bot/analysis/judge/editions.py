"""Either edition of the judge behind one door: a rollout is judged to its end by the edition that it began with.

What is kept tells which that is. The second edition's shield is off: nobody is sent home by it, so an abort must be as
soon as it ever was (``alone``), and its verdict is read off like the first's (``verdict``).
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.analysis.judge import judge, saved, verdict
from bot.analysis.judge.judge import Interval
from bot.analysis.judge.second import compact, single
from bot.analysis.judge.second.single import Trace
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.state import JudgeState
from bot.analysis.judge.verdict import Assessment
from bot.model.figures import SideFigures
from bot.model.judge_settings import SECOND

State = JudgeState | Trace


def start(settings: JudgeSettings, history: Sequence[SideFigures] = ()) -> State:
    """Before the first interval, by the edition of the settings; ``history``: the primary's last hour in rows."""
    if settings.edition < SECOND.edition:
        return judge.start(settings, history)
    return single.start(settings, history, later=True)


def again(state: State, settings: JudgeSettings) -> State:
    """Before the first interval of another subject: the same metrics, nothing held against it."""
    return single.again(state, settings) if isinstance(state, Trace) else judge.again(state, settings)


def entered(state: State, stage: str, settings: JudgeSettings) -> State:
    """As it is for a stage of which no interval has come yet."""
    if isinstance(state, Trace):
        return single.entered(state, stage, settings)
    return judge.entered(state, stage, settings)


def step(state: State, interval: Interval, settings: JudgeSettings, deadline: float) -> tuple[State, Assessment]:
    """One more interval; ``deadline``: when the stage should have passed."""
    if not isinstance(state, Trace):
        return judge.step(state, interval, settings, deadline)
    if state.slower and state.stage != interval.stage:
        state = single.overruled(state, settings)
    state, _ = single.step(state, interval, settings, users=True, alone=True)
    return state, verdict.assess(entered(state, interval.stage, settings), settings, deadline)


def assess(state: State, settings: JudgeSettings, deadline: float) -> Assessment:
    """The answer without another interval."""
    return verdict.assess(state, settings, deadline)


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
