"""Who else writes our objects, and the exact rule that makes them let us."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bot.preflight import Examined, examine
from tests.builders import a_service
from tests.snapshots import a_snapshot


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
    (reason,) = examined_of(**metadata).reasons

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
    reasons = examine(a_service(), "v2", a_snapshot(drivers=(driver | {"metadata": {"name": "shop"}},))).reasons

    assert [reason.startswith(said) for reason in reasons] == [True] * bool(said)


def test_a_chart_that_argo_cd_renders_is_argo_cds_and_not_helms() -> None:
    managed: dict[str, Any] = {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "managedFields": [{"manager": "argocd-controller"}],
    }

    (warning,) = examined_of(**managed).warnings

    assert "is kept by Argo CD, which will undo" in warning


def test_a_kept_primary_is_told_of_its_image_and_its_size() -> None:
    (warning,) = examined_of(deployment={"annotations": {"argocd.argoproj.io/tracking-id": "x"}}).warnings

    assert (
        "jqPathExpressions: ['.spec.template.spec.containers[].image', '.spec.template.metadata.labels.version', "
        "'.spec.replicas']" in warning
    )


@pytest.mark.parametrize(
    ("metadata", "owner", "rule"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:x"}},
            "Argo CD",
            "['.spec.http[].route[].weight', '.spec.http[].mirror', '.spec.http[].mirrorPercentage']",
        ),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD", "RespectIgnoreDifferences=true"),
        ({"managedFields": [{"manager": "argocd-controller"}]}, "Argo CD", "ignoreDifferences"),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}},
            "Flux (Kustomization)",
            "kubectl -n default annotate virtualservice reviews kustomize.toolkit.fluxcd.io/reconcile=disabled",
        ),
        (
            {"labels": {"helm.toolkit.fluxcd.io/name": "shop", "app.kubernetes.io/managed-by": "Helm"}},
            "Flux (HelmRelease)",
            "ignore: [{paths: [/spec/http], target: {kind: VirtualService, name: reviews}}]",
        ),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm", "Run no `helm upgrade`"),
    ],
)
def test_a_gitops_tool_is_told_with_the_rule_to_add(metadata: dict[str, Any], owner: str, rule: str) -> None:
    (warning,) = examined_of(**metadata).warnings

    assert warning.startswith(f"VirtualService reviews is kept by {owner}, which will undo")
    assert rule in warning


def test_the_rules_for_argo_cd_are_yaml_that_can_be_pasted() -> None:
    (warning,) = examined_of(annotations={"argocd.argoproj.io/tracking-id": "x"}).warnings
    quoted = [yaml.safe_load(part) for part in warning.split("`")[1::2]]

    assert quoted[0]["ignoreDifferences"][0]["kind"] == "VirtualService"
    assert quoted[1] == {"syncPolicy": {"syncOptions": ["RespectIgnoreDifferences=true", "ApplyOutOfSyncOnly=true"]}}


def test_an_inserted_mirroring_route_needs_the_whole_list_to_be_ignored() -> None:
    only_reads = a_service(mirror_methods=("GET", "HEAD"))

    (warning,) = examined_of(service=only_reads, annotations={"argocd.argoproj.io/tracking-id": "x"}).warnings

    assert "jqPathExpressions: ['.spec.http']" in warning


def test_a_kept_primary_must_get_its_new_image_in_git_too() -> None:
    (warning,) = examined_of(deployment={"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}).warnings

    assert warning.startswith("Deployment reviews-v1 is kept by Flux (Kustomization)")
    assert warning.endswith("The promoted image must go to git as well.")


def test_a_flux_that_was_told_to_leave_the_object_alone_is_not_told_again() -> None:
    labels = {"kustomize.toolkit.fluxcd.io/name": "shop"}
    off = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}

    assert examined_of(labels=labels, annotations=off).problems == ()
