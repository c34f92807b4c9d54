"""What every ``Mesh`` promises, asked of the fake and of the real adapter before a Kubernetes API over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.istio import IstioMesh
from bot.adapters.kube import Kube
from bot.adapters.kube_answers import Unanswered
from bot.adapters.kube_cache import CachedReads
from bot.cluster.virtual_service import HEARTBEAT, OWNER, RESTORE, WATCHDOG
from bot.controller.ports import Mesh
from bot.model.errors import Cause, Contended, Fault, Refusal
from bot.model.observation import Heartbeat, RouteStatus
from bot.model.rollout import ALL_CANARY, HOME, PodTemplate, RolloutId, Routes
from bot.words.rendering import plain
from sandbox.kube import KubeApi, bookinfo
from tests.builders import a_target
from tests.fakes.mesh import InMemoryMesh

ME, OTHER = RolloutId("r-1"), RolloutId("r-2")
RECORDED = PodTemplate(images={"reviews": "reviews:1"})
MIRROR, QUARTER = Routes(canary=0, mirror=True), Routes(canary=25)
TARGET = a_target()
STAGES = (MIRROR, QUARTER, ALL_CANARY, HOME)

Change = Callable[[dict[str, Any]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A mesh, its VirtualService as it is now, and somebody else's hands."""

    mesh: Mesh
    read: Callable[[], dict[str, Any]]
    edit: Callable[[str, Change], None]
    leases: Callable[[], list[dict[str, Any]]]


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.05) as api:
        yield api.load(bookinfo.objects())


