"""Which DestinationRule a caller's proxy obeys: the first that Istio finds for it, whatever others say.

Istio looks in the namespace of the caller, then in the Service's, then in the root namespace, and takes what it finds
first; the latter two only where ``exportTo`` shows it to the caller. The callers are the Gateways' pods, or sidecars.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.cluster.bindings import SIDECARS, bindings, gateway_key, shown_to, spaces_of
from bot.cluster.objects import Object, means, name_of, namespace_of, service_namespace
from bot.preflight.snapshot import Subject

ELSEWHERE = "Other namespaces' DestinationRule"  # what the snapshot calls them when they may not be read


def effective(subject: Subject) -> list[Object]:
    """Those with subsets that any caller obeys for the service, each once; more than one is one too many."""
    about = _about(subject)
    # Where all of them are hidden from the callers, that is told, and they are looked at all the same.
    found = [rule for space in _callers(subject) for rule in _obeyed(space, about, subject)] or about
    return list({(namespace_of(one, ""), name_of(one)): one for one in found if one["spec"].get("subsets")}.values())


def _callers(subject: Subject) -> list[str]:
    """The namespaces of the proxies that take our routes; sidecars may be anywhere: those of our own stand for them."""
    home = subject.service.namespace
    keys = [key for one in subject.snapshot.governs for key in bindings(one)]
    pods = subject.snapshot.gateway_pods
    at = {gateway_key(one): spaces_of(one, pods) for one in subject.snapshot.gateways}
    spaces = [space for key in keys if key != SIDECARS for space in at.get(key, [key[0]])]
    if SIDECARS in keys or not spaces:
        spaces.append(home)
    return list(dict.fromkeys(spaces))


def _about(subject: Subject) -> list[Object]:
    service = subject.service
    return [
        one
        for one in subject.snapshot.destination_rules
        if means(one["spec"].get("host"), namespace_of(one, service.namespace), service)
        and not one["spec"].get("workloadSelector")  # for the callers it selects alone, and no gateway of another space
    ]


def _obeyed(caller: str, about: Sequence[Object], subject: Subject) -> list[Object]:
    service = subject.service
    for space in dict.fromkeys((caller, service_namespace(service), subject.snapshot.root_namespace)):
        there = [one for one in about if namespace_of(one, service.namespace) == space and _is_shown(one, caller)]
        if there:
            return there
    return []


def _is_shown(rule: Object, caller: str) -> bool:
    exported: Iterable[str] = rule["spec"].get("exportTo") or ["*"]
    return shown_to(caller, [str(entry) for entry in exported], namespace_of(rule, caller))
