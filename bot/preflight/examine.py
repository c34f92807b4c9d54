"""``examine``: what is where (topology, subsets, images), and every problem that the other modules of preflight see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.cluster.objects import (
    Object,
    app_containers,
    full_host,
    image_pins,
    images,
    name_of,
    named,
    pod_labels,
    pods_of,
    replicas,
    service_name,
    service_namespace,
    uid_of,
)
from bot.model.errors import Cause, Refusal
from bot.model.images import pinned
from bot.model.rollout import PodTemplate, Rollout, Target, Topology
from bot.model.service import ServiceConfig
from bot.preflight import (
    as_written,
    dotted,
    gateways,
    hosts,
    image_pull,
    leak,
    left_out,
    measurements,
    mesh,
    moved,
    other_namespaces,
    ownership,
    permissions,
    pod_counts,
    policies,
    quotas,
    shares,
    sidecars,
    subsets,
    templates,
    waypoints,
    workloads,
)
from bot.preflight.problems import INIT, Problem, blocks, in_a_row, init_remedy, kubectl, warns
from bot.preflight.snapshot import Callers, MetricFacts, Snapshot, Subject
from bot.preflight.subsets import topology
from bot.words.sentence import Code, Text, said

CHECKS = (
    permissions.check,
    ownership.check,
    workloads.check,
    gateways.check,
    mesh.check,
    dotted.check,
    waypoints.check,
    other_namespaces.check,
    sidecars.check,
    policies.check,
    pod_counts.check,
    quotas.check,
    image_pull.check,
    templates.check,
)
ROUTES = "VirtualService"
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
        parked: the pods that a canary without any is to get; 0: it has some.
        if_moved: what to say where all users are found on the canary when it is about to begin.
    """

    target: Target
    recorded: PodTemplate
    upgraded: PodTemplate
    canary: PodTemplate
    problems: tuple[Problem, ...] = ()
    if_moved: Problem | None = None
    parked: int = 0

    @property
    def reasons(self) -> tuple[Text, ...]:
        """Why nothing may begin, with what to do."""
        return tuple(dict.fromkeys(problem.text for problem in self.problems if problem.blocking))

    @property
    def warnings(self) -> tuple[Text, ...]:
        """What a person should read before the first users move; it does not stop a start."""
        return in_a_row(problem for problem in self.problems if not problem.blocking)


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
    subject, found = hosts.find(Subject(service=service, version=version, snapshot=_with_specs(snapshot)))
    service, is_told = subject.service, bool(found)
    sides, others = _sides(subject, is_refused=is_told)
    found += others
    containers, unclear = _containers(subject)
    pins, mixed = _pins(subject, containers)
    unfit = [
        *_unread(snapshot),
        *_missing(subject, is_told=is_told),
        *_wrong_version(subject),
        *found,
        *unclear,
        *mixed,
    ]
    is_first = any(other_namespaces.check(subject))  # `init` takes a route for what it is then
    if is_first or waypoints.owners(subject):  # what would be created beside an HTTPRoute would only be in its way
        unfit = [problem for problem in unfit if problem.about != INIT]
    around = [problem for one in subject.each for check in CHECKS for problem in check(one)]
    around += measurements.check(subject, figures) if figures else ()
    around += leak.check(subject, callers)
    around += moved.check(subject, before)
    around += sides.incomparable if sides else ()
    around += hosts.beside(subject, callers)
    if sides:
        for one, target in zip(subject.each, _target(subject, sides).each, strict=True):
            around += [*left_out.check(one, target), *as_written.check(one, target), *shares.check(one, target)]
    primary, canary = subject.primary, subject.canary
    unfit += [*_same_image(subject, containers, pins), *_mixed_primary(subject, containers)]
    around += templates.left_as_they_are(subject, containers)
    if any(problem.blocking for problem in unfit) or primary is None or canary is None or sides is None:
        raise _refusal(service, version, (*unfit, *_empty(subject), *around))
    labels = sides.moved
    return Examined(
        target=_sized(_target(subject, sides), subject, primary, canary),
        recorded=PodTemplate(
            images={name: images(primary)[name] for name in containers},
            labels={key: pod_labels(primary)[key] for key in labels},
        ),
        upgraded=PodTemplate(images=pins, labels=labels),
        canary=PodTemplate(images=images(canary)),
        problems=(*unfit, *around),
        parked=pod_counts.parked(subject),
        if_moved=moved.explain(subject, sides.canary_place, name_of(canary), before),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """What tells the two sides apart in a route, and what that makes of the primary's upgrade.

    Attributes:
        moved: the labels of the primary that move together with its image.
        canary_place: what people call where the canary's users go.
    """

    topology: Topology
    rule: str
    primary_subset: str = ""
    canary_subset: str = ""
    canary_host: str = ""
    moved: Mapping[str, str] = field(default_factory=dict)
    canary_place: str
    incomparable: tuple[Problem, ...] = ()


def _sides(subject: Subject, *, is_refused: bool) -> tuple[_Sides | None, list[Problem]]:
    """By hosts where each version has a Service, else by subsets; nothing where it is refused to tell."""
    if subject.apart is not None:
        canary = name_of(subject.apart.canary)
        host = full_host(replace(subject.service, primary_host=canary))
        return _Sides(
            topology=Topology.HOSTS,
            rule=subject.service.destination_rule,
            canary_host=host,
            canary_place=canary,
            incomparable=tuple(hosts.incomparable(subject)),
        ), []
    pair, found = subsets.find(subject) if not is_refused else (None, [])
    if pair is None or subject.primary is None:
        return None, found
    how = topology(subject.primary, pair.moved)
    return _Sides(
        topology=how,
        rule=name_of(pair.rule),
        primary_subset=str(pair.primary["name"]),
        canary_subset=str(pair.canary["name"]),
        moved=pair.moved if how is Topology.RELABEL else {},
        canary_place=str(pair.canary["name"]),
        incomparable=tuple(subsets.incomparable(pair)),
    ), found


def _with_specs(snapshot: Snapshot) -> Snapshot:
    """The API server takes a VirtualService without ``spec``, and then nothing is said in it."""
    ours = snapshot.virtual_service
    return replace(
        snapshot,
        virtual_service=None if ours is None else {**ours, "spec": ours.get("spec") or {}},
        siblings=tuple({**one, "spec": one.get("spec") or {}} for one in snapshot.siblings),
        virtual_services=tuple({**one, "spec": one.get("spec") or {}} for one in snapshot.virtual_services),
        destination_rules=tuple({**one, "spec": one.get("spec") or {}} for one in snapshot.destination_rules),
    )


def _refusal(service: ServiceConfig, version: str, problems: Iterable[Problem]) -> Refusal:
    found = tuple(dict.fromkeys(problems))  # each once, in order
    reasons = [problem.text for problem in found if problem.blocking]
    warnings = [said("preflight.warning", text=text) for text in in_a_row(one for one in found if not one.blocking)]
    sentence = said("preflight.not_started", service=service.name, version=version)
    return Refusal(sentence, (*reasons, *warnings))


def _empty(subject: Subject) -> list[Problem]:
    """A canary without pods: told with the live state, unless that is never reached."""
    canary = subject.canary
    if canary is None or replicas(canary) or pod_counts.parked(subject):
        return []
    as_many = f"--replicas={replicas(subject.primary) if subject.primary else 1}"
    command = kubectl("scale", f"deployment/{name_of(canary)}", as_many, namespace=subject.service.namespace)
    sentence = said("preflight.no_replicas", name=name_of(canary))
    return [blocks(sentence, remedy=said("preflight.scale_it_up", command=command))]


def _unread(snapshot: Snapshot) -> list[Problem]:
    problems = []
    for one in snapshot.unread:
        forbidden = one.cause is Cause.FORBIDDEN
        if one.kind in REQUIRED:
            group, resource = REQUIRED[one.kind]
            rule = f"- {{apiGroups: [{group}], resources: [{resource}], verbs: [get, list]}}"
            remedy = said("preflight.add_rule", rule=Code(rule)) if forbidden else said("preflight.try_again")
            problems.append(blocks(one.sentence, remedy=remedy))
        else:
            problems.append(
                warns(
                    said("preflight.unread", kind=one.kind, why=one.sentence),
                    remedy=said("preflight.rule_in", file=Code("deploy/rbac.yaml"))
                    if forbidden
                    else said("preflight.look_for_them", command=Code("kubectl")),
                )
            )
    return problems


def _missing(subject: Subject, *, is_told: bool) -> list[Problem]:
    """``is_told``: what is wrong with the Services of versions, which makes the one for all of them needless."""
    service, version, snapshot = subject.service, subject.version, subject.snapshot
    problems = []
    if snapshot.is_read("Deployment"):
        primary, canary = service.primary_deployment, service.canary_name(version)
        absent = [name for name, side in ((primary, subject.primary), (canary, subject.canary)) if side is None]
        problems += [_no_deployment(subject, name) for name in dict.fromkeys(absent)]
    if snapshot.service is None and snapshot.is_read("Service") and not is_told:
        problems.append(
            blocks(
                said("preflight.no_service", name=service_name(service), space=service_namespace(service)),
                remedy=said("preflight.name_service", key=Code("host")),
            )
        )
    absent_routes = [one.service for one in subject.each if one.snapshot.virtual_service is None]
    return [*problems, *(_no_routes(subject, *one.routes_at) for one in absent_routes if snapshot.is_read(ROUTES))]


def _no_routes(subject: Subject, space: str, name: str) -> Problem:
    """Of several `init` creates none: it cannot know how they share the work."""
    service, sentence = subject.service, said("preflight.no_virtual_service", name=name, space=space)
    if service.siblings:
        return blocks(sentence, remedy=said("preflight.correct_list", key=Code("virtual_services")), about=INIT)
    there = mesh.routing(subject)
    remedy = mesh.naming_remedy(there, service) if there else init_remedy(service.name)
    return blocks(sentence, remedy=remedy, about=INIT)


def _no_deployment(subject: Subject, name: str) -> Problem:
    service = subject.service
    other = named(subject.snapshot.other_workloads, name)
    if other is not None:
        return blocks(
            said("preflight.other_workload", name=name, kind=str(other["kind"])),
            remedy=said("preflight.use_deployment", kind=str(other["kind"])),
        )
    if name == service.primary_deployment:
        return blocks(
            said("preflight.no_primary", name=name, space=service.namespace),
            remedy=said("preflight.correct_primary", primary=Code("primary.deployment"), space=Code("namespace")),
        )
    return blocks(
        said("preflight.no_canary", name=name, space=service.namespace),
        remedy=said("preflight.deploy_canary", version=subject.version),
    )


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
            said("preflight.wrong_version", name=name_of(canary), label=str(label), version=subject.version),
            remedy=said("preflight.start_that", label=str(label), version=subject.version),
        )
    ]


