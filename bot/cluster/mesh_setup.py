"""What a service's mesh objects lack before its first release, as writes in an order in which no user is hurt. Pure.

Whatever is there is patched, never doubled: a second VirtualService or DestinationRule beside somebody's is joined with
theirs in an order that nobody chose. First subsets, which change nothing for anybody; then, when every proxy has
them, each route to the service names the primary's subset; only then may the Service select other versions' pods, which
until then would have got users without a route that says so (docs/mesh.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum

from bot.cluster import version_hosts
from bot.cluster.bindings import SIDECARS, bindings, gateway_key, governing, served_hosts, shown_to
from bot.cluster.dotted_hosts import dotted_hosts, half_written
from bot.cluster.objects import (
    NamespacedName,
    Object,
    called,
    full_host,
    full_name,
    means,
    name_of,
    named,
    namespace_of,
    pod_labels,
    selector_of,
    service_name,
    service_namespace,
    within,
)
from bot.cluster.rule_lookup import closest, is_wide, obeyed
from bot.cluster.virtual_service.managed import STREAMS, has_users, title
from bot.model.errors import Refusal
from bot.model.service import ServiceConfig
from bot.words.sentence import Code, Text, said

GATEWAY_NAMESPACE = "istio-system"  # where Istio's own pages put it
VERSION_LABEL = "version"  # what Istio's own pages tell versions apart by
EVERYONE = 100  # percent


class Kind(StrEnum):
    """What a write does for users."""

    GATEWAY = "gateway"  # there is a way in, and nothing behind it yet
    SERVICE = "service"  # nothing; a version has a host of its own, which no route names
    SUBSETS = "subsets"  # nothing; proxies learn of them
    ROUTES = "routes"  # users are where they were, by name
    SELECTOR = "selector"  # the Service knows the other versions' pods; routes keep users off them


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One object as it has to be.

    Attributes:
        thing: the whole object; with the ``resourceVersion`` it was read at, where it is there already.
        before: as it is now; None: it is to be created.
        about: what is new in it, as a sentence.
    """

    kind: Kind
    thing: Object
    before: Object | None
    about: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is there: the Service for all versions, if there is one, and everything that may be about it.

    Routes, rules and Gateways are those of the mesh, ``services`` those of the Namespace; ``root`` is where rules for
    the whole mesh are.
    """

    backend: Object | None
    deployments: Sequence[Object]
    rules: Sequence[Object]
    virtual_services: Sequence[Object]
    gateways: Sequence[Object]
    services: Sequence[Object] = ()
    root: str = GATEWAY_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What has to be written, in order, and whom it must bring no user to.

    Attributes:
        others: the Deployments of other versions that no route names, so that nobody may be on them afterwards.
        in_the_mesh: whether callers inside the mesh follow routes too; else they reach whatever the Service selects.
    """

    writes: tuple[Write, ...]
    others: frozenset[str]
    in_the_mesh: bool


def setup(service: ServiceConfig, found: Found, api: str) -> Setup:
    """What is missing; no writes where everything is there.

    Args:
        service: whose.
        found: what is there.
        api: Istio's API version for what is created, such as ``v1``.

    Raises:
        Refusal: the pods' labels tell no versions apart, it cannot be told which object to patch, or one names nobody.
    """
    for thing, host in dotted_hosts((*found.virtual_services, *found.rules), service):
        # What would be written beside it would be a second object for the same service once the dot is taken off.
        remedy = said("cluster.without_dot", host=Code(host.removesuffix(".")))
        raise Refusal(said("cluster.dotted_host", thing=title(thing), host=Code(host)), (remedy,))
    for thing, host in half_written((*found.virtual_services, *found.rules), service):
        remedy = said("cluster.without_dot", host=Code(full_host(service)))
        raise Refusal(said("cluster.half_written_host", thing=title(thing), host=Code(host)), (remedy,))
    own = _primarys_own(service, found)
    if own is not None and (found.backend is not None or not _has_every_version(service, found, own)):
        return Setup(writes=tuple(_service_writes(service, found, own)), others=frozenset(), in_the_mesh=True)
    if found.backend is None:
        remedy = (
            said("cluster.write_host", field=Code(f"host: {name_of(own)}"))
            if own is not None
            else said("cluster.name_service", key=Code("host"))
        )
        name, space = service_name(service), service_namespace(service)
        raise Refusal(said("cluster.no_service", name=name, namespace=space), (remedy,))
    versions = _versions(service, found.backend, found)
    rule = _rule(service, found)
    names = _subset_names(versions, rule)
    primary = names[service.primary_deployment]
    subsets = [*_rule_writes(service, found, versions, names, api)]
    routes = [*_route_writes(service, found, primary, api), *_others_route_writes(service, found, primary)]
    _refuse_unknown_subset(service, found, (*subsets, *routes), primary)
    writes = (*_gateway_writes(service, found, api), *subsets, *routes, *_selector_writes(found.backend, versions))
    named = {primary, *_subsets_with_routes(service, found)}
    others = frozenset(one for one, subset in names.items() if subset not in named)
    return Setup(writes=writes, others=others, in_the_mesh=_routes_sidecars(service, found))


