"""What a raw Deployment says, with its ReplicaSets and Pods: pure rules, no API server.

kubectl's rule for a finished rollout is followed to the letter and its gaps are closed: a paused Deployment would wait
for ever, one without replicas is "complete", a missed deadline may be an older rollout's, and the status may speak of
a ReplicaSet that is not the one of the newest template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.adapters.kube import FIELD_MANAGER
from bot.rollout.images import digest, is_ready
from bot.rollout.model import PodTemplate, Progress

Object = dict[str, Any]

_REVISION = "deployment.kubernetes.io/revision"


# Templates


def images(workload: Object) -> dict[str, str]:
    """The template's images by container name, init containers included."""
    spec = workload["spec"]["template"]["spec"]
    return {one["name"]: str(one.get("image", "")) for one in _containers(spec)}


def has_template(deployment: Object, template: PodTemplate) -> bool:
    """Whether the Deployment has these images and labels; what the template does not name may be anything."""
    live = images(deployment)
    same_images = all(live.get(name) == image for name, image in template.images.items())
    return same_images and template.labels.items() <= _template_labels(deployment).items()


# Progress


def wanted_pods(deployment: Object) -> int:
    """How many pods the spec asks for; the field's own default is one."""
    return int(deployment["spec"].get("replicas", 1))


def progress(deployment: Object, replica_sets: Sequence[Object]) -> tuple[Progress, str]:
    """How far the Deployment's own rollout is, and why it is no further."""
    name = deployment["metadata"]["name"]
    status = deployment.get("status") or {}
    if deployment["spec"].get("paused"):
        return Progress.FAILED, f"{name} is paused: `kubectl rollout resume deployment/{name}` lets it go on."
    if not _status_is_current(deployment):
        return Progress.WAITING, f"{name}: its controller has not seen the newest template yet."
    if _deadline_missed(deployment, replica_sets):
        return Progress.FAILED, f"{name} made no progress within its progressDeadlineSeconds."
    waiting = _why_waiting(wanted_pods(deployment), status) or _why_not_newest(deployment, replica_sets)
    return (Progress.WAITING, f"{name}: {waiting}.") if waiting else (Progress.DONE, "")


def own_replica_sets(deployment: Object, replica_sets: Iterable[Object]) -> list[Object]:
    """Those the Deployment controls."""
    uid = deployment["metadata"].get("uid")
    return [one for one in replica_sets if _controller(one) == uid]


def _why_waiting(wanted: int, status: Mapping[str, Any]) -> str:
    """The conditions of `kubectl rollout status` in its order, as the end of a sentence; empty when all hold."""
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if wanted < 1:
        return "it is scaled to zero"
    if updated < wanted:
        return f"{updated} of {wanted} pods have the newest template"
    if total > updated:
        return f"{total - updated} old pods are still to go"
    if available < updated:
        return f"{available} of {updated} pods are available"
    return ""


def _why_not_newest(deployment: Object, replica_sets: Sequence[Object]) -> str:
    """Guards against a status that speaks of another template. Without visible ReplicaSets there is no telling."""
    newest = _newest(deployment, replica_sets)
    if replica_sets and (newest is None or images(newest) != images(deployment)):
        return "no ReplicaSet has the newest template yet"
    return ""


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
    observed = (deployment.get("status") or {}).get("observedGeneration", 0)
    return bool(observed >= deployment["metadata"].get("generation", 0))


# Pods


def ready_count(deployment: Object, replica_sets: Sequence[Object], pods: Sequence[Object]) -> int:
    """Pods that can take users and run the Deployment's newest template.

    Where no pod exists to be looked at (a control plane without nodes behind it), the Deployment's status has the word.
    """
    own = _own_pods(replica_sets, pods)
    if own:
        return sum(is_ready(pod) and _runs_template(pod, deployment) for pod in own)
    status = deployment.get("status") or {}
    if not _status_is_current(deployment):
        return 0
    return min(int(status.get("updatedReplicas", 0)), int(status.get("availableReplicas", 0)))


def _own_pods(replica_sets: Sequence[Object], pods: Sequence[Object]) -> list[Object]:
    """By owner, because two Deployments' selectors may overlap; without any owner to be seen, the selector decides."""
    uids = {one["metadata"].get("uid") for one in replica_sets}
    return [pod for pod in pods if _controller(pod) is None or not uids or _controller(pod) in uids]


def _runs_template(pod: Object, deployment: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    same_labels = _template_labels(deployment).items() <= labels.items()
    return same_labels and all(_runs(pod, name, image) for name, image in images(deployment).items())


def _runs(pod: Object, container: str, image: str) -> bool:
    """By digest where the image asks for one and the node shows one, else by the name in the pod's spec."""
    asked, shown = digest(image), _digest_shown(pod, container)
    if asked and shown:
        return asked == shown
    return any(one["name"] == container and one.get("image") == image for one in _containers(pod["spec"]))


def _digest_shown(pod: Object, container: str) -> str:
    """The digest the node reports for a container; "" where it does not, as for images loaded by hand."""
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return next((digest(str(one.get("imageID", ""))) for one in statuses if one.get("name") == container), "")


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
