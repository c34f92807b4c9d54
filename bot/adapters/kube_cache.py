"""What is in the cluster, without asking: a watch per kind and namespace keeps the objects, reads come from memory.

A cache is believed while its stream is alive. Each stream is asked for a few seconds only and then resumed, so a
silence means that nobody is at its other end, whatever lies between. Then, as before the first list has arrived, reads
go to the API server itself: what is unreachable is noticed as a ``Fault``, never hidden behind old objects.

Reads that a write is built on have no place here: a PUT needs the newest resourceVersion there is.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bot.adapters.clock import stopwatch
from bot.adapters.kube import Kube, ObjectKey, Stream
from bot.adapters.kube_answers import Expired
from bot.adapters.kube_objects import Objects
from bot.cluster.managed_fields import without_managed_fields
from bot.cluster.objects import Object
from bot.cluster.selectors import EVERYTHING, LabelSelector
from bot.model.errors import Fault
from bot.words.sentence import said

HEALTHY_SECONDS = 1.0  # a stream that lives shorter is trouble, however politely it ends
BACK_OFF = 0.2
LONGEST_BACK_OFF = 10.0
CLOSE_SECONDS = (
    2.0  # that closing waits for all watches together; they hold nothing that a process could not just leave
)

# Thousands of these are kept, and who wrote which of their fields is half of each.
SLIMMED = frozenset({"Pod", "ReplicaSet"})

Clock = Callable[[], float]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds.

    Attributes:
        stream: what each stream is asked for. The server sends a bookmark before it ends it, so that a resumed one is
            never far behind.
        stale: without a sign of life; a stream, and the time to open the next.
        sync: that a first read waits for the list, rather than asking for each of its objects.
        idle: without a read, after which a namespace is no longer watched: it has no rollouts any more.
    """

    stream: int = 10
    stale: float = 15.0
    sync: float = 2.0
    idle: float = 300.0


PACE = Pace()


class WatchCache:
    """The objects of one kind and namespace. What it answers is shared and not to be altered."""

    def __init__(
        self, kube: Kube, kind: str, namespace: str, *, pace: Pace = PACE, monotonic: Clock = stopwatch
    ) -> None:
        self._kube = kube
        self._kind = kind
        self._namespace = namespace
        self._pace = pace
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._objects = Objects()
        self._version = ""  # where the watch goes on; "" to begin with a list
        self._alive_at: float | None = None  # None: nothing here may be believed
        self._read_at = self._started_at = monotonic()
        self._stream: Stream | None = None
        self._tried = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {kind} {namespace}", daemon=True)

    # Reading

    def get(self, name: str) -> Object | None:
        """The object of that name."""
        with self._lock:
            self._read_at = self._monotonic()
            return self._objects.get(name)

    def list(self, selector: LabelSelector) -> list[Object]:
        """The objects that match, by name."""
        with self._lock:
            self._read_at = self._monotonic()
            return self._objects.select(selector)

    def fresh(self) -> float:
        """Seconds since the stream was last known to be alive; infinite while there is none."""
        alive_at = self._alive_at
        return math.inf if alive_at is None else self._monotonic() - alive_at

    def doubted(self, name: str = "") -> bool:
        """Whether this object (without a name: any) was written by us and not seen since."""
        with self._lock:
            return self._objects.doubted(name)

    @property
    def over(self) -> bool:
        """Whether it was closed, or gave up because nobody read."""
        return self._over.is_set()

    # Our own writes

    def wrote(self, name: str, obj: Object | None) -> None:
        """The object as we have just written or read it ourselves; None when it is gone."""
        with self._lock:
            self._objects.wrote(name, obj)

    def doubt(self, name: str) -> None:
        """We wrote the object, and do not know what came of it."""
        with self._lock:
            self._objects.doubt(name)

    # Life

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def believed(self) -> bool:
        """Whether to read from here; waits for the first list, at most ``sync`` seconds after the start."""
        if not self._tried.is_set():
            self._tried.wait(max(0.0, self._started_at + self._pace.sync - self._monotonic()))
        return self.fresh() < self._pace.stale

    def close(self) -> None:
        """Watch no longer."""
        self._over.set()
        with self._lock:
            stream = self._stream
        if stream is not None:
            stream.close()

    def await_end(self, seconds: float) -> None:
        """Wait until a closed cache has let go of its connection."""
        self._thread.join(max(0.0, seconds))

    # The thread

    def _run(self) -> None:
        try:
            self._keep_watching()
        finally:
            self._alive_at = None
            self._over.set()
            self._tried.set()

    def _keep_watching(self) -> None:
        failures = 0
        while not self._over.is_set():
            began = self._monotonic()
            well = self._round()
            lasted = self._monotonic() - began >= HEALTHY_SECONDS
            failures = (0 if lasted else failures) + (0 if well and lasted else 1)
            if self._monotonic() - self._read_at > self._pace.idle:
                return
            if failures:
                self._over.wait(back_off(failures))

    def _round(self) -> bool:
        """One stream, resumed or begun with a list; False when it ended otherwise than it should."""
        try:
            if not self._version:
                self._list()
            self._follow()
        except Expired:
            self._version = ""  # what is held stays good for as long as it is fresh: the next thing is a list
        except Fault as fault:
            self._lose(fault)
            return False
        except Exception as error:  # an event that nobody thought of must not end the watch
            log.exception("watch_broken", kind=self._kind, namespace=self._namespace)
            self._lose(Fault("Kubernetes", said("adapters.unreadable", kind=type(error).__name__)))
            return False
        return True

    def _list(self) -> None:
        items, version = self._kube.snapshot(self._kind, self._namespace)
        with self._lock:
            self._objects.reset(map(self._slim, items), version)
        self._version = version

    def _follow(self) -> None:
        stream = self._kube.watch(self._kind, self._namespace, self._version, self._pace.stream)
        with self._lock:
            self._stream = stream
        if self._over.is_set():  # since before there was a stream to close
            stream.close()
        self._be_alive()
        for event in stream:
            self._take(event["type"], event["object"])
            self._be_alive()

    def _take(self, what: str, obj: Object) -> None:
        if what != "BOOKMARK":
            slim = self._slim(obj)
            with self._lock:
                self._objects.apply(what, slim)
        self._version = obj["metadata"]["resourceVersion"]

    def _be_alive(self) -> None:
        if self._alive_at is None:
            log.info("watching", kind=self._kind, namespace=self._namespace)
        self._alive_at = self._monotonic()
        self._tried.set()

    def _lose(self, fault: Fault) -> None:
        if self._alive_at is not None and not self._over.is_set():
            log.warning("watch_lost", kind=self._kind, namespace=self._namespace, sentence=fault.sentence)
        self._alive_at = None
        self._version = ""
        with self._lock:
            self._objects.forget_writes()
        self._tried.set()

    def _slim(self, obj: Object) -> Object:
        return without_managed_fields(obj) if self._kind in SLIMMED else obj


