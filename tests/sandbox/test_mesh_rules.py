"""Which DestinationRule a proxy obeys: the bot and the rehearsal's mesh, each by itself, find the same for all."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from bot.cluster.rule_lookup import obeyed
from sandbox.mesh.objects import Service
from sandbox.mesh.rules import ROOT_NAMESPACE, subsets_for
from tests.builders import a_service

Object = dict[str, Any]
HOME, EDGE = "default", "ingress"
FULL = f"reviews.{HOME}.svc.cluster.local"
SERVICE = Service(namespace=HOME, name="reviews", selector={}, ports=(9080,))
SPACES = (HOME, ROOT_NAMESPACE, EDGE)
SHOWN = {
    "to nobody else": ["."],
    "by name to itself": ["own"],
    "to all": [],
    "to home": [HOME],
    "to the edge": [EDGE, "."],
}


def rule(space: str, shown: list[str], host: str = FULL, *, created: str = "") -> Object:
    """A rule whose one subset is called like its namespace."""
    spec = {"host": host, "subsets": [{"name": space, "labels": {"from": space + host}}]}
    exported = {"exportTo": [space if one == "own" else one for one in shown]} if shown else {}
    metadata = {"namespace": space, "name": "reviews", "creationTimestamp": created}
    return {"metadata": metadata, "spec": spec | exported}


@pytest.mark.parametrize("caller", SPACES)
def test_the_rehearsals_proxies_know_the_subsets_of_the_rule_that_the_bot_takes_for_theirs(caller: str) -> None:
    seen = set[tuple[str, ...]]()
    for chosen in product([None, *product(SHOWN.values(), (FULL, "*.local"))], repeat=len(SPACES)):
        rules = [rule(space, *kept) for space, kept in zip(SPACES, chosen, strict=True) if kept is not None]
        ours = [one["metadata"]["namespace"] for one in obeyed(caller, rules, a_service(), ROOT_NAMESPACE)]
        assert [*subsets_for(caller, SERVICE, rules)] == ours, (caller, chosen)
        seen.add(tuple(ours))
    assert len(seen) == len({HOME, ROOT_NAMESPACE, caller}) + 1  # each of those once, and nothing at all


@pytest.mark.parametrize(
    ("caller", "rules", "found"),
    [
        (ROOT_NAMESPACE, [rule(ROOT_NAMESPACE, []), rule(HOME, [])], HOME),
        (ROOT_NAMESPACE, [rule(ROOT_NAMESPACE, ["."]), rule(HOME, [])], ROOT_NAMESPACE),
        (EDGE, [rule(EDGE, []), rule(HOME, [])], EDGE),
        (EDGE, [rule(ROOT_NAMESPACE, []), rule(HOME, ["."])], ROOT_NAMESPACE),
        (ROOT_NAMESPACE, [rule(ROOT_NAMESPACE, [".", EDGE])], None),
        (EDGE, [rule(EDGE, [], "*.default.svc.cluster.local"), rule(HOME, [])], EDGE),
    ],
)
def test_the_first_that_istio_finds_counts(caller: str, rules: list[Object], found: str | None) -> None:
    assert [*subsets_for(caller, SERVICE, rules)] == ([found] if found else [])


def test_of_several_in_one_namespace_the_one_for_the_very_host_counts_and_of_two_of_those_the_older() -> None:
    wide, late, early = rule(HOME, [], "*.local"), rule(HOME, [], created="2"), rule(HOME, [], created="1")
    early["spec"]["subsets"][0]["labels"] = {"early": "1"}
    assert subsets_for(HOME, SERVICE, [wide, late, early]) == {HOME: {"early": "1"}}
