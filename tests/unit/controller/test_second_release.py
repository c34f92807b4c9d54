"""Release after release on the same objects: what the last one has left behind is where the next one begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.controller.decisions import Accept
from bot.model.errors import Refusal
from bot.model.rollout import ALL_CANARY, Phase, Rollout
from bot.model.service import Promote, ServiceConfig
from bot.words.rendering import plain
from tests import snapshots
from tests.builders import MAYA, OMAR, a_service, a_side_of
from tests.fakes.workloads import FakeDeployment
from tests.unit.controller.test_controller import Rig

RELABEL = a_service(primary_deployment="reviews")


class Releases(Rig):
    """A world that is surveyed as it is at each start, with a Deployment for every version."""

    def __init__(self, service: ServiceConfig | None = None) -> None:
        super().__init__(service)
        self.deploy("v3")
        if self.service.primary_deployment == "reviews":
            self.workloads.deployments["reviews"] = self.workloads.deployments.pop("reviews-v1")
            self.metrics.sides["default/reviews"] = a_side_of(4000)

    def deploy(self, version: str) -> None:
        self.workloads.deployments[f"reviews-{version}"] = FakeDeployment(
            images={"reviews": f"reviews:{version[1:]}"}, labels={"version": version}
        )
        self.metrics.sides[f"default/reviews-{version}"] = a_side_of(800)

    def release(self, version: str) -> Phase:
        self.snapshots.found = snapshots.a_snapshot(
            virtual_service=self.mesh.virtual_service(),
            destination_rules=(snapshots.a_rule("v1", "v2", "v3", "v4"),),
            deployments=tuple(
                snapshots.a_deployment(
                    name,
                    one.labels["version"],
                    image=one.images["reviews"],
                    replicas=one.wanted,
                    **({"app": "reviews", "track": "primary"} if name == "reviews" else {}),
                )
                for name, one in self.workloads.deployments.items()
            ),
        )
        self.controller.start("reviews", version, by=MAYA)
        return self.until(lambda rollout: rollout.ended).phase

    def until(self, reached: Callable[[Rollout], bool], *, approve: bool = True, every: float = 10.0) -> Rollout:
        """As the rig's, for a primary of any name."""
        for _ in range(400):
            rollout = self.newest()
            if reached(rollout):
                return rollout
            if approve and rollout.asked_at is not None:
                self.controller.approve("reviews", by=OMAR, evidence=self.controller.button_token(rollout))
            name = self.service.primary_deployment
            if rollout.phase in {Phase.UPGRADING, Phase.ABORTING} and name in self.workloads.deployments:
                self.workloads.finish(name)
            self.tick(every)
        raise AssertionError(f"never there, but {self.newest().phase} {self.newest().hold}")

    def halted(self) -> None:
        """The primary gets an image that cannot be pulled."""
        self.start()
        self.until(lambda rollout: rollout.phase is Phase.UPGRADING)
        self.workloads.fail("reviews-v1", "Its image cannot be pulled.")
        self.tick()
        assert self.live().phase is Phase.HALTED

    def shares(self) -> dict[str, int]:
        (route,) = self.mesh.virtual_service()["spec"]["http"]
        return {entry["destination"]["subset"]: entry["weight"] for entry in route["route"]}

    def corrected(self, **keys: Any) -> None:
        """Somebody has written into services.yaml and restarted the bot."""
        self.service = replace(self.service, **keys)
        self.controller = self.restarted()


def test_a_second_and_a_third_release_by_version() -> None:
    world = Releases()
    world.deploy("v4")

    for version in ("v2", "v3", "v4"):
        assert world.release(version) is Phase.PROMOTED
        assert world.shares() == {"v1": 100, "v2": 0}
        assert world.workloads.deployments["reviews-v1"].images == {"reviews": f"reviews:{version[1:]}"}


def test_a_second_release_that_turns_bad_goes_home_to_the_first() -> None:
    world = Releases()
    world.release("v2")
    before = world.mesh.virtual_service()
    world.metrics.sides["default/reviews-v3"] = a_side_of(800, errors=400)

    assert world.release("v3") is Phase.ABORTED
    assert world.mesh.virtual_service()["spec"] == before["spec"]
    assert world.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:2"}


def test_a_second_release_of_a_relabelled_primary() -> None:
    world = Releases(RELABEL)
    assert world.release("v2") is Phase.PROMOTED
    assert world.shares() == {"v1": 0, "v2": 100}

    with pytest.raises(Refusal) as refused:  # the first canary's pods still share the subset with the primary's
        world.release("v3")
    assert any(
        "`kubectl -n default scale deployment/reviews-v2 --replicas=0`" in one
        for one in map(plain, refused.value.reasons)
    )

    world.workloads.deployments["reviews-v2"].wanted = world.workloads.deployments["reviews-v2"].ready = 0
    assert world.release("v3") is Phase.PROMOTED
    assert world.shares() == {"v1": 0, "v2": 0, "v3": 100}
    assert world.workloads.deployments["reviews"].labels == {"version": "v3"}


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_after_an_adoption_the_next_start_says_what_to_write_and_then_works(version: str) -> None:
    world = Releases(a_service(promote=Promote.ADOPT))
    assert world.release("v2") is Phase.PROMOTED

    for _ in range(3):  # refused starts are rollouts as well, and newer ones
        with pytest.raises(Refusal) as refused:
            world.release(version)
        (reason,) = (one for one in map(plain, refused.value.reasons) if not one.startswith("Warning"))
        assert reason.startswith("v2 is the primary now: rollout r-1 ended with all users on reviews-v2 (subset v2)")
        assert "`primary: {deployment: reviews-v2}` for reviews in services.yaml" in reason

    world.corrected(primary_deployment="reviews-v2")
    assert world.release("v3") is Phase.PROMOTED
    assert world.shares() == {"v1": 0, "v2": 0, "v3": 100}


def test_after_an_adoption_the_old_primary_may_be_scaled_down_or_deleted() -> None:
    world = Releases(a_service(promote=Promote.ADOPT))
    world.release("v2")

    world.workloads.deployments["reviews-v1"].wanted = 0
    with pytest.raises(Refusal) as refused:
        world.release("v3")
    assert not any("scale it up first" in one for one in map(plain, refused.value.reasons))

    del world.workloads.deployments["reviews-v1"]
    with pytest.raises(Refusal) as refused:
        world.release("v3")
    assert any("v2 is the primary now" in one for one in map(plain, refused.value.reasons))

    world.corrected(primary_deployment="reviews-v2")
    assert world.release("v3") is Phase.PROMOTED


def test_after_a_halt_was_accepted_the_next_start_says_what_to_write_and_then_works() -> None:
    world = Releases()
    world.halted()
    world.decide(Accept())
    assert world.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED
    assert world.mesh.observe(world.newest().spec.target).routes == ALL_CANARY

    with pytest.raises(Refusal) as refused:
        world.release("v3")
    assert any("v2 is the primary now" in one for one in map(plain, refused.value.reasons))

    world.corrected(primary_deployment="reviews-v2")
    assert world.release("v3") is Phase.PROMOTED
