"""The last checks before a start: freezes, rivals, the live state, and every write offered as a dry run."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

from bot.controller import adoptable
from bot.controller.draft import Draft
from bot.controller.freezes import frozen_now
from bot.controller.ports import Ports, Rehearsal
from bot.controller.rivals import conflicts
from bot.controller.unheard import why_unheard
from bot.model.errors import Cause, Fault, Refusal
from bot.model.observation import Denied
from bot.model.rollout import HOME, Phase
from bot.preflight import ready_to_begin
from bot.preflight.as_written import UNWRITABLE
from bot.preflight.mesh import ANNOTATIONS
from bot.preflight.moved import MOVED
from bot.preflight.permissions import PERMISSION
from bot.words.sentence import Text, said, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Everything preflight has to say: reasons not to begin, and what a person should know. Both with what to do."""

    reasons: tuple[Text, ...]
    warnings: tuple[Text, ...]

    @property
    def findings(self) -> tuple[Text, ...]:
        """All of it, for whoever is refused: what only warns is worth mending on the same occasion."""
        return (*self.reasons, *(said("controller.warning", text=text) for text in self.warnings))


def last_checks(draft: Draft, ports: Ports) -> Checked:
    """Everything that speaks against a start.

    Raises:
        Fault: the cluster or the store could not be read: nothing may be started that may be frozen.
    """
    checked = checks(draft, ports)
    # Asked last: looking takes seconds, and whoever freezes meanwhile is told that nothing starts any more.
    return replace(
        checked, reasons=(*frozen_now(draft.rollout.spec.service, ports), *_rivals(draft, ports), *checked.reasons)
    )


def _rivals(draft: Draft, ports: Ports) -> list[Text]:
    return list(conflicts(draft.rollout, ports.store.live(), draft.others))


def rivals_if_known(draft: Draft, ports: Ports) -> list[Text]:
    """The same for whoever starts nothing: a store that is down is told of already."""
    try:
        return _rivals(draft, ports)
    except Fault:
        return []


def checks(draft: Draft, ports: Ports) -> Checked:
    """What was found, the live state, and every stage's object offered to the API server as a dry run."""
    rollout, examined = draft.rollout, draft.examined
    try:
        observed = ports.mesh.observe(rollout.spec.target)
    except Fault as fault:
        if fault.cause is not Cause.MISSING:
            raise
        return Checked(reasons=examined.reasons or (fault.sentence,), warnings=examined.warnings)
    primary, canary = ports.workloads.observe(
        rollout.spec.target, rollout.spec.recorded, rollout.spec.upgraded, draft.examined.canary
    )
    known = {problem.about for problem in examined.problems if problem.blocking}
    moved = examined.if_moved if observed.owner is None else None
    # Where a rollout holds the object its routes are that one's: nobody is told to change them by hand.
    routes = observed.routes if observed.owner is None else HOME
    if examined.parked:
        known.add(rollout.spec.target.canary_deployment)  # it gets its pods later
    reasons = ready_to_begin(rollout.spec.target, routes, observed.reason, primary, canary, known, moved)
    if observed.owner is not None:
        reasons.append(adoptable.held_by(draft.service, observed.owner, ports))
    unheard, unknown = why_unheard(rollout.spec.channel, ports)
    reasons = [*unheard, *examined.reasons, *reasons]
    # Anything else is refused above, and no dry run would tell anything new.
    plain = (
        observed.owner is None
        and observed.routes is not None
        and not observed.routes.mirror
        and not {ANNOTATIONS, MOVED, UNWRITABLE} & known
    )
    rehearsal = _rehearsed(draft, ports, known) if plain else Rehearsal()
    admission = [said("controller.admission_warns", text=text) for text in rehearsal.warnings]
    warnings = (*examined.warnings, *admission, *unknown)
    return Checked(reasons=(*reasons, *(denied.sentence for denied in rehearsal.refusals)), warnings=warnings)


def _rehearsed(draft: Draft, ports: Ports, known: Container[str]) -> Rehearsal:
    """Every object that a rollout may write, also to go back, and the upgrade; each mistake is told once."""
    rollout, mesh = draft.rollout, ports.mesh
    target = rollout.spec.target
    shapes = dict.fromkeys((*(stage.routes for stage in rollout.spec.plan), HOME))
    endings = dict.fromkeys((*(stage.routes for stage in rollout.spec.plan if stage.release), HOME))
    upgraded = any(stage.phase is Phase.UPGRADING for stage in rollout.spec.plan)
    try:
        objects = {
            one: [
                *(mesh.preview(one, routes, rollout.spec.id, rollout.spec.recorded) for routes in shapes),
                *(mesh.preview_release(one, routes) for routes in endings),
            ]
            for one in target.each
        }
    except Refusal as refusal:
        return Rehearsal(
            refusals=(Denied(cause=Cause.REFUSED, sentence=together((refusal.sentence, *refusal.reasons))),)
        )
    offered = [mesh.rehearse(one, some) for one, some in objects.items()]
    if upgraded:
        offered.append(ports.workloads.rehearse(target, rollout.spec.upgraded))
    return Rehearsal(
        refusals=tuple(
            denied
            for one in offered
            for denied in one.refusals
            if denied.cause is not Cause.FORBIDDEN or PERMISSION not in known
        ),
        warnings=tuple(text for one in offered for text in one.warnings),
    )
