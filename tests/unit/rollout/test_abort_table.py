"""The abort table of the facts of the field (point, live state, what an abort does), row by row, then every state."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from bot.model.figures import Verdict
from bot.model.observation import DeploymentStatus, Observation, Progress
from bot.model.rollout import ALL_CANARY, BOT, HOME, Phase, Rollout, Routes, Template
from bot.rollout import aborts, decide
from bot.rollout.actions import Action, ApplyTemplate, Release, ScalePrimaryUp, SetRoutes, Wait, next_action
from tests.builders import OMAR, a_rollout, a_service, a_side, a_target, routes, verdict

GOOD = verdict(Verdict.PASS)
OLD, NEW = Template.RECORDED, Template.UPGRADED
HOMEWARD, AWAY, GROW = SetRoutes(routes=HOME), SetRoutes(routes=ALL_CANARY), ScalePrimaryUp(pods=2)
PATCH_BACK = ApplyTemplate(template=OLD)
MIRROR, SPLIT, HALF = routes(0, mirror=True), routes(40), routes(50)


def aborting(point: str, *, bad: bool) -> Rollout:
    """A rollout of two pods a side that is aborted at a stage: by its figures, or by a person while they are good."""
    rollout = a_rollout(a_service(), target=a_target(primary_replicas=2, canary_replicas=2))
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == point)
    there = replace(rollout, phase=rollout.spec.plan[index].phase, stage=index, settled_at=0.0, judgement=GOOD)
    return aborts.abort(there, BOT if bad else OMAR, "because.", 1.0)[0]


def pods(ready: int, wanted: int = 2, template: Template | None = OLD, **changes: object) -> DeploymentStatus:
    progress = Progress.DONE if ready >= wanted > 0 else Progress.WAITING
    side = a_side(template, ready=ready, wanted=wanted, progress=progress)
    return replace(side, **changes)  # type: ignore[arg-type]  # checked by the dataclass


def decided(rollout: Rollout, observed: Observation) -> tuple[Rollout, Action | None]:
    """What is done next, once what is observed changes nothing any more."""
    for _ in range(8):
        after, _ = decide.decide(rollout, observed, GOOD, 2.0)
        if after == rollout:
            break
        rollout = after
    return rollout, next_action(rollout, observed)


def first(
    point: str, live: Routes, primary: DeploymentStatus, canary: DeploymentStatus, *, bad: bool = True
) -> Action | None:
    rollout = aborting(point, bad=bad)
    return decided(rollout, Observation(routes=live, primary=primary, canary=canary, owner=rollout.spec.id))[1]


ROWS = [
    # point, live routes, primary, ready pods of the canary, whether it is the trouble, what is done
    ("mirror", MIRROR, pods(2), 2, True, HOMEWARD),
    ("mirror", MIRROR, pods(0), 2, True, HOMEWARD),  # users are there already; the copies end
    ("mirror", MIRROR, pods(2), 0, True, HOMEWARD),
    # weights: at once, also to one that was scaled down; to one without a ready pod never
    ("shift 40", SPLIT, pods(2), 2, True, HOMEWARD),
    ("shift 40", SPLIT, pods(2), 0, True, HOMEWARD),
    ("shift 40", SPLIT, pods(1, 1), 2, True, HOMEWARD),
    ("shift 40", SPLIT, pods(1, 1), 2, False, HOMEWARD),
    ("shift 40", HOME, pods(1, 1), 2, True, GROW),  # and it grows while they are there
    ("shift 40", SPLIT, pods(0, 0), 2, True, AWAY),  # nobody stays where nobody answers
    ("shift 40", ALL_CANARY, pods(0, 0), 2, True, GROW),
    ("shift 40", SPLIT, pods(0, 0), 0, True, GROW),
    # what somebody has just deployed to the primary hangs, and its pods of before answer
    ("shift 40", SPLIT, pods(0, 2, None, stale=2), 2, True, HOMEWARD),
    ("shift 40", SPLIT, pods(0, 2, None, stale=2), 0, True, HOMEWARD),
    # everyone on the canary, primary untouched: the last point of an instant way back
    ("shift 100", ALL_CANARY, pods(2), 2, True, HOMEWARD),
    ("shift 100", ALL_CANARY, pods(2), 2, False, HOMEWARD),
    ("shift 100", ALL_CANARY, pods(1, 1), 2, True, HOMEWARD),  # the canary is worse than too few pods
    ("shift 100", ALL_CANARY, pods(1, 1), 2, False, GROW),  # a good canary keeps everyone until there is room
    ("shift 100", ALL_CANARY, pods(1, 2), 2, False, None),
    ("shift 100", ALL_CANARY, pods(1, 1), 0, False, HOMEWARD),
    ("shift 100", ALL_CANARY, pods(0, 0), 2, True, GROW),
    ("shift 100", ALL_CANARY, pods(0, 0), 0, True, GROW),
    # during the upgrade, whatever the primary is like: never to a mix of old and new pods
    ("upgrade", ALL_CANARY, pods(0, 2, NEW), 2, True, PATCH_BACK),
    ("upgrade", ALL_CANARY, pods(1, 2, NEW), 2, False, PATCH_BACK),
    ("upgrade", ALL_CANARY, pods(2, 2, OLD), 2, False, HOMEWARD),  # not patched yet, or restored
    ("upgrade", ALL_CANARY, pods(1, 2, OLD), 2, True, None),
    ("upgrade", ALL_CANARY, pods(2, 3, OLD), 2, False, None),
    ("upgrade", ALL_CANARY, pods(2, 3, OLD), 2, True, HOMEWARD),  # enough of them, and none on another image
    ("upgrade", ALL_CANARY, pods(2, 3, OLD, stale=1), 2, True, None),
    ("upgrade", ALL_CANARY, pods(1, 1, OLD), 2, False, GROW),  # restored, but shrunk
    ("upgrade", ALL_CANARY, pods(1, 2, NEW), 0, True, HOMEWARD),  # any ready pod is better than none
    ("upgrade", ALL_CANARY, pods(0, 2, NEW), 0, True, PATCH_BACK),
    ("upgrade", ALL_CANARY, pods(0, 2, NEW, stale=2), 0, True, PATCH_BACK),  # which makes the old pods the newest again
    ("upgrade", ALL_CANARY, pods(0, 2, OLD, stale=1), 0, True, HOMEWARD),  # restored, and only a pod of the new answers
    # after it: both sides run the new code; minutes, not seconds
    ("switchback 50", ALL_CANARY, pods(2, 2, NEW), 2, True, PATCH_BACK),
    # switchback: the canary takes everyone back at once
    ("switchback 50", HALF, pods(2, 2, NEW), 2, True, AWAY),
    ("switchback 50", HALF, pods(0, 2, NEW), 2, True, AWAY),
    ("switchback 50", HALF, pods(2, 2, NEW), 0, True, HOMEWARD),
    ("bake", HOME, pods(2, 2, NEW), 2, True, AWAY),
    ("bake", ALL_CANARY, pods(2, 2, NEW), 2, True, PATCH_BACK),
    ("bake", ALL_CANARY, pods(2, 2, OLD), 2, True, HOMEWARD),
]


@pytest.mark.parametrize(("point", "live", "primary", "ready", "bad", "done"), ROWS)
def test_an_abort_does_what_the_table_says(  # a row
    point: str, live: Routes, primary: DeploymentStatus, ready: int, done: Action | None, *, bad: bool
) -> None:
    action = first(point, live, primary, pods(ready), bad=bad)

    assert action == done if done is not None else isinstance(action, Wait | None)


POINTS = ("mirror", "shift 40", "shift 100", "upgrade", "switchback 50", "switchback 100", "bake")
LIVE = (MIRROR, HOME, SPLIT, HALF, ALL_CANARY)
STATES = list(product((0, 1, 2), (0, 1, 2), (OLD, NEW), (0, 1)))


@pytest.mark.parametrize("bad", [True, False])
@pytest.mark.parametrize("point", POINTS)
def test_in_every_state_an_abort_keeps_the_invariants(point: str, *, bad: bool) -> None:
    start = aborting(point, bad=bad)
    for live, (primary_ready, wanted, template, stale), canary_ready in product(LIVE, STATES, (0, 1, 2)):
        primary, canary = pods(primary_ready, wanted, template, stale=stale), pods(canary_ready)
        observed = Observation(routes=live, primary=primary, canary=canary, owner=start.spec.id)
        rollout, action = decided(start, observed)
        match action:
            case SetRoutes(routes=routes):
                gains_primary, gains_canary = routes.primary > live.primary, routes.canary > live.canary
                assert not gains_primary or primary.answering > 0, "users arrive only where a pod is ready"
                assert not gains_canary or canary_ready > 0, "users arrive only where a pod is ready"
                safe = not rollout.primary_touched or template is OLD or canary_ready == 0
                assert not gains_primary or safe, "never to a primary that is not restored, while the canary can serve"
            case ApplyTemplate():
                assert live.primary == 0, "no template changes under users"
                assert canary_ready > 0 or primary_ready == 0, "and none that costs the last ready pod"
            case ScalePrimaryUp(pods=size):
                assert size == 2 > wanted, "only up, and to what it was"
            case Release():
                assert live == HOME, "it ends where the old version serves everyone"
            case other:
                assert isinstance(other, Wait | None)


def test_going_home_from_weights_is_one_write_and_grows_the_primary_before_it_ends() -> None:
    rollout = aborting("shift 40", bad=True)
    shrunk = Observation(routes=HOME, primary=pods(1, 1), canary=pods(2), owner=rollout.spec.id)

    rollout, action = decided(rollout, shrunk)
    assert (rollout.phase, rollout.current.name, action) == (Phase.ABORTING, "return", GROW)

    rollout, action = decided(rollout, replace(shrunk, primary=pods(1, 2)))
    assert (rollout.current.name, action) == ("finish", Release(routes=HOME))
