"""Istio's validating webhook: the rules between fields that a CRD schema cannot express, in Istio's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from sandbox.kube.errors import admission_denied
from sandbox.kube.objects import Object

WEBHOOK = "validation.istio.io"
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FQDN = re.compile(r"(\*\.)?[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?)*\.?")
_MAX_PERCENT = 100


@dataclass(slots=True)
class AdmissionVerdict:
    """What is wrong, and what is only frowned upon."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def error_if(self, wrong: object, message: str) -> None:
        """Note an error, if it is one."""
        if wrong:
            self.errors.append(message)


def admit(obj: Object) -> list[str]:
    """The webhook's warnings for ``obj``; raises its denial when there are errors."""
    verdict = AdmissionVerdict()
    spec = obj.get("spec") or {}
    match obj.get("kind"):
        case "VirtualService":
            _virtual_service(verdict, spec)
        case "DestinationRule":
            _destination_rule(verdict, spec)
        case "Gateway":
            _gateway(verdict, spec)
    if verdict.errors:
        raise admission_denied(WEBHOOK, f"configuration is invalid: {_listed(verdict.errors)}")
    return verdict.warnings


def _listed(errors: list[str]) -> str:
    if len(errors) == 1:
        return errors[0]
    return f"{len(errors)} errors occurred:\n" + "".join(f"\t* {error}\n" for error in errors) + "\n"


# VirtualService


def _virtual_service(verdict: AdmissionVerdict, spec: Mapping[str, Any]) -> None:
    hosts, gateways, http = spec.get("hosts") or [], spec.get("gateways") or [], spec.get("http") or []
    is_delegate = not hosts
    for part, shown in (("gateways", "gateways"), ("tls", "tls route"), ("tcp", "tcp route")):
        forbidden = is_delegate and spec.get(part)
        verdict.error_if(forbidden, f"delegate virtual service must have no {shown} specified")
    _gateway_names(verdict, gateways)
    on_mesh = not gateways or "mesh" in gateways
    for host in hosts:
        if host == "*":
            message = "wildcard host * is not allowed for virtual services bound to the mesh gateway"
            verdict.error_if(on_mesh, message)
        else:
            verdict.error_if(not _FQDN.fullmatch(host), f'domain name "{host}" invalid')
    for one, other in combinations(hosts, 2):
        verdict.error_if(_covers(one, other), f"duplicate hosts in virtual service: {one} & {other}")
    no_routes = not http and not spec.get("tcp") and not spec.get("tls")
    verdict.error_if(no_routes, "http, tcp or tls must be provided in virtual service")
    for route in http:
        _http_route(verdict, route, is_delegate=is_delegate)
    for route in (spec.get("tcp") or []) + (spec.get("tls") or []):
        _destinations(verdict, route.get("route") or [])
    _unreachable_rules(verdict, http)


def _covers(one: str, other: str) -> bool:
    """Whether some host is meant by both: a wildcard means all that end like it (``host.Name.Matches``)."""
    patterns = [(host.removeprefix("*"), host.startswith("*")) for host in (one, other)]
    (first, first_is_wild), (second, second_is_wild) = patterns
    if first_is_wild and second_is_wild:
        return first.endswith(second) or second.endswith(first)
    if first_is_wild or second_is_wild:
        return second.endswith(first) if first_is_wild else first.endswith(second)
    return first == second


def _gateway_names(verdict: AdmissionVerdict, names: Iterable[str]) -> None:
    for name in names:
        namespace, slash, gateway = name.partition("/")
        if slash:
            bad = not _DNS_LABEL.fullmatch(namespace)
            verdict.error_if(bad, f'invalid value for namespace: "{namespace}"')
            verdict.error_if(not _DNS_LABEL.fullmatch(gateway), f'invalid value for gateway name: "{gateway}"')
            continue
        verdict.error_if(not _FQDN.fullmatch(name), f'domain name "{name}" invalid')
        if "." in name:  # the form of Istio's first releases, still resolved
            first, second = name.split(".")[:2]
            verdict.warnings.append(
                f'using legacy gatewayName format "{name}"; prefer the <namespace>/<name> format: "{second}/{first}"'
            )


def _http_route(verdict: AdmissionVerdict, route: Mapping[str, Any], *, is_delegate: bool) -> None:
    _one_action(verdict, route, is_delegate=is_delegate)
    _mirroring(verdict, route)
    _destinations(verdict, route.get("route") or [])
    attempts = (route.get("retries") or {}).get("attempts", 0)
    verdict.error_if(attempts < 0, "attempts cannot be negative")


def _one_action(verdict: AdmissionVerdict, route: Mapping[str, Any], *, is_delegate: bool) -> None:
    if "delegate" in route:
        verdict.error_if(is_delegate, "delegate HTTP route cannot contain delegate")
        for other in ("redirect", "route"):
            message = f"root HTTP route {route.get('name', '')} must not specify {other}"
            verdict.error_if(other in route, message)
        return
    for action in ("redirect", "directResponse"):
        for other in ("route", "fault", "rewrite"):
            shown = "direct_response" if action == "directResponse" else action
            which = "HTTP route rule" if other == "rewrite" else "HTTP route"
            message = f"{which} cannot contain both {other} and {shown}"
            verdict.error_if(action in route and route.get(other), message)
    nothing = not any(route.get(action) for action in ("redirect", "directResponse", "route"))
    verdict.error_if(nothing, "HTTP route, redirect or direct_response is required")