def _routes_sidecars(service: ServiceConfig, found: Found) -> bool:
    """Whether any VirtualService applies to the sidecars of those who call the service by its own name."""
    return any(
        SIDECARS in bindings(one) and means(host, namespace_of(one, service.namespace), service)
        for root in found.virtual_services
        for one in governing(root, found.virtual_services)
        for host in one["spec"].get("hosts") or ()
    )


def _subsets_with_routes(service: ServiceConfig, found: Found) -> set[str]:
    """Where somebody sends users by name, such as testers with a header."""
    destinations = [
        (entry.get("destination") or {}, namespace_of(one, service.namespace))
        for one in found.virtual_services
        for route in _http(one)
        for entry in route.get("route") or ()
    ]
    return {str(one.get("subset")) for one, home in destinations if means(one.get("host"), home, service)}


def _primarys_own(service: ServiceConfig, found: Found) -> Object | None:
    """The primary's Service, where each version has one; nothing is asked of subsets then."""
    primary = named(found.deployments, service.primary_deployment)
    return version_hosts.primarys(service, _named(service, found), found.services, primary) if primary else None


def _has_every_version(service: ServiceConfig, found: Found, own: Object) -> bool:
    """Whether the Service that routes name for the primary is the one for all versions, under another name."""
    others = (one for one in found.deployments if version_hosts.may_be_canary(service, name_of(one)))
    return not service.primary_host and any(version_hosts.selects(own, one) for one in others)


def _service_writes(service: ServiceConfig, found: Found, own: Object) -> Iterator[Write]:
    """A Service like the primary's for each version that has none."""
    for one in version_hosts.lacking(service, own, found.services, found.deployments):
        kept = ("ports", "type", "sessionAffinity")
        ports = [{k: v for k, v in port.items() if k != "nodePort"} for port in own["spec"].get("ports") or ()]
        spec = {key: own["spec"][key] for key in kept if key in own["spec"]} | {"ports": ports}
        made = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": one.service, "namespace": service.namespace},
            "spec": {**spec, "selector": dict(one.selector)},
        }
        about = said("cluster.service_is_new", deployment=one.deployment)
        yield Write(kind=Kind.SERVICE, thing=made, before=None, about=about)


def _versions(service: ServiceConfig, backend: Object, found: Found) -> Mapping[str, str]:
    """The version label of each Deployment of the service, by its name."""
    wanted = {k: v for k, v in selector_of(backend).items() if k != VERSION_LABEL}
    versions = {
        name_of(one): pod_labels(one)[VERSION_LABEL]
        for one in found.deployments
        if wanted and within(wanted, pod_labels(one)) and VERSION_LABEL in pod_labels(one)
    }
    if service.primary_deployment not in versions:
        raise Refusal(
            said("cluster.no_version_label", deployment=service.primary_deployment, service=service_name(service))
        )
    return versions


def _rule(service: ServiceConfig, found: Found) -> Object | None:
    """The one to patch; that of a namespace none of our callers obeys is somebody's own, and nobody else's."""
    rules = [one for one in _about(service, found) if one in _for_all_callers(found)]
    keys = {*service.virtual_service_keys}
    ours = [one for one in found.virtual_services if _key(one, service) in keys]
    callers = {space for one in ours for space in _callers(one, found, rules, service)}
    looked_in = {*callers, service_namespace(service), found.root, service.rule_at[0]}
    beside = [one for one in rules if namespace_of(one, service.namespace) == service.rule_at[0]]
    rules = beside or [one for one in rules if namespace_of(one, service.namespace) in looked_in]
    if len(rules) > 1:
        raise Refusal(
            said("cluster.several_rules", host=service_name(service), names=tuple(name_of(one) for one in rules))
        )
    return rules[0] if rules else None


