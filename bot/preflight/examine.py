"""``examine``: what is where (topology, subsets, images), and every problem that the other modules of preflight see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.cluster.objects import (
    Object,
    app_containers,
    full_host,
    image_pins,
    images,
    name_of,
    namespace_of,
    pod_labels,
    pods_of,
    replicas,
    service_name,
    service_namespace,
)
from bot.model.errors import Cause, Refusal
from bot.model.images import pinned
from bot.model.rollout import PodTemplate, Rollout, Target, Topology
from bot.model.service import Promote, ServiceConfig
from bot.preflight import (
    gateways,
    image_pull,
    leak,
    mesh,
    moved,
    ownership,
    permissions,
    pod_counts,
    policies,
    quotas,
    sidecars,
    subsets,
    telemetry,
    templates,
    workloads,
)
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.snapshot import Callers, MetricFacts, Snapshot, Subject
from bot.preflight.subsets import Pair, topology

CHECKS = (
    permissions.check,
    ownership.check,
    workloads.check,
    gateways.check,
    mesh.check,
    sidecars.check,
    policies.check,
    pod_counts.check,
    quotas.check,
    image_pull.check,
    templates.check,
)
# Without these nothing can be decided. Other kinds that could not be read only leave a question open.
REQUIRED = {
    "VirtualService": ("networking.istio.io", "virtualservices"),
    "DestinationRule": ("networking.istio.io", "destinationrules"),
    "Service": ('""', "services"),
    "Deployment": ("apps", "deployments"),
    "Pod": ('""', "pods"),
}
NO_CALLERS = Callers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What ``examine`` found: where to act, the templates before and after, and what speaks against beginning.

    Attributes:
        if_moved: what to say where all users are found on the canary when it is about to begin.
    """

    target: Target
    recorded: PodTemplate
    upgraded: PodTemplate
    canary: PodTemplate
    problems: tuple[Problem, ...] = ()
    if_moved: Problem | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why nothing may begin, with what to do."""
        return tuple(dict.fromkeys(str(problem) for problem in self.problems if problem.blocking))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should read before the first users move; it does not stop a start."""
        return tuple(dict.fromkeys(str(problem) for problem in self.problems if not problem.blocking))


def examine(
    service: ServiceConfig,
    version: str,
    snapshot: Snapshot,
    callers: Callers = NO_CALLERS,
    figures: MetricFacts | None = None,
    before: Rollout | None = None,
) -> Examined:
    """Find the two Deployments, their subsets and the topology, and look at everything around them.

    ``figures`` None: Prometheus was not asked, and nothing is said of it. ``before`` is the service's last rollout,
    where that one left all users on its canary.

    Raises:
        Refusal: what is where cannot be told; with every blocking problem there is, these and the others.
    """
    subject = Subject(service=service, version=version, snapshot=_with_specs(snapshot))
    pair, found = subsets.find(subject)
    containers, unclear = _containers(subject)
    pins, mixed = _pins(subject, containers)
    unfit = [*_unread(snapshot), *_missing(subject), *_wrong_version(subject), *found, *unclear, *mixed]
    around = [problem for check in CHECKS for problem in check(subject)]
    around += telemetry.check(subject, figures) if figures else ()
    around += leak.check(subject, callers)
    around += moved.check(subject, before)
    around += subsets.incomparable(pair) if pair else ()
    primary, canary = subject.primary, subject.canary
    unfit += [*_same_image(subject, containers, pins), *_mixed_primary(subject, containers)]
    if any(problem.blocking for problem in unfit) or primary is None or canary is None or pair is None:
        raise _refusal(service, version, (*unfit, *around))
    labels = pair.moved if topology(primary, pair.moved) is Topology.RELABEL else {}
    return Examined(
        target=_sized(_target(subject, pair, topology(primary, pair.moved)), subject, primary, canary),
        recorded=PodTemplate(
            images={name: images(primary)[name] for name in containers},
            labels={key: pod_labels(primary)[key] for key in labels},
        ),
        upgraded=PodTemplate(images=pins, labels=labels),
        canary=PodTemplate(images=images(canary)),
        problems=(*unfit, *around),
        if_moved=moved.explain(service, str(pair.canary["name"]), name_of(canary), before),
    )


