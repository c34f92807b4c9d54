"""kubectl's rule for a finished rollout, with its gaps closed, and which pods count."""

from typing import Any

import pytest

from bot.adapters.kube_answers import warnings_in
from bot.cluster.deployments import creation_troubles, pods_of, progress, template_writer
from bot.cluster.selectors import LabelSelector
from bot.model.incidents import FAILED_CREATE, UNSCHEDULABLE, Trouble
from bot.model.observation import Progress
from bot.model.rollout import PodTemplate
from bot.words.rendering import plain

PINNED = "registry.example/reviews:2@sha256:" + "2" * 64


def deployment(image: str = "reviews:2", *, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    counts = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {
        "metadata": {
            "name": "reviews",
            "uid": "d",
            "generation": 3,
            "annotations": {"deployment.kubernetes.io/revision": "7"},
            "managedFields": [{"manager": "canary-bot", "time": "2026-01-01T10:00:00Z"}],
        },
        "spec": {"replicas": 2, "template": template(image), **spec},
        "status": counts | (status or {}),
    }


def template(image: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "reviews"}}, "spec": {"containers": [{"name": "reviews", "image": image}]}}


def replica_set(image: str = "reviews:2", revision: str = "7") -> dict[str, Any]:
    metadata = {
        "uid": "rs",
        "creationTimestamp": "2026-01-01T10:00:01Z",
        "annotations": {"deployment.kubernetes.io/revision": revision},
        "ownerReferences": [{"uid": "d", "controller": True}],
    }
    return {"metadata": metadata, "spec": {"template": template(image)}}


def pod(image: str = "reviews:2", image_id: str = "", *, owner: str | None = "rs", **metadata: Any) -> dict[str, Any]:
    owners = {"ownerReferences": [{"uid": owner, "controller": True}]} if owner else {}
    return {
        "metadata": {"labels": {"app": "reviews", "pod-template-hash": "x"}, **owners, **metadata},
        "spec": {"containers": [{"name": "istio-proxy", "image": "proxy"}, {"name": "reviews", "image": image}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "reviews", "imageID": image_id}],
        },
    }


def deadline(set_at: str) -> dict[str, Any]:
    condition = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": set_at}
    return {"updatedReplicas": 1, "conditions": [condition]}


