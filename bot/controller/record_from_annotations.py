"""A record for annotations whose rollout the store does not know: what services.yaml says today, nothing of what was
lost.

It is halted: neither forward nor back until somebody says, or until whoever makes it aborts or abandons it at once.
"""

from __future__ import annotations

from bot.model.rollout import Phase, PodTemplate, Rollout, RolloutId, RolloutSpec, Target, UserId
from bot.model.service import Promote, ServiceConfig
from bot.rollout.plans import make_plan

# A template that names nothing fits whatever is there: which image was being promoted is not known any more.
ANYTHING = PodTemplate(images={})


def halted(  # all of it is on the record
    service: ServiceConfig,
    rollout_id: RolloutId,
    target: Target,
    by: UserId,
    now: float,
    *,
    recorded: PodTemplate = ANYTHING,
    stage: int = 0,
    version: str = "unknown",
) -> Rollout:
    """The rollout of ``service`` that acts on ``target``, as far as that can be known."""
    return Rollout(
        spec=RolloutSpec(
            id=rollout_id,
            service=service.name,
            version=version,
            channel=service.channel,
            started_by=by,
            started_at=now,
            target=target,
            plan=make_plan(service, target.topology),
            recorded=recorded,
            upgraded=ANYTHING,
            canary_images={},
            gates=service.gates,
            approvals_rule=service.approvals,
            metrics=service.metrics,
            upgrade_timeout=service.upgrade_timeout,
            hold_patience=service.hold_patience,
            scale_timeout=service.scale_timeout,
            drift_rule=service.drift,
            language=service.language or "",
            webhooks=service.webhooks,
            by_git=service.promote is Promote.GIT,
        ),
        phase=Phase.HALTED,
        stage=stage,
        since=now,
    )
