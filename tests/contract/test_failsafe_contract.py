"""What every ``Failsafe`` promises, asked of the fake and of the real adapter before a Kubernetes API over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.failsafe import KubeFailsafe
from bot.adapters.istio import IstioMesh
from bot.adapters.kube import WATCHDOG_MANAGER, Kube
from bot.cluster import heartbeat_lease
from bot.controller.ports import Failsafe, Mesh
from bot.model.errors import Contended, Fault
from bot.model.observation import FailsafeAction, FailsafeRecord, Heartbeat, RolloutAnnotations
from bot.model.rollout import ALL_CANARY, HOME, PodTemplate, RolloutId, Routes
from sandbox.kube import KubeApi, bookinfo
from tests.builders import a_target
from tests.fakes.mesh import InMemoryMesh

ME = RolloutId("r-1")
RECORDED = PodTemplate(images={"reviews": "reviews:1"})
TARGET = a_target()
SIXTY = Routes(canary=60)
AT = 1_750_000_000.0
HELP = FailsafeRecord(at=AT, silence=121.5, action=FailsafeAction.HOME)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A VirtualService in mid-rollout at 60 %, the bot's hands, and the watchdog's."""

    mesh: Mesh
    failsafe: Failsafe
    read: Callable[[], dict[str, Any]]

    def annotations(self) -> RolloutAnnotations:
        found = self.mesh.annotations("default", "reviews")
        assert found is not None
        return found

    def heartbeat(self) -> Heartbeat:
        found = self.mesh.heartbeat("default", "reviews")
        assert found is not None
        return found


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.05) as api:
        yield api.load(bookinfo.objects())


