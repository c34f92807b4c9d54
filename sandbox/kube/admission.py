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
_DNS_LABEL = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_HEADER = re.compile(r"[-!#$%&'*+.^_`|~A-Za-z0-9]+")
_PSEUDO_HEADERS = (":method", ":scheme", ":authority", ":path")
_DURATION = re.compile(r"(-?)(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_MAX_PERCENT = 100
_PORTS = range(1, 65536)
_LEAST_SECONDS = 0.001


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
            _domain(verdict, host)
    for one, other in combinations(hosts, 2):
        verdict.error_if(_covers(one, other), f"duplicate hosts in virtual service: {one} & {other}")
    no_routes = not http and not spec.get("tcp") and not spec.get("tls")
    verdict.error_if(no_routes, "http, tcp or tls must be provided in virtual service")
    for route in http:
        _http_route(verdict, route, is_delegate=is_delegate)
    for route in (spec.get("tcp") or []) + (spec.get("tls") or []):
        _destinations(verdict, route.get("route") or [])
    _unreachable_rules(verdict, http)


def _domain(verdict: AdmissionVerdict, name: str, *, wildcards: bool = True) -> None:
    """Of a name with wildcards the part behind the first dot is another name to Istio."""
    first, _, rest = name.partition(".") if wildcards else ("x", ".", name)
    wild = wildcards and first.startswith("*")
    label = first.removeprefix("*").removeprefix("-") or "x" if wild else first
    wrong = [(name, first)] if not _DNS_LABEL.fullmatch(label) else []
    if not wrong and rest:
        wrong = [(rest, one) for one in rest.removesuffix(".").split(".") if not _DNS_LABEL.fullmatch(one)]
    for domain, one in wrong[:1]:
        verdict.errors.append(f'domain name "{domain}" invalid (label "{one}" invalid)')


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
            verdict.error_if(not namespace or not gateway, "config namespace and gateway name cannot be empty")
            bad = not _DNS_LABEL.fullmatch(namespace)
            verdict.error_if(bad, f'invalid value for namespace: "{namespace}"')
            verdict.error_if(not _DNS_LABEL.fullmatch(gateway), f'invalid value for gateway name: "{gateway}"')
            continue
        _domain(verdict, name, wildcards=False)
        if "." in name:  # the form of Istio's first releases, still resolved
            first, second = name.split(".")[:2]
            verdict.warnings.append(
                f'using legacy gatewayName format "{name}"; prefer the <namespace>/<name> format: "{second}/{first}"'
            )


def _http_route(verdict: AdmissionVerdict, route: Mapping[str, Any], *, is_delegate: bool) -> None:
    _one_action(verdict, route, is_delegate=is_delegate)
    for match in route.get("match") or []:
        _match(verdict, match)
    _mirroring(verdict, route)
    if "timeout" in route:
        seconds = _seconds(route["timeout"])
        verdict.error_if(seconds is not None and seconds < _LEAST_SECONDS, "duration must be greater than 1ms")
    _destinations(verdict, route.get("route") or [])
    attempts = (route.get("retries") or {}).get("attempts", 0)
    verdict.error_if(attempts < 0, "attempts cannot be negative")


def _match(verdict: AdmissionVerdict, match: Mapping[str, Any]) -> None:
    for name, rule in (match.get("headers") or {}).items():
        known = name in _PSEUDO_HEADERS or name.startswith("@request.auth.claims")
        verdict.error_if(not known and not _HEADER.fullmatch(name), f"header name {name} is not a valid header name")
        _text(verdict, "headers", rule)
    for part in ("uri", "scheme", "method", "authority"):
        _text(verdict, part, match.get(part) or {})
    for rule in (match.get("queryParams") or {}).values():
        _text(verdict, "queryParams", rule)
    port = match.get("port")
    verdict.error_if(port and port not in _PORTS, f"port number {port} must be in the range 1..65535")
    _gateway_names(verdict, match.get("gateways") or [])


def _text(verdict: AdmissionVerdict, where: str, rule: Mapping[str, str]) -> None:
    """A StringMatch; what RE2 cannot read is guessed by what Python cannot."""
    empty_prefix = where != "uri" and rule.get("prefix") == ""
    verdict.error_if(empty_prefix, f'"{where}": prefix string match should not be empty')
    if (regex := rule.get("regex")) is None:
        return
    verdict.error_if(regex == "", f'"{where}": regex string match should not be empty')
    try:
        re.compile(regex)
    except re.error:
        verdict.errors.append(f'"{where}": error parsing regexp: `{regex}`; Istio uses RE2 style regex-based match')


def _seconds(duration: str) -> float | None:
    """None where it is none: the schema's business."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        return None
    sign, *parts = found.groups()
    whole = sum(float(part or 0) * unit for part, unit in zip(parts, (3600, 60, 1, 0.001), strict=True))
    return -whole if sign else whole


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
        _domain(verdict, host)
    bad_subset = subset and not _DNS_LABEL.fullmatch(subset)
    verdict.error_if(bad_subset, f"subset name is invalid: {subset}")
    port = (destination.get("port") or {}).get("number")
    verdict.error_if(port is not None and port not in _PORTS, f"port number {port} must be in the range 1..65535")


def _unreachable_rules(verdict: AdmissionVerdict, http: list[dict[str, Any]]) -> None:
    """Rules that earlier ones leave nothing for (``analyzeUnreachableHTTPRules``)."""
    first_with: dict[str, int] = {}
    prefixes: list[_Prefix] = []
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
                if (match.get("uri") or {}).get("prefix"):
                    prefixes.append(_Prefix(rule=shown, name=_rule_name(match, number), match=match))
                continue
            repeated += 1
            prior = f"duplicate/overlapping match in rule {_rule_name(http[first], first)}"
            which = _rule_name(match, number)
            verdict.warnings.append(f"virtualService rule {shown} match {which} is not used ({prior})")
        if matches and repeated == len(matches):
            verdict.warnings.append(f"virtualService rule {shown} not used (all matches used by prior rules)")

    for before, after in combinations(prefixes, 2):
        if before.covers(after):
            prior = f"{before.name} of prefix {before.uri} on {before.rule}"
            why = f"duplicate/overlapping match in rule {prior}"
            which = f"{after.name} of prefix {after.uri}"
            verdict.warnings.append(f"virtualService rule {after.rule} match {which} is not used ({why})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prefix:
    """A match by the beginning of a path, as Istio compares them (``coveredValidation``)."""

    rule: str
    name: str
    match: Mapping[str, Any]

    @property
    def uri(self) -> str:
        return str(self.match["uri"]["prefix"])

    def covers(self, other: _Prefix) -> bool:
        """Any method counts as GET, and a regular expression as nothing said."""
        if self.uri == other.uri or not other.uri.startswith(self.uri):
            return False
        mine, theirs = ([_shown(one.match.get(part)) for part in ("method", "authority")] for one in (self, other))
        mine[0], theirs[0] = mine[0] or "exact GET", theirs[0] or "exact GET"
        return (
            self.match.get("port", 0) == other.match.get("port", 0)
            and all(one.startswith(two) for one, two in zip(mine, theirs, strict=True))
            and all(self._has_all(other, part) for part in ("headers", "queryParams", "withoutHeaders"))
        )

    def _has_all(self, other: _Prefix, part: str) -> bool:
        mine, theirs = self.match.get(part) or {}, other.match.get(part) or {}
        return mine.keys() == theirs.keys() and all(
            _shown(rule).startswith(_shown(theirs[name])) for name, rule in mine.items()
        )


def _shown(rule: Mapping[str, str] | None) -> str:
    found = rule or {}
    return next((f"{kind} {found[kind]}" for kind in ("exact", "prefix") if found.get(kind)), "")


def _rule_name(thing: Mapping[str, Any], index: int) -> str:
    return f'"{thing["name"]}"' if thing.get("name") else f"#{index}"


def _without_name(match: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in match.items() if key != "name"}, sort_keys=True)


# DestinationRule and Gateway


def _destination_rule(verdict: AdmissionVerdict, spec: Mapping[str, Any]) -> None:
    host = spec["host"]
    _domain(verdict, host)
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
