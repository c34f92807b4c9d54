"""The mesh edits: laws over generated VirtualServices, and the source document's own stages as a table."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bot.cluster import routes as r
from bot.model.errors import Refusal
from bot.model.rollout import ALL_CANARY, HOME, PodTemplate, RolloutId, Routes, Target, Topology

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
    leftover = draw(st.sampled_from([{}, {"mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercent": 0}]))
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
    ours: list[dict[str, Any]] = [draw(managed_route(name)) for name in names] or [draw(managed_route())]
    others: list[dict[str, Any]] = draw(st.lists(OTHER_ROUTES.map(deepcopy), max_size=4))
    http = draw(st.permutations(ours + others))
    vs = virtual_service(*http, **draw(AROUND_HTTP))
    vs["metadata"] |= draw(METADATA)
    methods = draw(st.sampled_from([None, ("GET",), ("GET", "HEAD")]))
    percent = draw(st.sampled_from([100.0, 12.5]))
    return vs, replace(TARGET, route_names=names, mirror_methods=methods, mirror_percent=percent)


ROUTES = st.builds(Routes, canary=st.integers(0, 100)) | st.just(MIRROR)
STORIES = st.lists(ROUTES, min_size=1, max_size=4)
quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def write_or_skip(vs: dict[str, Any], target: Target, routes: Routes) -> dict[str, Any]:
    """A generated route may let no safe method through; that refusal has its own test."""
    try:
        return claim(vs, routes, target)
    except Refusal as refusal:
        assume("Nothing could be mirrored" not in str(refusal.sentence))
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
    left["spec"]["http"] = [one for one in left["spec"]["http"] if not one.get("name", "").startswith(r.INSERTED)]
    annotations = left["metadata"].pop("annotations", {})
    return {**left, "annotations": {k: v for k, v in annotations.items() if not k.startswith("canary-bot/")}}


def is_canary(entry: dict[str, Any]) -> bool:
    destination = entry["destination"]
    return destination.get("subset") == "v2" and str(destination["host"]).startswith("reviews")


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
        assert any(entry["destination"].get("subset") == "v1" for entry in route["route"])


@quick
@given(worlds(), ROUTES, st.data())
def test_an_ambiguous_object_is_refused_and_left_alone(
    world: tuple[dict[str, Any], Target], routes: Routes, data: st.DataObject
) -> None:
    vs, target = world
    ours = data.draw(st.sampled_from(r.managed_routes(vs, target)))
    spoil = data.draw(st.sampled_from([to("v3"), to(None), to("v1", host="ratings"), to("v1")]))
    ours["route"].append({**deepcopy(spoil), "weight": data.draw(st.integers(1, 100))})
    before = deepcopy(vs)
    with pytest.raises(Refusal):
        claim(vs, routes, target)
    assert vs == before
    assert isinstance(r.read_routes(vs, target), str)


# Cases

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

    assert "also sends users to reviews, subset v2" in str(r.read_routes(live, third))


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
    assert "no longer copies its original" in str(r.read_routes(live, GET_ONLY))
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


TWO: list[dict[str, Any]] = [{"name": "a", "route": [to("v1")]}, {"route": [to("v1")]}]
REFUSED = [
    (virtual_service({"delegate": {"name": "inner"}}), TARGET, "VirtualService default/inner"),
    (virtual_service(tls=[{"route": [to("v1")]}]), TARGET, "only tls or tcp"),
    (virtual_service({"route": [to("v2")]}), TARGET, "no http route to reviews.default"),
    (virtual_service(*TWO), TARGET, "route a, http route 2"),
    (virtual_service(*TWO), replace(TARGET, route_names=("b",)), "no http route named b"),
    (virtual_service({"route": [to("v1", 50), to("v3", 50)]}), TARGET, "reviews, subset v3"),
    (virtual_service({"route": [to("v1")], "mirrors": [{"destination": {"host": "x"}}]}), TARGET, "another purpose"),
    (virtual_service({"route": [to("v1")], "mirror": {"host": "audit"}}), TARGET, "another purpose"),
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
    assert words in str(r.read_routes(virtual_service(route), TARGET))


def test_the_documents_own_leftover_of_a_mirror_at_0_percent_reads_as_no_mirror() -> None:
    leftover = {"mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercentage": {"value": 0}}
    vs = virtual_service({"route": [to("v1", 80), to("v2", 20)], **leftover})
    assert r.read_routes(vs, TARGET) == Routes(canary=20)


def test_another_rollouts_object_is_refused() -> None:
    live = claim(virtual_service({"route": [to("v1")]}), MIRROR)
    with pytest.raises(Refusal, match="belongs to rollout r-1"):
        r.claim(live, TARGET, HOME, owner=RolloutId("r-2"), recorded=RECORDED, now=0)
