"""Both Deployments as they are written, and their pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.model.service import Promote
from bot.preflight import examine
from bot.words.rendering import plain
from tests.builders import a_service
from tests.snapshots import a_deployment, a_pod, a_snapshot, texts

Object = dict[str, Any]
Change = Callable[[Object], object]
BLOCKS, WARNS = True, False


@pytest.mark.parametrize(
    ("side", "change", "blocking", "sentence"),
    [
        (1, lambda d: d["spec"].update(paused=True), BLOCKS, "reviews-v2 is paused, so no new template"),
        (0, lambda d: d["metadata"].update(generation=4), BLOCKS, "reviews-v1 was changed a moment ago"),
        (
            0,
            lambda d: d["status"].update(conditions=[{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]),
            BLOCKS,
            "reviews-v1 is stuck",
        ),
        (
            1,
            lambda d: d["spec"]["template"]["spec"]["containers"][0].pop("readinessProbe"),
            WARNS,
            "reviews of reviews-v2 has no readiness probe, so users arrive",
        ),
        (
            1,
            lambda d: d["status"].update(
                readyReplicas=1,
                conditions=[{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"}],
            ),
            BLOCKS,
            "reviews-v2 cannot have all of its pods: exceeded quota: small.",
        ),
        (0, lambda d: d["spec"].update(revisionHistoryLimit=0), WARNS, "reviews-v1 keeps no old ReplicaSet"),
        (
            0,
            lambda d: d["spec"].update(progressDeadlineSeconds=3600),
            WARNS,
            "of reviews-v1 (60 minutes) is longer than `upgrade_timeout` (15 minutes).",
        ),
        (
            0,
            lambda d: d["spec"].update(progressDeadlineSeconds=905),
            WARNS,
            "of reviews-v1 (15 minutes) is longer than `upgrade_timeout` (900 seconds).",
        ),
        (
            0,
            lambda d: d["spec"].update(progressDeadlineSeconds=2147483647),
            WARNS,
            "of reviews-v1 (without end) is longer",
        ),
        (0, lambda d: d["spec"].update(strategy={"type": "Recreate"}), WARNS, "reviews-v1 has the strategy `Recreate`"),
    ],
)
def test_what_a_deployment_says_of_itself(
    side: int,
    change: Change,
    sentence: str,
    *,
    blocking: bool,
) -> None:
    snapshot = a_snapshot()
    change(snapshot.deployments[side])

    (problem,) = (
        one for one in examine(a_service(), "v2", snapshot).problems if "templates" not in plain(one.sentence)
    )

    assert problem.blocking is blocking
    assert sentence in plain(problem.sentence)
    assert problem.remedy


def test_the_primarys_upgrade_is_of_no_interest_when_there_is_none() -> None:
    snapshot = a_snapshot()
    snapshot.deployments[0]["spec"] |= {"revisionHistoryLimit": 0, "strategy": {"type": "Recreate"}}

    assert examine(a_service(promote=Promote.ADOPT), "v2", snapshot).problems == ()


def test_a_waiting_container_blocks_in_the_nodes_own_words() -> None:
    snapshot = a_snapshot()
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    snapshot.pods[2]["status"]["containerStatuses"][0] |= {"ready": False, "state": {"waiting": waiting}}

    (reason,) = texts(examine(a_service(), "v2", snapshot).reasons)

    assert reason.startswith("reviews in reviews-v2-1 of reviews-v2 waits: ImagePullBackOff (Back-off pulling image).")


def test_a_pod_that_is_only_being_born_or_leaving_is_no_trouble() -> None:
    canary = a_deployment("reviews-v2", "v2")
    born, leaving = a_pod(canary, 3, ready=False), a_pod(canary, 4, ready=False)
    born["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
    leaving["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    snapshot = a_snapshot()

    assert examine(a_service(), "v2", a_snapshot(pods=(*snapshot.pods, born, leaving))).problems == ()


def test_restarts_are_counted_with_their_reasons() -> None:
    snapshot = a_snapshot()
    for pod, reason in zip(snapshot.pods[2:], ("OOMKilled", "Error"), strict=True):
        ended = {
            "restartCount": 3,
            "lastState": {"terminated": {"reason": reason, "finishedAt": f"2026-08-0{len(reason)}T10:00:00Z"}},
        }
        pod["status"]["containerStatuses"][0] |= ended

    (warning,) = texts(examine(a_service(), "v2", snapshot).warnings)

    assert warning.startswith("Containers of reviews-v2 were restarted 6 times (Error and OOMKilled, last at")
    assert "last at 2026-08-09 10:00 UTC)." in warning


def test_a_canarys_pod_is_not_taken_for_the_primarys_whose_selector_fits_it() -> None:
    primary = a_deployment("reviews", "v1", app="reviews")
    canary = a_deployment("reviews-canary", "v2", app="reviews", track="canary")
    snapshot = a_snapshot(deployments=(primary, canary))
    snapshot.pods[2]["status"]["containerStatuses"][0]["restartCount"] = 1
    service = a_service(primary_deployment="reviews", canary_deployment="reviews-canary")

    (warning,) = texts(examine(service, "v2", snapshot).warnings)

    assert warning.startswith("Containers of reviews-canary were restarted 1 time.")
