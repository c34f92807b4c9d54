"""Which DestinationRule callers obey, of whatever namespace."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any

import pytest

from bot.model.errors import Refusal
from bot.model.service import ServiceConfig
from bot.preflight import examine
from bot.preflight.snapshot import Snapshot
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


SUBSETS = a_rule("v1", "v2")["spec"]["subsets"]


def wide(namespace: str, host: str, *subsets: Object) -> Object:
    """A rule for every host with an ending, as people write for mutual TLS."""
    made = rule(namespace, name="all", host=host)
    made["spec"] = {"host": host, "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}} | (
        {"subsets": [*subsets]} if subsets else {}
    )
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
    ("the service's goes before the mesh's", [rule("default"), rule("istio-system")], "reviews"),
    ("what the mesh's own callers keep", [rule("default"), rule("istio-system", ".")], "istio-system/reviews"),
    ("a rule for all hosts of the mesh", [rule("default"), wide("istio-system", "*.local")], "reviews"),
    ("one for many hosts that has subsets", [wide("default", "*.svc.cluster.local", *SUBSETS)], "all"),
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
    (reason,) = named("reviews", rule("default", "."), rule("istio-system", name="front"))
    assert reason == (
        "The DestinationRule for reviews is istio-system/front, and services.yaml names reviews. "
        "Write `destination_rule: istio-system/front` for reviews in services.yaml, then start the next version."
    )


def test_a_rule_of_that_name_for_another_host_is_told_and_how_to_get_one_for_the_service() -> None:
    (reason,) = named("reviews", rule("default", host="ratings"))
    assert reason == (
        "DestinationRule default/reviews is about `ratings`, and not about reviews. Write the right name as "
        "`destination_rule` in services.yaml, or a free one: `canary-bot init reviews --apply` creates it."
    )


def why_not(service: ServiceConfig, snapshot: Snapshot) -> tuple[str, ...] | None:
    """Why nothing begins; None where nothing is in the way."""
    try:
        return texts(examine(service, "v2", snapshot).reasons) or None
    except Refusal as refused:
        return tuple(one for one in texts(refused.reasons) if not one.startswith("Warning"))


NOT_OURS = [("default", "ratings"), ("default", "*.other.svc.cluster.local")]
OURS = [("default", HOST), ("default", "*.local"), ("ingress", HOST), ("ingress", "*.local"), ("istio-system", HOST)]


@pytest.mark.parametrize("name", ["reviews", "ingress/reviews", "istio-system/reviews"])
def test_nothing_is_refused_without_a_reason_whatever_rules_there_are(name: str) -> None:
    taken = set[bool]()
    namespace, _, called = name.rpartition("/")
    service = a_service(destination_rule=called, destination_rule_namespace=namespace)
    for first, second in product([*NOT_OURS, *OURS], [None, *NOT_OURS, *OURS]):
        for subsets, shown in product([SUBSETS, SUBSETS[:1], []], [(), (".",)]):
            one = rule(first[0], *shown, host=first[1])
            one["spec"]["subsets"] = subsets
            beside = [] if second is None else [rule(second[0], host=second[1], name="front")]
            snapshot = a_snapshot(destination_rules=(one, *beside), gateway_pods=(IN_INGRESS,))
            reasons = why_not(service, snapshot)
            taken.add(reasons is None)
            assert reasons != (), (one, beside)
    assert taken == {True, False}


def test_the_gateways_pods_say_which_namespace_asks() -> None:
    pod = a_gateway_pod()
    pod["metadata"]["namespace"] = "ingress"
    rules = [rule("default"), rule("istio-system"), rule("ingress", name="front")]
    rules[-1]["spec"]["subsets"] = a_rule("v1", "v2")["spec"]["subsets"]
    assert named("ingress/front", *rules, gateway_pods=(pod,)) == ()


IN_INGRESS = a_gateway_pod()
IN_INGRESS["metadata"]["namespace"] = "ingress"


def test_callers_whose_namespace_has_a_rule_for_many_hosts_are_told_of_until_they_have_the_subsets() -> None:
    rules = [rule("default"), wide("ingress", "*.local")]
    (reason,) = named("reviews", *rules, gateway_pods=(IN_INGRESS,))
    assert reason == (
        "Callers in namespace ingress obey DestinationRule ingress/all, which has no subset v1, v2 and v3: a route "
        "that names it gives them errors (503). Write a DestinationRule for `reviews.default.svc.cluster.local` with "
        "the subsets of reviews in namespace ingress too, and with the policies that hold there now."
    )
    copied = rule("ingress", name="copy")
    (other,) = named("reviews", *rules, copied, gateway_pods=(IN_INGRESS,))
    assert "`destination_rule: ingress/copy`" in other
    assert named("ingress/copy", *rules, copied, gateway_pods=(IN_INGRESS,)) == ()


def test_a_copy_for_a_gateways_callers_is_no_second_rule_where_it_has_the_same_subsets() -> None:
    both = a_virtual_service(hosts=["shop.example", HOST], gateways=["mesh", "istio-system/reviews-gateway"])
    rules = [rule("default"), rule("ingress", name="copy")]
    assert named("reviews", *rules, gateway_pods=(IN_INGRESS,), virtual_service=both) == ()


def test_a_rule_of_the_gateways_callers_with_other_subsets_is_a_second_one() -> None:
    theirs = rule("ingress", name="front")
    theirs["spec"]["subsets"] = a_rule("v1")["spec"]["subsets"]
    both = a_virtual_service(hosts=["shop.example", HOST], gateways=["mesh", "istio-system/reviews-gateway"])
    reasons = named("reviews", theirs, rule("default"), gateway_pods=(IN_INGRESS,), virtual_service=both)
    assert any("found 2 (ingress/front and reviews)" in one for one in reasons)


def test_where_nobody_knows_a_subset_the_patch_that_adds_them_leads_to_the_next_reason_and_to_a_start() -> None:
    theirs = rule("ingress", name="front")
    del theirs["spec"]["subsets"]
    (reason,) = named("reviews", rule("default"), theirs, gateway_pods=(IN_INGRESS,))
    command = re.search(r"`kubectl -n ingress patch destinationrule front --type=json -p '(.*)'` adds", reason)
    assert command is not None
    (change,) = json.loads(command[1])
    assert change == {"op": "add", "path": "/spec/subsets", "value": a_rule()["spec"]["subsets"]}
    theirs["spec"]["subsets"] = change["value"]
    assert named("ingress/front", rule("default"), theirs, gateway_pods=(IN_INGRESS,)) == ()


def test_sidecars_of_a_namespace_with_a_rule_of_its_own_are_warned_of() -> None:
    mesh = a_virtual_service(gateways=["mesh"], hosts=["reviews"])
    snapshot = a_snapshot(virtual_service=mesh, destination_rules=(rule("default"), wide("shop", "*.local")))
    found = examine(a_service(), "v2", snapshot)
    assert texts(found.reasons) == ()
    assert any(
        one.startswith("Callers in namespace shop obey DestinationRule shop/all") for one in texts(found.warnings)
    )


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
