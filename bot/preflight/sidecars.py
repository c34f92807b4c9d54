"""Whether the pods have the proxy that counts their requests. Copies are counted nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.cluster.objects import (
    Object,
    annotations_of,
    container_statuses,
    name_of,
    pod_annotations,
    pod_labels,
    pods_of,
)
from bot.model.images import is_ready
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.snapshot import Subject

PROXY = "istio-proxy"
_INJECT = "sidecar.istio.io/inject"
_AMBIENT = "ambient.istio.io/redirection"


def check(subject: Subject) -> Iterator[Problem]:
    """Each Deployment by the pods that can be seen, or by its template where none can."""
    for side in subject.sides:
        pods = [pod for pod in pods_of(side, subject.snapshot.pods) if is_ready(pod)]
        if pods:
            yield from _observed(subject, side, pods)
        else:
            yield from _unobserved(subject, side)


def _observed(subject: Subject, deployment: Object, pods: Sequence[Object]) -> Iterator[Problem]:
    name = name_of(deployment)
    bare = [pod for pod in pods if not _has_proxy(pod)]
    if any(annotations_of(pod).get(_AMBIENT) == "enabled" for pod in bare):
        yield _uncounted(
            subject,
            f"{name} is in the ambient mesh without a sidecar: the copies it gets are counted nowhere.",
            remedy="Give it a sidecar, or judge it in `gates.custom` by the application's own metrics.",
        )
    elif len(bare) == len(pods):
        yield _uncounted(subject, f"No pod of {name} has a sidecar ({PROXY}), so its requests are counted nowhere.")
    elif bare:
        yield warns(
            f"{len(bare)} of the {len(pods)} ready pods of {name} have no sidecar ({PROXY}).",
            remedy="Their requests are counted nowhere: delete them, so that they are born again with one.",
        )
    slow = [pod for pod in pods if _proxy_not_ready(pod)]
    if slow:
        yield warns(
            f"The sidecar of {len(slow)} of the {len(pods)} pods of {name} is not ready.",
            remedy="`istioctl proxy-status` says whether it has its configuration.",
        )


def _unobserved(subject: Subject, deployment: Object) -> Iterator[Problem]:
    name = name_of(deployment)
    said = {**pod_annotations(deployment), **pod_labels(deployment)}.get(_INJECT)
    if said == "false":
        yield _uncounted(subject, f"{name} says {_INJECT}=false, so its requests are counted nowhere.")
    elif subject.snapshot.is_read("Pod"):
        yield warns(
            f"No ready pod of {name} can be seen, so nobody knows whether it has a sidecar.",
            remedy="Without one, nothing counts its requests, and the mirror waits for figures that never come.",
        )


def _uncounted(subject: Subject, sentence: str, remedy: str = "") -> Problem:
    """With metrics of the application's own there is something to judge by all the same."""
    remedy = remedy or "Label its namespace `istio-injection=enabled` (or its revision's label) and restart it."
    if subject.service.gates.custom:
        return warns(sentence, remedy=f"Only the custom gates can judge it. {remedy}")
    return blocks(sentence, remedy=remedy)


def _has_proxy(pod: Object) -> bool:
    """In ``initContainers`` too: native sidecars are Istio's default now."""
    spec = pod.get("spec") or {}
    return any(one["name"] == PROXY for key in ("containers", "initContainers") for one in spec.get(key) or ())


def _proxy_not_ready(pod: Object) -> bool:
    return any(one.get("name") == PROXY and not one.get("ready", True) for one in container_statuses(pod))
