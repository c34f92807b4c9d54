"""What the judge's evidence comes to: what it shows (a value), what follows from that, and how it is said. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from bot.analysis.amounts import of
from bot.analysis.histograms import slower
from bot.analysis.judge.editions import State
from bot.analysis.judge.state import Judged, Metric
from bot.analysis.judge.verdict import SLOWER, Assessment, Decision, Failing, Overdue
from bot.analysis.judge.wording import Account, Names, decisive, figures, other_fails, sentences
from bot.analysis.sides import Sides
from bot.model.figures import EVIDENCE, Figures, Finding, Incident, SideFigures, Verdict
from bot.model.judge_settings import FEWEST
from bot.model.rollout import Rollout
from bot.model.service import Unproven
from bot.model.versions import spoken_sides
from bot.words.sentence import Sentence, Share, Text, said, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the judge found, the stage's figures with the open row, and the side of which nothing is known now."""

    state: State
    assessment: Assessment
    stage: Figures
    absent: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What the evidence leads to; ``proven``, ``hold`` and what follows as a ``Judgement`` has them.

    Attributes:
        sentences: for people, the first of which stands alone.
        brief: the figures alone, for where the doubt is said already; "": the first of the sentences.
    """

    verdict: Verdict
    sentences: tuple[Text, ...] = ()
    brief: Text = ""
    proven: bool = False
    hold: bool = False
    ask: bool = False
    lacking: bool = False
    incident: Incident | None = None

    @property
    def finding(self) -> Finding:
        """The same as a gate's answer."""
        first, *more = self.sentences
        return Finding(
            gate=EVIDENCE,
            verdict=self.verdict,
            sentence=together(self.sentences),
            brief=self.brief or (first if more else ""),
        )


class Shows(Enum):
    """What the figures show of the side on trial, before any rule is asked what follows."""

    WORSE = auto()  # surely worse than is tolerated
    UNSAFE = auto()  # users are better off at home, whatever else is found of it
    NOWHERE_BETTER = auto()  # the same, but home is no better for them, or not ready
    GOOD = auto()  # surely as good as is asked
    NOT_TO_BLAME = auto()  # both sides fail, or the other one alone
    ABOVE_CEILING = auto()  # time is up with no proof, and more errors in this very stage than are ever allowed
    UNPROVEN = auto()  # time is up: nothing against it, and too little to prove it good
    SUSPECT = auto()  # time is up: it looks worse than is tolerated, not surely
    NOTHING_YET = auto()  # too early, or nothing is known
    ALONE_FINE = auto()  # everyone is on it, and it stays below the ceiling
    ALONE_PROVEN = auto()  # the same for long enough, after it was shown to be good beside the other side
    ALONE_DOUBTFUL = auto()  # everyone is on it: above the ceiling, or doubted from before


_FOLLOWS: Mapping[Shows, Conclusion] = {
    Shows.WORSE: Conclusion(verdict=Verdict.FAIL),
    Shows.UNSAFE: Conclusion(verdict=Verdict.INCONCLUSIVE),
    Shows.NOWHERE_BETTER: Conclusion(verdict=Verdict.INCONCLUSIVE, hold=True),
    Shows.GOOD: Conclusion(verdict=Verdict.PASS, proven=True),
    Shows.NOT_TO_BLAME: Conclusion(verdict=Verdict.INCONCLUSIVE, hold=True, incident=Incident.BOTH_FAIL),
    Shows.ABOVE_CEILING: Conclusion(verdict=Verdict.INCONCLUSIVE, hold=True),
    Shows.SUSPECT: Conclusion(verdict=Verdict.INCONCLUSIVE, ask=True),
    Shows.NOTHING_YET: Conclusion(verdict=Verdict.INCONCLUSIVE),
    Shows.ALONE_FINE: Conclusion(verdict=Verdict.PASS),
    Shows.ALONE_PROVEN: Conclusion(verdict=Verdict.PASS, proven=True),
    Shows.ALONE_DOUBTFUL: Conclusion(verdict=Verdict.INCONCLUSIVE, ask=True),
}


_DOUBTED = frozenset({Shows.SUSPECT, Shows.UNPROVEN})  # what people may be asked about in so many words


def conclude(rollout: Rollout, case: Case) -> Conclusion:
    """The evidence's word on the current stage."""
    shown = shows(rollout, case)
    # Nobody goes back to the canary because time is up.
    what_follows = follows(shown, Unproven.HOLD if rollout.current.on_copies else rollout.spec.gates.unproven)
    words, brief = _say(rollout, case, shown), _figures_alone(rollout, case) if shown in _DOUBTED else ""
    return unless_absent(case.absent, replace(what_follows, sentences=words, brief=brief))


