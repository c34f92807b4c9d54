"""Annotations have one door: who may take them up, what refusals name, and whom an end leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.cluster import virtual_service as virtual_services
from bot.controller.adoptable import odd
from bot.controller.controller import Controller
from bot.controller.decisions import Abandon, By
from bot.model.errors import Fault, Refusal, Unreadable
from bot.model.observation import Heartbeat
from bot.model.rollout import HOME, Phase, PodTemplate, Rollout, RolloutId, Routes, Target, Topology
from bot.words.rendering import plain
from tests.builders import MAYA, OMAR, a_service, a_target, routes
from tests.fakes.mesh import InMemoryMesh, VirtualService
from tests.fakes.store import InMemoryStore
from tests.unit.controller.test_controller import Rig

STAGES = ["mirror", "shift 60", "upgrade", "switchback 50", "bake"]
UNREADABLE = "holds rollout r-1 in schema 9, written by a newer canary-bot."


def with_second(rig: Rig, name: str = "ratings", **changes: Any) -> Controller:
    """A second service on the same VirtualService."""
    services = {"reviews": rig.service, name: replace(rig.service, name=name, **changes)}
    rig.controller = rig.restarted(services)
    return rig.controller


ELSEWHERE = [
    ({}, {}, None),
    ({}, {"host": "reviews-v1.shop.svc.cluster.local"}, "reviews-v1.shop"),
    ({}, {"canary_host": "reviews-v2.shop.svc.cluster.local"}, "reviews-v2.shop"),
    ({"primary_host": "reviews-v1"}, {}, None),
    ({"primary_host": "reviews-stable"}, {}, "reviews-v1.default"),
]


@pytest.mark.parametrize(("says", "annotated", "named"), ELSEWHERE, ids=str)
def test_hosts_of_versions_are_believed_in_their_namespace_and_as_services_yaml_names_them(
    says: dict[str, str], annotated: dict[str, str], named: str | None
) -> None:
    found = odd(a_service(**says), a_target(Topology.HOSTS, **annotated))

    assert (found is None) if named is None else (named in plain(found or ""))


SECOND = pytest.mark.parametrize(
    "changes",
    [{"primary_deployment": "ratings-v1", "canary_deployment": "ratings-{version}", "host": "ratings"}, {}],
    ids=["another primary", "the same primary"],
)


@SECOND
def test_an_abort_of_one_service_never_ends_the_live_rollout_of_another(changes: dict[str, str]) -> None:
    rig = Rig()
    rig.start()
    live = rig.at("shift 40")
    controller = with_second(rig, **changes)

    with pytest.raises(Refusal, match=r"live and belongs to reviews\. .* `/canary status reviews`"):
        controller.abort("ratings", by=MAYA, reason="cleans up")

    rig.tick()
    assert rig.mesh.observe(live.spec.target).routes == routes(40)
    assert (rig.live().phase, rig.live().hold) == (Phase.SHIFTING, None)


@SECOND
def test_the_refusal_of_a_second_service_names_no_command_that_ends_the_first(changes: dict[str, str]) -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    controller = with_second(rig, **changes | {"host": "reviews"})

    with pytest.raises(Refusal) as refused:
        controller.start("ratings", "v2", by=MAYA)

    said = "\n".join(map(plain, refused.value.reasons))
    assert ("which is live and belongs to reviews." in said) is (
        not changes
    )  # a primary that is not there is refused before
    assert not any(word in said for word in ("abort", "abandon", "Set the weight"))


def test_annotations_of_an_unknown_rollout_about_another_primary_are_nobodys_here() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    rig.store.lose_everything()
    controller = with_second(rig, primary_deployment="ratings-v1")

    with pytest.raises(Refusal, match="about Deployment default/reviews-v1 and not about ratings-v1"):
        controller.abort("ratings", by=MAYA, reason="cleans up")
    assert controller.reclaim("ratings", RolloutId("r-1"), "lost.") is None
    assert rig.mesh.written[-1] == routes(40)


class Foreign(InMemoryMesh):
    """Whoever beats works with another Redis; ``age`` seconds ago it did so."""

    age = 5.0

    def heartbeat(self, namespace: str, virtual_service: str) -> Heartbeat | None:
        found = super().heartbeat(namespace, virtual_service)
        return None if found is None else replace(found, foreign=True, limit=120.0, renewed_at=self._now() - self.age)


@pytest.mark.parametrize(("age", "aborted"), [(5.0, False), (119.0, False), (121.0, True), (-3600.0, True)])
def test_a_rollout_of_a_bot_with_another_store_is_aborted_here_only_once_that_one_is_silent(
    age: float, *, aborted: bool
) -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    rig.store = InMemoryStore()
    foreign = Foreign([rig.mesh.virtual_service()], now=rig.clock.now)
    rig.mesh, foreign.age = foreign, age
    rig.controller = rig.restarted()

    if not aborted:
        with pytest.raises(Refusal, match="which another canary-bot with its own Redis runs: end it there"):
            rig.controller.abort("reviews", by=MAYA, reason="cleans up")
        with pytest.raises(Refusal, match="another canary-bot"):
            rig.start()
        assert foreign.written == []
    else:
        rig.controller.abort("reviews", by=MAYA, reason="cleans up")
        assert foreign.written[0] == HOME


# Annotations of a rollout that has ended


def put_back(rig: Rig, stage: str) -> Rollout:
    """Its object of mid-run, as somebody's backup has it, over the one that its end has left."""
    rig.start()
    rig.at(stage)
    saved = rig.mesh.virtual_service()
    rig.controller.abort("reviews", by=MAYA, reason="bad")
    ended = rig.until(lambda rollout: rollout.ended)
    rig.mesh.edit("kubectl-replace", lambda vs: restored(vs, saved))
    return ended


