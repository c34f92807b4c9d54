"""The referee of the crash matrix and the fault schedules can fail: each rule, broken once, is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.kube import bookinfo
from sandbox.kube.api import Written
from sandbox.kube.objects import Object
from sandbox.kube.resources import kind_named
from sandbox.kube.server import KubeApi
from sandbox.kube.writes import Target
from sandbox.referee import Referee
from sandbox.sides import HOSTS, Ground, rates, shares_of
from tests.fakes.clock import FakeClock

Change = Callable[[Object], object]


@dataclass
class Match:
    """A cluster, a referee, and writes in the bot's name."""

    clock: FakeClock = field(default_factory=FakeClock)
    ground: Ground = field(default_factory=Ground)
    objects: Callable[[], list[Object]] = bookinfo.objects

    def __post_init__(self) -> None:
        self.kube = KubeApi(start_seconds=0.0, clock=self.clock.now)
        self.kube.load(self.objects())
        self.kube.settle()
        self.referee = Referee(self.kube.store, self.clock.now, self.ground, dead_man=60.0)

    def write(self, kind: str, name: str, change: Change, *, manager: str = "canary-bot", part: str = "") -> None:
        before = self.kube.store.get(kind, "default", name)
        assert before is not None
        after = self.kube.store.get(kind, "default", name)
        assert after is not None
        change(after)
        after = self.kube.store.put(after)
        target = Target(kind=kind_named(kind), version="v1", namespace="default", name=name, subresource=part)
        self.referee.observe(Written(manager=manager, target=target, before=before, after=after))

    def route(self, canary: int, manager: str = "canary-bot") -> None:
        self.write("VirtualService", "reviews", weights(100 - canary, canary), manager=manager)


def weights(primary: int, canary: int) -> Change:
    def change(vs: Object) -> None:
        entries: list[dict[str, Any]] = vs["spec"]["http"][0]["route"]
        entries[0]["weight"], entries[1]["weight"] = primary, canary

    return change


def beat(at: str) -> Change:
    def change(vs: Object) -> None:
        vs["metadata"].setdefault("annotations", {})["canary-bot/heartbeat"] = at

    return change


def image(version: str) -> Change:
    def change(deployment: Object) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = bookinfo.image(version)

    return change


def replicas(count: int) -> Change:
    def change(deployment: Object) -> None:
        deployment["spec"]["replicas"] = count

    return change


@pytest.fixture
def match() -> Iterator[Match]:
    made = Match()
    with made.kube:
        yield made


def test_a_good_rollout_gives_no_cause_for_complaint(match: Match) -> None:
    match.route(50)
    match.route(100)
    match.write("Deployment", "reviews-v1", image("v2"))
    match.kube.settle()
    match.clock.advance(5)
    match.kube.settle()
    match.route(0)
    match.clock.advance(30)
    match.write("Deployment", "reviews-v2", replicas(0), part="scale")
    match.referee.judge_end(promoted=True, final_subset="v1", upgraded=True)

    assert match.referee.violations == []
    assert match.referee.seen.scaled_down == 1


def test_users_on_a_side_without_ready_pods_are_told(match: Match) -> None:
    match.kube.deployments.crash("default", "reviews-v2")
    match.kube.settle()
    match.route(20)

    assert "v2, which has no ready pod" in match.referee.violations[0]


@pytest.mark.parametrize("hung", [True, False])
def test_a_write_that_hung_is_judged_by_the_pods_that_were_ready_when_it_was_sent(match: Match, *, hung: bool) -> None:
    match.route(20)
    sent = match.referee.remember_ready()
    match.kube.deployments.crash("default", "reviews-v1")
    match.kube.settle()
    with match.referee.landing(sent if hung else {}):
        match.route(0)

    assert bool(match.referee.violations) is not hung


def test_when_nobody_is_ready_where_users_are_any_ready_pod_is_better(match: Match) -> None:
    match.route(100)
    match.write("Deployment", "reviews-v1", image("v2"))
    match.kube.deployments.crash("default", "reviews-v2")
    match.kube.settle()
    match.route(0)

    assert match.referee.violations == []


def test_users_on_a_primary_in_the_middle_of_its_upgrade_are_told(match: Match) -> None:
    match.route(100)
    match.kube.deployments.start_seconds("default", "reviews-v1", None)
    match.write("Deployment", "reviews-v1", image("v2"))
    match.kube.settle()
    match.route(50)

    assert "do not run" in match.referee.violations[0]


def test_a_new_template_under_users_feet_is_told(match: Match) -> None:
    match.route(50)
    match.write("Deployment", "reviews-v1", image("v2"))

    assert match.referee.violations == [
        "the template of reviews-v1 was changed while v1 was in use ({'v1': 50, 'v2': 50})"
    ]


def test_a_canary_scaled_down_before_it_has_idled_is_told(match: Match) -> None:
    match.route(50)
    match.route(0)
    match.clock.advance(29)
    match.write("Deployment", "reviews-v2", replicas(0), part="scale")

    assert match.referee.violations == ["reviews-v2 was scaled to zero before it had been idle for 30 s"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (weights(60, 60), "do not add up to 100"),
        (lambda vs: vs["spec"]["http"][0].update(timeout="1s"), "a field was changed that is not ours"),
        (lambda vs: vs["spec"].update(hosts=["reviews"]), "a field was changed that is not ours"),
    ],
    ids=["weights", "a route's field", "hosts"],
)
def test_a_write_that_touches_what_is_not_ours_is_told(match: Match, change: Change, words: str) -> None:
    match.write("VirtualService", "reviews", change)

    assert words in " ".join(match.referee.violations)


