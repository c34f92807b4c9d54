"""What one reconcile sees of the cluster: the routes with their annotations, and both Deployments with their pods.

Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.model.errors import Cause
from bot.model.incidents import Trouble
from bot.model.rollout import PodTemplate, RolloutId, Routes, Target, Template
from bot.words.said import Text


class Progress(StrEnum):
    """How far a Deployment's own rollout is, by kubectl's rule."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStatus:
    """What one reconcile saw of a Deployment and its pods.

    Attributes:
        template: which recorded template the Deployment has; None when it is neither.
        ready: pods that are Ready *and* run the images of the Deployment's newest template.
        stale: pods that are Ready and run anything else: they too answer users, and the side is a mix.
        elsewhere: of both, those without the labels of the recorded template: a primary that is relabelled has them in
            the canary's subset.
        wanted: pods its spec asks for.
        troubles: what is wrong with containers of pods of the newest template.
        digests: which digests the ready pods show, by container.
        exists: whether there is such a Deployment at all.
        pods: the names of all of its own pods, whatever they run and however they are; ready_pods: of those that are
            Ready.
        uid: the Deployment's; writer, written_at: who wrote its template last, and when, by managedFields.
    """

    template: Template | None
    progress: Progress
    reason: Text = ""
    ready: int = 0
    stale: int = 0
    elsewhere: int = 0
    wanted: int = 0
    images: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    exists: bool = True
    # Of each cluster's own making, so that two observations of the same situation are equal without them.
    digests: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False)
    pods: frozenset[str] = field(default=frozenset(), compare=False)
    ready_pods: frozenset[str] = field(default=frozenset(), compare=False)
    uid: str = field(default="", compare=False)
    writer: str = field(default="", compare=False)
    written_at: float | None = field(default=None, compare=False)

    @property
    def answering(self) -> int:
        """Pods that answer users, whichever image they run."""
        return self.ready + self.stale

    @property
    def at_home(self) -> int:
        """Those that answer under the side's own name; for a primary, where users return to."""
        return self.answering - self.elsewhere


class FailsafeAction(StrEnum):
    """What the watchdog did when nobody had looked after a rollout for too long."""

    HOME = "home"  # everyone was brought back to the primary
    MIRROR = "mirror"  # everyone was there already; the copies were ended
    KEPT = "kept"  # everyone was on the canary and stays there: the primary is not as it was
    CANARY = "canary"  # everyone was brought to the canary for the same reason, or because no primary pod was ready


@dataclass(frozen=True, slots=True, kw_only=True)
class FailsafeRecord:
    """What the watchdog left on the VirtualService for the bot to find.

    Attributes:
        at: seconds since the epoch, by the watchdog's clock.
        silence: seconds without a heartbeat, by its stopwatch.
    """

    at: float
    silence: float
    action: FailsafeAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Unobserved:
    """Why something of the cluster is not known at this reconcile; ``sentence`` is the API server's own, or our
    reader's.
    """

    cause: Cause
    sentence: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """What the API server has turned down, of what was to be written or was only shown to it: why, in both ways."""

    cause: Cause
    sentence: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one reconcile saw of the cluster. What it could not see is not known: neither good nor bad.

    Attributes:
        routes: as they are live; None when they are nothing a plan could have written, and ``reason`` says why.
        writer, written_at: who wrote the routes last, and when, by managedFields, for the sentence about drift.
        annotated_by, annotated_at: the same for the annotation.
        owner: the rollout id in the VirtualService's annotation.
        failsafe_record: what the watchdog did to this rollout, if it had to.
        annotated: whether what is needed to come home without a store is on it.
        signed: whether nothing of it is left to sign.
        routes_unobserved: why nothing is known of the VirtualService; with the cause MISSING it is known not to exist.
        pods_unobserved: why nothing is known of both Deployments and their pods; one that does not exist is known.
        fingerprint: of the VirtualService as others have written it, whatever our routes say; "" where it is not known.
        denied: why the last write was not done; None: it was, or there was none.
    """

    routes: Routes | None
    primary: DeploymentStatus
    canary: DeploymentStatus
    owner: RolloutId | None = None
    annotated: bool = True
    signed: bool = True
    writer: str = ""
    failsafe_record: FailsafeRecord | None = None
    written_at: float | None = None
    annotated_by: str = ""
    annotated_at: float | None = None
    reason: Text = ""
    routes_unobserved: Unobserved | None = None
    pods_unobserved: Unobserved | None = None
    denied: Denied | None = None
    fingerprint: str = ""

    @property
    def gone(self) -> bool:
        """Whether there is no VirtualService any more."""
        return self.routes_unobserved is not None and self.routes_unobserved.cause is Cause.MISSING

    @property
    def whole(self) -> bool:
        """Whether everything was seen."""
        return self.routes_unobserved is None and self.pods_unobserved is None

    @property
    def away(self) -> int:
        """Pods that answer under the canary's name: the canary's, and those that a relabelled primary has there."""
        return self.canary.answering + self.primary.elsewhere


# A side of which nothing is known. Whoever reads one has asked ``pods_unobserved`` first.
UNKNOWN = DeploymentStatus(template=None, progress=Progress.WAITING)
_UNREACHABLE = Unobserved(cause=Cause.UNREACHABLE)
BLIND = Observation(
    routes=None, primary=UNKNOWN, canary=UNKNOWN, routes_unobserved=_UNREACHABLE, pods_unobserved=_UNREACHABLE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A sign of life on a VirtualService.

    Attributes:
        beat: what changes with every heartbeat; only whether it changes means anything.
        failsafe_record: what the watchdog did to the owner's rollout, if it had to.
        limit: seconds of silence that its bot itself says it may be given; 0.0 where it does not say.
        foreign: whether the bot that beats works with another store than ours.
        renewed_at: when it beat last, by its own clock; None where it does not say.
    """

    owner: RolloutId
    beat: str
    failsafe_record: FailsafeRecord | None = None
    limit: float = 0.0
    foreign: bool = False
    renewed_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutAnnotations:
    """What a rollout left on its VirtualService at its first write: enough to bring users home without a store.

    Attributes:
        recorded: the primary's template as it was.
        recorded_by: the rollout that recorded it, which somebody's tool may have made another one of in ``owner``; ""
            where an older version did.
    """

    owner: RolloutId
    target: Target
    recorded: PodTemplate
    recorded_by: str = ""