def _about(service: ServiceConfig, found: Found) -> list[Object]:
    """The DestinationRules about the service, of whatever namespace."""
    return [
        one
        for one in found.rules
        if means((one.get("spec") or {}).get("host"), namespace_of(one, service.namespace), service)
    ]


def _refuse_unknown_subset(service: ServiceConfig, found: Found, writes: Sequence[Write], primary: str) -> None:
    """Whoever obeys a rule without the subset is answered 503 (NC) by a route that names it, whatever other rules say.

    ``writes`` are those of subsets and of routes; what others keep for callers of their own is not patched.
    """
    written = {_key(write.thing, service): write.thing for write in writes if write.kind is Kind.SUBSETS}
    rules = [*({_key(one, service): one for one in _for_all_callers(found)} | written).values()]
    for write in writes:
        if write.kind is not Kind.ROUTES:
            continue
        for space in _callers(write.thing, found, rules, service):
            for rule in obeyed(space, rules, service, found.root):
                if primary not in {str(one["name"]) for one in _subsets(rule)}:
                    shown, routes = _shown(rule, service), _shown(write.thing, service)
                    sentence = said("cluster.rule_lacks_subset", rule=shown, space=space, subset=primary, name=routes)
                    raise Refusal(sentence, (_teaching(rule, space, primary, service),))


def _teaching(rule: Object, space: str, primary: str, service: ServiceConfig) -> Text:
    """How its callers get to know the subset; in a rule for many hosts it would be a subset of all of them."""
    if is_wide(rule):
        return said("cluster.own_rule_first", host=Code(full_host(service)), subset=Code(primary), space=space)
    return said("cluster.add_subset_first", subset=Code(primary), rule=_shown(rule, service))


def _for_all_callers(found: Found) -> list[Object]:
    return [one for one in found.rules if not (one.get("spec") or {}).get("workloadSelector")]


def _callers(virtual_service: Object, found: Found, rules: Sequence[Object], service: ServiceConfig) -> list[str]:
    """The namespaces whose proxies may take its routes.

    A gateway's pods are beside its Gateway as a rule, beside the routes, or where Istio is; sidecars are anywhere, and
    only where there is a rule can they obey another than the rest does.
    """
    home = service.namespace
    spaces = dict[str, None]()
    for root in governing(virtual_service, found.virtual_services):
        own = namespace_of(root, home)
        exported = [str(entry) for entry in root["spec"].get("exportTo") or ["*"]]
        for key in bindings(root):
            if key == SIDECARS:
                theirs = (namespace_of(one, home) for one in rules if closest([one], service))
                spaces |= dict.fromkeys(one for one in (own, *theirs) if shown_to(one, exported, own))
            else:
                spaces |= dict.fromkeys((key[0], own, GATEWAY_NAMESPACE))
    return list(spaces)


def _key(thing: Object, service: ServiceConfig) -> NamespacedName:
    return namespace_of(thing, service.namespace), name_of(thing)


def _shown(thing: Object, service: ServiceConfig) -> str:
    return f"{thing.get('kind', 'object')} {called(thing, service.namespace)}"


def _subset_names(versions: Mapping[str, str], rule: Object | None) -> Mapping[str, str]:
    """The subset of each Deployment: the rule's own where one is about its label, else called like the version."""
    known = [one for one in _subsets(rule) if VERSION_LABEL in (one.get("labels") or {})]
    return {
        deployment: next((str(one["name"]) for one in known if one["labels"][VERSION_LABEL] == version), version)
        for deployment, version in versions.items()
    }


def _subsets(rule: Object | None) -> list[Object]:
    return ((rule or {}).get("spec") or {}).get("subsets") or []


def _gateway_writes(service: ServiceConfig, found: Found, api: str) -> Iterator[Write]:
    """Only where there is neither a VirtualService nor any Gateway: whoever has one has a way in."""
    if _named(service, found) is None and not found.gateways:
        _refuse_beside_another(service, found)
        made = _new_gateway(service, api)
        about = said("cluster.gateway_is_new", hosts=(full_host(service),), field=Code("hosts"))
        yield Write(kind=Kind.GATEWAY, thing=made, before=None, about=about)


