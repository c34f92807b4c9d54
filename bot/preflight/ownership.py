"""Who else writes the objects we write. Another canary tool blocks; a GitOps tool warns, with the rule that lets it be.

Found by the owner's references, labels and annotations, and where those are silent by the field managers that wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.cluster.objects import Object, annotations_of, labels_of, name_of, title
from bot.model.service import Promote, Service
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.snapshot import Subject

_RIVALS = {"Canary": "Flagger", "Rollout": "Argo Rollouts"}
_RIVAL_MARKS = {
    "argo-rollouts.argoproj.io/managed-by-rollouts": "Argo Rollouts",
    "flagger.kubernetes.app/original-configuration": "Flagger",
}
_FLUX_OFF = "kustomize.toolkit.fluxcd.io/reconcile"
# The first that fits is the owner: Argo CD and Flux both leave Helm's labels on what they render from charts.
_MARKS = (
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


def check(subject: Subject) -> Iterator[Problem]:
    """Every object that a rollout writes, and the canary, which nobody else may steer either."""
    virtual_service = subject.survey.virtual_service
    for thing in (*subject.sides, *([virtual_service] if virtual_service else [])):
        yield from _rivals(thing)
    yield from _drivers(subject)
    for thing in _written(subject):
        owner = _keeper(thing)
        if owner:
            yield warns(
                f"{title(thing)} is kept by {owner}, which will undo what a rollout writes to it.",
                remedy=_remedy(owner, _Thing.of(thing, subject.service)),
            )


def _rivals(thing: Object) -> Iterator[Problem]:
    """Controllers that move traffic or replicas themselves: two drivers at one wheel."""
    owners = {
        _RIVALS[one["kind"]]: str(one.get("name", ""))
        for one in thing["metadata"].get("ownerReferences") or ()
        if one.get("kind") in _RIVALS
    }
    marks = {tool: mark for mark, tool in _RIVAL_MARKS.items() if mark in annotations_of(thing)}
    for tool, evidence in (marks | owners).items():
        yield blocks(
            f"{title(thing)} belongs to {tool} ({evidence}).",
            remedy=f"Release it with {tool}, or take it out of {tool}'s hands first.",
        )


def _drivers(subject: Subject) -> Iterator[Problem]:
    """Orders of other canary tools that name our objects without having marked them, as a new one has not yet."""
    names = {name_of(side) for side in subject.sides}
    for driver in subject.survey.drivers:
        spec = driver.get("spec") or {}
        named = {str((spec.get(field) or {}).get("name", "")) for field in ("targetRef", "workloadRef")}
        istio = (((spec.get("strategy") or {}).get("canary") or {}).get("trafficRouting") or {}).get("istio") or {}
        listed = [istio.get("virtualService") or {}, *(istio.get("virtualServices") or ())]
        routes = {str(one.get("name", "")) for one in listed} & {subject.service.virtual_service}
        taken = sorted(f"Deployment {name}" for name in named & names) + [f"VirtualService {name}" for name in routes]
        tool = _RIVALS.get(str(driver.get("kind", "")), "")
        if tool and taken:
            yield blocks(
                f"{tool}'s {title(driver)} steers {' and '.join(taken)}.",
                remedy=f"Two drivers would fight: release it with {tool}, or delete that {driver['kind']} first.",
            )


def _written(subject: Subject) -> list[Object]:
    service = subject.service
    primary = subject.primary if service.promote is Promote.UPGRADE else None
    canary = subject.canary if service.scale_canary_down else None
    return [thing for thing in (subject.survey.virtual_service, primary, canary) if thing is not None]


def _keeper(thing: Object) -> str:
    """The GitOps tool that keeps the object; "" when none is seen."""
    marks = {**annotations_of(thing), **labels_of(thing)}
    if marks.get(_FLUX_OFF) == "disabled":
        return ""  # somebody has followed our advice
    found = next((owner for mark, owner in _MARKS if mark in marks), "")
    if found:
        return found
    managers = {str(entry.get("manager", "")) for entry in thing["metadata"].get("managedFields") or ()}
    # In the table's order: whoever renders a chart leaves Helm's label on it, and Helm's own word counts last.
    wrote = next((owner for manager, owner in _MANAGERS.items() if manager in managers), "")
    return wrote or ("Helm" if marks.get("app.kubernetes.io/managed-by") == "Helm" else "")


def ignore_rules(
    manager: str, kind: str, name: str, namespace: str, *, whole_list: bool, primary: bool
) -> tuple[str, str]:
    """Which GitOps tool writes under this field manager, and the rules that make it leave the object alone.

    Both "" when it is none. ``whole_list``: a mirroring route is inserted; ``primary``: it is the primary's Deployment.
    """
    owner = _MANAGERS.get(manager, "")
    thing = _Thing(kind=kind, name=name, namespace=namespace, whole_list=whole_list, primary=primary)
    return owner, _remedy(owner, thing) if owner else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thing:
    """An object, as far as ignore rules depend on it."""

    kind: str
    name: str
    namespace: str
    whole_list: bool
    primary: bool

    @classmethod
    def of(cls, thing: Object, service: Service) -> _Thing:
        return cls(
            kind=str(thing["kind"]),
            name=name_of(thing),
            namespace=service.namespace,
            whole_list=service.mirror_methods is not None,
            primary=name_of(thing) == service.primary_deployment,
        )


def _remedy(owner: str, thing: _Thing) -> str:
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


def _jq(thing: _Thing) -> list[str]:
    """What we change, as Argo CD's jq paths. An inserted mirroring route changes the list as a whole."""
    if thing.kind == "VirtualService":
        if thing.whole_list:
            return [".spec.http"]
        return [".spec.http[].route[].weight", ".spec.http[].mirror", ".spec.http[].mirrorPercentage"]
    if not thing.primary:
        return [".spec.replicas"]
    return [".spec.template.spec.containers[].image", ".spec.template.metadata.labels.version", ".spec.replicas"]


def _pointers(thing: _Thing) -> list[str]:
    """The same as Flux's JSON pointers, which have no wildcards."""
    if thing.kind == "VirtualService":
        return ["/spec/http"]
    if not thing.primary:
        return ["/spec/replicas"]
    return ["/spec/template/spec/containers", "/spec/template/metadata/labels/version", "/spec/replicas"]
