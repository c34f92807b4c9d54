"""Both Deployments as they are written and as their pods are. Whether enough pods are ready is asked live, later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.cluster.objects import Object, app_containers, container_statuses, name_of, pods_of, replicas
from bot.model.service import Promote
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.snapshot import Subject

_NEVER = 2_147_483_647  # Kubernetes' own way to write "no deadline"
_LONGEST = 160  # characters of a node's message


def check(subject: Subject) -> Iterator[Problem]:
    """Each Deployment by itself, and the primary as the one that will be upgraded."""
    for side in subject.sides:
        yield from _standing_still(side)
        yield from _probe(side, subject.service.container)
        for pod in pods_of(side, subject.snapshot.pods):
            yield from _waiting(side, pod)
        yield from _restarts(side, subject)
    if subject.primary is not None and subject.service.promote is Promote.UPGRADE:
        yield from _way_back(subject.primary)
        yield from _deadline(subject.primary, subject.service.upgrade_timeout)
        yield from _strategy(subject.primary)


def _standing_still(deployment: Object) -> Iterator[Problem]:
    name, status = name_of(deployment), deployment.get("status") or {}
    if deployment["spec"].get("paused"):
        yield blocks(
            f"{name} is paused, so no new template would ever roll out.",
            remedy=f"`kubectl rollout resume deployment/{name}` lets it go on.",
            about=name,
        )
    seen, newest = status.get("observedGeneration"), deployment["metadata"].get("generation", 0)
    if seen is not None and seen < newest:
        yield blocks(
            f"{name} was changed a moment ago, and its controller has not seen it yet.",
            remedy="Try again in some seconds.",
            about=name,
        )
    missed = [one for one in status.get("conditions") or () if one.get("reason") == "ProgressDeadlineExceeded"]
    if missed:
        yield blocks(
            f"{name} is stuck: it made no progress within its progressDeadlineSeconds.",
            remedy=f"`kubectl rollout status deployment/{name}` and its pods' events say why.",
            about=name,
        )
    failed = [one for one in status.get("conditions") or () if one.get("type") == "ReplicaFailure"]
    if any(one.get("status") == "True" for one in failed) and status.get("readyReplicas", 0) < replicas(deployment):
        said = str(failed[0].get("message") or failed[0].get("reason") or "no reason given")[:_LONGEST].rstrip(".")
        yield blocks(
            f"{name} cannot have all of its pods: {said}.",
            remedy="Make room (a quota, a limit range, a policy that refuses them), then start again.",
            about=name,
        )


def _probe(deployment: Object, wanted: str | None) -> Iterator[Problem]:
    containers = [one for one in app_containers(deployment) if wanted in {None, one["name"]}]
    for container in containers:
        if not container.get("readinessProbe"):
            yield warns(
                f"{name_of(deployment)} has no readinessProbe on {container['name']}.",
                remedy="Its pods count as ready the moment they start, and users arrive then: add a probe.",
            )


def _waiting(deployment: Object, pod: Object) -> Iterator[Problem]:
    """A container that waits, in the node's own words; a pod that has only just been born waits without harm."""
    for status in container_statuses(pod):
        waiting: dict[str, Any] = (status.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason and reason not in {"ContainerCreating", "PodInitializing"}:
            said = f" ({str(waiting['message'])[:_LONGEST]})" if waiting.get("message") else ""
            yield blocks(
                f"{status['name']} in {name_of(pod)} of {name_of(deployment)} waits: {reason}{said}.",
                remedy=f"`kubectl describe pod {name_of(pod)}` and its log say why.",
                about=name_of(deployment),
            )


def _restarts(deployment: Object, subject: Subject) -> Iterator[Problem]:
    """How often and why last. Whether that was an hour or a month ago is for a person to say."""
    statuses = [one for pod in pods_of(deployment, subject.snapshot.pods) for one in container_statuses(pod)]
    restarted = [one for one in statuses if one.get("restartCount")]
    if restarted:
        count = sum(int(one["restartCount"]) for one in restarted)
        ends = [(one.get("lastState") or {}).get("terminated") or {} for one in restarted]
        reasons = sorted({str(end["reason"]) for end in ends if end.get("reason")})
        why = f" ({', '.join(reasons)})" if reasons else ""
        last = max((str(end["finishedAt"]) for end in ends if end.get("finishedAt")), default="")
        when = f", last at {last}" if last else ""
        times = "once" if count == 1 else f"{count} times"
        yield warns(
            f"Containers of {name_of(deployment)} have restarted {times}{why}{when}.",
            remedy="Look at their logs (`kubectl logs --previous`) before users depend on them.",
        )


def _way_back(primary: Object) -> Iterator[Problem]:
    if primary["spec"].get("revisionHistoryLimit", 10) < 1:
        yield warns(
            f"{name_of(primary)} keeps no old ReplicaSet (revisionHistoryLimit: 0).",
            remedy="An abort after the upgrade still works, but `kubectl rollout undo` does not: set it to 1 or more.",
        )


def _deadline(primary: Object, patience: float) -> Iterator[Problem]:
    deadline = int(primary["spec"].get("progressDeadlineSeconds", 600))
    if deadline > patience:
        shown = "none" if deadline >= _NEVER else f"{deadline} s"
        yield warns(
            f"The progress deadline of {name_of(primary)} ({shown}) is longer than upgrade_timeout ({patience:g} s).",
            remedy="A stuck upgrade is then noticed by upgrade_timeout alone: make the deadline the shorter one.",
        )


def _strategy(primary: Object) -> Iterator[Problem]:
    if (primary["spec"].get("strategy") or {}).get("type") == "Recreate":
        yield warns(
            f"{name_of(primary)} has the strategy Recreate: during its upgrade it has no pod at all.",
            remedy="Callers that do not follow the VirtualService would fail: use RollingUpdate, maxUnavailable 0.",
        )
