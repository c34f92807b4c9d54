"""Which GitOps tool keeps an object, and the rules that make it leave alone what a rollout writes. Pure.

Found by the object's labels and annotations, and where those are silent by the field managers that wrote.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.cluster.objects import Object, annotations_of, labels_of, name_of
from bot.model.service import ServiceConfig

_FLUX_OFF = "kustomize.toolkit.fluxcd.io/reconcile"
# The first that fits is the owner: Argo CD and Flux both leave Helm's labels on what they render from charts.
_OWNERS_BY_ANNOTATION = (
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux (Kustomization)"),
    ("helm.toolkit.fluxcd.io/name", "Flux (HelmRelease)"),
    ("meta.helm.sh/release-name", "Helm"),
)
_MANAGERS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux (Kustomization)",
    "helm-controller": "Flux (HelmRelease)",
    "helm": "Helm",
}


def keeper(thing: Object) -> str:
    """The GitOps tool that keeps the object; "" when none is seen."""
    annotations = {**annotations_of(thing), **labels_of(thing)}
    if annotations.get(_FLUX_OFF) == "disabled":
        return ""  # somebody has followed our advice
    found = next((owner for mark, owner in _OWNERS_BY_ANNOTATION if mark in annotations), "")
    if found:
        return found
    managers = {str(entry.get("manager", "")) for entry in thing["metadata"].get("managedFields") or ()}
    # In the table's order: whoever renders a chart leaves Helm's label on it, and Helm's own word counts last.
    wrote = next((owner for manager, owner in _MANAGERS.items() if manager in managers), "")
    return wrote or ("Helm" if annotations.get("app.kubernetes.io/managed-by") == "Helm" else "")


def ignore_rules(
    manager: str, kind: str, name: str, namespace: str, *, whole_list: bool, primary: bool
) -> tuple[str, str]:
    """Which GitOps tool writes under this field manager, and the rules that make it leave the object alone.

    Both "" when it is none. ``whole_list``: a mirroring route is inserted; ``primary``: it is the primary's Deployment.
    """
    owner = _MANAGERS.get(manager, "")
    thing = Kept(kind=kind, name=name, namespace=namespace, whole_list=whole_list, primary=primary)
    return owner, remedy(owner, thing) if owner else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An object, as far as ignore rules depend on it."""

    kind: str
    name: str
    namespace: str
    whole_list: bool
    primary: bool

    @classmethod
    def of(cls, thing: Object, service: ServiceConfig) -> Kept:
        """What ignore rules need to know of ``thing``, an object of ``service``."""
        return cls(
            kind=str(thing["kind"]),
            name=name_of(thing),
            namespace=service.namespace,
            whole_list=service.mirror_methods is not None,
            primary=name_of(thing) == service.primary_deployment,
        )


def remedy(owner: str, thing: Kept) -> str:
    """What to write where, so that the tool ``owner`` leaves alone what a rollout changes of ``thing``."""
    kind, name, space = thing.kind, thing.name, thing.namespace
    later = " The promoted image must go to git as well." if kind == "Deployment" else ""
    if owner == "Argo CD":
        paths = ", ".join(f"'{path}'" for path in _jq(thing))
        where = f"group: {_group(kind)}, kind: {kind}, name: {name}, namespace: {space}"
        return (
            f"Add to the Application: `ignoreDifferences: [{{{where}, jqPathExpressions: [{paths}]}}]` and "
            f"`syncPolicy: {{syncOptions: [RespectIgnoreDifferences=true, ApplyOutOfSyncOnly=true]}}`.{later}"
        )
    if owner == "Flux (Kustomization)":
        return f"For the rollout: `kubectl -n {space} annotate {kind.lower()} {name} {_FLUX_OFF}=disabled`.{later}"
    if owner == "Flux (HelmRelease)":
        paths = ", ".join(_pointers(thing))
        ignored = f"{{paths: [{paths}], target: {{kind: {kind}, name: {name}}}}}"
        return (
            f"Add to the HelmRelease: `spec: {{driftDetection: {{mode: enabled, ignore: [{ignored}]}}}}`, "
            f"and release no chart meanwhile.{later}"
        )
    return f"Run no `helm upgrade` of it until the rollout has ended.{later}"


def _group(kind: str) -> str:
    return "apps" if kind == "Deployment" else "networking.istio.io"


def _jq(thing: Kept) -> list[str]:
    """What we change, as Argo CD's jq paths. An inserted mirroring route changes the list as a whole."""
    if thing.kind == "VirtualService":
        if thing.whole_list:
            return [".spec.http"]
        return [".spec.http[].route[].weight", ".spec.http[].mirror", ".spec.http[].mirrorPercentage"]
    if not thing.primary:
        return [".spec.replicas"]
    return [".spec.template.spec.containers[].image", ".spec.template.metadata.labels.version", ".spec.replicas"]


def _pointers(thing: Kept) -> list[str]:
    """The same as Flux's JSON pointers, which have no wildcards."""
    if thing.kind == "VirtualService":
        return ["/spec/http"]
    if not thing.primary:
        return ["/spec/replicas"]
    return ["/spec/template/spec/containers", "/spec/template/metadata/labels/version", "/spec/replicas"]
