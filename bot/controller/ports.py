"""What the controller needs from the world, in our words. Each port has one fake and one contract suite in ``tests``.

Every method that leaves the process raises ``Fault`` (or one of its kinds) within a bounded time, and nothing else
unless it says so: ``Store.create`` raises ``Refusal`` where another rollout is in flight. Every write may be
repeated without harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.model.errors import Fault
from bot.model.figures import Figures, SideFigures
from bot.model.freeze import Freeze, FreezeLine
from bot.model.observation import (
    Denied,
    DeploymentStatus,
    FailsafeRecord,
    Heartbeat,
    RolloutAnnotations,
    RouteStatus,
)
from bot.model.rollout import PodTemplate, Rollout, RolloutId, Routes, Target, UserId
from bot.model.service import ServiceConfig
from bot.model.story import Entry
from bot.model.webhooks import Webhook
from bot.preflight import Callers, MetricFacts, Snapshot
from bot.words.sentence import Text

# Asked between a write's own read and the write itself: whether what it was decided on still holds. A write that is on
# its way when the rollout ends was read before that, and the end changes the object: it comes too late to take effect.
IsCurrent = Callable[[], bool]


def always() -> bool:
    """Nobody decides beside us."""
    return True


class Clock(Protocol):
    """The time (``bot.adapters.clock``)."""

    def now(self) -> float:
        """Seconds since the epoch."""


class Store(Protocol):
    """The truth about rollouts (``bot.adapters.redis_store``)."""

    def create(self, rollout: Rollout, entries: Sequence[Entry], *, fence: int | None = None) -> Rollout:
        """Store a new rollout at revision 1 with its first entries, in one transaction; ``fence`` as in ``save``.

        Raises:
            Refusal: the service already has a live rollout (an ended one may always be filed).
        """

    def file(self, rollout: Rollout, entries: Sequence[Entry]) -> Rollout:
        """Keep the record of a start that was refused, with its lines, for whoever looks it up; nobody is notified."""

    def save(self, rollout: Rollout, entries: Sequence[Entry] = (), *, fence: int | None = None) -> Rollout:
        """Replace the stored rollout if its revision is still ``rollout.revision``; entries and notifications with it.

        Returns the rollout with its new revision. An ended rollout frees the service. ``fence`` is the number of the
        lease on whose strength this is written; None for what a person asked for, which needs no lease.

        Raises:
            Stale: the stored revision differs, or the service was written with a newer fence; nothing was written.
        """

    def load(self, key: str, rollout_id: RolloutId) -> Rollout | None:
        """One rollout of the service ``key`` (``namespace/name``), live or ended."""

    def active(self, key: str) -> Rollout | None:
        """The live rollout of the service ``key``, at most one.

        Raises:
            Unreadable: there is one, and its record cannot be read.
        """

    def busy(self) -> Mapping[str, RolloutId]:
        """The services that have a live rollout, by their keys, and which; it may have ended a moment ago."""

    def live(self, of: Mapping[str, RolloutId] | None = None) -> Sequence[Rollout]:
        """Every live rollout that can be read, oldest first; or those of them that ``busy`` told."""

    def story(self, key: str, rollout_id: RolloutId) -> Sequence[Entry]:
        """Every entry of a rollout, oldest first."""

    def history(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        """The service's rollouts, newest first; without those that cannot be read, which ``unreadable`` tells, and
        without starts that were refused, which ``refusals`` tells: they changed nothing.
        """

    def refusals(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        """The service's starts that were refused, newest first; only some of the newest are kept."""

    def unreadable(self, key: str, limit: int = 10) -> Mapping[RolloutId, Text]:
        """Those of the newest rollouts whose records cannot be read, and why, as sentences that say what to do."""

    def set_aside(self, key: str, rollout_id: RolloutId) -> bool:
        """Free the service of a live rollout whose record cannot be read; the record stays where it is.

        False, and nothing changes, where it is not the live one, or can be read.
        """

    def ping(self) -> None:
        """Raise ``Fault`` when the store cannot be reached."""


class Freezes(Protocol):
    """What nobody may start now, and the story of who said so (``bot.adapters.redis_freezes``).

    Nothing of it is about live rollouts.
    """

    def current(self, now: float) -> Sequence[Freeze]:
        """Every freeze that is not over at ``now``, the one of all services first; what is over is forgotten."""

    def freeze(self, freeze: Freeze) -> Freeze | None:
        """Store it, and a line of the story with it; the last writer wins. Tells what it replaces, unless that is over.

        Written once more after a lost answer, it is one freeze and one line, and nothing is told as replaced.
        """

    def unfreeze(self, freeze: Freeze, *, by: UserId, now: float) -> bool:
        """End exactly this one, with a line of the story; False, and nothing written, where it is there no more."""

    def story(self) -> Sequence[FreezeLine]:
        """Who froze and unfroze what, oldest first."""