def follows(shown: Shows, unproven: Unproven) -> Conclusion:
    """What becomes of it, by the service's rule for what is not proven; nothing is said yet."""
    if shown is not Shows.UNPROVEN:
        return _FOLLOWS[shown]
    if unproven is Unproven.HOLD:
        return Conclusion(verdict=Verdict.INCONCLUSIVE, ask=True, lacking=True)
    return Conclusion(verdict=Verdict.PASS)


def unless_absent(absent: Text, conclusion: Conclusion) -> Conclusion:
    """What was good a moment ago is no reason to go on blindly, nor a doubt to ask people about."""
    if not absent or not (conclusion.verdict is Verdict.PASS or conclusion.ask):
        return conclusion
    words = said("analysis.absent", name=absent), said("analysis.before", what=together(conclusion.sentences))
    return Conclusion(verdict=Verdict.INCONCLUSIVE, sentences=words, hold=conclusion.hold, incident=conclusion.incident)


# What is found


def shows(rollout: Rollout, case: Case) -> Shows:
    """What the figures show: beside the other side where both are measured, alone where everyone is on one."""
    if case.assessment.verdict is not Decision.ABORT and (case.assessment.home.by or case.assessment.home.kept):
        return Shows.UNSAFE if case.assessment.home.by else Shows.NOWHERE_BETTER
    return _beside_another(rollout, case) if rollout.current.routes.compared else _alone(rollout, case)


def _beside_another(rollout: Rollout, case: Case) -> Shows:
    assessment = case.assessment
    if assessment.verdict is Decision.ABORT:
        return Shows.WORSE
    if assessment.verdict is Decision.PASS:
        return Shows.GOOD
    # That users are better off where they return to is why they are rolled back.
    leaves_the_worse = bool(rollout.spec.back_to) and assessment.failing is Failing.PRIMARY
    if assessment.failing in {Failing.SHARED, Failing.PRIMARY} and not leaves_the_worse:
        return Shows.NOT_TO_BLAME
    match assessment.overdue:
        case Overdue.NOT_PROVEN:
            return Shows.ABOVE_CEILING if _is_above_ceiling(rollout, case) else Shows.UNPROVEN
        case Overdue.SUSPECT:
            return Shows.SUSPECT
        case None:
            return Shows.NOTHING_YET


def _is_above_ceiling(rollout: Rollout, case: Case) -> bool:
    """Nobody is sent to a side that was above the ceiling in this very stage, however the other side did."""
    subject = Sides.of(rollout, case.stage).subject
    return rollout.spec.gates.errors and subject is not None and _is_too_bad(rollout, subject)


def _is_too_bad(rollout: Rollout, side: SideFigures) -> bool:
    return side.errors >= FEWEST and (side.error_share or 0.0) > rollout.spec.gates.judge.ceiling


def _alone(rollout: Rollout, case: Case) -> Shows:
    """What was seen before still counts, and the absolute ceiling."""
    subject = Sides.of(rollout, case.stage).subject
    if case.assessment.verdict is Decision.ABORT:
        return Shows.WORSE
    if case.assessment.verdict is Decision.NO_DATA or subject is None or subject.requests <= 0:
        return Shows.NOTHING_YET
    if case.assessment.log_e > 0 or _is_too_bad(rollout, subject):
        return Shows.ALONE_DOUBTFUL
    judge = rollout.spec.gates.judge
    long = case.stage.end - case.stage.start >= judge.least_seconds and subject.requests >= judge.least_requests
    return Shows.ALONE_PROVEN if rollout.analysis_state.shown and long else Shows.ALONE_FINE


# How it is said


def _say(rollout: Rollout, case: Case, shown: Shows) -> tuple[Text, ...]:
    match shown:
        case Shows.UNSAFE | Shows.NOWHERE_BETTER:
            return _say_unsafe(rollout, case)
        case Shows.GOOD | Shows.NOTHING_YET if rollout.current.on_copies and case.assessment.verdict in _ON_COPIES:
            return _say_on_copies(rollout, case, shown)
        case Shows.ABOVE_CEILING:
            return _say_above_ceiling(rollout, case)
        case Shows.ALONE_FINE | Shows.ALONE_PROVEN | Shows.ALONE_DOUBTFUL:
            return _say_alone(rollout, case)
        case Shows.NOT_TO_BLAME if case.assessment.failing is Failing.PRIMARY:
            return other_fails(case.state, case.assessment, names(rollout))
        case _:
            return sentences(
                case.state, case.assessment, rollout.spec.gates.judge, names(rollout), _slower(rollout, case)
            )


