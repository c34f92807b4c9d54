"""Several VirtualServices for one service: moved in one step, whatever comes between the writes of each."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.cluster import virtual_service as virtual_services
from bot.controller.decisions import Abandon, Abort, Restore
from bot.controller.watchdog import Watchdog
from bot.model.errors import Cause, Fault, Refusal
from bot.model.rollout import HOME, HoldCause, Phase, Rollout, Routes, Target, Template
from bot.model.story import EntryKind
from bot.words.rendering import plain
from tests.builders import MAYA, OMAR, a_service, routes
from tests.fakes.mesh import InMemoryMesh, VirtualService, reviews
from tests.fakes.store import InMemoryStore
from tests.unit.controller.test_controller import Rig

EDGE, MESH = ("ingress", "edge"), ("default", "reviews")
TURNED_DOWN = Fault("Kubernetes", "admission webhook denied the request.", Cause.REFUSED)


def edge() -> VirtualService:
    """At the gateway, in the namespace of the gateway: it names the service in full."""
    there = reviews()
    there["metadata"] |= {"name": EDGE[1], "namespace": EDGE[0]}
    for entry in there["spec"]["http"][0]["route"]:
        entry["destination"]["host"] = "reviews.default.svc.cluster.local"
    return there


def mesh() -> VirtualService:
    """For callers inside the mesh; it writes no weight where everyone goes."""
    there = reviews()
    route = [{"destination": {"host": "reviews", "subset": "v1"}}]
    there["spec"] = {"hosts": ["reviews"], "http": [{"name": "in-the-mesh", "timeout": "3s", "route": route}]}
    return there


class Pair(Rig):
    """A service with two VirtualServices."""

    def __init__(self, first: VirtualService | None = None, second: VirtualService | None = None) -> None:
        self.before = {EDGE: first or edge(), MESH: second or mesh()}
        super().__init__(
            a_service(virtual_service=EDGE[1], virtual_service_namespace=EDGE[0], siblings=("/".join(MESH),))
        )
        self.mesh = InMemoryMesh(self.before.values(), self.clock.now)
        found = replace(self.snapshots.found, virtual_service=self.before[EDGE], siblings=(self.before[MESH],))
        self.snapshots.found = found
        self.controller = self.restarted()

    @property
    def target(self) -> Target:
        return self.newest().spec.target

    def each(self) -> list[Routes | object]:
        """What each says now."""
        return [
            virtual_services.read_routes(self.mesh.virtual_service(*one.virtual_service_key), one)
            for one in self.target.each
            if one.virtual_service_key in self.mesh.objects()
        ]

    def specs(self) -> list[Any]:
        return [self.mesh.virtual_service(*place)["spec"] for place in (EDGE, MESH)]

    def owners(self) -> list[object]:
        return [virtual_services.owner_of(self.mesh.virtual_service(*place)) for place in (EDGE, MESH)]

    @property
    def as_it_was(self) -> list[Any]:
        return [self.before[place]["spec"] for place in (EDGE, MESH)]


def test_a_whole_rollout_moves_both_and_leaves_both_as_they_were() -> None:
    rig = Pair()
    rig.start()
    rig.at("shift 40")

    assert rig.each() == [routes(40), routes(40)]
    assert rig.owners() == [rig.live().spec.id] * 2
    assert set(rig.mesh.leases) == {EDGE, MESH}

    ended = rig.until(lambda rollout: rollout.ended)

    assert ended.phase is Phase.PROMOTED
    assert rig.specs() == rig.as_it_was
    assert (rig.owners(), rig.mesh.leases) == ([None, None], {})


def test_a_plan_shows_every_object_of_a_stage() -> None:
    shown = Pair().controller.plan("reviews", "v2").planned[1]

    assert [thing["metadata"]["name"] for thing in shown.objects] == ["edge", "reviews"]


@pytest.mark.parametrize("place", [EDGE, MESH])
def test_an_abort_brings_users_home_on_one_while_the_other_cannot_be_written(place: tuple[str, str]) -> None:
    rig = Pair()
    rig.start()
    rig.at("shift 40")
    rig.mesh.denial, rig.mesh.denied_at = TURNED_DOWN, place

    rig.decide(Abort(reason="errors"))
    rig.tick()

    assert sorted(map(str, rig.each())) == ["100/0", "60/40"]
    rig.until(lambda rollout: any(hold.cause is HoldCause.CLUSTER for hold in rollout.holds))
    assert "denied the request" in rig.said(EntryKind.ALERT)[-1]

    rig.mesh.denial = None
    assert rig.until(lambda rollout: rollout.ended).phase is Phase.ABORTED
    assert rig.specs() == rig.as_it_was


def test_a_stage_is_not_there_before_both_are_written_and_nobody_is_called_a_stranger_for_it() -> None:
    rig = Pair()
    rig.start()
    rig.at("shift 20")
    rig.mesh.denial, rig.mesh.denied_at = Fault("Kubernetes", "is busy."), MESH
    rig.until(lambda rollout: rollout.current.name == "shift 40")
    for _ in range(3):
        rig.tick()

    half = rig.live()
    assert (half.settled_at, half.drift) == (None, None)
    assert rig.each() == [routes(40), routes(20)]

    rig.mesh.denial = None
    rig.at("shift 40")
    assert rig.each() == [routes(40), routes(40)]


@pytest.mark.parametrize("place", [MESH, EDGE])
def test_somebody_elses_edit_of_one_is_told_by_its_name_and_restored(place: tuple[str, str]) -> None:
    rig = Pair()
    rig.start()
    rig.at("shift 40")
    vs = rig.mesh.virtual_service(*place)
    for entry in vs["spec"]["http"][0]["route"]:
        entry["weight"] = 50
    rig.mesh.put(vs, "maya")

    rig.tick()

    (alert,) = rig.said(EntryKind.ALERT)
    assert f"the traffic split of {'/'.join(place)} (maya): 60/40 → 50/50" in alert
    rig.decide(Restore())
    rig.until(lambda rollout: rollout.drift is None)
    assert rig.each() == [routes(40), routes(40)]


@pytest.mark.parametrize("place", [EDGE, MESH])
def test_an_abort_goes_by_whichever_annotations_are_left_when_the_store_is_lost(place: tuple[str, str]) -> None:
    rig = Pair()
    rig.start()
    rig.at("shift 40")
    vs = rig.mesh.virtual_service(*place)
    vs["metadata"].pop("annotations")
    rig.mesh.put(vs, "maya")
    rig.store = InMemoryStore()
    rig.controller = rig.restarted()
    rig.clock.advance(600)

    rig.controller.abort("reviews", by=MAYA, reason="errors")
    rig.until(lambda rollout: rollout.ended)

    assert rig.each() == [HOME, HOME]  # how weights were spelled is forgotten with the annotations
    assert rig.owners() == [None, None]
    left = EDGE if place == MESH else MESH
    assert rig.mesh.virtual_service(*left)["spec"] == rig.before[left]["spec"]


def test_an_object_that_somebody_deleted_keeps_nobody_of_the_other_from_home() -> None:
    rig = Pair()
    rig.start()
    rig.at("shift 40")
    rig.mesh.delete(EDGE[1], EDGE[0])
    rig.tick()
    assert rig.live().phase is Phase.SHIFTING

    rig.decide(Abort(reason="it is gone"))

    assert rig.until(lambda rollout: rollout.ended).phase is Phase.ABORTED
    assert rig.mesh.virtual_service(*MESH)["spec"] == rig.before[MESH]["spec"]


def test_abandoning_takes_the_annotations_off_both_and_says_which_one_keeps_them() -> None:
    rig = Pair()
    rig.start()
    rig.at("shift 40")

    rig.decide(Abandon(reason="by hand"))

    assert rig.owners() == [None, None]
    assert rig.each() == [routes(40), routes(40)]


def test_a_list_with_an_object_that_does_not_exist_is_refused_by_its_name() -> None:
    rig = Pair()
    rig.snapshots.found = replace(rig.snapshots.found, siblings=())

    with pytest.raises(Refusal) as refused:
        rig.start()

    assert any("no VirtualService reviews in namespace default" in text for text in map(plain, refused.value.reasons))
    assert any("`virtual_services`" in text for text in map(plain, refused.value.reasons))


def test_users_who_are_not_home_on_one_stop_a_start_by_its_name() -> None:
    rig = Pair(second=reviews(70, 30))

    with pytest.raises(Refusal) as refused:
        rig.start()

    assert any("VirtualService reviews" in text for text in map(plain, refused.value.reasons))
    assert rig.mesh.written == []


@pytest.mark.parametrize("silent", [(EDGE, MESH), (EDGE,), (MESH,)])
def test_the_watchdog_brings_users_home_on_each_by_its_own_heartbeat(silent: tuple[tuple[str, str], ...]) -> None:
    rig = Pair()
    rig.start()
    rig.at("shift 40")
    live = rig.live()
    dog = Watchdog(
        services=[rig.service],
        mesh=rig.mesh,
        workloads=rig.workloads,
        failsafe=rig.mesh,
        limit=120.0,
        now=rig.clock.now,
        stopwatch=rig.clock.now,
    )
    for _ in range(130):
        rig.clock.advance(1.0)
        for one in live.spec.target.each:
            if one.virtual_service_key not in silent:
                rig.mesh.beat(replace(one, siblings=()), live.spec.id)
        dog.reconcile()

    assert rig.each() == [HOME if place in silent else routes(40) for place in (EDGE, MESH)]
    # Whoever comes back ends what is left of it, on both.
    assert rig.until(lambda rollout: rollout.ended).phase is Phase.ABORTED
    assert rig.specs() == rig.as_it_was


# The law


def an_entry(subset: str, host: str, weight: int | None) -> dict[str, Any]:
    return {"destination": {"host": host, "subset": subset}} | ({} if weight is None else {"weight": weight})


@st.composite
def http_routes(draw: st.DrawFn, host: str) -> list[dict[str, Any]]:
    """One to three routes to the primary in the shapes that people write, and what is none of ours among them."""
    found: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 3))):
        others = draw(st.sampled_from([0, 0, 10]))
        entries = draw(
            st.sampled_from(
                [
                    [an_entry("v1", host, 100 - others)],
                    [an_entry("v1", host, 100 - others), an_entry("v2", host, 0)],
                    [an_entry("v2", host, 0), an_entry("v1", host, 100 - others)],
                    *([] if others else [[an_entry("v1", host, None)]]),
                ]
            )
        )
        entries = deepcopy(entries)
        if others:
            entries.append({"destination": {"host": "beta"}, "weight": others})
        route: dict[str, Any] = {"route": entries}
        route |= draw(st.sampled_from([{}, {"timeout": "2s"}, {"retries": {"attempts": 1}}, {"rewrite": {"uri": "/"}}]))
        if draw(st.booleans()):
            route["name"] = f"route-{number}"
        route["match"] = [{"uri": {"prefix": f"/{number}"}}]
        found.append(route)
    if draw(st.booleans()):
        testers = [an_entry("v2", host, None)]
        found.insert(0, {"match": [{"headers": {"x-test": {"exact": "1"}}}], "route": testers})
    if draw(st.booleans()):
        found.append({"route": [{"destination": {"host": "ratings"}}]})
    return found


MOMENTS = st.sampled_from(["fine", "fine", "fine", "first fails", "second fails", "dies", "abort"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    first=http_routes("reviews.default.svc.cluster.local"),
    second=http_routes("reviews"),
    moments=st.lists(MOMENTS, min_size=5, max_size=40),
    methods=st.sampled_from([None, ("GET", "HEAD")]),
)
def test_users_meet_the_canary_on_none_more_than_the_stage_allows_and_both_end_as_they_were(
    first: list[dict[str, Any]], second: list[dict[str, Any]], moments: list[str], methods: tuple[str, ...] | None
) -> None:
    at_the_edge, inside = edge(), mesh()
    at_the_edge["spec"]["http"], inside["spec"]["http"] = first, second
    rig = Pair(at_the_edge, inside)
    rig.service = replace(rig.service, mirror_methods=methods)
    rig.controller = rig.restarted()
    rig.start()
    seen: set[Routes] = {HOME}

    for moment in moments:
        _happen(rig, moment)
        _keeps_the_law(rig, seen)
    rig.mesh.denial = None
    rig.mesh.dies_at = None
    ended = rig.until(lambda rollout: _keeps_the_law(rig, seen) and rollout.ended, every=20.0)

    assert ended.phase in {Phase.PROMOTED, Phase.ABORTED}
    assert rig.specs() == rig.as_it_was
    assert rig.owners() == [None, None]


def _happen(rig: Pair, moment: str) -> None:
    """A tick in which one of both cannot be written, or after whose first write the process dies."""
    rig.mesh.denial = TURNED_DOWN if "fails" in moment else None
    rig.mesh.denied_at = EDGE if moment == "first fails" else MESH
    rig.mesh.dies_at = MESH if moment == "dies" else None
    live: Callable[[], Rollout | None] = lambda: rig.controller.active("reviews")  # noqa: E731  # a word for it
    try:
        rollout = live()
        if rollout is None:
            return
        if moment == "abort" and rollout.phase is not Phase.ABORTING:
            rig.decide(Abort(reason="enough"))
        elif rollout.asked_at is not None:
            rig.controller.approve("reviews", by=OMAR, evidence=rig.controller.button_token(rollout))
        rig.workloads.finish("reviews-v1")
        rig.tick(20.0)
    except KeyboardInterrupt:  # as a process that is killed: nothing of it goes on
        rig.mesh.dies_at = None
        rig.controller = rig.restarted()


def _keeps_the_law(rig: Pair, seen: set[Routes]) -> bool:
    rollout = rig.newest()
    each = rig.each()
    assert all(isinstance(one, Routes) for one in each), each
    allowed = max(seen | {rollout.current.routes}, key=lambda one: one.canary).canary
    assert all(isinstance(one, Routes) and one.canary <= allowed for one in each)
    if rollout.settled_at is not None and not rollout.ended and rollout.phase is not Phase.ABORTING:
        assert set(each) == {rollout.current.routes}
        seen.clear()
        seen.add(rollout.current.routes)
    else:
        seen.add(rollout.current.routes)
    if rollout.current.template is Template.UPGRADED and rig.workloads.applied and rollout.phase is Phase.UPGRADING:
        assert set(each) == {rollout.current.routes}
    return True
