"""A rollout that the store has forgotten, put together again from its marks in the cluster, so that it can be aborted.

The annotations on the VirtualService say where it acts, how the routes were and which images the primary had. What they
do not say (its story, its approvals, its figures) is lost with the store; nothing of it is needed to bring users home.
"""

from __future__ import annotations

from bot.controller.ports import Marks, Ports
from bot.rollout.model import Phase, PodTemplate, Rollout, Template, UserId
from bot.rollout.plans import make_plan
from bot.rollout.service import Service

# A template that names nothing fits whatever is there: which image was being promoted is not known any more.
ANYTHING = PodTemplate(images={})


def adopt(service: Service, marks: Marks, by: UserId, ports: Ports, now: float) -> Rollout:
    """The forgotten rollout, halted where it was found: neither forward nor back until somebody says.

    Raises:
        Fault: the cluster could not be read.
    """
    target = marks.target
    plan = make_plan(service, target.topology)
    primary, _ = ports.workloads.look(target, marks.recorded, ANYTHING, ANYTHING)
    touched = primary.template is not Template.RECORDED
    stage = next((i for i, one in enumerate(plan) if one.template is Template.UPGRADED), 0) if touched else 0
    return Rollout(
        id=marks.owner,
        service=service.name,
        version=target.canary_subset,
        channel=service.channel,
        started_by=by,
        started_at=now,
        target=target,
        plan=plan,
        recorded=marks.recorded,
        upgraded=ANYTHING,
        canary_images={},
        gates=service.gates,
        approvals_rule=service.approvals,
        metrics=service.metrics,
        upgrade_timeout=service.upgrade_timeout,
        hold_patience=service.hold_patience,
        phase=Phase.HALTED,
        stage=stage,
        since=now,
    )
