"""Small words about raw Kubernetes objects. No rule lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from bot.model.images import digest, is_ready
from bot.model.service import ServiceConfig

Object: TypeAlias = dict[str, Any]
NamespacedName: TypeAlias = tuple[str, str]  # namespace and name
Labels: TypeAlias = Mapping[str, str]


def named(objects: Sequence[Object], name: str) -> Object | None:
    """The object of that name, if it is there."""
    return next((thing for thing in objects if name_of(thing) == name), None)


def name_of(thing: Object) -> str:
    """The object's name."""
    return str(thing["metadata"]["name"])


def title(thing: Object) -> str:
    """How to call the object in a sentence."""
    return f"{thing.get('kind', 'object')} {name_of(thing)}"


def called(thing: Object, home: str) -> str:
    """Its name as people of the namespace ``home`` would write it: ``NAMESPACE/NAME`` when it is in another."""
    space = namespace_of(thing, home)
    return name_of(thing) if space == home else f"{space}/{name_of(thing)}"


def namespace_of(thing: Object, default: str) -> str:
    """The object's namespace."""
    return str(thing["metadata"].get("namespace") or default)


def labels_of(thing: Object) -> Labels:
    """The object's own labels."""
    return (thing.get("metadata") or {}).get("labels") or {}


def annotations_of(thing: Object) -> Labels:
    """The object's own annotations."""
    return (thing.get("metadata") or {}).get("annotations") or {}


def uid_of(thing: Object) -> str:
    """What tells it from another one of its name that comes after it; "" where the server has given none."""
    return str((thing.get("metadata") or {}).get("uid", ""))


def owners_of(thing: Object) -> list[Object]:
    """Its owner references: what it is part of, and goes with."""
    return (thing.get("metadata") or {}).get("ownerReferences") or []


def template_of(deployment: Object) -> Object:
    """The pod template, its metadata filled in."""
    template: Object = deployment["spec"]["template"]
    return {**template, "metadata": template.get("metadata") or {}}


def pod_labels(deployment: Object) -> Labels:
    """The labels its pods are born with."""
    return template_of(deployment)["metadata"].get("labels") or {}


def pod_annotations(deployment: Object) -> Labels:
    """The annotations its pods are born with."""
    return template_of(deployment)["metadata"].get("annotations") or {}


def images(deployment: Object) -> dict[str, str]:
    """Image by container name, init containers too, as ``kubectl set image`` sees them."""
    spec = template_of(deployment)["spec"]
    return {
        one["name"]: str(one.get("image") or "")
        for key in ("initContainers", "containers")
        for one in spec.get(key) or ()
    }


def app_containers(deployment: Object) -> list[Object]:
    """The template's containers without a sidecar that somebody wrote into it."""
    return [one for one in template_of(deployment)["spec"].get("containers") or () if one["name"] != "istio-proxy"]


def replicas(deployment: Object) -> int:
    """How many pods the spec asks for; the field's own default is one."""
    asked = deployment["spec"].get("replicas")
    return 1 if asked is None else int(asked)


def pods_of(deployment: Object, pods: Sequence[Object]) -> list[Object]:
    """Its pods that are not on their way out."""
    return [pod for pod in pods if _owns(deployment, pod) and not pod["metadata"].get("deletionTimestamp")]


def _owns(deployment: Object, pod: Object) -> bool:
    """By its ReplicaSet, which is called ``NAME-HASH``: a primary's selector may fit the canary's pods as well."""
    owners = [one for one in pod["metadata"].get("ownerReferences") or () if one.get("controller")]
    if owners:
        born_of = str(owners[0].get("name", ""))
        return born_of == f"{name_of(deployment)}-{labels_of(pod).get('pod-template-hash', '')}"
    return within(deployment["spec"]["selector"].get("matchLabels") or {}, labels_of(pod))


def image_pins(deployment: Object, pods: Sequence[Object], container: str) -> frozenset[str]:
    """The digests that its ready pods show for a container; empty where none does."""
    statuses = [
        status
        for pod in pods_of(deployment, pods)
        if is_ready(pod)
        for status in container_statuses(pod)
        if status.get("name") == container
    ]
    return frozenset(digest(str(status.get("imageID", ""))) for status in statuses) - {""}


def container_statuses(pod: Object) -> list[Object]:
    """What the node says of each container, native sidecars (init containers) included."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def selector_of(service: Object) -> Labels:
    """The labels a Kubernetes Service asks of its pods."""
    return (service.get("spec") or {}).get("selector") or {}


def within(part: Labels, whole: Labels) -> bool:
    """Whether ``whole`` has everything ``part`` asks for."""
    return all(whole.get(key) == value for key, value in part.items())


def host_names(service: ServiceConfig) -> frozenset[str]:
    """Every way to write the Kubernetes Service's name where the mesh objects are."""
    short, space = service_name(service), service_namespace(service)
    bare = {short} if space == service.namespace else set()  # a name without dots is completed with one's own namespace
    return frozenset({f"{short}.{space}", f"{short}.{space}.svc", f"{short}.{space}.svc.cluster.local", *bare})


def full_name(host: str, home: str) -> str:
    """What a host means in an object of the namespace ``home``: only one without any dot is completed.

    Istio does the same (``ResolveShortnameToFQDN``). It keeps a dot at the end, which makes the host another name than
    its Service's, so that requests for it are answered by nobody.
    """
    if host == "*" or "." in host or ":" in host:  # with a colon it is an IPv6 address
        return host
    return f"{host}.{home}.svc.cluster.local"


def means(host: object, home: str, service: ServiceConfig) -> bool:
    """Whether a host, as an object of the namespace ``home`` writes it, is the service, in any spelling."""
    return full_name(str(host or ""), home) in host_names(service)


def service_namespace(service: ServiceConfig) -> str:
    """Where the Kubernetes Service is, which may be named by any form of its DNS name."""
    return _host(service).partition(".")[2].partition(".")[0] or service.namespace


def service_name(service: ServiceConfig) -> str:
    """The Kubernetes Service's own name; the primary's, where each version has one and it is named."""
    return _host(service).partition(".")[0]


def _host(service: ServiceConfig) -> str:
    return service.primary_host or service.host or service.name


def full_host(service: ServiceConfig) -> str:
    """The Service's fully qualified name."""
    return f"{service_name(service)}.{service_namespace(service)}.svc.cluster.local"
