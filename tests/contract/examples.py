"""Values the contract suites share."""

from __future__ import annotations

from bot.model.rollout import (
    ALL_CANARY,
    HOME,
    Phase,
    PodTemplate,
    Rollout,
    RolloutId,
    RolloutSpec,
    Routes,
    Stage,
    Target,
    Template,
    Topology,
    UserId,
)
from bot.model.service import ApprovalRule, GateLimits, MetricsSource
from bot.model.story import Entry, EntryKind

ANNA = UserId("U0ANNA")

PLAN = (
    Stage(name="mirror", phase=Phase.MIRRORING, routes=Routes(canary=0, mirror=True)),
    Stage(name="shift 100", phase=Phase.SHIFTING, routes=ALL_CANARY),
    Stage(name="switchback 100", phase=Phase.SWITCHING_BACK, routes=HOME, template=Template.UPGRADED),
)


def target(namespace: str = "default", service: str = "reviews", canary: str = "reviews-v2") -> Target:
    return Target(
        namespace=namespace,
        host=f"{service}.{namespace}.svc.cluster.local",
        virtual_service=service,
        virtual_service_namespace=namespace,
        destination_rule=service,
        primary_subset="v1",
        canary_subset="v2",
        primary_deployment=f"{service}-v1",
        canary_deployment=canary,
        topology=Topology.PER_VERSION,
    )


def rollout(
    number: int = 1,
    *,
    service: str = "reviews",
    phase: Phase = Phase.MIRRORING,
    stage: int = 0,
    at: Target | None = None,
    gates: GateLimits | None = None,
) -> Rollout:
    return Rollout(
        spec=RolloutSpec(
            id=RolloutId(f"r{number}"),
            service=service,
            version="v2",
            channel="C0RELEASES",
            started_by=ANNA,
            started_at=1_750_000_000.0 + number,
            target=at or target(service=service),
            plan=PLAN,
            recorded=PodTemplate(images={"reviews": "reviews:1"}),
            upgraded=PodTemplate(images={"reviews": "reviews:2"}),
            canary_images={"reviews": "reviews:2"},
            gates=gates or GateLimits(),
            approvals_rule=ApprovalRule(),
            metrics=MetricsSource(),
            upgrade_timeout=900.0,
            hold_patience=900.0,
        ),
        phase=phase,
        stage=stage,
    )


def entry(text: str, at: float = 1_750_000_000.0) -> Entry:
    return Entry(at=at, kind=EntryKind.STAGE, text=text, by=ANNA)
