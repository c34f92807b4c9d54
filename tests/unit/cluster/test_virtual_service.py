"""The mesh edits: laws over generated VirtualServices, and the source document's own stages as a table."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bot.cluster import virtual_service as r
from bot.model.errors import Refusal
from bot.model.rollout import ALL_CANARY, HOME, PodTemplate, RolloutId, Routes, Target, Topology
from bot.words.rendering import plain
from tests.builders import unreadable

MIRROR = Routes(canary=0, mirror=True)
OWNER = RolloutId("r-1")
RECORDED = PodTemplate(images={"reviews": "reviews:1"}, labels={"version": "v1"})
TARGET = Target(
    namespace="default",
    host="reviews.default.svc.cluster.local",
    virtual_service="reviews",
    virtual_service_namespace="default",
    destination_rule="reviews",
    primary_subset="v1",
    canary_subset="v2",
    primary_deployment="reviews-v1",
    canary_deployment="reviews-v2",
    topology=Topology.PER_VERSION,
)
GET_ONLY = replace(TARGET, mirror_methods=("GET", "HEAD"))
HOSTS_TARGET = replace(
    TARGET,
    host="reviews-v1.default.svc.cluster.local",
    canary_host="reviews-v2.default.svc.cluster.local",
    primary_subset="",
    canary_subset="",
    topology=Topology.HOSTS,
)


def virtual_service(*http: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {"hosts": ["*"], "http": list(http), **spec},
    }


def to(subset: str | None, weight: int | None = None, host: str = "reviews", **more: Any) -> dict[str, Any]:
    destination = {"host": host} | ({"subset": subset} if subset else {})
    return {"destination": destination, **more} | ({} if weight is None else {"weight": weight})


def claim(vs: dict[str, Any], routes: Routes, target: Target = TARGET) -> dict[str, Any]:
    return r.claim(vs, target, routes, owner=OWNER, recorded=RECORDED, now=1000.0)


# Generated VirtualServices: what a team may have around and inside the route that is ours

HOSTS = st.sampled_from(["reviews", "reviews.default.svc.cluster.local"])
JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text("abc", max_size=3), st.lists, max_leaves=3)
METHOD_RULES = st.sampled_from([{"exact": "GET"}, {"exact": "POST"}, {"regex": "GET|PUT"}, {"prefix": "H"}])
MATCHES = st.lists(
    st.fixed_dictionaries(
        {"uri": st.just({"prefix": "/reviews"})},
        optional={"headers": st.just({"end-user": {"exact": "jason"}}), "method": METHOD_RULES, "xFuture": JSON},
    ),
    min_size=1,
    max_size=3,
)
AROUND = {
    "match": MATCHES,
    "timeout": st.just("10s"),
    "retries": st.just({"attempts": 3}),
    "headers": st.just({"request": {"set": {"x": "y"}}}),
    "rewrite": st.just({"uri": "/"}),
    "corsPolicy": st.just({"allowOrigins": [{"exact": "*"}]}),
    "xFuture": JSON,
}


NOBODYS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        to("v3", 0),
        to("v3"),
        to("v4", 0, headers={"b": 2}),
        to(None, 0),
        to("v1", 0, "ratings"),
        to("v2", 0, "old.x.svc"),
    ]
)


MIRRORS: list[dict[str, Any]] = [
    {"mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercent": 0},
    {"mirror": {"host": "audit"}, "mirrorPercentage": {"value": 0}},
    {"mirrors": [{"destination": {"host": "audit"}, "percentage": {"value": 50}}, {"destination": {"host": "tap"}}]},
]


@st.composite
def managed_route(draw: st.DrawFn, name: str | None = None) -> dict[str, Any]:
    """A route whose users are all on v1, in one of the many ways to say so."""
    extra: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={"headers": st.just({"a": 1}), "xFuture": JSON}))
    port = draw(st.sampled_from([{}, {"port": {"number": 9080}}]))
    primary = to("v1", draw(st.sampled_from([None, 100])), draw(HOSTS), **extra)
    entries = [primary]
    if draw(st.booleans()):
        primary["weight"] = 100
        entries.insert(draw(st.sampled_from([0, 1])), to("v2", draw(st.sampled_from([None, 0])), draw(HOSTS)))
    for third in draw(st.lists(NOBODYS.map(deepcopy), max_size=2)):  # what earlier releases have left behind
        primary["weight"] = 100
        entries.insert(draw(st.integers(0, len(entries))), third)
    for entry in entries:
        entry["destination"] |= port
    share = draw(st.sampled_from([0, 0, 20, 50]))
    if share:  # a baseline, or another team's version, that keeps its users
        primary["weight"] = 100 - share
        entries.insert(draw(st.integers(0, len(entries))), to(*draw(st.sampled_from([("v3", share), ("x", share)]))))
    leftover = draw(st.sampled_from([{}, *MIRRORS]))
    named = {"name": name} if name else draw(st.sampled_from([{}, {"name": "main"}]))
    return {**named, **draw(st.fixed_dictionaries({}, optional=AROUND)), "route": entries, **leftover}


OTHER_ROUTES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"match": [{"headers": {"qa": {"exact": "1"}}}], "route": [to("v2")]},
        {"match": [{"uri": {"prefix": "/v3"}}], "route": [to("v3", 50), to(None, 50, "ratings")]},
        {"match": [{"uri": {"exact": "/old"}}], "redirect": {"uri": "/new"}},
        {"match": [{"uri": {"exact": "/no"}}], "directResponse": {"status": 404}},
        {"name": "team-b", "match": [{"uri": {"prefix": "/b"}}], "delegate": {"name": "b", "namespace": "b"}},
        {"route": [to("v1", host="ratings")], "mirror": {"host": "audit"}},
        {"route": [to("v1", host="reviews.other.svc.cluster.local")], "xFuture": {"deep": [1, {"er": None}]}},
    ]
)
AROUND_HTTP: Any = st.fixed_dictionaries(
    {},
    optional={
        "gateways": st.just(["istio-system/gateway", "mesh"]),
        "tls": st.just([{"match": [{"sniHosts": ["a"]}], "route": [to("v1")]}]),
        "tcp": st.just([{"route": [to("v1")]}]),
        "exportTo": st.just(["."]),
        "xFuture": JSON,
    },
)
METADATA: Any = st.fixed_dictionaries(
    {},
    optional={
        "annotations": st.just({"team": "books"}),
        "labels": st.just({"app": "reviews"}),
        "ownerReferences": st.just([{"kind": "Helm"}]),
        "resourceVersion": st.just("7"),
    },
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, Any], Target]:
    """A VirtualService at home, and a target that manages one or two of its routes, mirroring all or safe methods."""
    names: tuple[str, ...] = draw(st.sampled_from([(), ("one",), ("one", "two")]))
    ours: list[dict[str, Any]] = [draw(managed_route(name)) for name in names]
    ours = ours or draw(st.lists(managed_route(), min_size=1, max_size=3))  # named or not, all of them move
    others: list[dict[str, Any]] = draw(st.lists(OTHER_ROUTES.map(deepcopy), max_size=4))
    http = draw(st.permutations(ours + others))
    vs = virtual_service(*http, **draw(AROUND_HTTP))
    vs["metadata"] |= draw(METADATA)
    methods = draw(st.sampled_from([None, ("GET",), ("GET", "HEAD")]))
    percent = draw(st.sampled_from([100.0, 12.5]))
    target = draw(st.sampled_from([TARGET, HOSTS_TARGET, replace(HOSTS_TARGET, canary_port=8080)]))
    of_versions = with_hosts(vs) if target.topology is Topology.HOSTS else vs
    return of_versions, replace(target, route_names=names, mirror_methods=methods, mirror_percent=percent)


def with_hosts(thing: Any) -> Any:
    """The same with a Service for each version where it names a subset of reviews."""
    if isinstance(thing, list):
        return [with_hosts(one) for one in thing]
    if not isinstance(thing, dict):
        return thing
    if str(thing.get("host", "")).startswith("reviews") and thing.get("subset"):
        host = str(thing["host"]).replace("reviews", f"reviews-{thing['subset']}", 1)
        return {key: value for key, value in thing.items() if key != "subset"} | {"host": host}
    return {key: with_hosts(value) for key, value in thing.items()}


def spelled(target: Target, entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as the target's own layout writes it."""
    found: dict[str, Any] = with_hosts(entry) if target.topology is Topology.HOSTS else deepcopy(entry)
    return found


