"""What keeps the cluster from becoming as a stage wants it: it cannot be seen, or it cannot be written. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model.errors import Cause
from bot.model.observation import Observation, Unobserved
from bot.model.rollout import Phase, Rollout, StageKind
from bot.rollout.compare import Gap, Part

# Seconds after a stage was entered in which its routes should have been written; a few reconciles fail without any
# fuss.
WRITE_SECONDS = 30.0

# What an API server has understood and turned down will be turned down again, until a person does something.
_TURNED_DOWN = frozenset({Cause.FORBIDDEN, Cause.REFUSED, Cause.MISSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """Why what is to be written is not, as a sentence; ``hopeless``: only a person can help."""

    sentence: str
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
    return {Part.ROUTES} if observed.primary.at_home == 0 else set()


def _why(rollout: Rollout, observed: Observation, parts: set[Part]) -> str:
    if observed.denied is not None:
        return f"{observed.denied.sentence} Every look tries again."
    if parts & {Part.ROUTES, Part.ANNOTATIONS}:
        name, stage = rollout.spec.target.virtual_service, rollout.current.name
        return f"{name} cannot be brought to what {stage} wants; every look tries again."
    return ""


def unobserved(rollout: Rollout, observed: Observation) -> str:
    """What is not known of the cluster, and why, as a sentence; "" when everything was seen."""
    target = rollout.spec.target
    if observed.gone:
        name = f"VirtualService {target.virtual_service}"
        ends = (
            "" if rollout.phase is Phase.ABORTING else f" `/canary abandon {rollout.spec.service}` ends this rollout."
        )
        return f"{name} no longer exists. Nothing is moved.{ends}"
    if observed.routes_unobserved is not None and observed.routes_unobserved.cause is Cause.UNREACHABLE:
        why = observed.routes_unobserved.sentence
        return f"The Kubernetes API cannot be read; routes stay as they are. {why}".rstrip()
    if observed.routes_unobserved is not None:
        return _unreadable(f"VirtualService {target.virtual_service}", observed.routes_unobserved)
    if observed.pods_unobserved is not None:
        return _unreadable(f"{target.primary_deployment} or {target.canary_deployment}", observed.pods_unobserved)
    return ""


def _unreadable(what: str, unseen: Unobserved) -> str:
    """What it is, which kind of failure, and what the API server says about it."""
    match unseen.cause:
        case Cause.FORBIDDEN:
            why = "cannot be read, because canary-bot is not allowed to"
        case Cause.MISSING:
            why = "cannot be read, because something of it does not exist"
        case Cause.TIMED_OUT:
            why = "cannot be read: the API server did not answer in time"
        case _:
            why = "cannot be read"
    return f"{what} {why}; routes stay as they are. {unseen.sentence}".rstrip()