class Lease(Protocol):
    """The right to look after rollouts unasked; at most one replica has it at a time (``bot.adapters.redis_lease``)."""

    @property
    def fence(self) -> int | None:
        """The lease's number while it is surely ours, else None; asks nobody. Later leases have larger numbers."""

    def keep(self) -> None:
        """Take the lease if nobody has it, renew it if it is ours and due; to be called about every second.

        Raises:
            Fault: the store cannot be reached. What is held stays ours for the rest of its time, and not longer.
        """

    def release(self) -> None:
        """Let others have it at once; harmless when it is not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Something the channel must be told: an entry of a story, or (``entry`` None) that the card is out of date.

    Attributes:
        number: its place among the entries of one revision, from 0.
    """

    id: str
    key: str
    rollout_id: RolloutId
    revision: int
    entry: Entry | None
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRef:
    """Where a rollout's living card is."""

    channel: str
    ts: str


class Outbox(Protocol):
    """Notifications written in the store's own transactions, until they are delivered (``bot.adapters.outbox``).

    An entry is a notification of its own; however often a rollout changes, its card has one notification, of the newest
    revision.
    """

    def pending(self, limit: int = 100) -> Sequence[Notification]:
        """Undelivered notifications: at most ``limit`` entries, oldest first within a service, services taking turns;
        then cards, those that have been out of date for longest first, and not necessarily all.
        """

    def depth(self) -> int:
        """How many notifications wait, however many that is."""

    def done(self, notifications: Sequence[Notification]) -> None:
        """Forget delivered notifications. A card that has changed since then keeps its notification."""

    def postpone(self, notifications: Sequence[Notification]) -> None:
        """Send cards to the end of the line: they cannot be shown for now, and others are not to wait behind them."""

    def tries(self, notification: Notification) -> int:
        """How often posting the notification was begun without a known outcome."""

    def note_tries(self, notification: Notification, count: int) -> None:
        """Write that down: one more before the notification is posted, one less when it is known that nothing was."""

    def notified(self, notification: Notification) -> bool:
        """Whether people were told the notification themselves, while its channel was closed."""

    def note_notified(self, notification: Notification) -> None:
        """Write that down, for as long as the notification is there: the next leader is not to tell them again."""

    def card(self, key: str, rollout_id: RolloutId) -> CardRef | None:
        """Where the rollout's card is, if one was posted."""

    def remember_card(self, key: str, rollout_id: RolloutId, card: CardRef) -> None:
        """Keep where the card is, for as long as the rollout's story is kept. Tries to post one are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What the API server says to objects that are only shown to it.

    Attributes:
        refusals: why, for each object it would refuse; empty when all are accepted.
        warnings: what its admission has against objects that it would accept, in its own words, and what to do.
    """

    refusals: tuple[Denied, ...] = ()
    warnings: tuple[Text, ...] = ()


