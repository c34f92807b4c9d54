"""What a service's mesh objects lack before its first release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bot.cluster.mesh_setup import Found, Kind, Setup, setup
from bot.model.errors import Refusal
from bot.words.rendering import plain
from tests.builders import a_service

Thing = dict[str, Any]


def deployment(version: str, **labels: str) -> Thing:
    template = {"metadata": {"labels": {"app": "reviews", "version": version, **labels}}}
    return {"metadata": {"name": f"reviews-{version}", "namespace": "default"}, "spec": {"template": template}}


def rule(*subsets: Thing, name: str = "reviews", host: str = "reviews") -> Thing:
    return {"kind": "DestinationRule", "metadata": {"name": name}, "spec": {"host": host, "subsets": list(subsets)}}


def subset(version: str, name: str | None = None) -> Thing:
    return {"name": name or version, "labels": {"version": version}}


def virtual_service(*http: Thing, name: str = "reviews") -> Thing:
    return {"kind": "VirtualService", "metadata": {"name": name, "namespace": "default"}, "spec": {"http": list(http)}}


def to(name: str | None, weight: int | None = None, host: str = "reviews") -> Thing:
    destination = {"host": host} | ({"subset": name} if name else {})
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def setup_of(
    rules: Sequence[Thing] = (rule(subset("v1"), subset("v2")),),
    virtual_services: Sequence[Thing] = (virtual_service({"route": [to("v1")]}),),
    selector: dict[str, str] | None = None,
    deployments: Sequence[Thing] = (deployment("v1"), deployment("v2")),
    gateways: Sequence[Thing] = (),
) -> Setup:
    backend = {"metadata": {"name": "reviews"}, "spec": {"selector": selector or {"app": "reviews"}}}
    found = Found(
        backend=backend, deployments=deployments, rules=rules, virtual_services=virtual_services, gateways=gateways
    )
    return setup(a_service(), found, "v1")


def test_where_everything_is_there_nothing_is_written() -> None:
    assert setup_of().writes == ()


def test_what_is_missing_is_written_in_an_order_in_which_no_user_meets_another_version() -> None:
    made = setup_of(
        rules=[rule(subset("v1"))],
        virtual_services=[virtual_service({"route": [to(None)]})],
        selector={"app": "reviews", "version": "v1"},
    )

    assert [write.kind for write in made.writes] == [Kind.SUBSETS, Kind.ROUTES, Kind.SELECTOR]
    subsets, routes, selector = (write.thing["spec"] for write in made.writes)
    assert subsets["subsets"] == [subset("v1"), subset("v2")]
    assert routes["http"] == [{"route": [to("v1")]}]
    assert selector["selector"] == {"app": "reviews"}
    assert made.others == {"reviews-v2"}


def test_what_is_there_is_patched_and_everything_else_of_it_stays() -> None:
    theirs = virtual_service(
        {"match": [{"uri": {"prefix": "/a"}}], "timeout": "3s", "route": [to(None, 1)]},
        {"name": "ads", "route": [to(None, host="ads")]},
        {"route": [to("v2")]},
    )
    (write,) = setup_of(virtual_services=[theirs]).writes

    assert write.before == theirs
    assert write.thing["spec"]["http"] == [
        {"match": [{"uri": {"prefix": "/a"}}], "timeout": "3s", "route": [to("v1", 1)]},
        *theirs["spec"]["http"][1:],
    ]
    assert plain(write.about) == "http route 1: `subset: v1`. Users stay with the primary, now by name."


def test_the_same_destination_twice_becomes_one() -> None:
    (write,) = setup_of(virtual_services=[virtual_service({"route": [to(None, 50), to(None, 50)]})]).writes
    assert write.thing["spec"]["http"] == [{"route": [to("v1", 100)]}]


def test_a_subset_of_another_name_for_the_version_is_the_one_that_is_used() -> None:
    rules = [rule(subset("v1", "stable"), subset("v2", "next"))]
    (write,) = setup_of(rules=rules, virtual_services=[virtual_service({"route": [to(None)]})]).writes
    assert write.thing["spec"]["http"] == [{"route": [to("stable")]}]


def test_a_version_that_testers_are_sent_to_by_name_may_have_users_afterwards() -> None:
    theirs = virtual_service(
        {"match": [{"headers": {"qa": {"exact": "1"}}}], "route": [to("v2")]}, {"route": [to(None)]}
    )
    assert setup_of(virtual_services=[theirs]).others == frozenset()


def test_where_nothing_is_there_it_is_created_with_the_way_in_first() -> None:
    made = setup_of(rules=(), virtual_services=())
    assert [write.thing["kind"] for write in made.writes] == ["Gateway", "DestinationRule", "VirtualService"]
    assert all(write.before is None for write in made.writes)


def gateway(*hosts: str, name: str = "front", namespace: str = "default") -> Thing:
    server = {"port": {"number": 80, "protocol": "HTTP"}, "hosts": list(hosts)}
    return {"kind": "Gateway", "metadata": {"name": name, "namespace": namespace}, "spec": {"servers": [server]}}


def test_a_new_way_in_is_for_the_services_own_name_and_not_for_every_host() -> None:
    way_in, _, routes = (write.thing["spec"] for write in setup_of(rules=(), virtual_services=()).writes)
    assert way_in["servers"][0]["hosts"] == routes["hosts"] == ["reviews.default.svc.cluster.local"]


@pytest.mark.parametrize(
    ("served", "hosts"),
    [
        (["shop.example"], ["shop.example"]),
        (["default/shop.example", "other/ads.example"], ["shop.example"]),
        (["*/*.shop.example", "./api.example"], ["*.shop.example", "api.example"]),
        (["*"], ["*"]),
    ],
)
def test_new_routes_are_for_the_hosts_that_the_live_gateway_serves(served: list[str], hosts: list[str]) -> None:
    elsewhere = gateway("other/ads.example", name="ads", namespace="other")
    made = setup_of(virtual_services=(), gateways=[gateway(*served), elsewhere])
    (routes,) = [write.thing["spec"] for write in made.writes if write.kind is Kind.ROUTES]
    assert (routes["gateways"], routes["hosts"]) == (["default/front"], hosts)


def test_hosts_that_somebody_routes_there_are_left_alone() -> None:
    ads = {
        "kind": "VirtualService",
        "metadata": {"name": "ads", "namespace": "other"},
        "spec": {"hosts": ["ads.example"], "gateways": ["default/front"], "http": [{"route": [to(None, host="ads")]}]},
    }
    made = setup_of(virtual_services=[ads], gateways=[gateway("shop.example", "ads.example")])
    assert made.writes[-1].thing["spec"]["hosts"] == ["shop.example"]


def test_nothing_is_written_beside_an_object_whose_host_has_a_dot_at_its_end() -> None:
    theirs = virtual_service({"route": [to(None, host="reviews.default.svc.cluster.local.")]})
    with pytest.raises(Refusal, match="with a dot at its end"):
        setup_of(virtual_services=[theirs])


def test_a_host_written_in_full_is_the_same_service() -> None:
    host = "reviews.default.svc.cluster.local"
    theirs = virtual_service({"route": [to(None, host=host)]})
    (write,) = setup_of(rules=[rule(subset("v1"), subset("v2"), host=host)], virtual_services=[theirs]).writes
    assert write.thing["spec"]["http"] == [{"route": [to("v1", host=host)]}]


def at(space: str, thing: Thing, **spec: Any) -> Thing:
    """The same object in that namespace."""
    return {**thing, "metadata": {**thing["metadata"], "namespace": space}, "spec": {**thing["spec"], **spec}}


FULL = "reviews.default.svc.cluster.local"
LOOSE = {"route": [to(None, host=FULL)]}
OURS = virtual_service({"route": [to("v1")]})


@pytest.mark.parametrize(
    ("space", "routes", "words"),
    [
        ("web", {"hosts": ["w.example"], "gateways": ["web/gw"]}, "DestinationRule web/own applies to callers in "),
        ("web", {"hosts": ["w.example"], "gateways": ["edge/gw"]}, "namespace web and has no subset v1"),
        ("edge", {"hosts": ["w.example"], "gateways": ["edge/gw"]}, "VirtualService web/web would give them errors"),
        ("edge", {"hosts": ["w.example"], "gateways": ["edge/gw"]}, "Add subset `v1` to DestinationRule edge/own"),
        ("shop", {"hosts": [FULL]}, "callers in namespace shop"),
        ("shop", {"hosts": [FULL], "exportTo": ["shop"]}, "callers in namespace shop"),
    ],
)
def test_a_route_names_no_subset_that_the_rule_its_callers_obey_lacks(
    space: str, routes: dict[str, Any], words: str
) -> None:
    theirs = at("web", virtual_service(LOOSE, name="web"), **routes)
    own = at(space, rule(name="own", host=FULL))
    with pytest.raises(Refusal) as refused:
        setup_of(rules=[rule(subset("v1"), subset("v2")), own], virtual_services=[OURS, theirs])
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("own", "routes"),
    [
        (at("web", rule(subset("v1"), name="own", host=FULL)), {"hosts": ["w.example"], "gateways": ["web/gw"]}),
        (at("web", rule(name="own", host="ads.default.svc")), {"hosts": ["w.example"], "gateways": ["web/gw"]}),
        (at("shop", rule(name="own", host=FULL)), {"hosts": ["w.example"], "gateways": ["web/gw"]}),
        (at("istio-system", rule(name="own", host=FULL)), {"hosts": ["w.example"], "gateways": ["web/gw"]}),
        (at("istio-system", rule(name="own", host="*.local")), {"hosts": ["w.example"], "gateways": ["web/gw"]}),
        (at("shop", rule(name="own", host=FULL)), {"hosts": [FULL], "exportTo": ["."]}),
    ],
)
def test_a_rule_that_has_the_subset_or_that_no_caller_obeys_is_in_nobodys_way(
    own: Thing, routes: dict[str, Any]
) -> None:
    theirs = at("web", virtual_service(LOOSE, name="web"), **routes)
    made = setup_of(rules=[rule(subset("v1"), subset("v2")), own], virtual_services=[OURS, theirs])
    assert [write.kind for write in made.writes] == [Kind.ROUTES]


def test_a_rule_for_many_hosts_hides_the_subset_as_well_and_gets_none_of_ours() -> None:
    theirs = at("web", virtual_service(LOOSE, name="web"), hosts=["w.example"], gateways=["web/gw"])
    own = at("web", rule(name="all", host="*.local"))
    with pytest.raises(Refusal) as refused:
        setup_of(rules=[rule(subset("v1"), subset("v2")), own], virtual_services=[OURS, theirs])
    reason, remedy = str(refused.value).split("\n")
    assert reason.startswith("DestinationRule web/all applies to callers in namespace web and has no subset v1: ")
    assert remedy == (
        f"• Write a DestinationRule for `{FULL}` with subset `v1` in namespace web, "
        "with the policies that hold there now. Then run it again."
    )


@pytest.mark.parametrize("space", ["default", "istio-system"])
def test_what_a_rule_for_many_hosts_says_holds_for_the_service_when_it_gets_a_rule_of_its_own(space: str) -> None:
    policy = {"trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 5}}}
    wide = at(space, rule(name="all", host="*.local"), **policy)
    (made,) = [one for one in setup_of(rules=[wide]).writes if one.kind is Kind.SUBSETS]
    assert {key: made.thing["spec"][key] for key in policy} == policy
    assert (made.before, wide["spec"]["subsets"]) == (None, [])


def test_a_rule_that_another_namespace_keeps_for_itself_is_not_taken_for_ours() -> None:
    own = at("shop", rule(name="own", host=FULL))
    (write,) = setup_of(rules=[own]).writes
    assert (write.before, write.thing["metadata"]) == (None, {"name": "reviews", "namespace": "default"})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"deployments": [deployment("v2")]}, "no Deployment reviews-v1 with a label `version`"),
    ({"rules": [rule(name="a"), rule(name="b", host="reviews.default.svc.cluster.local")]}, "a and b"),
    (
        {"virtual_services": [virtual_service({"route": [to(None)]}, name="shop")]},
        "VirtualService default/shop routes to the service already. Write `virtual_service: shop`",
    ),
    (
        {"virtual_services": [], "gateways": [gateway("a.example"), gateway("b.example", name="back")]},
        "default/front and default/back. Write VirtualService reviews yourself, with one of them",
    ),
    (
        {
            "virtual_services": [
                {
                    "kind": "VirtualService",
                    "metadata": {"name": "ads", "namespace": "other"},
                    "spec": {"hosts": ["*"], "gateways": ["default/front"]},
                }
            ],
            "gateways": [gateway("*")],
        },
        "Every host of Gateway default/front is routed by another VirtualService.",
    ),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED)
def test_what_cannot_be_told_is_refused_with_what_to_do(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal) as refused:
        setup_of(**changes)
    assert words in str(refused.value)


def service_of(version: str, name: str = "") -> Thing:
    spec = {
        "ports": [{"name": "http", "port": 9080, "nodePort": 30080}],
        "selector": {"app": "reviews", "version": version},
    }
    return {"kind": "Service", "metadata": {"name": name or f"reviews-{version}", "namespace": "default"}, "spec": spec}


TO_HOSTS = {"route": [to(None, 100, "reviews-v1"), to(None, 0, "reviews-v2")]}


def apart(*services: Thing, route: Thing = TO_HOSTS, **service: Any) -> Setup:
    found = Found(
        backend=None,
        deployments=[
            deployment("v1"),
            deployment("v2"),
            deployment("v3"),
            {**deployment("v1"), "metadata": {"name": "db"}},
        ],
        rules=[],
        virtual_services=[virtual_service(route)],
        gateways=(),
        services=services,
    )
    return setup(a_service(**service), found, "v1")


def test_where_versions_are_hosts_each_gets_a_service_like_the_primarys_and_nothing_else_is_written() -> None:
    made = apart(service_of("v1"), service_of("v2"))

    (write,) = made.writes
    assert (write.kind, write.before, write.thing["metadata"]["name"]) == (Kind.SERVICE, None, "reviews-v3")
    assert write.thing["spec"] == {
        "ports": [{"name": "http", "port": 9080}],
        "selector": {"app": "reviews", "version": "v3"},
    }
    assert apart(service_of("v1"), service_of("v2"), service_of("v3")).writes == ()


def test_a_new_service_is_called_as_services_yaml_says() -> None:
    route = {"route": [to(None, 100, "stable")]}
    made = apart(service_of("v1", "stable"), route=route, primary_host="stable", canary_host="next-{version}")

    assert [write.thing["metadata"]["name"] for write in made.writes] == ["next-v2", "next-v3"]


def test_a_service_that_is_not_there_is_told_where_routes_name_none_of_the_primarys() -> None:
    with pytest.raises(Refusal, match="There is no Service reviews in namespace default"):
        apart(service_of("v2"))


def test_a_service_for_every_version_under_another_name_is_asked_for_and_not_taken_for_the_primarys() -> None:
    books = service_of("v1", "books")
    del books["spec"]["selector"]["version"]
    for route in ({"route": [to(None, host="books")]}, {"route": [to(None, 100, "books"), to(None, 0, "reviews-v2")]}):
        with pytest.raises(Refusal) as refused:
            apart(books, route=route)
        assert "There is no Service reviews in namespace default." in str(refused.value)
        assert "write `host: books` in services.yaml" in str(refused.value)
    with pytest.raises(Refusal, match=r"Name it under `host` in services\.yaml"):
        apart(books, route={"route": [to("v1", host="books")]})
    assert apart(books, route={"route": [to(None, host="books")]}, primary_host="books").others == frozenset()
