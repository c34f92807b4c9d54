"""Webhooks: which are to be called now, with what, what their answers mean, and what waits for them. Pure.

What has been said is kept in the rollout, by hook and point. Nothing is marked as under way: whoever dies between a
call and its record calls again, with the same key. On the way back nothing waits for a webhook; those that are told of
an abort or an end are called beside everything else, and given up after their retries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bot.model.copies import replace
from bot.model.figures import SideFigures
from bot.model.rollout import MOST_HOOK_RUNS, Phase, Rollout, Stage
from bot.model.story import Entry, EntryKind
from bot.model.webhooks import HookMoment, HookRun, HookState, OnFailure, Webhook
from bot.words.rendering import plain
from bot.words.sentence import Sentence, Text, said

FIRST_PAUSE = 1.0  # seconds before a failed webhook is called again; twice as long each time more
LONGEST_PAUSE = 30.0
QUIET_SECONDS = 5.0  # that an answer may take before people are told that it is waited for
OWED_SECONDS = 3600.0  # after its end in which a rollout's webhooks are called at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A webhook at one point of a rollout."""

    hook: Webhook
    at: str

    def key(self, rollout: Rollout) -> str:
        """The same for every try: whoever is called twice with it was called once."""
        return f"{rollout.spec.id}/{self.at}/{self.hook.name}"

    def tries(self, rollout: Rollout) -> int:
        """Calls whose answers are known."""
        run = _run(rollout, self)
        return 0 if run is None else run.tries


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call has come to.

    Attributes:
        tries: how many answers were known before it: it is the answer of the next one.
        failure: why it was no yes; "" is a yes.
    """

    call: Call
    tries: int
    failure: Text


# What is to be called


def due(rollout: Rollout, now: float) -> tuple[Call, ...]:
    """What is to be called now, the ones to be called again only after a pause."""
    return tuple(call for call in unanswered(rollout, now) if _is_due(_run(rollout, call), now))


def tells(webhooks: Iterable[Webhook]) -> bool:
    """Whether any of these is told of an abort or an end."""
    return any(not hook.is_asked for hook in webhooks)


def owes(rollout: Rollout, now: float) -> bool:
    """Whether any call of an ended rollout is still to be made, now or after a pause."""
    return any(unanswered(rollout, now))


def unanswered(rollout: Rollout, now: float) -> Iterator[Call]:
    """The calls of the moments that it is now of which the last answer is not known."""
    for call in _of_now(rollout, now):
        run = _run(rollout, call)
        if run is None or run.state is HookState.CALLED:
            yield call


def _is_due(run: HookRun | None, now: float) -> bool:
    return run is None or now - run.tried_at >= _pause(run.tries)


def _pause(tries: int) -> float:
    return min(FIRST_PAUSE * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE)


def _of_now(rollout: Rollout, now: float) -> Iterator[Call]:
    for moment, at in _moments(rollout, now):
        yield from (Call(hook=hook, at=at) for hook in rollout.spec.webhooks if hook.when is moment)


def _moments(rollout: Rollout, now: float) -> Iterator[tuple[HookMoment, str]]:
    """The moments that it is now, each with its point in the rollout, as it is part of the call's key."""
    if rollout.ended and (rollout.phase is Phase.REFUSED or now - (rollout.ended_at or 0.0) > OWED_SECONDS):
        return
    if rollout.stopped is not None:
        yield HookMoment.ABORT, HookMoment.ABORT
    if rollout.ended:
        yield from ((moment, moment) for moment in _ends(rollout))
        return
    if not rollout.spec.webhooks or rollout.retreat or rollout.phase in {Phase.HALTED, Phase.PREFLIGHT}:
        return
    if _is_before_start(rollout):
        yield HookMoment.BEFORE_START, "start"
    if rollout.settled_at is not None and not rollout.current.release:
        yield HookMoment.STAGE, stage_key(rollout)
    if rollout.waits_for_git:
        yield HookMoment.PROMOTED, stage_key(rollout)
    gate = None if rollout.gate_at is None else _before_next(rollout)
    if gate is not None:
        yield gate, stage_key(rollout)


def _ends(rollout: Rollout) -> tuple[HookMoment, ...]:
    return (
        (HookMoment.PROMOTED, HookMoment.END)
        if rollout.phase is Phase.PROMOTED and not rollout.retreat and not rollout.spec.by_git
        else (HookMoment.END,)
    )


def _is_before_start(rollout: Rollout) -> bool:
    return rollout.stage == 0 and rollout.settled_at is None and not rollout.walked


def _before_next(rollout: Rollout) -> HookMoment | None:
    """What the next stage is asked for."""
    plan = rollout.spec.plan
    following = plan[rollout.stage + 1] if rollout.stage + 1 < len(plan) else None
    if following is None:
        return None
    if following.phase is Phase.UPGRADING:
        return HookMoment.BEFORE_UPGRADE
    first = following.phase is Phase.SHIFTING and not rollout.current.routes.canary
    return HookMoment.BEFORE_USERS if first else None


def stage_key(rollout: Rollout) -> str:
    """The stage as it is in a call's key; one that is entered anew is another point."""
    name = rollout.current.name
    before = sum(one.name == name for one in rollout.walked)
    return name.replace(" ", "-") + (f".{before + 1}" if before else "")


# What was answered


