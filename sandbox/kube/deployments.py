"""The controllers: Deployments become ReplicaSets, ReplicaSets Pods, and Pods stand behind Services.

One thread reacts to every change at once and wakes up for what is due later. ``step`` is one round of it; what a Pod
does on its node is in ``kubelet``, how many Pods there should be in ``rolling``, the conditions in
``deployment_status``.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from sandbox.kube.deployment_status import Counts, Progress, begin, status
from sandbox.kube.kubelet import Kubelet
from sandbox.kube.objects import Object, is_ready, labels_of
from sandbox.kube.replica_sets import REVISION, ReplicaSets, revision
from sandbox.kube.rolling import Size, bounds, next_sizes
from sandbox.kube.slices import sync
from sandbox.kube.store import Store

Workload = tuple[str, str]


class DeploymentController:
    """Runs in a thread of its own between ``open`` and ``close``; with ``step`` a test may drive it by hand instead."""

    def __init__(
        self,
        store: Store,
        *,
        start_seconds: float | None = 1.0,
        grace_seconds: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        names: random.Random | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._kubelet = Kubelet(store, start_seconds=start_seconds, grace_seconds=grace_seconds)
        self._replica_sets = ReplicaSets(store, names)
        self._progress: dict[str, Progress] = {}
        self._due: dict[Workload, float] = {}
        self._lags: dict[Workload, float] = {}
        self._dirty: set[Workload] = set()
        self._dirty_namespaces: set[str] = set()
        self._wake = threading.Condition()
        self._rung = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="deployment-controller", daemon=True)
        store.subscribe(self._on_change)

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._stopped = True
        self._ring()
        self._thread.join(5)

    # What a rehearsal may ask for

    def start_seconds(self, namespace: str, name: str, seconds: float | None) -> None:
        """How long a Pod of that Deployment takes until it is Ready; None: never, its image cannot be pulled."""
        self._kubelet.set_start((namespace, name), seconds)
        self._ring()

    def crash(self, namespace: str, name: str) -> None:
        """From now on every Pod of that Deployment crashes: not ready, one restart more."""
        self._kubelet.set_crashing((namespace, name), crashing=True)
        self._ring()

    def recover(self, namespace: str, name: str) -> None:
        """The Deployment's Pods no longer crash."""
        self._kubelet.set_crashing((namespace, name), crashing=False)
        self._ring()

    def fail_probes(self, namespace: str, name: str) -> None:
        """From now on no Pod of that Deployment is ready, though all of them run."""
        self._kubelet.set_unready((namespace, name), unready=True)
        self._ring()

    def pass_probes(self, namespace: str, name: str) -> None:
        """The Deployment's Pods are ready again."""
        self._kubelet.set_unready((namespace, name), unready=False)
        self._ring()

    def linger_seconds(self, namespace: str, name: str, seconds: float) -> None:
        """How long a Pod of that Deployment that was told to end is still there, terminating."""
        self._kubelet.set_grace((namespace, name), seconds)

    def lag_seconds(self, namespace: str, name: str, seconds: float) -> None:
        """How long after a change of that Deployment the controller gets to it: until then its status is an old one."""
        with self._wake:
            self._lags[namespace, name] = seconds

    # The work

    def step(self) -> float | None:
        """Do everything that is due; when to come back on the clock, None when only a change can make work."""
        now = self._clock()
        pods_due = self._kubelet.advance(now)
        with self._wake:
            namespaces, self._dirty_namespaces = self._dirty_namespaces, set()
            workloads, self._dirty = self._dirty, set()
            slow = {workload for workload in workloads if self._lags.get(workload)}
            for workload in slow:
                at = now + self._lags[workload]
                self._due[workload] = min(at, self._due.get(workload, at))
            due = {workload for workload, at in self._due.items() if at <= now}
            workloads = (workloads - slow) | due
        for namespace in sorted(namespaces):  # before the Deployments say that they are available
            sync(self._store, namespace)
        for workload in sorted(workloads):
            self._due.pop(workload, None)
            with self._store.transaction():
                self._reconcile(workload, now)
        return min([*self._due.values(), *([pods_due] if pods_due is not None else [])], default=None)

    def _run(self) -> None:
        while not self._stopped:
            due = self.step()
            with self._wake:
                if not self._rung and not self._stopped:
                    self._wake.wait(None if due is None else max(0.0, due - self._clock()))
                self._rung = False

    def _ring(self) -> None:
        with self._wake:
            self._rung = True
            self._wake.notify_all()

    def _on_change(self, _what: str, obj: Object) -> None:
        metadata = obj["metadata"]
        namespace, kind = metadata.get("namespace", ""), obj["kind"]
        if kind not in {"Deployment", "ReplicaSet", "Pod", "Service"}:
            return
        with self._wake:
            if kind in {"Pod", "Service"}:
                self._dirty_namespaces.add(namespace)
            if kind != "Service":
                self._dirty.add((namespace, _deployment_name(obj)))
        self._ring()

    def _reconcile(self, workload: Workload, now: float) -> None:
        deployment = self._store.get("Deployment", *workload)
        if deployment is None:
            self._replica_sets.remove_orphans(workload[0])
            return
        existing = self._replica_sets.of(deployment)
        current = self._replica_sets.current(deployment, existing)
        if current is None and not deployment["spec"].get("paused"):
            current = self._replica_sets.create(deployment, existing)
        olds = [item for item in existing if current is None or item["metadata"]["name"] != current["metadata"]["name"]]
        current, olds = self._resize(deployment, current, olds, now)
        everyone = [*olds, *([current] if current else [])]
        counts = self._sync(deployment, current, everyone, now)
        self._set_status(deployment, current, counts, now)
        self._drop_history(deployment, olds)

    def _resize(
        self, deployment: Object, current: Object | None, olds: list[Object], now: float
    ) -> tuple[Object | None, list[Object]]:
        spec = deployment["spec"]
        if current is None or spec.get("paused"):
            return self._resize_paused(deployment, current, olds)
        if spec["strategy"]["type"] == "Recreate":
            olds = [self._replica_sets.resize(old, 0) for old in olds]
            gone = not any(self._is_anything_left(old) for old in olds)
            return (self._replica_sets.resize(current, spec["replicas"]) if gone else current), olds
        sizes = [self._size(deployment, item, now) for item in olds]
        new_size, old_sizes = next_sizes(bounds(spec), self._size(deployment, current, now), sizes)
        resized = [self._replica_sets.resize(old, size) for old, size in zip(olds, old_sizes, strict=True)]
        return self._replica_sets.resize(current, new_size), resized

    def _resize_paused(
        self, deployment: Object, current: Object | None, olds: list[Object]
    ) -> tuple[Object | None, list[Object]]:
        """A paused Deployment still follows its number of replicas, with the ReplicaSet that is active."""
        everyone = [*olds, *([current] if current else [])]
        active = [item for item in everyone if item["spec"]["replicas"] > 0] or everyone[-1:]
        if len(active) == 1:
            resized = self._replica_sets.resize(active[0], deployment["spec"]["replicas"])
            name = resized["metadata"]["name"]
            olds = [resized if old["metadata"]["name"] == name else old for old in olds]
            current = resized if current and current["metadata"]["name"] == name else current
        return current, olds

    def _is_anything_left(self, replica_set: Object) -> bool:
        uid = replica_set["metadata"]["uid"]
        owners = [pod["metadata"].get("ownerReferences") or [{}] for pod in self._store.list("Pod")]
        return any(owner[0].get("uid") == uid for owner in owners)

    def _size(self, deployment: Object, replica_set: Object, now: float) -> Size:
        pods = self._replica_sets.pods_of(replica_set)
        return Size(wanted=replica_set["spec"]["replicas"], available=self._available(deployment, pods, now))

    def _available(self, deployment: Object, pods: list[Object], now: float) -> int:
        """How many Pods have been Ready for long enough; comes back for those that only need more time."""
        minimum = deployment["spec"].get("minReadySeconds", 0)
        ready_for = [self._kubelet.ready_for(pod, now) for pod in pods]
        for seconds in ready_for:
            if 0 <= seconds < minimum:
                self._come_back(deployment, now + minimum - seconds)
        return sum(seconds >= minimum for seconds in ready_for)

    def _sync(self, deployment: Object, current: Object | None, everyone: list[Object], now: float) -> Counts:
        replicas = updated = ready = available = 0
        for replica_set in everyone:
            pods = self._replica_sets.sync_pods(replica_set)
            here = self._available(deployment, pods, now)
            self._replica_sets.set_status(replica_set, pods, here)
            replicas += len(pods)
            ready += sum(map(is_ready, pods))
            available += here
            updated += len(pods) if replica_set is current else 0
        return Counts(replicas=replicas, updated=updated, ready=ready, available=available)

    def _set_status(self, deployment: Object, current: Object | None, counts: Counts, now: float) -> None:
        spec, uid = deployment["spec"], deployment["metadata"]["uid"]
        name = current["metadata"]["name"] if current else ""
        before = self._progress.get(uid)
        deadline = float(spec["progressDeadlineSeconds"])
        if before is None:
            progress = begin(name, counts, wanted=spec["replicas"], now=now)
        else:
            progress = before.seen(name, counts, wanted=spec["replicas"], deadline=deadline, now=now)
        self._progress[uid] = progress
        if not progress.is_complete and not progress.is_late and not spec.get("paused"):
            self._come_back(deployment, progress.since + deadline)
        stepped = before is None or progress.since != before.since
        deployment["status"] = status(deployment, progress, datetime.now(UTC), stepped=stepped)
        if current is not None:
            annotations = deployment["metadata"].setdefault("annotations", {})
            annotations[REVISION] = str(revision(current))
        self._store.put(deployment)

    def _drop_history(self, deployment: Object, olds: list[Object]) -> None:
        empty = [old for old in olds if old["spec"]["replicas"] == 0]
        surplus = len(empty) - deployment["spec"]["revisionHistoryLimit"]
        for old in empty[: max(0, surplus)]:
            self._replica_sets.remove(old)

    def _come_back(self, deployment: Object, at: float) -> None:
        workload = (deployment["metadata"]["namespace"], deployment["metadata"]["name"])
        self._due[workload] = min(at, self._due.get(workload, at))


def _deployment_name(obj: Object) -> str:
    """The Deployment that a Deployment, ReplicaSet or Pod belongs to."""
    if obj["kind"] == "Deployment":
        return str(obj["metadata"]["name"])
    owners = obj["metadata"].get("ownerReferences") or [{"name": ""}]
    suffix = f"-{labels_of(obj).get('pod-template-hash', '')}"
    return str(owners[0]["name"]).removesuffix(suffix if obj["kind"] == "Pod" else "")
