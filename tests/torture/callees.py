"""Webhooks of a schedule: which the service calls, what they answer, and what must be so of a rollout that asks them.

They are called in the sweep itself, over HTTP: whatever their server does costs no more than a call's own time-out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.model.rollout import Phase, Rollout
from bot.model.webhooks import ASKED, HookMoment, HookState, OnFailure
from sandbox.webhooks import WRONG, YES, Receiver

TIMEOUT = "200ms"  # of real time, for those that hang
_LET_THROUGH = frozenset({HookState.PASSED, HookState.OVERRULED})
_WITH_USERS = frozenset({Phase.SHIFTING, Phase.UPGRADING, Phase.SWITCHING_BACK, Phase.BAKING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Callee:
    """One webhook, and what it answers in turn until everything heals; the last answer stays."""

    when: HookMoment
    then: OnFailure
    retries: int
    answers: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where it is called."""
        return f"/{self.when.value}"

    def entry(self, receiver: Receiver) -> dict[str, Any]:
        """As it stands in services.yaml."""
        then = {"on_failure": self.then.value} if self.when in ASKED else {}
        url, name = receiver.url(self.path), self.when.value.replace("_", "-")
        whose = {"name": name, "url": url, "when": self.when.value}
        return whose | {"timeout": TIMEOUT, "retries": self.retries} | then


def draw_callees(dice: random.Random) -> tuple[Callee, ...]:
    """A few of the moments, each with answers of its own."""
    moments = [moment for moment in HookMoment if dice.random() < 0.5]  # every other
    return tuple(_callee(dice, moment) for moment in moments)


def _callee(dice: random.Random, when: HookMoment) -> Callee:
    words = ["yes", "yes", *WRONG]
    return Callee(
        when=when,
        then=dice.choice(list(OnFailure)),
        retries=dice.randint(0, 2),
        answers=tuple(dice.choice(words) for _ in range(dice.randint(1, 4))),
    )


def answer(receiver: Receiver, callees: Sequence[Callee]) -> None:
    """From now on they answer what was drawn."""
    known: Mapping[str, Any] = {"yes": YES, **WRONG}
    receiver.answers = {callee.path: [known[word] for word in callee.answers] for callee in callees}


def skipped(rollout: Rollout) -> Iterator[str]:
    """Webhooks that were not waited for: the rollout is behind the place where they are asked."""
    if rollout.retreat or rollout.ended or rollout.phase is Phase.HALTED:
        return
    let_through = {run.hook for run in rollout.hook_runs if run.state in _LET_THROUGH}
    for hook in rollout.spec.webhooks:
        if _is_behind(rollout, hook.when) and hook.name not in let_through:
            yield f"{rollout.current.name} although webhook {hook.name} has not said yes"


def _is_behind(rollout: Rollout, when: HookMoment) -> bool:
    match when:
        case HookMoment.BEFORE_START:
            return rollout.settled_at is not None or bool(rollout.walked)
        case HookMoment.BEFORE_USERS:
            return rollout.phase in _WITH_USERS
        case HookMoment.BEFORE_UPGRADE:
            return rollout.phase in {Phase.UPGRADING, Phase.SWITCHING_BACK}
        case _:
            return False


def untold(rollout: Rollout, receiver: Receiver) -> Iterator[str]:
    """Webhooks that nobody called although the rollout has ended."""
    for hook in rollout.spec.webhooks:
        called = any(heard.key == f"{rollout.spec.id}/{hook.when.value}/{hook.name}" for heard in receiver.heard)
        due = hook.when is HookMoment.END or (hook.when is HookMoment.ABORT and rollout.stopped is not None)
        if due and not called:
            yield f"webhook {hook.name} was never called"
