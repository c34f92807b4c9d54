"""Which DestinationRules the service's callers obey (``bot.cluster.rule_lookup``): Gateways' pods, or sidecars."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.bindings import SIDECARS, bindings, gateway_key, spaces_of
from bot.cluster.objects import Object, means, name_of, namespace_of, service_namespace
from bot.cluster.rule_lookup import obeyed
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
    return obeyed(caller, about, service.namespace, service_namespace(service), subject.snapshot.root_namespace)