@pytest.fixture(params=["memory", "kubernetes"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "memory":
        memory = InMemoryMesh(now=lambda: AT)
        memory.route(TARGET, SIXTY, ME, RECORDED)
        return World(mesh=memory, failsafe=memory, read=memory.virtual_service)
    api: KubeApi = request.getfixturevalue("api")
    bot, dog = (kube_of(api, tmp_path, manager) for manager in ("canary-bot", WATCHDOG_MANAGER))
    IstioMesh(bot, lambda: AT).route(TARGET, SIXTY, ME, RECORDED)
    return World(
        mesh=IstioMesh(bot, lambda: AT + 40), failsafe=KubeFailsafe(dog, lambda: AT + 121.5), read=lambda: live(api)
    )


def kube_of(api: KubeApi, directory: Path, manager: str) -> Kube:
    config = api.write_kubeconfig(directory / "kubeconfig")
    return Kube.connect(str(config), on_warning=lambda _: None, manager=manager)


def live(api: KubeApi) -> dict[str, Any]:
    found = api.store.get("VirtualService", "default", "reviews")
    assert found is not None
    return found


def test_a_failsafe_action_writes_the_routes_and_why_and_leaves_the_annotations(world: World) -> None:
    annotations = world.annotations()
    world.failsafe.apply(annotations, world.heartbeat().beat, HOME, HELP)
    observed = world.mesh.observe(TARGET)
    assert (observed.routes, observed.owner, observed.writer, observed.failsafe_record) == (
        HOME,
        ME,
        WATCHDOG_MANAGER,
        HELP,
    )
    assert world.annotations() == annotations


def test_without_a_key_a_record_that_another_hand_wrote_is_not_the_watchdogs(api: KubeApi, tmp_path: Path) -> None:
    bot, dog = (kube_of(api, tmp_path, manager) for manager in ("canary-bot", WATCHDOG_MANAGER))
    mesh = IstioMesh(bot, lambda: AT)
    mesh.route(TARGET, SIXTY, ME, RECORDED)
    bare, heartbeat = live(api), mesh.heartbeat("default", "reviews")
    annotations = mesh.annotations("default", "reviews")
    assert annotations is not None and heartbeat is not None  # noqa: PT018  # both are there from the first write
    KubeFailsafe(dog, lambda: AT).apply(annotations, heartbeat.beat, HOME, HELP)
    helped = live(api)
    assert mesh.observe(TARGET).failsafe_record == HELP

    api.replace_as("kubectl-edit", bare | {"metadata": _renewed(bare, helped)})
    api.replace_as("kubectl-edit", helped | {"metadata": _renewed(helped, live(api))})

    assert "canary-bot/watchdog" in live(api)["metadata"]["annotations"]
    assert mesh.observe(TARGET).failsafe_record is None


def _renewed(wanted: dict[str, Any], current: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = wanted["metadata"]
    return metadata | {"resourceVersion": current["metadata"]["resourceVersion"]}


def test_who_reads_the_object_reads_why(world: World) -> None:
    world.failsafe.apply(world.annotations(), world.heartbeat().beat, HOME, HELP)
    said = world.read()["metadata"]["annotations"]["canary-bot/watchdog"]
    assert "so the watchdog sent everyone back to reviews-v1 (2025-06-15 15:06 UTC)." in said


def test_keeping_users_where_they_are_is_only_said(world: World) -> None:
    world.mesh.route(TARGET, ALL_CANARY, ME, RECORDED)
    before = world.read()["spec"]
    kept = FailsafeRecord(at=AT, silence=120.0, action=FailsafeAction.KEPT)
    world.failsafe.apply(world.annotations(), world.heartbeat().beat, ALL_CANARY, kept)
    assert world.read()["spec"] == before
    assert world.mesh.observe(TARGET).failsafe_record == kept


def test_the_watchdogs_annotation_goes_with_the_others(world: World) -> None:
    world.failsafe.apply(world.annotations(), world.heartbeat().beat, HOME, HELP)
    world.mesh.release(TARGET, HOME, ME)
    annotations = world.read()["metadata"].get("annotations") or {}
    assert [name for name in annotations if name.startswith("canary-bot/")] == []


def test_a_heartbeat_that_has_changed_stops_a_failsafe_action(world: World) -> None:
    with pytest.raises(Contended):
        world.failsafe.apply(world.annotations(), "17", HOME, HELP)
    assert world.mesh.observe(TARGET).routes == SIXTY


def test_a_rollout_that_has_ended_stops_a_failsafe_action(world: World) -> None:
    annotations, beat = world.annotations(), world.heartbeat().beat
    world.mesh.release(TARGET, HOME, ME)
    before = world.read()
    with pytest.raises(Contended):
        world.failsafe.apply(annotations, beat, HOME, HELP)
    assert world.read() == before


def test_a_failsafe_action_takes_the_heartbeat_over_and_a_bot_that_comes_back_takes_it_again(world: World) -> None:
    world.mesh.beat(TARGET, ME, 120.0)
    before = world.heartbeat()
    world.failsafe.apply(world.annotations(), before.beat, HOME, HELP)
    assert world.heartbeat().beat == before.beat  # another watchdog goes on counting the same silence
    for _ in range(2):  # the first may only find that it is in other hands
        with suppress(Contended):
            world.mesh.beat(TARGET, ME, 120.0)
    assert world.heartbeat().beat != before.beat
    with pytest.raises(Contended):
        world.failsafe.apply(world.annotations(), before.beat, HOME, HELP)
    assert world.mesh.observe(TARGET).failsafe_record == HELP


def test_a_beat_since_the_last_reconcile_stops_a_failsafe_action(world: World) -> None:
    world.mesh.beat(TARGET, ME, 120.0)
    before = world.heartbeat()
    world.mesh.beat(TARGET, ME, 120.0)
    with pytest.raises(Contended):
        world.failsafe.apply(world.annotations(), before.beat, HOME, HELP)
    assert world.mesh.observe(TARGET).routes == SIXTY


def test_annotations_from_a_backup_are_no_sign_of_life_whatever_lease_there_is(world: World) -> None:
    world.mesh.beat(TARGET, ME, 120.0)
    world.mesh.quiet(TARGET, ME)
    before = world.heartbeat()
    assert (before.limit, before.renewed_at) == (0.0, None)
    world.failsafe.apply(world.annotations(), before.beat, HOME, HELP)
    assert world.mesh.observe(TARGET).routes == HOME


def test_an_event_about_nothing_is_none(world: World) -> None:
    world.failsafe.notify("default", "elsewhere", "BroughtHome", "Everyone is home.")


# Only over the wire


class Meddled(Kube):
    """A connection on which the bot gives a sign of life just before each write arrives."""

    def __init__(self, kube: Kube, api: KubeApi) -> None:
        self.__dict__.update(kube.__dict__)
        self._server = api

    def put(self, obj: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        vs = live(self._server)
        vs["metadata"]["annotations"]["canary-bot/heartbeat"] = "18"
        self._server.store.put(vs)
        return super().put(obj, dry_run=dry_run)


def test_a_beat_between_read_and_write_wins(api: KubeApi, tmp_path: Path) -> None:
    mesh = IstioMesh(kube_of(api, tmp_path, "canary-bot"), lambda: AT)
    mesh.route(TARGET, SIXTY, ME, RECORDED)
    failsafe = KubeFailsafe(Meddled(kube_of(api, tmp_path, WATCHDOG_MANAGER), api), lambda: AT)
    annotations = mesh.annotations("default", "reviews")
    assert annotations is not None
    with pytest.raises(Contended):
        failsafe.apply(annotations, str(int(AT)), HOME, HELP)
    assert mesh.observe(TARGET).routes == SIXTY


def test_a_beat_on_the_lease_between_read_and_write_wins(api: KubeApi, tmp_path: Path) -> None:
    mesh = IstioMesh(kube_of(api, tmp_path, "canary-bot"), lambda: AT)
    mesh.route(TARGET, SIXTY, ME, RECORDED)
    mesh.beat(TARGET, ME, 120.0)
    annotations, heartbeat = mesh.annotations("default", "reviews"), mesh.heartbeat("default", "reviews")
    assert annotations is not None
    assert heartbeat is not None
    kube = Beating(kube_of(api, tmp_path, WATCHDOG_MANAGER), lambda: mesh.beat(TARGET, ME, 120.0))
    with pytest.raises(Contended):
        KubeFailsafe(kube, lambda: AT).apply(annotations, heartbeat.beat, HOME, HELP)
    assert mesh.observe(TARGET).routes == SIXTY


class Beating(Kube):
    """A connection on which the bot beats just before the first write arrives."""

    def __init__(self, kube: Kube, beat: Callable[[], None]) -> None:
        self.__dict__.update(kube.__dict__)
        self._beat: Callable[[], None] | None = beat

    def put(self, obj: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        beat, self._beat = self._beat, None
        if beat:
            beat()
        return super().put(obj, dry_run=dry_run)


def test_watchdogs_say_where_they_watch_and_what_their_limit_is(api: KubeApi, tmp_path: Path) -> None:
    failsafe = KubeFailsafe(kube_of(api, tmp_path, WATCHDOG_MANAGER), lambda: AT)
    failsafe.watch("default", 90.0)
    failsafe.watch("default", 120.0)
    (lease,) = api.store.list("Lease", "default")
    assert lease["metadata"]["name"] == "canary-bot.watchdog"
    assert heartbeat_lease.watched(lease) == (120.0, AT)


def test_routes_that_cannot_be_told_any_more_are_a_fault_in_words(api: KubeApi, tmp_path: Path) -> None:
    mesh = IstioMesh(kube_of(api, tmp_path, "canary-bot"), lambda: AT)
    mesh.route(TARGET, SIXTY, ME, RECORDED)
    annotations = mesh.annotations("default", "reviews")
    assert annotations is not None
    vs = live(api)
    vs["spec"]["http"][0] = {"redirect": {"uri": "/elsewhere"}}
    api.store.put(vs)
    failsafe = KubeFailsafe(kube_of(api, tmp_path, WATCHDOG_MANAGER), lambda: AT)
    with pytest.raises(Fault, match="has no http route to reviews"):
        failsafe.apply(annotations, str(int(AT)), HOME, HELP)


def test_an_event_is_about_the_object_and_from_the_watchdog(api: KubeApi, tmp_path: Path) -> None:
    failsafe = KubeFailsafe(kube_of(api, tmp_path, WATCHDOG_MANAGER), lambda: AT)
    failsafe.notify("default", "reviews", "BroughtHome", "Everyone is home.")
    (event,) = api.store.list("Event", "default")
    about = event["involvedObject"]
    assert (about["kind"], about["name"], about["uid"]) == ("VirtualService", "reviews", live(api)["metadata"]["uid"])
    assert (event["reason"], event["message"], event["type"]) == ("BroughtHome", "Everyone is home.", "Warning")
    assert event["source"] == {"component": WATCHDOG_MANAGER}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2025-06-15T15:06:40Z"


def test_a_second_event_of_the_same_moment_is_a_conflict_not_a_crash(api: KubeApi, tmp_path: Path) -> None:
    failsafe = KubeFailsafe(kube_of(api, tmp_path, WATCHDOG_MANAGER), lambda: AT)
    failsafe.notify("default", "reviews", "BroughtHome", "Everyone is home.")
    with pytest.raises(Contended):
        failsafe.notify("default", "reviews", "BroughtHome", "Everyone is home.")