def _mirroring(verdict: AdmissionVerdict, route: Mapping[str, Any]) -> None:
    both = "mirror" in route and route.get("mirrors")
    verdict.error_if(both, "HTTP route cannot contain both mirror and mirrors")
    if "mirror" in route:
        _destination(verdict, route["mirror"])
    for mirror in route.get("mirrors") or []:
        _destination(verdict, mirror["destination"])
        _percentage(verdict, "mirror percentage", mirror.get("percentage"))
    _percentage(verdict, "mirror_percentage", route.get("mirrorPercentage"))
    deprecated = route.get("mirrorPercent", route.get("mirror_percent"))
    if deprecated is not None:
        message = f"mirror_percent must have a max value of 100 (it has {deprecated})"
        verdict.error_if(deprecated > _MAX_PERCENT, message)
        verdict.warnings.append('using deprecated setting "mirrorPercent", use "mirrorPercentage" instead')


def _percentage(verdict: AdmissionVerdict, name: str, percent: Mapping[str, Any] | None) -> None:
    value = (percent or {}).get("value", 0)
    verdict.error_if(value > _MAX_PERCENT, f"{name} must have a max value of 100 (it has {value:f})")
    verdict.error_if(value < 0, f"{name} must have a min value of 0 (it has {value:f})")


def _destinations(verdict: AdmissionVerdict, routes: list[dict[str, Any]]) -> None:
    weights = [route.get("weight", 0) for route in routes]
    for route, weight in zip(routes, weights, strict=True):
        _destination(verdict, route["destination"])
        verdict.error_if(weight < 0, f"weight {weight} < 0")
    verdict.error_if(len(routes) > 1 and sum(weights) == 0, "total destination weight = 0")


def _destination(verdict: AdmissionVerdict, destination: Mapping[str, Any]) -> None:
    host, subset = destination["host"], destination.get("subset")
    if host == "*":
        verdict.errors.append("invalid destination host *")
    else:
        verdict.error_if(not _FQDN.fullmatch(host), f'domain name "{host}" invalid')
    bad_subset = subset and not _DNS_LABEL.fullmatch(subset)
    verdict.error_if(bad_subset, f"subset name is invalid: {subset}")
    port = (destination.get("port") or {}).get("number")
    verdict.error_if(port is not None and not 1 <= port <= 65535, f"port number {port} must be in the range 1..65535")  # noqa: PLR2004 -- the range of ports


def _unreachable_rules(verdict: AdmissionVerdict, http: list[dict[str, Any]]) -> None:
    """Rules that earlier ones leave nothing for (``analyzeUnreachableHTTPRules``), but for overlapping prefixes."""
    first_with: dict[str, int] = {}
    takes_all = False
    for index, route in enumerate(http):
        matches, shown = route.get("match") or [], _rule_name(route, index)
        if takes_all:
            why = "route without matches defined before" if matches else "only the last rule can have no matches"
            verdict.warnings += [f"virtualService rule {shown} not used ({why})"] * max(1, len(matches))
            continue
        takes_all = not matches
        repeated = 0
        for number, match in enumerate(matches):
            first = first_with.get(key := _without_name(match))
            if first is None:
                first_with[key] = index
                continue
            repeated += 1
            prior = f"duplicate/overlapping match in rule {_rule_name(http[first], first)}"
            which = _rule_name(match, number)
            verdict.warnings.append(f"virtualService rule {shown} match {which} is not used ({prior})")
        if matches and repeated == len(matches):
            verdict.warnings.append(f"virtualService rule {shown} not used (all matches used by prior rules)")


def _rule_name(thing: Mapping[str, Any], index: int) -> str:
    return f'"{thing["name"]}"' if thing.get("name") else f"#{index}"


def _without_name(match: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in match.items() if key != "name"}, sort_keys=True)


# DestinationRule and Gateway


def _destination_rule(verdict: AdmissionVerdict, spec: Mapping[str, Any]) -> None:
    host = spec["host"]
    verdict.error_if(host != "*" and not _FQDN.fullmatch(host), f'domain name "{host}" invalid')
    names = [subset["name"] for subset in spec.get("subsets") or []]
    for name in names:
        verdict.error_if(not _DNS_LABEL.fullmatch(name), f"subset name is invalid: {name}")
    for name in sorted({name for name in names if names.count(name) > 1}):
        verdict.errors.append(f"duplicate subset name {name}")


def _gateway(verdict: AdmissionVerdict, spec: Mapping[str, Any]) -> None:
    servers = spec.get("servers") or []
    verdict.error_if(not servers, "gateway must have at least one server")
    for server in servers:
        verdict.error_if(not server["hosts"], "server config must contain at least one host")
