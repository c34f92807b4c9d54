"""What a raw Deployment says, with its ReplicaSets and Pods: pure rules, no API server.

kubectl's rule for a finished rollout is followed to the letter and its gaps are closed: a paused Deployment would wait
for ever, one without replicas is "complete", a missed deadline may be an older rollout's, and the status may speak of
a ReplicaSet that is not the one of the newest template.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.cluster.managed_fields import FIELD_MANAGER, TEMPLATE, Path, Writer, writer_of
from bot.cluster.objects import Object, labels_of
from bot.model.images import digest, is_ready, is_same
from bot.model.incidents import FAILED_CREATE, UNSCHEDULABLE, Trouble
from bot.model.observation import Progress
from bot.model.rollout import PodTemplate
from bot.words.sentence import Code, Sentence, Text, said

LONGEST_DETAIL = 300  # characters
_POD_NAME = re.compile(r'^pods "[^"]*"')

NO_LABELS: Mapping[str, str] = {}

_REVISION = "deployment.kubernetes.io/revision"
_LISTS = ("initContainers", "containers")
# A pull that is tried and one that is waited for are the same trouble; kubelets go from one to the other and back.
_ALIASES = {"ErrImagePull": "ImagePullBackOff"}
_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})  # a container that waits for nothing bad


# Names


def versions_of(deployments: Iterable[Object], named: str, primary: str) -> tuple[str, ...]:
    """What stands for ``{version}`` in the names of these Deployments, the newest first; () where nothing does.

    Args:
        deployments: of one namespace.
        named: the canary's name, such as ``reviews-{version}``.
        primary: the Deployment that is no canary.
    """
    before, found, after = named.partition("{version}")
    if not found:
        return ()
    fits = re.compile(f"{re.escape(before)}([A-Za-z0-9._-]{{1,128}}){re.escape(after)}")
    newest = sorted(deployments, key=lambda one: str(one["metadata"].get("creationTimestamp") or ""), reverse=True)
    names = [str(one["metadata"]["name"]) for one in newest]
    return tuple(match[1] for name in names if name != primary and (match := fits.fullmatch(name)))


# Templates


def images(workload: Object) -> dict[str, str]:
    """The template's images by container name, init containers included."""
    spec = workload["spec"]["template"]["spec"]
    return {one["name"]: str(one.get("image", "")) for one in _containers(spec)}


def has_template(deployment: Object, template: PodTemplate) -> bool:
    """Whether the Deployment has these images and labels; what the template does not name may be anything."""
    live = images(deployment)
    same_images = all(is_same(live.get(name, ""), image) for name, image in template.images.items())
    return same_images and template.labels.items() <= _template_labels(deployment).items()


def template_writer(deployment: Object, known: Iterable[PodTemplate]) -> Writer:
    """Who made the template what it is, where it is none of the ``known`` ones; nobody is named by mere suspicion.

    By the fields that differ, because whoever writes another field of the template has nothing to do with it. A field
    that was removed has no writer, and our own name on the rest does not make it ours.
    """
    templates = tuple(known)
    theirs, removed = _foreign_fields(deployment, templates)
    last = writer_of(deployment, TEMPLATE, not_by=FIELD_MANAGER)
    if not (theirs or removed):
        return last
    exact = writer_of(deployment, *theirs, not_by=FIELD_MANAGER) if theirs else Writer()
    if exact.manager or removed:
        return exact
    return last if last.manager != FIELD_MANAGER else Writer()


def _foreign_fields(deployment: Object, known: Sequence[PodTemplate]) -> tuple[list[Path], bool]:
    """The fields that are as in none of the known templates, and whether any of theirs is not there at all."""
    pod, theirs, removed = deployment["spec"]["template"], [], False
    live = {one["name"]: (kind, str(one.get("image", ""))) for kind in _LISTS for one in pod["spec"].get(kind) or []}
    for name in {name for template in known for name in template.images}:
        kind, image = live.get(name, ("", ""))
        if not kind:
            removed = True
        elif image not in {template.images.get(name) for template in known}:
            theirs.append((*TEMPLATE, "f:spec", f"f:{kind}", f'k:{{"name":"{name}"}}', "f:image"))
    labels = _template_labels(deployment)
    for key in {key for template in known for key in template.labels}:
        if key not in labels:
            removed = True
        elif labels[key] not in {template.labels.get(key) for template in known}:
            theirs.append((*TEMPLATE, "f:metadata", "f:labels", f"f:{key}"))
    return theirs, removed


# Progress


def wanted_pods(deployment: Object) -> int:
    """How many pods the spec asks for; the field's own default is one."""
    asked = deployment["spec"].get("replicas")
    return 1 if asked is None else int(asked)


