"""What a Deployment says about itself: counts and conditions, worded as the real controller words them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sandbox.kube.objects import Object, condition, timestamp
from sandbox.kube.rolling import bounds

_MINIMUM = {
    True: ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
    False: ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The Pods of a Deployment, terminating ones left out."""

    replicas: int
    updated: int
    ready: int
    available: int

    def complete(self, wanted: int) -> bool:
        """Whether everything is new, and there, and nothing old is left."""
        return self.replicas == self.updated == self.available == wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a rollout stands, between two reconciles. ``since``: the last step forward, on the monotonic clock."""

    replica_set: str
    counts: Counts
    since: float
    is_complete: bool = False
    is_late: bool = False

    def seen(self, replica_set: str, counts: Counts, *, wanted: int, deadline: float, now: float) -> Progress:
        """The progress after another reconcile."""
        if replica_set != self.replica_set:
            return begin(replica_set, counts, wanted=wanted, now=now)
        if self.is_complete and counts.replicas == counts.updated:
            return replace(self, counts=counts)  # a finished rollout is not judged again when Pods die later
        if counts.complete(wanted):
            return replace(self, counts=counts, since=now, is_complete=True, is_late=False)
        if self._is_forward(counts):
            return replace(self, counts=counts, since=now, is_complete=False, is_late=False)
        return replace(self, counts=counts, is_complete=False, is_late=now - self.since >= deadline)

    def _is_forward(self, counts: Counts) -> bool:
        old = self.counts
        fewer_old = counts.replicas - counts.updated < old.replicas - old.updated
        return fewer_old or counts.updated > old.updated or counts.ready > old.ready or counts.available > old.available


def begin(replica_set: str, counts: Counts, *, wanted: int, now: float) -> Progress:
    """The progress of a rollout that has just begun."""
    return Progress(replica_set=replica_set, counts=counts, since=now, is_complete=counts.complete(wanted))


def status(deployment: Object, progress: Progress, now: datetime, *, stepped: bool) -> dict[str, Any]:
    """The Deployment's new status; ``stepped`` says that the rollout moved since the last one."""
    counts, spec = progress.counts, deployment["spec"]
    wanted = spec.get("replicas", 1)
    enough = counts.available >= wanted - bounds(spec).unavailable
    numbers = {
        "replicas": counts.replicas,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
        "unavailableReplicas": max(0, max(wanted, counts.replicas) - counts.available),
    }
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **{name: number for name, number in numbers.items() if number},  # zeroes are left out, as by omitempty
        "conditions": [
            _condition(deployment, "Available", _MINIMUM[enough], now, stepped=False),
            _condition(deployment, "Progressing", _progressing(deployment, progress), now, stepped=stepped),
        ],
    }


def _progressing(deployment: Object, progress: Progress) -> tuple[str, str, str]:
    name = progress.replica_set
    if deployment["spec"].get("paused"):
        return "Unknown", "DeploymentPaused", "Deployment is paused"
    if progress.is_complete:
        return "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.'
    if progress.is_late:
        return "False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.'
    return "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'


def _condition(
    deployment: Object, kind: str, said: tuple[str, str, str], now: datetime, *, stepped: bool
) -> dict[str, Any]:
    state, reason, message = said
    old = condition(deployment, kind)
    if old and not stepped and (old["status"], old["reason"], old["message"]) == said:
        return old
    since = old["lastTransitionTime"] if old and old["status"] == state else timestamp(now)
    return {
        "type": kind,
        "status": state,
        "lastUpdateTime": timestamp(now),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
