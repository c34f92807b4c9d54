"""Which GitOps tool keeps an object, and the rules that make it leave alone what a rollout writes. Pure.

Found by the object's labels and annotations, and where those are silent by the field managers that wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.cluster.objects import Object, annotations_of, labels_of, name_of
from bot.words.sentence import Code, Text, said, together

FLUX_OFF = "kustomize.toolkit.fluxcd.io/reconcile"
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
    if annotations.get(FLUX_OFF) == "disabled":
        return ""  # somebody has followed our advice
    found = next((owner for mark, owner in _OWNERS_BY_ANNOTATION if mark in annotations), "")
    if found:
        return found
    managers = {str(entry.get("manager", "")) for entry in thing["metadata"].get("managedFields") or ()}
    # In the table's order: whoever renders a chart leaves Helm's label on it, and Helm's own word counts last.
    wrote = next((owner for manager, owner in _MANAGERS.items() if manager in managers), "")
    return wrote or ("Helm" if annotations.get("app.kubernetes.io/managed-by") == "Helm" else "")


def ignore_rules(manager: str, service: str, *, image: bool) -> tuple[str, Text]:
    """Which GitOps tool writes under this field manager, and what makes it leave the object alone.

    Both "" when it is none. ``image``: a rollout writes the object's image.
    """
    owner = _MANAGERS.get(manager, "")
    return owner, remedy(owner, service, image=image) if owner else ""


def remedy(owner: str, service: str, *, image: bool) -> Text:
    """What to do so that the tool ``owner`` leaves alone what a rollout of ``service`` changes."""
    if owner not in TOOLS:
        rules = said("cluster.no_helm_upgrade", command=Code("helm upgrade"))
    else:
        rules = said("cluster.gitops_rules", command=Code(f"canary-bot gitops {service}"))
    return together((rules, said("cluster.image_to_git") if image else ""))


# What a rollout writes, as each tool is told of it


class Tool(StrEnum):
    """Tools that can be told to leave fields alone."""

    ARGO_CD = "argocd"
    FLUX = "flux"  # a Kustomization
    HELM_RELEASE = "helmrelease"  # of Flux


TOOLS: Mapping[str, Tool] = {
    "Argo CD": Tool.ARGO_CD,
    "Flux (Kustomization)": Tool.FLUX,
    "Flux (HelmRelease)": Tool.HELM_RELEASE,
}

Path = tuple[str | int, ...]
_HTTP: Path = ("spec", "http")
_REPLICAS: Path = ("spec", "replicas")
_IN_A_ROUTE = 4  # steps: spec, http, which one, and one of its fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An object as it is, and as stages of a rollout leave it.

    Attributes:
        scaled: how many pods it asks for may change as well.
    """

    before: Object
    after: Sequence[Object]
    scaled: bool = False


def rules(tool: Tool, several: Sequence[Written]) -> Object:
    """The part of an Application, a Kustomization or a HelmRelease that makes it leave alone what is written."""
    found = [(one.before, changed(one)) for one in several]
    ignored = [_rule(tool, thing, paths) for thing, paths in found if paths]
    match tool:
        case Tool.ARGO_CD:
            options = ["RespectIgnoreDifferences=true", "ApplyOutOfSyncOnly=true"]
            return {"spec": {"ignoreDifferences": ignored, "syncPolicy": {"syncOptions": options}}}
        case Tool.FLUX:
            return {"spec": {"ignore": ignored}}
        case Tool.HELM_RELEASE:
            return {"spec": {"driftDetection": {"mode": "enabled", "ignore": ignored}}}


def changed(written: Written) -> tuple[Path, ...]:
    """The fields that a rollout writes, of http routes each as a whole; without annotations, which no file has."""
    specs = [_differences(written.before["spec"], after["spec"], ("spec",)) for after in written.after]
    paths = {_field(path) for found in specs for path in found}
    if written.scaled and "replicas" in written.before["spec"]:
        paths.add(_REPLICAS)
    return (_HTTP,) if _HTTP in paths else tuple(sorted(paths, key=str))


def _differences(one: Any, other: Any, path: Path) -> Iterator[Path]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _differences(one.get(key), other.get(key), (*path, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(*pair, (*path, index))
    elif one != other:
        yield path


def _field(path: Path) -> Path:
    """Lists inside a route are compared as wholes: an entry that is added changes all of it."""
    return path[:_IN_A_ROUTE] if path[:2] == _HTTP else path


def _rule(tool: Tool, thing: Object, paths: Sequence[Path]) -> Object:
    kind = str(thing["kind"])
    group = "apps" if kind == "Deployment" else "networking.istio.io"
    whose = {"group": group, "kind": kind, "name": name_of(thing), "namespace": thing["metadata"]["namespace"]}
    if tool is Tool.ARGO_CD:
        return {**whose, "jqPathExpressions": list(dict.fromkeys(_jq(thing, path) for path in paths))}
    return {"paths": list(dict.fromkeys(_pointer(path) for path in paths)), "target": whose}


def _jq(thing: Object, path: Path) -> str:
    """A path of jq. What is in a list is found by its name, or is any of them where names do not tell it apart."""
    written = ""
    here: Any = thing
    for step in path:
        if isinstance(step, int):
            written += _item(here, step)
            here = here[step]
        else:
            written += f".{step}" if _PLAIN.fullmatch(step) else f"{'' if written else '.'}[{json.dumps(step)}]"
            here = here.get(step) if isinstance(here, dict) else None
    return written


def _item(items: Any, index: int) -> str:
    names = [one.get("name") for one in items]
    if names[index] is None or names.count(names[index]) > 1:
        return "[]"
    return f"[] | select(.name == {json.dumps(names[index])}) | "


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _pointer(path: Path) -> str:
    """As a JSON pointer (RFC 6901), which has no wildcard: http routes may be inserted, and are one field."""
    steps = _HTTP if path[:2] == _HTTP else path
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def patched(deployment: Object, patch: Object) -> Object:
    """The Deployment with the images and labels of a patch, which names containers."""
    new = deepcopy(deployment)
    template, wanted = new["spec"]["template"], patch["spec"]["template"]
    labels = (wanted.get("metadata") or {}).get("labels") or {}
    if labels:
        metadata = template.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    for field, entries in (wanted.get("spec") or {}).items():
        images = {one["name"]: one["image"] for one in entries}
        for container in template["spec"].get(field) or []:
            container["image"] = images.get(container["name"], container.get("image"))
    return new
