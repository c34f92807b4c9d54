"""The abort: everyone back to the healthy side, whoever asks for it. Pure.

Why the bot itself aborts is found by the rules of ``decide``; the way back is walked by ``retreat``.
"""

from __future__ import annotations

from bot.model.errors import Refusal
from bot.model.figures import Verdict
from bot.model.rollout import BOT, Phase, Rollout, Stopped, UserId
from bot.model.story import EntryKind
from bot.rollout import phrases
from bot.rollout.phrases import called
from bot.rollout.plans import make_retreat
from bot.rollout.transitions import Change, counts, enter, entry, refuse_ended
from bot.words.sentence import Text, said


def abort(rollout: Rollout, by: UserId, reason: Text, now: float, *, stage_known: bool = True) -> Change:
    """Everyone back to the healthy side, from any phase, by the shortest safe way.

    Unless the last figures were good the canary is taken for the trouble, and nobody waits for comfort at home.
    Without ``stage_known`` it is not said where in its plan the rollout was.

    Raises:
        Refusal: it has ended, or is aborting already.
    """
    refuse_ended(rollout)
    if rollout.phase is Phase.ABORTING:
        raise Refusal(said("rollout.aborting_already", service=rollout.spec.service))
    way_home = make_retreat(primary_touched=rollout.primary_touched, drain=drain(rollout))
    text = phrases.aborted(rollout, by, reason, now, stage_known=stage_known)
    urgent = by == BOT or rollout.judgement is None or rollout.judgement.verdict is not Verdict.PASS
    aborting = enter(
        rollout,
        Phase.ABORTING,
        0,
        now,
        retreat=way_home,
        reason=reason,
        paused_by=None,
        retries=0,
        urgent=urgent,
        stopped=_stopped(rollout, by, now, stage_known=stage_known),
    )
    return aborting, (entry(now, EntryKind.ABORTING, text, by),)


def drain(rollout: Rollout) -> float:
    """Seconds that a canary which goes back to no pods idles after its last users."""
    return rollout.spec.parked.drain if rollout.spec.parked else 0.0


def _stopped(rollout: Rollout, by: UserId, now: float, *, stage_known: bool) -> Stopped:
    judgement = rollout.judgement
    failed = judgement is not None and judgement.verdict is Verdict.FAIL and by == BOT
    figures = judgement.figures if judgement and rollout.analysis_state.stage == rollout.current.name else None
    return Stopped(
        at=now,
        stage=called(rollout.current) if stage_known else "",
        by=by,
        gate=next((one.gate for one in judgement.findings if one.acts), "") if judgement and failed else "",
        canary=counts(figures.canary if figures else None),
        primary=counts(figures.primary if figures else None),
    )
