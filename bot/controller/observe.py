"""One look at the world: the cluster as a ``Sight``, the figures as a ``Judgement``. Faults become what they mean."""

from __future__ import annotations

from bot.controller.ports import Mesh, Metrics, Workloads
from bot.rollout import gates
from bot.rollout.errors import Fault
from bot.rollout.machine import WATCHED
from bot.rollout.model import Judgement, PodTemplate, Rollout, Sight


def see(rollout: Rollout, mesh: Mesh, workloads: Workloads) -> Sight:
    """The cluster as it is now.

    Raises:
        Fault: the API could not be read; nothing is known then.
    """
    target = rollout.target
    routes = mesh.look(target)
    canary = PodTemplate(images=rollout.canary_images)
    primary, challenger = workloads.look(target, rollout.recorded, rollout.upgraded, canary)
    return Sight(routes=routes.routes, primary=primary, canary=challenger, owner=routes.owner, writer=routes.writer)


def judge(rollout: Rollout, metrics: Metrics, now: float) -> Judgement:
    """The figures of the current stage, judged; an unreachable Prometheus is a verdict of its own, not a fault."""
    span = gates.window(rollout, now)
    if rollout.phase not in WATCHED or span is None:
        return gates.warming_up(now)
    try:
        figures = metrics.read(rollout, *span)
        recent = gates.recent(rollout, span)
        late = metrics.read(rollout, *recent) if recent != span else None
    except Fault as fault:
        return gates.unavailable(now, f"Prometheus could not be asked: {fault.sentence}")
    return gates.judge(rollout, figures, late)
