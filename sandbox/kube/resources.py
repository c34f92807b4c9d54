"""Which kinds the stand-in serves, under which groups and versions, and how each behaves.

A table and its look-ups. Nothing here knows HTTP or storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

ISTIO_GROUP = "networking.istio.io"
ISTIO_VERSIONS = ("v1", "v1beta1", "v1alpha3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind: names, and the few ways in which kinds differ for the API server."""

    kind: str
    plural: str
    group: str = ""
    versions: tuple[str, ...] = ("v1",)
    namespaced: bool = True
    custom: bool = False  # a custom resource: no strategic merge patch, Istio's admission applies
    counts_generations: bool = True
    subresources: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    unconditional_update: bool = True  # a PUT without resourceVersion is allowed
    created_on_update: bool = False  # a PUT of what is not there makes it
    stored: bool = True

    @property
    def resource(self) -> str:
        """`virtualservices.networking.istio.io`, as error messages name a resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """`Deployment.apps`, as validation errors name a kind."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def api_version(self, version: str) -> str:
        """`apps/v1`, or plain `v1` for the core group."""
        return f"{self.group}/{version}" if self.group else version


def _istio(kind: str, plural: str, short: str) -> Kind:
    return Kind(
        kind=kind,
        plural=plural,
        group=ISTIO_GROUP,
        versions=ISTIO_VERSIONS,
        custom=True,
        subresources=("status",),
        short_names=(short,),
        unconditional_update=False,
    )


KINDS: tuple[Kind, ...] = (
    Kind(kind="Namespace", plural="namespaces", namespaced=False, counts_generations=False, short_names=("ns",)),
    Kind(kind="Service", plural="services", counts_generations=False, created_on_update=True, short_names=("svc",)),
    Kind(kind="Pod", plural="pods", counts_generations=False, subresources=("status",), short_names=("po",)),
    Kind(kind="ConfigMap", plural="configmaps", counts_generations=False, short_names=("cm",)),
    Kind(kind="Event", plural="events", counts_generations=False, created_on_update=True, short_names=("ev",)),
    Kind(
        kind="Deployment",
        plural="deployments",
        group="apps",
        subresources=("status", "scale"),
        short_names=("deploy",),
    ),
    Kind(kind="StatefulSet", plural="statefulsets", group="apps", subresources=("status",), short_names=("sts",)),
    Kind(kind="DaemonSet", plural="daemonsets", group="apps", subresources=("status",), short_names=("ds",)),
    Kind(kind="ReplicaSet", plural="replicasets", group="apps", subresources=("status",), short_names=("rs",)),
    Kind(kind="EndpointSlice", plural="endpointslices", group="discovery.k8s.io"),
    Kind(
        kind="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        group="autoscaling",
        versions=("v2",),
        counts_generations=False,
        short_names=("hpa",),
        unconditional_update=False,
    ),
    Kind(
        kind="PodDisruptionBudget",
        plural="poddisruptionbudgets",
        group="policy",
        short_names=("pdb",),
        unconditional_update=False,
    ),
    Kind(
        kind="Lease",
        plural="leases",
        group="coordination.k8s.io",
        counts_generations=False,
        unconditional_update=False,
        created_on_update=True,
    ),
    Kind(
        kind="SelfSubjectAccessReview",
        plural="selfsubjectaccessreviews",
        group="authorization.k8s.io",
        namespaced=False,
        stored=False,
    ),
    Kind(
        kind="SelfSubjectReview",
        plural="selfsubjectreviews",
        group="authentication.k8s.io",
        namespaced=False,
        stored=False,
    ),
    _istio("VirtualService", "virtualservices", "vs"),
    _istio("DestinationRule", "destinationrules", "dr"),
    _istio("Gateway", "gateways", "gw"),
    Kind(
        kind="HTTPRoute",
        plural="httproutes",
        group="gateway.networking.k8s.io",
        versions=("v1", "v1beta1"),
        custom=True,
        subresources=("status",),
        unconditional_update=False,
    ),
)

_BY_NAME = {kind.kind: kind for kind in KINDS}


def kind_named(name: str) -> Kind:
    """The kind of that name; an unknown one is the caller's mistake."""
    if name not in _BY_NAME:
        raise LookupError(f"The sandbox cluster has no kind {name!r}; it knows {', '.join(sorted(_BY_NAME))}.")
    return _BY_NAME[name]


class Served:
    """The kinds as one cluster serves them: an older Istio serves fewer versions."""

    def __init__(self, istio_versions: Sequence[str] = ISTIO_VERSIONS) -> None:
        self.kinds = tuple(
            replace(kind, versions=tuple(istio_versions)) if kind.group == ISTIO_GROUP else kind for kind in KINDS
        )

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind behind a path, if this cluster serves it there."""
        return next(
            (kind for kind in self.kinds if (kind.group, kind.plural) == (group, plural) and version in kind.versions),
            None,
        )

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Every named group with its versions, preferred first."""
        return {kind.group: kind.versions for kind in self.kinds if kind.group and kind.versions}

    def of(self, group: str, version: str) -> Iterable[Kind]:
        """The kinds of one group and version."""
        return [kind for kind in self.kinds if kind.group == group and version in kind.versions]
