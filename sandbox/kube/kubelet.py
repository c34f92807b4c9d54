"""When Pods become ready, cease to be, crash and vanish: the part of the nodes.

Times are monotonic seconds of an injected clock; the objects carry wall-clock times, as everywhere in Kubernetes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from sandbox.kube.objects import Object, is_ready, is_terminating, labels_of, owner_uid
from sandbox.kube.pods import set_crashed, set_running, set_unready, set_waiting
from sandbox.kube.store import Store

Workload = tuple[str, str]  # namespace and name of a Deployment


class Kubelet:
    """Moves Pods through their lives whenever ``advance`` is called."""

    def __init__(self, store: Store, *, start_seconds: float | None, grace_seconds: float) -> None:
        self._store = store
        self._default_start = start_seconds
        self._grace = grace_seconds
        self._graces: dict[Workload, float] = {}
        self._start: dict[Workload, float | None] = {}
        self._crashing: set[Workload] = set()
        self._unready: set[Workload] = set()
        self._lock = threading.Lock()
        # By pod uid, on the monotonic clock.
        self._born: dict[str, float] = {}
        self._ready_since: dict[str, float] = {}
        self._gone_at: dict[str, float] = {}

    def set_start(self, workload: Workload, seconds: float | None) -> None:
        """How long a Pod of this Deployment takes until it is Ready; None: never."""
        with self._lock:
            self._start[workload] = seconds

    def set_grace(self, workload: Workload, seconds: float) -> None:
        """How long a Pod of this Deployment takes to end."""
        with self._lock:
            self._graces[workload] = seconds

    def set_crashing(self, workload: Workload, *, crashing: bool) -> None:
        """Whether this Deployment's application crashes."""
        with self._lock:
            (self._crashing.add if crashing else self._crashing.discard)(workload)

    def set_unready(self, workload: Workload, *, unready: bool) -> None:
        """Whether this Deployment's application runs and says that it is not ready."""
        with self._lock:
            (self._unready.add if unready else self._unready.discard)(workload)

    def ready_for(self, pod: Object, now: float) -> float:
        """For how long a Pod has been Ready; negative when it is not."""
        since = self._ready_since.get(pod["metadata"]["uid"])
        return now - since if since is not None and is_ready(pod) else -1.0

    def advance(self, now: float) -> float | None:
        """Do what is due; when to come back, None when nothing is pending."""
        due: list[float] = []
        at: float | None
        for pod in self._store.list("Pod", where=self._needs_care):
            uid = pod["metadata"]["uid"]
            if is_terminating(pod):
                at = self._gone_at.setdefault(uid, now + self._graces.get(_workload(pod), self._grace))
                if at <= now:
                    self._remove(pod)
                    continue
            else:
                at = self._live(pod, now)
            if at is not None and at > now:
                due.append(at)
        return min(due, default=None)

    def _needs_care(self, pod: Object) -> bool:
        if is_terminating(pod) or not is_ready(pod):
            return True
        uid = pod["metadata"]["uid"]
        return uid not in self._ready_since or _workload(pod) in self._crashing | self._unready

    def _live(self, pod: Object, now: float) -> float | None:
        """Bring a living Pod to where it must be by now; when it will be Ready, if that is known."""
        uid, workload = pod["metadata"]["uid"], _workload(pod)
        if owner_uid(pod) is None:  # put there by hand; it stays as it was put
            self._ready_since.setdefault(uid, now)
            return None
        with self._lock:
            seconds = self._start.get(workload, self._default_start)
            crashing, unready = workload in self._crashing, workload in self._unready
        if crashing:
            self._crash(pod)
            return None
        if unready and is_ready(pod):
            self._ready_since.pop(uid, None)
            self._update(pod, set_unready)
        if unready:
            return None
        born = self._born.setdefault(uid, now)
        if seconds is None:
            if not is_ready(pod):
                self._update(pod, lambda found, at: set_waiting(found, "ImagePullBackOff", at))
            return None
        if born + seconds <= now:
            self._ready_since[uid] = now
            self._update(pod, set_running)
        return born + seconds

    def _crash(self, pod: Object) -> None:
        waiting = [status["state"].get("waiting", {}).get("reason") for status in pod["status"]["containerStatuses"]]
        if "CrashLoopBackOff" not in waiting:
            self._ready_since.pop(pod["metadata"]["uid"], None)
            self._update(pod, set_crashed)

    def _update(self, pod: Object, change: Callable[[Object, datetime], Object]) -> None:
        """Change a Pod unless it has gone or begun to go in the meantime."""
        metadata = pod["metadata"]
        with self._store.transaction():
            found = self._store.get("Pod", metadata["namespace"], metadata["name"])
            if found is not None and found["metadata"]["uid"] == metadata["uid"] and not is_terminating(found):
                self._store.put(change(found, datetime.now(UTC)))

    def _remove(self, pod: Object) -> None:
        metadata = pod["metadata"]
        self._store.delete("Pod", metadata["namespace"], metadata["name"])
        for times in (self._born, self._ready_since, self._gone_at):
            times.pop(metadata["uid"], None)


def _workload(pod: Object) -> Workload:
    """The Deployment a Pod belongs to, by its ReplicaSet's name."""
    owners = pod["metadata"].get("ownerReferences") or [{"name": ""}]
    template_hash = labels_of(pod).get("pod-template-hash", "")
    return pod["metadata"]["namespace"], str(owners[0]["name"]).removesuffix(f"-{template_hash}")