@pytest.fixture(params=["memory", "kubernetes", "cached"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        memory = InMemoryMesh()
        leases = lambda: list(memory.leases.values())  # noqa: E731  # a word for it
        yield World(mesh=memory, read=memory.virtual_service, edit=memory.edit, leases=leases)
        return
    api: KubeApi = request.getfixturevalue("api")
    kube = kube_of(api, tmp_path)
    with closing(CachedReads(kube)) as reads:

        def edited(by: str, change: Change) -> None:
            edit(api, by, change)
            if request.param == "cached":  # what others do is seen as soon as the watch has told of it
                await_version(reads, live(api))

        cached = reads if request.param == "cached" else None
        mesh = IstioMesh(kube, lambda: 0.0, reads=cached, leases=cached)
        yield World(mesh=mesh, read=lambda: live(api), edit=edited, leases=lambda: api.store.list("Lease", "default"))


def await_version(reads: CachedReads, vs: dict[str, Any], seconds: float = 5.0) -> None:
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while (reads.get("VirtualService", "default", "reviews") or {})["metadata"]["resourceVersion"] != _version(vs):
        assert time.monotonic() < deadline, "the watch never told of the edit"
        pause.wait(0.005)


def _version(vs: dict[str, Any]) -> str:
    return str(vs["metadata"]["resourceVersion"])


def kube_of(api: KubeApi, directory: Path, warnings: list[str] | None = None) -> Kube:
    heard = [] if warnings is None else warnings
    return Kube.connect(str(api.write_kubeconfig(directory / "kubeconfig")), on_warning=heard.append)


def live(api: KubeApi) -> dict[str, Any]:
    found = api.store.get("VirtualService", "default", "reviews")
    assert found is not None
    return found


def edit(api: KubeApi, by: str, change: Change) -> None:
    vs = live(api)
    change(vs)
    api.replace_as(by, vs)


def weights(canary: int) -> Change:
    def change(vs: dict[str, Any]) -> None:
        primary_entry, canary_entry = vs["spec"]["http"][0]["route"]
        primary_entry["weight"], canary_entry["weight"] = 100 - canary, canary

    return change


def annotation(name: str, text: str) -> Change:
    return lambda vs: vs["metadata"]["annotations"].update({name: text})


def without_bookkeeping(vs: dict[str, Any]) -> dict[str, Any]:
    kept = ("name", "namespace", "labels", "annotations", "ownerReferences")
    return {"spec": vs["spec"], "metadata": {key: value for key, value in vs["metadata"].items() if key in kept}}


def test_an_untouched_mesh_is_at_home_and_nobodys(world: World) -> None:
    assert world.mesh.observe(TARGET) == RouteStatus(routes=HOME)


@pytest.mark.parametrize("methods", [None, ("GET", "HEAD")])
def test_what_is_routed_is_what_is_seen(world: World, methods: tuple[str, ...] | None) -> None:
    target = replace(TARGET, mirror_methods=methods)
    for routes in STAGES:
        world.mesh.route(target, routes, ME, RECORDED)
        assert world.mesh.observe(target) == RouteStatus(routes=routes, owner=ME, writer="canary-bot")


def test_routing_what_is_routed_already_writes_nothing(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    before = world.read()
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    assert world.read() == before


@pytest.mark.parametrize("methods", [None, ("GET", "HEAD")])
def test_a_release_at_home_leaves_the_object_as_it_was(world: World, methods: tuple[str, ...] | None) -> None:
    target, before = replace(TARGET, mirror_methods=methods), without_bookkeeping(world.read())
    for routes in (MIRROR, QUARTER, HOME):
        world.mesh.route(target, routes, ME, RECORDED)
    world.mesh.release(target, HOME, ME)
    world.mesh.release(target, HOME, ME)
    assert without_bookkeeping(world.read()) == before


def test_a_release_on_the_canary_keeps_its_weights_and_drops_the_annotations(world: World) -> None:
    world.mesh.route(TARGET, ALL_CANARY, ME, RECORDED)
    world.mesh.release(TARGET, ALL_CANARY, ME)
    assert world.mesh.observe(TARGET) == RouteStatus(routes=ALL_CANARY, writer="canary-bot")
    assert "annotations" not in world.read()["metadata"]


def test_another_rollouts_mesh_is_neither_routed_nor_released(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    with pytest.raises(Contended, match="belongs to rollout r-1"):
        world.mesh.route(TARGET, HOME, OTHER, RECORDED)
    with pytest.raises(Contended, match="belongs to rollout r-1"):
        world.mesh.release(TARGET, HOME, OTHER)
    assert world.mesh.observe(TARGET).routes == QUARTER


def test_an_edit_by_hand_is_seen_with_its_writer_and_mended_on_request(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.edit("maya", weights(70))
    assert world.mesh.observe(TARGET) == RouteStatus(routes=Routes(canary=70), owner=ME, writer="maya")
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    assert world.mesh.observe(TARGET).routes == QUARTER


def test_stripped_annotations_come_back_with_the_next_route(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.edit("argocd-controller", lambda vs: vs["metadata"].pop("annotations"))
    assert (world.mesh.observe(TARGET).owner, world.mesh.observe(TARGET).annotated_by) == (None, ""), (
        "a removal has no author"
    )
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    assert {OWNER, RESTORE} <= world.read()["metadata"]["annotations"].keys()


def test_a_annotation_that_another_took_is_overwritten_only_by_who_names_it(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, OTHER, RECORDED)
    with pytest.raises(Contended, match="belongs to rollout r-2"):
        world.mesh.route(TARGET, HOME, ME, RECORDED, taking_from=RolloutId("r-3"))
    world.mesh.route(TARGET, HOME, ME, RECORDED, taking_from=OTHER)
    observed = world.mesh.observe(TARGET)
    assert (observed.routes, observed.owner, observed.annotated) == (HOME, ME, True)


@pytest.mark.parametrize(
    ("damage", "who"),
    [
        (lambda annotations: annotations.pop(RESTORE), ""),
        (lambda annotations: annotations.update({RESTORE: "{"}), "maya"),
    ],
)
def test_a_record_that_is_gone_or_damaged_is_seen_and_written_again(
    world: World, damage: Callable[[dict[str, str]], object], who: str
) -> None:
    world.mesh.route(TARGET, MIRROR, ME, RECORDED)
    world.edit("maya", lambda vs: damage(vs["metadata"]["annotations"]))
    assert (world.mesh.observe(TARGET).annotated, world.mesh.observe(TARGET).annotated_by) == (False, who)
    with pytest.raises(Contended, match="already mirrors"):  # as far as its annotations say, somebody else does
        world.mesh.route(TARGET, MIRROR, ME, RECORDED)
    world.mesh.route(TARGET, MIRROR, ME, RECORDED, held_before=True)
    assert world.mesh.observe(TARGET) == RouteStatus(routes=MIRROR, owner=ME, writer=world.mesh.observe(TARGET).writer)


def test_previews_write_nothing_and_pass_the_rehearsal(world: World) -> None:
    before = world.read()
    objects = [world.mesh.preview(TARGET, routes, ME, RECORDED) for routes in STAGES]
    objects.append(world.mesh.preview_release(TARGET, HOME))
    assert world.mesh.rehearse(TARGET, objects).refusals == ()
    assert world.read() == before
    world.mesh.route(TARGET, MIRROR, ME, RECORDED)
    assert without_bookkeeping(world.read()) == without_bookkeeping(objects[0])


def test_an_object_that_became_ambiguous_is_a_reason_a_refusal_or_a_contention_by_who_asks(world: World) -> None:
    twice = [{"destination": {"host": "reviews", "subset": "v1"}, "weight": 50}] * 2
    world.edit("maya", lambda vs: vs["spec"]["http"][0].update(route=twice))
    observed = world.mesh.observe(TARGET)
    assert (observed.routes, "names a subset more than once" in plain(observed.reason)) == (None, True)
    with pytest.raises(Refusal, match="cannot be managed"):
        world.mesh.preview(TARGET, MIRROR, ME, RECORDED)
    with pytest.raises(Contended, match="cannot be managed"):
        world.mesh.route(TARGET, MIRROR, ME, RECORDED)


def test_a_missing_virtual_service_is_a_fault(world: World) -> None:
    with pytest.raises(Fault, match="default/nowhere does not exist") as missing:
        world.mesh.observe(replace(TARGET, virtual_service="nowhere"))
    assert missing.value.cause is Cause.MISSING


# The real adapter alone: conflicts, lost answers, refusals of the server


class Meddling:
    """A clock that tells the time once somebody has edited the object: between our read and our write."""

    def __init__(self, meddle: Callable[[], None], times: int = 1) -> None:
        self._meddle = meddle
        self._times = times

    def __call__(self) -> float:
        if self._times:
            self._times -= 1
            self._meddle()
        return 0.0


def meddled(api: KubeApi, directory: Path, change: Change, times: int = 1) -> IstioMesh:
    clock = Meddling(lambda: edit(api, "maya", change), times)
    return IstioMesh(kube_of(api, directory), clock, wait=lambda _: None)


def test_an_unrelated_edit_between_read_and_write_is_kept(api: KubeApi, tmp_path: Path) -> None:
    mesh = meddled(api, tmp_path, lambda vs: vs["metadata"].setdefault("labels", {}).update(team="books"))
    mesh.route(TARGET, QUARTER, ME, RECORDED)
    assert live(api)["metadata"]["labels"] == {"team": "books"}
    assert mesh.observe(TARGET).routes == QUARTER


def test_an_edit_of_the_managed_routes_between_read_and_write_is_not_overwritten(api: KubeApi, tmp_path: Path) -> None:
    mesh = meddled(api, tmp_path, weights(70))
    with pytest.raises(Contended, match="maya changed the managed routes"):
        mesh.route(TARGET, QUARTER, ME, RECORDED)
    assert mesh.observe(TARGET).routes == Routes(canary=70)


def test_somebody_who_never_stops_writing_is_told_of(api: KubeApi, tmp_path: Path) -> None:
    counter = iter(range(100))
    mesh = meddled(api, tmp_path, lambda vs: vs["metadata"].update(labels={"n": str(next(counter))}), times=100)
    with pytest.raises(Contended, match="all the time"):
        mesh.route(TARGET, QUARTER, ME, RECORDED)


@pytest.mark.parametrize("arrived", [True, False])
def test_a_write_without_an_answer_is_looked_up_before_it_is_called_failed(
    api: KubeApi, tmp_path: Path, *, arrived: bool
) -> None:
    mesh = IstioMesh(kube_of(api, tmp_path), lambda: 0.0)
    api.drop_next(verb="update", kind="VirtualService", after_write=arrived)
    if arrived:
        mesh.route(TARGET, QUARTER, ME, RECORDED)
    else:
        with pytest.raises(Unanswered, match="cannot be reached"):
            mesh.route(TARGET, QUARTER, ME, RECORDED)
    assert mesh.observe(TARGET).routes == (QUARTER if arrived else HOME)


def test_a_rehearsal_tells_what_the_server_would_refuse(api: KubeApi, tmp_path: Path) -> None:
    mesh = IstioMesh(kube_of(api, tmp_path), lambda: 0.0)
    typo = mesh.preview(TARGET, MIRROR, ME, RECORDED)
    typo["spec"]["http"][0]["mirror_percentage"] = {"value": 1}
    (unknown,) = mesh.rehearse(TARGET, [typo]).refusals
    assert 'unknown field "spec.http[0].mirror_percentage"' in plain(unknown.sentence)
    api.forbid(verb="update", kind="VirtualService")
    stages = [mesh.preview(TARGET, routes, ME, RECORDED) for routes in STAGES]
    (forbidden,) = mesh.rehearse(TARGET, stages).refusals
    assert (unknown.cause, forbidden.cause) == (Cause.REFUSED, Cause.FORBIDDEN)
    assert "forbidden" in plain(forbidden.sentence)
    assert api.token not in plain(forbidden.sentence)


def test_admission_warnings_are_heard(api: KubeApi, tmp_path: Path) -> None:
    heard: list[str] = []
    mesh = IstioMesh(kube_of(api, tmp_path, heard), lambda: 0.0)
    mesh.route(TARGET, QUARTER, ME, RECORDED)
    (warning,) = heard
    assert warning.startswith(
        'using legacy gatewayName format "reviews-gateway.istio-system.svc.cluster.local"; prefer'
    )


def test_a_rehearsal_tells_what_admission_warns_of_once_and_to_nobody_else(api: KubeApi, tmp_path: Path) -> None:
    heard: list[str] = []
    mesh = IstioMesh(kube_of(api, tmp_path, heard), lambda: 0.0)
    rehearsal = mesh.rehearse(TARGET, [mesh.preview(TARGET, routes, ME, RECORDED) for routes in STAGES])
    (warning,) = rehearsal.warnings
    assert "legacy gatewayName" in plain(warning)
    assert (rehearsal.refusals, heard) == ((), [])


BELOW = {"uri": {"prefix": "/x/y"}}


def test_what_admission_says_of_rules_behind_our_copies_is_not_told(api: KubeApi, tmp_path: Path) -> None:
    vs = api.store.get("VirtualService", "default", "reviews")
    assert vs is not None
    (whole,) = vs["spec"]["http"]
    named = whole | {"name": "reads", "match": [{"method": {"exact": "GET"}}, {"uri": {"prefix": "/x"}}, BELOW]}
    lone = whole | {"match": [{"name": "one", "method": {"exact": "GET"}, "port": 80}]}
    theirs = whole | {"match": [{"uri": {"prefix": "/x"}}]}  # what somebody else has written twice
    vs["spec"] |= {"gateways": ["istio-system/reviews-gateway"], "http": [named, lone, theirs, whole]}
    api.store.put(vs)
    mesh = IstioMesh(kube_of(api, tmp_path, []), lambda: 0.0)
    target = replace(TARGET, mirror_methods=("GET", "HEAD"))
    stages = [mesh.preview(target, routes, ME, RECORDED) for routes in STAGES]
    warned = {plain(text) for text in mesh.rehearse(target, stages).warnings}
    why = 'duplicate/overlapping match in rule #1 of prefix /x on "reads"'
    places = (2, 5)  # of that rule, without our copies before it and with them
    assert warned == {
        text
        for place in places
        for text in (
            f'virtualService rule #{place} match #0 is not used (duplicate/overlapping match in rule "reads")',
            f"virtualService rule #{place} not used (all matches used by prior rules)",
        )
    } | {f'virtualService rule "reads" match #2 of prefix /x/y is not used ({why})'}


def test_an_older_istio_is_spoken_to_in_its_own_version(tmp_path: Path) -> None:
    with KubeApi(istio_versions=("v1alpha3", "v1beta1")) as api:
        kube = kube_of(api.load(bookinfo.objects()), tmp_path)
        IstioMesh(kube, lambda: 0.0).route(TARGET, QUARTER, ME, RECORDED)
        assert kube.istio_version() == "v1beta1"
        assert IstioMesh(kube, lambda: 0.0).observe(TARGET).routes == QUARTER


# Out of our hands


def test_unmarking_takes_our_annotations_off_and_touches_no_route(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.edit("maya", annotation("team", "books"))
    world.edit("maya", annotation(WATCHDOG, "{}"))
    before = world.read()
    world.mesh.remove_annotations("default", "reviews", ME)
    world.mesh.remove_annotations("default", "reviews", ME)
    after = world.read()
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == {"team": "books"}


def test_unmarking_where_the_api_server_takes_no_edit_at_all_is_a_fault_in_its_words(
    api: KubeApi, tmp_path: Path
) -> None:
    mesh = IstioMesh(kube_of(api, tmp_path), lambda: 0.0)
    mesh.route(TARGET, QUARTER, ME, RECORDED)
    api.forbid(verb="update", kind="VirtualService")
    with pytest.raises(Fault, match="forbidden"):
        mesh.remove_annotations("default", "reviews", ME)


ELSEWHERE = {"redirect": {"uri": "/elsewhere"}}


@pytest.mark.parametrize("http", [[ELSEWHERE], [ELSEWHERE, ELSEWHERE]])
def test_unmarking_needs_no_route_that_can_be_read(world: World, http: list[dict[str, Any]]) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.edit("maya", lambda vs: vs["spec"].update(http=http))
    before = world.read()
    world.mesh.remove_annotations("default", "reviews", ME)
    assert world.read()["spec"] == before["spec"]
    assert "annotations" not in world.read()["metadata"]


@pytest.mark.parametrize("owner", [OTHER, None])
def test_unmarking_leaves_alone_what_is_not_the_rollouts(world: World, owner: RolloutId | None) -> None:
    if owner:
        world.mesh.route(TARGET, QUARTER, owner, RECORDED)
    before = without_bookkeeping(world.read())
    world.mesh.remove_annotations("default", "reviews", ME)
    world.mesh.remove_annotations("default", "nowhere", ME)
    assert without_bookkeeping(world.read()) == before


def test_unmarking_keeps_an_edit_that_came_between_read_and_write(api: KubeApi, tmp_path: Path) -> None:
    IstioMesh(kube_of(api, tmp_path), lambda: 0.0).route(TARGET, QUARTER, ME, RECORDED)
    kube = Overtaken(kube_of(api, tmp_path), lambda: edit(api, "maya", weights(70)))
    IstioMesh(kube, lambda: 0.0, wait=lambda _: None).remove_annotations("default", "reviews", ME)
    observed = IstioMesh(kube_of(api, tmp_path), lambda: 0.0).observe(TARGET)
    assert (observed.routes, observed.owner) == (Routes(canary=70), None)


class Overtaken(Kube):
    """A connection whose first write is overtaken by somebody else's."""

    def __init__(self, kube: Kube, meddle: Callable[[], object]) -> None:
        self.__dict__.update(kube.__dict__)
        self._meddle: Callable[[], object] | None = meddle

    def put(self, obj: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        meddle, self._meddle = self._meddle, None
        if meddle:
            meddle()
        return super().put(obj, dry_run=dry_run)


# Signs of life


def test_the_first_beat_changes_the_heartbeat_and_nothing_else_and_the_others_nothing_at_all(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.edit("maya", lambda vs: vs["metadata"]["annotations"].update({HEARTBEAT: "17", "team": "books"}))
    before = world.read()
    world.mesh.beat(TARGET, ME)
    after = world.read()
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"] | {HEARTBEAT: "0"}
    assert after["spec"] == before["spec"]
    for _ in range(3):
        world.mesh.beat(TARGET, ME)
    assert world.read() == after


def test_every_beat_is_another_heartbeat_that_says_how_long_it_is_good_for(world: World) -> None:
    assert world.mesh.heartbeat("default", "reviews") is None
    assert world.mesh.heartbeat("default", "elsewhere") is None
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.edit("maya", lambda vs: vs["metadata"]["annotations"].update({HEARTBEAT: "17"}))
    assert world.mesh.heartbeat("default", "reviews") == Heartbeat(owner=ME, beat="17")
    beats = set()
    for _ in range(3):
        world.mesh.beat(TARGET, ME, 90.0)
        heartbeat = world.mesh.heartbeat("default", "reviews")
        assert heartbeat is not None
        assert (heartbeat.owner, heartbeat.limit, heartbeat.foreign, heartbeat.renewed_at) == (ME, 90.0, False, 0.0)
        beats.add(heartbeat.beat)
    assert len(beats) == 3


def test_whoever_holds_the_object_is_told_without_asking_for_its_heartbeat(world: World) -> None:
    assert world.mesh.owner("default", "reviews") is None
    assert world.mesh.owner("default", "elsewhere") is None
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    assert world.mesh.owner("default", "reviews") == ME


End = Callable[[World], object]
ENDS: dict[str, End] = {
    "release": lambda world: world.mesh.release(TARGET, HOME, ME),
    "unmark": lambda world: world.mesh.remove_annotations("default", "reviews", ME),
    "quiet": lambda world: world.mesh.quiet(TARGET, ME),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_every_end_leaves_no_heartbeat_behind(world: World, end: End) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.mesh.beat(TARGET, ME, 90.0)
    end(world)
    end(world)
    assert world.leases() == []
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)  # the next one's begin
    world.mesh.beat(TARGET, ME, 90.0)
    assert len(world.leases()) == 1


def test_the_heartbeat_of_another_rollout_is_left_alone_and_taken_by_whoever_holds_the_object_next(
    world: World,
) -> None:
    world.mesh.route(TARGET, QUARTER, OTHER, RECORDED)
    world.mesh.beat(TARGET, OTHER)
    world.mesh.quiet(TARGET, ME)
    assert len(world.leases()) == 1
    world.mesh.route(TARGET, QUARTER, ME, RECORDED, taking_from=OTHER)
    assert world.mesh.heartbeat("default", "reviews") == Heartbeat(
        owner=ME, beat="0"
    )  # a stale Lease is no sign of life
    world.mesh.beat(TARGET, ME)
    heartbeat = world.mesh.heartbeat("default", "reviews")
    assert heartbeat is not None
    assert heartbeat.beat != "0"
    assert len(world.leases()) == 1


@pytest.mark.parametrize("owner", [OTHER, None])
def test_nothing_is_written_for_a_rollout_that_does_not_hold_the_object(world: World, owner: RolloutId | None) -> None:
    if owner:
        world.mesh.route(TARGET, QUARTER, owner, RECORDED)
    before = world.read()
    world.mesh.beat(TARGET, ME)
    assert world.read() == before


def test_an_edit_between_read_and_beat_is_not_overwritten(api: KubeApi, tmp_path: Path) -> None:
    IstioMesh(kube_of(api, tmp_path), lambda: 0.0).route(TARGET, QUARTER, ME, RECORDED)
    mesh = meddled(api, tmp_path, weights(70))
    with pytest.raises(Contended):
        mesh.beat(TARGET, ME)
    assert mesh.observe(TARGET).routes == Routes(canary=70)


def test_a_beat_of_another_replica_in_between_is_found_and_not_fought(api: KubeApi, tmp_path: Path) -> None:
    one, other = (IstioMesh(kube_of(api, tmp_path), lambda: 0.0) for _ in range(2))
    one.route(TARGET, QUARTER, ME, RECORDED)
    one.beat(TARGET, ME)
    other.beat(TARGET, ME)
    written = live(api)
    with pytest.raises(Contended):
        one.beat(TARGET, ME)
    one.beat(TARGET, ME)
    assert live(api) == written  # neither had lost the heartbeat to anybody else


def test_a_lease_goes_with_its_virtual_service(api: KubeApi, tmp_path: Path) -> None:
    mesh = IstioMesh(kube_of(api, tmp_path), lambda: 0.0)
    mesh.route(TARGET, QUARTER, ME, RECORDED)
    mesh.beat(TARGET, ME)
    (lease,) = api.store.list("Lease", "default")
    (owner,) = lease["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("VirtualService", live(api)["metadata"]["uid"])


def test_a_lease_that_may_not_be_deleted_keeps_no_rollout_from_its_end(api: KubeApi, tmp_path: Path) -> None:
    mesh = IstioMesh(kube_of(api, tmp_path), lambda: 0.0)
    mesh.route(TARGET, QUARTER, ME, RECORDED)
    mesh.beat(TARGET, ME)
    api.forbid(verb="delete", kind="Lease")
    mesh.release(TARGET, HOME, ME)
    assert mesh.observe(TARGET).owner is None


@pytest.mark.parametrize(("theirs", "foreign"), [("redis-1", False), ("redis-2", True)])
def test_whose_bot_beats_is_known_by_its_store(api: KubeApi, tmp_path: Path, theirs: str, *, foreign: bool) -> None:
    bot = IstioMesh(kube_of(api, tmp_path), lambda: 0.0, stores=[theirs])
    bot.route(TARGET, QUARTER, ME, RECORDED)
    bot.beat(TARGET, ME, 60.0)
    heartbeat = IstioMesh(kube_of(api, tmp_path), lambda: 0.0, stores=["redis-1"]).heartbeat("default", "reviews")
    assert heartbeat is not None
    assert heartbeat.foreign is foreign


def test_a_annotation_that_is_not_the_watchdogs_hand_is_no_failsafe_action(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    of_another = '{"rollout": "r-2", "at": 1, "silence": 2, "deed": "home"}'
    for text in ("{", "[]", "{}", "null", '{"rollout": "r-1", "at": 1, "silence": 2, "deed": "?"}', of_another):
        world.edit("maya", annotation(WATCHDOG, text))
        assert world.mesh.observe(TARGET).failsafe_record is None