def _with_specs(snapshot: Snapshot) -> Snapshot:
    """The API server takes a VirtualService without ``spec``, and then nothing is said in it."""
    ours = snapshot.virtual_service
    return replace(
        snapshot,
        virtual_service=None if ours is None else {**ours, "spec": ours.get("spec") or {}},
        virtual_services=tuple({**one, "spec": one.get("spec") or {}} for one in snapshot.virtual_services),
        destination_rules=tuple({**one, "spec": one.get("spec") or {}} for one in snapshot.destination_rules),
    )


def _refusal(service: ServiceConfig, version: str, problems: Iterable[Problem]) -> Refusal:
    found = dict.fromkeys(problems)  # each once, in order
    reasons = [str(problem) for problem in found if problem.blocking]
    warnings = [f"Warning: {problem}" for problem in found if not problem.blocking]
    return Refusal(f"{service.name} {version} was not started; nothing has changed.", (*reasons, *warnings))


def _unread(snapshot: Snapshot) -> list[Problem]:
    problems = []
    for one in snapshot.unread:
        forbidden = one.cause is Cause.FORBIDDEN
        if one.kind in REQUIRED:
            group, resource = REQUIRED[one.kind]
            rule = f"- {{apiGroups: [{group}], resources: [{resource}], verbs: [get, list]}}"
            remedy = f"Add to canary-bot's Role there: `{rule}`." if forbidden else "Try again."
            problems.append(blocks(one.sentence, remedy=remedy))
        else:
            problems.append(
                warns(
                    f"{one.kind} objects could not be read, so nothing is known about them: {one.sentence}",
                    remedy="deploy/rbac.yaml has the rule that lets canary-bot read them."
                    if forbidden
                    else "Look for them with kubectl.",
                )
            )
    return problems


def _missing(subject: Subject) -> list[Problem]:
    service, version, snapshot = subject.service, subject.version, subject.snapshot
    where = f"in namespace {service.namespace}"
    problems = []
    if subject.primary is None and snapshot.is_read("Deployment"):
        problems.append(
            blocks(
                f"There is no Deployment {service.primary_deployment} {where} (the primary).",
                remedy="Correct `primary.deployment` or `namespace` in services.yaml.",
            )
        )
    if subject.canary is None and snapshot.is_read("Deployment"):
        problems.append(
            blocks(
                f"There is no Deployment {service.canary_name(version)} {where}.",
                remedy=f"Deploy {version} first; it gets no users before you start.",
            )
        )
    if snapshot.service is None and snapshot.is_read("Service"):
        problems.append(
            blocks(
                f"There is no Service {service_name(service)} in namespace {service_namespace(service)}.",
                remedy="Name it under `host` in services.yaml when it is not called like the service.",
            )
        )
    if snapshot.virtual_service is None and snapshot.is_read("VirtualService"):
        problems.append(
            blocks(
                f"There is no VirtualService {service.virtual_service} {where}.",
                remedy=f"`canary-bot init {service.name}` writes one.",
            )
        )
    return problems


def _wrong_version(subject: Subject) -> list[Problem]:
    """A canary whose name does not contain the version says by its label which one it is."""
    canary = subject.canary
    if canary is None or "{version}" in subject.service.canary_deployment:
        return []
    label = pod_labels(canary).get("version", subject.version)
    if label == subject.version:
        return []
    return [
        blocks(
            f"{name_of(canary)} carries version {label}, not {subject.version}.",
            remedy=f"Start {label}, or deploy {subject.version} there.",
        )
    ]


def _containers(subject: Subject) -> tuple[tuple[str, ...], list[Problem]]:
    """The containers whose image moves: the one named, or the only one; both Deployments must have them."""
    primary = subject.primary
    if primary is None:
        return (), []
    wanted = subject.service.container
    if wanted is None:
        names = [one["name"] for one in app_containers(primary)]
        if len(names) != 1:
            listed = ", ".join(names)
            problem = blocks(
                f"{name_of(primary)} has the containers {listed}, and services.yaml does not name one.",
                remedy="Say with `primary: {container: NAME}` whose image is the version: name one in services.yaml.",
            )
            return (), [problem]
        wanted = names[0]
    lacking = [side for side in subject.sides if wanted not in images(side)]
    problems = [
        blocks(
            f"{name_of(side)} has no container {wanted}; it has {', '.join(images(side))}.",
            remedy="Correct `primary.container` in services.yaml; both Deployments need that container.",
        )
        for side in lacking
    ]
    return (() if lacking else (wanted,)), problems


