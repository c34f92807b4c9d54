"""Who else writes our objects, and the exact rule that makes them let us."""

from __future__ import annotations

from typing import Any

import pytest

from bot.preflight import Examined, examine
from tests.builders import a_service
from tests.snapshots import a_snapshot, texts


def examined_of(*, deployment: dict[str, Any] | None = None, service: Any = None, **metadata: Any) -> Examined:
    snapshot = a_snapshot()
    assert snapshot.virtual_service is not None
    snapshot.virtual_service["metadata"] |= metadata
    snapshot.deployments[0]["metadata"] |= deployment or {}
    return examine(service or a_service(), "v2", snapshot)


@pytest.mark.parametrize(
    ("metadata", "tool"),
    [
        ({"ownerReferences": [{"kind": "Canary", "name": "reviews"}]}, "Flagger (reviews)"),
        ({"ownerReferences": [{"kind": "Rollout", "name": "reviews"}]}, "Argo Rollouts (reviews)"),
        ({"annotations": {"argo-rollouts.argoproj.io/managed-by-rollouts": "reviews"}}, "Argo Rollouts"),
        ({"annotations": {"flagger.kubernetes.app/original-configuration": "{}"}}, "Flagger"),
    ],
)
def test_another_canary_tool_blocks(metadata: dict[str, Any], tool: str) -> None:
    (reason,) = texts(examined_of(**metadata).reasons)

    assert reason.startswith(f"VirtualService reviews belongs to {tool}")


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (
            {"kind": "Canary", "spec": {"targetRef": {"kind": "Deployment", "name": "reviews-v1"}}},
            "Flagger's Canary shop steers Deployment reviews-v1.",
        ),
        (
            {"kind": "Rollout", "spec": {"workloadRef": {"kind": "Deployment", "name": "reviews-v2"}}},
            "Argo Rollouts's Rollout shop steers Deployment reviews-v2.",
        ),
        (
            {
                "kind": "Rollout",
                "spec": {
                    "strategy": {"canary": {"trafficRouting": {"istio": {"virtualServices": [{"name": "reviews"}]}}}}
                },
            },
            "Argo Rollouts's Rollout shop steers VirtualService reviews.",
        ),
        ({"kind": "Canary", "spec": {"targetRef": {"name": "ratings"}}}, ""),
    ],
)
def test_an_order_of_another_canary_tool_blocks_before_it_has_marked_anything(
    driver: dict[str, Any], said: str
) -> None:
    reasons = texts(examine(a_service(), "v2", a_snapshot(drivers=(driver | {"metadata": {"name": "shop"}},))).reasons)

    assert [reason.startswith(said) for reason in reasons] == [True] * bool(said)


def test_a_chart_that_argo_cd_renders_is_argo_cds_and_not_helms() -> None:
    managed: dict[str, Any] = {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "managedFields": [{"manager": "argocd-controller"}],
    }

    (warning,) = texts(examined_of(**managed).warnings)

    assert "is kept by Argo CD, which will undo" in warning


@pytest.mark.parametrize(
    ("metadata", "owner", "remedy"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:x"}},
            "Argo CD",
            "`canary-bot gitops reviews` prints",
        ),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD", "`canary-bot gitops reviews` prints"),
        ({"managedFields": [{"manager": "argocd-controller"}]}, "Argo CD", "`canary-bot gitops reviews` prints"),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}},
            "Flux (Kustomization)",
            "`canary-bot gitops reviews` prints",
        ),
        (
            {"labels": {"helm.toolkit.fluxcd.io/name": "shop", "app.kubernetes.io/managed-by": "Helm"}},
            "Flux (HelmRelease)",
            "`canary-bot gitops reviews` prints",
        ),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm", "Run no `helm upgrade`"),
    ],
)
def test_a_gitops_tool_is_told_with_the_command_that_prints_its_rules(
    metadata: dict[str, Any], owner: str, remedy: str
) -> None:
    (warning,) = texts(examined_of(**metadata).warnings)

    assert warning.startswith(f"VirtualService reviews is kept by {owner}, which will undo")
    assert remedy in warning


def test_a_kept_primary_must_get_its_new_image_in_git_too() -> None:
    (warning,) = texts(examined_of(deployment={"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}).warnings)

    assert warning.startswith("Deployment reviews-v1 is kept by Flux (Kustomization)")
    assert warning.endswith("The promoted image must go to git as well.")


def test_a_flux_that_was_told_to_leave_the_object_alone_is_not_told_again() -> None:
    labels = {"kustomize.toolkit.fluxcd.io/name": "shop"}
    off = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}

    assert examined_of(labels=labels, annotations=off).problems == ()
