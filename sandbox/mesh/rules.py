"""Which subsets a proxy knows: those of the DestinationRule that Istio finds for it, whatever others say. Pure.

Istio looks in the proxy's namespace, then in the Service's, then in the root namespace; in each a rule for the very
host goes before one with a wildcard. A proxy in the root namespace finds there at first only what nobody else sees.
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.mesh.objects import JsonObject, JsonObjects, Service, exported_to, fqdn, is_shown

ROOT_NAMESPACE = "istio-system"


def subsets_for(caller: str, service: Service, rules: JsonObjects) -> dict[str, dict[str, str]]:
    """The labels of each subset of a service, for proxies of a namespace; of two with one name the older's."""
    found: dict[str, dict[str, str]] = {}
    for rule in _obeyed(caller, service, sorted(rules, key=_age)):
        for subset in rule["spec"].get("subsets", []):
            found.setdefault(subset["name"], subset.get("labels", {}))
    return found


def _obeyed(caller: str, service: Service, rules: JsonObjects) -> JsonObjects:
    about = [one for one in rules if _is_about(one, service)]
    return next(filter(None, _found(caller, service.namespace, about)), [])


def _found(caller: str, service: str, rules: JsonObjects) -> Iterator[JsonObjects]:
    """What is in each namespace, in the order in which Istio looks there."""
    own = [one for one in rules if _space(one) == caller and is_shown(one, caller)]
    yield _most_specific([one for one in own if _is_private(one)] if caller == ROOT_NAMESPACE else own)
    for space in (service, ROOT_NAMESPACE):
        closest = _most_specific([one for one in rules if _space(one) == space and not _is_private(one)])
        yield [one for one in closest if _is_exported(one, caller)]


def _most_specific(rules: JsonObjects) -> JsonObjects:
    longest = max((len(_host(one)) for one in rules), default=0)
    exact = [one for one in rules if not _host(one).startswith("*")]
    return exact or [one for one in rules if len(_host(one)) == longest]


def _is_about(rule: JsonObject, service: Service) -> bool:
    host = _host(rule)
    return service.fqdn.endswith(host[1:]) if host.startswith("*") else host == service.fqdn


def _is_private(rule: JsonObject) -> bool:
    return exported_to(rule) == {_space(rule)}


def _is_exported(rule: JsonObject, caller: str) -> bool:
    """By the namespace's name: ``.`` among other names is nobody here."""
    return bool({*(rule["spec"].get("exportTo") or ["*"])} & {"*", caller})


def _host(rule: JsonObject) -> str:
    return fqdn(rule["spec"]["host"], _space(rule))


def _space(rule: JsonObject) -> str:
    return str(rule["metadata"]["namespace"])


def _age(rule: JsonObject) -> tuple[str, str, str]:
    metadata = rule["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["name"], metadata["namespace"]
