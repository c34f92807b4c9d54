"""ReplicaSets: the one that belongs to a template, and as many Pods as each is asked to have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sandbox.kube.objects import Object, clone, is_ready, is_terminating, owner_uid, timestamp
from sandbox.kube.pods import addresses, new_pod, owner_reference
from sandbox.kube.rolling import template_hash
from sandbox.kube.store import Store

REVISION = "deployment.kubernetes.io/revision"
_HASH_LABEL = "pod-template-hash"
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class ReplicaSets:
    """Reads and writes ReplicaSets and their Pods; decides no sizes."""

    def __init__(self, store: Store, names: random.Random | None = None) -> None:
        """``names`` chooses how Pods are called; given with a seed they are called the same again."""
        self._store = store
        self._names = names or random.SystemRandom()
        self._addresses: Iterator[tuple[str, str]] = addresses()

    def of(self, deployment: Object) -> list[Object]:
        """The ReplicaSets of a Deployment, oldest revision first."""
        uid = deployment["metadata"]["uid"]
        found = self._store.list(
            "ReplicaSet", deployment["metadata"]["namespace"], where=lambda item: owner_uid(item) == uid
        )
        return sorted(found, key=revision)

    def pods_of(self, owner: Object) -> list[Object]:
        """The living Pods of a ReplicaSet."""
        uid = owner["metadata"]["uid"]
        return self._store.list(
            "Pod",
            owner["metadata"]["namespace"],
            where=lambda pod: owner_uid(pod) == uid and not is_terminating(pod),
        )

    def current(self, deployment: Object, existing: list[Object]) -> Object | None:
        """The ReplicaSet of the Deployment's present template, as the newest revision; None while there is none."""
        template = deployment["spec"]["template"]
        found = next((item for item in existing if _without_hash(item["spec"]["template"]) == template), None)
        newest = max((revision(item) for item in existing), default=0)
        if found is not None and revision(found) < newest:  # a return to an earlier template
            found["metadata"]["annotations"][REVISION] = str(newest + 1)
            return self._store.put(found)
        return found

    def create(self, deployment: Object, existing: list[Object]) -> Object:
        """A ReplicaSet of no Pods yet, for the Deployment's present template."""
        metadata, spec = deployment["metadata"], deployment["spec"]
        template = clone(spec["template"])
        hashed = template_hash(template)
        template.setdefault("metadata", {}).setdefault("labels", {})[_HASH_LABEL] = hashed
        selector = clone(spec["selector"])
        selector.setdefault("matchLabels", {})[_HASH_LABEL] = hashed
        newest = max((revision(item) for item in existing), default=0)
        return self._store.put(
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": f"{metadata['name']}-{hashed}",
                    "namespace": metadata["namespace"],
                    "labels": dict(template["metadata"]["labels"]),
                    "annotations": {REVISION: str(newest + 1)},
                    "ownerReferences": [owner_reference(deployment)],
                },
                "spec": {"replicas": 0, "selector": selector, "template": template},
                "status": {"replicas": 0},
            }
        )

    def resize(self, replica_set: Object, wanted: int) -> Object:
        """Ask for so many Pods."""
        if replica_set["spec"]["replicas"] == wanted:
            return replica_set
        replica_set["spec"]["replicas"] = wanted
        return self._store.put(replica_set)

    def sync_pods(self, replica_set: Object) -> list[Object]:
        """Create or end Pods until there are as many as asked for; answers the living ones."""
        pods = self.pods_of(replica_set)
        missing = replica_set["spec"]["replicas"] - len(pods)
        if missing >= 0:
            return pods + [self._create_pod(replica_set) for _ in range(missing)]
        ordered = sorted(pods, key=lambda pod: (is_ready(pod), pod["metadata"]["creationTimestamp"]))
        for pod in ordered[:-missing]:
            self.end(pod)
        return ordered[-missing:]

    def end(self, pod: Object) -> None:
        """Let a Pod finish: it is terminating from now on."""
        grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        ending = {"deletionTimestamp": timestamp(datetime.now(UTC)), "deletionGracePeriodSeconds": grace}
        self._store.put(pod | {"metadata": pod["metadata"] | ending})

    def set_status(self, replica_set: Object, pods: list[Object], available: int) -> None:
        """Write the counts."""
        ready = sum(map(is_ready, pods))
        numbers = {"readyReplicas": ready, "availableReplicas": available, "fullyLabeledReplicas": len(pods)}
        status: dict[str, Any] = {"replicas": len(pods), "observedGeneration": replica_set["metadata"]["generation"]}
        status |= {name: number for name, number in numbers.items() if number}
        self._store.put(replica_set | {"status": status})

    def remove(self, replica_set: Object) -> None:
        """Delete a ReplicaSet and let its Pods finish."""
        for pod in self.pods_of(replica_set):
            self.end(pod)
        metadata = replica_set["metadata"]
        self._store.delete("ReplicaSet", metadata["namespace"], metadata["name"])

    def remove_orphans(self, namespace: str) -> None:
        """What the garbage collector does: whatever belongs to a Deployment that is gone, goes."""
        living = {item["metadata"]["uid"] for item in self._store.list("Deployment", namespace)}
        for replica_set in self._store.list("ReplicaSet", namespace):
            owner = owner_uid(replica_set)
            if owner is not None and owner not in living:
                self.remove(replica_set)

    def _create_pod(self, replica_set: Object) -> Object:
        suffix = "".join(self._names.choice(_SUFFIX_ALPHABET) for _ in range(5))
        address, node = next(self._addresses)
        name = f"{replica_set['metadata']['name']}-{suffix}"
        return self._store.put(new_pod(replica_set, name, address=address, node=node, now=datetime.now(UTC)))


def revision(replica_set: Object) -> int:
    """Which revision of its Deployment a ReplicaSet is."""
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _without_hash(template: Object) -> Object:
    copy: Object = clone(template)
    copy["metadata"]["labels"].pop(_HASH_LABEL, None)
    return copy
