"""HorizontalPodAutoscalers: each asks for as many Pods as its Deployment's load needs, through the scale subresource.

What the real controller does, on the same clock as the others: it looks every so many seconds, at Pods that are ready,
and does nothing while it has no metrics; it goes down only to the largest recommendation of its window; a Deployment
of zero replicas is left alone. How many Pods that makes is worked out in ``scaling``. Its writes come from
``kube-controller-manager``, of the scale subresource, without asking anybody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.kube.objects import Object, condition, is_ready, is_terminating, timestamp
from sandbox.kube.resources import kind_named
from sandbox.kube.scaling import Advice, Step, least, limited, longest_window, most, recommended, stable, target
from sandbox.kube.selectors import by_selector
from sandbox.kube.store import Store
from sandbox.kube.writes import Options, Registry, Target

MANAGER = "kube-controller-manager"
SYNC_SECONDS = 15.0
LONGEST_PERIOD = 1800.0  # seconds: the longest that a policy may look back

Load = Callable[[str, str], float | None]


@dataclass(slots=True)
class _Past:
    advised: list[Advice] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def idle(_namespace: str, _name: str) -> float | None:
    """No metrics at all, as in a cluster without a metrics server."""
    return None


class Autoscalers:
    """Looks at every HPA of the cluster. ``load`` tells the use of all of a Deployment's Pods, in percent of one's
    request, or None where there are no metrics; it may be replaced at any time, and so may ``sync_seconds``.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float]) -> None:
        self.load: Load = idle
        self.sync_seconds = SYNC_SECONDS
        self._store = store
        self._clock = clock
        self._registry = Registry(store)
        self._pasts: dict[str, _Past] = {}  # by the HPA's uid
        self._next = clock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="horizontal-pod-autoscalers", daemon=True)

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._thread.join(5)

    def step(self) -> None:
        """Look at all of them, if it is time."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self.sync_seconds
        for hpa in self._store.list("HorizontalPodAutoscaler"):
            with self._store.transaction():
                self._sync(hpa, now)

    def _run(self) -> None:
        while not self._stop.wait(max(0.01, min(self._next - self._clock(), self.sync_seconds))):
            self.step()

    def _sync(self, hpa: Object, now: float) -> None:
        namespace, name = hpa["metadata"]["namespace"], hpa["spec"]["scaleTargetRef"]["name"]
        deployment = self._store.get("Deployment", namespace, name)
        if deployment is None:
            said = f'deployments.apps "{name}" not found'
            self._notify(hpa, 0, 0, AbleToScale=("False", "FailedGetScale", said))
            return
        wanted = int(deployment["spec"]["replicas"])
        able = ("True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
        if wanted == 0:
            said = "scaling is disabled since the replica count of the target is zero"
            self._notify(hpa, 0, 0, AbleToScale=able, ScalingActive=("False", "ScalingDisabled", said))
            return
        asked = self._asked(hpa, deployment, wanted, now)
        if asked is None:
            said = "the HPA was unable to compute the replica count: failed to get cpu utilization"
            active = ("False", "FailedGetResourceMetric", said)
            self._notify(hpa, wanted, wanted, AbleToScale=able, ScalingActive=active)
            return
        if asked != wanted:
            self._scale(deployment, asked)
            self._past(hpa).steps.append(Step(at=now, by=asked - wanted))
        said = "the HPA was able to successfully calculate a replica count from cpu resource utilization"
        self._notify(hpa, wanted, asked, AbleToScale=able, ScalingActive=("True", "ValidMetricFound", said))

    def _asked(self, hpa: Object, deployment: Object, wanted: int, now: float) -> int | None:
        """How many Pods it asks for now; None without metrics."""
        if wanted > most(hpa):
            return most(hpa)
        if wanted < least(hpa):
            return least(hpa)
        ready = self._ready(deployment)
        load = self.load(deployment["metadata"]["namespace"], deployment["metadata"]["name"]) if ready else None
        if load is None:
            return None
        past = self._past(hpa)
        if not past.advised:  # whom it meets for the first time it leaves as they are for a window
            past.advised.append(Advice(at=now, replicas=wanted))
        advice = recommended(target(hpa), wanted=wanted, ready=ready, load=load)
        past.advised.append(Advice(at=now, replicas=min(max(advice, least(hpa)), most(hpa))))
        past.advised = [one for one in past.advised if now - one.at <= longest_window(hpa)] or past.advised[-1:]
        past.steps = [one for one in past.steps if now - one.at <= LONGEST_PERIOD]
        asked = stable(hpa, past.advised, wanted=wanted, now=now)
        return limited(hpa, asked, past.steps, wanted=wanted, now=now)

    def _past(self, hpa: Object) -> _Past:
        return self._pasts.setdefault(hpa["metadata"]["uid"], _Past())

    def _ready(self, deployment: Object) -> int:
        selector, namespace = deployment["spec"]["selector"], deployment["metadata"]["namespace"]

        def carries(pod: Object) -> bool:
            labels = pod["metadata"].get("labels") or {}
            return by_selector(selector, labels) and is_ready(pod) and not is_terminating(pod)

        return len(self._store.list("Pod", namespace, where=carries))

    def _scale(self, deployment: Object, replicas: int) -> None:
        kind, metadata = kind_named("Deployment"), deployment["metadata"]
        place = Target(
            kind=kind, version="v1", namespace=metadata["namespace"], name=metadata["name"], subresource="scale"
        )
        scale = self._registry.read(place)
        scale["spec"]["replicas"] = replicas
        self._registry.replace(place, scale, Options(manager=MANAGER))

    def _notify(self, hpa: Object, current: int, desired: int, **conditions: tuple[str, str, str]) -> None:
        """Write the status, as of this reconcile: what the Deployment's own controller does of it comes later."""
        now = timestamp(datetime.now(UTC))
        before = hpa.get("status") or {}
        hpa["status"] = {
            **({"lastScaleTime": now} if current != desired else _kept(before, "lastScaleTime")),
            "currentReplicas": current,
            "desiredReplicas": desired,
            "conditions": [_condition(hpa, kind, said, now) for kind, said in conditions.items()],
        }
        self._store.put(hpa)


def _kept(status: Object, name: str) -> Object:
    return {name: status[name]} if name in status else {}


def _condition(hpa: Object, kind: str, said: tuple[str, str, str], now: str) -> dict[str, Any]:
    state, reason, message = said
    old = condition(hpa, kind)
    since = old["lastTransitionTime"] if old and old["status"] == state else now
    return {"type": kind, "status": state, "reason": reason, "message": message, "lastTransitionTime": since}
