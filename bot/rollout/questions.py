"""What people are asked before a stage may be left, and when that is withdrawn. Pure.

Good figures are a plain question. A doubt is another one, and says what is doubted; it is asked only once the doubt has
lasted. A stage has one clock for approvals: it runs while a question stands, whichever it is. People are called once in
a stage for the good figures and for each kind of doubt: where the figures come and go the question is withdrawn and
stands again, and nobody is called twice for the same thing, or not for a while.
"""

from __future__ import annotations

from bot.model.copies import replace
from bot.model.figures import EVIDENCE, Finding, Judgement, Verdict
from bot.model.observation import Observation
from bot.model.rollout import JUDGED, Doubt, Phase, Question, QuestionKind, Renewed, Rollout
from bot.model.service import OnTimeout
from bot.model.story import EntryKind
from bot.rollout.exposure import cost
from bot.rollout.phrases import gist, is_unproven, next_would_be, question, taken_up, unproven
from bot.rollout.step_back import why_asked
from bot.rollout.transitions import Change, entry, withdraw
from bot.words.sentence import Seconds, Text, said, together

FLAPS = 3  # times that a question is told to be withdrawn in a stage; the card shows it always
LASTING = 15.0  # seconds that a doubt must last before people are asked about it
SCRAPES = 2  # that it must last as well
CALL_AGAIN = 600.0  # seconds after which the same question calls people again when it stands again
REMINDED = 2 / 3  # of their time, after which people are reminded

_PLAIN = Question()


# What would be asked


def pose(rollout: Rollout, judgement: Judgement) -> Question:
    """What people would be asked of these figures."""
    if judgement.verdict is Verdict.PASS:
        if not is_unproven(rollout, judgement):
            return _PLAIN
        return Question(kind=QuestionKind.TOO_LITTLE, gate=EVIDENCE, why=unproven(rollout, judgement))
    finding = _decisive(judgement)
    gate, why = (finding.gate, finding.brief or finding.sentence) if finding else ("", "")
    if judgement.lacking:
        return Question(kind=QuestionKind.TOO_LITTLE, gate=gate, why=why)
    if judgement.ask:
        return Question(kind=QuestionKind.DOUBT, gate=gate, why=why)
    return Question(kind=QuestionKind.UNKNOWN, why=why)


def _decisive(judgement: Judgement) -> Finding | None:
    return next((one for one in judgement.findings if one.acts and one.verdict is judgement.verdict), None)


def notice(rollout: Rollout, judgement: Judgement, now: float) -> Rollout:
    """Remember since when there has been a doubt without a break; another doubt begins anew."""
    none = judgement.verdict is Verdict.PASS or rollout.settled_at is None
    none = none or (rollout.phase in JUDGED and not judgement.ask)  # nobody is asked about that
    about = "" if none else pose(rollout, judgement).about
    if about == (rollout.doubt.about if rollout.doubt else ""):
        return rollout
    return replace(rollout, doubt=Doubt(about=about, since=min(now, judgement.at)) if about else None)


def has_lasted(rollout: Rollout, judgement: Judgement, now: float) -> bool:
    """Whether a doubt has been there for long enough, by the time of its figures; also where there is none."""
    if rollout.doubt is None:
        return True
    least = max(LASTING, SCRAPES * rollout.spec.metrics.scrape_interval)
    return min(now, judgement.at) - rollout.doubt.since >= least


# The question that stands


