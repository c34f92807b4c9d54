"""Users who are on the canary already, or will be without any weight: callers that do not follow the VirtualService.

The Service selects the pods of both versions, so whoever calls it without our routes reaches every ready pod, the
canary's too. Judged from figures; where they come from is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.cluster.bindings import MESH, SIDECARS, bindings
from bot.cluster.objects import Object, full_host, means, namespace_of, service_name
from bot.model.service import ServiceConfig
from bot.preflight.problems import Problem, patch, warns
from bot.preflight.snapshot import Callers, Subject
from bot.words.sentence import Code, Sentence, said

MOST_NAMED = 5


def check(subject: Subject, callers: Callers) -> Iterator[Problem]:
    """Real requests on the canary now, and callers inside the mesh that our routes do not reach."""
    host = service_name(subject.service)
    if callers.failure:
        yield warns(
            said("preflight.callers_unknown", host=host, why=callers.failure),
            remedy=said("preflight.callers_might_leak"),
        )
    live = {name: count for name, count in callers.of_canary.items() if count > 0}
    if live:
        canary = subject.service.canary_name(subject.version)
        yield warns(
            said("preflight.called_already", name=canary, callers=_listed(live)),
            remedy=said("preflight.who_calls_already"),
        )
    inside = {name: count for name, count in callers.of_service.items() if count > 0}
    if inside and not _governs_the_mesh(subject):
        yield warns(
            said("preflight.callers_astray", name=subject.service.routes_names, callers=_listed(inside)),
            remedy=said("preflight.govern_the_mesh", host=host, mesh=Code("mesh"), all_hosts=Code("*")),
        )


def onto_the_mesh(virtual_service: Object | None, service: ServiceConfig) -> Code | None:
    """The command that makes callers inside the mesh follow the routes; None where no command can.

    Istio takes no host ``*`` on the mesh, and a delegate's hosts are its root's.
    """
    spec = (virtual_service or {}).get("spec") or {}
    hosts, gateways = spec.get("hosts") or [], spec.get("gateways")
    if virtual_service is None or not hosts or "*" in hosts:
        return None
    home = namespace_of(virtual_service, service.namespace)
    changes: list[Object] = []
    if not any(means(host, home, service) for host in hosts):
        changes.append({"op": "add", "path": "/spec/hosts/-", "value": full_host(service)})
    if gateways and MESH not in gateways:
        changes.append({"op": "add", "path": "/spec/gateways/-", "value": MESH})
    return patch(virtual_service, changes, home)


def _governs_the_mesh(subject: Subject) -> bool:
    home = subject.service.namespace
    return any(
        subject.is_at(host, namespace_of(one, home))
        for one in subject.snapshot.governs
        if SIDECARS in bindings(one)
        for host in one["spec"].get("hosts") or ()
    )


def _listed(counts: Mapping[str, float]) -> tuple[Sentence, ...]:
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    shown = tuple(said("preflight.requests_from", n=round(count), who=name) for name, count in ranked[:MOST_NAMED])
    more = len(ranked) - MOST_NAMED
    return (*shown, said("preflight.more_callers", n=more)) if more > 0 else shown
