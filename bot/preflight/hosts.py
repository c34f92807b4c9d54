"""Versions as hosts: a Service for each version, and routes that share users out between the two. Found by selectors.

It is so where a route names a Service of the primary's pods alone, and the canary has a Service of its own. Where the
canary's is in the routes, it is meant so even if one of the two has the other's pods as well, which is then refused.
What is ambiguous is asked for: ``host`` under ``primary`` and ``canary`` in services.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bot.cluster.bindings import SIDECARS, bindings
from bot.cluster.objects import (
    Object,
    called,
    full_name,
    labels_of,
    name_of,
    namespace_of,
    owners_of,
    pod_labels,
    pods_of,
    replicas,
    selector_of,
    within,
)
from bot.cluster.objects import named as named_in
from bot.cluster.version_hosts import entries_of, primarys, routed, selects, service_at
from bot.cluster.virtual_service.managed import has_users
from bot.model.images import is_ready
from bot.model.service import ServiceConfig
from bot.preflight.problems import Problem, blocks, init_remedy, kubectl, warns
from bot.preflight.snapshot import Apart, Callers, Snapshot, Subject
from bot.words.sentence import Code, Sentence, said

SERVICES = "Other Service"  # what the snapshot calls them when they may not be listed
UNSAID = 0  # a Service with one port needs none in a route
_OTHERS_LABELS = ("pod-template-hash", "rollouts-pod-template-hash")


def find(subject: Subject) -> tuple[Subject, list[Problem]]:
    """The subject as it is with a Service for each version, and what is wrong with those; else as it was."""
    chosen, problems = _choose(subject)
    if chosen is None:
        return subject, problems
    service = replace(subject.service, primary_host=name_of(chosen.primary))
    snapshot = replace(subject.snapshot, service=chosen.primary)
    apart = replace(subject, service=service, snapshot=snapshot, apart=chosen)
    found = (_overlaps, _foreign, _strangers, _strays, _ports)
    return apart, [*problems, *(problem for check in found for problem in check(apart, chosen))]


def _choose(subject: Subject) -> tuple[Apart | None, list[Problem]]:
    primary, canary = subject.primary, subject.canary
    if primary is None or canary is None or primary is canary:
        return None, []
    wanted = subject.service.primary_host, subject.service.canary_service(subject.version)
    missing = [name for name in wanted if name and named_in(subject.snapshot.services, name) is None]
    if missing:
        return None, [_not_there(subject, name) for name in missing if subject.snapshot.is_read(SERVICES)]
    in_routes = _routed(subject)
    ours = _primarys(subject, in_routes)
    theirs = [one for one in _canarys(subject, in_routes) if one is not ours]
    if ours is None or not theirs:
        return None, _lacking(subject, primary, canary)
    if len(theirs) > 1:
        return None, [_which(subject, theirs)]
    is_routed = any(theirs[0] is one for one in in_routes) and _is_own(theirs[0], canary, primary)
    apart = any(wanted) or _is_own(ours, primary, canary) or is_routed
    return (Apart(primary=ours, canary=theirs[0]), []) if apart else (None, [])


def _primarys(subject: Subject, in_routes: Sequence[Object]) -> Object | None:
    """The one that routes name: its own before one that has other pods too, and the one of services.yaml first."""
    primary, canary, service = subject.primary, subject.canary, subject.service
    if service.primary_host or primary is None or canary is None:
        return named_in(subject.snapshot.services, service.primary_host)
    fitting = [one for one in in_routes if selects(one, primary)]
    own = [one for one in fitting if not selects(one, canary)]
    known = (service.host or service.name).partition(".")[0]
    return named_in(own, known) or next(iter(own or fitting), None)


def _canarys(subject: Subject, in_routes: Sequence[Object]) -> list[Object]:
    """Every one that may be meant: what routes name goes first, and its own before one that has other pods too."""
    primary, canary, services = subject.primary, subject.canary, subject.snapshot.services
    named = subject.service.canary_service(subject.version)
    if named or primary is None or canary is None:
        return [one for one in services if name_of(one) == named]
    own = [one for one in services if _is_own(one, canary, primary)]
    meant = [one for one in own if any(one is other for other in in_routes)]
    others = [one for one in in_routes if selects(one, canary) and not _is_own(one, canary, primary)]
    shared = [one for one in others if _own_beside(one, primary, in_routes)]
    return meant or own or shared


def _own_beside(shared: Object, primary: Object, in_routes: Sequence[Object]) -> bool:
    """Whether routes name a Service that is the primary's beside one that has both versions' pods."""
    selector = selector_of(shared)
    return any(selects(one, primary) and one is not shared and selector_of(one) != selector for one in in_routes)


def _is_own(service: Object, side: Object, other: Object) -> bool:
    return selects(service, side) and not selects(service, other)


def _routed(subject: Subject) -> list[Object]:
    """The Services that http routes name, in that order; none where it is subsets that tell versions apart."""
    ours = subject.snapshot.virtual_service
    if ours is None or any(_is_split_by_subsets(entry, ours, subject) for entry in entries_of(ours)):
        return []
    return routed(ours, subject.snapshot.services, subject.service.namespace)


def _is_split_by_subsets(entry: Object, ours: Object, subject: Subject) -> bool:
    """Whether an entry names a subset of a Service that has both versions: then subsets tell them apart."""
    destination = entry.get("destination") or {}
    host = service_at(entry, ours, subject.service.namespace)
    backend = named_in(subject.snapshot.services, host) if host and destination.get("subset") else None
    return backend is not None and len(subject.sides) > 1 and all(selects(backend, side) for side in subject.sides)


# What is wrong with them


def _not_there(subject: Subject, name: str) -> Problem:
    return blocks(
        said("preflight.no_service", name=name, space=subject.service.namespace),
        remedy=said("preflight.name_service", key=Code("host")),
    )


def _lacking(subject: Subject, primary: Object, canary: Object) -> list[Problem]:
    """Where routes share users out between Services and the canary has none."""
    found = subject.snapshot.services
    ours = primarys(subject.service, subject.snapshot.virtual_service, found, primary)
    if ours is None or selects(ours, canary):
        return []
    sentence = said("preflight.no_own_service", name=name_of(canary), service=name_of(ours), primary=name_of(primary))
    labels = tuple(key for key in selector_of(ours) if key not in pod_labels(canary))
    remedy = init_remedy(subject.service.name)
    if labels:  # `init` makes no Service for pods that it cannot select as those of the primary are
        remedy = said("preflight.asked_labels", name=name_of(canary), service=name_of(ours), labels=labels)
    return [blocks(sentence, remedy=remedy)]


def _which(subject: Subject, found: Iterable[Object]) -> Problem:
    canary = subject.service.canary_name(subject.version)
    return blocks(
        said("preflight.several_services", name=canary, services=tuple(map(name_of, found))),
        remedy=said("preflight.name_canary_service", key=Code("canary: {host: NAME}")),
    )


def _overlaps(subject: Subject, apart: Apart) -> Iterator[Problem]:
    """A version's Service that has pods of the other sends its users to both, whatever the weights."""
    for service, side, other in _sides(subject, apart):
        if not selects(service, side):
            yield blocks(
                said("preflight.unselected", service=name_of(service), name=name_of(side)),
                remedy=said("preflight.own_service", name=name_of(side)),
            )
        elif selects(service, other):
            yield blocks(
                said("preflight.service_of_both", service=name_of(service), name=name_of(side), other=name_of(other)),
                remedy=_narrowing_remedy(subject, service, side, other),
            )


