"""More shapes, as public repositories have them: each is taken as it is, after what is said, or refused for good.

What is done to a shape is written down for each, so that one that is suddenly taken, or needs more, is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from bot.cluster.objects import name_of
from bot.cluster.virtual_service import with_routes
from bot.model.rollout import HOME, Routes
from tests.snapshots import a_backend, a_gateway, a_rule, texts
from tests.unit.preflight.test_shapes import (
    FULL,
    NARROW,
    V1,
    V2,
    Shape,
    follow,
    in_force,
    mended,
    narrow,
    one,
    only_tcp,
    route,
    rule,
    to,
)

Object = dict[str, Any]
BOTH_WAYS: Object = {"hosts": ["reviews", "shop.example"], "gateways": ["mesh", "istio-system/reviews-gateway"]}


def where(*matches: Object, **more: Any) -> Callable[..., Object]:
    """A route for any of these conditions."""
    return lambda *entries: {"match": [*matches], "route": [*entries]} | more


def header(name: str, value: str) -> Object:
    return {"headers": {name: {"exact": value}}}


def entry(subset: str, weight: int | None = None, **headers: Any) -> Object:
    """A destination with headers of its own."""
    return to(subset, weight) | ({"headers": headers} if headers else {})


FORTY = [route(to("v1"), path=f"/api/{number}") for number in range(39)]
AS_FOUND: dict[str, Callable[[], Shape]] = {
    "headers of each destination": lambda: Shape(
        [one(route(entry("v1", 100, request={"set": {"x-v": "1"}}), entry("v2", 0, request={"set": {"x-v": "2"}})))]
    ),
    "headers of the only destination": lambda: Shape([one(route(entry("v1", request={"add": {"x-v": "1"}})))]),
    "the same destination twice, with other headers": lambda: Shape(
        [one(route(entry("v1", 90), entry("v1", 10, request={"set": {"x-debug": "1"}})))]
    ),
    "the same destination twice, on other ports": lambda: Shape(
        [one(route(to("v1", 50, port={"number": 9080}), to("v1", 50, port={"number": 9081})))],
        backend=a_backend({"name": "http", "port": 9080}, {"name": "http-more", "port": 9081}),
    ),
    "an old mirror to the canary": lambda: Shape(
        [one(route(to("v1", 100), mirror={"host": "reviews", "subset": "v2"}, mirror_percent=50))]
    ),
    "an old mirror of some percent": lambda: Shape(
        [one(route(to("v1"), mirror={"host": "reviews", "subset": "v2"}, mirrorPercent=10))]
    ),
    "mirrors to the canary and to a recorder": lambda: Shape(
        [
            one(
                route(
                    to("v1"),
                    mirrors=[
                        {"destination": {"host": "reviews", "subset": "v2"}, "percentage": {"value": 100}},
                        {"destination": {"host": "recorder"}, "percentage": {"value": 5}},
                    ],
                )
            )
        ]
    ),
    "mirrors to a recorder, switched off": lambda: Shape(
        [one(route(to("v1"), mirrors=[{"destination": {"host": "recorder"}, "percentage": {"value": 0}}]))]
    ),
    "a mirror whose percentage is zero": lambda: Shape(
        [one(route(to("v1"), mirror={"host": "recorder"}, mirrorPercentage={"value": 0}))]
    ),
    "redirects and answers of its own": lambda: Shape(
        [
            one(
                {"match": [{"uri": {"exact": "/old"}}], "redirect": {"uri": "/", "redirectCode": 302}},
                {"match": [{"uri": {"exact": "/gone"}}], "directResponse": {"status": 410}},
                route(to("v1")),
            )
        ]
    ),
    "a route for each gateway": lambda: Shape(
        [
            one(
                where({"gateways": ["mesh"]}, name="inside")(to("v1")),
                where({"gateways": ["istio-system/reviews-gateway"]}, name="outside", timeout="9s")(to("v1")),
                **BOTH_WAYS,
            )
        ]
    ),
    "routes by header, query, label, port and method": lambda: Shape(
        [
            one(
                where(header("end-user", "jason"))(to("v2")),
                where({"queryParams": {"beta": {"exact": "yes"}}})(to("v2")),
                where({"sourceLabels": {"app": "productpage"}}, retries={"attempts": 3})(to("v1")),
                where({"port": 9080, "uri": {"prefix": "/api"}})(to("v1")),
                where({"method": {"exact": "POST"}}, timeout="30s")(to("v1")),
                route(to("v1")),
                hosts=["reviews"],
                gateways=["mesh"],
            )
        ]
    ),
    "testers whose weights add up to 200": lambda: Shape(
        [one(where(header("user-type", "beta"))(to("v2", 100), to("v1", 100)), route(to("v1")))]
    ),
    "testers alone, on both": lambda: Shape([one(where(header("user-type", "beta"))(to("v2", 100), to("v1", 100)))]),
    "40 routes": lambda: Shape([one(*deepcopy(FORTY), route(to("v1")))]),
    "40 routes without a subset": lambda: narrow(
        *(route(to(), path=f"/api/{number}") for number in range(39)), route(to())
    ),
    "90/10": lambda: Shape([one(route(to("v1", 90), to("v2", 10)))]),
    "90/10 with two names and a fault": lambda: Shape(
        [
            one(
                route(to("v1", 90), to("v2", 10), path="/a", name="a", fault={"abort": {"httpStatus": 500}}),
                route(to("v1", 100), to("v2", 0), name="b"),
            )
        ]
    ),
    "a wildcard host on several gateways": lambda: Shape(
        [one(route(to("v1")), hosts=["*.example"], gateways=["istio-system/reviews-gateway", "istio-system/second"])],
        gateways=[
            a_gateway("*.example"),
            a_gateway("*") | {"metadata": {"name": "second", "namespace": "istio-system"}},
        ],
    ),
    "exported to some namespaces": lambda: Shape(
        [one(route(to("v1")), exportTo=[".", "istio-system"])],
        rules=[a_rule() | {"spec": a_rule()["spec"] | {"exportTo": [".", "istio-system"]}}],
    ),
    "tls and tcp routes beside http": lambda: Shape(
        [
            one(route(to("v1")))
            | {
                "spec": one(route(to("v1")))["spec"]
                | {
                    "tls": [
                        {
                            "match": [{"port": 443, "sniHosts": ["shop.example"]}],
                            "route": [{"destination": {"host": "shop.other.svc.cluster.local"}}],
                        }
                    ],
                    "tcp": [{"match": [{"port": 27017}], "route": [{"destination": {"host": "mongo"}}]}],
                }
            }
        ]
    ),
    "tls to the service beside http": lambda: Shape(
        [
            one(route(to("v1")))
            | {
                "spec": one(route(to("v1")))["spec"]
                | {"tls": [{"match": [{"port": 443, "sniHosts": ["shop.example"]}], "route": [to("v1")]}]}
            }
        ]
    ),
    "subsets by another label": lambda: Shape(
        [one(route(to("blue")))],
        rules=[rule(("blue", {"version": "v1", "app": "reviews"}), ("green", {"version": "v2", "app": "reviews"}))],
    ),
    "blue and green, none of them written": lambda: Shape(
        [one(route(to("blue", 100), to("green", 0)))], rules=[rule(("blue", V1))]
    ),
    "a subset that no rule has": lambda: Shape([one(route(to("stable")))]),
    "a rule of another name": lambda: Shape(
        [one(route(to("v1")))], rules=[a_rule() | {"metadata": {"name": "reviews-rule", "namespace": "default"}}]
    ),
    "two rules, of which one has policies alone": lambda: Shape(
        [one(route(to("v1")))],
        rules=[
            a_rule(),
            {
                "kind": "DestinationRule",
                "metadata": {"name": "policies", "namespace": "default"},
                "spec": {"host": FULL, "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}},
            },
        ],
    ),
    "two rules with a subset each": lambda: Shape(
        [one(route(to("v1")))],
        rules=[
            rule(("v1", V1)),
            rule(("v2", V2)) | {"metadata": {"name": "canary", "namespace": "default"}},
        ],
    ),
    "a rule for all hosts of the namespace, and none for the service": lambda: Shape(
        [one(route(to()))],
        rules=[
            {
                "kind": "DestinationRule",
                "metadata": {"name": "mtls", "namespace": "default"},
                "spec": {
                    "host": "*.default.svc.cluster.local",
                    "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
                },
            }
        ],
        backend=deepcopy(NARROW),
    ),
    "a root with a route of its own beside a delegate": lambda: Shape(
        [
            one(
                {"match": [{"uri": {"prefix": "/api"}}], "delegate": {"name": "api", "namespace": "default"}},
                route(to("v1")),
                name="reviews",
            ),
            one(route(to("v1"), path="/api/v1"), name="api", hosts=[], gateways=[]),
        ]
    ),
    "one object for the gateway and one for the mesh, one named": lambda: Shape(
        [
            one(route(to("v1")), hosts=["shop.example"]),
            one(route(to("v1")), name="reviews-mesh", hosts=[FULL], gateways=["mesh"]),
        ]
    ),
    "tcp of two versions with weights": lambda: Shape([only_tcp({"route": [to("v1", 80), to("v2", 20)]})]),
    "everyone on the canary in one route of two": lambda: Shape(
        [one(route(to("v2"), path="/new", name="new"), route(to("v1"), name="rest"))]
    ),
    "cors, rewrite, retries and a timeout": lambda: Shape(
        [
            one(
                route(
                    to("v1", port={"number": 9080}),
                    path="/shop/",
                    rewrite={"uri": "/"},
                    retries={"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx"},
                    timeout="10s",
                    corsPolicy={"allowOrigins": [{"exact": "https://shop.example"}], "maxAge": "24h"},
                )
            )
        ]
    ),
    "a subset that no rule has, with nobody at home": lambda: Shape([one(route(to("stable", 100), to("v1", 0)))]),
    "weights without a primary": lambda: Shape([one(route(to("v2", 0), to("v3", 100)))]),
}

# How many remedies are followed until a start is accepted; none: it is taken as it is.
REMEDIES = {
    "the same destination twice, with other headers": 1,
    "the same destination twice, on other ports": 1,
    "an old mirror to the canary": 1,
    "an old mirror of some percent": 1,
    "mirrors to the canary and to a recorder": 1,
    "testers whose weights add up to 200": 1,
    "testers alone, on both": 1,
    "40 routes without a subset": 1,
    "90/10": 1,
    "90/10 with two names and a fault": 1,
    "tls to the service beside http": 1,
    "blue and green, none of them written": 1,
    "a subset that no rule has": 1,
    "a subset that no rule has, with nobody at home": 2,
    "a rule of another name": 1,
    "a rule for all hosts of the namespace, and none for the service": 1,
    "tcp of two versions with weights": 2,
    "weights without a primary": 1,
}
BY_HAND = {"two rules with a subset each": "found 2 (reviews and canary). Merge them into one."}
TAKEN = [name for name in AS_FOUND if name not in BY_HAND]


@pytest.mark.parametrize("name", TAKEN)
def test_a_shape_is_taken_after_as_many_remedies_as_are_named(name: str) -> None:
    assert mended(AS_FOUND[name]()) == REMEDIES.get(name, 0)


@pytest.mark.parametrize("name", BY_HAND)
def test_what_only_people_can_decide_is_said_once(name: str) -> None:
    (reason,) = AS_FOUND[name]().reasons()
    assert reason.endswith(BY_HAND[name])


@pytest.mark.parametrize("name", TAKEN)
def test_in_each_stage_users_of_the_primary_are_shared_out_and_nothing_else_changes(name: str) -> None:
    shape = AS_FOUND[name]()
    mended(shape)
    for target in shape.examined().target.each:
        (ours,) = [one for one in shape.virtual_services if name_of(one) == target.virtual_service]
        for wanted in (
            Routes(canary=0, mirror=True),
            Routes(canary=20, mirror=False),
            Routes(canary=100, mirror=False),
        ):
            moved = with_routes(ours, target, wanted)
            routes = [*zip(ours["spec"]["http"], moved["spec"]["http"], strict=True)]
            assert any(before != after for before, after in routes)
            for before, after in routes:
                assert before == after or [*_moves(before, after, wanted, target.canary_subset)] == []
            assert _beside(moved) == _beside(ours)
        canary = target.canary_subset
        assert in_force(with_routes(moved, target, HOME), canary) == in_force(with_routes(ours, target, HOME), canary)


def _moves(before: Object, after: Object, wanted: Routes, canary: str) -> Iterator[str]:
    """What of a moved route is not as the stage wants it."""
    total = sum(one.get("weight", 0) for one in after["route"])
    theirs = sum(one.get("weight", 0) for one in after["route"] if one["destination"].get("subset") == canary)
    if (theirs, total) != (wanted.canary, 100):
        yield f"{theirs} of {total}"
    ours = {"route", "mirror", "mirrorPercentage", "mirrors"}
    if {key: part for key, part in before.items() if key not in ours} != {
        key: part for key, part in after.items() if key not in ours
    }:
        yield "beside its destinations and copies it changed"
    copies = [after.get("mirror", {}), *(one["destination"] for one in after.get("mirrors", []))]
    if any(one.get("subset") == canary for one in copies) is not wanted.mirror:
        yield "copies"
    kept = [one["destination"] for one in before["route"]]
    if [one["destination"] for one in after["route"]][: len(kept)] != kept:
        yield "a destination is gone, or at another place"


def _beside(thing: Object) -> str:
    return json.dumps({key: part for key, part in thing["spec"].items() if key != "http"})


def warnings_of(shape: Shape) -> list[str]:
    return [*texts(shape.examined().warnings)]


def test_headers_of_the_primarys_destination_alone_are_told_with_what_gives_them_to_the_canary() -> None:
    shape = AS_FOUND["headers of the only destination"]()
    before = shape.met()
    (warning,) = warnings_of(shape)

    follow(shape, warning)

    primary, canary = shape.virtual_services[0]["spec"]["http"][0]["route"]
    assert canary["headers"] == primary["headers"]
    assert (primary["weight"], canary["weight"], canary["destination"]["subset"]) == (100, 0, "v2")
    assert (warnings_of(shape), shape.met()) == ([], before)


def test_headers_of_each_destination_need_no_warning() -> None:
    assert warnings_of(AS_FOUND["headers of each destination"]()) == []
