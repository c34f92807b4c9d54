"""What every ``Mesh`` promises of a target with several VirtualServices, asked of the fake and of the real adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.istio import IstioMesh
from bot.adapters.kube import Kube
from bot.controller.ports import Mesh
from bot.model.errors import Cause, Contended, Fault
from bot.model.rollout import ALL_CANARY, HOME, PodTemplate, RolloutId, Routes
from bot.words.rendering import plain
from sandbox.kube import KubeApi, bookinfo
from tests.builders import a_target
from tests.fakes.mesh import InMemoryMesh, reviews

ME, OTHER = RolloutId("r-1"), RolloutId("r-2")
RECORDED = PodTemplate(images={"reviews": "reviews:1"})
MIRROR, QUARTER = Routes(canary=0, mirror=True), Routes(canary=25)
EDGE, INSIDE = ("ingress", "edge"), ("default", "inside")
TARGET = a_target(virtual_service=EDGE[1], virtual_service_namespace=EDGE[0], siblings=("/".join(INSIDE),))
ALONE = {one.virtual_service_key: replace(one, siblings=()) for one in TARGET.each}
FULL = "reviews.default.svc.cluster.local"

Object = dict[str, Any]


def an_object(place: tuple[str, str], host: str, **spec: Any) -> Object:
    made = reviews()
    made["metadata"] = {"name": place[1], "namespace": place[0]}
    made["spec"] = {"hosts": [FULL], "http": [{"route": [{"destination": {"host": host, "subset": "v1"}}]}]} | spec
    return made


OBJECTS = (an_object(EDGE, FULL, hosts=["shop.example"], gateways=["istio-system/shop"]), an_object(INSIDE, "reviews"))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A mesh, and its two objects as they are, as somebody else writes them, and gone."""

    mesh: Mesh
    read: Callable[[tuple[str, str]], Object]
    write: Callable[[Object], object]
    delete: Callable[[tuple[str, str]], object]
    leases: Callable[[], set[str]]


