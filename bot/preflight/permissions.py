"""May we do what a rollout does? One question per verb and object, and the Role's missing rule in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from bot.cluster.bindings import gateway_keys
from bot.cluster.objects import Object
from bot.model.service import ServiceConfig
from bot.preflight.problems import Problem, blocks, warns
from bot.preflight.snapshot import Access, Permission, Subject
from bot.words.sentence import Code, said

PERMISSION = "permission"  # what such a problem is about: the API server's own refusal need not be told beside it
ISTIO = "networking.istio.io"
# Only preflight reads these; without them it warns that it does not know.
OPTIONAL = (
    ("autoscaling", "horizontalpodautoscalers"),
    ("gateway.networking.k8s.io", "httproutes"),
    ("policy", "poddisruptionbudgets"),
    ("", "resourcequotas"),
    (ISTIO, "sidecars"),
    ("security.istio.io", "peerauthentications"),
    ("security.istio.io", "authorizationpolicies"),
    ("flagger.app", "canaries"),
    ("argoproj.io", "rollouts"),
)
GATEWAYS = (ISTIO, "gateways")
OTHER_SERVICES = ("list", "", "services")  # without them versions that are hosts are not found; subsets need none
LEASES = ("coordination.k8s.io", "leases")
_Wanted: TypeAlias = tuple[str, str, str, str, str]  # verb, group, resource, name and subresource


def needed(service: ServiceConfig, version: str) -> tuple[Access, ...]:
    """Everything a rollout asks of the API server after preflight. What preflight itself reads proves itself."""
    routed = (access for key in service.virtual_service_keys for access in _accesses(key[0], _of_routes(key[1])))
    return (*dict.fromkeys(routed), *_accesses(service.namespace, _of_deployments(service, version)))


def _of_routes(name: str) -> list[_Wanted]:
    routes = (ISTIO, "virtualservices")
    beside = f"canary-bot-{name}"  # the heartbeat; what is created has no name to be granted yet
    return [
        *((verb, *routes, name, "") for verb in ("get", "update")),
        *((verb, *LEASES, beside, "") for verb in ("get", "update", "delete")),
        ("create", *LEASES, "", ""),
        *((verb, *routes, "", "") for verb in ("list", "watch")),  # reads are answered from a cache of these
    ]


def _of_deployments(service: ServiceConfig, version: str) -> list[_Wanted]:
    primary, canary, deployments = service.primary_deployment, service.canary_name(version), ("apps", "deployments")
    wanted = [("get", *deployments, primary, ""), ("get", *deployments, canary, "")]
    watched = (deployments, ("apps", "replicasets"), ("", "pods"))
    wanted += [(verb, *things, "", "") for things in watched for verb in ("list", "watch")]
    if service.upgrades:
        wanted.append(("patch", *deployments, primary, ""))
    wanted.append(("patch", *deployments, primary, "scale"))  # before users return to one that has shrunk
    if service.scale_canary_down or service.scale_canary_up:
        wanted.append(("patch", *deployments, canary, "scale"))
    return wanted


def _accesses(space: str, wanted: Iterable[_Wanted]) -> tuple[Access, ...]:
    return tuple(
        Access(verb=verb, group=group, resource=resource, namespace=space, name=name, subresource=subresource)
        for verb, group, resource, name, subresource in wanted
    )


def check(subject: Subject) -> Iterator[Problem]:
    """What we may not do blocks, unless we can do without; what nobody could say warns, once."""
    yield from lacking(subject.snapshot.permissions)


def read(service: ServiceConfig) -> tuple[Access, ...]:
    """What preflight and ``check`` read in the service's namespace; what is refused to them they do not know."""
    wanted = [
        ("get", ISTIO, "destinationrules"),
        ("list", ISTIO, "destinationrules"),
        ("get", "", "services"),
        OTHER_SERVICES,
        *(("list", group, resource) for group, resource in OPTIONAL),
    ]
    return tuple(
        Access(verb=verb, group=group, resource=resource, namespace=service.namespace)
        for verb, group, resource in wanted
    )


def gateways(virtual_service: Object | None) -> tuple[Access, ...]:
    """What preflight reads of the Gateways that a VirtualService names, each in its own namespace."""
    spaces = sorted({space for space, _ in gateway_keys(virtual_service)}) if virtual_service else ()
    return tuple(Access(verb="get", group=ISTIO, resource="gateways", namespace=space) for space in spaces)


def lacking(permissions: Iterable[Permission]) -> Iterator[Problem]:
    """What we may not do, each with the rule to add, and once what nobody could say."""
    permissions = tuple(permissions)
    for permission in permissions:
        if permission.allowed is False:
            access = permission.access
            what = _object(access)
            sentence = said("preflight.may_not", verb=access.verb, what=what, space=access.namespace)
            remedy = said("preflight.add_rule", rule=Code(rule(access)))
            # Without a watch every reconcile asks the API server itself: slower, and no less safe.
            kind = access.group, access.resource
            needless = access.verb == "watch" or kind in {*OPTIONAL, GATEWAYS} or (access.verb, *kind) == OTHER_SERVICES
            yield warns(sentence, remedy=remedy) if needless else blocks(sentence, remedy=remedy, about=PERMISSION)
    unknown = [one for one in permissions if one.allowed is None]
    if unknown:
        things = tuple(f"{one.access.verb} {_object(one.access)}" for one in unknown)
        yield warns(
            said("preflight.may_unknown", things=things, why=unknown[0].why),
            remedy=said("preflight.compare_role", file=Code("deploy/rbac.yaml")),
        )


def rule(access: Access) -> str:
    """The rule of a Role that allows this, as YAML on one line."""
    group = access.group or '""'
    names = f" resourceNames: [{access.name}]," if access.name else ""
    return f"- {{apiGroups: [{group}], resources: [{_resource(access)}],{names} verbs: [{access.verb}]}}"


def _resource(access: Access) -> str:
    return f"{access.resource}/{access.subresource}" if access.subresource else access.resource


def _object(access: Access) -> str:
    return f"{_resource(access)} {access.name}".strip()
