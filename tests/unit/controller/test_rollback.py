"""A promotion is taken back: as a guarded rollout of its own, or not at all, with the reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.controller.decisions import By
from bot.model.errors import Refusal
from bot.model.figures import SideFigures
from bot.model.freeze import ALL
from bot.model.observation import Progress
from bot.model.rollout import HOME, Phase, Rollout, UserId
from bot.model.service import ApprovalRule, Promote
from bot.slack import wording
from bot.words.rendering import plain
from tests.builders import LENA, MAYA, OMAR, a_service, a_side_of
from tests.unit.controller.test_controller import Rig


class Promoted(Rig):
    """v2 was promoted a moment ago, and both Deployments run it."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(a_service(**changes))
        self.start()
        self.until(lambda rollout: rollout.phase is Phase.PROMOTED)

    def rollback(self, by: UserId = OMAR) -> Rollout:
        return self.controller.rollback("reviews", by=By(id=by))

    def routes(self) -> object:
        return self.mesh.observe(self.newest().spec.target).routes

    def measure(self, primary: SideFigures, canary: SideFigures) -> None:
        self.metrics.sides |= {"default/reviews-v1": primary, "default/reviews-v2": canary}


def test_users_wait_on_the_canary_while_the_primary_gets_its_old_image_and_return_in_steps() -> None:
    world = Promoted()
    begun = world.rollback()
    assert plain(wording.title(begun)) == "reviews v2 → 1"
    upgrading = world.until(lambda rollout: rollout.phase is Phase.UPGRADING)
    assert upgrading.current.routes.canary == 100
    over = world.until(lambda rollout: rollout.ended, approve=False)

    assert over.phase is Phase.PROMOTED
    assert [one.name for one in over.walked] == ["shift 100", "upgrade", "switchback 50", "switchback 100", "bake"]
    assert world.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}
    assert (world.routes(), world.mesh.observe(over.spec.target).owner) == (HOME, None)


def test_what_is_rolled_back_may_be_as_bad_as_it_is() -> None:
    world = Promoted()
    world.measure(a_side_of(4000, errors=900), a_side_of(800, errors=180))
    world.rollback()
    world.until(lambda rollout: rollout.phase is Phase.UPGRADING)
    world.measure(a_side_of(4000), a_side_of(800, errors=180))

    assert world.until(lambda rollout: rollout.ended, approve=False).phase is Phase.PROMOTED
    assert world.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}


def test_an_old_image_that_is_worse_is_taken_back_again() -> None:
    world = Promoted()
    world.rollback()
    world.until(lambda rollout: rollout.phase is Phase.SWITCHING_BACK)
    world.measure(a_side_of(2000, errors=900), a_side_of(2000))
    over = world.until(lambda rollout: rollout.ended, approve=False)

    assert over.phase is Phase.ABORTED
    assert world.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:2"}
    assert world.routes() == HOME


def test_a_rollback_is_aborted_like_any_rollout() -> None:
    for phase in (Phase.UPGRADING, Phase.SWITCHING_BACK):
        world = Promoted()
        world.rollback()
        world.until(lambda rollout, phase=phase: rollout.phase is phase)  # type: ignore[misc]  # bound at once
        world.controller.abort("reviews", by=OMAR, reason="not that")
        over = world.until(lambda rollout: rollout.ended, approve=False)

        assert over.phase is Phase.ABORTED
        assert world.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:2"}
        assert world.routes() == HOME


def test_during_the_final_watch_a_rollback_is_the_rollouts_own_abort() -> None:
    world = Rig()
    world.start()
    world.until(lambda rollout: rollout.phase is Phase.BAKING)

    aborting = world.controller.rollback("reviews", by=By(id=OMAR))

    assert aborting.phase is Phase.ABORTING
    assert world.until(lambda rollout: rollout.ended).phase is Phase.ABORTED
    assert world.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}


def test_a_rollback_is_no_step_that_can_be_rolled_back_itself() -> None:
    world = Promoted()
    world.rollback()
    world.until(lambda rollout: rollout.ended, approve=False)

    with pytest.raises(Refusal, match="was rolled back to"):
        world.rollback()


def test_only_an_approver_rolls_back() -> None:
    world = Promoted()

    def check(_rule: ApprovalRule) -> None:
        raise Refusal("You may not.")

    with pytest.raises(Refusal, match="You may not"):
        world.controller.rollback("reviews", by=By(id=LENA, check=check))


def _no_pods(world: Promoted) -> None:
    world.workloads.deployments["reviews-v2"].ready = 0


def _next_image(world: Promoted) -> None:
    world.workloads.deployments["reviews-v2"].images = {"reviews": "reviews:3"}


def _patched(world: Promoted) -> None:
    world.workloads.deployments["reviews-v1"].images = {"reviews": "reviews:9"}


def _cleaned_up(world: Promoted) -> None:
    world.workloads.deployments["reviews-v1"].past_images = {"reviews:2"}


def _frozen(world: Promoted) -> None:
    world.controller.freeze(ALL, by=MAYA, reason="audit", seconds=None)


def _day_later(world: Promoted) -> None:
    world.clock.advance(25 * 3600)


def _live(world: Promoted) -> None:
    world.workloads.deployments["reviews-v1"].images = {"reviews": "reviews:1"}
    world.workloads.deployments["reviews-v1"].progress = Progress.DONE
    world.start()


AGAINST: dict[str, tuple[Callable[[Promoted], None], str]] = {
    "the canary has no pod": (_no_pods, "reviews-v2 has 0 of the 2 ready pods that all users need meanwhile."),
    "the canary runs something else": (_next_image, "reviews-v2 does not run v2 any more"),
    "the primary was patched since": (_patched, "reviews-v1 has changed since v2 was promoted."),
    "its old ReplicaSet is gone": (_cleaned_up, "None of the ReplicaSets of reviews-v1 has the image reviews:1"),
    "everything is frozen": (_frozen, "All services are frozen"),
    "a day later": (_day_later, "was promoted more than 24 hours ago"),
    "another rollout is live": (_live, "v2 is still rolling out. `/canary abort reviews` takes everyone back."),
}


@pytest.mark.parametrize(("happen", "why"), AGAINST.values(), ids=AGAINST)
def test_what_speaks_against_it_is_said_and_nothing_is_changed(happen: Callable[[Promoted], None], why: str) -> None:
    world = Promoted()
    happen(world)
    before = (world.mesh.virtual_service(), dict(world.workloads.deployments["reviews-v1"].images))

    with pytest.raises(Refusal) as refused:
        world.rollback()

    assert why in " ".join([str(refused.value), *map(plain, refused.value.reasons)])
    assert (world.mesh.virtual_service(), world.workloads.deployments["reviews-v1"].images) == before


def test_without_a_promotion_there_is_nothing_to_roll_back() -> None:
    world = Rig()
    with pytest.raises(Refusal, match="has had no rollout"):
        world.controller.rollback("reviews", by=By(id=OMAR))

    world.start()
    world.controller.abort("reviews", by=OMAR, reason="no")
    world.until(lambda rollout: rollout.ended)
    with pytest.raises(Refusal, match="was not promoted"):
        world.controller.rollback("reviews", by=By(id=OMAR))


def test_what_was_adopted_is_not_rolled_back_that_way() -> None:
    with pytest.raises(Refusal, match="was not promoted by upgrading"):
        Promoted(promote=Promote.ADOPT).rollback()