@pytest.fixture(params=["memory", "kubernetes"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        memory = InMemoryMesh(OBJECTS)
        yield World(
            mesh=memory,
            read=lambda place: memory.virtual_service(*place),
            write=lambda vs: memory.put(vs, "maya"),
            delete=lambda place: memory.delete(place[1], place[0]),
            leases=lambda: {name for _, name in memory.leases},
        )
        return
    with KubeApi(start_seconds=0.05) as api:
        api.load([*bookinfo.objects(), *OBJECTS])
        kube = Kube.connect(str(api.write_kubeconfig(tmp_path / "kubeconfig")))

        def found(place: tuple[str, str]) -> Object:
            there = api.store.get("VirtualService", *place)
            assert there is not None
            return there

        yield World(
            mesh=IstioMesh(kube, lambda: 0.0),
            read=found,
            write=lambda vs: api.replace_as("maya", vs),
            delete=lambda place: api.store.delete("VirtualService", *place),
            leases=lambda: {
                one["metadata"]["name"].removeprefix("canary-bot-")
                for space in ("default", "ingress")
                for one in api.store.list("Lease", space)
            },
        )


def canary_of(world: World) -> list[Routes | None]:
    return [world.mesh.observe(ALONE[place]).routes for place in (EDGE, INSIDE)]


def test_what_is_routed_is_routed_and_seen_on_each(world: World) -> None:
    for routes in (MIRROR, QUARTER, ALL_CANARY, HOME):
        world.mesh.route(TARGET, routes, ME, RECORDED)
        observed = world.mesh.observe(TARGET)
        assert (observed.routes, observed.owner, observed.unobserved) == (routes, ME, None)
        assert [one.name for one in observed.each] == ["ingress/edge", "default/inside"]
        assert canary_of(world) == [routes, routes]


def test_a_release_leaves_each_as_it_was_and_may_be_repeated_where_it_was_half_done(world: World) -> None:
    before = [world.read(place)["spec"] for place in (EDGE, INSIDE)]
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.mesh.beat(TARGET, ME)
    world.mesh.release(ALONE[EDGE], HOME, ME)
    assert world.leases() == {"inside"}

    world.mesh.release(TARGET, HOME, ME)

    assert [world.read(place)["spec"] for place in (EDGE, INSIDE)] == before
    assert not any("annotations" in world.read(place)["metadata"] for place in (EDGE, INSIDE))
    assert world.leases() == set()


def test_each_bears_all_that_is_needed_to_come_home_without_a_store(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)

    for place in (EDGE, INSIDE):
        found = world.mesh.annotations(*place)
        assert found is not None
        assert (found.owner, found.recorded, found.target.virtual_service_key) == (ME, RECORDED, place)
        assert {one.virtual_service_key for one in found.target.each} == {EDGE, INSIDE}


@pytest.mark.parametrize(("one", "other"), [(EDGE, INSIDE), (INSIDE, EDGE)])
def test_what_keeps_one_from_being_written_keeps_nobody_of_the_other(
    world: World, one: tuple[str, str], other: tuple[str, str]
) -> None:
    world.mesh.route(ALONE[one], QUARTER, OTHER, RECORDED)  # another rollout holds it
    with pytest.raises(Contended, match="belongs to rollout r-2"):
        world.mesh.route(TARGET, ALL_CANARY, ME, RECORDED)

    assert world.mesh.observe(ALONE[other]).routes == ALL_CANARY
    assert world.mesh.observe(ALONE[one]).routes == QUARTER
    with pytest.raises(Contended, match="belongs to rollout r-2"):
        world.mesh.release(TARGET, HOME, ME)
    assert world.mesh.observe(ALONE[other]).routes == HOME


@pytest.mark.parametrize(
    ("edge", "inside", "whole"),
    [
        (QUARTER, HOME, Routes(canary=12)),
        (ALL_CANARY, HOME, Routes(canary=50)),
        (Routes(canary=1), HOME, Routes(canary=1)),
        (ALL_CANARY, Routes(canary=99), Routes(canary=99)),
        (MIRROR, HOME, MIRROR),
    ],
)
def test_objects_that_disagree_have_users_on_both_sides(
    world: World, edge: Routes, inside: Routes, whole: Routes
) -> None:
    world.mesh.route(ALONE[EDGE], edge, ME, RECORDED)
    world.mesh.route(ALONE[INSIDE], inside, ME, RECORDED)

    observed = world.mesh.observe(TARGET)

    assert observed.routes == whole
    assert [one.routes for one in observed.each] == [edge, inside]


def test_one_that_nobody_can_read_hides_what_the_other_says(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    there = world.read(EDGE)
    there["spec"]["http"][0]["route"] = [{"destination": {"host": FULL, "subset": "v1"}, "weight": 50}] * 2
    world.write(there)

    observed = world.mesh.observe(TARGET)

    assert observed.routes is None
    assert "ingress/edge" in plain(observed.reason)


@pytest.mark.parametrize(("gone", "left"), [(EDGE, INSIDE), (INSIDE, EDGE)])
def test_one_that_does_not_exist_is_told_and_passed_over(
    world: World, gone: tuple[str, str], left: tuple[str, str]
) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.delete(gone)

    observed = world.mesh.observe(TARGET)
    world.mesh.route(TARGET, HOME, ME, RECORDED)

    assert observed.unobserved is not None
    assert (observed.routes, observed.unobserved.cause) == (QUARTER, Cause.MISSING)
    assert world.mesh.observe(ALONE[left]).routes == HOME
    world.delete(left)
    for ask in (world.mesh.observe, lambda target: world.mesh.route(target, HOME, ME, RECORDED)):
        with pytest.raises(Fault, match="does not exist") as missing:
            ask(TARGET)
        assert missing.value.cause is Cause.MISSING


def test_a_heartbeat_beats_beside_each_and_is_quiet_at_each(world: World) -> None:
    world.mesh.route(TARGET, QUARTER, ME, RECORDED)
    world.mesh.beat(TARGET, ME)
    assert world.leases() == {"edge", "inside"}

    world.mesh.quiet(TARGET, ME)
    assert world.leases() == set()