@pytest.mark.parametrize(
    ("given", "expected", "words"),
    [
        (deployment(), Progress.DONE, ""),
        (deployment(status={"observedGeneration": 2}), Progress.WAITING, "not seen the newest template"),
        (deployment(status={"updatedReplicas": 1}), Progress.WAITING, "1 of 2 pods have the newest template"),
        (deployment(status={"replicas": 3}), Progress.WAITING, "1 old pod is still to go"),
        (deployment(status={"availableReplicas": 1}), Progress.WAITING, "1 of 2 pods are available"),
        (deployment(replicas=0), Progress.WAITING, "scaled to zero"),
        (deployment(paused=True), Progress.FAILED, "is paused"),
        (deployment("reviews:3"), Progress.WAITING, "no ReplicaSet has the newest template"),
        (deployment(status=deadline("2026-01-01T10:10:00Z")), Progress.FAILED, "progressDeadlineSeconds"),
        (deployment(status=deadline("2026-01-01T09:59:00Z")), Progress.WAITING, "1 of 2 pods have"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rollout_is_complete_by_kubectls_rule_and_by_ours(
    given: dict[str, Any], expected: Progress, words: str
) -> None:
    found, reason = progress(given, [replica_set(), replica_set("reviews:1", "6")])
    assert (found, words in plain(reason)) == (expected, True)


def test_without_visible_replica_sets_the_status_is_believed() -> None:
    assert progress(deployment("reviews:3"), []) == (Progress.DONE, "")


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        (pod(), True),
        (pod("reviews:1"), False),
        (pod(deletionTimestamp="2026-01-01T10:00:00Z"), False),
        (pod(labels={"app": "ratings"}), False),
        (pod(owner="another-deployments"), False),
        (pod(owner=None), True),
    ],
)
def test_a_pod_counts_when_it_is_ready_ours_and_of_the_newest_template(given: dict[str, Any], *, counts: bool) -> None:
    assert pods_of(deployment(), [replica_set()], [given, pod("reviews:1")]).ready == int(counts)


@pytest.mark.parametrize(
    ("image", "image_id", "counts"),
    [
        (PINNED, "", True),
        (PINNED, "docker-pullable://registry.example/reviews@sha256:" + "2" * 64, True),
        (PINNED, "registry.example/reviews@sha256:" + "1" * 64, False),
        ("mirror.local/reviews@sha256:" + "2" * 64, "mirror.local/reviews@sha256:" + "2" * 64, True),
        ("registry.example/reviews:2", "", False),
    ],
)
def test_a_pinned_image_is_recognised_by_the_digest_the_node_shows(image: str, image_id: str, *, counts: bool) -> None:
    assert pods_of(deployment(PINNED), [replica_set(PINNED)], [pod(image, image_id)]).ready == int(counts)


def test_a_ready_pod_of_another_image_is_told_apart_because_it_answers_users_too() -> None:
    found = pods_of(deployment(), [replica_set()], [pod(), pod("reviews:1"), pod("reviews:1", deletionTimestamp="t")])
    assert (found.ready, found.stale) == (1, 1)


def test_the_digests_of_ready_pods_are_those_that_their_nodes_show() -> None:
    shown = [pod(image_id=f"registry.example/reviews@sha256:{digit * 64}") for digit in "12"]
    assert pods_of(deployment(), [replica_set()], shown).digests["reviews"] == {
        "sha256:" + "1" * 64,
        "sha256:" + "2" * 64,
    }


OOM = {"lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}, "state": {"running": {}}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"restartCount": 0, "state": {"running": {}}}, None),
        ({"restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}, None),
        ({"restartCount": 2, **OOM}, ("OOMKilled", "", 2)),
        ({"restartCount": 1, "state": {"terminated": {"reason": "OOMKilled"}}}, ("OOMKilled", "", 1)),
        ({"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}, ("", "CrashLoopBackOff", 3)),
        ({"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}}, ("", "ImagePullBackOff", 0)),
        ({}, None),
    ],
)
@pytest.mark.parametrize("where", ["containerStatuses", "initContainerStatuses"])  # native sidecars are in the latter
def test_restarts_and_reasons_to_wait_are_read_from_every_container(
    where: str, status: dict[str, Any], expected: tuple[str, str, int] | None
) -> None:
    given = pod(name="reviews-x")
    given["status"][where] = [{"name": "one", **status}]
    found = pods_of(deployment(), [replica_set()], [given]).troubles
    assert [(one.ended, one.waiting, one.restarts) for one in found] == ([expected] if expected else [])
    assert all((one.pod, one.container) == ("reviews-x", "one") for one in found)


def test_pods_of_an_older_template_or_on_their_way_out_have_no_troubles_of_ours() -> None:
    old, leaving = pod("reviews:1", name="a"), pod(name="b", deletionTimestamp="t")
    for one in (old, leaving):
        one["status"]["containerStatuses"] = [{"name": "reviews", "restartCount": 9}]
    assert pods_of(deployment(), [replica_set()], [old, leaving]).troubles == ()


def test_where_no_pods_exist_to_be_looked_at_the_status_counts_once_it_is_current() -> None:
    assert pods_of(deployment(), [replica_set()], []).ready == 2
    assert pods_of(deployment(status={"observedGeneration": 2}), [replica_set()], []).ready == 0


@pytest.mark.parametrize(("available", "stale"), [(0, 0), (1, 1), (3, 2)])
def test_without_pods_to_look_at_no_more_old_ones_answer_than_are_available(available: int, stale: int) -> None:
    hanging = deployment(status={"replicas": 3, "updatedReplicas": 1, "availableReplicas": available})

    assert pods_of(hanging, [replica_set()], []).stale == stale


def test_a_selector_is_asked_for_as_the_server_wants_it() -> None:
    expressions = [
        {"key": "track", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "app", "operator": "Exists"},
        {"key": "tier", "operator": "NotIn", "values": ["x"]},
    ]
    selector = {"matchLabels": {"app": "reviews"}, "matchExpressions": expressions}
    assert str(LabelSelector.of(selector)) == "app=reviews,track in (a,b),!old,app,tier notin (x)"


def test_warning_headers_are_read_with_their_quotes() -> None:
    assert warnings_in(['299 - "say \\"mirror\\"", 299 - "and more"', "199 - nonsense"]) == ['say "mirror"', "and more"]


def test_ready_pods_of_an_older_template_make_the_deployment_a_mix() -> None:
    new, old = pod("reviews:2"), pod("reviews:1")
    leaving = pod("reviews:1", deletionTimestamp="2026-01-01T10:00:00Z")

    assert pods_of(deployment("reviews:2"), [replica_set()], [new, old, leaving]).stale == 1
    assert pods_of(deployment("reviews:2"), [replica_set()], [new, new]).stale == 0


def test_without_pods_to_be_seen_the_status_says_how_many_are_old() -> None:
    assert pods_of(deployment(status={"replicas": 3, "updatedReplicas": 1}), [], []).stale == 2
    assert pods_of(deployment(), [], []).stale == 0


def test_ready_pods_that_were_relabelled_are_counted_as_elsewhere() -> None:
    home, moved = ({"app": "reviews", "version": version} for version in ("v1", "v2"))
    pods = [
        pod(labels=home),
        pod("reviews:1", labels=home),
        pod(labels=moved),
        pod(labels=moved, deletionTimestamp="t"),
    ]

    assert pods_of(deployment(), [replica_set()], pods, {"version": "v1"}).elsewhere == 1
    assert pods_of(deployment(), [replica_set()], pods).elsewhere == 0


@pytest.mark.parametrize(("labels", "elsewhere"), [({"app": "reviews"}, 1), ({"version": "v1"}, 2), ({}, 0)])
def test_without_pods_to_look_at_the_new_ones_are_where_their_template_puts_them(
    labels: dict[str, str], elsewhere: int
) -> None:
    halfway = deployment(status={"replicas": 3, "updatedReplicas": 2, "availableReplicas": 3})

    assert pods_of(halfway, [replica_set()], [], labels).elsewhere == elsewhere


# Who made the template what it is


def written(*entries: tuple[str, str, dict[str, Any]], image: str = "reviews:9", **labels: str) -> dict[str, Any]:
    """A Deployment with this image and these labels, and who wrote which fields of its template when."""
    made = deployment(image)
    made["spec"]["template"]["metadata"]["labels"] = labels
    made["metadata"]["managedFields"] = [
        {"manager": who, "time": f"2026-01-01T10:00:{second}Z", "fieldsV1": {"f:spec": {"f:template": fields}}}
        for who, second, fields in entries
    ]
    return made


IMAGE: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"reviews"}': {"f:image": {}}}}}
LABEL: dict[str, Any] = {"f:metadata": {"f:labels": {"f:version": {}}}}
OTHER: dict[str, Any] = {"f:spec": {"f:terminationGracePeriodSeconds": {}}}
V1 = PodTemplate(images={"reviews": "reviews:1"}, labels={"version": "v1"})
V2 = PodTemplate(images={"reviews": "reviews:2"}, labels={"version": "v2"})
OURS = ("canary-bot", "30", {**IMAGE, **LABEL})


@pytest.mark.parametrize(
    ("found", "who"),
    [
        # whoever wrote another field of the template later has nothing to do with it
        (written(("helm", "20", IMAGE), ("vpa", "40", OTHER), version="v1"), "helm"),
        (written(("helm", "20", IMAGE), ("canary-bot", "30", LABEL), version="v1"), "helm"),
        # a label that was removed has no writer, and the rest is ours
        (written(OURS, image="reviews:2"), ""),
        (written(("helm", "20", OTHER), OURS, image="reviews:2"), ""),
        # a server that does not say who owns a container's image
        (written(("helm", "20", OTHER), version="v1"), "helm"),
        (written((*OURS[:2], OTHER), version="v1"), ""),
        # one of ours: it was us, if a store has forgotten it, or somebody else
        (written(OURS, image="reviews:2", version="v2"), "canary-bot"),
        (written(("kubectl-set", "40", IMAGE), image="reviews:2", version="v2"), "kubectl-set"),
    ],
)
def test_a_template_is_laid_at_the_door_of_whoever_wrote_what_differs(found: dict[str, Any], who: str) -> None:
    assert template_writer(found, [V1, V2]).manager == who


def test_a_container_that_was_removed_has_no_writer() -> None:
    found = written(OURS, image="reviews:2", version="v2")
    found["spec"]["template"]["spec"]["containers"] = [{"name": "other", "image": "x"}]

    assert template_writer(found, [V1, V2]).manager == ""


# What keeps pods from coming up, in the words of a kubelet, a scheduler and a controller


def pending(**status: Any) -> dict[str, Any]:
    """A pod that is not ready, with this status."""
    return pod() | {"metadata": pod()["metadata"] | {"name": "reviews-a"}, "status": status}


def waiting(reason: str, **more: Any) -> dict[str, Any]:
    return {"name": "reviews", "imageID": "", "state": {"waiting": {"reason": reason}}, **more}


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_pull_that_is_tried_and_one_that_is_waited_for_are_the_same_trouble(reason: str) -> None:
    found = pods_of(deployment(), [replica_set()], [pending(containerStatuses=[waiting(reason)])])

    assert found.troubles == (Trouble(pod="reviews-a", container="reviews", waiting="ImagePullBackOff"),)


def test_a_pod_that_no_node_takes_says_what_the_scheduler_says() -> None:
    message = (
        "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims."
    )
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}

    (found,) = pods_of(deployment(), [replica_set()], [pending(phase="Pending", conditions=[condition])]).troubles

    assert (found.container, found.waiting, found.detail) == ("", UNSCHEDULABLE, message.rstrip("."))
    gated = condition | {"reason": "SchedulingGated"}
    assert pods_of(deployment(), [replica_set()], [pending(conditions=[gated])]).troubles == ()


def test_pods_that_may_not_be_created_have_no_name_and_a_reason_that_stays_the_same() -> None:
    said = (
        'pods "reviews-7d9f-x{}" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4'
    )
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}

    (one,), (other,) = (
        creation_troubles(deployment(status={"conditions": [failure | {"message": said.format(n)}]})) for n in "12"
    )

    assert one == other
    assert (one.pod, one.waiting) == ("", FAILED_CREATE)
    assert one.detail == "pods is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4"
    over = deployment(status={"conditions": [failure | {"status": "False", "message": ""}]})
    stale = deployment(status={"observedGeneration": 2, "conditions": [failure | {"message": said}]})
    assert creation_troubles(over) == creation_troubles(stale) == ()
