"""VirtualService to Envoy routes, by istiod's rules. Pure; which clusters exist is ``xds``'s business.

A destination becomes a cluster *name* here whether or not that cluster exists: a subset missing from the
DestinationRule must end in Envoy's 503 NC, as it does in production. Not understood, because the rehearsal has no use
for them: CORS, claims of tokens, TCP and TLS routes. Routes that are delegated are resolved before (``delegates``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.mesh.objects import JsonObject, JsonObjects, Service, fqdn, gateway_key, is_subset

PERCENT_DENOMINATOR = 1_000_000  # what Envoy calls MILLION: percentages with four decimals
ISTIO_RETRIES = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
ISTIO_RETRY_ATTEMPTS = 2
FAULT_FILTER = "envoy.filters.http.fault"
REDIRECT_CODES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
USUAL_PORT = 80  # which stands in no address
MESH = "mesh"
GRPC_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)

ClusterOf = Callable[[JsonObject], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A proxy, as far as routes are for some and not for others.

    Attributes:
        gateways: the Gateways whose routes it is given, ``NAMESPACE/NAME``; a sidecar's is ``mesh``.
        prefix: of the names of its clusters; two proxies of one Envoy may know different ones.
    """

    namespace: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)
    gateways: frozenset[str] = frozenset({MESH})
    prefix: str = ""


def cluster_name(port: int, subset: str, host: str) -> str:
    """The name istiod gives the cluster of a host, port and (or no) subset."""
    return f"outbound|{port}|{subset}|{host}"


def routes_of(virtual_service: JsonObject, services: Mapping[str, Service], port: int, caller: Caller) -> JsonObjects:
    """The Envoy routes of one VirtualService, in its order, for one proxy; none after one that takes every request.

    Args:
        virtual_service: whose.
        services: what there is, by full names.
        port: at which requests arrive: the server's of a gateway, the Service's of a sidecar.
        caller: whose proxy asks.
    """
    namespace = virtual_service["metadata"]["namespace"]

    def cluster_of(destination: JsonObject) -> str:
        host = fqdn(destination["host"], namespace)
        service = services.get(host)
        wanted = destination.get("port", {}).get("number")
        if wanted is None:
            # With several ports (or no such service) istiod takes the listener's port: a cluster nobody has.
            wanted = service.ports[0] if service and len(service.ports) == 1 else port
        return caller.prefix + cluster_name(wanted, destination.get("subset", ""), host)

    def concerns(match: JsonObject) -> bool:
        return match.get("port", port) == port and _is_for(match, caller, namespace)

    routes: JsonObjects = []
    for http in virtual_service["spec"].get("http", []):
        for route in _routes(http, cluster_of, concerns, port):
            routes.append(route)
            if is_catch_all(route):
                return routes
        if not http.get("match"):
            break
    return routes


def is_catch_all(route: JsonObject) -> bool:
    """Whether a route takes every request, so that nothing after it is ever reached."""
    match: JsonObject = route["match"]
    everywhere = match.get("prefix") == "/" or match.get("safe_regex") == {"regex": ".*"}
    return everywhere and not match.get("headers") and not match.get("query_parameters")


def unrouted(cluster: str) -> JsonObject:
    """The route to a Service that no VirtualService is about."""
    action = {"cluster": cluster, "timeout": "0s", "retry_policy": _retries(None)}
    return {"name": UNROUTED, "match": {"prefix": "/"}, "route": action}


UNROUTED = "default"


def _is_for(match: JsonObject, caller: Caller, namespace: str) -> bool:
    """A condition that names gateways says nothing of who asks beside them."""
    if match.get("gateways"):
        named = {one if one == MESH else "/".join(gateway_key(one, namespace)) for one in match["gateways"]}
        return bool(named & caller.gateways)
    space = match.get("sourceNamespace") or caller.namespace
    return space == caller.namespace and is_subset(match.get("sourceLabels", {}), caller.labels)


def _routes(
    http: JsonObject, cluster_of: ClusterOf, concerns: Callable[[JsonObject], bool], port: int
) -> Iterator[JsonObject]:
    """One Envoy route per match condition that concerns the caller; a route without any takes everything."""
    for match in filter(concerns, http.get("match") or [{}]):
        name = ".".join(part for part in (http.get("name", ""), match.get("name")) if part is not None)
        yield {"name": name, "match": _match(match), **_action(http, cluster_of, port), **_extras(http)}


def _action(http: JsonObject, cluster_of: ClusterOf, port: int) -> JsonObject:
    if "redirect" in http:
        return {"redirect": _redirect(http["redirect"], port)}
    if "directResponse" in http:
        return {"direct_response": _direct_response(http["directResponse"])}
    rewrite = http.get("rewrite", {})
    return {
        "route": {
            **_destinations(http.get("route", []), cluster_of),
            **_given("prefix_rewrite", rewrite.get("uri")),
            **_given("host_rewrite_literal", _host_rewrite(http)),
            **_given("regex_rewrite", _regex_rewrite(rewrite.get("uriRegexRewrite"))),
            **_given("request_mirror_policies", list(_mirrors(http, cluster_of))),
            **_given("retry_policy", _retries(http.get("retries"))),
            "timeout": http.get("timeout", "0s"),  # Istio's default is none; Envoy's would be 15 s
        }
    }


