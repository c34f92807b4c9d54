"""How the two pod templates differ beyond the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.model.service import Promote
from bot.preflight import examine
from tests.builders import a_service
from tests.snapshots import a_snapshot, texts

Template = dict[str, Any]


def app(template: Template) -> dict[str, Any]:
    container: dict[str, Any] = template["spec"]["containers"][0]
    return container


def differences(change: Callable[[Template], object], **service: Any) -> str:
    snapshot = a_snapshot()
    change(snapshot.deployments[1]["spec"]["template"])
    warnings = texts(examine(a_service(**service), "v2", snapshot).warnings)
    return warnings[0].partition("beyond the image (")[2].partition("); only")[0] if warnings else ""


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda t: app(t).update(env=[{"name": "FAST", "value": "1"}]), "reviews.env.FAST only on the canary"),
        (
            lambda t: app(t).update(resources={"limits": {"memory": "1Gi"}}),
            "reviews.resources: (none) → {'limits': {'memory': '1Gi'}}",
        ),
        (
            lambda t: app(t)["readinessProbe"]["httpGet"].update(path="/ready"),
            "reviews.readinessProbe.httpGet.path: /health → /ready",
        ),
        (
            lambda t: t["spec"].update(volumes=[{"name": "config", "configMap": {"name": "reviews-2"}}]),
            "volumes.config: (none) → {'name': 'config', 'configMap': {'name'…",
        ),
        (lambda t: t["spec"].update(priorityClassName="high"), "priorityClassName: (none) → high"),
        (lambda t: t["spec"].update(serviceAccountName="new"), ""),  # told by itself
        (lambda t: app(t).update(args=["--token", "s3cret"]), "reviews.args only on the canary"),
        (
            lambda t: t["metadata"].update(annotations={"sidecar.istio.io/proxyCPU": "2"}),
            "annotations.sidecar.istio.io/proxyCPU: (none) → 2",
        ),
        (lambda t: t["metadata"].update(annotations={"kubectl.kubernetes.io/restartedAt": "now"}), ""),
        (lambda t: app(t).update(env=[]), ""),
    ],
)
def test_a_difference_is_shown_by_its_field(change: Callable[[Template], object], shown: str) -> None:
    assert differences(change) == shown


def test_values_of_the_environment_are_never_shown() -> None:
    snapshot = a_snapshot()
    for deployment, value in zip(snapshot.deployments, ("hunter1", "hunter2"), strict=True):
        app(deployment["spec"]["template"])["env"] = [{"name": "PASSWORD", "value": value}]

    (warning,) = texts(examine(a_service(), "v2", snapshot).warnings)

    assert "(reviews.env.PASSWORD differs)" in warning
    assert "hunter" not in warning


def test_many_differences_are_counted() -> None:
    names = [f"NAME_{number}" for number in range(1, 12)]

    shown = differences(lambda t: app(t).update(env=[{"name": name, "value": "1"} for name in names]))

    assert shown.endswith(" and 3 more")


def test_an_adopted_canary_goes_on_as_it_was_tested() -> None:
    assert differences(lambda t: app(t).update(env=[{"name": "A"}]), promote=Promote.ADOPT) == ""