def _pins(subject: Subject, containers: Sequence[str]) -> tuple[dict[str, str], list[Problem]]:
    """The canary's images by the digest its pods run, so that the bits that were tested are the bits promoted."""
    canary = subject.canary
    if canary is None:
        return {}, []
    pods = pods_of(canary, subject.snapshot.pods)
    try:
        return {name: pinned(images(canary)[name], name, pods) for name in containers}, []
    except Refusal as refusal:
        remedy = f"`kubectl rollout restart deployment/{name_of(canary)}`, so that all run one; or deploy by digest."
        return {}, [blocks(refusal.sentence, remedy=remedy)]


def _same_image(subject: Subject, containers: Sequence[str], pins: Mapping[str, str]) -> list[Problem]:
    primary, canary = subject.primary, subject.canary
    if not containers or primary is None or canary is None or subject.service.promote is not Promote.UPGRADE:
        return []
    ours, theirs = ({name: images(side)[name] for name in containers} for side in (primary, canary))
    before, after = (
        [image_pins(side, subject.snapshot.pods, name) for name in containers] for side in (primary, canary)
    )
    if ours == theirs and all(before) and all(after) and before != after:
        return [
            blocks(
                f"{name_of(primary)} and {name_of(canary)} run different bits under one name: {_shown(theirs)}.",
                remedy="The way back after the upgrade would be that name, which means the new bits by now: give each "
                "version a tag of its own, or deploy by digest.",
            )
        ]
    if ours not in (theirs, pins) and not (all(before) and before == after):
        return []
    return [
        blocks(
            f"{name_of(primary)} runs the image of {subject.version} already: {_shown(theirs)}.",
            remedy="There is nothing to promote; look at which image the canary was deployed with.",
        )
    ]


def _mixed_primary(subject: Subject, containers: Sequence[str]) -> list[Problem]:
    """What the canary is compared with should be one thing."""
    primary = subject.primary
    if primary is None:
        return []
    shown = {name: image_pins(primary, subject.snapshot.pods, name) for name in containers}
    return [
        warns(
            f"The pods of {name_of(primary)} run different images under {images(primary)[name]}.",
            remedy="The canary is compared with a mix, and an abort after the upgrade brings back only what that name "
            f"means then: `kubectl rollout restart deployment/{name_of(primary)}`, or deploy by digest.",
        )
        for name, digests in shown.items()
        if len(digests) > 1
    ]


def _shown(found: Mapping[str, str]) -> str:
    return ", ".join(found.values())


def _sized(target: Target, subject: Subject, primary: Object, canary: Object) -> Target:
    """The target with how large both sides are, and which objects they are."""
    return replace(
        target,
        primary_replicas=replicas(primary),
        canary_replicas=replicas(canary),
        primary_minimum=pod_counts.least(subject, primary),
        primary_uid=str(primary["metadata"].get("uid", "")),
        canary_uid=str(canary["metadata"].get("uid", "")),
    )


def _target(subject: Subject, pair: Pair, how: Topology) -> Target:
    service = subject.service
    virtual_service: Object = subject.snapshot.virtual_service or {"metadata": {}}
    return Target(
        namespace=service.namespace,
        host=full_host(service),
        virtual_service=service.virtual_service,
        virtual_service_namespace=namespace_of(virtual_service, service.namespace),
        destination_rule=name_of(pair.rule),
        primary_subset=str(pair.primary["name"]),
        canary_subset=str(pair.canary["name"]),
        primary_deployment=service.primary_deployment,
        canary_deployment=service.canary_name(subject.version),
        topology=how,
        route_names=service.routes,
        mirror_percent=service.mirror_percent,
        mirror_methods=service.mirror_methods,
    )
