"""The cluster's memory: objects, resource versions, the change log, and whoever wants to hear about changes.

What every kind has in common lives here (uid, generation, resourceVersion). What a client may write is decided in
``writes``; how a watch looks on the wire, in ``watching``.
"""

from __future__ import annotations

import threading
import uuid
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.kube.defaults import fill
from sandbox.kube.errors import expired
from sandbox.kube.objects import Object, clone, timestamp
from sandbox.kube.resources import kind_named

Key = tuple[str, str, str]
Subscriber = Callable[[str, Object], None]

_SYSTEM_FIELDS = ("uid", "creationTimestamp", "managedFields")
_NOT_DESIRED_STATE = ("apiVersion", "kind", "metadata", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of the change log. The objects are shared and must not be altered."""

    revision: int
    what: str  # ADDED, MODIFIED or DELETED
    obj: Object
    before: Object | None


class Store:
    """Thread-safe; every object is copied on its way in and on its way out."""

    def __init__(self, *, history: int = 5000, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """``now`` is when somebody writes a field, as its managedFields tell."""
        self.now = now
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._objects: dict[Key, Object] = {}
        self._revision = 1000
        self._log: deque[Change] = deque(maxlen=history)
        self._forgotten = self._revision
        self._subscribers: list[Subscriber] = []
        self._undelivered: deque[Change] = deque()
        self._delivering = False
        self._depth = 0

    # Reading

    @property
    def revision(self) -> int:
        """The resource version of the latest change."""
        with self._lock:
            return self._revision

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """A copy of one object; ``namespace`` is "" for kinds without one."""
        with self._lock:
            found = self._objects.get((kind, namespace, name))
            return clone(found) if found else None

    def list(
        self, kind: str, namespace: str | None = None, *, where: Callable[[Object], bool] | None = None
    ) -> list[Object]:
        """Copies of all objects of a kind, by namespace and name; ``where`` filters before anything is copied."""
        with self._lock:
            keys = sorted(key for key in self._objects if key[0] == kind and namespace in {None, key[1]})
            found = [self._objects[key] for key in keys]
            return [clone(obj) for obj in found if where is None or where(obj)]

    def list_at(self, revision: int, kind: str, namespace: str | None = None) -> Sequence[Object]:
        """What there was at ``revision``, in no order; shared, not to be altered.

        Raises 410 when the log does not reach back that far.
        """
        with self._lock:
            there = {key: obj for key, obj in self._objects.items() if key[0] == kind}
            for change in reversed(self.changes_since(revision)):
                key = self._key(change.obj)
                if key[0] != kind:
                    continue
                if change.before is None:
                    del there[key]
                else:
                    there[key] = change.before
            return [obj for key, obj in there.items() if namespace in {None, key[1]}]

    def changes_since(self, revision: int) -> Sequence[Change]:
        """The log after ``revision``; raises 410 when it no longer reaches back that far."""
        with self._lock:
            if revision < self._forgotten:
                raise expired(revision, self._forgotten)
            if revision >= self._revision:
                return ()
            log = tuple(self._log)
            return log[bisect_right(log, revision, key=lambda change: change.revision) :]

    # Writing

    def put(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Create or replace, as an administrator would; fills what the server fills and answers the result.

        Like the real server, a write that changes nothing is not a change: no new resourceVersion, no event.
        """
        with self.transaction():
            made = fill(clone(obj))
            key = self._key(made)
            before = self._objects.get(key)
            self._fill_metadata(made, before)
            if before is not None and made == before:
                return clone(before)
            if dry_run:
                return clone(made)
            if made["metadata"].get("namespace"):
                self._ensure_namespace(made["metadata"]["namespace"])
            self._commit("MODIFIED" if before else "ADDED", key, made, before)
            return clone(made)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Remove an object at once; removing what is not there is no mistake."""
        with self.transaction():
            key = (kind, namespace, name)
            before = self._objects.get(key)
            if before is not None:
                self._commit("DELETED", key, clone(before), before)

    def forget_history(self) -> None:
        """Drop the change log, as etcd's compaction does: whoever watches from an older version gets 410."""
        with self.transaction():
            self._log.clear()
            self._revision += 1  # a watcher that was current is now one behind, like after a long absence
            self._forgotten = self._revision
            self._changed.notify_all()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the store for a read-modify-write; subscribers hear of it after the outermost block has ended."""
        with self._lock:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
        self._deliver()

    # Listening

    def subscribe(self, callback: Subscriber) -> None:
        """Call ``callback(what, object)`` after every change, in order, on the thread that made it (or one before)."""
        with self._lock:
            self._subscribers.append(callback)

    def wait_until(self, condition: Callable[[], bool], timeout: float = 10.0) -> bool:
        """Wait until ``condition`` holds, asked again after every change; whether it did."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    # Within

    @staticmethod
    def _key(obj: Object) -> Key:
        kind = kind_named(obj["kind"])
        metadata = obj.setdefault("metadata", {})
        if kind.namespaced:
            metadata.setdefault("namespace", "default")
        else:
            metadata.pop("namespace", None)
        return kind.kind, metadata.get("namespace", ""), metadata["name"]

    def _fill_metadata(self, obj: Object, before: Object | None) -> None:
        metadata = obj["metadata"]
        if before is None:
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.setdefault("creationTimestamp", timestamp(datetime.now(UTC)))
        else:
            for field in _SYSTEM_FIELDS:
                if field in before["metadata"]:
                    metadata.setdefault(field, clone(before["metadata"][field]))
        if kind_named(obj["kind"]).counts_generations:
            metadata["generation"] = _generation(obj, before)
        # The old version stays until it is known that anything changed.
        metadata["resourceVersion"] = before["metadata"]["resourceVersion"] if before else str(self._revision + 1)

    def _ensure_namespace(self, name: str) -> None:
        if ("Namespace", "", name) not in self._objects:
            labels = {"kubernetes.io/metadata.name": name}
            metadata = {"name": name, "labels": labels}
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "status": {"phase": "Active"}})

    def _commit(self, what: str, key: Key, obj: Object, before: Object | None) -> None:
        self._revision += 1
        obj["metadata"]["resourceVersion"] = str(self._revision)
        if what == "DELETED":
            del self._objects[key]
        else:
            self._objects[key] = obj
        if len(self._log) == self._log.maxlen:
            self._forgotten = self._log[0].revision
        change = Change(revision=self._revision, what=what, obj=obj, before=before)
        self._log.append(change)
        self._undelivered.append(change)
        self._changed.notify_all()

    def _deliver(self) -> None:
        """Tell the subscribers, outside the lock (they have locks of their own) and one change at a time."""
        with self._lock:
            if self._depth or self._delivering:
                return
            self._delivering = True
        try:
            while (change := self._next_undelivered()) is not None:
                for callback in tuple(self._subscribers):
                    callback(change.what, clone(change.obj))
        except BaseException:
            with self._lock:
                self._delivering = False
            raise

    def _next_undelivered(self) -> Change | None:
        with self._lock:
            if self._undelivered:
                return self._undelivered.popleft()
            self._delivering = False
            return None


def _generation(obj: Object, before: Object | None) -> int:
    if before is None:
        return 1
    current = int(before["metadata"].get("generation", 1))
    return current if _desired_state(obj) == _desired_state(before) else current + 1


def _desired_state(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in _NOT_DESIRED_STATE}
