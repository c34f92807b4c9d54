"""Which DestinationRule callers obey, of whatever namespace."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.errors import Refusal
from bot.preflight import examine
from tests.builders import a_service
from tests.snapshots import a_gateway_pod, a_rule, a_snapshot, a_virtual_service, texts

Object = dict[str, Any]
HOST = "reviews.default.svc.cluster.local"


def rule(namespace: str, *exported: str, name: str = "reviews", host: str = HOST) -> Object:
    made = a_rule()
    made["metadata"] = {"name": name, "namespace": namespace}
    made["spec"]["host"] = host
    if exported:
        made["spec"]["exportTo"] = list(exported)
    return made


def named(written: str = "", *rules: Object, **changes: Any) -> tuple[str, ...]:
    """The reasons where services.yaml names the rule at ``written`` and those are there."""
    namespace, _, name = written.rpartition("/")
    service = a_service(destination_rule=name or "reviews", destination_rule_namespace=namespace)
    try:
        return texts(examine(service, "v2", a_snapshot(destination_rules=rules, **changes)).reasons)
    except Refusal as refused:
        return tuple(one for one in texts(refused.reasons) if not one.startswith("Warning"))


ORDER = [
    ("the service's own", [rule("default")], "reviews"),
    ("the root's for everyone goes last", [rule("default"), rule("istio-system")], "reviews"),
    (
        "what the root shows to us goes last",
        [rule("default"), rule("istio-system", "istio-system", "default")],
        "reviews",
    ),
    ("the root's for its own proxies", [rule("default"), rule("istio-system", ".")], "istio-system/reviews"),
    ("by name", [rule("default"), rule("istio-system", "istio-system")], "istio-system/reviews"),
    ("the service's is hidden", [rule("default", "."), rule("istio-system")], "istio-system/reviews"),
    ("one that is not exported", [rule("default"), rule("other", ".")], "reviews"),
    ("another's is nobody's", [rule("default"), rule("other")], "reviews"),
]


@pytest.mark.parametrize(("rules", "obeyed"), [one[1:] for one in ORDER], ids=[one[0] for one in ORDER])
def test_the_rule_that_the_gateway_obeys_is_the_one_to_name(rules: list[Object], obeyed: str) -> None:
    assert named(obeyed, *rules) == ()


@pytest.mark.parametrize(("root", "obeyed"), [("mesh-config", "mesh-config/reviews"), ("istio-system", "reviews")])
def test_the_root_namespace_is_the_one_that_the_mesh_names(root: str, obeyed: str) -> None:
    snapshot = a_snapshot(
        destination_rules=(rule("mesh-config"), rule("other")),
        root_namespace=root,
        virtual_service=a_virtual_service(gateways=["mesh"], hosts=[HOST]),
    )
    if obeyed == "reviews":
        snapshot = a_snapshot(destination_rules=(rule("default"), rule("mesh-config")), root_namespace=root)
    namespace, _, name = obeyed.rpartition("/")
    service = a_service(destination_rule=name, destination_rule_namespace=namespace)
    assert texts(examine(service, "v2", snapshot).reasons) == ()


def test_where_another_rule_goes_first_the_key_that_names_it_is_told() -> None:
    (reason,) = named("reviews", rule("default"), rule("istio-system", ".", name="front"))
    assert reason == (
        "The DestinationRule for reviews is istio-system/front, and services.yaml names reviews. "
        "Write `destination_rule: istio-system/front` for reviews in services.yaml, then start the next version."
    )


def test_the_gateways_pods_say_which_namespace_asks() -> None:
    pod = a_gateway_pod()
    pod["metadata"]["namespace"] = "ingress"
    rules = [rule("default"), rule("istio-system"), rule("ingress", name="front")]
    assert named("ingress/front", *rules, gateway_pods=(pod,)) == ()


def test_the_roots_rule_holds_where_nobody_else_has_one() -> None:
    mesh = a_virtual_service(gateways=["mesh"], hosts=["reviews"])
    assert named("istio-system/all", rule("istio-system", name="all"), virtual_service=mesh) == ()


def test_a_root_that_delegates_has_the_gateway_whose_namespace_asks() -> None:
    ours = a_virtual_service(hosts=[], gateways=[])
    root = a_virtual_service("root", "istio-system", http=[{"delegate": {"name": "reviews", "namespace": "default"}}])
    rules = [rule("default"), rule("istio-system", ".")]
    assert named("istio-system/reviews", *rules, virtual_service=ours, virtual_services=(root,)) == ()


def test_two_of_one_namespace_are_one_too_many_and_both_are_named() -> None:
    (reason,) = named("reviews", rule("default"), rule("default", name="older"))
    assert "found 2 (reviews and older)" in reason
