"""Whether the pods have the proxy that counts their requests. Copies are counted nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.cluster.objects import (
    Object,
    annotations_of,
    container_statuses,
    name_of,
    namespace_of,
    pod_annotations,
    pod_labels,
    pods_of,
)
from bot.model.images import is_ready
from bot.preflight import pod_counts
from bot.preflight.problems import Problem, blocks, command, kubectl, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, Sentence, said

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
            said("preflight.ambient", name=name),
            remedy=said("preflight.give_sidecar", setting=Code("gates.custom")),
        )
    elif len(bare) == len(pods):
        yield _uncounted(subject, said("preflight.no_sidecar", name=name, container=PROXY))
    elif bare:
        yield warns(
            said("preflight.some_without_sidecar", n=len(bare), pods=len(pods), name=name, container=PROXY),
            remedy=said(
                "preflight.delete_those",
                command=kubectl("delete", "pod", *map(name_of, bare), namespace=namespace_of(bare[0], "default")),
                n=len(bare),
            ),
        )
    slow = [pod for pod in pods if _proxy_not_ready(pod)]
    if slow:
        yield warns(
            said("preflight.sidecar_not_ready", n=len(slow), pods=len(pods), name=name),
            remedy=said("preflight.see_proxies", command=Code("istioctl proxy-status")),
        )


def _unobserved(subject: Subject, deployment: Object) -> Iterator[Problem]:
    name = name_of(deployment)
    injected = {**pod_annotations(deployment), **pod_labels(deployment)}.get(_INJECT)
    if injected == "false":
        yield _uncounted(subject, said("preflight.sidecar_off", name=name, label=f"{_INJECT}=false"))
    elif subject.snapshot.is_read("Pod") and not (deployment is subject.canary and pod_counts.parked(subject)):
        yield warns(said("preflight.sidecar_unknown", name=name), remedy=said("preflight.without_sidecar"))


def _uncounted(subject: Subject, sentence: Sentence, remedy: Sentence | None = None) -> Problem:
    """With metrics of the application's own there is something to judge by all the same."""
    space = subject.service.namespace
    remedy = remedy or said(
        "preflight.inject_sidecar", command=command("kubectl", "label", "namespace", space, "istio-injection=enabled")
    )
    if subject.service.gates.custom:
        return warns(sentence, remedy=said("preflight.custom_gates_only", remedy=remedy))
    return blocks(sentence, remedy=remedy)


def _has_proxy(pod: Object) -> bool:
    """In ``initContainers`` too: native sidecars are Istio's default now."""
    spec = pod.get("spec") or {}
    return any(one["name"] == PROXY for key in ("containers", "initContainers") for one in spec.get(key) or ())


def _proxy_not_ready(pod: Object) -> bool:
    return any(one.get("name") == PROXY and not one.get("ready", True) for one in container_statuses(pod))
