"""What the controller needs from the world, in our words. Each port has one fake and one contract suite in ``tests``.

Every method that leaves the process raises ``Fault`` (or its kinds ``Contended`` and ``Stale``) and nothing else,
within a bounded time. Every write may be repeated without harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.rollout.model import (
    Entry,
    Figures,
    PodTemplate,
    Rollout,
    RolloutId,
    Routes,
    SideFigures,
    SideSight,
    Target,
)
from bot.rollout.preflight import Survey
from bot.rollout.service import Service


class Clock(Protocol):
    """The time."""

    def now(self) -> float:
        """Seconds since the epoch."""


class Store(Protocol):
    """The truth about rollouts."""

    def create(self, rollout: Rollout, entries: Sequence[Entry]) -> Rollout:
        """Store a new rollout at revision 1 with its first entries, in one transaction.

        Raises:
            Refusal: the service already has a live rollout (an ended one may always be filed).
        """

    def save(self, rollout: Rollout, entries: Sequence[Entry] = ()) -> Rollout:
        """Replace the stored rollout if its revision is still ``rollout.revision``; entries and letters with it.

        Returns the rollout with its new revision. An ended rollout frees the service.

        Raises:
            Stale: the stored revision differs; nothing was written.
        """

    def load(self, key: str, rollout_id: RolloutId) -> Rollout | None:
        """One rollout of the service ``key`` (``namespace/name``), live or ended."""

    def active(self, key: str) -> Rollout | None:
        """The live rollout of the service ``key``, at most one."""

    def live(self) -> Sequence[Rollout]:
        """Every live rollout, oldest first."""

    def story(self, key: str, rollout_id: RolloutId) -> Sequence[Entry]:
        """Every entry of a rollout, oldest first."""

    def history(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        """The service's rollouts, newest first."""

    def ping(self) -> None:
        """Raise ``Fault`` when the store cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Something the channel must be told: an entry of a story, or (``entry`` None) that the card is out of date."""

    id: str
    key: str
    rollout_id: RolloutId
    revision: int
    entry: Entry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRef:
    """Where a rollout's living card is."""

    channel: str
    ts: str


class Outbox(Protocol):
    """Letters written in the store's own transactions, until they are delivered."""

    def pending(self, limit: int = 100) -> Sequence[Letter]:
        """Undelivered letters, oldest first within a service."""

    def done(self, letters: Sequence[Letter]) -> None:
        """Forget delivered letters."""

    def card(self, key: str, rollout_id: RolloutId) -> CardRef | None:
        """Where the rollout's card is, if one was posted."""

    def remember_card(self, key: str, rollout_id: RolloutId, card: CardRef) -> None:
        """Keep where the card is, for as long as the rollout's story is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshSight:
    """The managed part of a VirtualService as it is live.

    Attributes:
        routes: None when the managed routes are nothing a plan could have written.
        owner: the rollout in the annotation ``canary-bot/rollout``.
        writer: the last field manager that wrote the object's spec, or "".
        reason: why ``routes`` is None, as a sentence.
    """

    routes: Routes | None
    owner: RolloutId | None = None
    writer: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a rollout left on its VirtualService at its first write: enough to bring users home without a store.

    Attributes:
        recorded: the primary's template as it was.
    """

    owner: RolloutId
    target: Target
    recorded: PodTemplate


class Mesh(Protocol):
    """Istio's VirtualServices: only the managed routes' weights and mirror are ours."""

    def look(self, target: Target) -> MeshSight:
        """The managed routes as they are now."""

    def route(self, target: Target, routes: Routes, owner: RolloutId, recorded: PodTemplate) -> None:
        """Make the managed routes equal ``routes``; nothing is written when they already do.

        The first write leaves the annotations ``canary-bot/rollout`` and ``canary-bot/restore`` (the managed routes as
        they were, and ``recorded``), from which an abort works without any other state.

        Raises:
            Contended: the managed part changed between read and write.
        """

    def release(self, target: Target, routes: Routes, owner: RolloutId) -> None:
        """Leave ``routes`` behind for good: annotations and inserted routes go.

        Where ``routes`` is what the recorded original says in meaning, the original is restored field for field.
        """

    def marks(self, namespace: str, virtual_service: str) -> Marks | None:
        """The marks of whatever rollout holds the object; None when there are none, or no object.

        Raises:
            Fault: they are there and cannot be read.
        """

    def preview(self, target: Target, routes: Routes, owner: RolloutId, recorded: PodTemplate) -> dict[str, Any]:
        """The object ``route`` would write now; nothing is written."""

    def preview_release(self, target: Target, routes: Routes) -> dict[str, Any]:
        """The object ``release`` would leave behind; nothing is written."""

    def rehearse(self, target: Target, objects: Sequence[dict[str, Any]]) -> Sequence[str]:
        """Offer each object to the API server as a dry run; one sentence per refusal, empty when all are accepted."""


class Workloads(Protocol):
    """The two Deployments."""

    def look(
        self, target: Target, recorded: PodTemplate, upgraded: PodTemplate, canary: PodTemplate
    ) -> tuple[SideSight, SideSight]:
        """Primary and canary as they are now. The canary's template is RECORDED while it is still ``canary``."""

    def apply(self, target: Target, template: PodTemplate) -> None:
        """Give the primary this template (images, init containers too, and labels); a no-op when it has it already."""

    def preview(self, target: Target, template: PodTemplate) -> dict[str, Any]:
        """The patch ``apply`` would send, as an object with apiVersion, kind and metadata; nothing is written."""

    def scale_canary_down(self, target: Target) -> None:
        """Scale the canary to zero."""


class Surveyor(Protocol):
    """Everything preflight reads, in one go."""

    def survey(self, service: Service, version: str) -> Survey:
        """The raw objects as the API server has them; missing ones are None or empty."""


class Metrics(Protocol):
    """Prometheus."""

    def read(self, rollout: Rollout, start: float, end: float) -> Figures:
        """Both sides' exact counts over the window, with the custom queries' values.

        Raises:
            Fault: Prometheus cannot be reached or refuses; never for an empty answer.
        """

    def history(self, service: Service, workload: str, seconds: float, end: float) -> SideFigures | None:
        """One workload's figures over the last ``seconds``; None without data."""

    def ping(self) -> None:
        """Raise ``Fault`` when Prometheus cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside, as the controller knows it."""

    store: Store
    mesh: Mesh
    workloads: Workloads
    surveyor: Surveyor
    metrics: Metrics
    clock: Clock
