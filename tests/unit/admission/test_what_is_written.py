"""Whatever the bot and its watchdog write passes: every stage of every plan, every way back, on many shapes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from bot.adapters.workloads import template_patch
from bot.cluster import heartbeat_lease
from bot.cluster import virtual_service as virtual_services
from bot.model.observation import FailsafeAction, FailsafeRecord
from bot.model.rollout import ALL_CANARY, HOME, Rollout, Routes, Target, Topology
from bot.model.service import Promote
from bot.rollout.plans import make_plan
from sandbox.kube import bookinfo
from sandbox.kube.patches import apply
from sandbox.kube.resources import kind_named
from tests.builders import a_rollout, a_service, a_target
from tests.unit.admission.rules import BOT, MAYA, WATCHDOG, Object, of_kind, refusals, shipped, with_hosts

AT_NOTHING = {"mirror": {"host": "audit"}, "mirrorPercentage": {"value": 0}}


def per_version() -> Object:
    return of_kind("VirtualService", bookinfo.objects())


def route_of(vs: Object) -> Object:
    route: Object = vs["spec"]["http"][-1]
    return route


def alone() -> Object:
    """The canary's entry has to be made, with the port, and goes again."""
    vs = per_version()
    route_of(vs)["route"] = [{"destination": {"host": "reviews", "subset": "v1", "port": {"number": 9080}}}]
    return vs


def between() -> Object:
    """The canary is not the last; a third has nobody; entries have headers."""
    vs = per_version()
    places = [("v2", 0), ("v1", 100), ("v3", 0)]
    entries = [{"destination": {"host": "reviews", "subset": name}, "weight": weight} for name, weight in places]
    route_of(vs)["route"] = [entry | {"headers": {"request": {"set": {"x-version": "1"}}}} for entry in entries]
    return vs


def with_others() -> Object:
    """Routes of somebody else's around ours, and annotations; ours has all that a copy has to have as well."""
    vs = per_version()
    theirs = {
        "match": [{"uri": {"prefix": "/ads"}}],
        "route": [{"destination": {"host": "ads"}}],
        "mirror": {"host": "b"},
    }
    match = [{"uri": {"prefix": "/a"}, "method": {"regex": "GET|HEAD|POST"}}, {"uri": {"exact": "/b"}}]
    route_of(vs).update(match=match, timeout="3s", retries={"attempts": 2}, headers={"request": {"remove": ["x"]}})
    vs["spec"]["http"] = [theirs, *vs["spec"]["http"], {"redirect": {"uri": "/"}}]
    vs["metadata"]["annotations"] = {"team": "shop"}
    return vs


def with_a_mirror_at_nothing() -> Object:
    vs = per_version()
    route_of(vs).update(AT_NOTHING)
    return vs


def with_mirrors_of_others() -> Object:
    """Ours goes beside them, and to a port of the canary's own; a third place keeps its share."""
    vs = per_version()
    theirs = [{"destination": {"host": "audit"}, "percentage": {"value": 50}}, {"destination": {"host": "tap"}}]
    places = [("v1", 90, 9080), ("v3", 10, 9080), ("v2", 0, 9090)]
    entries = [
        {"destination": {"host": "reviews", "subset": name, "port": {"number": port}}, "weight": weight}
        for name, weight, port in places
    ]
    route_of(vs).update(mirrors=theirs, route=entries)
    return vs


def named() -> Object:
    vs = per_version()
    vs["spec"]["http"] = [
        vs["spec"]["http"][0] | {"name": name, "match": [{"uri": {"prefix": f"/{name}"}}]} for name in "ab"
    ]
    return json.loads(json.dumps(vs))  # type: ignore[no-any-return]  # the same object


SHAPES: list[Callable[[], Object]] = [
    per_version,
    alone,
    between,
    with_others,
    with_a_mirror_at_nothing,
    with_mirrors_of_others,
    named,
]
METHODS = [None, ("GET", "HEAD")]
RECORD = FailsafeRecord(at=3.0, silence=120.0, action=FailsafeAction.HOME)


