"""Which DestinationRules the service's callers obey (``bot.cluster.rule_lookup``): Gateways' pods, or sidecars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cluster.bindings import SIDECARS, bindings, gateway_key, spaces_of
from bot.cluster.objects import NamespacedName, Object, name_of, namespace_of
from bot.cluster.rule_lookup import closest, obeyed
from bot.preflight.snapshot import Subject

ELSEWHERE = "Other namespaces' DestinationRule"  # what the snapshot calls them when they may not be read


def effective(subject: Subject) -> list[Object]:
    """Those with subsets that any caller obeys for the service, each once; more than one is one too many.

    Of several with the same subsets, as when a gateway's namespace has a copy, the one that services.yaml names.
    """
    # Where all of them are hidden from the callers, that is told, and they are looked at all the same.
    found = [rule for rules in by_caller(subject).values() for rule in rules] or closest(_all(subject), subject.service)
    each = list({_key(one, subject): one for one in found if subsets_of(one)}.values())
    named = [one for one in each if one is named_rule(subject)]
    apart = len({_key(one, subject)[0] for one in each}) == len(each)
    return named if named and apart and all(subsets_of(one) == subsets_of(named[0]) for one in each) else each


def named_rule(subject: Subject) -> Object | None:
    """The one that services.yaml names, where it is about the service; whoever obeys it."""
    return next((one for one in _about(subject) if _key(one, subject) == subject.service.rule_at), None)


def about_another(subject: Subject) -> Object | None:
    """The one that services.yaml names, where it is about another host."""
    there = [one for one in _all(subject) if _key(one, subject) == subject.service.rule_at]
    return there[0] if there and named_rule(subject) is None else None


def by_caller(subject: Subject) -> Mapping[str, list[Object]]:
    """What the callers of each namespace obey."""
    rules, service, root = _all(subject), subject.service, subject.snapshot.root_namespace
    return {space: obeyed(space, rules, service, root) for space in _callers(subject)}


def by_other_sidecars(subject: Subject) -> Mapping[str, list[Object]]:
    """The same for sidecars of namespaces that have rules of their own about the service; whether any call it, or can
    see our routes, is another question.
    """
    service, ours = subject.service, by_caller(subject)
    theirs = [namespace_of(one, service.namespace) for one in _about(subject)]
    found = dict.fromkeys(theirs) if any(SIDECARS in bindings(one) for one in subject.snapshot.governs) else {}
    rules, root = _all(subject), subject.snapshot.root_namespace
    return {space: obeyed(space, rules, service, root) for space in found if space not in ours}


def subsets_of(rule: Object) -> Mapping[str, object]:
    """Its subsets' labels, by name."""
    return {str(one["name"]): one.get("labels") or {} for one in rule["spec"].get("subsets") or ()}


def known_subsets(subject: Subject) -> frozenset[str]:
    """The names of all subsets that any rule has for the service, whoever obeys it."""
    return frozenset(name for rule in _about(subject) for name in subsets_of(rule))


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
    """Those that fit the service, closely or not."""
    return [one for one in _all(subject) if closest([one], subject.service)]


def _all(subject: Subject) -> Sequence[Object]:
    """But those for the callers that they select: those are some of one namespace, and no gateway of another."""
    return [one for one in subject.snapshot.destination_rules if not one["spec"].get("workloadSelector")]


def _key(rule: Object, subject: Subject) -> NamespacedName:
    return namespace_of(rule, subject.service.namespace), name_of(rule)
