"""The port ``Workloads``: the two Deployments, asked of and changed through the API server.

What their raw objects mean is decided in ``deployments``. Changes go out as strategic merge patches, which merge
containers by name, so that only images and labels are ours.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.adapters.kube import MERGE_PATCH, Kube, Reads
from bot.adapters.kube_answers import Unanswered
from bot.cluster.deployments import (
    creation_troubles,
    has_template,
    images,
    own_replica_sets,
    pods_of,
    progress,
    template_writer,
    wanted_pods,
)
from bot.cluster.objects import Object, uid_of
from bot.cluster.selectors import LabelSelector
from bot.controller.ports import IsCurrent, Rehearsal, always
from bot.model.errors import Cause, Contended, Fault, Stale
from bot.model.observation import Denied, DeploymentStatus, Progress
from bot.model.rollout import PodTemplate, Target, Template
from bot.words.sentence import said

MOST_OBSERVED = 8192  # Deployments of which is kept what was understood of them last
ATTEMPTS = 5  # while a Deployment rolls, its status is written several times a second


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was read of one side, and by what it is to be known."""

    deployment: Object
    selector: LabelSelector
    replica_sets: tuple[Object, ...]
    pods: tuple[Object, ...]
    templates: Mapping[Template, PodTemplate]
    home: Mapping[str, str]

    def is_same(self, other: _Read) -> bool:
        """Whether there is nothing new to understand. A cache hands out the same object until it has another one."""
        mine = (self.deployment, *self.replica_sets, *self.pods)
        theirs = (other.deployment, *other.replica_sets, *other.pods)
        return (
            len(mine) == len(theirs)
            and all(map(operator.is_, mine, theirs))
            and (self.templates, self.home) == (other.templates, other.home)
        )

    def understood(self) -> DeploymentStatus:
        """The Deployment's state, with those of its ReplicaSets' and pods that are its own."""
        replica_sets = own_replica_sets(self.deployment, self.replica_sets)
        pods = pods_of(self.deployment, replica_sets, self.pods, self.home)
        writer = template_writer(self.deployment, self.templates.values())
        how_far, reason = progress(self.deployment, replica_sets)
        known = (which for which, template in self.templates.items() if has_template(self.deployment, template))
        return DeploymentStatus(
            template=next(known, None),
            progress=how_far,
            reason=reason,
            ready=pods.ready,
            stale=pods.stale,
            elsewhere=pods.elsewhere,
            wanted=wanted_pods(self.deployment),
            images=images(self.deployment),
            troubles=(*creation_troubles(self.deployment), *pods.troubles),
            digests=pods.digests,
            pods=pods.names,
            ready_pods=pods.names_of_ready,
            uid=uid_of(self.deployment),
            writer=writer.manager,
            written_at=writer.at,
        )