def ask(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """What these figures ask stands from now on."""
    return stand(rollout, pose(rollout, judgement), now)


def stand(rollout: Rollout, posed: Question, now: float) -> Change:
    """The question stands from now on; people are called to it unless they were a while ago."""
    before = posed.about in rollout.asked
    asked = replace(
        rollout,
        asked_at=now,
        question=posed,
        asked=rollout.asked if before else (*rollout.asked, posed.about),
        evidence=rollout.evidence + 1,
        asked_on="",
    )
    if before and rollout.called_at is not None and now - rollout.called_at < CALL_AGAIN:
        text = said("rollout.asked_again", question=question(asked))
        return asked, (entry(now, EntryKind.RESUMED, text),) if rollout.withdrawn <= FLAPS else ()
    needed = said("rollout.approvals_needed", n=rollout.approvals_rule.count)
    notes = (
        posed.why,
        why_asked(asked),
        cost(asked),
        next_would_be(asked),
        needed,
        _taken_up(rollout),
        _accepts(rollout),
    )
    text = said("rollout.asked", question=question(asked), notes=tuple(note for note in notes if note))
    return replace(asked, called_at=now), (entry(now, EntryKind.ASK, text),)


def is_about_webhook(rollout: Rollout, hook: str = "") -> bool:
    """Whether what stands is about a webhook that did not say yes; about this one, where it is named."""
    standing = rollout.question or _PLAIN
    asked = rollout.asked_at is not None and standing.kind is QuestionKind.WEBHOOK
    return asked and hook in {"", standing.gate}


def reconsider(rollout: Rollout, judgement: Judgement, now: float) -> Change:
    """An approval that rested on better figures is withdrawn. What people were told of does not withdraw it again."""
    if rollout.asked_at is None or judgement.verdict is Verdict.PASS or _is_known_doubt(rollout, judgement):
        return rollout, ()
    if is_about_webhook(rollout) and rollout.settled_at is None:
        return rollout, ()  # it has not begun, and rests on no figures
    text = said("rollout.withdrawn", why=judgement.sentence)
    return withdraw(rollout, now), (entry(now, EntryKind.HELD, text),) if rollout.withdrawn < FLAPS else ()


def _is_known_doubt(rollout: Rollout, judgement: Judgement) -> bool:
    """What people are asked about in spite of a doubt is still what they were asked about while doubts last."""
    askable = judgement.ask or rollout.phase not in JUDGED
    return askable and rollout.is_asked_in_doubt and pose(rollout, judgement).about in rollout.asked


def follow(rollout: Rollout, judgement: Judgement, now: float, *, needed: bool) -> Change:
    """The question that stands is about what the figures say now that they are good, or none is ``needed`` any more.

    That a doubt is over is said once. Who let it go on in spite of the doubt lets it go on without it as well, so no
    approval is asked for twice.
    """
    if rollout.asked_at is None or judgement.verdict is not Verdict.PASS:
        return rollout, ()
    if not needed:
        text = said("rollout.withdrawn_good")
        return withdraw(rollout, now), (entry(now, EntryKind.RESUMED, text),) if rollout.is_asked_in_doubt else ()
    posed, standing = pose(rollout, judgement), rollout.question or _PLAIN
    if posed.about == standing.about:
        return rollout, ()
    news = posed.about not in rollout.asked and standing.kind is not QuestionKind.PLAIN
    asked = rollout.asked if posed.about in rollout.asked else (*rollout.asked, posed.about)
    # Who presses a button of the card before has seen another verdict.
    better = replace(rollout, question=posed, asked=asked, evidence=rollout.evidence + 1)
    text = said("rollout.asked_for_sure", question=question(better))
    return better, (entry(now, EntryKind.RESUMED, text),) if news else ()


def shown(rollout: Rollout) -> Text:
    """What people are asked, with the figures that stand beside it."""
    asked, judgement = rollout.question or _PLAIN, rollout.judgement
    return together((question(rollout), asked.why or (gist(judgement) if judgement is not None else "")))


def bind(rollout: Rollout, observed: Observation, now: float) -> Change:
    """The question that stands is about the VirtualService as it was when it was asked.

    Once somebody has changed more of it than the shares and the mirror, which are ours, it is asked anew: approvals
    that were given are of another one.
    """
    if rollout.asked_at is None or not observed.fingerprint or observed.fingerprint == rollout.asked_on:
        return rollout, ()
    if not rollout.asked_on:
        return replace(rollout, asked_on=observed.fingerprint), ()
    evidence, name = rollout.evidence + 1, observed.written_on or rollout.spec.target.virtual_service
    why = (
        said("rollout.changed_by", who=observed.writer, name=name)
        if observed.writer
        else said("rollout.changed_by_somebody", name=name)
    )
    renewed = replace(
        rollout,
        asked_on=observed.fingerprint,
        approvals=(),
        evidence=evidence,
        renewed=Renewed(evidence=evidence, why=why),
    )
    text = said("rollout.asked_anew", why=why, question=question(renewed))
    return renewed, (entry(now, EntryKind.RESUMED, text),)


def remind(rollout: Rollout, now: float) -> Change:
    """People are called once more when two thirds of their time have passed, unless they were called a moment ago."""
    timeout, stood = rollout.approvals_rule.timeout, _stood(rollout, now)
    recently = rollout.called_at is not None and now - rollout.called_at < CALL_AGAIN
    if rollout.reminded or recently or not timeout * REMINDED <= stood <= timeout:
        return rollout, ()
    left, then = Seconds(timeout - stood), rollout.approvals_rule.on_timeout
    text = said(
        "rollout.reminder_abort" if then is OnTimeout.ABORT else "rollout.reminder",
        question=question(rollout),
        left=left,
    )
    return replace(rollout, reminded=True, called_at=now), (entry(now, EntryKind.ASK, text),)


def _stood(rollout: Rollout, now: float) -> float:
    """Seconds that questions of this stage have stood."""
    return rollout.asked_for + (0.0 if rollout.asked_at is None else now - rollout.asked_at)


def is_overdue(rollout: Rollout, now: float) -> bool:
    """Whether questions of this stage have stood for longer than people may take."""
    return _stood(rollout, now) > rollout.approvals_rule.timeout


def _is_in_mirror(rollout: Rollout) -> bool:
    """Whether the first users are still to come."""
    return rollout.phase is Phase.MIRRORING and not rollout.current.on_copies


def _taken_up(rollout: Rollout) -> Text:
    """That the first users come back at once to where an aborted rollout had got; else ""."""
    again = taken_up(rollout)
    return again if again is not None and _is_in_mirror(rollout) else ""


def _accepts(rollout: Rollout) -> Text:
    """What preflight had doubts about, where leaving this stage sends the first users to it; else ""."""
    if not rollout.warnings or not _is_in_mirror(rollout):
        return ""
    return said("rollout.known_warnings", warnings=rollout.warnings)
