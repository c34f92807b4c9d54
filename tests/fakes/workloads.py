"""Deployments in memory, whose pods become ready when the test says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.controller.ports import IsCurrent, Rehearsal, always
from bot.model.errors import Cause, Fault, Stale
from bot.model.incidents import Trouble
from bot.model.observation import Denied, DeploymentStatus, Progress
from bot.model.rollout import PodTemplate, Target, Template


@dataclass(slots=True, kw_only=True)
class FakeDeployment:
    """One Deployment: what its template says, and how far its pods are."""

    images: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)
    wanted: int = 2
    ready: int = 2
    progress: Progress = Progress.DONE
    reason: str = ""
    stale: int = 0
    troubles: tuple[Trouble, ...] = ()
    uid: str = ""
    writer: str = ""
    past_images: set[str] = field(default_factory=set)  # of its older ReplicaSets: what it had at first, and since

    def __post_init__(self) -> None:
        self.past_images |= set(self.images.values())

    def has(self, template: PodTemplate) -> bool:
        return template.images.items() <= self.images.items() and template.labels.items() <= self.labels.items()


class InMemoryWorkloads:
    """The port ``Workloads`` without an API server.

    A patched Deployment stays WAITING without ready pods until ``workloads.finish("reviews-v1")``, or until
    ``workloads.fail("reviews-v1", "why")``. ``workloads.deployments["reviews-v2"].ready = 0`` breaks a side.
    ``workloads.outage`` is raised by every call while it is set; ``workloads.applied`` lists the templates that were
    truly applied, in order, and ``workloads.scaled`` the sizes the primary was given. ``finish`` makes its new pods
    ready. ``workloads.scale_outage`` is raised by scaling alone: what a missing permission does.
    ``workloads.apply_outage`` is raised by a patch of the template alone.
    ``workloads.refusals`` is what a rehearsed upgrade is answered.
    """

    def __init__(self, deployments: Mapping[str, PodTemplate] | None = None, replicas: int = 2) -> None:
        given = deployments or {
            "reviews-v1": PodTemplate(images={"reviews": "reviews:1"}, labels={"version": "v1"}),
            "reviews-v2": PodTemplate(images={"reviews": "reviews:2"}, labels={"version": "v2"}),
        }
        self.deployments = {
            name: FakeDeployment(
                images=dict(template.images), labels=dict(template.labels), wanted=replicas, ready=replicas
            )
            for name, template in given.items()
        }
        self.outage: Fault | None = None
        self.applied: list[PodTemplate] = []
        self.scaled: list[int] = []
        self.scale_outage: Fault | None = None
        self.apply_outage: Fault | None = None
        self.refusals: list[Denied] = []

    def finish(self, name: str) -> None:
        """The Deployment's rollout completes: all its pods run the newest template and are ready."""
        deployment = self.deployments[name]
        deployment.ready, deployment.progress, deployment.reason = deployment.wanted, Progress.DONE, ""

    def fail(self, name: str, reason: str) -> None:
        """The Deployment's rollout fails."""
        self.deployments[name].progress, self.deployments[name].reason = Progress.FAILED, reason

    def observe(
        self, target: Target, recorded: PodTemplate, upgraded: PodTemplate, canary: PodTemplate
    ) -> tuple[DeploymentStatus, DeploymentStatus]:
        self._answer()
        primary = {Template.RECORDED: recorded, Template.UPGRADED: upgraded}
        return (
            self._side(target.primary_deployment, primary, recorded.labels),
            self._side(target.canary_deployment, {Template.RECORDED: canary}),
        )

    def apply(self, target: Target, template: PodTemplate, is_current: IsCurrent = always) -> None:
        primary = self._primary(target, template)
        if primary.has(template):
            return
        if not is_current():
            raise Stale("Kubernetes", "holds a newer decision; nothing was written.")
        if self.apply_outage:
            raise self.apply_outage
        primary.past_images |= set(primary.images.values())
        primary.images |= template.images
        primary.labels |= template.labels
        primary.ready, primary.progress = 0, Progress.WAITING
        self.applied.append(template)

    def preview(self, target: Target, template: PodTemplate) -> dict[str, Any]:
        primary = self._primary(target, template)
        containers = [{"name": name, "image": image} for name, image in template.images.items()]
        labels = {key: value for key, value in template.labels.items() if primary.labels.get(key) != value}
        spec: dict[str, Any] = {"spec": {"containers": containers}}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": target.primary_deployment, "namespace": target.namespace},
            "spec": {"template": ({"metadata": {"labels": labels}} if labels else {}) | spec},
        }

    def rehearse(self, target: Target, template: PodTemplate) -> Rehearsal:
        self._primary(target, template)
        return Rehearsal(refusals=tuple(self.refusals))

    def known_images(self, target: Target) -> frozenset[str]:
        primary = self._primary(target, PodTemplate(images={}))
        return frozenset((*primary.images.values(), *primary.past_images))

    def scale_canary_down(self, target: Target) -> None:
        self._answer()
        canary = self.deployments.get(target.canary_deployment)
        if canary is not None and canary.wanted:
            canary.wanted = canary.ready = 0
            canary.progress, canary.reason = Progress.WAITING, f"{target.canary_deployment}: it is scaled to zero."

    def scale_canary_up(self, target: Target, pods: int) -> None:
        self._answer()
        canary = self.deployments.get(target.canary_deployment)
        if canary is not None and not canary.wanted:
            canary.wanted, canary.ready = pods, 0
            canary.progress, canary.reason = Progress.WAITING, f"{target.canary_deployment}: its pods start."

    def scale_primary_up(self, target: Target, pods: int) -> None:
        primary = self._primary(target, PodTemplate(images={}))
        if self.scale_outage:
            raise self.scale_outage
        if primary.wanted < pods:
            primary.wanted = pods
            primary.progress = Progress.WAITING
            self.scaled.append(pods)

    def _side(
        self, name: str, templates: Mapping[Template, PodTemplate], home: Mapping[str, str] | None = None
    ) -> DeploymentStatus:
        found = self.deployments.get(name)
        if found is None:
            gone = f"Deployment {name} does not exist."
            return DeploymentStatus(template=None, progress=Progress.FAILED, reason=gone, exists=False)
        moved = found.stale if home and home.items() <= found.labels.items() else found.ready
        return DeploymentStatus(
            template=next((which for which, template in templates.items() if found.has(template)), None),
            progress=found.progress,
            reason=found.reason,
            ready=found.ready,
            wanted=found.wanted,
            images=dict(found.images),
            stale=found.stale,
            elsewhere=moved if home else 0,
            troubles=found.troubles,
            uid=found.uid,
            writer=found.writer,
        )

    def _primary(self, target: Target, template: PodTemplate) -> FakeDeployment:
        self._answer()
        found = self.deployments.get(target.primary_deployment)
        if found is None:
            raise Fault("Kubernetes", f"Deployment {target.primary_deployment} does not exist.", Cause.MISSING)
        unknown = sorted(template.images.keys() - found.images.keys())
        if unknown:
            raise Fault(
                "Kubernetes", f"{target.primary_deployment} has no container named {', '.join(unknown)}.", Cause.REFUSED
            )
        return found

    def _answer(self) -> None:
        if self.outage:
            raise self.outage