def _narrowing_remedy(subject: Subject, service: Object, side: Object, other: Object) -> Sentence:
    """How the Service is made one version's: by a label that tells the pods apart, where there is one."""
    theirs = pod_labels(other)
    labels = sorted(key for key, value in pod_labels(side).items() if theirs.get(key) != value)
    if not labels:
        return said("preflight.own_version_label", label=Code("version"))
    key = "version" if "version" in labels else labels[0]
    patch = f'{{"spec":{{"selector":{{"{key}":"{pod_labels(side)[key]}"}}}}}}'
    command = kubectl("patch", "service", name_of(service), "-p", f"'{patch}'", namespace=subject.service.namespace)
    return said("preflight.narrow_service", command=command, service=name_of(service), name=name_of(side))


def _sides(subject: Subject, apart: Apart) -> Iterator[tuple[Object, Object, Object]]:
    """Each Service with its Deployment and the other one."""
    primary, canary = subject.primary, subject.canary
    if primary is not None and canary is not None:
        yield apart.primary, primary, canary
        yield apart.canary, canary, primary


def _foreign(subject: Subject, apart: Apart) -> Iterator[Problem]:
    for service, _, _ in _sides(subject, apart):
        for label in _OTHERS_LABELS:
            if label in selector_of(service):
                yield blocks(
                    said("preflight.foreign_selector", service=name_of(service), label=label),
                    remedy=said("preflight.own_version_label", label=Code("version")),
                )


