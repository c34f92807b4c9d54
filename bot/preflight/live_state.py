"""``ready_to_begin``: the live state, compared with what a rollout starts from."""

from __future__ import annotations

from collections.abc import Container

from bot.model.observation import DeploymentStatus, Progress
from bot.model.rollout import ALL_CANARY, HOME, Routes, Target, Template
from bot.preflight.moved import MOVED
from bot.preflight.problems import Problem, kubectl
from bot.words.sentence import Text, said, together


def ready_to_begin(
    target: Target,
    routes: Routes | None,
    why: Text,
    primary: DeploymentStatus,
    canary: DeploymentStatus,
    known: Container[str] = (),
    if_moved: Problem | None = None,
) -> list[Text]:
    """Reasons not to begin, from the live state: routes at home, nobody else's annotations, both Deployments healthy.

    ``known`` names what has been told of already, in more detail: Deployments, ``VirtualService NAME``, and that users
    have moved. ``if_moved`` is what there is to say where all of them are on the canary.
    """
    reasons: list[Text] = []
    moved = MOVED in known or (routes == ALL_CANARY and if_moved is not None)
    if any(f"VirtualService {one.virtual_service}" in known for one in target.each) or MOVED in known:
        pass
    elif routes == ALL_CANARY and if_moved is not None:
        reasons.append(if_moved.text)
    elif routes is None:
        reasons.append(why)
    elif routes != HOME:
        reasons.append(
            said(
                "preflight.not_at_home",
                name=target.routes_names,
                routes=str(routes),
                primary=target.primary_place,
                canary=target.canary_place,
            )
        )
    for name, side in ((target.primary_deployment, primary), (target.canary_deployment, canary)):
        if moved and name == target.primary_deployment:
            continue  # it is the primary no longer, and may be scaled to zero
        if side.wanted == 0 and name not in known:
            as_many = max(1, primary.wanted, canary.wanted)  # as the other side
            command = kubectl("scale", f"deployment/{name}", f"--replicas={as_many}", namespace=target.namespace)
            remedy = said("preflight.scale_it_up", command=command)
            reasons.append(together((said("preflight.no_replicas", name=name), remedy)))
        elif name not in known and (side.progress is not Progress.DONE or side.ready < side.wanted):
            not_ready = said("preflight.not_ready", name=name, ready=side.ready, wanted=side.wanted)
            command = kubectl("rollout", "status", f"deployment/{name}", namespace=target.namespace)
            remedy = said("preflight.see_what_it_waits_for", command=command)
            reasons.append(together((not_ready, side.reason, remedy)))
    if primary.template is not Template.RECORDED and not moved:
        reasons.append(said("preflight.changing", name=target.primary_deployment))
    return reasons
