"""The Gateways that a VirtualService names, in all their spellings."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cluster.bindings import gateway_keys, overlap
from bot.model.errors import Cause
from bot.preflight import Examined, Unread, examine
from bot.preflight.gateways import GATEWAY_PODS
from tests.builders import a_service
from tests.snapshots import a_gateway, a_gateway_pod, a_snapshot, a_virtual_service, texts

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
    assert gateway_keys(a_virtual_service(gateways=[written, "mesh"])) == [place]


def test_routes_on_the_mesh_need_no_gateway() -> None:
    assert examined_of(gateways=["mesh"], hosts=["reviews"]).problems == ()
    assert examined_of(gateways=[], hosts=["reviews"]).problems == ()


def test_no_gateway_at_all_blocks_and_says_where_it_was_looked_for() -> None:
    (reason,) = texts(examined_of(gateways=[LEGACY]).reasons)

    assert reason.startswith("There is no Gateway istio-system/reviews-gateway, which VirtualService reviews names.")


def test_one_missing_gateway_of_several_is_a_warning() -> None:
    examined = examined_of(a_gateway(), gateways=[LEGACY, "internal"])

    assert texts(examined.reasons) == ()
    assert "There is no Gateway default/internal" in texts(examined.warnings)[0]


def test_a_gateway_that_may_not_be_read_is_not_said_to_be_missing() -> None:
    unread = (Unread(kind="Gateway", cause=Cause.FORBIDDEN, sentence="Could not read Gateway: forbidden."),)

    examined = examine(a_service(), "v2", a_snapshot(gateways=(), unread=unread))

    assert (texts(examined.reasons), len(texts(examined.warnings))) == ((), 1)


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
    assert (texts(examined_of(a_gateway(lets_in), hosts=[host]).reasons) == ()) is fine


def test_a_host_among_others_that_is_not_let_in_is_a_warning() -> None:
    examined = examined_of(a_gateway("reviews.example"), hosts=["reviews.example", "ratings.example"])

    assert texts(examined.reasons) == ()
    assert texts(examined.warnings)[0].startswith(
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

    assert (texts(examined_of(gateway).reasons) == ()) is fine


def test_a_gateway_that_no_pod_serves_is_told_with_the_labels_to_look_for() -> None:
    (warning,) = texts(examine(a_service(), "v2", a_snapshot(gateway_pods=())).warnings)

    assert warning.startswith(
        "No ready pod of any namespace has the labels istio=ingressgateway that Gateway "
        "istio-system/reviews-gateway asks for."
    )
    forbidden = (
        Unread(kind=GATEWAY_PODS, cause=Cause.FORBIDDEN, sentence="Could not list Pods of istio-system: forbidden."),
    )
    (unknown,) = texts(examine(a_service(), "v2", a_snapshot(gateway_pods=(), unread=forbidden)).warnings)
    assert unknown.startswith("Gateway pod objects could not be read, so nothing is known about them")


@pytest.mark.parametrize(("exported", "seen"), [(["*"], True), (["istio-system"], True), (["."], False)])
def test_an_object_that_the_gateways_namespace_does_not_see_is_told(exported: list[str], *, seen: bool) -> None:
    snapshot = a_snapshot(virtual_service=a_virtual_service(exportTo=exported))
    snapshot.destination_rules[0]["spec"]["exportTo"] = exported
    assert snapshot.service is not None
    snapshot.service["metadata"]["annotations"] = {"networking.istio.io/exportTo": ",".join(exported)}

    warnings = texts(examine(a_service(), "v2", snapshot).warnings)

    sentences = [f"{kind} reviews is exported to . alone" for kind in ("VirtualService", "DestinationRule", "Service")]
    assert [warning.split(",")[0] for warning in warnings] == ([] if seen else sentences)


def test_hosts_overlap_by_their_wildcards() -> None:
    assert overlap("*.example", "*.shop.example")
    assert not overlap("*.example", "*.com")
    assert not overlap("example", "*.example")


def test_pods_of_another_namespace_carry_a_gateway_out_as_well() -> None:
    pod = a_gateway_pod()
    pod["metadata"]["namespace"] = "ingress"
    assert examine(a_service(), "v2", a_snapshot(gateway_pods=(pod,))).warnings == ()


def test_where_the_bot_may_not_look_everywhere_it_says_so() -> None:
    snapshot = a_snapshot(gateway_pods=(), gateway_pods_in=("istio-system",))
    (warning,) = texts(examine(a_service(), "v2", snapshot).warnings)
    assert warning.startswith("No ready pod of istio-system has the labels istio=ingressgateway")
    assert "In other namespaces canary-bot may not look." in warning
    assert '`- {apiGroups: [""], resources: [pods], verbs: [list]}`' in warning


def test_whoever_does_not_see_the_object_is_where_the_pods_are() -> None:
    pod = a_gateway_pod()
    pod["metadata"]["namespace"] = "ingress"
    ours = a_virtual_service(exportTo=["istio-system"])
    (warning,) = texts(examine(a_service(), "v2", a_snapshot(virtual_service=ours, gateway_pods=(pod,))).warnings)
    assert "so a gateway in ingress does not see it" in warning


def another(name: str, port: int = 8080, **labels: str) -> dict[str, Any]:
    gateway = a_gateway()
    gateway["metadata"] = {"name": name, "namespace": "other"}
    gateway["spec"]["servers"][0]["port"]["number"] = port
    gateway["spec"]["selector"] = labels or {"istio": "ingressgateway"}
    return gateway


@pytest.mark.parametrize(
    ("gateway", "joined"),
    [
        (another("front"), True),
        (another("front", istio="ingressgateway", app="front"), True),
        (another("front", 9090), False),
        (another("front", istio="internal"), False),
    ],
)
def test_another_gateway_of_the_same_pods_and_port_is_the_same_place(gateway: dict[str, Any], *, joined: bool) -> None:
    pod = a_gateway_pod()
    pod["metadata"]["labels"]["app"] = "front"
    theirs = a_virtual_service("theirs", "other", hosts=["*"], gateways=["front"], http=[])
    snapshot = a_snapshot(virtual_services=(theirs,), other_gateways=(gateway,), gateway_pods=(pod,))

    warnings = texts(examine(a_service(), "v2", snapshot).warnings)

    place = "Gateway other/front (the same pods and port as Gateway istio-system/reviews-gateway)"
    about_it = [one for one in warnings if one.startswith("VirtualService other/theirs has the same host")]
    assert [place in one for one in about_it] == ([True] if joined else [])