def rollout_of(topology: Topology, promote: Promote, **changes: Any) -> Rollout:
    """A plan of few steps: the rules ask for no number."""
    service = a_service(promote=promote, weights=(30, 100))
    rollout = a_rollout(service, topology)
    target = a_target(topology, **changes)
    return replace(rollout, spec=replace(rollout.spec, target=target, plan=make_plan(service, topology)))


def stages(rollout: Rollout) -> list[Routes]:
    """The routes of the plan in order; those of a way back and of a step back are among them."""
    return [stage.routes for stage in rollout.spec.plan]


def claimed(vs: Object, rollout: Rollout, routes: Routes) -> Object:
    spec = rollout.spec
    return virtual_services.claim(vs, spec.target, routes, owner=spec.id, recorded=spec.recorded, now=1.0)


def writes(live: Object, rollout: Rollout) -> Iterator[tuple[str, Object, Object]]:
    """Who writes, what was there and what is then: the whole plan, and from each stage every way out of it."""
    spec = rollout.spec
    for routes in stages(rollout):
        before, live = live, claimed(live, rollout, routes)
        yield BOT, before, live
        yield from ways_out(live, rollout, spec.target)
    yield BOT, live, virtual_services.release(live, spec.target, stages(rollout)[-1])


def ways_out(live: Object, rollout: Rollout, target: Target) -> Iterator[tuple[str, Object, Object]]:
    owner = rollout.spec.id
    for routes in (HOME, ALL_CANARY):
        brought_home = virtual_services.with_failsafe_record(live, target, owner, routes, RECORD, "everyone is home")
        yield WATCHDOG, live, brought_home
        for left in (live, brought_home):
            moved = claimed(left, rollout, routes)
            yield BOT, left, moved
            yield BOT, moved, virtual_services.release(moved, target, routes)
            yield BOT, left, virtual_services.release(left, target, routes)
    yield BOT, live, virtual_services.beaten(live, owner, 9.0)
    stripped = virtual_services.remove_annotations(live, owner)
    yield BOT, live, stripped
    ended = virtual_services.annotate_ended(stripped, owner)
    yield from (
        (BOT, before, after) for before, after in pairwise([stripped, ended, virtual_services.remove_ended(ended)])
    )
    yield MAYA, live, stripped