def _strangers(subject: Subject, apart: Apart) -> Iterator[Problem]:
    """A third Deployment whose pods join one of the two would get users nobody planned for."""
    ours = {name_of(side) for side in subject.sides}
    for other in subject.snapshot.deployments:
        for service, _, opposite in _sides(subject, apart):
            if name_of(other) in ours or not replicas(other) or not selects(service, other):
                continue
            scale = kubectl(
                "scale", f"deployment/{name_of(other)}", "--replicas=0", namespace=subject.service.namespace
            )
            if selects(service, opposite):
                continue  # told as a Service that has pods of both
            yield blocks(
                said(
                    "preflight.stranger_in_service",
                    name=name_of(other),
                    service=name_of(service),
                ),
                remedy=said("preflight.scale_stranger", command=scale),
            )


def _strays(subject: Subject, apart: Apart) -> Iterator[Problem]:
    """Services go by the labels that pods have, and somebody may have changed those by hand."""
    for service, side, other in _sides(subject, apart):
        if not selects(service, side) or selects(service, other):
            continue
        pods = [pod for pod in pods_of(side, subject.snapshot.pods) if owners_of(pod)]
        for pod in pods:
            if is_ready(pod) and not within(selector_of(service), labels_of(pod)):
                yield blocks(
                    said("preflight.stray_of_service", pod=name_of(pod), name=name_of(side), service=name_of(service)),
                    remedy=said(
                        "preflight.delete_stray",
                        command=kubectl("delete", "pod", name_of(pod), namespace=subject.service.namespace),
                    ),
                )


# Ports


def _ports(subject: Subject, apart: Apart) -> Iterator[Problem]:
    """Where the canary's entry has to be made, and which of its Service's ports it needs cannot be told."""
    name, ports = name_of(apart.canary), _numbers_of(apart.canary)
    field = Code(f"{{destination: {{host: {name}, port: {{number: PORT}}}}, weight: 0}}")
    remedy = said("preflight.write_canary_entry", field=field)
    for number in sorted(_numbers(subject) - ports) if len(ports) != 1 else ():
        if number == UNSAID:
            yield blocks(said("preflight.port_unsaid", service=name), remedy=remedy)
        else:
            yield blocks(said("preflight.no_such_port", service=name, port=str(number)), remedy=remedy)


def canary_port(subject: Subject) -> int:
    """The port of an entry for the canary that has to be made, where it is another than the primary's; else 0."""
    ports = _numbers_of(subject.apart.canary) if subject.apart else set()
    return next(iter(ports)) if len(ports) == 1 and _numbers(subject) - ports - {UNSAID} else 0


def _numbers(subject: Subject) -> set[int]:
    """The ports at which routes without the canary have the primary; ``UNSAID`` where they name none."""
    ours, apart = subject.snapshot.virtual_service, subject.apart
    if ours is None or apart is None:
        return set()
    found = set()
    for route in ours["spec"].get("http") or ():
        entries = {service_at(one, ours, subject.service.namespace): one for one in route.get("route") or ()}
        if name_of(apart.primary) in entries and name_of(apart.canary) not in entries:
            port = (entries[name_of(apart.primary)].get("destination") or {}).get("port") or {}
            found.add(int(port.get("number") or UNSAID))
    return found


def _numbers_of(service: Object) -> set[int]:
    return {int(one.get("port") or 0) for one in (service.get("spec") or {}).get("ports") or ()}


def incomparable(subject: Subject) -> Iterator[Problem]:
    """Rules of traffic that one version's Service has and the other's has not."""
    if subject.apart is None:
        return
    ours, theirs = (_policy(subject, one) for one in (subject.apart.primary, subject.apart.canary))
    differing = tuple(sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)))
    if differing:
        names = name_of(subject.apart.primary), name_of(subject.apart.canary)
        yield warns(
            said("preflight.host_policies_differ", primary=names[0], canary=names[1], differing=differing),
            remedy=said("preflight.same_host_policy"),
        )


def _policy(subject: Subject, service: Object) -> Object:
    home, names = subject.service.namespace, set()
    for rest in (home, f"{home}.svc", f"{home}.svc.cluster.local"):
        names.add(f"{name_of(service)}.{rest}")
    rules = [
        one
        for one in subject.snapshot.destination_rules
        if full_name(str(one["spec"].get("host", "")), namespace_of(one, home)) in names
    ]
    return (rules[0]["spec"].get("trafficPolicy") or {}) if rules else {}


