"""Which DestinationRule a caller obeys: the order of Istio's own look-up, a row for each of its turns."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from bot.cluster.objects import Object, name_of, namespace_of
from bot.cluster.rule_lookup import obeyed
from tests.builders import a_service
from tests.snapshots import a_rule

FULL = "reviews.default.svc.cluster.local"
ROOT = "istio-system"
SHOP, HOME = "shop", "default"


def rule(at: str, host: str = FULL, *exported: str) -> Object:
    """One in the namespace before the slash, called what stands behind it."""
    namespace, _, name = at.partition("/")
    spec: dict[str, Any] = {"host": host} | ({"exportTo": [*exported]} if exported else {})
    return a_rule() | {"metadata": {"name": name or "reviews", "namespace": namespace}, "spec": spec}


# caller, what there is, what it obeys
TURNS: list[tuple[str, str, list[Object], str]] = [
    ("its own namespace goes first", SHOP, [rule("shop"), rule("default"), rule(ROOT)], "shop/reviews"),
    ("one for many hosts as well", SHOP, [rule("shop/all", "*.local"), rule("default")], "shop/all"),
    ("one that its namespace keeps for itself", SHOP, [rule("shop", FULL, "."), rule("default")], "shop/reviews"),
    ("one that is there for others alone", SHOP, [rule("shop", FULL, "web"), rule("default")], "default/reviews"),
    ("within a namespace the name goes first", SHOP, [rule("shop/all", "*"), rule("shop")], "shop/reviews"),
    (
        "and of two endings the longer",
        SHOP,
        [rule("shop/all", "*.local"), rule("shop/near", "*.default.svc.cluster.local")],
        "shop/near",
    ),
    (
        "an ending that does not fit is nobody's",
        SHOP,
        [rule("shop/all", "*.example"), rule("default")],
        "default/reviews",
    ),
    (
        "a short name is one of its own namespace",
        SHOP,
        [rule("shop", "reviews"), rule("default", "reviews")],
        "default/reviews",
    ),
    ("then the service's", SHOP, [rule("default"), rule(ROOT)], "default/reviews"),
    ("where it is shown", SHOP, [rule("default", FULL, "web"), rule(ROOT)], f"{ROOT}/reviews"),
    ("where its namespace keeps it", SHOP, [rule("default", FULL, "."), rule(ROOT)], f"{ROOT}/reviews"),
    ("one for many is the service's too", SHOP, [rule("default/all", "*.local"), rule(ROOT)], "default/all"),
    ("then the mesh's", SHOP, [rule("web"), rule(ROOT)], f"{ROOT}/reviews"),
    ("as far as it is shown", SHOP, [rule(ROOT, FULL, "web")], ""),
    ("from the root namespace the service's goes first", ROOT, [rule(ROOT), rule("default")], "default/reviews"),
    ("before one for the whole mesh", ROOT, [rule(f"{ROOT}/all", "*.local"), rule("default")], "default/reviews"),
    ("but not before what is kept there", ROOT, [rule(ROOT, FULL, "."), rule("default")], f"{ROOT}/reviews"),
    ("by its own name or by a dot", ROOT, [rule(ROOT, FULL, ROOT), rule("default")], f"{ROOT}/reviews"),
    ("what is kept may be for many", ROOT, [rule(f"{ROOT}/all", "*.local", "."), rule("default")], f"{ROOT}/all"),
    (
        "shown to others too it is no longer kept",
        ROOT,
        [rule(ROOT, FULL, ".", "web"), rule("default")],
        "default/reviews",
    ),
    ("the mesh's is what is left", ROOT, [rule(f"{ROOT}/all", "*.local")], f"{ROOT}/all"),
    ("the service's own callers", HOME, [rule("default", FULL, "."), rule(ROOT)], "default/reviews"),
]


@pytest.mark.parametrize(("caller", "rules", "wanted"), [one[1:] for one in TURNS], ids=[one[0] for one in TURNS])
def test_what_istio_finds_first_is_obeyed_in_whatever_order_rules_are_listed(
    caller: str, rules: list[Object], wanted: str
) -> None:
    for listed in permutations(rules):
        found = obeyed(caller, listed, a_service(), ROOT)
        assert [f"{namespace_of(one, '')}/{name_of(one)}" for one in found] == ([wanted] if wanted else [])


def test_two_of_one_host_and_namespace_are_joined_so_both_are_obeyed() -> None:
    both = [rule("shop/one"), rule("shop/two")]
    assert obeyed(SHOP, both, a_service(), ROOT) == both