def restored(vs: VirtualService, saved: VirtualService) -> None:
    vs["spec"], vs["metadata"]["annotations"] = saved["spec"], saved["metadata"]["annotations"]


@pytest.mark.parametrize("stage", STAGES)
def test_annotations_of_an_ended_rollout_are_cleaned_up_by_the_abort_that_the_refusal_names(stage: str) -> None:
    rig = Rig()
    before = rig.mesh.virtual_service()
    put_back(rig, stage)

    with pytest.raises(Refusal) as refused:
        rig.start()
    (about,) = [one for one in map(plain, refused.value.reasons) if "carries annotations" in one]
    assert "which has ended. `/canary abandon reviews` takes them off" in about
    assert "`/canary abort reviews` brings everyone home first" in about

    rig.controller.abort("reviews", by=MAYA, reason="as the refusal says")
    ended = rig.until(lambda rollout: rollout.ended)

    assert (ended.phase, rig.mesh.observe(ended.spec.target).routes) == (Phase.ABORTED, HOME)
    assert rig.mesh.virtual_service()["spec"] == before["spec"]
    assert "annotations" not in rig.mesh.virtual_service()["metadata"]
    assert [len(rig.controller.history("reviews")), len(rig.controller.refusals("reviews"))] == [2, 1]


def test_an_abort_of_an_ended_rollouts_annotations_does_not_take_back_the_image_that_it_has_promoted() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 60")
    saved = rig.mesh.virtual_service()
    rig.until(lambda rollout: rollout.phase is Phase.PROMOTED)
    applied = len(rig.workloads.applied)
    rig.mesh.edit("velero", lambda vs: restored(vs, saved))

    rig.controller.abort("reviews", by=MAYA, reason="somebody restored a backup")
    ended = rig.until(lambda rollout: rollout.ended)

    assert rig.mesh.observe(ended.spec.target).routes == HOME
    assert len(rig.workloads.applied) == applied
    assert rig.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:2"}


def test_an_abort_of_an_abandoned_rollouts_annotations_says_which_image_everyone_is_on() -> None:
    """It was abandoned with the primary upgraded, and its annotations could not go: that is no old version."""
    rig = Rig()
    rig.start()
    rig.at("switchback 50")
    rig.mesh.outage = Fault("Kubernetes", "cannot be reached.")
    rig.controller.decide("reviews", Abandon("nothing else helps"), By(id=OMAR))
    rig.mesh.outage = None

    rig.controller.abort("reviews", by=MAYA, reason="cleans up")
    ended = rig.until(lambda rollout: rollout.ended)

    assert (ended.phase, rig.mesh.observe(ended.spec.target).routes) == (Phase.ABORTED, HOME)
    text = plain(rig.controller.story(ended)[-1].text)
    assert "all users are on reviews-v1, with the image it has now (reviews:2)" in text
    assert "If that is not the old one, put the old one back by hand" in text