def progress(deployment: Object, replica_sets: Sequence[Object]) -> tuple[Progress, Text]:
    """How far the Deployment's own rollout is, and why it is no further."""
    name = deployment["metadata"]["name"]
    status = deployment.get("status") or {}
    if deployment["spec"].get("paused"):
        resume = Code(f"kubectl rollout resume deployment/{name}")
        return Progress.FAILED, said("cluster.deployment_paused", name=name, command=resume)
    if not _status_is_current(deployment):
        return Progress.WAITING, said("cluster.template_not_seen", name=name)
    if _deadline_missed(deployment, replica_sets):
        return Progress.FAILED, said("cluster.deadline_missed", name=name, field=Code("progressDeadlineSeconds"))
    waiting = _why_waiting(name, wanted_pods(deployment), status) or _why_not_newest(deployment, replica_sets)
    return (Progress.WAITING, waiting) if waiting else (Progress.DONE, "")


def own_replica_sets(deployment: Object, replica_sets: Iterable[Object]) -> list[Object]:
    """Those the Deployment controls."""
    uid = deployment["metadata"].get("uid")
    return [one for one in replica_sets if _controller(one) == uid]


def _why_waiting(name: str, wanted: int, status: Mapping[str, Any]) -> Sentence | None:
    """The conditions of `kubectl rollout status` in its order; None when all hold."""
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if wanted < 1:
        return said("cluster.scaled_to_zero", name=name)
    if updated < wanted:
        return said("cluster.pods_updated", name=name, n=updated, wanted=wanted)
    if total > updated:
        return said("cluster.old_pods", name=name, n=total - updated)
    if available < updated:
        return said("cluster.pods_available", name=name, n=available, wanted=updated)
    return None


def _why_not_newest(deployment: Object, replica_sets: Sequence[Object]) -> Sentence | None:
    """Guards against a status that speaks of another template. Without visible ReplicaSets there is no telling."""
    newest = _newest(deployment, replica_sets)
    if replica_sets and (newest is None or images(newest) != images(deployment)):
        return said("cluster.no_new_replica_set", name=deployment["metadata"]["name"])
    return None


def _newest(deployment: Object, replica_sets: Sequence[Object]) -> Object | None:
    """The ReplicaSet of the Deployment's own revision."""
    revision = _annotation(deployment, _REVISION)
    return next((one for one in replica_sets if _annotation(one, _REVISION) == revision), None)


def _deadline_missed(deployment: Object, replica_sets: Sequence[Object]) -> bool:
    """Whether *this* rollout missed its deadline.

    The condition of a failed rollout stays until the next one makes its first step, and that may be our revert. So it
    counts only when it was set after the template was asked for: after our own last write, and after the newest
    ReplicaSet came to be. The server's timestamps are of one form and compare as text. A deadline that goes uncounted
    costs patience, not safety: the upgrade's own time limit still holds.
    """
    conditions = (deployment.get("status") or {}).get("conditions") or []
    missed = [one for one in conditions if one.get("reason") == "ProgressDeadlineExceeded"]
    newest = _newest(deployment, replica_sets)
    born = [newest["metadata"].get("creationTimestamp", "")] if newest else []
    asked = max([*born, *_our_writes(deployment)], default="")
    return any(str(one.get("lastUpdateTime", "")) >= asked for one in missed)


def _our_writes(deployment: Object) -> list[str]:
    """When we last wrote the Deployment, by the server's own clock."""
    entries = deployment["metadata"].get("managedFields") or []
    ours = (one for one in entries if one.get("manager") == FIELD_MANAGER and not one.get("subresource"))
    return [str(one.get("time", "")) for one in ours]


def _status_is_current(deployment: Object) -> bool:
    observed = (deployment.get("status") or {}).get("observedGeneration") or 0
    return bool(observed >= (deployment["metadata"].get("generation") or 0))