ROUTES = st.builds(Routes, canary=st.integers(0, 100)) | st.just(MIRROR)
STORIES = st.lists(ROUTES, min_size=1, max_size=4)
quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def write_or_skip(vs: dict[str, Any], target: Target, routes: Routes) -> dict[str, Any]:
    """A generated route may let no safe method through, or share out 80 %; those refusals have tests of their own."""
    try:
        return claim(vs, routes, target)
    except Refusal as refusal:
        assume("Nothing could be mirrored" not in plain(refusal.sentence))
        assume("is no whole number" not in plain(refusal.sentence))
        raise


@quick
@given(worlds(), ROUTES)
def test_what_is_written_is_what_is_read_and_writing_it_twice_is_writing_it_once(
    world: tuple[dict[str, Any], Target], routes: Routes
) -> None:
    vs, target = world
    once = write_or_skip(vs, target, routes)
    assert r.read_routes(once, target) == routes
    assert r.with_routes(once, target, routes) == once


@quick
@given(worlds(), STORIES)
def test_an_abort_leaves_the_object_as_it_was_before_the_rollout(
    world: tuple[dict[str, Any], Target], story: list[Routes]
) -> None:
    vs, target = world
    before, live = deepcopy(vs), vs
    for routes in story:
        live = write_or_skip(live, target, routes)
    assert r.release(live, target, HOME) == before == vs


