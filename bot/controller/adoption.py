"""A rollout that the store has forgotten, put together again from its annotations in the cluster, so that it can be
aborted.

The annotations on the VirtualService say where it acts, how the routes were and which images the primary had. What they
do not say (its story, its approvals, its figures) is lost with the store; nothing of it is needed to bring users home.

Annotations that the store does not know may also be another bot's, which has a store of its own. That one lives as long
as its heartbeat changes, so it is listened for first; our own rollouts, and those the watchdog found left alone, need
no wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.controller.adoptable import Adoptable, AdoptionCause, heartbeat_of, owner_of, unknown_images
from bot.controller.containment import Broken
from bot.controller.ports import Mesh, Ports, Store
from bot.controller.record_from_annotations import ANYTHING, halted
from bot.model.errors import Disbelieved, Fault, Refusal
from bot.model.observation import Heartbeat
from bot.model.rollout import Rollout, RolloutId, Template, UserId
from bot.model.service import ServiceConfig
from bot.rollout.deadman import Heard, hear, is_as_it_was
from bot.rollout.plans import make_plan
from bot.words.sentence import Sentence, TypedIn, said


def adopt(  # all of it is on the record
    service: ServiceConfig, found: Adoptable, rollout_id: RolloutId, by: UserId, ports: Ports, now: float
) -> Rollout:
    """The rollout whose annotations were found, halted where it was: neither forward nor back until somebody says.

    Raises:
        Disbelieved: it names an image that the primary's Deployment never had.
        Refusal: its owner has ended, and where users would be brought to is not what it was then.
        Fault: the cluster could not be read.
    """
    annotations, target = found.annotations, found.annotations.target
    abandon = TypedIn(f"abandon {service.name}")
    # An ended rollout has done with the primary: which image that runs since is not for its annotations to say.
    recorded = replace(annotations.recorded, images={}) if found.cause is AdoptionCause.ENDED else annotations.recorded
    unknown = unknown_images(replace(annotations, recorded=recorded), ports.workloads)
    if unknown:
        raise Disbelieved(
            said(
                "controller.image_never_had",
                name=target.routes_names,
                owner=annotations.owner,
                image=unknown[0],
                primary=target.primary_deployment,
                command=abandon,
            )
        )
    plan = make_plan(service, target.topology)
    primary, _ = ports.workloads.observe(target, recorded, ANYTHING, ANYTHING)
    touched = not is_as_it_was(ports.mesh.observe(target).routes, primary)
    if touched and found.cause is AdoptionCause.ENDED:
        raise Refusal(
            said(
                "controller.primary_changed_since",
                name=target.routes_names,
                owner=annotations.owner,
                primary=target.primary_deployment,
                command=abandon,
            )
        )
    stage = next((i for i, one in enumerate(plan) if one.template is Template.UPGRADED), 0) if touched else 0
    version = target.canary_subset or service.version_of(target.canary_deployment) or target.canary_place
    return halted(service, rollout_id, target, by, now, recorded=recorded, stage=stage, version=version)


def why(found: Adoptable) -> Sentence:
    """Why an abort goes by annotations, as a sentence."""
    match found.cause:
        case AdoptionCause.FORGOTTEN:
            return said("controller.state_lost")
        case AdoptionCause.UNREADABLE:
            return said("controller.record_unreadable", owner=found.annotations.owner)
        case AdoptionCause.ENDED:
            return said("controller.annotations_back", owner=found.annotations.owner)


# What the controller does: it aborts a rollout from its annotations (None when the store knows it after all), by
# service, owner and reason; and it tells whether this process was the last to look after one, as far as it knows.
Reclaim = Callable[[str, RolloutId, Sentence], object]
CaredFor = Callable[[RolloutId], bool]


class Adoption:
    """Looks for forgotten rollouts again and again; ``reconcile`` is called every few seconds, by one thread."""

    def __init__(
        self,
        *,
        services: Sequence[ServiceConfig],
        store: Store,
        mesh: Mesh,
        reclaim: Reclaim,
        cared_for: CaredFor,
        patience: float,
        pause: float,
        stopwatch: Callable[[], float],
        failed: Callable[[ServiceConfig, Fault], None] = lambda _service, _fault: None,
    ) -> None:
        """Nothing is looked at yet.

        Args:
            services: all of ``services.yaml``.
            store: what knows of rollouts.
            mesh: where their annotations are.
            reclaim: takes a forgotten rollout up.
            cared_for: knows those of this process.
            patience: seconds a heartbeat must be silent before a stranger's rollout counts as nobody's.
            pause: seconds between two reconciles that may count as silence.
            stopwatch: seconds that no clock setting changes.
            failed: told of a service whose rollout could not be seen or adopted; the next reconcile tries again.
        """
        self._services = services
        self._store = store
        self._mesh = mesh
        self._reclaim = reclaim
        self._cared_for = cared_for
        self._patience = patience
        self._pause = pause
        self._stopwatch = stopwatch
        self._failed = failed
        self._heard: dict[str, Heard] = {}

    def use(self, services: Sequence[ServiceConfig]) -> None:
        """Look at these from now on."""
        self._services = services

    def reconcile(self) -> None:
        """Look at the VirtualService of every service once.

        Raises:
            Fault: the store cannot be reached. What it does not say is not forgotten.
        """
        known = set(self._store.busy().values())  # also those whose records cannot be read
        for service in self._services:
            try:
                self._reconcile_at(service, known)
            except Fault as fault:
                self._failed(service, fault)
            except Exception as error:  # noqa: BLE001  # whatever it was, it is this service's alone
                self._failed(service, Broken(error, said("controller.doing_adopt", service=service.name)))

    def _reconcile_at(self, service: ServiceConfig, known: set[RolloutId]) -> None:
        owner = owner_of(service, self._mesh)  # most are known, and their heartbeats nobody's business here
        heartbeat = None if owner is None or owner in known else heartbeat_of(service, self._mesh)
        if heartbeat is None or heartbeat.owner in known:
            self._heard.pop(service.key, None)
        elif self._is_nobodys(service, heartbeat):
            self._reclaim(service.name, heartbeat.owner, lost(service))

    def _is_nobodys(self, service: ServiceConfig, heartbeat: Heartbeat) -> bool:
        heard = hear(self._heard.get(service.key), heartbeat.owner, heartbeat.beat, self._stopwatch(), self._pause)
        self._heard[service.key] = heard
        ours = self._cared_for(heartbeat.owner)
        patience = max(self._patience, heartbeat.limit / 2)  # its bot says itself how long it may be silent
        return ours or heartbeat.failsafe_record is not None or heard.silence >= patience


def lost(service: ServiceConfig) -> Sentence:
    """Why a forgotten rollout is aborted."""
    return said("controller.lost", name=service.routes_names)
