"""The Gateways that a VirtualService names, in all their spellings."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.errors import Cause
from bot.preflight import Examined, Unread, examine
from bot.preflight.gateways import GATEWAY_PODS, gateway_places, overlap
from tests.builders import a_service
from tests.snapshots import a_gateway, a_snapshot, a_virtual_service

LEGACY = "reviews-gateway.istio-system.svc.cluster.local"


def examined_of(*gateways: dict[str, Any], **spec: Any) -> Examined:
    return examine(a_service(), "v2", a_snapshot(virtual_service=a_virtual_service(**spec), gateways=gateways))


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("istio-system/reviews-gateway", ("istio-system", "reviews-gateway")),
        (LEGACY, ("istio-system", "reviews-gateway")),
        ("reviews-gateway", ("default", "reviews-gateway")),
        ("./reviews-gateway", ("default", "reviews-gateway")),
    ],
)
def test_a_gateway_is_found_where_istio_finds_it(written: str, place: tuple[str, str]) -> None:
    assert gateway_places(a_virtual_service(gateways=[written, "mesh"])) == [place]


def test_routes_on_the_mesh_need_no_gateway() -> None:
    assert examined_of(gateways=["mesh"], hosts=["reviews"]).problems == ()
    assert examined_of(gateways=[], hosts=["reviews"]).problems == ()


def test_no_gateway_at_all_blocks_and_says_where_it_was_looked_for() -> None:
    (reason,) = examined_of(gateways=[LEGACY]).reasons

    assert reason.startswith("There is no Gateway istio-system/reviews-gateway, which VirtualService reviews names.")


def test_one_missing_gateway_of_several_is_a_warning() -> None:
    examined = examined_of(a_gateway(), gateways=[LEGACY, "internal"])

    assert examined.reasons == ()
    assert "There is no Gateway default/internal" in examined.warnings[0]


def test_a_gateway_that_may_not_be_read_is_not_said_to_be_missing() -> None:
    unread = (Unread(kind="Gateway", cause=Cause.FORBIDDEN, sentence="Could not read Gateway: forbidden."),)

    examined = examine(a_service(), "v2", a_snapshot(gateways=(), unread=unread))

    assert (examined.reasons, len(examined.warnings)) == ((), 1)


@pytest.mark.parametrize(
    ("lets_in", "host", "fine"),
    [
        ("*", "reviews.example", True),
        ("*.example", "reviews.example", True),
        ("*.example", "*", True),
        ("default/*.example", "reviews.example", True),
        ("*/*.example", "reviews.example", True),
        ("./*", "reviews.example", False),
        ("other/*", "reviews.example", False),
        ("shop.example", "reviews.example", False),
    ],
)
def test_a_gateway_must_let_the_host_in(lets_in: str, host: str, *, fine: bool) -> None:
    assert (examined_of(a_gateway(lets_in), hosts=[host]).reasons == ()) is fine


def test_a_host_among_others_that_is_not_let_in_is_a_warning() -> None:
    examined = examined_of(a_gateway("reviews.example"), hosts=["reviews.example", "ratings.example"])

    assert examined.reasons == ()
    assert examined.warnings[0].startswith(
        "Gateway istio-system/reviews-gateway lets no request for ratings.example in."
    )


@pytest.mark.parametrize(
    ("server", "fine"),
    [
        ({"port": {"protocol": "HTTPS"}, "tls": {"mode": "SIMPLE"}}, True),
        ({"port": {"protocol": "GRPC"}}, True),
        ({"port": {"protocol": "HTTPS"}, "tls": {"mode": "PASSTHROUGH"}}, False),
        ({"port": {"protocol": "TLS"}, "tls": {"mode": "PASSTHROUGH"}}, False),
        ({"port": {"protocol": "TCP"}}, False),
    ],
)
def test_http_routes_apply_only_where_http_is_read(server: dict[str, Any], *, fine: bool) -> None:
    gateway = a_gateway()
    gateway["spec"]["servers"] = [server | {"hosts": ["*"]}]

    assert (examined_of(gateway).reasons == ()) is fine


def test_a_gateway_that_no_pod_serves_is_told_with_the_labels_to_look_for() -> None:
    (warning,) = examine(a_service(), "v2", a_snapshot(gateway_pods=())).warnings

    assert warning.startswith(
        "No ready pod in namespace istio-system has the labels istio=ingressgateway that Gateway "
        "istio-system/reviews-gateway asks for."
    )
    forbidden = (
        Unread(kind=GATEWAY_PODS, cause=Cause.FORBIDDEN, sentence="Could not list Pods of istio-system: forbidden."),
    )
    (unknown,) = examine(a_service(), "v2", a_snapshot(gateway_pods=(), unread=forbidden)).warnings
    assert unknown.startswith("Gateway pod objects could not be read, so nothing is known about them")


@pytest.mark.parametrize(("exported", "seen"), [(["*"], True), (["istio-system"], True), (["."], False)])
def test_an_object_that_the_gateways_namespace_does_not_see_is_told(exported: list[str], *, seen: bool) -> None:
    snapshot = a_snapshot(virtual_service=a_virtual_service(exportTo=exported))
    snapshot.destination_rules[0]["spec"]["exportTo"] = exported
    assert snapshot.service is not None
    snapshot.service["metadata"]["annotations"] = {"networking.istio.io/exportTo": ",".join(exported)}

    warnings = examine(a_service(), "v2", snapshot).warnings

    sentences = [f"{kind} reviews is exported to . alone" for kind in ("VirtualService", "DestinationRule", "Service")]
    assert [warning.split(",")[0] for warning in warnings] == ([] if seen else sentences)


def test_hosts_overlap_by_their_wildcards() -> None:
    assert overlap("*.example", "*.shop.example")
    assert not overlap("*.example", "*.com")
    assert not overlap("example", "*.example")