# Pods


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """A Deployment's pods.

    Attributes:
        ready: can take users and run the newest template.
        stale: can take users and run something else: while there are some, the Deployment serves a mix.
        elsewhere: of both, those without the labels that were asked for.
        troubles: what is wrong with containers of pods of the newest template.
        digests: which digests the ready pods show, by container.
        names, names_of_ready: of all of them, and of those that can take users.
        names: of all of them.
    """

    ready: int
    stale: int = 0
    elsewhere: int = 0
    troubles: tuple[Trouble, ...] = ()
    digests: Mapping[str, frozenset[str]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    names_of_ready: frozenset[str] = frozenset()


def pods_of(
    deployment: Object, replica_sets: Sequence[Object], pods: Sequence[Object], home: Mapping[str, str] = NO_LABELS
) -> Pods:
    """What its pods are like; ``home`` are the labels by which users find it.

    Where no pod exists to be looked at (a control plane without nodes behind it), the Deployment's status has the word.
    """
    own = _own_pods(replica_sets, pods)
    if not own:
        status = deployment.get("status") or {}
        current = _status_is_current(deployment)
        updated, available = int(status.get("updatedReplicas", 0)), int(status.get("availableReplicas", 0))
        older = max(0, int(status.get("replicas", 0)) - updated)
        fresh, old = min(updated, available) if current else 0, min(older, available)
        # Of a template with other labels the new pods are elsewhere; otherwise the old ones are, if any label moves.
        moved = old if home.items() <= _template_labels(deployment).items() else fresh
        return Pods(ready=fresh, stale=old, elsewhere=moved if home else 0)
    newest = [pod for pod in own if _runs_template(pod, deployment)]
    ready = [pod for pod in own if is_ready(pod)]
    fresh = sum(is_ready(pod) for pod in newest)
    living = [pod for pod in newest if not pod["metadata"].get("deletionTimestamp")]
    return Pods(
        ready=fresh,
        stale=len(ready) - fresh,
        elsewhere=sum(not home.items() <= labels_of(pod).items() for pod in ready),
        troubles=tuple(trouble for pod in living for trouble in _troubles(pod)),
        digests=_digests(ready),
        names=_names(own),
        names_of_ready=_names(ready),
    )


def _names(pods: Iterable[Object]) -> frozenset[str]:
    return frozenset(str(pod["metadata"].get("name", "")) for pod in pods)


def _troubles(pod: Object) -> Iterator[Trouble]:
    """Containers, init containers and native sidecars among them, that were restarted or cannot be started."""
    yield from _unscheduled(pod)
    for status in _statuses(pod):
        waiting = str(((status.get("state") or {}).get("waiting") or {}).get("reason", ""))
        restarts = int(status.get("restartCount", 0))
        stuck = _ALIASES.get(waiting, waiting) if waiting not in _STARTING else ""
        if restarts or stuck:
            ended = ((status.get("state") or {}).get("terminated") or {}).get("reason")
            ended = ended or ((status.get("lastState") or {}).get("terminated") or {}).get("reason")
            yield Trouble(
                pod=pod["metadata"]["name"],
                container=str(status.get("name", "")),
                restarts=restarts,
                ended=str(ended or "") if restarts else "",
                waiting=stuck,
            )


def _unscheduled(pod: Object) -> Iterator[Trouble]:
    for one in (pod.get("status") or {}).get("conditions") or []:
        if (one.get("type"), one.get("status"), one.get("reason")) == ("PodScheduled", "False", UNSCHEDULABLE):
            yield Trouble(pod=pod["metadata"]["name"], container="", waiting=UNSCHEDULABLE, detail=_detail(one))


def creation_troubles(deployment: Object) -> tuple[Trouble, ...]:
    """That its pods may not even be created: a quota, a limit, an admission policy."""
    conditions = (deployment.get("status") or {}).get("conditions") or []
    return tuple(
        Trouble(pod="", container="", waiting=FAILED_CREATE, detail=_detail(one))
        for one in conditions
        if (one.get("type"), one.get("status")) == ("ReplicaFailure", "True") and _status_is_current(deployment)
    )


def _detail(condition: Object) -> str:
    """A condition's own words, without the name of a pod, which is another one each time."""
    message = str(condition.get("message", "")).rstrip(".")
    return _POD_NAME.sub("pods", message)[:LONGEST_DETAIL] or str(condition.get("reason", ""))


def _digests(pods: Iterable[Object]) -> dict[str, frozenset[str]]:
    shown: defaultdict[str, set[str]] = defaultdict(set)
    for pod in pods:
        for status in _statuses(pod):
            shown[str(status.get("name", ""))].add(digest(str(status.get("imageID", ""))))
    return {name: frozenset(found - {""}) for name, found in shown.items()}


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _own_pods(replica_sets: Sequence[Object], pods: Sequence[Object]) -> list[Object]:
    """By owner, because two Deployments' selectors may overlap; without any owner to be seen, the selector decides."""
    uids = {one["metadata"].get("uid") for one in replica_sets}
    return [pod for pod in pods if _controller(pod) is None or not uids or _controller(pod) in uids]


def _runs_template(pod: Object, deployment: Object) -> bool:
    same_labels = _template_labels(deployment).items() <= labels_of(pod).items()
    return same_labels and all(_runs(pod, name, image) for name, image in images(deployment).items())


def _runs(pod: Object, container: str, image: str) -> bool:
    """By digest where the image asks for one and the node shows one, else by the name in the pod's spec."""
    asked, shown = digest(image), _digest_shown(pod, container)
    if asked and shown:
        return asked == shown
    return any(one["name"] == container and one.get("image") == image for one in _containers(pod["spec"]))


def _digest_shown(pod: Object, container: str) -> str:
    """The digest the node reports for a container; "" where it does not, as for images loaded by hand."""
    return next((digest(str(one.get("imageID", ""))) for one in _statuses(pod) if one.get("name") == container), "")


# Small words


def _containers(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def _template_labels(deployment: Object) -> dict[str, str]:
    return (deployment["spec"]["template"].get("metadata") or {}).get("labels") or {}


def _controller(obj: Object) -> str | None:
    owners = obj["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)


def _annotation(obj: Object, name: str) -> str | None:
    return (obj["metadata"].get("annotations") or {}).get(name)
