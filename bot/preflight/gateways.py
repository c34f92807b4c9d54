"""The Gateways a VirtualService names: whether they are there, have pods, and whether any of them lets its hosts in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.cluster.bindings import (
    SIDECARS,
    bindings,
    gateway_key,
    gateway_keys,
    governing,
    lets_in,
    pods_behind,
    selector_of,
    shown_to,
    spaces_of,
)
from bot.cluster.objects import NamespacedName, Object, annotations_of, name_of, namespace_of, service_namespace, title
from bot.model.images import is_ready
from bot.preflight.problems import Problem, blocks, command, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, said

GATEWAY_PODS = "Gateway pod"  # what the snapshot calls them when they may not be read
OTHER_GATEWAYS = "Other VirtualServices' Gateway"  # the same for those that ours does not name
LIST_PODS = '- {apiGroups: [""], resources: [pods], verbs: [list]}'

_EXPORT_TO = "networking.istio.io/exportTo"  # a Service has no such field


def check(subject: Subject) -> Iterator[Problem]:
    """Routes on a Gateway that does not exist, or does not let the host in, apply nowhere.

    Those of a delegate are on its roots' Gateways.
    """
    ours = subject.snapshot.virtual_service
    if ours is None:
        return
    governs = governing(ours, subject.snapshot.virtual_services)
    for virtual_service in governs:
        keys = gateway_keys(virtual_service)
        if keys:
            on_mesh = SIDECARS in bindings(virtual_service)
            yield from _missing(subject, virtual_service, keys, on_mesh=on_mesh)
            yield from _uncovered(subject, virtual_service, keys, on_mesh=on_mesh)
    if any(map(gateway_keys, governs)):
        yield from _deserted(subject)
        yield from _hidden(subject, governs)


def _missing(
    subject: Subject, virtual_service: Object, keys: Sequence[NamespacedName], *, on_mesh: bool
) -> Iterator[Problem]:
    found = {gateway_key(gateway) for gateway in subject.snapshot.gateways}
    absent = [key for key in keys if key not in found]
    if not absent or not subject.snapshot.is_read("Gateway"):
        return
    listed = tuple(f"{space}/{name}" for space, name in absent)
    sentence = said("preflight.no_gateway", gateways=listed, name=name_of(virtual_service))
    remedy = said(
        "preflight.create_gateway",
        field=Code("gateways"),
        long="NAME.NAMESPACE.svc.cluster.local",
        short="NAMESPACE/NAME",
    )
    none_left = len(absent) == len(keys) and not on_mesh
    yield blocks(sentence, remedy=remedy) if none_left else warns(sentence, remedy=remedy)


def _uncovered(
    subject: Subject, virtual_service: Object, keys: Sequence[NamespacedName], *, on_mesh: bool
) -> Iterator[Problem]:
    hosts = [str(host) for host in virtual_service["spec"].get("hosts") or ()]
    home = namespace_of(virtual_service, subject.service.namespace)
    gateways = [one for one in subject.snapshot.gateways if gateway_key(one) in keys]
    covered = [host for host in hosts if any(lets_in(gateway, host, home) for gateway in gateways)]
    if not gateways or len(covered) == len(hosts):
        return
    listed = tuple(host for host in hosts if host not in covered)
    shown = tuple("/".join(gateway_key(gateway)) for gateway in gateways)
    sentence = said("preflight.not_let_in", gateways=shown, hosts=listed)
    remedy = said("preflight.add_host", field=Code("servers[].hosts"), hosts=Code("hosts"))
    yield warns(sentence, remedy=remedy) if covered or on_mesh else blocks(sentence, remedy=remedy)


def _deserted(subject: Subject) -> Iterator[Problem]:
    """A Gateway is only an order; pods with its labels carry it out, of whatever namespace."""
    snapshot = subject.snapshot
    if not snapshot.is_read(GATEWAY_PODS):
        return
    for gateway in snapshot.gateways:
        selector = selector_of(gateway)
        if not selector or any(map(is_ready, pods_behind(gateway, snapshot.gateway_pods))):
            continue
        labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
        shown, find = "/".join(gateway_key(gateway)), command("kubectl", "get", "pods", "-A", "-l", labels)
        seen = snapshot.gateway_pods_in
        if seen is None:
            yield warns(
                said("preflight.gateway_deserted", labels=labels, gateway=shown),
                remedy=said("preflight.find_gateway_pods", command=find),
            )
        else:
            yield warns(
                said("preflight.gateway_pods_unseen", spaces=tuple(seen), labels=labels, gateway=shown),
                remedy=said("preflight.let_list_pods", command=find, rule=Code(LIST_PODS)),
            )


def _hidden(subject: Subject, governs: Sequence[Object]) -> Iterator[Problem]:
    """``exportTo`` hides an object from other namespaces, and gateways are usually in another."""
    snapshot, home = subject.snapshot, subject.service.namespace
    pods = snapshot.gateway_pods
    wanting = sorted({space for gateway in snapshot.gateways for space in spaces_of(gateway, pods)})
    rules = [one for one in snapshot.destination_rules if _at(one, home) == subject.service.rule_at]
    written = [(title(one), _at(one, home)[0], one["spec"].get("exportTo") or ()) for one in (*governs, *rules)]
    if snapshot.service is not None:
        listed = annotations_of(snapshot.service).get(_EXPORT_TO, "").replace(" ", "").split(",")
        space = service_namespace(subject.service)
        written.append((title(snapshot.service), space, [entry for entry in listed if entry]))
    for what, own, spaces in written:
        blind = [space for space in wanting if spaces and not shown_to(space, spaces, own)]
        if blind:
            yield warns(
                said("preflight.hidden", what=what, spaces=tuple(spaces), blind=tuple(blind)),
                remedy=said("preflight.export_it", blind=tuple(blind), field=Code("exportTo")),
            )


def _at(thing: Object, home: str) -> NamespacedName:
    return namespace_of(thing, home), name_of(thing)
