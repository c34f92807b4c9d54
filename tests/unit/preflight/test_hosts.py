"""Versions as hosts: when it is so, what is asked for, and what is refused with what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.model.errors import Refusal
from bot.model.rollout import Topology
from bot.model.service import Promote
from bot.preflight import Callers, Snapshot, examine
from bot.preflight.hosts import roots
from bot.words.rendering import plain
from tests.builders import a_service
from tests.snapshots import a_deployment, a_snapshot, a_virtual_service

Object = dict[str, Any]
V1, V2 = {"app": "reviews", "version": "v1"}, {"app": "reviews", "version": "v2"}


def a_service_of(name: str, selector: dict[str, str], *ports: int) -> Object:
    listed = [{"name": f"http-{number}", "port": number} for number in ports or (9080,)]
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": selector, "ports": listed},
    }


def to(host: str, weight: int | None = None, port: int = 0, **more: Any) -> Object:
    destination = {"host": host, **more} | ({"port": {"number": port}} if port else {})
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


NO_CALLERS = Callers()
STABLE, CANARY = a_service_of("reviews-stable", V1), a_service_of("reviews-canary", V2)
BOTH = [to("reviews-stable", 100), to("reviews-canary", 0)]


def apart(*entries: Object, services: tuple[Object, ...] = (STABLE, CANARY), **changes: Any) -> Snapshot:
    """Routes between hosts, no DestinationRule, and no Service that is called like the service."""
    routes = changes.pop("http", [{"route": list(entries or BOTH)}])
    found: dict[str, Any] = {
        "virtual_service": a_virtual_service(http=routes, **changes.pop("spec", {})),
        "service": None,
        "services": services,
        "destination_rules": (),
    }
    return a_snapshot(**(found | changes))


def refused(snapshot: Snapshot, callers: Callers = NO_CALLERS, **service: Any) -> list[str]:
    try:
        found = examine(a_service(**service), "v2", snapshot, callers)
    except Refusal as refusal:
        return [plain(reason) for reason in refusal.reasons]
    return [plain(reason) for reason in found.reasons]


FULL = "reviews-stable.default.svc.cluster.local"


@pytest.mark.parametrize(
    "entries",
    [
        BOTH,
        [to("reviews-stable", 100)],
        [to("reviews-stable")],
        [to(FULL, 100, 9080), to("reviews-canary.default.svc.cluster.local", 0, 9080)],
        [to("reviews-stable", 100, subset="stable"), to("reviews-canary", 0)],
        [to("reviews-stable", 90), to("ratings", 10)],
    ],
    ids=str,
)
def test_a_service_of_each_version_means_that_routes_share_users_out_between_hosts(entries: list[Object]) -> None:
    examined = examine(a_service(), "v2", apart(*entries))

    target = examined.target
    assert examined.problems == ()
    assert target.topology is Topology.HOSTS
    assert target.hosts == (FULL, "reviews-canary.default.svc.cluster.local")
    assert (target.primary_subset, target.canary_subset, target.canary_port) == ("", "", 0)
    assert examined.upgraded.labels == {}


def test_the_same_with_a_free_label_leaves_the_label_alone() -> None:
    deployments = (
        a_deployment("reviews", "v1", app="reviews", track="primary"),
        a_deployment("reviews-canary", "v2", app="reviews", track="canary"),
    )
    service = a_service(primary_deployment="reviews", canary_deployment="reviews-canary")

    examined = examine(service, "v2", apart(deployments=deployments))

    assert examined.target.topology is Topology.HOSTS
    assert (examined.recorded.labels, examined.upgraded.labels) == ({}, {})


ROOT = a_service_of("reviews", {"app": "reviews"})
SUBSETS = [{"route": [to("reviews", 100, subset="v1"), to("reviews", 0, subset="v2")]}]


def test_services_of_versions_beside_routes_with_subsets_change_nothing() -> None:
    snapshot = replace(a_snapshot(), services=(ROOT, STABLE, CANARY))
    assert examine(a_service(), "v2", snapshot).target.topology is Topology.PER_VERSION


def test_a_primary_without_a_host_of_its_own_in_the_routes_is_told_what_a_service_for_all_versions_is_told() -> None:
    snapshot = apart(to("reviews", 100), services=(ROOT, STABLE, CANARY), service=ROOT)
    assert any("needed for reviews, found none" in reason for reason in refused(snapshot))


def test_which_service_is_meant_is_asked_for_and_can_be_said() -> None:
    other = a_service_of("reviews-next", V2)
    snapshot = apart(to("reviews-stable", 100), services=(STABLE, CANARY, other))

    assert refused(snapshot) == [
        (
            "reviews-v2 has several Services of its own (reviews-canary and reviews-next), and routes name none of "
            "them. Say which one gets its users: `canary: {host: NAME}` in services.yaml."
        )
    ]
    named = a_service(canary_host="reviews-next")
    assert examine(named, "v2", snapshot).target.canary_host == "reviews-next.default.svc.cluster.local"
    of_versions = apart(to("v1-reviews"), services=(a_service_of("v1-reviews", V1), a_service_of("v2-reviews", V2)))
    named = a_service(primary_host="v1-reviews", canary_host="{version}-reviews")
    assert examine(named, "v2", of_versions).target.canary_place == "v2-reviews"


def test_a_canary_without_a_service_where_the_last_one_had_one_is_told_with_the_command_that_makes_it() -> None:
    before = a_service_of("reviews-v2", V2), a_service_of("reviews-v1", V1)
    third = (a_deployment("reviews-v1", "v1"), a_deployment("reviews-v3", "v3"))
    snapshot = apart(to("reviews-v1", 100), to("reviews-v2", 0), services=before, deployments=third)

    with pytest.raises(Refusal) as refused_:
        examine(a_service(), "v3", snapshot)
    assert plain(refused_.value.reasons[0]) == (
        "reviews-v3 has no Service of its own. Routes share users out between Services, of which reviews-v1 is "
        "reviews-v1's. `canary-bot init reviews` shows what it needs, `canary-bot init reviews --apply` creates it."
    )


def test_a_named_service_that_is_not_there_is_told() -> None:
    assert (
        "There is no Service reviews-v2 in namespace default." in refused(apart(), canary_host="reviews-{version}")[0]
    )


WIDE = a_service_of("reviews-stable", {"app": "reviews"})
WIDE_CANARY = a_service_of("reviews-canary", {"app": "reviews"})
NARROW = (
    "Service {} is {}'s in the routes, and selects the pods of {} too: its users meet both. `kubectl -n default patch "
    'service {} -p \'{{"spec":{{"selector":{{"version":"{}"}}}}}}\'` lets {} select the pods of {} alone.'
)


@pytest.mark.parametrize(
    ("services", "words"),
    [
        (
            (WIDE, CANARY),
            ("reviews-stable", "reviews-v1", "reviews-v2", "reviews-stable", "v1", "reviews-stable", "reviews-v1"),
        ),
        (
            (STABLE, WIDE_CANARY),
            ("reviews-canary", "reviews-v2", "reviews-v1", "reviews-canary", "v2", "reviews-canary", "reviews-v2"),
        ),
    ],
)
def test_a_versions_service_that_has_the_others_pods_is_refused_with_the_command_that_narrows_it(
    services: tuple[Object, ...], words: tuple[str, ...]
) -> None:
    assert refused(apart(services=services)) == [NARROW.format(*words)]


def labelled(snapshot: Snapshot) -> None:
    snapshot.pods[0]["metadata"]["labels"]["version"] = "v2"


def third(snapshot: Snapshot) -> None:
    snapshot.deployments[1]["metadata"]["name"] = "reviews-v2"
    object.__setattr__(snapshot, "deployments", (*snapshot.deployments, a_deployment("reviews-old", "v1")))


def by_hash(snapshot: Snapshot) -> None:
    for deployment in snapshot.deployments:
        deployment["spec"]["template"]["metadata"]["labels"]["rollouts-pod-template-hash"] = "abc"
    snapshot.services[0]["spec"]["selector"]["rollouts-pod-template-hash"] = "abc"


SPOILT: list[tuple[Callable[[Snapshot], None], str]] = [
    (labelled, "Pod reviews-v1-1 of reviews-v1 does not belong to Service reviews-stable"),
    (third, "The pods of reviews-old belong to Service reviews-stable too."),
    (by_hash, "The selector of Service reviews-stable has rollouts-pod-template-hash, which another controller owns."),
]


@pytest.mark.parametrize(("spoil", "words"), SPOILT)
def test_what_would_bring_users_elsewhere_is_refused(spoil: Callable[[Snapshot], None], words: str) -> None:
    snapshot = apart()
    spoil(snapshot)
    assert words in refused(snapshot)[0]


def test_the_canarys_only_port_is_taken_and_one_of_several_is_asked_for() -> None:
    alone = to("reviews-stable", 100, 9080)
    one = apart(alone, services=(STABLE, a_service_of("reviews-canary", V2, 8080)))
    several = apart(alone, services=(STABLE, a_service_of("reviews-canary", V2, 8080, 8081)))

    assert examine(a_service(), "v2", one).target.canary_port == 8080
    assert refused(several) == [
        (
            "Routes have the primary at port 9080. Service reviews-canary has no such port, and several others. Say "
            "the canary's port in the route: `{destination: {host: reviews-canary, port: {number: PORT}}, weight: 0}`."
        )
    ]
    written = apart(alone, to("reviews-canary", 0, 8081), services=several.services)
    assert refused(written) == []


def test_a_port_that_no_route_names_is_asked_for_where_the_canarys_service_has_several() -> None:
    (reason,) = refused(apart(to("reviews-stable"), services=(STABLE, a_service_of("reviews-canary", V2, 8080, 8081))))
    assert reason.startswith("Routes name no port of the primary, and Service reviews-canary has several.")


def test_flaggers_layout_is_found_without_flagger() -> None:
    deployments = (
        a_deployment("reviews-primary", "v1", app="reviews-primary"),
        a_deployment("reviews", "v1", app="reviews"),
    )
    deployments[1]["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/reviews:2"
    names = (("reviews", "reviews-primary"), ("reviews-primary", "reviews-primary"), ("reviews-canary", "reviews"))
    services = tuple(a_service_of(name, {"app": app}) for name, app in names)
    routes = (to("reviews-primary", 100), to("reviews-canary", 0))
    snapshot = apart(*routes, services=services, service=services[0], deployments=deployments)

    examined = examine(a_service(primary_deployment="reviews-primary", canary_deployment="reviews"), "v1", snapshot)

    assert examined.problems == ()
    assert (examined.target.primary_place, examined.target.canary_place) == ("reviews-primary", "reviews-canary")


def test_what_the_refusal_of_a_wide_service_says_ends_it() -> None:
    wide = a_service_of("reviews-stable", {"app": "reviews"})
    command = refused(apart(services=(wide, CANARY)))[0].partition("-p '")[2].partition("'")[0]

    wide["spec"]["selector"] |= json.loads(command)["spec"]["selector"]

    assert refused(apart(services=(wide, CANARY))) == []


TWO = [{"name": "main", "route": BOTH}, {"match": [{"uri": {"prefix": "/a"}}], "route": [to("reviews")]}]


def test_users_of_a_service_that_has_both_versions_stop_a_start() -> None:
    (reason,) = refused(apart(http=TWO, services=(STABLE, CANARY, ROOT)))
    assert reason.startswith("VirtualService reviews sends users to Service reviews, which selects the pods of both")
    assert reason.endswith(
        "They meet reviews-v2 at any weight. Send them to the primary alone: `host: reviews-stable`."
    )


def test_who_calls_it_by_name_stops_a_start_unless_our_routes_apply_to_them() -> None:
    snapshot = apart(services=(STABLE, CANARY, ROOT))
    callers = Callers(of_roots={"reviews": {"productpage-v1": 30.0, "nobody": 0.0}})
    governed = apart(services=(STABLE, CANARY, ROOT), spec={"hosts": ["reviews"], "gateways": ["mesh"]})

    assert roots(a_service(), "v2", snapshot) == ("reviews",)
    assert "and productpage-v1 called it by name in the last hour" in refused(snapshot, callers)[0]
    assert refused(governed, callers) == refused(snapshot) == []
    warned = examine(a_service(), "v2", snapshot).warnings
    assert any("whoever calls it by name meets reviews-v2 at any weight" in plain(one) for one in warned)


def test_another_service_of_the_primarys_keeps_users_there_and_stops_an_upgrade() -> None:
    old = a_service_of("reviews-old", V1)
    http = [{"route": BOTH}, {"match": [{"uri": {"prefix": "/old"}}], "route": [to("reviews-old")]}]
    snapshot = apart(http=http, services=(STABLE, CANARY, old))

    assert "sends users to Service reviews-old as well, which does not move" in refused(snapshot)[0]
    assert refused(snapshot, promote=Promote.ADOPT) == []


def test_all_users_on_another_host_are_an_earlier_release_and_what_to_write_is_said() -> None:
    snapshot = apart(to("reviews-stable", 0), to("reviews-canary", 100))
    reason = refused(snapshot)[0]
    assert reason.startswith("All users are on reviews-v2 (Service reviews-canary)")
    assert "Write `primary: {deployment: reviews-v2, host: reviews-canary}`" in reason


def test_rules_that_treat_the_hosts_differently_are_told() -> None:
    rule = {
        "kind": "DestinationRule",
        "metadata": {"name": "stable", "namespace": "default"},
        "spec": {"host": "reviews-stable", "trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 3}}},
    }
    warned = examine(a_service(), "v2", apart(destination_rules=(rule,))).warnings
    assert any("have different trafficPolicy (outlierDetection)" in plain(one) for one in warned)


def test_a_version_without_a_label_that_the_primarys_service_asks_for_is_told_which() -> None:
    stable = a_service_of("reviews-stable", {**V1, "tier": "web"})
    deployments = (
        a_deployment("reviews-v1", "v1", app="reviews", tier="web"),
        a_deployment("reviews-v2", "v2", app="reviews"),
    )
    (reason, *_) = refused(apart(to("reviews-stable"), services=(stable,), deployments=deployments))
    assert reason.endswith("Give the pods of reviews-v2 the labels that Service reviews-stable asks for: tier.")


def test_a_service_under_another_name_is_asked_for_beside_the_rule_that_is_missing() -> None:
    shared = a_service_of("books", {"app": "reviews"})
    reasons = refused(apart(to("books"), services=(shared,)))
    assert any(one.startswith("There is no Service reviews in namespace default. Name it") for one in reasons)