class Mesh(Protocol):
    """Istio's VirtualServices (``bot.adapters.istio``): only the managed routes' weights and mirror are ours.

    A target with several (``Target.each``) is looked at, written, released, and beaten for as one (``each_object``).
    Previews and rehearsals are of the one object at ``Target.virtual_service_key``.
    """

    def observe(self, target: Target) -> RouteStatus:
        """The managed routes as they are now."""

    def route(  # who, where, what, and what may be overwritten
        self,
        target: Target,
        routes: Routes,
        owner: RolloutId,
        recorded: PodTemplate,
        *,
        taking_from: RolloutId | None = None,
        held_before: bool = False,
        is_current: IsCurrent = always,
    ) -> None:
        """Make the managed routes equal ``routes``; nothing is written when they already do.

        ``taking_from`` is another rollout whose annotation may be overwritten. ``held_before`` says that ``owner`` held
        the object before, whatever its annotations say: where they were stripped, copies that reach the canary are its
        own.

        The first write leaves the annotations ``canary-bot/rollout`` and ``canary-bot/restore`` (the managed routes as
        they were, and ``recorded``), from which an abort works without any other state.

        Raises:
            Contended: the managed part changed between read and write.
            Stale: a newer decision has been stored (``is_current``); nothing was written.
        """

    def release(self, target: Target, routes: Routes, owner: RolloutId, *, is_current: IsCurrent = always) -> None:
        """Leave ``routes`` behind for good: annotations and inserted routes go.

        Where ``routes`` is what the recorded original says in meaning, the original is restored field for field. From
        then on no write takes effect that was read before, also where the annotations were gone already.

        Raises:
            Stale: a newer decision has been stored (``is_current``); nothing was written.
        """

    def remove_annotations(self, namespace: str, virtual_service: str, owner: RolloutId) -> None:
        """Take our annotations off if they are ``owner``'s, and touch no route; nothing where there is no object.

        From then on no write of ``owner``'s takes effect that was read before, also where there were no annotations.
        """

    def beat(self, target: Target, owner: RolloutId, limit: float = 0.0) -> None:
        """Renew the heartbeat of ``owner``'s rollout; nothing where it does not hold the object.

        It is kept beside the VirtualService. That one is changed only by the first beat, and by one that finds the
        heartbeat in other hands: before it is taken back, so that no watchdog that counted on silence can write.

        Args:
            target: where.
            owner: whose rollout.
            limit: seconds of silence that the bot may be given before it counts as dead; 0.0 leaves it to who listens.

        Raises:
            Contended: somebody else wrote it meanwhile; the next beat will do.
        """

    def quiet(self, target: Target, owner: RolloutId) -> None:
        """Leave nothing of ``owner``'s heartbeat behind: its rollout has ended. Harmless when there is none."""

    def owner(self, namespace: str, virtual_service: str) -> RolloutId | None:
        """The rollout that holds the object; None when none does, or no object."""

    def heartbeat(self, namespace: str, virtual_service: str) -> Heartbeat | None:
        """The heartbeat of whatever rollout holds the object; None when none does, or no object."""

    def annotations(self, namespace: str, virtual_service: str) -> RolloutAnnotations | None:
        """The annotations of whatever rollout holds the object; None when there are none, or no object.

        Raises:
            Fault: they are there and cannot be read.
        """

    def preview(self, target: Target, routes: Routes, owner: RolloutId, recorded: PodTemplate) -> dict[str, Any]:
        """The object ``route`` would write now; nothing is written."""

    def preview_release(self, target: Target, routes: Routes) -> dict[str, Any]:
        """The object ``release`` would leave behind; nothing is written."""

    def rehearse(self, target: Target, objects: Sequence[dict[str, Any]]) -> Rehearsal:
        """Offer each object to the API server as a dry run."""


class Failsafe(Protocol):
    """What the watchdog may write (``bot.adapters.failsafe``): everyone to where they are safe, and an Event."""

    def apply(
        self, annotations: RolloutAnnotations, beat: str, routes: Routes, failsafe_record: FailsafeRecord
    ) -> None:
        """Make the managed routes equal ``routes`` and leave ``failsafe_record`` beside the annotations, which stay;
        one write.

        Raises:
            Contended: the heartbeat is not ``beat`` any more, the rollout has ended, or somebody wrote the object
                meanwhile: somebody lives, and nothing was written.
        """

    def watch(self, namespace: str, limit: float) -> None:
        """Say that a watchdog watches over this namespace, and after how many seconds of silence it acts.

        Raises:
            Contended: another watchdog says so in the same moment, which is as good.
        """

    def notify(self, namespace: str, virtual_service: str, reason: str, sentence: Text) -> None:
        """Post an Event about the VirtualService. ``reason`` is a word such as ``BroughtHome``."""


class Workloads(Protocol):
    """The two Deployments (``bot.adapters.workloads``)."""

    def observe(
        self, target: Target, recorded: PodTemplate, upgraded: PodTemplate, canary: PodTemplate
    ) -> tuple[DeploymentStatus, DeploymentStatus]:
        """Primary and canary as they are now. The canary's template is RECORDED while it is still ``canary``."""

    def apply(self, target: Target, template: PodTemplate, is_current: IsCurrent = always) -> None:
        """Give the primary this template (images, init containers too, and labels); a no-op when it has it already.

        Raises:
            Stale: a newer decision has been stored (``is_current``); nothing was written.
        """

    def preview(self, target: Target, template: PodTemplate) -> dict[str, Any]:
        """The patch ``apply`` would send, as an object with apiVersion, kind and metadata; nothing is written."""

    def rehearse(self, target: Target, template: PodTemplate) -> Rehearsal:
        """Offer that patch to the API server as a dry run."""

    def known_images(self, target: Target) -> frozenset[str]:
        """Every image that the primary's template or one of its own ReplicaSets has."""

    def scale_canary_down(self, target: Target) -> None:
        """Scale the canary to zero."""

    def scale_canary_up(self, target: Target, pods: int) -> None:
        """Give a canary without pods so many; one that asks for some already is left alone."""

    def scale_primary_up(self, target: Target, pods: int) -> None:
        """Let the primary ask for at least ``pods`` pods; one that asks for more already is left alone."""


