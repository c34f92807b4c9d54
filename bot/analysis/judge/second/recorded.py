"""Recorded intervals, judged offline by the second edition: what would have moved traffic, and when.

The same files as ``judge.replay``'s. They show traffic as it was: after a step back that nobody took, the rows that
follow are judged as if they were of copies. So what is said of the time after the first move is about that traffic, and
no promise of how it would have gone on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.analysis.judge.judge import Interval
from bot.analysis.judge.replay import Answer, note_stage, read
from bot.analysis.judge.second.constants import STRETCH
from bot.analysis.judge.second.sequential import Outcome
from bot.analysis.judge.second.single import Ruling, Trace, start, step
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.state import CEILING
from bot.analysis.judge.wording import ROLES, Account, allowed, figures
from bot.model.judge_settings import SECOND
from bot.words.rendering import plain
from bot.words.sentence import Seconds, Share, Text, said, together

MIRROR = "mirror"
MOVES = {Outcome.STEP_BACK: "home", Outcome.GO_BACK: "back", Outcome.ABORT: "abort", Outcome.ASK: "ask"}


def replay_second(lines: Iterable[str], settings: JudgeSettings = SECOND) -> Iterator[Answer]:
    """Each interval's answer, and last the summary.

    Raises:
        Refusal: a line is not what it should be, with its number.
    """
    stages: list[Answer] = []
    moves: list[Answer] = []
    opening, intervals = read(lines, settings)
    settings, trace = opening.settings, start(opening.settings, opening.history)
    for interval in intervals:
        before = trace
        users = interval.stage != MIRROR and not trace.state.probation
        trace, ruling = step(before, interval, settings, users=users)
        if trace is not before:  # an interval that was seen before is answered again, and counts once
            note_stage(interval, stages)
            _note(interval, ruling, stages, moves)
        yield _answer(interval, trace, ruling, settings)
    aborted = {"aborted_at": trace.watermark if trace.aborted_by else None, "aborted_by": trace.aborted_by or None}
    yield {"summary": {**aborted, "stages": stages, "moves": moves}}


def _note(interval: Interval, ruling: Ruling, stages: list[Answer], moves: list[Answer]) -> None:
    if ruling.outcome is Outcome.PASS and stages[-1]["passed_at"] is None:
        stages[-1]["passed_at"] = interval.t
    what = MOVES.get(ruling.outcome)
    asked_again = what == "ask" and bool(moves) and moves[-1]["what"] == "ask"
    if what and not asked_again:
        moves.append({"t": interval.t, "what": what, "by": ruling.by})


def _answer(interval: Interval, trace: Trace, ruling: Ruling, settings: JudgeSettings) -> Answer:
    return {
        "t": interval.t,
        "verdict": ruling.outcome.name.lower(),
        "moves_traffic": ruling.outcome in {Outcome.STEP_BACK, Outcome.GO_BACK, Outcome.ABORT},
        "on_copies": ruling.probation,
        "log_e": ruling.log_e,
        "evidence": dict(ruling.evidence),
        "shield": dict(ruling.shield),
        "shown": sorted(ruling.shown),
        "slower": ruling.slower,
        "text": plain(text(trace, ruling, settings)),
    }


def text(trace: Trace, ruling: Ruling, settings: JudgeSettings) -> Text:
    """What is said of a ruling."""
    words = _words(trace, ruling, settings)
    if ruling.slower:
        slower = said("analysis.slower", name=ROLES.subject, times=STRETCH, other=ROLES.reference)
        words = (*words, slower)
    return together(words)


def _words(trace: Trace, ruling: Ruling, settings: JudgeSettings) -> tuple[Text, ...]:
    if ruling.silent >= settings.no_data_after:
        return said("analysis.no_fresh", time=Seconds(ruling.silent)), said("analysis.waits")
    account = _account(trace, ruling)
    shown = figures(account, ROLES)
    words: tuple[Text, ...]
    match ruling.outcome:
        case Outcome.ABORT if ruling.by == CEILING:
            most = said("analysis.never_above", most=Share(settings.ceiling))
            words = said("analysis.too_many", name=ROLES.subject, figures=shown), most
        case Outcome.ABORT:
            limit = said("analysis.allowed", allowed=allowed(account.metric, settings, ROLES))
            words = said("analysis.worse", name=ROLES.subject, figures=shown), limit
        case Outcome.STEP_BACK:
            words = said("analysis.would_go_home", figures=shown), said("analysis.keeps_copies", name=ROLES.subject)
        case Outcome.GO_BACK:
            words = (said("analysis.would_go_back", figures=shown),)
        case Outcome.ASK:
            words = (said("analysis.would_ask", figures=shown),)
        case Outcome.PASS:
            words = (said("analysis.good", name=ROLES.subject, figures=shown),)
        case _ if ruling.probation:
            words = (said("analysis.on_copies", figures=shown),)
        case _:
            words = (said("analysis.too_early", figures=shown),)
    return words


def _account(trace: Trace, ruling: Ruling) -> Account:
    """The metric that decided, or else the one that speaks most against the canary; errors where none does."""
    names = [metric.name for metric in trace.metrics]
    against = [ruling.shield[name] for name in names]
    place = names.index(ruling.by) if ruling.by in names else 0
    if not ruling.by and max(against) > 0:
        place = against.index(max(against))
    return Account(trace.metrics[place], ruling.totals[place].tolist())