# Services that have pods of both, or of the primary, beside those that routes move


def roots(service: ServiceConfig, version: str, snapshot: Snapshot) -> tuple[str, ...]:
    """The names of Services that have pods of both versions, where each version has one of its own."""
    subject, _ = find(Subject(service=service, version=version, snapshot=snapshot))
    return tuple(name_of(one) for one in _of_both(subject))


def _of_both(subject: Subject) -> list[Object]:
    apart = subject.apart
    if apart is None:
        return []
    others = [one for one in subject.snapshot.services if name_of(one) not in set(map(name_of, subject.backends))]
    return [one for one in others if all(selects(one, side) for side in subject.sides)]


def beside(subject: Subject, callers: Callers) -> Iterator[Problem]:
    """Users who would meet the canary without any weight: those who reach a Service that has pods of both versions."""
    shared = _of_both(subject)
    for other in (*subject.snapshot.ours, *subject.snapshot.virtual_services):
        for root in shared:
            if _sends(other, root, subject):
                yield blocks(
                    said(
                        "preflight.sent_to_both",
                        name=called(other, subject.service.namespace),
                        service=name_of(root),
                        canary=subject.service.canary_name(subject.version),
                    ),
                    remedy=said("preflight.send_to_primary", field=Code(f"host: {name_of(subject.backends[0])}")),
                )
    for root in shared:
        yield from _called_by_name(root, subject, callers)
    yield from _left_on_primary(subject)


def _called_by_name(root: Object, subject: Subject, callers: Callers) -> Iterator[Problem]:
    """Whoever calls the Service by its name, and no route says otherwise, gets any pod of it."""
    if _governed(root, subject):
        return
    calling = {name: n for name, n in callers.of_roots.get(name_of(root), {}).items() if n > 0}
    canary, side = subject.service.canary_name(subject.version), subject.primary
    other = subject.canary
    if side is None or other is None:
        return
    remedy = said(
        "preflight.govern_or_narrow",
        host=name_of(root),
        mesh=Code("mesh"),
        narrow=_narrowing_remedy(subject, root, side, other),
    )
    if calling:
        names = tuple(sorted(calling))
        sentence = said("preflight.both_are_called", service=name_of(root), canary=canary, callers=names)
        yield blocks(sentence, remedy=remedy)
    else:
        yield warns(said("preflight.both_may_be_called", service=name_of(root), canary=canary), remedy=remedy)


def _governed(root: Object, subject: Subject) -> bool:
    """Whether our routes apply to those who call it by its name."""
    home = subject.service.namespace
    on_mesh = [one for one in subject.snapshot.governs if SIDECARS in bindings(one)]
    written = [(str(host), namespace_of(one, home)) for one in on_mesh for host in one["spec"].get("hosts") or ()]
    hosts = {full_name(host, space) for host, space in written}
    return bool(hosts & {f"{name_of(root)}.{home}.svc.cluster.local", f"{name_of(root)}.{home}"})


def _sends(virtual_service: Object, root: Object, subject: Subject) -> bool:
    return any(
        service_at(one, virtual_service, subject.service.namespace) == name_of(root) and has_users(one, route)
        for kind in ("http", "tls", "tcp")
        for route in (virtual_service.get("spec") or {}).get(kind) or ()
        for one in route.get("route") or ()
        if not (one.get("destination") or {}).get("subset")
    )


def _left_on_primary(subject: Subject) -> Iterator[Problem]:
    """Routes to another Service of the primary's pods keep users there, while it is upgraded too."""
    ours, apart, primary, canary = subject.snapshot.virtual_service, subject.apart, subject.primary, subject.canary
    if ours is None or apart is None or primary is None or canary is None:
        return
    says = blocks if subject.service.upgrades else warns
    moved = set(map(name_of, subject.backends))
    others = [one for one in subject.snapshot.services if name_of(one) not in moved and _is_own(one, primary, canary)]
    for other in others:
        if _sends(ours, other, subject):
            yield says(
                said("preflight.sent_elsewhere", name=name_of(ours), service=name_of(other), primary=name_of(primary)),
                remedy=said("preflight.send_to_primary", field=Code(f"host: {name_of(apart.primary)}")),
            )