@pytest.mark.parametrize("methods", METHODS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_write_of_a_virtual_service_passes(shape: Callable[[], Object], methods: tuple[str, ...] | None) -> None:
    names = ("a", "b") if shape is named else ()
    different: dict[str, tuple[str, Object, Object]] = {}
    with_subsets = [Topology.PER_VERSION, Topology.RELABEL]
    for topology, promote in [*((one, Promote.UPGRADE) for one in with_subsets), (Topology.PER_VERSION, Promote.ADOPT)]:
        rollout = rollout_of(topology, promote, mirror_methods=methods, route_names=names, mirror_percent=12.5)
        different |= {alike: write for write in writes(shape(), rollout) for alike in to_the_rules(*write)}
    refused = [
        (user, before, after, found)
        for user, before, after in {id(write): write for write in different.values()}.values()
        if (found := refusals(before, after, user=user))
    ]

    assert refused == []
    assert len(different) > 20


@pytest.mark.parametrize("methods", METHODS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_write_of_a_virtual_service_passes_whose_versions_are_hosts_that_the_policy_names(
    shape: Callable[[], Object], methods: tuple[str, ...] | None
) -> None:
    names = ("a", "b") if shape is named else ()
    rollout = rollout_of(Topology.HOSTS, Promote.UPGRADE, mirror_methods=methods, route_names=names)
    different = {alike: write for write in writes(on_hosts(shape()), rollout) for alike in to_the_rules(*write)}
    refused = [
        (user, before, after, found)
        for user, before, after in {id(write): write for write in different.values()}.values()
        if (found := refusals(before, after, user=user, policies=with_hosts()))
    ]

    assert refused == []


def on_hosts(vs: Object) -> Object:
    """The same with a Service for each version of reviews."""
    text = re.sub(r'"host": "reviews", "subset": "(v[0-9])"', r'"host": "reviews-\1"', json.dumps(vs))
    found: Object = json.loads(text)
    return found


def test_a_host_that_the_policy_does_not_name_gets_nothing() -> None:
    rollout = rollout_of(Topology.HOSTS, Promote.UPGRADE)
    before = on_hosts(alone())
    mirrored = claimed(before, rollout, Routes(canary=0, mirror=True))
    elsewhere = json.loads(json.dumps(mirrored).replace("reviews-v2", "ratings"))

    assert refusals(before, mirrored, policies=with_hosts()) == []
    for after, policies in ((mirrored, shipped()), (elsewhere, with_hosts())):
        assert refusals(before, after, policies=policies) == [
            "canary-bot may add and remove only a destination that differs from another of its route by the version.",
            "canary-bot may have requests copied only to another version of a destination of the same route.",
        ]


def to_the_rules(user: str, before: Object, after: Object) -> list[str]:
    """Two writes with one of these alike are alike to a rule: it looks at routes or at names of annotations."""
    names = [sorted(one["metadata"].get("annotations") or {}) for one in (before, after)]
    return [json.dumps(part) for part in ([user, names], [user, before["spec"], after["spec"]])]


def test_an_edit_of_somebodys_beside_an_inserted_route_stops_no_heartbeat_and_no_end() -> None:
    rollout = rollout_of(Topology.PER_VERSION, Promote.UPGRADE, mirror_methods=("GET",))
    live = claimed(with_others(), rollout, Routes(canary=0, mirror=True))
    live["spec"]["http"][2]["timeout"] = "5s"

    assert [
        found
        for user, before, after in ways_out(live, rollout, rollout.spec.target)
        if (found := refusals(before, after, user=user))
    ] == []


@pytest.mark.parametrize("topology", Topology)
@pytest.mark.parametrize("first", [False, True], ids=["containers", "init containers too"])
def test_the_primarys_upgrade_and_its_way_back_pass(topology: Topology, *, first: bool) -> None:
    relabel = topology is Topology.RELABEL
    before = of_kind("Deployment", bookinfo.relabel_objects() if relabel else bookinfo.objects())
    spec = a_rollout(topology=topology).spec
    recorded, upgraded = spec.recorded, spec.upgraded
    if first:
        before["spec"]["template"]["spec"]["initContainers"] = [{"name": "migrate", "image": "migrate:1"}]
        recorded = replace(recorded, images={**recorded.images, "migrate": "migrate:1"})
        upgraded = replace(upgraded, images={**upgraded.images, "migrate": "migrate:2"})

    there = patched(before, template_patch(before, upgraded))
    back = patched(there, template_patch(there, recorded))
    assert refusals(before, there) == refusals(there, back) == []
    assert before != there != back


def patched(deployment: Object, patch: Object) -> Object:
    kind = "application/strategic-merge-patch+json"
    changed: Object = apply(kind_named("Deployment"), kind, deepcopy(deployment), patch)
    return changed


@pytest.mark.parametrize("user", [BOT, WATCHDOG])
def test_heartbeats_pass_and_no_other_lease(user: str) -> None:
    rollout = a_rollout()
    vs = per_version()
    first = heartbeat_lease.beaten(None, vs, rollout.spec.id, "store", 120.0, 1.0)
    again = heartbeat_lease.beaten(first, vs, rollout.spec.id, "store", 120.0, 2.0)
    watching = heartbeat_lease.watching(None, "default", 120.0, 1.0)

    for before, after in [(None, first), (first, again), (again, heartbeat_lease.taken(again, 3.0)), (None, watching)]:
        assert refusals(before, after, user=user) == []
    leader = first | {"metadata": {"name": "kube-scheduler", "namespace": "kube-system"}}
    for before in (None, leader):
        assert refusals(before, leader | {"spec": {"holderIdentity": "us"}}, user=user) == [
            "canary-bot may write no Lease but those of its heartbeats."
        ]