class CachedReads:
    """Reads as ``Kube`` offers them, from caches that are begun when they are first read from."""

    def __init__(self, kube: Kube, *, pace: Pace = PACE, monotonic: Clock = stopwatch) -> None:
        self._kube = kube
        self._pace = pace
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._caches: dict[tuple[str, str], WatchCache] = {}
        self._closed = False
        kube.on_write(self._wrote)

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, or None when there is none of that name."""
        cache = self._cache(kind, namespace)
        if cache is None or not cache.believed():
            return self._kube.get(kind, namespace, name)
        if cache.doubted(name):
            found = self._kube.get(kind, namespace, name)
            cache.wrote(name, found)
            return found
        return cache.get(name)

    def list(self, kind: str, namespace: str, selector: LabelSelector = EVERYTHING) -> list[Object]:
        """The objects of a namespace that match."""
        cache = self._cache(kind, namespace)
        if cache is None or not cache.believed() or cache.doubted():
            return self._kube.list(kind, namespace, selector)
        return cache.list(selector)

    def close(self) -> None:
        """Stop every watch; whoever still reads asks the API server."""
        with self._lock:
            self._closed = True
            caches = list(self._caches.values())
        for cache in caches:
            cache.close()
        deadline = self._monotonic() + CLOSE_SECONDS
        for cache in caches:
            cache.await_end(deadline - self._monotonic())

    def _cache(self, kind: str, namespace: str) -> WatchCache | None:
        with self._lock:
            if self._closed:
                return None
            cache = self._caches.get((kind, namespace))
            if cache is None or cache.over:
                cache = WatchCache(self._kube, kind, namespace, pace=self._pace, monotonic=self._monotonic)
                self._caches[kind, namespace] = cache
                cache.start()
            return cache

    def _wrote(self, key: ObjectKey, left: Object | None) -> None:
        with self._lock:
            cache = self._caches.get((key.kind, key.namespace))
        if cache is None:
            return
        if left is None:
            cache.doubt(key.name)
        else:
            cache.wrote(key.name, left)


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: longer each time, and never the same for two watches."""
    longest = min(LONGEST_BACK_OFF, BACK_OFF * 2.0 ** min(failures, 16))
    return longest * (0.5 + random.random() / 2)  # noqa: S311  # jitter, not a secret
