"""Users who are on the canary already, or will be without any weight: callers that do not follow the VirtualService.

The Service selects the pods of both versions, so whoever calls it without our routes reaches every ready pod, the
canary's too. Judged from figures; where they come from is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.cluster.objects import host_names, service_name
from bot.preflight.gateways import SIDECARS, bindings
from bot.preflight.problems import Problem, warns
from bot.preflight.snapshot import Callers, Subject

MOST_NAMED = 5


def check(subject: Subject, callers: Callers) -> Iterator[Problem]:
    """Real requests on the canary now, and callers inside the mesh that our routes do not reach."""
    host = service_name(subject.service)
    if callers.failure:
        yield warns(
            f"Who calls {host} is not known: {callers.failure}",
            remedy="Callers inside the mesh that do not follow the VirtualService would reach the canary at once.",
        )
    live = {name: count for name, count in callers.of_canary.items() if count > 0}
    if live:
        canary = subject.service.canary_name(subject.version)
        yield warns(
            f"{canary} answers real requests already: {_listed(live)} in the last minutes.",
            remedy="Either a route sends testers there, or these callers do not follow the VirtualService.",
        )
    inside = {name: count for name, count in callers.of_service.items() if count > 0}
    if inside and not _governs_the_mesh(subject):
        yield warns(
            f"Callers inside the mesh do not follow VirtualService {subject.service.virtual_service}: "
            f"{_listed(inside)} in the last hour.",
            remedy=f"They reach every ready pod of {host}, the canary's too: add `mesh` to its gateways and {host} to "
            "its hosts (a host `*` must go then), or accept it.",
        )


def _governs_the_mesh(subject: Subject) -> bool:
    virtual_service = subject.snapshot.virtual_service
    if virtual_service is None:
        return False
    hosts = {str(host) for host in virtual_service["spec"].get("hosts") or ()}
    return SIDECARS in bindings(virtual_service) and bool(hosts & host_names(subject.service))


def _listed(counts: Mapping[str, float]) -> str:
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    shown = ", ".join(f"{count:,.0f} from {name}" for name, count in ranked[:MOST_NAMED])
    return shown if len(ranked) <= MOST_NAMED else f"{shown} and {len(ranked) - MOST_NAMED} more callers"