def without_ours(vs: dict[str, Any], target: Target) -> dict[str, Any]:
    """The object without anything that we may change."""
    left = deepcopy(vs)
    managed = r.managed_routes(left, target)
    for route in managed:
        route["route"] = [{k: v for k, v in e.items() if k != "weight"} for e in route["route"] if not is_canary(e)]
        route.pop("mirror", None)
        route.pop("mirrorPercentage", None)
        if "mirrors" in route:
            route["mirrors"] = [one for one in route["mirrors"] if not is_canary(one)]
    left["spec"]["http"] = [one for one in left["spec"]["http"] if not one.get("name", "").startswith(r.INSERTED)]
    annotations = left["metadata"].pop("annotations", {})
    return {**left, "annotations": {k: v for k, v in annotations.items() if not k.startswith("canary-bot/")}}


def is_canary(entry: dict[str, Any]) -> bool:
    destination = entry["destination"]
    host = str(destination["host"])
    return (destination.get("subset") == "v2" and host.startswith("reviews")) or host in CANARY_HOSTS


CANARY_HOSTS = ("reviews-v2", "reviews-v2.default.svc.cluster.local")
PRIMARYS = ("reviews-v1", "reviews-v1.default.svc.cluster.local")


@quick
@given(worlds(), STORIES)
def test_what_is_not_ours_survives_every_stage_and_a_promotion_to_the_canarys_subset(
    world: tuple[dict[str, Any], Target], story: list[Routes]
) -> None:
    vs, target = world
    live = vs
    for routes in [*story, ALL_CANARY]:
        live = write_or_skip(live, target, routes)
        assert without_ours(live, target) == without_ours(vs, target)
    promoted = r.release(live, target, ALL_CANARY)
    assert without_ours(promoted, target) == without_ours(vs, target)
    assert promoted["metadata"] == vs["metadata"]
    assert r.read_routes(promoted, target) == ALL_CANARY


@quick
@given(worlds(), ROUTES)
def test_shares_add_up_to_100_and_the_primary_is_never_dropped(
    world: tuple[dict[str, Any], Target], routes: Routes
) -> None:
    vs, target = world
    for route in r.managed_routes(write_or_skip(vs, target, routes), target):
        shares = [entry.get("weight") or 0 for entry in route["route"]]
        assert len(shares) == 1 or sum(shares) == 100
        destinations = [entry["destination"] for entry in route["route"]]
        assert any(one.get("subset") == "v1" or one["host"] in PRIMARYS for one in destinations)


@quick
@given(worlds(), ROUTES, st.data())
def test_an_ambiguous_object_is_refused_and_left_alone(
    world: tuple[dict[str, Any], Target], routes: Routes, data: st.DataObject
) -> None:
    vs, target = world
    ours = data.draw(st.sampled_from(r.managed_routes(vs, target)))
    spoil = data.draw(st.sampled_from([to("v3"), to(None), to("v1", host="ratings"), to("v1")]))
    for entry in ours["route"]:
        entry.setdefault("weight", 0 if len(ours["route"]) > 1 else 100)
    ours["route"].append({**spelled(target, spoil), "weight": data.draw(st.integers(1, 100))})
    before = deepcopy(vs)
    with pytest.raises(Refusal):
        claim(vs, routes, target)
    assert vs == before
    assert not isinstance(r.read_routes(vs, target), Routes)


