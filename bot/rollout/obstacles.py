"""What keeps the cluster from becoming as a stage wants it: it cannot be seen, or it cannot be written. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model.errors import Cause
from bot.model.observation import Observation, Unobserved
from bot.model.rollout import Phase, Rollout, StageKind
from bot.rollout.compare import Gap, Part
from bot.rollout.phrases import called
from bot.words.sentence import Sentence, Text, TypedIn, said, together

# Seconds after a stage was entered in which its routes should have been written; a few reconciles fail without any
# fuss.
WRITE_SECONDS = 30.0

# What an API server has understood and turned down will be turned down again, until a person does something.
_TURNED_DOWN = frozenset({Cause.FORBIDDEN, Cause.REFUSED, Cause.MISSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """Why what is to be written is not, as a sentence; ``hopeless``: only a person can help."""

    sentence: Text
    hopeless: bool


def unwritten(rollout: Rollout, observed: Observation, gaps: Sequence[Gap], now: float) -> Unwritten | None:
    """What keeps the stage from being written; None while there is nothing to write, or that is normal."""
    parts = {gap.part for gap in gaps if not gap.blocked} & _written(rollout, observed)
    hopeless = observed.denied is not None and observed.denied.cause in _TURNED_DOWN
    patient = not hopeless and now <= max(rollout.since, rollout.restoring_at or 0.0) + WRITE_SECONDS
    sentence = "" if not parts or patient else _why(rollout, observed, parts)
    return Unwritten(sentence=sentence, hopeless=hopeless) if sentence else None


def _written(rollout: Rollout, observed: Observation) -> set[Part]:
    """What a stage writes.

    While the primary grows users may stay where they are, and that has a time-out of its own; unless nobody answers
    them there.
    """
    if rollout.current.kind is not StageKind.SCALE_UP:
        return {Part.ROUTES, Part.ANNOTATIONS, Part.TEMPLATE}
    return {Part.ROUTES} if observed.primary.reachable == 0 else set()


def _why(rollout: Rollout, observed: Observation, parts: set[Part]) -> Text:
    if observed.denied is not None:
        return said("rollout.write_turned_down", why=observed.denied.sentence)
    if parts & {Part.ROUTES, Part.ANNOTATIONS}:
        name, stage = rollout.spec.target.routes_names, called(rollout.current)
        return said("rollout.write_fails", name=name, stage=stage)
    return ""


def unobserved(rollout: Rollout, observed: Observation) -> Text:
    """What is not known of the cluster, and why, as a sentence; "" when everything was seen."""
    target = rollout.spec.target
    if observed.gone:
        ends = "" if rollout.phase is Phase.ABORTING else _abandon(rollout)
        return together([said("rollout.route_gone", name=target.routes_names), ends])
    if observed.routes_unobserved is not None and observed.routes_unobserved.cause is Cause.UNREACHABLE:
        return together([said("rollout.api_silent"), observed.routes_unobserved.sentence])
    if observed.routes_unobserved is not None:
        name = said("rollout.virtual_service", name=target.routes_names)
        return _unreadable(name, observed.routes_unobserved)
    if observed.pods_unobserved is not None:
        names = said("rollout.either", one=target.primary_deployment, other=target.canary_deployment)
        return _unreadable(names, observed.pods_unobserved)
    return ""


def _abandon(rollout: Rollout) -> Sentence:
    return said("rollout.abandon_ends", command=TypedIn(f"abandon {rollout.spec.service}"))


def _unreadable(what: Sentence, unseen: Unobserved) -> Text:
    """What it is, which kind of failure, and what the API server says about it."""
    match unseen.cause:
        case Cause.FORBIDDEN:
            why = said("rollout.may_not_read", what=what)
        case Cause.MISSING:
            why = said("rollout.partly_missing", what=what)
        case Cause.TIMED_OUT:
            why = said("rollout.read_timed_out", what=what)
        case _:
            why = said("rollout.unreadable", what=what)
    return together([why, unseen.sentence])