class Snapshots(Protocol):
    """Everything preflight reads, in one go (``bot.adapters.snapshot``)."""

    def take(self, service: ServiceConfig, version: str) -> Snapshot:
        """The raw objects as the API server has them; missing ones are None or empty.

        What may not be read is told in ``unread``, and whether we may do what a rollout does in ``permissions``.
        """

    def versions(self, service: ServiceConfig) -> Sequence[str]:
        """Every version that the service has a Deployment for, the newest first; empty where all share one name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is asked about one rollout: everything answered after ``since`` and not after ``until`` (epoch seconds)."""

    rollout: Rollout
    since: float
    until: float


class Metrics(Protocol):
    """Prometheus (``bot.adapters.prometheus``)."""

    def clock(self, now: float) -> float:
        """The time up to which figures can be asked for, less the delay with which samples come.

        That is ``now``, our own time, or the time by the clock that stamps samples, where that is behind ours.
        """

    def read(self, windows: Sequence[Window]) -> Mapping[RolloutId, Figures | Fault]:
        """For each window both sides' exact counts, with the custom queries' values, or why they could not be had.

        Windows of the same times are asked for together, however many rollouts there are. Where proxies count their own
        requests, what is shown by somebody who cannot be a pod of the side, by name, is not counted; it is among the
        figures' ``targets``, with everybody else who showed some in the window.
        """

    def rows(
        self, service: ServiceConfig, workloads: Sequence[str], start: float, end: float
    ) -> Mapping[str, Sequence[SideFigures | None]]:
        """Each workload's counts in rows of a scrape interval each, oldest first; None is a row without data.

        Raises:
            Fault: Prometheus cannot be reached or refuses.
        """

    def callers(self, service: ServiceConfig, canary: str, end: float, since: float | None = None) -> Callers:
        """Who reached the canary lately, and who inside the mesh calls the service at all, counted at the callers.

        Args:
            service: whose callers.
            canary: the Deployment that must not have any yet.
            end: up to when, seconds since the epoch.
            since: whoever reached the canary before it did so by our own routes; None: nobody did.
        """

    def telemetry(self, service: ServiceConfig, canary: str, end: float) -> MetricFacts:
        """What is known of both sides before anything begins; ``rate`` and ``skew`` are for others to say.

        Raises:
            Fault: Prometheus cannot be reached or refuses.
        """

    def ping(self) -> None:
        """Raise ``Fault`` when Prometheus cannot be asked."""


class Channels(Protocol):
    """Where people are told of rollouts (``bot.slack.channels``)."""

    def closed(self, channel: str) -> Text | None:
        """Why nothing can be posted to the channel now, with what to do; None when it can.

        Raises:
            Fault: that cannot be known at the moment, which speaks neither for nor against it.
        """


class NoChannels:
    """For whoever has no Slack: nothing is known against any channel."""

    def closed(self, channel: str) -> Text | None:  # noqa: ARG002  # the port's
        """Never."""
        return None


class WebhookCaller(Protocol):
    """Addresses of teams' own that are told where a rollout is (``bot.adapters.http_webhooks``)."""

    def call(self, webhook: Webhook, key: str, body: Mapping[str, Any], now: float) -> None:
        """Tell it once, and come back when it has said yes.

        Args:
            webhook: which one, with the time that it has.
            key: the same for whatever is told once; whoever is called twice with it was called once.
            body: what it is told.
            now: seconds since the epoch, for the signature.

        Raises:
            Fault: it did not say yes. The sentence holds no word of its answer, and nothing of its address.
        """

    def connect(self, webhook: Webhook) -> None:
        """Connect, and tell it nothing.

        Raises:
            Fault: that does not work, or there is no secret to sign with.
        """


class NoWebhooks:
    """For whoever calls none."""

    def call(self, webhook: Webhook, key: str, body: Mapping[str, Any], now: float) -> None:
        """Nobody hears of it."""

    def connect(self, webhook: Webhook) -> None:
        """There is nobody to reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside, as the controller knows it."""

    store: Store
    freezes: Freezes
    mesh: Mesh
    workloads: Workloads
    snapshots: Snapshots
    metrics: Metrics
    clock: Clock
    channels: Channels = NoChannels()  # noqa: RUF009  # it holds nothing
    webhooks: WebhookCaller = NoWebhooks()  # noqa: RUF009  # it holds nothing