def _containers(subject: Subject) -> tuple[tuple[str, ...], list[Problem]]:
    """The containers whose images move, which both Deployments must have; none of them where that is not so."""
    if subject.primary is None:
        return (), []
    wanted = _wanted_containers(subject.service, subject.primary)
    if not wanted:
        return (), [_which_container(subject.primary)]
    lacking = [_no_container(side, name) for side in subject.sides for name in wanted if name not in images(side)]
    return (() if lacking else wanted), lacking


def _wanted_containers(service: ServiceConfig, primary: Object) -> tuple[str, ...]:
    """Those that are named, or the only one; none where nobody says which."""
    if service.containers:
        return service.containers
    there = _app_container_names(primary)
    return there if len(there) == 1 else ()


def _app_container_names(deployment: Object) -> tuple[str, ...]:
    return tuple(str(one["name"]) for one in app_containers(deployment))


def _which_container(primary: Object) -> Problem:
    keys = (Code("primary: {container: NAME}"), Code("primary: {containers: [NAME, NAME]}"))
    return blocks(
        said("preflight.which_container", name=name_of(primary), containers=_app_container_names(primary)),
        remedy=said("preflight.name_container", keys=keys),
    )


def _no_container(side: Object, name: str) -> Problem:
    return blocks(
        said("preflight.no_container", name=name_of(side), wanted=name, containers=tuple(images(side))),
        remedy=said("preflight.correct_container", key=Code("primary.container")),
    )


