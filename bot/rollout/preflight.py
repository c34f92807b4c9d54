"""Whether a rollout may begin: pure, from the raw objects of the cluster, every reason at once.

``examine`` finds out what is where (topology, subsets, images) and refuses what is ambiguous; ``ready_to_begin``
compares the live state with what a rollout starts from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.rollout.errors import Refusal
from bot.rollout.images import pinned
from bot.rollout.model import HOME, PodTemplate, Progress, Routes, SideSight, Target, Template, Topology
from bot.rollout.service import Promote, Service

Labels = Mapping[str, str]
HASH_LABEL = "pod-template-hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the API server holds about one service, as raw JSON objects. Missing objects are None or empty.

    Attributes:
        virtual_service: the one named in ``services.yaml``, its own namespace being the service's.
        virtual_services: every other VirtualService of the namespace (delegates, rivals for the same hosts).
        destination_rules: all of the namespace.
        gateways: those the VirtualService names, as far as they could be read.
        deployments: all of the namespace.
        pods: of the primary and the canary.
        failures: objects that could not be read, as sentences.
    """

    virtual_service: dict[str, Any] | None
    service: dict[str, Any] | None
    virtual_services: tuple[dict[str, Any], ...] = ()
    destination_rules: tuple[dict[str, Any], ...] = ()
    gateways: tuple[dict[str, Any], ...] = ()
    deployments: tuple[dict[str, Any], ...] = ()
    pods: tuple[dict[str, Any], ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What ``examine`` found: where to act, and the templates before and after.

    Attributes:
        warnings: sentences a person should read before the first users move; they do not stop a start.
    """

    target: Target
    recorded: PodTemplate
    upgraded: PodTemplate
    canary: PodTemplate
    warnings: tuple[str, ...] = ()


def examine(service: Service, version: str, survey: Survey) -> Scene:
    """Find the two Deployments, their subsets and the topology (ISTIO facts, detection).

    Raises:
        Refusal: with every reason found.
    """
    primary = _named(survey.deployments, service.primary_deployment)
    canary = _named(survey.deployments, service.canary_name(version))
    reasons = list(survey.failures)
    reasons += _missing(service, version, survey, primary, canary)
    if primary is None or canary is None or survey.service is None or survey.virtual_service is None:
        raise _refusal(service, version, reasons)
    reasons += _owners(primary, canary, survey.virtual_service)
    reasons += _wrong_version(service, version, canary)
    rule, subsets, found = _subsets(service, survey, primary, canary)
    reasons += found
    containers, found = _containers(service, primary, canary)
    reasons += found
    if rule is None or subsets is None or reasons:
        raise _refusal(service, version, reasons)
    subset_p, subset_k = subsets
    topology, moved = _topology(primary, subset_p, subset_k)
    name_p, name_k = str(subset_p["name"]), str(subset_k["name"])
    if HASH_LABEL in moved:
        raise _refusal(
            service,
            version,
            [f"The subsets {name_p} and {name_k} differ in {HASH_LABEL}, which another controller owns."],
        )
    images = {name: _images(canary)[name] for name in containers}
    pins = {name: pinned(image, name, _pods_of(canary, survey.pods)) for name, image in images.items()}
    recorded_images = {name: _images(primary)[name] for name in containers}
    labels = moved if topology is Topology.RELABEL else {}
    scene = Scene(
        target=_target(service, survey, version, (name_p, name_k), str(rule["metadata"]["name"]), topology),
        recorded=PodTemplate(images=recorded_images, labels={key: _labels(primary)[key] for key in labels}),
        upgraded=PodTemplate(images=pins, labels=dict(labels)),
        canary=PodTemplate(images=_images(canary)),
        warnings=tuple(_template_differences(service, primary, canary)),
    )
    if service.promote is Promote.UPGRADE and recorded_images in (images, pins):
        raise _refusal(service, version, [f"{_name(primary)} runs the image of {version} already: {_shown(images)}."])
    return scene


def ready_to_begin(target: Target, routes: Routes | None, why: str, primary: SideSight, canary: SideSight) -> list[str]:
    """Reasons not to begin, from the live state: routes at home, nobody else's marks, both Deployments healthy."""
    reasons = []
    if routes is None:
        reasons.append(why)
    elif routes != HOME:
        reasons.append(
            f"The routes of {target.virtual_service} are {routes}; a rollout begins with all users on the primary."
        )
    for name, side in ((target.primary_deployment, primary), (target.canary_deployment, canary)):
        if side.wanted == 0:
            reasons.append(f"{name} has no replicas; scale it up first.")
        elif side.progress is not Progress.DONE or side.ready < side.wanted:
            detail = f" {side.reason}" if side.reason else ""
            reasons.append(f"{name} is not ready: {side.ready} of {side.wanted} pods.{detail}")
    if primary.template is not Template.RECORDED:
        reasons.append(f"{target.primary_deployment} is changing right now; try again when it is settled.")
    return reasons


def _refusal(service: Service, version: str, reasons: Sequence[str]) -> Refusal:
    return Refusal(f"{service.name} {version} was not started; nothing has changed.", tuple(dict.fromkeys(reasons)))


def _missing(
    service: Service, version: str, survey: Survey, primary: dict[str, Any] | None, canary: dict[str, Any] | None
) -> list[str]:
    where = f"in namespace {service.namespace}"
    reasons = []
    if primary is None:
        reasons.append(f"There is no Deployment {service.primary_deployment} {where} (the primary).")
    if canary is None:
        name = service.canary_name(version)
        reasons.append(
            f"There is no Deployment {name} {where}. Deploy {version} first; it gets no users before you start."
        )
    if survey.service is None:
        reasons.append(f"There is no Service {service.host or service.name} {where}.")
    if survey.virtual_service is None:
        hint = f"`canary-bot init {service.name}` writes one."
        reasons.append(f"There is no VirtualService {service.virtual_service} {where}. {hint}")
    return reasons


def _wrong_version(service: Service, version: str, canary: dict[str, Any]) -> list[str]:
    """A canary whose name does not contain the version says by its label which one it is."""
    label = _labels(canary).get("version", version)
    if "{version}" in service.canary_deployment or label == version:
        return []
    return [f"{_name(canary)} carries version {label}, not {version}."]


def _owners(*objects: dict[str, Any]) -> list[str]:
    """Other controllers that would fight over the object."""
    rivals = {"Canary": "Flagger", "Rollout": "Argo Rollouts"}
    return [
        f"{thing['kind']} {_name(thing)} belongs to {rivals[owner['kind']]} ({owner['name']}); release it with that."
        for thing in objects
        for owner in thing["metadata"].get("ownerReferences") or ()
        if owner.get("kind") in rivals
    ]


def _subsets(
    service: Service, survey: Survey, primary: dict[str, Any], canary: dict[str, Any]
) -> tuple[dict[str, Any] | None, tuple[dict[str, Any], dict[str, Any]] | None, list[str]]:
    """The DestinationRule and the one subset each Deployment's pods are in."""
    host = service.host or service.name
    fqdn = f"{host}.{service.namespace}.svc.cluster.local"
    names = {host, f"{host}.{service.namespace}", f"{host}.{service.namespace}.svc", fqdn}
    rules = [r for r in survey.destination_rules if r["spec"].get("host") in names and r["spec"].get("subsets")]
    if len(rules) != 1:
        listed = ", ".join(_name(rule) for rule in rules)
        found = f"{len(rules)} ({listed})" if rules else "none"
        return None, None, [f"Exactly one DestinationRule with subsets is needed for {host}, found {found}."]
    rule = rules[0]
    reasons = []
    if _name(rule) != service.destination_rule:
        reasons.append(
            f"The DestinationRule for {host} is {_name(rule)}, and services.yaml names {service.destination_rule}."
        )
    chosen = []
    for deployment in (primary, canary):
        fitting = [s for s in rule["spec"]["subsets"] if _within(s.get("labels") or {}, _labels(deployment))]
        if len(fitting) != 1:
            found = ", ".join(str(s["name"]) for s in fitting) or "none"
            reasons.append(
                f"The pods of {_name(deployment)} must be in exactly one subset of {_name(rule)}, found {found}."
            )
        chosen.extend(fitting[:1])
    for deployment in (primary, canary):
        selector = (survey.service or {}).get("spec", {}).get("selector") or {}
        if not _within(selector, _labels(deployment)):
            reasons.append(f"The Service {host} does not select the pods of {_name(deployment)}.")
    if len({subset["name"] for subset in chosen}) < len(chosen):
        both = f"{_name(primary)} and {_name(canary)} are both in the subset {chosen[0]['name']}"
        reasons.append(f"{both}: no route can tell them apart.")
    if reasons:
        return rule, None, reasons
    reasons += _strangers(survey, rule, chosen, {_name(primary), _name(canary)}, selector)
    return rule, (chosen[0], chosen[1]), reasons


def _strangers(
    survey: Survey, rule: dict[str, Any], subsets: list[dict[str, Any]], ours: set[str], selector: Labels
) -> list[str]:
    """A third Deployment whose pods join one of the two subsets would get users nobody planned for."""
    return [
        f"The pods of {_name(other)} are in the subset {subset['name']} of {_name(rule)} too."
        for other in survey.deployments
        if _name(other) not in ours and _within(selector, _labels(other)) and other["spec"].get("replicas", 1) > 0
        for subset in subsets
        if _within(subset.get("labels") or {}, _labels(other))
    ]


def _topology(
    primary: dict[str, Any], subset_p: dict[str, Any], subset_k: dict[str, Any]
) -> tuple[Topology, dict[str, str]]:
    """Per-version when a label that tells the subsets apart is in the primary's immutable selector."""
    labels_p, labels_k = subset_p.get("labels") or {}, subset_k.get("labels") or {}
    moved = {key: str(value) for key, value in labels_k.items() if labels_p.get(key) != value}
    selector = primary["spec"]["selector"]
    locked = set(selector.get("matchLabels") or {}) | {e["key"] for e in selector.get("matchExpressions") or ()}
    return (Topology.PER_VERSION if locked & set(moved) else Topology.RELABEL), moved


def _containers(service: Service, primary: dict[str, Any], canary: dict[str, Any]) -> tuple[tuple[str, ...], list[str]]:
    """The containers whose image moves: the one named, or the only one."""
    ours = _images(primary)
    if service.container is None:
        apps = [
            c["name"] for c in primary["spec"]["template"]["spec"].get("containers") or () if c["name"] != "istio-proxy"
        ]
        if len(apps) != 1:
            return (), [
                f"{_name(primary)} has the containers {', '.join(apps)}: name one in services.yaml (primary.container)."
            ]
        wanted = apps[0]
    else:
        wanted = service.container
    reasons = [
        f"{_name(deployment)} has no container {wanted}; it has {', '.join(_images(deployment))}."
        for deployment in (primary, canary)
        if wanted not in _images(deployment)
    ]
    return ((wanted,) if wanted in ours else ()), reasons


def _template_differences(service: Service, primary: dict[str, Any], canary: dict[str, Any]) -> list[str]:
    """Only the image moves: whatever else differs makes an upgraded primary an untested combination."""
    spec_p, spec_k = (d["spec"]["template"]["spec"] for d in (primary, canary))
    differing = sorted(
        key for key in {*spec_p, *spec_k} - {"containers", "initContainers"} if spec_p.get(key) != spec_k.get(key)
    )
    for kind in ("containers", "initContainers"):
        ours = {c["name"]: {k: v for k, v in c.items() if k != "image"} for c in spec_p.get(kind) or ()}
        theirs = {c["name"]: {k: v for k, v in c.items() if k != "image"} for c in spec_k.get(kind) or ()}
        for name in sorted({*ours, *theirs}):
            one, two = ours.get(name, {}), theirs.get(name, {})
            differing += sorted(f"{name}.{key}" for key in {*one, *two} if one.get(key) != two.get(key))
    if not differing or service.promote is Promote.ADOPT:
        return []
    fields = ", ".join(differing)
    pair = f"{_name(primary)} and {_name(canary)}"
    return [f"The pod templates of {pair} differ beyond the image ({fields}); only the image is promoted."]


def _target(
    service: Service, survey: Survey, version: str, subsets: tuple[str, str], rule: str, topology: Topology
) -> Target:
    virtual_service = survey.virtual_service or {}
    return Target(
        namespace=service.namespace,
        host=f"{service.host or service.name}.{service.namespace}.svc.cluster.local",
        virtual_service=service.virtual_service,
        virtual_service_namespace=virtual_service["metadata"].get("namespace", service.namespace),
        destination_rule=rule,
        primary_subset=subsets[0],
        canary_subset=subsets[1],
        primary_deployment=service.primary_deployment,
        canary_deployment=service.canary_name(version),
        topology=topology,
        route_names=service.routes,
        mirror_percent=service.mirror_percent,
        mirror_methods=service.mirror_methods,
    )


def _pods_of(deployment: dict[str, Any], pods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    labels = deployment["spec"]["selector"].get("matchLabels") or {}
    return [pod for pod in pods if _within(labels, pod["metadata"].get("labels") or {})]


def _named(objects: Sequence[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((thing for thing in objects if _name(thing) == name), None)


def _name(thing: dict[str, Any]) -> str:
    return str(thing["metadata"]["name"])


def _labels(deployment: dict[str, Any]) -> Labels:
    labels: Labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
    return labels


def _images(deployment: dict[str, Any]) -> dict[str, str]:
    """Image by container name, init containers too, as ``kubectl set image`` sees them."""
    spec = deployment["spec"]["template"]["spec"]
    return {c["name"]: c["image"] for key in ("initContainers", "containers") for c in spec.get(key) or ()}


def _within(part: Labels, whole: Labels) -> bool:
    return all(whole.get(key) == value for key, value in part.items())


def _shown(images: Mapping[str, str]) -> str:
    return ", ".join(images.values())
