"""What one reconcile sees of the cluster: the routes with their annotations, and both Deployments with their pods.

Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.model.errors import Cause
from bot.model.incidents import Trouble
from bot.model.rollout import ALL_CANARY, PodTemplate, RolloutId, Routes, Target, Template
from bot.words.sentence import Text


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
    def reachable(self) -> int:
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
class RouteStatus:
    """The managed part of a VirtualService as it is live; or of all those that a rollout moves (``of_all``).

    Attributes:
        routes: None when the managed routes are nothing a plan could have written.
        owner: the rollout in the annotation ``canary-bot/rollout``.
        annotated: False where there is an owner and what it had recorded is gone, damaged or signed by somebody else.
        signed: False where there is an owner and what it had recorded is not signed, though we have a key.
        writer, written_at: the field manager that wrote the routes last, or "", and when.
        annotated_by, annotated_at: the same for the annotation of the owner; without an owner, who wrote anything last.
        reason: why ``routes`` is None, as a sentence.
        failsafe_record: what the watchdog did to the owner's rollout, if it had to.
        fingerprint: of everything in the spec but the managed shares and mirror; "" where these cannot be told apart.
        name: what people call the object; of several the one that was written last.
        each: where there are several, every one that was seen; ``routes`` is then where users are on the whole.
        unobserved: why one of several is not known.
    """

    routes: Routes | None
    owner: RolloutId | None = None
    annotated: bool = True
    signed: bool = True
    writer: str = ""
    reason: Text = ""
    failsafe_record: FailsafeRecord | None = None
    # Of the server's own making: what is so is the same without them.
    written_at: float | None = field(default=None, compare=False)
    annotated_by: str = field(default="", compare=False)
    annotated_at: float | None = field(default=None, compare=False)
    fingerprint: str = field(default="", compare=False)
    name: str = field(default="", compare=False)
    each: tuple[RouteStatus, ...] = field(default=(), compare=False)
    unobserved: Unobserved | None = None

    @classmethod
    def of_all(cls, parts: Sequence[RouteStatus]) -> RouteStatus:
        """One status of several objects, of which at least one was seen; of one it is that one's own."""
        if len(parts) == 1:
            return parts[0]
        seen = [one for one in parts if one.unobserved is None]
        unseen = sorted((one.unobserved for one in parts if one.unobserved is not None), key=_is_missing)
        last = max(seen, key=lambda one: (one.written_at or 0.0, bool(one.writer)))
        touched = max(seen, key=lambda one: (one.annotated_at or 0.0, bool(one.annotated_by)))
        prints = [one.fingerprint for one in seen]
        return cls(
            routes=on_the_whole([one.routes for one in seen]),
            owner=next((one.owner for one in seen if one.owner is not None), None),
            annotated=all(one.annotated for one in seen),
            signed=all(one.signed for one in seen),
            writer=last.writer,
            written_at=last.written_at,
            annotated_by=touched.annotated_by,
            annotated_at=touched.annotated_at,
            reason=next((one.reason for one in seen if one.reason), ""),
            failsafe_record=next((one.failsafe_record for one in seen if one.failsafe_record is not None), None),
            fingerprint="+".join(prints) if all(prints) and not unseen else "",
            name=last.name,
            each=tuple(seen),
            unobserved=unseen[0] if unseen else None,
        )


def _is_missing(unseen: Unobserved) -> bool:
    return unseen.cause is Cause.MISSING


def on_the_whole(several: Sequence[Routes | None]) -> Routes | None:
    """Where users are who come by several objects; None where one of them says nothing that a plan could have written.

    Objects that disagree have users on both sides: their share is somewhere between, and never nobody or everyone.
    """
    known = [one for one in several if one is not None]
    if len(known) < len(several):
        return None
    if len(set(known)) == 1:
        return known[0]
    share = round(sum(one.canary for one in known) / len(known))
    if not any(one.canary for one in known):
        return Routes(canary=0, mirror=True)
    return Routes(canary=min(max(share, 1), ALL_CANARY.canary - 1))


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
        written_on: what people call the VirtualService that ``writer`` wrote; "" where there is but one.
        each: where the rollout moves several VirtualServices, every one that was seen; see ``objects``.
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
    written_on: str = ""
    each: tuple[RouteStatus, ...] = ()

    @property
    def objects(self) -> tuple[RouteStatus, ...]:
        """Every VirtualService of the rollout that was seen: the one, or each of several."""
        if self.each or self.routes_unobserved is not None:
            return self.each
        return (
            RouteStatus(
                routes=self.routes,
                owner=self.owner,
                annotated=self.annotated,
                signed=self.signed,
                writer=self.writer,
                written_at=self.written_at,
                annotated_by=self.annotated_by,
                annotated_at=self.annotated_at,
                reason=self.reason,
                failsafe_record=self.failsafe_record,
                fingerprint=self.fingerprint,
            ),
        )

    @property
    def owners(self) -> frozenset[RolloutId | None]:
        """Whose the objects are that were seen; None among them where one is nobody's."""
        return frozenset(one.owner for one in self.objects)

    def foreign(self, ours: RolloutId) -> RolloutId | None:
        """Another rollout that holds one of the objects."""
        return next((one.owner for one in self.objects if one.owner not in {None, ours}), None)

    def says(self, routes: Routes) -> bool:
        """Whether every object was seen, and says this."""
        return self.routes_unobserved is None and all(one.routes == routes for one in self.objects)

    @property
    def missing(self) -> bool:
        """Whether a VirtualService does not exist, and nothing else of the routes is unknown: it has no users."""
        return self.routes_unobserved is not None and self.routes_unobserved.cause is Cause.MISSING

    @property
    def gone(self) -> bool:
        """Whether there is no VirtualService any more."""
        return self.missing and not self.each

    @property
    def placed(self) -> Routes | None:
        """Where users are, known of every VirtualService that exists; None where that is not known."""
        return self.routes if self.routes_unobserved is None or self.missing else None

    @property
    def tended(self) -> bool:
        """Whether enough was seen to look after users: everything that exists."""
        known = self.routes_unobserved is None or (self.missing and bool(self.each))
        return known and self.pods_unobserved is None

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