def _pins(subject: Subject, containers: Sequence[str]) -> tuple[dict[str, str], list[Problem]]:
    """The canary's images by the digest its pods run, so that the bits that were tested are the bits promoted."""
    canary = subject.canary
    if canary is None:
        return {}, []
    pods = pods_of(canary, subject.snapshot.pods)
    try:
        return {name: pinned(images(canary)[name], name, pods) for name in containers}, []
    except Refusal as refusal:
        remedy = said("preflight.restart_it", command=_restart(subject, canary))
        return {}, [blocks(refusal.sentence, remedy=remedy)]


def _same_image(subject: Subject, containers: Sequence[str], pins: Mapping[str, str]) -> list[Problem]:
    primary, canary = subject.primary, subject.canary
    if not containers or primary is None or canary is None or not subject.service.upgrades:
        return []
    ours, theirs = ({name: images(side)[name] for name in containers} for side in (primary, canary))
    before, after = (
        [image_pins(side, subject.snapshot.pods, name) for name in containers] for side in (primary, canary)
    )
    if ours == theirs and all(before) and all(after) and before != after:
        return [
            blocks(
                said(
                    "preflight.one_tag", primary=name_of(primary), canary=name_of(canary), images=tuple(theirs.values())
                ),
                remedy=said("preflight.own_tags"),
            )
        ]
    if ours not in (theirs, pins) and not (all(before) and before == after):
        return []
    return [
        blocks(
            said(
                "preflight.promoted_already",
                primary=name_of(primary),
                version=subject.version,
                images=tuple(theirs.values()),
            ),
            remedy=said("preflight.nothing_to_promote"),
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
            said("preflight.mixed_primary", name=name_of(primary), image=images(primary)[name]),
            remedy=said("preflight.unmix", command=_restart(subject, primary)),
        )
        for name, digests in shown.items()
        if len(digests) > 1
    ]