def gateway_name(service: ServiceConfig) -> str:
    """What the Gateway that is made for a service is called."""
    return f"{service.virtual_service}-gateway"


def _new_gateway(service: ServiceConfig, api: str) -> Object:
    """For the service's own name alone: by which others users call it, only people know."""
    server = {"port": {"number": 8080, "name": "http", "protocol": "HTTP"}, "hosts": [full_host(service)]}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [server]}
    return _thing("Gateway", spec, (GATEWAY_NAMESPACE, gateway_name(service)), api)


def _way_in(service: ServiceConfig, found: Found, api: str) -> tuple[str, list[str]]:
    """The Gateway for new routes, and the hosts that it serves and nobody else routes there.

    Raises:
        Refusal: it cannot be told which Gateway, or nothing of it is left.
    """
    home = service.routes_at[0]
    gateways = found.gateways or [_new_gateway(service, api)]
    ours = [one for one in gateways if gateway_key(one) == (GATEWAY_NAMESPACE, gateway_name(service))]
    fitting = ours or [one for one in gateways if served_hosts(one, home)]
    if len(fitting) != 1:
        shown = tuple("/".join(gateway_key(one)) for one in fitting or gateways)
        ours_is = f"{GATEWAY_NAMESPACE}/{gateway_name(service)}"
        raise Refusal(said("cluster.which_gateway", gateways=shown, name=service.virtual_service, ours=ours_is))
    key = gateway_key(fitting[0])
    taken = {
        full_name(str(host), namespace_of(one, home))
        for one in found.virtual_services
        if key in bindings(one)
        for host in one["spec"].get("hosts") or ()
    }
    hosts = [host for host in served_hosts(fitting[0], home) if host not in taken]
    if not hosts:
        raise Refusal(said("cluster.no_host_left", gateway="/".join(key), name=service.virtual_service))
    return "/".join(key), hosts


def _until_now(service: ServiceConfig, found: Found) -> list[Object]:
    """What callers obey whom a rule beside the service's routes would be the first to reach."""
    return obeyed(service.rule_at[0], _for_all_callers(found), service, found.root)


def _rule_writes(
    service: ServiceConfig, found: Found, versions: Mapping[str, str], names: Mapping[str, str], api: str
) -> Iterator[Write]:
    rule = _rule(service, found)
    present = {str(one["name"]) for one in _subsets(rule)}
    wanted = {names[deployment]: version for deployment, version in versions.items()}
    new = [
        {"name": name, "labels": {VERSION_LABEL: version}}
        for name, version in sorted(wanted.items())
        if name not in present
    ]
    if not new:
        return
    about = said("cluster.subsets_are_new", names=tuple(str(one["name"]) for one in new))
    if rule is None:
        # Beside a rule for many hosts this one goes first, so what that says of the service is said here as well.
        policies = [one["spec"] for one in _until_now(service, found) if one["spec"].get("trafficPolicy")]
        kept = {"trafficPolicy": deepcopy(policies[0]["trafficPolicy"])} if policies else {}
        spec = {"host": _host_from(service.rule_at[0], service), **kept, "subsets": new}
        made = _thing("DestinationRule", spec, service.rule_at, api)
        yield Write(kind=Kind.SUBSETS, thing=made, before=None, about=about)
        return
    changed = deepcopy(rule)
    changed["spec"]["subsets"] = [*_subsets(rule), *new]
    yield Write(kind=Kind.SUBSETS, thing=changed, before=rule, about=about)


def _route_writes(service: ServiceConfig, found: Found, primary: str, api: str) -> Iterator[Write]:
    if service.siblings:
        for key in service.virtual_service_keys:
            yield from _subset_writes(service, _there(key, service, found), primary)
        return
    ours = _named(service, found)
    if ours is None:
        _refuse_beside_another(service, found)
        destination = {"host": _host_from(service.routes_at[0], service), "subset": primary}
        route = {"route": [{"destination": destination, "weight": EVERYONE}]}
        gateway, hosts = _way_in(service, found, api)
        spec = {"hosts": hosts, "gateways": [gateway], "http": [route]}
        made = _thing("VirtualService", spec, service.routes_at, api)
        about = said("cluster.route_is_new", subset=primary, hosts=tuple(hosts))
        yield Write(kind=Kind.ROUTES, thing=made, before=None, about=about)
        return
    yield from _subset_writes(service, ours, primary)


