"""An attacker's night: whoever may edit one VirtualService gets sentences, and no write, from the bot or the watchdog.

Each forgery is tried with the store lost and with nothing in it, without a key and with one; what must hold is one law:
the primary never gets an image that none of its ReplicaSets had, and no route is written because of a forged text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.cluster.virtual_service import OWNER, RESTORE, WATCHDOG, heartbeat_of, owner_of
from bot.cluster.virtual_service.annotations import NOBODY
from bot.model.observation import FailsafeAction
from bot.model.rollout import Phase
from bot.model.signing import UNSIGNED, Signer
from bot.model.story import EntryKind
from bot.words.rendering import plain
from tests.builders import OLD, keys
from tests.unit.controller.test_adoption import Morning

OURS, THEIRS = Signer(keys=(b"k" * 32,)), Signer(keys=(b"x" * 32,))
EVIL = "registry.example/evil:1"

Restore = dict[str, Any]


def _set(*path: str, to: object) -> Callable[[Restore], object]:
    def change(saved: Restore) -> None:
        place = saved
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


FORGERIES: dict[str, Callable[[Restore], object]] = {
    "an image": _set("primary", "images", to={"reviews": EVIL}),
    "another Deployment": _set("target", "primary_deployment", to="payments"),
    "another namespace": _set("target", "namespace", to="kube-system"),
    "another VirtualService": _set("target", "virtual_service", to="payments"),
    "another rule": _set("target", "destination_rule", to="payments"),
    "another host": _set("target", "host", to="payments.default.svc.cluster.local"),
    "another canary": _set("target", "canary_deployment", to="payments"),
    "a route": _set("target", "route_names", to=["payments"]),
    "a path": _set("target", "primary_deployment", to="../../secrets/root"),
    "a name with a slash": _set("target", "canary_deployment", to="reviews-v2/scale"),
    "a subset that is a query": _set("target", "canary_subset", to='v2"} or vector(1) #'),
    "a list for a name": _set("target", "primary_deployment", to=["reviews-v1"]),
    "a negative size": _set("target", "primary_replicas", to=-1),
    "a share of everything and more": _set("target", "mirror_percent", to=1e308),
    "images that are none": _set("primary", "images", to=["evil"]),
    "labels that are none": _set("primary", "labels", to="version=v1"),
}


class Night(Morning):
    """A rollout half-way, and somebody who may edit its VirtualService and nothing else."""

    def __init__(self, signer: Signer) -> None:
        super().__init__()
        self.mesh.signer = signer
        self.begun("upgrade")

    def forge(self, change: Callable[[Restore], object]) -> None:
        def edit(vs: dict[str, Any]) -> None:
            annotations = vs["metadata"]["annotations"]
            saved = json.loads(annotations[RESTORE])
            change(saved)
            annotations[RESTORE] = json.dumps(saved)

        self.mesh.edit("mallory", edit)

    def until_taken_up(self) -> None:
        for _ in range(20):
            self.reconcile()

    def alerts(self) -> list[str]:
        past = (*self.store.refusals("default/reviews"), *self.store.history("default/reviews"))
        return [one.text for rollout in past for one in self.story_of(rollout.spec.id) if one.kind is EntryKind.ALERT]

    def story_of(self, rollout_id: Any) -> Any:
        return self.store.story("default/reviews", rollout_id)


@pytest.mark.parametrize("signer", [UNSIGNED, OURS], ids=["without a key", "signed"])
@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_annotations_move_nobody_and_are_told(forgery: str, signer: Signer) -> None:
    night = Night(signer)
    night.forge(FORGERIES[forgery])
    night.redis_is_lost()
    night.bot_is_restarted()
    applied, written = list(night.workloads.applied), list(night.mesh.written)
    images = dict(night.workloads.deployments["reviews-v1"].images)

    for _ in range(20):
        night.reconcile()
    night.nobody_lives()

    assert night.workloads.applied == applied
    assert night.mesh.written == written
    assert night.workloads.deployments["reviews-v1"].images == images
    assert len(night.alerts()) == 1
    assert EVIL not in night.workloads.known_images(night.newest().spec.target)


def test_what_is_wrong_is_told_once_however_often_it_is_found_and_whoever_finds_it() -> None:
    night = Night(UNSIGNED)
    night.forge(FORGERIES["an image"])
    night.redis_is_lost()
    for _ in range(5):
        night.bot_is_restarted()
        for _ in range(20):
            night.reconcile()

    (alert,) = map(plain, night.alerts())
    assert alert.startswith("VirtualService reviews carries annotations of rollout r-1 that name image ")
    assert "None of its ReplicaSets has that image, so it is not used." in alert
    assert alert.endswith("`/canary abandon reviews` takes the annotations off.")
    assert night.newest().phase is Phase.REFUSED


def test_an_image_that_the_primary_had_is_restored_without_a_key_as_before() -> None:
    night = Night(UNSIGNED)
    night.redis_is_lost()
    night.bot_is_restarted()
    night.until_taken_up()

    night.ends_at_home()

    assert night.workloads.applied[-1].images == {"reviews": OLD}


def test_signed_annotations_are_taken_up_as_before() -> None:
    night = Night(OURS)
    night.redis_is_lost()
    night.bot_is_restarted()
    night.until_taken_up()

    night.ends_at_home()


def test_annotations_of_another_object_are_worth_nothing_on_this_one() -> None:
    night = Night(OURS)

    def moved(vs: dict[str, Any]) -> None:
        vs["metadata"]["uid"] = "made-again"

    night.mesh.edit("mallory", moved)
    night.redis_is_lost()
    night.bot_is_restarted()
    written = list(night.mesh.written)

    for _ in range(20):
        night.reconcile()
    night.nobody_lives()

    assert night.mesh.written == written
    assert "is not what this bot has signed" in plain(night.alerts()[0])


def test_a_live_rollouts_unsigned_annotations_are_signed_without_a_word() -> None:
    night = Night(UNSIGNED)
    night.mesh.signer = OURS
    before = len(night.controller.story(night.live()))

    night.tick()

    annotations = night.mesh.annotations("default", "reviews")
    assert annotations is not None
    assert (annotations.owner, annotations.recorded.images) == (night.live().spec.id, {"reviews": OLD})
    assert [one.kind for one in night.controller.story(night.live())[before:]] == []


@pytest.mark.parametrize("signer", [OURS], ids=["signed"])
@pytest.mark.parametrize("action", list(FailsafeAction))
def test_a_watchdogs_record_that_no_watchdog_wrote_ends_no_rollout(signer: Signer, action: FailsafeAction) -> None:
    night = Night(signer)
    said = {"rollout": night.live().spec.id, "at": 1.0, "silence": 500.0, "deed": action, "sentence": "so"}

    def edit(vs: dict[str, Any]) -> None:
        vs["metadata"]["annotations"][WATCHDOG] = json.dumps(said | {"signature": "0" * 64})

    night.mesh.edit("mallory", edit)
    night.tick()

    assert night.live().phase is not Phase.ABORTING


def test_the_watchdog_signs_what_it_did_and_the_bot_believes_it() -> None:
    night = Night(OURS)
    night.nobody_lives()

    night.tick()

    assert night.live().phase is Phase.ABORTING
    assert keys(night.live().reason) == ["rollout.watchdog_kept"]


NO_IDS = ("../r-1", "click https://evil.example now", "<!channel>", "r-1\nall is well", "\u0433-1", "r" * 64, "\ud83d")


@pytest.mark.parametrize("owner", NO_IDS)
def test_an_owner_that_is_no_rollouts_stops_no_other_service_and_takes_no_path(owner: str) -> None:
    night = Night(UNSIGNED)

    def edit(vs: dict[str, Any]) -> None:
        vs["metadata"]["annotations"][OWNER] = owner

    night.mesh.edit("mallory", edit)
    applied = list(night.workloads.applied)
    for _ in range(20):
        night.reconcile()

    assert night.workloads.applied == applied
    vs = night.mesh.virtual_service()
    heartbeat = heartbeat_of(vs)
    assert heartbeat is not None
    assert {owner_of(vs), heartbeat.owner} == {NOBODY}  # nobody else's words are said in the bot's name


def test_people_are_told_once_that_nobody_looks_after_a_rollout_whose_record_is_not_ours() -> None:
    night = Night(UNSIGNED)
    live = night.live()
    night.store.garbled[live.spec.id] = "holds a rollout that cannot be read."

    for _ in range(3):
        night.controller.report_unreadable(["default/reviews", "default/elsewhere"])

    (alert,) = map(plain, night.alerts())
    assert alert.startswith(f"canary-bot cannot watch rollout {live.spec.id} of reviews: Redis ")
    assert "`/canary abort reviews` brings them home" in alert


def test_nothing_is_told_of_a_rollout_that_has_just_ended() -> None:
    night = Night(UNSIGNED)
    before = len(night.store.history("default/reviews"))

    night.controller.report_unreadable(["default/reviews"])

    assert len(night.store.history("default/reviews")) == before