def _restart(subject: Subject, side: Object) -> Code:
    return kubectl("rollout", "restart", f"deployment/{name_of(side)}", namespace=subject.service.namespace)


def _sized(target: Target, subject: Subject, primary: Object, canary: Object) -> Target:
    """The target with how large both sides are, and which objects they are."""
    return replace(
        target,
        primary_replicas=replicas(primary),
        canary_replicas=replicas(canary) or pod_counts.parked(subject),
        primary_minimum=pod_counts.least(subject, primary),
        primary_uid=uid_of(primary),
        canary_uid=uid_of(canary),
    )


def _target(subject: Subject, sides: _Sides) -> Target:
    service = subject.service
    return Target(
        namespace=service.namespace,
        host=full_host(service),
        virtual_service=service.virtual_service,
        virtual_service_namespace=service.routes_at[0],
        destination_rule=sides.rule,
        primary_subset=sides.primary_subset,
        canary_subset=sides.canary_subset,
        primary_deployment=service.primary_deployment,
        canary_deployment=service.canary_name(subject.version),
        topology=sides.topology,
        canary_host=sides.canary_host,
        canary_port=hosts.canary_port(subject),
        route_names=service.routes,
        mirror_percent=service.mirror_percent,
        mirror_methods=service.mirror_methods,
        siblings=service.siblings,
    )
