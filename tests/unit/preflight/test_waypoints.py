"""Waypoints and HTTPRoutes that have the say about a service's requests."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.errors import Refusal
from bot.preflight import examine
from tests.builders import a_service
from tests.snapshots import a_snapshot, a_virtual_service, texts

Object = dict[str, Any]


def http_route(namespace: str = "default", **spec: Any) -> Object:
    return {"kind": "HTTPRoute", "metadata": {"name": "shop", "namespace": namespace}, "spec": spec}


def parent(**changes: str) -> Object:
    return {"kind": "Service", "group": "", "name": "reviews", "port": 9080} | changes


def reasons(*routes: Object, **changes: Any) -> list[str]:
    try:
        found = examine(a_service(), "v2", a_snapshot(http_routes=routes, **changes)).reasons
    except Refusal as refused:
        found = tuple(refused.reasons)
    return [one for one in texts(found) if not one.startswith("Warning")]


def test_an_http_route_of_the_service_is_refused_and_nothing_is_told_to_be_created_beside_it() -> None:
    (reason,) = reasons(http_route(parentRefs=[parent()]), virtual_service=None, destination_rules=())
    assert reason == (
        "HTTPRoute shop routes the callers of Service reviews. canary-bot moves VirtualServices only. Release it with "
        "a tool that knows the Gateway API; do not just delete the HTTPRoute, or users reach pods of every version."
    )


@pytest.mark.parametrize(
    "route",
    [
        http_route(parentRefs=[parent(namespace="other")]),
        http_route("other", parentRefs=[parent()]),
        http_route(parentRefs=[parent(group="networking.istio.io", kind="ServiceEntry")]),
        http_route(parentRefs=[{"name": "reviews"}]),  # a Gateway of that name
    ],
)
def test_a_route_of_something_else_is_nobodys_business(route: Object) -> None:
    assert reasons(route) == []


def behind(waypoint: str) -> Any:
    snapshot = a_snapshot()
    assert snapshot.service is not None
    snapshot.service["metadata"]["labels"] = {"istio.io/use-waypoint": waypoint}
    return snapshot


def test_a_waypoint_is_told_with_what_it_obeys_and_what_it_does_not_count() -> None:
    (warning,) = texts(examine(a_service(), "v2", behind("shop-waypoint")).warnings)
    assert warning.startswith(
        "Service reviews is behind the waypoint shop-waypoint, which routes its requests from the mesh. "
        "It obeys a VirtualService only with `mesh` among its gateways and reviews among its hosts."
    )


def test_routes_that_the_waypoint_obeys_need_only_other_figures() -> None:
    snapshot = behind("shop-waypoint")
    bound = a_virtual_service(gateways=["mesh"], hosts=["reviews.default.svc.cluster.local"])
    snapshot.virtual_service.update(bound)
    (warning,) = texts(examine(a_service(), "v2", snapshot).warnings)
    assert "It counts no copies, so the mirror proves nothing by Istio's metrics" in warning


def test_a_waypoint_that_is_turned_off_is_none() -> None:
    assert examine(a_service(), "v2", behind("none")).warnings == ()


def in_a_namespace(waypoint: str, **labels: str) -> list[str]:
    """What is warned of where the Namespace asks for a waypoint, and the Service has these labels."""
    snapshot = a_snapshot(
        namespace={"kind": "Namespace", "metadata": {"name": "default", "labels": {USE: waypoint, SPACE: "mesh"}}}
    )
    assert snapshot.service is not None
    snapshot.service["metadata"]["labels"] = labels
    return [*texts(examine(a_service(), "v2", snapshot).warnings)]


USE, SPACE = "istio.io/use-waypoint", "istio.io/use-waypoint-namespace"


def test_a_waypoint_that_the_namespace_asks_for_is_told_with_where_it_is() -> None:
    (warning,) = in_a_namespace("shared")
    assert warning.startswith("Namespace default is behind the waypoint mesh/shared, which routes its requests")


@pytest.mark.parametrize("says", ["none", "own"])
def test_a_service_that_says_which_waypoint_it_wants_is_not_asked_for_its_namespace(says: str) -> None:
    warnings = in_a_namespace("shared", **{USE: says})
    assert ["Service reviews is behind the waypoint own" in one for one in warnings] == [True] * (says == "own")


def test_an_http_route_of_another_namespace_has_the_say_about_the_callers_there_alone() -> None:
    route = http_route("shop", parentRefs=[parent(namespace="default")])
    examined = examine(a_service(), "v2", a_snapshot(http_routes=(route,)))
    assert examined.reasons == ()
    (warning,) = texts(examined.warnings)
    assert warning.startswith("HTTPRoute shop/shop routes the callers of Service reviews that are in namespace shop.")