def _destinations(destinations: JsonObjects, cluster_of: ClusterOf) -> JsonObject:
    """One destination takes everything whatever its weight; of several, those of weight 0 are left out."""
    if len(destinations) == 1:
        return {"cluster": cluster_of(destinations[0]["destination"])}
    return {
        "weighted_clusters": {
            "clusters": [
                {
                    "name": cluster_of(entry["destination"]),
                    "weight": entry["weight"],
                    **_given("host_rewrite_literal", _authority(entry)),
                    **_headers(entry.get("headers", {})),
                }
                for entry in destinations
                if entry.get("weight", 0) > 0
            ]
        }
    }


def _host_rewrite(http: JsonObject) -> str:
    """The host the service is shown: the rewrite's, else what the headers of the route or a lone destination say."""
    destinations = http.get("route", [])
    lone = destinations[0] if len(destinations) == 1 else {}
    return http.get("rewrite", {}).get("authority") or _authority(http) or _authority(lone)


def _authority(holder: JsonObject) -> str:
    """What its headers say of the host: Envoy takes that as a rewrite only."""
    request = holder.get("headers", {}).get("request", {})
    changes = [*request.get("set", {}).items(), *request.get("add", {}).items()]
    return next((value for key, value in changes if key.lower() in {":authority", "host"}), "")


def _mirrors(http: JsonObject, cluster_of: ClusterOf) -> Iterator[JsonObject]:
    mirrors = [(entry["destination"], _percent(entry, "percentage")) for entry in http.get("mirrors", [])]
    if "mirror" in http:
        mirrors.append((http["mirror"], _percent(http, "mirrorPercentage")))
    for destination, percent in mirrors:
        if percent > 0:
            yield {
                "cluster": cluster_of(destination),
                "runtime_fraction": {"default_value": _fraction(percent)},
                "disable_shadow_host_suffix_append": True,  # Istio's default since 1.28
            }


def _percent(holder: JsonObject, key: str) -> float:
    """The share to mirror: absent means everything."""
    if key in holder:
        return float(holder[key].get("value", 0))
    return float(holder.get("mirrorPercent", 100))


def _fraction(percent: float) -> JsonObject:
    return {"numerator": round(percent / 100 * PERCENT_DENOMINATOR), "denominator": "MILLION"}


def _retries(retries: JsonObject | None) -> JsonObject | None:
    """Nothing written is Istio's default; written without a number it is no retry at all."""
    chosen: JsonObject = {"attempts": ISTIO_RETRY_ATTEMPTS} if retries is None else retries
    if chosen.get("attempts", 0) <= 0:
        return None
    another_host = chosen.get("retryIgnorePreviousHosts", True)
    return {
        **_retry_on(chosen.get("retryOn") or ISTIO_RETRIES),
        "num_retries": chosen["attempts"],
        **_given("retry_host_predicate", [PREVIOUS_HOSTS] if another_host else None),
        "host_selection_retry_max_attempts": 5,
        **_given("per_try_timeout", chosen.get("perTryTimeout")),
        **_given("retry_back_off", {"base_interval": chosen["backoff"]} if chosen.get("backoff") else None),
    }


PREVIOUS_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
BY_STATUS = "retriable-status-codes"


def _retry_on(written: str) -> JsonObject:
    """Numbers among the conditions are status codes, and ask for the condition that reads them."""
    parts = [part.strip() for part in written.split(",") if part.strip()]
    codes = [int(part) for part in parts if part.isdecimal()]
    conditions = [part for part in parts if not part.isdecimal()]
    if codes and BY_STATUS not in conditions:
        conditions.append(BY_STATUS)
    return {"retry_on": ",".join(conditions), **_given("retriable_status_codes", codes)}


def _match(match: JsonObject) -> JsonObject:
    named = [
        *_header_matches(match.get("headers", {})),
        *map(_inverted, _header_matches(match.get("withoutHeaders", {}))),
    ]
    line = {f":{name}": match[name] for name in ("method", "authority", "scheme") if name in match}
    headers = [*sorted(named, key=lambda entry: str(entry["name"])), *_header_matches(line)]
    query = [*_header_matches(match.get("queryParams", {}))]
    case = {"case_sensitive": False} if match.get("ignoreUriCase") else {}
    return {**_path(match.get("uri", {})), **case, **_given("headers", headers), **_given("query_parameters", query)}


def _path(uri: JsonObject) -> JsonObject:
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "regex" in uri:
        return {"safe_regex": {"regex": uri["regex"]}}
    return {"prefix": uri.get("prefix", "/")}