def test_a_watchdog_that_does_not_wait_out_its_limit_is_told(match: Match) -> None:
    match.write("VirtualService", "reviews", beat("12:00:00"))
    match.clock.advance(59)
    match.route(0, manager="canary-bot-watchdog")
    assert match.referee.violations == ["the watchdog wrote 59 s after a sign of life; its limit is 60 s"]

    match.clock.advance(1)
    match.route(0, manager="canary-bot-watchdog")
    assert len(match.referee.violations) == 1
    assert match.referee.seen.failsafes == 2


def test_a_watchdog_that_deploys_or_sends_users_to_nobody_is_told(match: Match) -> None:
    match.write("Deployment", "reviews-v1", image("v2"), manager="canary-bot-watchdog")
    match.kube.deployments.crash("default", "reviews-v2")
    match.kube.settle()
    match.route(100, manager="canary-bot-watchdog")

    assert "wrote Deployment reviews-v1, which is not its business" in match.referee.violations[0]
    assert "v2, which has no ready pod" in match.referee.violations[1]


def test_what_other_people_write_is_not_held_against_the_bot(match: Match) -> None:
    match.kube.deployments.crash("default", "reviews-v2")
    match.kube.settle()
    match.route(50, manager="kubectl-edit")

    assert match.referee.violations == []


def test_a_rollout_goes_back_to_what_somebody_deployed_before_it_began(match: Match) -> None:
    match.write("Deployment", "reviews-v1", image("v3"), manager="helm")
    match.route(100)
    match.write("Deployment", "reviews-v1", image("v2"))
    match.write("Deployment", "reviews-v1", image("v3"))

    assert match.referee.violations == []


def test_a_primary_that_somebody_made_again_runs_what_its_maker_says(match: Match) -> None:
    """It was deleted in the upgrade, and a pipeline made it again with the old image: the one to return to."""
    match.route(100)
    match.write("Deployment", "reviews-v1", image("v2"))
    match.kube.delete_as("kubectl-delete", "Deployment", "default", "reviews-v1")
    match.kube.load([one for one in bookinfo.objects() if one["metadata"]["name"] == "reviews-v1"])
    match.kube.settle()
    match.route(0)
    assert match.referee.violations == []

    match.route(100)
    match.write("Deployment", "reviews-v1", image("v2"))
    match.kube.settle()
    match.kube.deployments.start_seconds("default", "reviews-v1", None)
    match.write("Deployment", "reviews-v1", image("v1"))
    match.kube.settle()
    match.route(50)
    assert "do not run" in match.referee.violations[0]


def test_the_annotation_between_two_writes_is_ours_and_must_not_stay(match: Match) -> None:
    """Where no other mark is left an object is changed and changed back, so that late writes are refused."""

    def mark(vs: Object) -> None:
        vs["metadata"].setdefault("annotations", {})["canary-bot/ended"] = "r-1"

    def remove_annotations(vs: Object) -> None:
        del vs["metadata"]["annotations"]

    match.write("VirtualService", "reviews", mark)
    match.write("VirtualService", "reviews", remove_annotations)
    assert match.referee.violations == []

    match.write("VirtualService", "reviews", mark)
    match.referee.judge_end(promoted=False, final_subset="v1", upgraded=False)
    assert match.referee.violations == ["the rollout has ended and left ['canary-bot/ended'] behind"]


def test_an_image_or_a_deployment_that_is_nobodys_is_told(match: Match) -> None:
    match.route(100)
    match.write("Deployment", "reviews-v1", image("v3"))
    match.write("Deployment", "reviews-v2", image("v3"))

    assert "neither the old nor the new image" in match.referee.violations[0]
    assert "which is not the primary" in match.referee.violations[1]


def test_annotations_left_behind_and_users_on_the_wrong_side_are_told(match: Match) -> None:
    def mark(vs: Object) -> None:
        vs["metadata"]["annotations"] = {"canary-bot/rollout": "r-1"}
        weights(50, 50)(vs)

    match.write("VirtualService", "reviews", mark)
    match.referee.judge_end(promoted=True, final_subset="v1", upgraded=True)

    text = " ".join(match.referee.violations)
    assert "left ['canary-bot/rollout'] behind" in text
    assert "not with everyone on v1" in text
    assert "ended promoted and the primary runs" in text


def test_with_a_service_for_each_version_the_same_is_told() -> None:
    match = Match(ground=HOSTS, objects=bookinfo.hosts_objects)
    with match.kube:
        match.route(25)
        assert match.referee.violations == []
        assert dict(match.referee.shares_now().users) == {"reviews-v1": 75, "reviews-v2": 25}
        assert sorted(rates(match.kube.store, HOSTS, 40.0).values()) == [5.0, 5.0, 15.0, 15.0]

        match.write("Deployment", "reviews-v1", new_image)
        (violation,) = match.referee.violations
        assert violation.startswith("the template of reviews-v1 was changed while reviews-v1 was in use")


def new_image(deployment: Object) -> None:
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = bookinfo.image("v2")


def test_users_are_where_the_routes_and_the_ready_pods_are(match: Match) -> None:
    match.route(25)

    vs = match.kube.store.get("VirtualService", "default", "reviews")
    assert vs is not None
    assert dict(shares_of(vs).users) == {"v1": 75, "v2": 25}
    found = rates(match.kube.store, Ground(), 40.0)
    assert sorted((name.partition("/")[0], rate) for name, rate in found.items()) == [
        ("reviews-v1", 15.0),
        ("reviews-v1", 15.0),
        ("reviews-v2", 5.0),
        ("reviews-v2", 5.0),
    ]