# Cases

TWO: list[dict[str, Any]] = [{"name": "a", "route": [to("v1")]}, {"route": [to("v1")]}]

DOCUMENT_STAGES = [
    (MIRROR, {"v1": 100, "v2": 0}),
    (Routes(canary=20), {"v1": 80, "v2": 20}),
    (Routes(canary=60), {"v1": 40, "v2": 60}),
    (ALL_CANARY, {"v1": 0, "v2": 100}),
]


@pytest.mark.parametrize(("routes", "weights"), DOCUMENT_STAGES)
def test_each_stage_of_the_source_document_is_written_as_it_stands_there(
    routes: Routes, weights: dict[str, int]
) -> None:
    written = r.with_routes(virtual_service({"route": [to("v1")]}), TARGET, routes)
    mirror = {"mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercentage": {"value": 100}}
    expected = {"route": [to(subset, weight) for subset, weight in weights.items()]} | (mirror if routes.mirror else {})
    assert written["spec"]["http"] == [expected]


def test_the_final_manifest_of_a_relabelled_primary_has_everyone_on_v2_and_no_annotations() -> None:
    live = claim(virtual_service({"route": [to("v1")]}), ALL_CANARY)
    assert r.release(live, TARGET, ALL_CANARY) == virtual_service({"route": [to("v1", 0), to("v2", 100)]})


def to_host(host: str, weight: int | None = None, port: int = 0) -> dict[str, Any]:
    destination = {"host": host} | ({"port": {"number": port}} if port else {})
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


FULL_V1, FULL_V2 = (f"reviews-{version}.default.svc.cluster.local" for version in ("v1", "v2"))


@pytest.mark.parametrize(
    ("before", "port", "canary"),
    [
        (to_host("reviews-v1"), 0, {"host": "reviews-v2"}),
        (to_host(FULL_V1), 0, {"host": FULL_V2}),
        (to_host("reviews-v1", port=9080), 0, {"host": "reviews-v2", "port": {"number": 9080}}),
        (to_host("reviews-v1", port=9080), 8080, {"host": "reviews-v2", "port": {"number": 8080}}),
        (to_host("reviews-v1"), 8080, {"host": "reviews-v2"}),
        (to(subset="all", host="reviews-v1"), 0, {"host": "reviews-v2"}),
    ],
)
def test_a_canarys_host_is_written_as_the_primarys_is_where_no_route_has_it(
    before: dict[str, Any], port: int, canary: dict[str, Any]
) -> None:
    target = replace(HOSTS_TARGET, canary_port=port)

    mirrored = r.with_routes(virtual_service({"route": [deepcopy(before)]}), target, MIRROR)

    route = {"route": [{**before, "weight": 100}, {"destination": canary, "weight": 0}]}
    assert mirrored["spec"]["http"] == [{**route, "mirror": canary, "mirrorPercentage": {"value": 100}}]


def test_a_canarys_own_entry_says_where_copies_go() -> None:
    before = virtual_service({"route": [to_host("reviews-v1", 100, 9080), to_host(FULL_V2, 0, 8080)]})

    live = claim(before, MIRROR, HOSTS_TARGET)

    assert live["spec"]["http"][0]["mirror"] == {"host": FULL_V2, "port": {"number": 8080}}
    assert r.release(live, HOSTS_TARGET, HOME) == before


def test_a_root_service_and_a_third_versions_host_keep_what_they_have() -> None:
    before = virtual_service({"route": [to_host("reviews-v3", 10), to_host("reviews-v1", 90), to_host("reviews", 0)]})

    live = claim(before, Routes(canary=20), HOSTS_TARGET)

    assert [one.get("weight") for one in live["spec"]["http"][0]["route"]] == [10, 72, 0, 18]
    assert r.release(live, HOSTS_TARGET, HOME) == before


def test_routes_to_the_primarys_host_that_do_not_move_are_told() -> None:
    target = replace(HOSTS_TARGET, route_names=("main",))
    main, other, testers = ({"name": name, "route": [to_host(f"reviews-{v}")]} for name, v in NAMED_HOSTS)
    vs = virtual_service(main, other, testers, tcp=[{"route": [to_host("reviews-v1")]}])

    assert [(plain(one.label), one.part) for one in r.left_out(vs, target)] == [
        ("route other", "reviews-v1"),
        ("tcp route 1", "reviews-v1"),
    ]


