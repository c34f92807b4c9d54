"""Rolling a promotion back: what speaks against it, and the rollout that it is.

It is a guarded rollout of its own, with the two recorded templates of the promoted one exchanged: users wait on the
canary, which runs what they have already, while the primary gets its old image back, and return in judged steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bot.analysis import analysis
from bot.controller.freezes import frozen_now
from bot.controller.ports import Ports
from bot.controller.rivals import conflicts, promoted_since
from bot.model.errors import Cause, Refusal
from bot.model.observation import DeploymentStatus, RouteStatus
from bot.model.rollout import HOME, Phase, PodTemplate, Rollout, RolloutId, RolloutSpec, Template, Topology, UserId
from bot.model.service import ServiceConfig
from bot.model.versions import old_version
from bot.rollout.phrases import status_text
from bot.rollout.plans import make_rollback
from bot.words.sentence import Seconds, Text, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who wants which promotion taken back; ``others`` are all services of the file."""

    service: ServiceConfig
    last: Rollout | None
    by: UserId
    others: tuple[ServiceConfig, ...] = ()


def make_draft(request: Request, rollout_id: RolloutId, ports: Ports, now: float) -> Rollout:
    """The rollback as a rollout in preflight, from what is remembered and what is there.

    Raises:
        Refusal: it cannot be, with every reason.
        Fault: the cluster or the store could not be reached.
    """
    last = _promoted(request, now)
    draft = _exchanged(request, last, rollout_id, now)
    target = draft.spec.target
    primary, canary = ports.workloads.observe(
        target, draft.spec.recorded, draft.spec.upgraded, PodTemplate(images=draft.spec.canary_images)
    )
    replicas = replace(target, primary_replicas=primary.wanted, canary_replicas=canary.wanted)
    reasons = (
        *frozen_now(request.service.name, ports),
        *conflicts(draft, ports.store.live(), request.others),
        *_on_deployments(draft, last, primary, canary, ports),
        *_taken_since(draft, primary, request, ports),
        *_on_routes(draft, ports.mesh.observe(target)),
    )
    reasons = reasons or tuple(_rehearsed(draft, ports))
    if reasons:
        raise Refusal(
            said("controller.rollback_refused", service=draft.spec.service, version=draft.spec.back_to), reasons
        )
    return replace(draft, spec=replace(draft.spec, target=replicas))


def _promoted(request: Request, now: float) -> Rollout:
    """The promotion that is to be taken back.

    Raises:
        Refusal: there is none, or it is not one that can be.
    """
    service, last = request.service, request.last
    if last is None:
        raise Refusal(said("controller.rollback_nothing", service=service.name))
    if last.phase is not Phase.PROMOTED or last.accepted:
        raise Refusal(said("controller.rollback_not_promoted", service=service.name, how=status_text(last)))
    if last.spec.back_to:
        raise Refusal(said("controller.rollback_already", service=service.name, version=last.spec.back_to))
    upgraded = last.spec.plan[-1].template is Template.UPGRADED
    name, version = last.spec.target.primary_deployment, last.spec.version
    if not upgraded or last.spec.target.topology is Topology.RELABEL or not last.spec.recorded.images:
        raise Refusal(said("controller.rollback_other_way", service=service.name, version=version, primary=name))
    if now - (last.ended_at or 0.0) > service.rollback_seconds:
        limit = Seconds(service.rollback_seconds)
        raise Refusal(said("controller.rollback_too_late", service=service.name, version=version, limit=limit))
    return last


def _exchanged(request: Request, last: Rollout, rollout_id: RolloutId, now: float) -> Rollout:
    service, before = request.service, last.spec
    spec: RolloutSpec = replace(
        before,
        id=rollout_id,
        started_by=request.by,
        started_at=now,
        plan=make_rollback(service),
        recorded=before.upgraded,
        upgraded=before.recorded,
        gates=service.gates,
        approvals_rule=service.approvals,
        metrics=service.metrics,
        upgrade_timeout=service.upgrade_timeout,
        hold_patience=service.hold_patience,
        scale_timeout=service.scale_timeout,
        drift_rule=service.drift,
        scale_canary_down=service.scale_canary_down,
        because="",
        budget=service.budget,
        language=service.language or "",
        # Whoever rolls back asks nobody: those that are only told are told.
        webhooks=tuple(hook for hook in service.webhooks if not hook.is_asked),
        back_to=old_version(last) or before.target.primary_place,
    )
    return Rollout(spec=spec, analysis_state=analysis.begin(service.gates, ()))


# What speaks against it


def _on_deployments(
    draft: Rollout, last: Rollout, primary: DeploymentStatus, canary: DeploymentStatus, ports: Ports
) -> Iterator[Text]:
    spec, target = draft.spec, draft.spec.target
    replaced = target.primary_uid and primary.uid not in {"", target.primary_uid}
    if primary.template is not Template.RECORDED or replaced:
        yield said("controller.rollback_primary_changed", primary=target.primary_deployment, version=spec.version)
    known = ports.workloads.known_images(target)
    for image in spec.upgraded.images.values():
        if image not in known:
            yield said("controller.rollback_image_gone", primary=target.primary_deployment, image=image)
    if canary.template is not Template.RECORDED:
        yield said("controller.rollback_other_canary", canary=target.canary_deployment, version=spec.version)
    needed = max(1, min(last.spec.target.canary_replicas, primary.wanted))
    if canary.ready < needed:
        yield said("controller.rollback_no_canary", canary=target.canary_deployment, ready=canary.ready, needed=needed)


def _taken_since(draft: Rollout, primary: DeploymentStatus, request: Request, ports: Ports) -> Iterator[Text]:
    """What another service has promoted on the same primary meanwhile is not taken back."""
    past = (one for other in request.others if other.key != draft.key for one in ports.store.history(other.key))
    if promoted_since(draft, primary.images, past) is not None:
        name = draft.spec.target.primary_deployment
        yield said("controller.rollback_primary_changed", primary=name, version=draft.spec.version)


def _on_routes(draft: Rollout, observed: RouteStatus) -> Iterator[Text]:
    if observed.owner is not None or observed.routes != HOME or observed.unobserved is not None:
        yield said("controller.rollback_routes", name=draft.spec.target.routes_names)


def _rehearsed(draft: Rollout, ports: Ports) -> Iterator[Text]:
    """What the API server says to every object that would be written, as a dry run."""
    target, spec = draft.spec.target, draft.spec
    shapes = dict.fromkeys((*(stage.routes for stage in spec.plan), HOME))
    on_routes = (
        ports.mesh.rehearse(one, [ports.mesh.preview(one, routes, spec.id, spec.recorded) for routes in shapes])
        for one in target.each
    )
    for offered in (*on_routes, ports.workloads.rehearse(target, spec.upgraded)):
        yield from (denied.sentence for denied in offered.refusals if denied.cause is not Cause.FORBIDDEN)


def may_abort_instead(live: Rollout) -> bool:
    """Whether a live rollout is so far that rolling it back is what its abort does."""
    return live.phase is Phase.BAKING and not live.retreat and not live.spec.back_to