def _say_unsafe(rollout: Rollout, case: Case) -> tuple[Text, ...]:
    home, called = case.assessment.home, names(rollout)
    account = Account(Metric(home.by or home.kept, 0.0, home.bound), home.counts)
    fails = home.bound is None
    found = figures(account, called)
    shown = said("analysis.unsafe" if fails else "analysis.unsafe_slow", name=called.subject, figures=found)
    return (shown,) if home.by else (shown, said("analysis.nowhere_better", other=called.reference))


_ON_COPIES = frozenset({Decision.PASS, Decision.WATCH})


def _say_on_copies(rollout: Rollout, case: Case, shown: Shows) -> tuple[Text, ...]:
    called, settings = names(rollout), rollout.spec.gates.judge
    account = figures(decisive(case.state, case.assessment, called), called)
    if shown is Shows.NOTHING_YET:
        return (said("analysis.on_copies", figures=account),)
    _, *sure = sentences(case.state, case.assessment, settings, called)
    return said("analysis.healthy_again", name=called.subject, figures=account), *sure


def _figures_alone(rollout: Rollout, case: Case) -> Text:
    called = names(rollout)
    account = figures(_slower(rollout, case) or decisive(case.state, case.assessment, called), called)
    return said("analysis.stands", name=called.subject, figures=account)


def _slower(rollout: Rollout, case: Case) -> Account | None:
    """What is said where only typical latency is doubted."""
    return slower_at(rollout, case) if case.assessment.suspect == SLOWER else None


def slower_at(rollout: Rollout, case: Case) -> Account | None:
    """The bound at which this stage's figures differ most, to the worse for who is on trial."""
    sides = Sides.of(rollout, case.stage)
    if sides.subject is None or sides.reference is None:
        return None
    here, there = sides.subject, sides.reference
    counted = [
        (bound, late / here.requests - (slower(there.buckets, bound) or 0.0) / there.requests)
        for bound in here.buckets
        if math.isfinite(bound) and bound in there.buckets and min(here.requests, there.requests) > 0
        if (late := slower(here.buckets, bound)) is not None
    ]
    if not counted:
        return None
    bound, _ = max(counted, key=lambda one: one[1])
    rows = ((side.requests, slower(side.buckets, bound) or 0.0) for side in (here, there))
    return Account(Metric(SLOWER, 0.0, bound), [count for row in rows for count in row])


def _say_above_ceiling(rollout: Rollout, case: Case) -> tuple[Text, ...]:
    sides, most = Sides.of(rollout, case.stage), Share(rollout.spec.gates.judge.ceiling)
    share = (sides.subject.error_share if sides.subject is not None else None) or 0.0
    against = sides.fair.error_share if sides.fair is not None else None
    shown = said("analysis.errors", here=_errors(sides.subject), other=sides.other, there=_errors(sides.reference))
    if against is None or against < share / 2:
        return said("analysis.too_many", name=sides.name, figures=shown), said("analysis.never_above", most=most)
    return said("analysis.both_fail", figures=shown), said("analysis.not_to_blame", name=sides.name)


def _say_alone(rollout: Rollout, case: Case) -> tuple[Text, ...]:
    sides, most = Sides.of(rollout, case.stage), Share(rollout.spec.gates.judge.ceiling)
    suspect = _suspected(case.state) if case.assessment.log_e > 0 else None
    if suspect is None or (sides.subject is not None and _is_too_bad(rollout, sides.subject)):
        return (said("analysis.alone", name=sides.name, here=_errors(sides.subject), most=most),)
    account = said("analysis.doubted_before", name=sides.name, figures=figures(suspect, names(rollout)))
    return account, said("analysis.not_sure")


def _suspected(state: Judged) -> Account | None:
    """What it was doubted for beside the other side, with the counts of the whole rollout; None: nothing."""
    against = state.worse.tolist()
    if max(against) <= 0:
        return None
    place = against.index(max(against))
    return Account(state.metrics[place], state.totals[place].tolist())


def _errors(side: SideFigures | None) -> Sentence:
    return of(side.errors, side.requests) if side is not None else said("analysis.no_requests")


def names(rollout: Rollout) -> Names:
    """What the two sides are called, by who is on trial."""
    canary, primary = spoken_sides(rollout)
    subject, reference = (primary, canary) if rollout.primary_judged else (canary, primary)
    return Names(subject, reference, errors=rollout.spec.gates.errors)