NAMED_HOSTS = (("main", "v1"), ("other", "v1"), ("testers", "v2"))


def test_a_host_named_twice_is_refused() -> None:
    twice = virtual_service({"route": [to_host("reviews-v1", 50), to_host(FULL_V1, 50)]})
    with pytest.raises(Refusal) as refused:
        claim(twice, MIRROR, HOSTS_TARGET)
    assert "names the Service of one version more than once" in plain(refused.value.reasons[0])


def test_what_is_recorded_of_hosts_is_read_again_and_older_readers_are_told_that_it_is_newer() -> None:
    live = claim(virtual_service({"route": [to_host("reviews-v1")]}), MIRROR, replace(HOSTS_TARGET, canary_port=8080))
    restore = r.read_restore(live)
    assert restore is not None
    assert restore.target == replace(HOSTS_TARGET, canary_port=8080)
    assert json.loads(live["metadata"]["annotations"][r.RESTORE])["version"] == 2
    ours = claim(virtual_service({"route": [to("v1")]}), MIRROR)
    assert json.loads(ours["metadata"]["annotations"][r.RESTORE])["version"] == 1


def test_a_second_release_leaves_the_first_ones_destination_where_it_is() -> None:
    third = replace(TARGET, canary_subset="v3", canary_deployment="reviews-v3")
    before = virtual_service({"route": [to("v1", 100), to("v2", 0)]})

    live = claim(before, Routes(canary=40), third)

    assert live["spec"]["http"] == [{"route": [to("v1", 60), to("v2", 0), to("v3", 40)]}]
    assert r.release(live, third, HOME) == before


def test_after_a_relabelled_release_the_next_one_goes_on_from_there() -> None:
    third = replace(TARGET, primary_subset="v2", canary_subset="v3", topology=Topology.RELABEL)
    before = virtual_service({"route": [to("v1", 0), to("v2", 100)]})

    live = claim(before, ALL_CANARY, third)

    assert r.read_routes(before, third) == HOME
    assert live["spec"]["http"] == [{"route": [to("v1", 0), to("v2", 0), to("v3", 100)]}]
    assert r.release(live, third, HOME) == before


def test_a_third_destination_that_gets_users_in_mid_run_is_told_and_not_written_over() -> None:
    third = replace(TARGET, canary_subset="v3")
    live = claim(virtual_service({"route": [to("v1", 100), to("v2", 0)]}), Routes(canary=40), third)
    live["spec"]["http"][0]["route"][1]["weight"] = 10

    assert "weights that add up to 110" in unreadable(r.read_routes(live, third))


def test_a_third_destination_keeps_its_share_and_the_two_sides_share_out_the_rest() -> None:
    before = virtual_service({"route": [to("v1", 70), to("v3", 10), to("v2", 0)]})
    before["spec"]["http"][0]["route"][0]["weight"] = 90

    live = claim(before, Routes(canary=20))

    assert live["spec"]["http"] == [{"route": [to("v1", 72), to("v3", 10), to("v2", 18)]}]
    assert r.read_routes(live, TARGET) == Routes(canary=20)
    assert r.release(live, TARGET, HOME) == before


def test_every_route_that_sends_users_to_the_primary_moves_whether_it_has_a_name_or_not() -> None:
    live = claim(virtual_service(*deepcopy(TWO), {"match": [{"uri": {"exact": "/v2"}}], "route": [to("v2")]}), MIRROR)

    assert [bool(route.get("mirror")) for route in live["spec"]["http"]] == [True, True, False]


def test_unnamed_routes_come_back_as_they_were_after_somebody_put_another_before_them() -> None:
    first = {"match": [{"uri": {"prefix": "/a"}}], "route": [to("v1")]}
    second: dict[str, Any] = {"route": [to("v1", 100), to("v2", 0)]}
    live = claim(virtual_service(deepcopy(first), deepcopy(second)), Routes(canary=40))
    new = {"match": [{"uri": {"prefix": "/new"}}], "route": [to("v1", 60), to("v2", 40)]}
    live["spec"]["http"].insert(0, new)

    left = r.release(live, TARGET, HOME)["spec"]["http"]

    assert left[1:] == [first, second]
    assert left[0] == {**new, "route": [to("v1", 100), to("v2", 0)]}


