"""Which proxies see a VirtualService, as laws over every ``exportTo``."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.cluster.bindings import SIDECARS
from bot.cluster.objects import full_name
from bot.preflight.scope import applies, is_seen, meeting
from tests.snapshots import a_virtual_service

NAMESPACES = ["default", "shop", "third", "istio-system"]
GATEWAY = ("istio-system", "reviews-gateway")

namespaces = st.sampled_from(NAMESPACES)
exports = st.lists(st.sampled_from([*NAMESPACES, ".", "*", "~"]), max_size=3)
bound = st.sampled_from([["istio-system/reviews-gateway"], ["mesh"], [], ["istio-system/reviews-gateway", "mesh"]])


@st.composite
def virtual_services(draw: st.DrawFn) -> dict[str, Any]:
    return a_virtual_service("any", draw(namespaces), gateways=draw(bound), exportTo=draw(exports))


@given(one=virtual_services(), two=virtual_services())
def test_two_meet_on_a_gateway_when_its_namespace_sees_both_and_on_the_mesh_when_any_does(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    gateways = [thing["spec"]["gateways"] or ["mesh"] for thing in (one, two)]
    together = [space for space in [*NAMESPACES, "elsewhere"] if is_seen(one, space) and is_seen(two, space)]

    met = meeting(one, two)

    assert (GATEWAY in met) is ("istio-system" in together and all(f"{'/'.join(GATEWAY)}" in g for g in gateways))
    assert (SIDECARS in met) is (bool(together) and all("mesh" in g for g in gateways))
    assert met == meeting(two, one)


@given(one=virtual_services())
def test_one_applies_where_it_meets_itself(one: dict[str, Any]) -> None:
    assert applies(one) is bool(meeting(one, one))


@given(one=virtual_services(), two=virtual_services(), space=namespaces)
def test_whoever_is_shown_to_more_meets_no_fewer(one: dict[str, Any], two: dict[str, Any], space: str) -> None:
    wider = {**one, "spec": one["spec"] | {"exportTo": [*(one["spec"]["exportTo"] or ["*"]), space]}}

    assert set(meeting(one, two)) <= set(meeting(wider, two))


@given(home=namespaces, host=st.sampled_from(["*", "*.example", "reviews", "reviews.shop", "10.0.0.1", "fd00::1"]))
def test_only_a_name_without_dots_is_completed_and_only_once(home: str, host: str) -> None:
    full = full_name(host, home)

    assert full == (f"reviews.{home}.svc.cluster.local" if host == "reviews" else host)
    assert full_name(full, "third") == full


def test_a_delegate_applies_wherever_its_root_is() -> None:
    assert applies(a_virtual_service(hosts=[], gateways=[]))
    assert not applies(a_virtual_service(exportTo=["."]))
