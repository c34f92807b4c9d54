"""After a rollout has ended no write of it takes effect: whichever write, however it ended, wherever the write was.

One replica is about to write; another ends the rollout. The first one's write was begun before the end, is between its
own read and its last question, or hangs in the network and arrives when all is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.istio import IstioMesh
from bot.adapters.kube import Kube
from bot.controller.ports import IsCurrent, Mesh
from bot.model.errors import Contended, Stale
from bot.model.rollout import HOME, PodTemplate, RolloutId, Routes
from sandbox.kube import KubeApi, bookinfo
from tests.builders import a_target
from tests.fakes.mesh import InMemoryMesh

ME, OTHER = RolloutId("r-1"), RolloutId("r-2")
RECORDED = PodTemplate(images={"reviews": "reviews:1"})
MIRROR, QUARTER = Routes(canary=0, mirror=True), Routes(canary=25)
TARGET = a_target()
PLACE = (TARGET.virtual_service_namespace, TARGET.virtual_service)

Meddle = Callable[[], object]


class Slow(Kube):
    """A connection on which something happens just before a request reaches the server, once."""

    def __init__(self, kube: Kube) -> None:
        self.__dict__.update(kube.__dict__)
        self.before_get: Meddle | None = None
        self.before_put: Meddle | None = None

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        meddle, self.before_get = self.before_get, None
        if meddle:
            meddle()
        return super().get(kind, namespace, name)

    def put(self, obj: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        meddle, self.before_put = self.before_put, None
        if meddle:
            meddle()
        return super().put(obj, dry_run=dry_run)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two replicas on one object. ``slow`` is the first one's connection, where there is one."""

    first: Mesh
    second: Mesh
    read: Callable[[], dict[str, Any]]
    edit: Callable[[Callable[[dict[str, Any]], object]], None]
    slow: Slow | None


@pytest.fixture(params=["memory", "kubernetes"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        memory = InMemoryMesh()
        yield World(
            first=memory,
            second=memory,
            read=memory.virtual_service,
            edit=lambda change: memory.edit("maya", change),
            slow=None,
        )
        return
    with KubeApi(start_seconds=0.05) as api:
        api.load(bookinfo.objects())
        kubeconfig = str(api.write_kubeconfig(tmp_path / "kubeconfig"))
        slow = Slow(Kube.connect(kubeconfig, on_warning=lambda _: None))
        other = Kube.connect(kubeconfig, on_warning=lambda _: None)

        def read() -> dict[str, Any]:
            found = api.store.get("VirtualService", *PLACE)
            assert found is not None
            return found

        def edit(change: Callable[[dict[str, Any]], object]) -> None:
            vs = read()
            change(vs)
            api.store.put(vs)

        yield World(
            first=IstioMesh(slow, lambda: 0.0, wait=lambda _: None),
            second=IstioMesh(other, lambda: 0.0, wait=lambda _: None),
            read=read,
            edit=edit,
            slow=slow,
        )


def untouched(_world: World) -> None:
    """Nothing was written yet: the write is the rollout's first."""


def at_quarter(world: World) -> None:
    world.second.route(TARGET, QUARTER, ME, RECORDED)


def stripped(world: World) -> None:
    """Somebody took the annotations away in mid-run."""
    at_quarter(world)
    world.edit(lambda vs: vs["metadata"].pop("annotations"))


def of_another(world: World) -> None:
    """Another rollout has taken the object."""
    world.second.route(TARGET, QUARTER, OTHER, RECORDED)


BEFORE = {"untouched": untouched, "at quarter": at_quarter, "stripped": stripped, "another's": of_another}


def abort(world: World) -> None:
    """As an abort does it: the annotation is taken, everyone goes home, the annotations go."""
    world.second.route(TARGET, HOME, ME, RECORDED, taking_from=OTHER)
    world.second.release(TARGET, HOME, ME)


def release(world: World) -> None:
    """As an end does it that finds the annotations gone, or somebody else's, already."""
    try:
        world.second.release(TARGET, HOME, ME)
    except Contended:
        world.second.remove_annotations(*PLACE, ME)


def abandon(world: World) -> None:
    """As a person does it: no route is touched."""
    world.second.remove_annotations(*PLACE, ME)


ENDS = {"abort": abort, "release": release, "abandon": abandon}

FIRST = {"held_before": False, "taking_from": None}
RESTORE = {"held_before": True, "taking_from": OTHER}
LATE = {"first": (MIRROR, FIRST), "on": (Routes(canary=60), FIRST), "restored": (Routes(canary=60), RESTORE)}


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
@pytest.mark.parametrize("moment", ["before its read", "before its question", "in the network"])
def test_a_write_of_a_rollout_that_has_ended_meanwhile_has_no_effect(
    world: World,
    before: Callable[[World], None],
    end: Callable[[World], None],
    late: tuple[Routes, dict[str, Any]],
    moment: str,
) -> None:
    before(world)
    ended: list[dict[str, Any]] = []

    def ends() -> None:
        """The decision is stored first, then carried out."""
        if not ended:
            ended.append({})
            end(world)
            ended.append(world.read())

    attempt(world, late, ends, ended, moment)

    ends()  # where the write was refused before the moment came
    assert without_bookkeeping(world.read()) == without_bookkeeping(ended[-1])


def attempt(
    world: World, late: tuple[Routes, dict[str, Any]], ends: Meddle, ended: list[dict[str, Any]], moment: str
) -> None:
    def question() -> bool:
        if moment == "before its question":
            ends()
        return not ended

    is_current: IsCurrent = question
    if world.slow is not None:
        world.slow.before_get = ends if moment == "before its read" else None
        world.slow.before_put = ends if moment == "in the network" else None
    elif moment != "before its question":  # a write in memory is one step, so either it is over or it has not begun
        ends()
    routes, named = late
    with suppress(Contended, Stale):
        world.first.route(TARGET, routes, ME, RECORDED, is_current=is_current, **named)


def without_bookkeeping(vs: dict[str, Any]) -> dict[str, Any]:
    return {"spec": vs["spec"], "annotations": vs["metadata"].get("annotations")}


@pytest.mark.parametrize("moment", ["before its read", "before its question", "in the network"])
def test_a_late_release_does_not_undo_what_was_decided_since(world: World, moment: str) -> None:
    at_quarter(world)
    decided: list[bool] = []

    def decides() -> None:
        decided.append(True)
        world.second.route(TARGET, HOME, ME, RECORDED)

    def question() -> bool:
        if moment == "before its question":
            decides()
        return not decided

    if world.slow is not None:
        world.slow.before_get = decides if moment == "before its read" else None
        world.slow.before_put = decides if moment == "in the network" else None
    elif moment != "before its question":
        decides()
    with pytest.raises((Stale, Contended)):
        world.first.release(TARGET, QUARTER, ME, is_current=question)

    assert world.first.observe(TARGET).routes == HOME
    assert world.first.observe(TARGET).owner == ME


def test_an_end_that_finds_nothing_of_ours_leaves_nothing_behind(world: World) -> None:
    before = world.read()
    world.second.remove_annotations(*PLACE, ME)
    world.second.release(TARGET, HOME, ME)
    after = world.read()
    assert without_bookkeeping(after) == without_bookkeeping(before)
    if world.slow is not None:  # but it is another object to whoever read it before
        assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


def test_an_end_that_died_between_its_two_writes_is_finished_by_the_next(world: World) -> None:
    world.edit(lambda vs: vs["metadata"].update(annotations={"canary-bot/ended": "r-1"}))
    world.second.remove_annotations(*PLACE, ME)
    assert "annotations" not in world.read()["metadata"]