# Records and annotations that cannot be read


@pytest.mark.parametrize("stage", STAGES)
def test_an_abort_of_a_rollout_whose_record_cannot_be_read_goes_by_its_annotations(stage: str) -> None:
    rig = Rig()
    before = rig.mesh.virtual_service()
    rig.start()
    rig.at(stage)
    rig.store.garbled[RolloutId("r-1")] = UNREADABLE

    rig.controller.abort("reviews", by=MAYA, reason="now")
    ended = rig.until(lambda rollout: rollout.ended)

    assert (ended.phase, ended.spec.id) == (Phase.ABORTED, "r-2")
    assert rig.mesh.virtual_service()["spec"] == before["spec"]
    assert "annotations" not in rig.mesh.virtual_service()["metadata"]
    assert rig.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}
    assert "The record of rollout r-1 cannot be read, so its annotations were used." in plain(ended.reason)


@pytest.mark.parametrize("stage", STAGES)
def test_an_abort_goes_by_annotations_whose_owner_is_damaged_where_the_live_rollout_recorded_them(stage: str) -> None:
    rig = Rig()
    before = rig.mesh.virtual_service()
    rig.start()
    rig.at(stage)
    rig.store.garbled[RolloutId("r-1")] = UNREADABLE
    rig.mesh.edit("a tool", lambda vs: vs["metadata"]["annotations"].update({virtual_services.OWNER: "r-}"}))

    rig.controller.abort("reviews", by=MAYA, reason="now")
    ended = rig.until(lambda rollout: rollout.ended)

    assert (ended.phase, ended.spec.id) == (Phase.ABORTED, "r-2")
    assert rig.mesh.virtual_service()["spec"] == before["spec"]
    assert "annotations" not in rig.mesh.virtual_service()["metadata"]
    assert rig.workloads.deployments["reviews-v1"].images == {"reviews": "reviews:1"}


def test_a_record_that_cannot_be_read_and_no_annotations_is_told_as_it_is() -> None:
    rig = Rig()
    rig.start()
    live = rig.at("shift 40")
    rig.mesh.release(live.spec.target, HOME, live.spec.id)
    rig.store.garbled[live.spec.id] = UNREADABLE

    with pytest.raises(Fault, match="written by a newer canary-bot"):
        rig.controller.abort("reviews", by=MAYA, reason="now")
    assert rig.store.busy() == {"default/reviews": "r-1"}


def test_a_store_that_cannot_be_reached_is_no_unreadable_record() -> None:
    rig = Rig()
    rig.start()
    live = rig.at("shift 40")
    rig.store.outage = Fault("Redis", "cannot be reached.")

    with pytest.raises(Fault, match="cannot be reached"):
        rig.controller.abort("reviews", by=MAYA, reason="now")
    assert rig.mesh.observe(live.spec.target).routes == routes(40)


Damage = Callable[[dict[str, str]], object]


def newer(annotations: dict[str, str]) -> None:
    """What a newer version may write: more keys at every level, and other annotations."""
    saved = json.loads(annotations[virtual_services.RESTORE])
    saved["target"]["zone"], saved["primary"]["replicas"], saved["mirrors"] = "eu", 4, []
    saved["version"] = 7
    annotations[virtual_services.RESTORE] = json.dumps(saved)
    annotations["canary-bot/flags"] = "{}"


def test_annotations_that_a_newer_version_has_added_to_are_read_as_before() -> None:
    rig = Rig()
    rig.start()
    live = rig.at("shift 40")
    before = rig.mesh.annotations("default", "reviews")

    rig.mesh.edit("canary-bot", lambda vs: newer(vs["metadata"]["annotations"]))
    rig.tick()

    assert rig.mesh.annotations("default", "reviews") == before
    assert rig.mesh.observe(live.spec.target).annotated
    assert rig.live().hold is None


