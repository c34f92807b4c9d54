"""Whether either side has the pods for the users it will get."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.service import Promote
from bot.preflight import Examined, examine
from tests.builders import a_service
from tests.snapshots import a_deployment, a_snapshot, texts


def examined_of(primary: int, canary: int, *autoscalers: dict[str, Any], **service: Any) -> Examined:
    deployments = (
        a_deployment("reviews-v1", "v1", replicas=primary),
        a_deployment("reviews-v2", "v2", replicas=canary),
    )
    return examine(a_service(**service), "v2", a_snapshot(deployments=deployments, autoscalers=autoscalers))


def autoscaler(deployment: str, least: int, most: int) -> dict[str, Any]:
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
        "minReplicas": least,
        "maxReplicas": most,
    }
    return {"metadata": {"name": f"{deployment}-hpa", "namespace": "default"}, "spec": spec}


@pytest.mark.parametrize(
    ("primary", "canary", "needs"),
    [
        (3, 3, None),
        (3, 2, "3 for the mirror (100 %), 3 for 80 % and 3 for 100 %"),
        (3, 1, "3 for the mirror (100 %), 2 for 40 %, 2 for 60 %, 3 for 80 % and 3 for 100 %"),
        (1, 1, None),
    ],
)
def test_the_canary_needs_pods_for_each_weight(primary: int, canary: int, needs: str | None) -> None:
    warnings = texts(examined_of(primary, canary).warnings)

    assert [f"it would need {needs}; nothing scales it." in warning for warning in warnings] == [True] * bool(needs)


def test_a_mirror_of_some_methods_has_no_known_size() -> None:
    (warning,) = texts(examined_of(3, 2, mirror_methods=("GET",)).warnings)

    assert "it would need 3 for 80 % and 3 for 100 %;" in warning


def test_an_autoscaler_of_the_canary_is_taken_into_account() -> None:
    (grows,) = texts(examined_of(3, 1, autoscaler("reviews-v2", 1, 3)).warnings)
    (stops,) = texts(examined_of(3, 1, autoscaler("reviews-v2", 1, 2)).warnings)

    assert "its HPA may grow it to 3, but only after the users have come" in grows
    assert "its HPA stops at 2" in stops
    # A number set by hand would be undone by the HPA.
    assert "Let HPA reviews-v2-hpa keep at least 3 (minReplicas, and maxReplicas where it is less) before" in grows


def test_an_autoscaler_that_does_not_scale_is_told_in_its_own_words() -> None:
    blind = autoscaler("reviews-v2", 2, 9)
    said = "the HPA was unable to compute the replica count: no metrics returned"
    blind["status"] = {"conditions": [{"type": "ScalingActive", "status": "False", "message": said}]}

    (warning,) = texts(examined_of(2, 2, blind).warnings)

    assert warning.startswith(f"HPA reviews-v2-hpa does not scale reviews-v2: {said}.")


def test_two_autoscalers_that_do_not_scale_for_one_reason_are_told_in_one_warning() -> None:
    said = "the HPA was unable to compute the replica count: no metrics returned"
    status = {"conditions": [{"type": "ScalingActive", "status": "False", "message": said}]}
    blind = [{**autoscaler(name, 2, 9), "status": status} for name in ("reviews-v1", "reviews-v2")]

    (warning,) = texts(examined_of(2, 2, *blind).warnings)

    assert warning.startswith(
        f"HPAs reviews-v1-hpa and reviews-v2-hpa scale neither reviews-v1 nor reviews-v2: {said}."
    )
    assert "hpa reviews-v1-hpa reviews-v2-hpa` says more." in warning


def test_an_autoscaler_that_may_shrink_the_idle_primary_is_told() -> None:
    (warning,) = texts(examined_of(3, 3, autoscaler("reviews-v1", 1, 9)).warnings)

    assert warning.startswith("HPA reviews-v1-hpa may shrink reviews-v1 from 3 to 1 pod while its users are on the")
    assert examined_of(3, 3, autoscaler("reviews-v1", 3, 9)).problems == ()


KEDA = (
    {"labels": {"scaledobject.keda.sh/name": "books"}},
    {"ownerReferences": [{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "books"}]},
)


def of_keda(least: int, **metadata: Any) -> dict[str, Any]:
    made = autoscaler("reviews-v1", least, 9)
    return {**made, "metadata": made["metadata"] | metadata}


@pytest.mark.parametrize("metadata", KEDA)
@pytest.mark.parametrize("now", [1, 3])
def test_a_scaled_object_may_take_the_last_pod_which_its_autoscaler_does_not_say(
    metadata: dict[str, Any], now: int
) -> None:
    (warning,) = texts(examined_of(now, now, of_keda(1, **metadata)).warnings)

    assert warning.startswith("ScaledObject books may shrink reviews-v1 to no pods while its users are on the canary")
    assert warning.endswith(f"Set `minReplicaCount` of ScaledObject books to {now} until the rollout has ended.")
    assert examined_of(now, now, of_keda(1, **metadata), promote=Promote.ADOPT).warnings == ()


def test_a_scaled_object_that_keeps_some_is_told_where_to_keep_more() -> None:
    (warning,) = texts(examined_of(3, 3, of_keda(2, **KEDA[0])).warnings)

    assert warning.startswith("HPA reviews-v1-hpa may shrink reviews-v1 from 3 to 2 pods")
    assert "Set `minReplicaCount` of ScaledObject books to 3" in warning
    assert examined_of(3, 3, of_keda(3, **KEDA[0])).problems == ()


def test_an_autoscaler_whose_selector_fits_both_sides_averages_over_both() -> None:
    deployments = (
        a_deployment("reviews-v1", "v1", app="reviews"),
        a_deployment("reviews-v2", "v2", app="reviews", track="canary"),
    )
    snapshot = a_snapshot(deployments=deployments, autoscalers=(autoscaler("reviews-v1", 2, 9),))

    (warning,) = texts(examine(a_service(), "v2", snapshot).warnings)

    assert warning.startswith("HPA reviews-v1-hpa counts the canary's pods as reviews-v1's")


@pytest.mark.parametrize(("values", "warned"), [(["v1"], 0), (["v1", "v2"], 1)])
def test_an_autoscaler_counts_whom_the_selectors_expressions_fit(values: list[str], warned: int) -> None:
    snapshot = a_snapshot(autoscalers=(autoscaler("reviews-v1", 2, 9),))
    selector = {"matchExpressions": [{"key": "version", "operator": "In", "values": values}]}
    snapshot.deployments[0]["spec"]["selector"] = selector

    found = texts(examine(a_service(), "v2", snapshot).warnings)

    assert sum("counts the canary's pods as reviews-v1's" in text for text in found) == warned


@pytest.mark.parametrize(
    ("autoscalers", "pods"),
    [
        ((), 3),
        ((autoscaler("reviews-v2", 1, 9),), 3),
        ((autoscaler("reviews-v2", 1, 2),), 2),
        ((autoscaler("reviews-v2", 5, 9),), 5),
    ],
)
def test_a_parked_canary_gets_what_its_largest_share_needs_as_far_as_its_autoscaler_lets_it(
    autoscalers: tuple[dict[str, Any], ...], pods: int
) -> None:
    found = examined_of(3, 0, *autoscalers, scale_canary_up=True)
    assert (found.parked, found.target.canary_replicas) == (pods, pods)
    (warning,) = texts(found.warnings)
    assert warning.startswith(f"reviews-v2 has no pods: canary-bot gives it {pods} first")


def test_a_canary_that_has_pods_is_not_parked() -> None:
    assert examined_of(3, 2, scale_canary_up=True).parked == 0