def test_the_record_of_an_unnamed_route_that_an_older_version_made_is_used() -> None:
    before = virtual_service({"match": [{"uri": {"prefix": "/"}}], "route": [to("v1")]})
    live = claim(before, Routes(canary=40))
    saved = json.loads(live["metadata"]["annotations"][r.RESTORE])
    saved["routes"] = {"": next(iter(saved["routes"].values()))}
    live["metadata"]["annotations"][r.RESTORE] = json.dumps(saved)

    assert r.release(live, TARGET, HOME) == before


def test_our_copies_go_beside_the_mirrors_of_others_and_to_the_canarys_own_port() -> None:
    theirs = [{"destination": {"host": "audit"}, "percentage": {"value": 50}}]
    canary = to("v2", 0)
    canary["destination"]["port"] = {"number": 9090}
    before = virtual_service({"route": [to("v1", 100), canary], "mirrors": theirs})

    live = claim(before, MIRROR)

    ours = {"destination": canary["destination"], "percentage": {"value": 100}}
    assert live["spec"]["http"][0]["mirrors"] == [*theirs, ours]
    assert "mirror" not in live["spec"]["http"][0]
    assert claim(live, Routes(canary=20))["spec"]["http"][0]["mirrors"] == theirs
    assert r.release(live, TARGET, HOME) == before


LEFT: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"name": "b", "route": [to("v1")]}, [("route b", "v1")]),
    ({"route": [to(None)]}, [("http route 2", "")]),
    ({"route": [to("v1", 1), to(None, 1)]}, [("http route 2", ""), ("http route 2", "v1")]),
    ({"route": [to("v2")]}, []),  # testers
    ({"route": [to("v1", 0), to("v3", 100)]}, []),
    ({"route": [to(None, host="ratings")]}, []),
    ({"redirect": {"uri": "/"}}, []),
]


@pytest.mark.parametrize(("route", "left"), LEFT)
def test_routes_that_keep_users_on_the_primary_are_named(route: dict[str, Any], left: list[tuple[str, str]]) -> None:
    vs = virtual_service({"name": "a", "route": [to("v1")]}, route)
    target = replace(TARGET, route_names=("a",))
    assert [(plain(one.label), one.part) for one in r.left_out(vs, target)] == left


def test_tcp_and_tls_routes_to_the_primary_are_named_too() -> None:
    vs = virtual_service({"route": [to("v1")]}, tcp=[{"route": [to("v1")]}], tls=[{"route": [to(None)]}])
    assert [(plain(one.label), one.part) for one in r.left_out(vs, TARGET)] == [
        ("tls route 1", ""),
        ("tcp route 1", "v1"),
    ]


def test_only_safe_methods_are_mirrored_by_a_whole_copy_before_the_untouched_original() -> None:
    port = {"host": "reviews", "subset": "v1", "port": {"number": 9080}}
    original = {
        "match": [{"uri": {"prefix": "/"}}, {"method": {"exact": "POST"}}],
        "timeout": "3s",
        "route": [{"destination": port}],
    }
    written = r.with_routes(virtual_service(original), GET_ONLY, MIRROR)
    copy = {
        "name": "canarybot-mirror-0",
        "match": [{"uri": {"prefix": "/"}, "method": {"regex": "GET|HEAD"}}],
        "timeout": "3s",
        "route": [{"destination": port}],
        "mirror": {**port, "subset": "v2"},
        "mirrorPercentage": {"value": 100},
    }
    assert written["spec"]["http"] == [copy, original]


def test_an_inserted_copy_that_no_longer_matches_its_original_is_not_read_as_ours() -> None:
    live = r.with_routes(virtual_service({"route": [to("v1")]}), GET_ONLY, MIRROR)
    live["spec"]["http"][1]["timeout"] = "1s"
    assert "no longer copies its original" in unreadable(r.read_routes(live, GET_ONLY))
    assert r.read_routes(r.with_routes(live, GET_ONLY, MIRROR), GET_ONLY) == MIRROR


def test_a_destination_edited_in_mid_run_is_not_overwritten_by_the_record() -> None:
    live = claim(virtual_service({"route": [to("v1")]}), Routes(canary=20))
    live["spec"]["http"][0]["route"][0]["headers"] = {"response": {"set": {"new": "1"}}}
    left = r.release(live, TARGET, HOME)
    assert left["spec"]["http"][0]["route"][0]["headers"] == {"response": {"set": {"new": "1"}}}
    assert r.read_routes(left, TARGET) == HOME