DAMAGES: dict[str, Damage] = {
    "no JSON": lambda a: a.update({virtual_services.RESTORE: "{"}),
    "no object": lambda a: a.update({virtual_services.RESTORE: "[]"}),
    "nothing in it": lambda a: a.update({virtual_services.RESTORE: "{}"}),
    "a number": lambda a: a.update({virtual_services.RESTORE: "7"}),
    "other shapes": lambda a: a.update(
        {virtual_services.RESTORE: json.dumps(json.loads(a[virtual_services.RESTORE]) | {"routes": {"": 1}})}
    ),
    "a newer one": lambda a: a.update({virtual_services.RESTORE: '{"version": 9, "all": "new"}'}),
    "gone": lambda a: a.pop(virtual_services.RESTORE),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("stage", ["mirror", "shift 60", "upgrade", "bake"])
def test_annotations_that_cannot_be_read_stop_no_abort_of_a_rollout_whose_record_can(
    stage: str, damage: Damage
) -> None:
    rig = Rig()
    rig.start()
    live = rig.at(stage)
    rig.mesh.edit("maya", lambda vs: damage(vs["metadata"]["annotations"]))

    rig.controller.abort("reviews", by=OMAR, reason="now")
    ended = rig.until(lambda rollout: rollout.ended)

    assert (ended.phase, rig.mesh.observe(live.spec.target).routes) == (Phase.ABORTED, HOME)
    assert "annotations" not in rig.mesh.virtual_service()["metadata"]


@pytest.mark.parametrize(
    ("damage", "known"),
    [(damage, known) for damage in ("no JSON", "a newer one", "gone") for known in ("garbled", "lost")]
    + [("stripped", "garbled")],
)
def test_where_neither_record_nor_annotations_can_be_read_the_abort_names_the_way_out(damage: str, known: str) -> None:
    """Both that say how it was before are lost: nobody is moved on a guess, and abandoning ends it."""
    rig = Rig()
    rig.start()
    live = rig.at("shift 40")
    change = DAMAGES.get(damage, dict.clear)
    rig.mesh.edit("maya", lambda vs: change(vs["metadata"]["annotations"]))
    if known == "garbled":
        rig.store.garbled[live.spec.id] = UNREADABLE
    else:
        rig.store.lose_everything()

    with pytest.raises(Unreadable, match="`/canary abandon reviews` ends the rollout and moves nobody"):
        rig.controller.abort("reviews", by=MAYA, reason="now")
    rig.controller.decide("reviews", Abandon("nothing is known of it"), By(id=OMAR))

    assert rig.mesh.observe(live.spec.target).routes == routes(40)
    assert not rig.mesh.virtual_service()["metadata"].get("annotations")
    assert rig.store.busy() == {}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_annotations_that_are_damaged_in_the_last_moment_do_not_keep_a_promotion_from_its_end(damage: Damage) -> None:
    rig = Rig()
    rig.start()
    live = rig.at("bake")
    target, owner = live.spec.target, live.spec.id
    rig.mesh.edit("maya", lambda vs: damage(vs["metadata"]["annotations"]))

    rig.mesh.release(target, HOME, owner)

    assert rig.mesh.observe(target).owner is None
    assert rig.mesh.observe(target).routes == HOME


def test_what_an_earlier_rollout_had_recorded_is_not_taken_for_how_it_was_before_this_one() -> None:
    rig = Rig()
    put_back(rig, "shift 60")
    rig.mesh.edit("maya", lambda vs: vs["metadata"]["annotations"].pop(virtual_services.OWNER))
    rig.mesh.edit("maya", lambda vs: vs["spec"]["http"][0]["route"][0].update(weight=100))
    rig.mesh.edit("maya", lambda vs: vs["spec"]["http"][0]["route"][1].update(weight=0))
    other = PodTemplate(images={"reviews": "reviews:7"})

    route_as(rig.mesh, rig.newest().spec.target, Routes(canary=0, mirror=True), other)

    annotations = rig.mesh.annotations("default", "reviews")
    assert annotations is not None
    assert (annotations.owner, annotations.recorded) == ("r-9", other)


def route_as(mesh: InMemoryMesh, target: Target, wanted: Routes, recorded: PodTemplate) -> None:
    mesh.route(target, wanted, RolloutId("r-9"), recorded)
