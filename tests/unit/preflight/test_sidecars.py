"""Whether the pods have the proxy that counts their requests."""

from __future__ import annotations

from typing import Any

from bot.model.service import CustomGate, GateLimits
from bot.preflight import Examined, Snapshot, examine
from tests.builders import a_service
from tests.snapshots import a_snapshot, texts

CUSTOM = GateLimits(custom=(CustomGate(name="lag", query="lag", maximum=1.0),))


def examined_of(snapshot: Snapshot, **service: Any) -> Examined:
    return examine(a_service(**service), "v2", snapshot)


def strip(pod: dict[str, Any]) -> None:
    pod["spec"]["containers"] = [one for one in pod["spec"]["containers"] if one["name"] != "istio-proxy"]
    pod["status"]["containerStatuses"].pop()


def test_a_native_sidecar_is_one() -> None:
    snapshot = a_snapshot()
    for pod in snapshot.pods:
        pod["spec"]["initContainers"] = [pod["spec"]["containers"].pop()]
        pod["status"]["initContainerStatuses"] = [pod["status"]["containerStatuses"].pop()]

    assert examined_of(snapshot).problems == ()


def test_without_a_sidecar_nothing_is_counted_so_nothing_begins() -> None:
    snapshot = a_snapshot()
    for pod in snapshot.pods[2:]:
        strip(pod)

    (reason,) = texts(examined_of(snapshot).reasons)

    assert reason.startswith("No pod of reviews-v2 has a sidecar (istio-proxy), so its requests are counted nowhere.")


def test_with_metrics_of_its_own_an_application_may_do_without() -> None:
    snapshot = a_snapshot()
    for pod in snapshot.pods[2:]:
        strip(pod)

    examined = examined_of(snapshot, gates=CUSTOM)

    assert texts(examined.reasons) == ()
    assert "Only the custom gates can judge it." in texts(examined.warnings)[0]


def test_a_pod_that_was_born_without_a_sidecar_is_told() -> None:
    snapshot = a_snapshot()
    strip(snapshot.pods[2])

    (warning,) = texts(examined_of(snapshot).warnings)

    assert warning.startswith("1 of the 2 ready pods of reviews-v2 has no sidecar")


def test_a_sidecar_that_is_not_ready_is_told() -> None:
    snapshot = a_snapshot()
    snapshot.pods[0]["status"]["containerStatuses"][1]["ready"] = False

    (warning,) = texts(examined_of(snapshot).warnings)

    assert warning.startswith("The sidecar of 1 of the 2 pods of reviews-v1 is not ready.")


def test_copies_in_the_ambient_mesh_are_counted_nowhere() -> None:
    snapshot = a_snapshot()
    for pod in snapshot.pods[2:]:
        strip(pod)
        pod["metadata"]["annotations"] = {"ambient.istio.io/redirection": "enabled"}

    (reason,) = texts(examined_of(snapshot).reasons)
    (warning,) = texts(examined_of(snapshot, gates=CUSTOM).warnings)

    assert reason.startswith(
        "reviews-v2 is in the ambient mesh without a sidecar, so mirrored requests to it are counted"
    )
    assert warning.startswith("reviews-v2 is in the ambient mesh")


def test_where_no_pod_can_be_seen_the_template_has_the_word() -> None:
    snapshot = a_snapshot(pods=a_snapshot().pods[:2])
    (unknown,) = texts(examined_of(snapshot).warnings)
    snapshot.deployments[1]["spec"]["template"]["metadata"]["annotations"] = {"sidecar.istio.io/inject": "false"}

    (sure,) = texts(examined_of(snapshot).reasons)

    assert unknown.startswith("No ready pod of reviews-v2 can be seen")
    assert sure.startswith("reviews-v2 has sidecar.istio.io/inject=false")
