"""Which DestinationRule a caller's proxy obeys: the first that Istio finds for it, whatever others say. Pure.

Istio looks in the namespace of the caller, then in the Service's, then in the root namespace, and takes what it finds
first; the latter two only where ``exportTo`` shows it to the caller. A rule for many hosts, such as ``*.local``, counts
like any other where it is found first, and within one namespace the closest host wins. Callers of the root namespace
begin with the Service's, because rules there are meant for the whole mesh: only what that namespace keeps for itself
goes first (``destinationRule`` of pilot's push context).
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.bindings import shown_to
from bot.cluster.objects import Object, full_host, means, namespace_of, service_namespace
from bot.model.service import ServiceConfig


def obeyed(caller: str, rules: Sequence[Object], service: ServiceConfig, root: str) -> list[Object]:
    """Those that callers of the namespace ``caller`` obey for the service; none where none is found.

    Args:
        caller: where the proxy is that asks.
        rules: of whatever host and namespace; one that names no namespace is in the service's.
        service: whose.
        root: the namespace of rules for the whole mesh.
    """
    home = service.namespace
    near = [one for one in rules if namespace_of(one, home) == caller and _is_shown(one, caller)]
    found = closest([one for one in near if caller != root or _is_private(one, home)], service)
    for space in (service_namespace(service), root):
        there = [one for one in rules if namespace_of(one, home) == space and not _is_private(one, home)]
        # By its name: a "." among other names is nobody here, not even who is there.
        found = found or [one for one in closest(there, service) if {*_exported(one)} & {"*", caller}]
    return found


def closest(rules: Sequence[Object], service: ServiceConfig) -> list[Object]:
    """Those about the service: by its name or, where none is, by the longest ending that fits it."""
    named = [one for one in rules if means(_host(one), namespace_of(one, service.namespace), service)]
    wide = [one for one in rules if is_wide(one) and full_host(service).endswith(_host(one)[1:])]
    longest = max((len(_host(one)) for one in wide), default=0)
    return named or [one for one in wide if len(_host(one)) == longest]


def is_wide(rule: Object) -> bool:
    """Whether it is about every host with an ending, and not about one."""
    return _host(rule).startswith("*")


def _host(rule: Object) -> str:
    return str((rule.get("spec") or {}).get("host") or "")


def _exported(rule: Object) -> list[str]:
    return [str(entry) for entry in (rule.get("spec") or {}).get("exportTo") or ["*"]]


def _is_shown(rule: Object, caller: str) -> bool:
    return shown_to(caller, _exported(rule), namespace_of(rule, caller))


def _is_private(rule: Object, home: str) -> bool:
    """Whether its namespace keeps it for itself."""
    return _exported(rule) in (["."], [namespace_of(rule, home)])
