"""The stages of a rollout, written down before anything begins: what each says the world must look like.

A plan is data. ``retreat`` is the plan of going back; which one applies depends only on whether the primary may already
have been patched (docs/safety.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.model.errors import Refusal
from bot.model.rollout import ALL_CANARY, HOME, Phase, Routes, Stage, StageKind, Template, Topology
from bot.model.service import ApproveAt, Promote, ServiceConfig
from bot.words.sentence import Code, said

LAST_WEIGHT = 100  # percent
SHOWN = 20  # of weights that are refused; somebody may have written thousands


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the person who starts a rollout may choose differently from ``services.yaml``.

    Attributes:
        weights: canary shares in percent, rising.
        stage_seconds: least time of each weight.
        auto: no approvals; every stage is left on its verdict alone.
    """

    weights: tuple[int, ...] | None = None
    stage_seconds: float | None = None
    auto: bool = False


def check_weights(weights: tuple[int, ...]) -> None:
    """Refuse weights that do not rise from above 0 to exactly 100 percent.

    Raises:
        Refusal: with the rule in words. Ending below 100 would leave users on the primary while it is upgraded.
    """
    if any(not 1 <= weight <= LAST_WEIGHT for weight in weights):
        raise Refusal(said("rollout.weights_whole", weights=weights[:SHOWN]))
    if list(weights) != sorted(set(weights)):
        raise Refusal(said("rollout.weights_rise", weights=weights[:SHOWN]))
    if not weights or weights[-1] != LAST_WEIGHT:
        raise Refusal(said("rollout.weights_end"))


def make_plan(service: ServiceConfig, topology: Topology, overrides: Overrides = Overrides()) -> tuple[Stage, ...]:
    """Every stage from the mirror to the end, in order.

    Raises:
        Refusal: the weights chosen at start are not possible, or all approvals were given at the start where nobody may
            approve a rollout of their own.
    """
    weights = overrides.weights or service.weights
    check_weights(weights)
    _check_auto(service, overrides)
    approve = frozenset[ApproveAt]() if overrides.auto else frozenset(service.approve)
    mirror = Stage(
        name="mirror",
        phase=Phase.MIRRORING,
        routes=Routes(canary=0, mirror=True),
        seconds=service.mirror_seconds,
        approval=ApproveAt.MIRROR in approve,
        rule=service.approvals_at.get(ApproveAt.MIRROR),
    )
    seconds = service.stage_seconds if overrides.stage_seconds is None else overrides.stage_seconds
    shifts = tuple(
        Stage(
            name=f"shift {weight}",
            phase=Phase.SHIFTING,
            routes=Routes(canary=weight),
            seconds=seconds,
            approval=_asked_after(weight) in approve,
            rule=service.approvals_at.get(_asked_after(weight)),
        )
        for weight in weights
    )
    return (mirror, *shifts, *_ending(service, topology, approve, seconds))


def _asked_after(weight: int) -> ApproveAt:
    return ApproveAt.UPGRADE if weight == LAST_WEIGHT else ApproveAt.STEP


def make_rollback(service: ServiceConfig) -> tuple[Stage, ...]:
    """Every stage of a rollback: users wait on the canary, which runs what they have already, while the primary gets
    its old image back, and return in steps that are judged. Whoever asks for it has approved all of it.
    """
    away = Stage(name="shift 100", phase=Phase.SHIFTING, routes=ALL_CANARY)
    return (
        away,
        *_ending(replace(service, promote=Promote.UPGRADE), Topology.PER_VERSION, frozenset(), service.stage_seconds),
    )


def make_drill(plan: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The mirror of a plan and nothing behind it, so that there is no way on which a user meets the canary."""
    return (replace(plan[0], approval=False),)


def _check_auto(service: ServiceConfig, overrides: Overrides) -> None:
    """Starting with every approval given is approving one's own rollout, alone."""
    rules = [service.approvals_at.get(at, service.approvals) for at in service.approve]
    if overrides.auto and any(not rule.own or rule.count > 1 for rule in rules):
        setting = Code("approvals: {self: true, count: 1}")
        raise Refusal(said("rollout.no_auto", service=service.name, option=Code("--auto"), setting=setting))


def _ending(
    service: ServiceConfig, topology: Topology, approve: frozenset[ApproveAt], seconds: float
) -> tuple[Stage, ...]:
    """From everyone on the canary to the final state."""
    bake = max(service.bake_seconds, service.drain_seconds) if service.scale_canary_down else service.bake_seconds
    if service.promote is Promote.ADOPT:
        return _bake(ALL_CANARY, Template.RECORDED, service.bake_seconds)
    upgrade = Stage(
        name="upgrade",
        phase=Phase.UPGRADING,
        routes=ALL_CANARY,
        template=Template.UPGRADED,
        approval=ApproveAt.SWITCHBACK in approve,
        rule=service.approvals_at.get(ApproveAt.SWITCHBACK),
    )
    # Relabelled pods of the primary join the canary's subset by themselves: the routes need not move at all.
    shares = (LAST_WEIGHT,) if topology is Topology.RELABEL else service.switchback
    back = tuple(
        Stage(
            name=f"switchback {share}",
            phase=Phase.SWITCHING_BACK,
            routes=ALL_CANARY if topology is Topology.RELABEL else Routes(canary=LAST_WEIGHT - share),
            template=Template.UPGRADED,
            seconds=seconds,
        )
        for share in shares
    )
    return (upgrade, *back, *_bake(back[-1].routes, Template.UPGRADED, bake))


def _bake(routes: Routes, template: Template, seconds: float) -> tuple[Stage, ...]:
    bake = Stage(name="bake", phase=Phase.BAKING, routes=routes, template=template, seconds=seconds)
    return (bake, make_finish(Phase.BAKING, routes, template))


def make_finish(phase: Phase, routes: Routes, template: Template = Template.RECORDED) -> Stage:
    """The last stage of any walk."""
    return Stage(name="finish", phase=phase, routes=routes, template=template, release=True)


def make_wait(pods: int) -> Stage:
    """The wait, on a retreat, for pods of the primary that can take everyone."""
    kind = StageKind.SCALE_UP
    return Stage(name=kind.value, phase=Phase.ABORTING, routes=ALL_CANARY, pods=pods, kind=kind)


def make_retreat(*, primary_touched: bool, drain: float = 0.0) -> tuple[Stage, ...]:
    """The way home. A primary that may have been patched is restored first, while the canary keeps the users.

    Never the other way round: routing to a primary in mid-upgrade is the outage others shipped (flagger#1898). Where
    the primary has shrunk meanwhile, ``retreat`` puts the wait for its pods between. ``drain``: seconds that a canary
    which is then scaled to zero idles.
    """
    back, restore = StageKind.RETURN, StageKind.RESTORE
    home = Stage(name=back.value, phase=Phase.ABORTING, routes=HOME, kind=back, seconds=drain)
    finish = make_finish(Phase.ABORTING, HOME)
    if not primary_touched:
        return (home, finish)
    return (Stage(name=restore.value, phase=Phase.ABORTING, routes=ALL_CANARY, kind=restore), home, finish)
