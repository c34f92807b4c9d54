"""Before a rollout begins: its draft, the last checks against the live cluster, and the plan a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.controller.ports import Ports
from bot.rollout.errors import Refusal
from bot.rollout.model import Phase, Rollout, RolloutId, Stage, UserId
from bot.rollout.plans import Overrides, make_plan
from bot.rollout.preflight import Scene, examine, ready_to_begin
from bot.rollout.service import Service

NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asked for."""

    service: Service
    version: str
    by: UserId
    channel: str = ""
    overrides: Overrides = NO_OVERRIDES


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A rollout that could begin: what was found, and the value that would be stored."""

    scene: Scene
    rollout: Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        objects: what would be written, as raw objects, in order.
    """

    name: str
    sentence: str
    objects: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a start would do, without doing it."""

    planned: Sequence[PlannedStage]
    findings: Sequence[str]

    @property
    def stages(self) -> Sequence[tuple[str, str]]:
        """Name and sentence of each stage."""
        return [(stage.name, stage.sentence) for stage in self.planned]


def make_draft(order: Order, rollout_id: RolloutId, ports: Ports, now: float) -> Draft:
    """Look at the cluster and draw up the rollout.

    Raises:
        Refusal: the objects are missing or ambiguous, with every reason.
    """
    service = order.service
    scene = examine(service, order.version, ports.surveyor.survey(service, order.version))
    rollout = Rollout(
        id=rollout_id,
        service=service.name,
        version=order.version,
        channel=order.channel or service.channel,
        started_by=order.by,
        started_at=now,
        target=scene.target,
        plan=make_plan(service, scene.target.topology, order.overrides),
        recorded=scene.recorded,
        upgraded=scene.upgraded,
        canary_images=scene.canary.images,
        gates=service.gates,
        approvals_rule=service.approvals,
        metrics=service.metrics,
        upgrade_timeout=service.upgrade_timeout,
        hold_patience=service.hold_patience,
        scale_canary_down=service.scale_canary_down,
    )
    return Draft(scene=scene, rollout=rollout)


def last_checks(draft: Draft, ports: Ports) -> tuple[str, ...]:
    """The live state, and every stage's object offered to the API server as a dry run: reasons not to begin."""
    rollout = draft.rollout
    sight = ports.mesh.look(rollout.target)
    primary, canary = ports.workloads.look(rollout.target, rollout.recorded, rollout.upgraded, draft.scene.canary)
    reasons = ready_to_begin(rollout.target, sight.routes, sight.reason, primary, canary)
    if sight.owner is not None:
        marks = f"{rollout.target.virtual_service} still carries the marks of rollout {sight.owner}"
        reasons.append(f"{marks}; `canary-bot abort {rollout.service}` cleans up.")
    if not reasons:
        reasons += _rehearsed(rollout, ports)
    return tuple(reasons)


def _rehearsed(rollout: Rollout, ports: Ports) -> Sequence[str]:
    shapes = dict.fromkeys(stage.routes for stage in rollout.plan)
    try:
        objects = [ports.mesh.preview(rollout.target, routes, rollout.id, rollout.recorded) for routes in shapes]
    except Refusal as refusal:
        return [str(refusal)]
    return ports.mesh.rehearse(rollout.target, objects)


def make_plan_of(draft: Draft, ports: Ports) -> Plan:
    """Every stage with the objects it would write.

    Raises:
        Refusal: the VirtualService is ambiguous.
    """
    rollout = draft.rollout
    planned = [
        PlannedStage(name=stage.name, sentence=_sentence(rollout, stage), objects=_objects(rollout, stage, ports))
        for stage in rollout.plan
    ]
    topology = f"Topology: {rollout.target.topology}."
    return Plan(planned=planned, findings=(topology, *draft.scene.warnings, *last_checks(draft, ports)))


def _objects(rollout: Rollout, stage: Stage, ports: Ports) -> Sequence[dict[str, Any]]:
    if stage.phase is Phase.UPGRADING:
        return [ports.workloads.preview(rollout.target, rollout.upgraded)]
    if stage.release:
        return [ports.mesh.preview_release(rollout.target, stage.routes)]
    return [ports.mesh.preview(rollout.target, stage.routes, rollout.id, rollout.recorded)]


def _sentence(rollout: Rollout, stage: Stage) -> str:
    target = rollout.target
    routes = f"{stage.routes.primary} % {target.primary_subset}, {stage.routes.canary} % {target.canary_subset}"
    if stage.phase is Phase.UPGRADING:
        images = ", ".join(rollout.upgraded.images.values())
        text = f"{target.primary_deployment} gets {images}; its rollout is awaited while users stay on the canary."
    elif stage.release:
        text = f"Final routes: {routes}; the bot's marks go."
    elif stage.routes.mirror:
        copies = f"{target.mirror_percent:g} % of the requests are mirrored"
        text = f"Users {routes}; {copies} for at least {stage.seconds:g} s."
    else:
        text = f"Users {routes} for at least {stage.seconds:g} s."
    return f"{text} Then people approve." if stage.approval else text