def _others_route_writes(service: ServiceConfig, found: Found, primary: str) -> Iterator[Write]:
    """The same in whatever else routes to the service: its users would meet what the Service selects."""
    keys = {*service.virtual_service_keys}
    for one in found.virtual_services:
        if _key(one, service) not in keys:
            yield from _subset_writes(service, one, primary)


def _there(key: NamespacedName, service: ServiceConfig, found: Found) -> Object:
    """One of several.

    Raises:
        Refusal: it does not exist; how several share the work, only people know.
    """
    ours = _at(key, service, found)
    if ours is None:
        setting = Code("virtual_services")
        raise Refusal(said("cluster.one_of_several_missing", name=key[1], namespace=key[0], key=setting))
    return ours


def _subset_writes(service: ServiceConfig, ours: Object, primary: str) -> Iterator[Write]:
    """The primary's subset in every route that sends users to the service without one."""
    changed = deepcopy(ours)
    home = namespace_of(ours, service.namespace)

    def is_ours(host: object) -> bool:
        return means(host, home, service)

    named = [
        label
        for kind in ("http", *STREAMS)
        for number, route in enumerate((changed.get("spec") or {}).get(kind) or (), start=1)
        if _name_subset(route, is_ours, primary)
        for label in [f"route {route['name']}" if route.get("name") else f"{kind} route {number}"]
    ]
    if named:
        about = said("cluster.routes_name_subset", routes=tuple(named), field=Code(f"subset: {primary}"))
        yield Write(kind=Kind.ROUTES, thing=changed, before=ours, about=about)


def _host_from(space: str, service: ServiceConfig) -> str:
    """How an object of that namespace writes the service: in full where it is in another."""
    written = service.host or service.name
    return written if space == service.namespace else full_host(service)


def _name_subset(route: Object, is_ours: Callable[[object], bool], subset: str) -> bool:
    """Give every destination of the service that names no subset this one; the same twice becomes one."""
    entries = route.get("route") or []
    loose = [one for one in entries if _is_loose(one.get("destination") or {}, is_ours) and has_users(one, route)]
    if not loose:
        return False
    first, *others = loose
    alike = all(_but_weight(one) == _but_weight(first) for one in others)
    if alike and others:
        first["weight"] = sum(one.get("weight", 0) for one in loose)
        route["route"] = [one for one in entries if not any(one is other for other in others)]
    for one in [first] if alike else loose:
        one["destination"]["subset"] = subset
    return True


def _is_loose(destination: Object, is_ours: Callable[[object], bool]) -> bool:
    return is_ours(destination.get("host")) and not destination.get("subset")


def _but_weight(entry: Object) -> Object:
    return {key: value for key, value in entry.items() if key != "weight"}


def _refuse_beside_another(service: ServiceConfig, found: Found) -> None:
    others = [
        one
        for one in found.virtual_services
        for route in _http(one)
        for entry in route.get("route") or ()
        if means((entry.get("destination") or {}).get("host"), namespace_of(one, service.namespace), service)
    ]
    if others:
        names = tuple(dict.fromkeys(called(one, service.namespace) for one in others))
        key = f"virtual_service: {names[0]}" if len(names) == 1 else f"virtual_services: [{', '.join(names)}]"
        raise Refusal(said("cluster.routed_by_another", name=title(others[0]), field=Code(key)))


def _selector_writes(backend: Object, versions: Mapping[str, str]) -> Iterator[Write]:
    if len(set(versions.values())) < 2 or VERSION_LABEL not in selector_of(backend):  # noqa: PLR2004  # one version
        return
    changed = deepcopy(backend)
    del changed["spec"]["selector"][VERSION_LABEL]
    about = said("cluster.selector_is_wider", label=Code(VERSION_LABEL))
    yield Write(kind=Kind.SELECTOR, thing=changed, before=backend, about=about)


def _named(service: ServiceConfig, found: Found) -> Object | None:
    return _at(service.routes_at, service, found)


def _at(key: NamespacedName, service: ServiceConfig, found: Found) -> Object | None:
    return next((one for one in found.virtual_services if _key(one, service) == key), None)


def _http(virtual_service: Object) -> list[Object]:
    return (virtual_service.get("spec") or {}).get("http") or []


def _thing(kind: str, spec: Object, key: NamespacedName, api: str) -> Object:
    namespace, name = key
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"networking.istio.io/{api}", "kind": kind, "metadata": metadata, "spec": spec}