class KubeWorkloads:
    """Primary and canary of one cluster. Looking asks ``reads``, which may be a cache; a write's own reads do not."""

    def __init__(self, kube: Kube, *, reads: Reads | None = None) -> None:
        self._kube = kube
        self._reads: Reads = reads or kube
        self._observed: dict[tuple[str, str], tuple[_Read, DeploymentStatus]] = {}

    def observe(
        self, target: Target, recorded: PodTemplate, upgraded: PodTemplate, canary: PodTemplate
    ) -> tuple[DeploymentStatus, DeploymentStatus]:
        """Primary and canary as they are now. The canary's template is RECORDED while it is still ``canary``."""
        primary = {Template.RECORDED: recorded, Template.UPGRADED: upgraded}
        return (
            self._side(target.namespace, target.primary_deployment, primary, recorded.labels),
            self._side(target.namespace, target.canary_deployment, {Template.RECORDED: canary}, {}),
        )

    def apply(self, target: Target, template: PodTemplate, is_current: IsCurrent = always) -> None:
        """Give the primary this template (images, init containers too, and labels); a no-op when it has it already."""
        for _ in range(ATTEMPTS):
            deployment = self._primary(target)
            if has_template(deployment, template):
                return
            patch = template_patch(deployment, template)
            patch["metadata"]["resourceVersion"] = deployment["metadata"]["resourceVersion"]
            if not is_current():
                raise Stale("Redis", said("adapters.newer_decision", thing=f"Deployment {target.primary_deployment}"))
            try:
                self._kube.patch("Deployment", target.namespace, target.primary_deployment, patch)
            except Contended:
                continue
            return
        raise Contended("Kubernetes", said("adapters.busy", thing=f"Deployment {target.primary_deployment}"))

    def preview(self, target: Target, template: PodTemplate) -> dict[str, Any]:
        """The patch ``apply`` would send, as an object with apiVersion, kind and metadata; nothing is written."""
        return template_patch(self._primary(target), template)

    def rehearse(self, target: Target, template: PodTemplate) -> Rehearsal:
        """Offer that patch to the API server as a dry run, which runs admission and needs the same permission."""
        patch = self.preview(target, template)
        warnings: list[str] = []
        try:
            self._kube.notifying(warnings.append).patch(
                "Deployment", target.namespace, target.primary_deployment, patch, dry_run=True
            )
        except (Unanswered, Contended):
            raise
        except Fault as refused:
            denied = Denied(cause=refused.cause, sentence=refused.sentence)
            return Rehearsal(refusals=(denied,), warnings=tuple(warnings))
        return Rehearsal(warnings=tuple(dict.fromkeys(warnings)))

    def scale_canary_down(self, target: Target) -> None:
        """Scale the canary to zero; one that is gone or has no pods is left alone."""
        deployment = self._kube.get("Deployment", target.namespace, target.canary_deployment)
        if deployment is not None and wanted_pods(deployment) > 0:
            self._kube.patch(
                "Deployment",
                target.namespace,
                target.canary_deployment,
                {"spec": {"replicas": 0}},
                content_type=MERGE_PATCH,
                subresource="scale",
            )

    def scale_canary_up(self, target: Target, pods: int) -> None:
        """Give a canary without pods so many; one that asks for some, or is gone, is left alone."""
        for _ in range(ATTEMPTS):
            deployment = self._kube.get("Deployment", target.namespace, target.canary_deployment)
            if deployment is None or wanted_pods(deployment):
                return
            if self._scaled(deployment, pods):
                return
        raise Contended("Kubernetes", said("adapters.busy", thing=f"Deployment {target.canary_deployment}"))

    def scale_primary_up(self, target: Target, pods: int) -> None:
        """Let the primary ask for at least ``pods`` pods; one that asks for more already is left alone."""
        for _ in range(ATTEMPTS):
            deployment = self._primary(target)
            if wanted_pods(deployment) >= pods or self._scaled(deployment, pods):
                return
        raise Contended("Kubernetes", said("adapters.busy", thing=f"Deployment {target.primary_deployment}"))

    def _scaled(self, deployment: Object, pods: int) -> bool:
        """Only if nobody (an HPA) has chosen a number since it was read: it may be the larger one."""
        meta = deployment["metadata"]
        body = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "spec": {"replicas": pods}}
        key = "Deployment", meta["namespace"], meta["name"]
        try:
            self._kube.patch(*key, body, content_type=MERGE_PATCH, subresource="scale")
        except Contended:
            return False
        return True

    def _side(
        self, namespace: str, name: str, templates: dict[Template, PodTemplate], home: Mapping[str, str]
    ) -> DeploymentStatus:
        deployment = self._reads.get("Deployment", namespace, name)
        if deployment is None:
            gone = said("adapters.gone", thing=f"Deployment {namespace}/{name}")
            return DeploymentStatus(template=None, progress=Progress.FAILED, reason=gone, exists=False)
        last = self._observed.get((namespace, name))
        known = last is not None and last[0].deployment is deployment
        selector = last[0].selector if last and known else LabelSelector.of(deployment["spec"]["selector"])
        read = _Read(
            deployment=deployment,
            selector=selector,
            replica_sets=tuple(self._reads.list("ReplicaSet", namespace, selector)),
            pods=tuple(self._reads.list("Pod", namespace, selector)),
            templates=templates,
            home=home,
        )
        if last is not None and last[0].is_same(read):
            return last[1]
        status = read.understood()
        if len(self._observed) >= MOST_OBSERVED:
            self._observed.clear()
        self._observed[namespace, name] = read, status
        return status

    def known_images(self, target: Target) -> frozenset[str]:
        """Every image that the primary's template or one of its own ReplicaSets has."""
        deployment = self._primary(target)
        selector = LabelSelector.of(deployment["spec"]["selector"])
        replica_sets = self._kube.list("ReplicaSet", target.namespace, selector)
        mine = (deployment, *own_replica_sets(deployment, replica_sets))
        return frozenset(image for one in mine for image in images(one).values())

    def _primary(self, target: Target) -> Object:
        deployment = self._kube.get("Deployment", target.namespace, target.primary_deployment)
        if deployment is None:
            gone = said("adapters.gone", thing=f"Deployment {target.namespace}/{target.primary_deployment}")
            raise Fault("Kubernetes", gone, Cause.MISSING)
        return deployment


def template_patch(deployment: Object, template: PodTemplate) -> Object:
    """A strategic merge patch that gives a Deployment these images and labels, all in one write.

    In one, because pods of a half-changed template would join the wrong subset.
    """
    metadata, pod = deployment["metadata"], deployment["spec"]["template"]
    unknown = sorted(template.images.keys() - images(deployment).keys())
    if unknown:
        lacks = said("adapters.no_container", name=str(metadata["name"]), containers=tuple(unknown))
        raise Fault("Kubernetes", lacks, Cause.REFUSED)
    lists = {
        field: [
            {"name": one["name"], "image": template.images[one["name"]]}
            for one in pod["spec"].get(field) or []
            if one["name"] in template.images
        ]
        for field in ("initContainers", "containers")
    }
    spec: Object = {"spec": {field: entries for field, entries in lists.items() if entries}}
    live = (pod.get("metadata") or {}).get("labels") or {}
    labels = {key: value for key, value in template.labels.items() if live.get(key) != value}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {"template": ({"metadata": {"labels": labels}} if labels else {}) | spec},
    }
