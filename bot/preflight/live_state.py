"""``ready_to_begin``: the live state, compared with what a rollout starts from."""

from __future__ import annotations

from collections.abc import Container

from bot.model.observation import DeploymentStatus, Progress
from bot.model.rollout import ALL_CANARY, HOME, Routes, Target, Template
from bot.preflight.moved import MOVED
from bot.preflight.problems import Problem
from bot.words.said import Text


def ready_to_begin(
    target: Target,
    routes: Routes | None,
    why: str,
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
    if f"VirtualService {target.virtual_service}" in known or MOVED in known:
        pass
    elif routes == ALL_CANARY and if_moved is not None:
        reasons.append(str(if_moved))
    elif routes is None:
        reasons.append(why)
    elif routes != HOME:
        reasons.append(
            f"The routes of {target.virtual_service} are {routes}; a rollout begins with all users on the primary. "
            f"Set the weight of {target.primary_subset} to 100 and of {target.canary_subset} to 0, without a mirror."
        )
    for name, side in ((target.primary_deployment, primary), (target.canary_deployment, canary)):
        if moved and name == target.primary_deployment:
            continue  # it is the primary no longer, and may be scaled to zero
        if side.wanted == 0:
            reasons.append(f"{name} has no replicas; scale it up first.")
        elif name not in known and (side.progress is not Progress.DONE or side.ready < side.wanted):
            detail = f" {side.reason}" if side.reason else ""
            remedy = f"`kubectl rollout status deployment/{name}` says what it waits for."
            reasons.append(f"{name} is not ready: {side.ready} of {side.wanted} pods.{detail} {remedy}")
    if primary.template is not Template.RECORDED and not moved:
        reasons.append(f"{target.primary_deployment} is changing right now; try again when it is settled.")
    return reasons
