"""Room for the primary's new pods, and budgets against drains."""

from __future__ import annotations

from math import isnan
from typing import Any

import pytest

from bot.model.service import Promote
from bot.preflight import Examined, examine
from bot.preflight.quotas import quantity
from tests.builders import a_service
from tests.snapshots import a_snapshot, texts


def quota(**left: tuple[str, str]) -> dict[str, Any]:
    """A quota by what is used of what is allowed; ``_`` stands for the dot."""
    names = {name: name.replace("_", ".") for name in left}
    used = {names[name]: pair[0] for name, pair in left.items()}
    hard = {names[name]: pair[1] for name, pair in left.items()}
    return {"metadata": {"name": "small"}, "status": {"used": used, "hard": hard}}


def examined_of(*quotas: dict[str, Any], strategy: dict[str, Any] | None = None, **service: Any) -> Examined:
    snapshot = a_snapshot(quotas=quotas)
    primary = snapshot.deployments[0]["spec"] | ({"strategy": strategy} if strategy else {})
    snapshot.deployments[0]["spec"] = primary
    for pod in snapshot.pods[:2]:
        pod["spec"]["containers"][1]["resources"] = {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}
        pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "400m", "memory": "128Mi"}}
    return examine(a_service(**service), "v2", snapshot)


@pytest.mark.parametrize(
    ("left", "short"),
    [
        ({"pods": ("10", "10")}, "pods: 10 of 10"),
        ({"pods": ("9", "10")}, ""),
        ({"requests_cpu": ("1600m", "2")}, "requests.cpu: 1600m of 2"),
        ({"requests_cpu": ("1500m", "2")}, ""),
        ({"cpu": ("1501m", "2")}, "cpu: 1501m of 2"),
        ({"limits_memory": ("3.5Gi", "4Gi"), "pods": ("1", "10")}, "limits.memory: 3.5Gi of 4Gi"),
        ({"requests_storage": ("1", "1")}, ""),
    ],
)
def test_an_upgrade_needs_room_for_the_pods_it_starts_first(left: dict[str, tuple[str, str]], short: str) -> None:
    warnings = texts(examined_of(quota(**left)).warnings)

    upgrade = "the 1 pod that the upgrade of reviews-v1 starts before old ones go"
    said = f"ResourceQuota small leaves no room for {upgrade} ({short})."
    assert [warning.startswith(said) for warning in warnings] == [True] * bool(short)


def test_where_old_pods_may_go_first_no_room_is_needed() -> None:
    full = quota(pods=("10", "10"))

    assert examined_of(full, strategy={"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}).problems == ()
    assert examined_of(full, promote=Promote.ADOPT).problems == ()
    assert (
        len(texts(examined_of(full, strategy={"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "100%"}}).warnings))
        == 1
    )


def test_quantities_are_read_as_kubernetes_writes_them() -> None:
    assert [quantity(one) for one in ("500m", "2", 3, "1.5Gi", "1k", "1e3")] == [0.5, 2, 3, 1.5 * 2**30, 1000, 1000]
    assert isnan(quantity("much"))


def budget(allowed: int, **labels: str) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": labels}}
    return {"metadata": {"name": "reviews-pdb"}, "spec": spec, "status": {"disruptionsAllowed": allowed}}


def test_a_budget_that_would_hold_up_a_drain_is_told_for_each_side_it_guards() -> None:
    snapshot = a_snapshot(
        budgets=(budget(0, app="reviews", version="v2"), budget(1, version="v1"), budget(0, app="other"))
    )

    (warning,) = texts(examine(a_service(), "v2", snapshot).warnings)

    assert warning.startswith("PodDisruptionBudget reviews-pdb allows no pod of reviews-v2 to be evicted now.")


@pytest.mark.parametrize(
    ("operator", "values", "warned"),
    [("In", ["v1", "v2"], 1), ("In", ["v2"], 0), ("NotIn", ["v3"], 1), ("NotIn", ["v1"], 0), ("Exists", [], 1)],
)
def test_whose_pods_a_budget_counts_is_read_off_its_expressions_as_well(
    operator: str, values: list[str], warned: int
) -> None:
    expression = {"key": "version", "operator": operator, "values": values}
    named, unnamed = budget(1, app="reviews"), budget(1)
    for one in (named, unnamed):
        one["spec"]["selector"]["matchExpressions"] = [expression]
        found = texts(examine(a_service(), "v2", a_snapshot(budgets=(one,))).warnings)

        assert sum("counts the pods of reviews-v1 and reviews-v2 as one" in text for text in found) == warned


def test_a_budget_that_counts_both_sides_guards_neither() -> None:
    (warning,) = texts(examine(a_service(), "v2", a_snapshot(budgets=(budget(1, app="reviews"),))).warnings)

    assert warning.startswith("PodDisruptionBudget reviews-pdb counts the pods of reviews-v1 and reviews-v2 as one.")