def _header_matches(wanted: Mapping[str, JsonObject]) -> Iterator[JsonObject]:
    """Conditions on headers, which those on query parameters are written like; ``*`` is no pattern, but any value."""
    for name, match in wanted.items():
        anything = not match or match.get("regex") == "*"
        yield {"name": name, **({"present_match": True} if anything else {"string_match": _string_match(match)})}


def _inverted(entry: JsonObject) -> JsonObject:
    """Without a header there is no value that could be wrong: Envoy would take its absence for no match either."""
    return {**entry, "invert_match": True, **_given("treat_missing_header_as_empty", "string_match" in entry)}


def _string_match(match: JsonObject) -> JsonObject:
    if "regex" in match:
        return {"safe_regex": {"regex": match["regex"]}}
    return {kind: match[kind] for kind in ("exact", "prefix") if kind in match}


def _regex_rewrite(rewrite: JsonObject | None) -> JsonObject | None:
    if rewrite is None:
        return None
    return {"pattern": {"regex": rewrite["match"]}, "substitution": rewrite["rewrite"]}


def _redirect(redirect: JsonObject, port: int) -> JsonObject:
    code = REDIRECT_CODES[redirect.get("redirectCode") or 301]
    prefix = redirect.get("prefixRewrite")
    path = {"prefix_rewrite": prefix} if prefix else _given("path_redirect", redirect.get("uri"))
    wanted = port if redirect.get("derivePort") == "FROM_REQUEST_PORT" else redirect.get("port")
    return {
        "response_code": code,
        **path,
        **_given("host_redirect", redirect.get("authority")),
        **_given("scheme_redirect", redirect.get("scheme")),
        **_given("port_redirect", None if _is_usual(wanted, redirect.get("scheme")) else wanted),
    }


def _is_usual(port: object, scheme: str | None) -> bool:
    """Whether an address needs no port: the listener is plain, so a redirect stays so unless it says otherwise."""
    return (port, scheme or "http") in {(USUAL_PORT, "http"), (443, "https")}


def _direct_response(response: JsonObject) -> JsonObject:
    text = response.get("body", {}).get("string")
    return {"status": response["status"], **_given("body", {"inline_string": text} if text else None)}


def _extras(http: JsonObject) -> JsonObject:
    """What sits on the route beside its action: header changes, also those of a lone destination, and faults."""
    destinations = http.get("route", [])
    lone = destinations[0].get("headers", {}) if len(destinations) == 1 else {}
    merged: dict[str, list[Any]] = {}
    for holder in (http.get("headers", {}), lone):
        for key, entries in _headers(holder).items():
            merged.setdefault(key, []).extend(entries)
    fault = _fault(http.get("fault"))
    return {**merged, **({"typed_per_filter_config": {FAULT_FILTER: fault}} if fault else {})}


def _headers(headers: JsonObject) -> JsonObject:
    changes: JsonObject = {}
    for side in ("request", "response"):
        change = headers.get(side, {})
        added = [
            *_header_values(change.get("set", {}), "OVERWRITE_IF_EXISTS_OR_ADD"),
            *_header_values(change.get("add", {}), "APPEND_IF_EXISTS_OR_ADD"),
        ]
        changes |= _given(f"{side}_headers_to_add", added)
        changes |= _given(f"{side}_headers_to_remove", [*_changeable(change.get("remove", []))])
    return changes


def _header_values(headers: Mapping[str, str], action: str) -> Iterator[JsonObject]:
    for key in sorted(_changeable(headers)):
        yield {"header": {"key": key, "value": headers[key]}, "append_action": action}


def _changeable(names: Iterable[str]) -> Iterator[str]:
    """Envoy changes no header of its own; the host's is rewritten instead (``_authority``)."""
    return (name for name in names if not name.startswith(":") and name.lower() != "host")


def _fault(fault: JsonObject | None) -> JsonObject | None:
    if not fault:
        return None
    abort, delay = fault.get("abort", {}), fault.get("delay", {})
    grpc = {"grpc_status": GRPC_CODES.index(abort["grpcStatus"])} if "grpcStatus" in abort else None
    answer = {"http_status": abort["httpStatus"]} if "httpStatus" in abort else grpc
    wait = {"fixed_delay": delay["fixedDelay"]} if "fixedDelay" in delay else None
    found = {
        **_given("abort", answer and {**answer, **_share_of_faults(abort)}),
        **_given("delay", wait and {**wait, **_share_of_faults(delay)}),
    }
    kind = {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"}
    return {**kind, **found} if found else None


def _share_of_faults(fault: JsonObject) -> JsonObject:
    """Of a fault nothing said is no request, where of a mirror it is all of them."""
    return {"percentage": _fraction(float(fault.get("percentage", {}).get("value", 0) or fault.get("percent", 0)))}


def _given(key: str, value: object) -> JsonObject:
    """``{key: value}`` if there is a value."""
    return {key: value} if value else {}