def test_the_restore_annotation_says_all_that_an_abort_needs() -> None:
    live = claim(virtual_service({"name": "main", "route": [to("v1")]}), Routes(canary=20), GET_ONLY)
    expected = r.Restore(target=GET_ONLY, routes={"main": {"route": [to("v1")]}}, recorded=RECORDED, owner="r-1")
    assert r.read_restore(live) == expected
    assert (r.owner_of(live), live["metadata"]["annotations"][r.HEARTBEAT]) == (OWNER, "1000")


def test_the_way_home_needs_no_annotations_even_with_our_mirror_still_on() -> None:
    stripped = claim(virtual_service({"route": [to("v1")]}), MIRROR)
    del stripped["metadata"]["annotations"]
    assert r.read_routes(claim(stripped, HOME), TARGET) == HOME


REFUSED = [
    (virtual_service({"delegate": {"name": "inner"}}), TARGET, "VirtualService default/inner"),
    (virtual_service(tls=[{"route": [to("v1")]}]), TARGET, "only tls or tcp"),
    (virtual_service({"route": [to("v2")]}), TARGET, "no http route to reviews.default"),
    (virtual_service({"route": [to(None)]}), TARGET, "without a subset (http route 1)"),
    (virtual_service({"route": [to("v1", 80), to(None, 20)]}), TARGET, "every pod of reviews"),
    (virtual_service(*TWO), replace(TARGET, route_names=("b",)), "no http route named b"),
    (virtual_service({"route": [to("v1", 50), to("v3", 60)]}), TARGET, "add up to 110"),
    (virtual_service({"route": [to("v1", 50), to("v1", 50)]}), TARGET, "more than once"),
    (virtual_service({"route": [to("v1")], "mirror": {"host": "audit"}}), TARGET, "a managed route to audit"),
    (virtual_service({"route": [to("v1")], "mirrors": [to("v2")]}), TARGET, "already mirrors"),
    (virtual_service({"route": [to("v1")], "mirror": {"host": "reviews", "subset": "v2"}}), TARGET, "already mirrors"),
    (virtual_service({"match": [{"method": {"exact": "POST"}}], "route": [to("v1")]}), GET_ONLY, "Nothing could be"),
]


@pytest.mark.parametrize(("vs", "target", "words"), REFUSED, ids=[words for _, _, words in REFUSED])
def test_an_object_we_must_not_edit_is_refused_in_words(vs: dict[str, Any], target: Target, words: str) -> None:
    with pytest.raises(Refusal) as refusal:
        claim(vs, MIRROR, target)
    assert words in str(refusal.value)


UNREADABLE = [
    ({"route": [to("v1", 2), to("v2", 1)]}, "no whole percents"),
    ({"route": [to("v1", 80), to("v2", 20)], "mirror": {"host": "reviews", "subset": "v2"}}, "while users are on it"),
    (
        {"route": [to("v1")], "mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercentage": {"value": 5}},
        "mirrors 5 %",
    ),
]


@pytest.mark.parametrize(("route", "words"), UNREADABLE, ids=[words for _, words in UNREADABLE])
def test_routes_that_no_plan_could_have_written_are_told_in_a_sentence(route: dict[str, Any], words: str) -> None:
    assert words in unreadable(r.read_routes(virtual_service(route), TARGET))


def test_a_share_that_is_no_whole_number_of_the_rest_is_refused_in_words() -> None:
    vs = virtual_service({"route": [to("v1", 67), to("v3", 33)]})
    with pytest.raises(Refusal, match=r"67 % are left for the rollout\. 20 % of that is no whole number"):
        claim(vs, Routes(canary=20))
    assert r.read_routes(claim(vs, ALL_CANARY), TARGET) == ALL_CANARY


def test_the_documents_own_leftover_of_a_mirror_at_0_percent_reads_as_no_mirror() -> None:
    leftover = {"mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercentage": {"value": 0}}
    vs = virtual_service({"route": [to("v1", 80), to("v2", 20)], **leftover})
    assert r.read_routes(vs, TARGET) == Routes(canary=20)


def test_another_rollouts_object_is_refused() -> None:
    live = claim(virtual_service({"route": [to("v1")]}), MIRROR)
    with pytest.raises(Refusal, match="belongs to rollout r-1"):
        r.claim(live, TARGET, HOME, owner=RolloutId("r-2"), recorded=RECORDED, now=0)