def answered(rollout: Rollout, answer: Answer, now: float) -> tuple[Rollout, tuple[Entry, ...]]:
    """The rollout with this answer. That a webhook was given up is told where nothing waits for it."""
    call, failure, before = answer.call, answer.failure, _run(rollout, answer.call)
    if before is not None and before.state is not HookState.CALLED:
        return rollout, ()  # another replica's call was answered first
    if failure and call.tries(rollout) > answer.tries:
        return rollout, ()  # it is stored already, and only the store's own answer was lost
    tries = 1 + call.tries(rollout)
    state = _state(call.hook, failure, tries)
    run = HookRun(hook=call.hook.name, place=call.at, state=state, tries=tries, tried_at=now, why=failure)
    changed = _with(rollout, run)
    if state is not HookState.FAILED or call.hook.is_asked:
        return changed, ()
    text = said("rollout.webhook_given_up", name=call.hook.name, n=tries, why=failure)
    return changed, (Entry(at=now, kind=EntryKind.HELD, text=text),)


def _state(hook: Webhook, failure: Text, tries: int) -> HookState:
    if not failure:
        return HookState.PASSED
    for_ever = hook.is_asked and hook.on_failure is OnFailure.WAIT
    return HookState.CALLED if for_ever or tries <= hook.retries else HookState.FAILED


def _run(rollout: Rollout, call: Call) -> HookRun | None:
    return next((run for run in rollout.hook_runs if (run.hook, run.place) == (call.hook.name, call.at)), None)


def _with(rollout: Rollout, run: HookRun) -> Rollout:
    others = [one for one in rollout.hook_runs if (one.hook, one.place) != (run.hook, run.place)]
    return replace(rollout, hook_runs=(*others, run)[-MOST_HOOK_RUNS:])


# What waits for them


def keeps_start(rollout: Rollout) -> bool:
    """Whether nothing may be written yet: a webhook has not let it begin."""
    begins = rollout.phase is Phase.MIRRORING and not rollout.retreat and _is_before_start(rollout)
    return begins and any(call.hook.when is HookMoment.BEFORE_START for call in _open(rollout))


def kept_by(rollout: Rollout) -> str:
    """The webhook because of which the stage may not be left, by its name; "" where there is none."""
    return next((call.hook.name for call in _open(rollout)), "")


def failed(rollout: Rollout, then: OnFailure) -> HookRun | None:
    """The first webhook of now that has failed for good, of those after whose failure ``then`` happens."""
    runs = ((call, _run(rollout, call)) for call in _open(rollout) if call.hook.on_failure is then)
    return next((run for _, run in runs if run is not None and run.state is HookState.FAILED), None)


def _open(rollout: Rollout) -> Iterator[Call]:
    """Those of now whose answer is waited for, and is not a yes."""
    for call in _of_now(rollout, rollout.since):
        run = _run(rollout, call)
        if call.hook.is_asked and (run is None or run.state in {HookState.CALLED, HookState.FAILED}):
            yield call


def overruled(rollout: Rollout, run: HookRun) -> Rollout:
    """People go on without this one's yes."""
    return _with(rollout, replace(run, state=HookState.OVERRULED))


def waiting(rollout: Rollout, now: float) -> Text:
    """What is waited for, as people are told; "" where it may come any moment."""
    since = rollout.since if rollout.gate_at is None else rollout.gate_at
    call = next(_open(rollout), None)
    if call is None or now - since <= QUIET_SECONDS:
        return ""
    run = _run(rollout, call)
    if run is None:
        return said("rollout.waits_for_webhook", name=call.hook.name)
    return said("rollout.waits_for_webhook_since", name=call.hook.name, why=run.why)


def refusal(run: HookRun) -> Sentence:
    """That it did not say yes, and how often it was asked."""
    return said("rollout.webhook_failed", name=run.hook, n=run.tries, why=run.why)


# What they are told


def body(rollout: Rollout, call: Call, now: float) -> dict[str, Any]:
    """What is sent, as JSON: where the rollout is, what it moves, and what was measured in the stage so far."""
    spec, target, stage = rollout.spec, rollout.spec.target, rollout.current
    return {
        "webhook": call.hook.name,
        "when": call.hook.when.value,
        "rollout": spec.id,
        "service": spec.service,
        "namespace": target.namespace,
        "version": spec.arrives,
        "rollback": bool(spec.back_to),
        "drill": spec.drill,
        "phase": rollout.phase.value,
        "stage": stage.name,
        "at": now,
        "primary": _side(target.primary_deployment, spec.recorded.images, stage.routes.primary, _counted(rollout)[0]),
        "canary": _side(target.canary_deployment, spec.canary_images, stage.routes.canary, _counted(rollout)[1]),
        "mirror": stage.routes.mirror,
        "promotes": dict(spec.upgraded.images),
        "next": _next(rollout),
        "reason": plain(rollout.reason),
    }


def _side(deployment: str, images: Any, weight: int, counted: SideFigures | None) -> dict[str, Any]:
    figures = None if counted is None else {"requests": counted.requests, "errors": counted.errors}
    return {"deployment": deployment, "images": dict(images), "weight": weight, "figures": figures}


def _counted(rollout: Rollout) -> tuple[SideFigures | None, SideFigures | None]:
    judgement = rollout.judgement
    if judgement is None or judgement.figures is None or rollout.analysis_state.stage != rollout.current.name:
        return None, None
    return judgement.figures.primary, judgement.figures.canary


def _next(rollout: Rollout) -> dict[str, Any] | None:
    walk: tuple[Stage, ...] = rollout.retreat or rollout.spec.plan
    if rollout.ended or rollout.stage + 1 >= len(walk):
        return None
    following = walk[rollout.stage + 1]
    return {"stage": following.name, "weight": following.routes.canary}
