"""VirtualService to Envoy routes, by istiod's rules. Pure; which clusters exist is ``xds``'s business.

A destination becomes a cluster *name* here whether or not that cluster exists: a subset missing from the
DestinationRule must end in Envoy's 503 NC, as it does in production. Not understood, because the rehearsal has no use
for them: CORS, TCP and TLS routes. Routes that are delegated are resolved before (``delegates``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sandbox.mesh.objects import JsonObject, JsonObjects, Service, fqdn, is_subset

PERCENT_DENOMINATOR = 1_000_000  # what Envoy calls MILLION: percentages with four decimals
ISTIO_RETRIES = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
ISTIO_RETRY_ATTEMPTS = 2
FAULT_FILTER = "envoy.filters.http.fault"
REDIRECT_CODES = {301: "MOVED_PERMANENTLY", 302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT"}

NO_LABELS: Mapping[str, str] = {}

ClusterOf = Callable[[JsonObject], str]


def cluster_name(port: int, subset: str, host: str) -> str:
    """The name istiod gives the cluster of a host, port and (or no) subset."""
    return f"outbound|{port}|{subset}|{host}"


def routes_of(
    virtual_service: JsonObject, services: Mapping[str, Service], port: int, caller: Mapping[str, str] = NO_LABELS
) -> JsonObjects:
    """The Envoy routes of one VirtualService, in its order, for the proxy of one caller.

    Args:
        virtual_service: whose.
        services: what there is, by full names.
        port: at which requests arrive: the server's of a gateway, the Service's of a sidecar.
        caller: the labels of the pod beside the proxy.
    """
    namespace = virtual_service["metadata"]["namespace"]

    def cluster_of(destination: JsonObject) -> str:
        host = fqdn(destination["host"], namespace)
        service = services.get(host)
        wanted = destination.get("port", {}).get("number")
        if wanted is None:
            # With several ports (or no such service) istiod takes the listener's port: a cluster nobody has.
            wanted = service.ports[0] if service and len(service.ports) == 1 else port
        return cluster_name(wanted, destination.get("subset", ""), host)

    def concerns(match: JsonObject) -> bool:
        return match.get("port", port) == port and is_subset(match.get("sourceLabels", {}), caller)

    return [route for http in virtual_service["spec"].get("http", []) for route in _routes(http, cluster_of, concerns)]


def is_catch_all(route: JsonObject) -> bool:
    """Whether a route takes every request, so that nothing after it is ever reached."""
    match: JsonObject = route["match"]
    return match.get("prefix") == "/" and match.keys() == {"prefix"}


def _routes(http: JsonObject, cluster_of: ClusterOf, concerns: Callable[[JsonObject], bool]) -> Iterator[JsonObject]:
    """One Envoy route per match condition that concerns the caller; a route without any takes everything."""
    for match in filter(concerns, http.get("match") or [{}]):
        name = ".".join(part for part in (http.get("name"), match.get("name")) if part)
        yield {"name": name or "default", "match": _match(match), **_action(http, cluster_of), **_extras(http)}


def _action(http: JsonObject, cluster_of: ClusterOf) -> JsonObject:
    if "redirect" in http:
        return {"redirect": _redirect(http["redirect"])}
    if "directResponse" in http:
        return {"direct_response": _direct_response(http["directResponse"])}
    rewrite = http.get("rewrite", {})
    return {
        "route": {
            **_destinations(http.get("route", []), cluster_of),
            **_given("prefix_rewrite", rewrite.get("uri")),
            **_given("host_rewrite_literal", rewrite.get("authority")),
            **_given("regex_rewrite", _regex_rewrite(rewrite.get("uriRegexRewrite"))),
            **_given("request_mirror_policies", list(_mirrors(http, cluster_of))),
            **_given("retry_policy", _retries(http.get("retries"))),
            "timeout": http.get("timeout", "0s"),  # Istio's default is none; Envoy's would be 15 s
        }
    }


def _destinations(destinations: JsonObjects, cluster_of: ClusterOf) -> JsonObject:
    """One destination takes everything whatever its weight; of several, those of weight 0 are left out."""
    if len(destinations) > 1:
        destinations = [entry for entry in destinations if entry.get("weight", 0) > 0]
    if len(destinations) == 1:
        return {"cluster": cluster_of(destinations[0]["destination"])}
    return {
        "weighted_clusters": {
            "clusters": [
                {
                    "name": cluster_of(entry["destination"]),
                    "weight": entry["weight"],
                    **_headers(entry.get("headers", {})),
                }
                for entry in destinations
            ]
        }
    }


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
    attempts = ISTIO_RETRY_ATTEMPTS if retries is None else retries.get("attempts", ISTIO_RETRY_ATTEMPTS)
    if not attempts:
        return None
    chosen = retries or {}
    return {
        "retry_on": chosen.get("retryOn") or ISTIO_RETRIES,
        "num_retries": attempts,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 5,
        **_given("per_try_timeout", chosen.get("perTryTimeout")),
    }


def _match(match: JsonObject) -> JsonObject:
    headers = [
        *_header_matches({":method": match["method"]} if "method" in match else {}),
        *_header_matches({":authority": match["authority"]} if "authority" in match else {}),
        *_header_matches(match.get("headers", {})),
        *({**entry, "invert_match": True} for entry in _header_matches(match.get("withoutHeaders", {}))),
    ]
    query = [
        {"name": name, **({"string_match": _string_match(wanted)} if wanted else {"present_match": True})}
        for name, wanted in match.get("queryParams", {}).items()
    ]
    case = {"case_sensitive": False} if match.get("ignoreUriCase") else {}
    return {**_path(match.get("uri", {})), **case, **_given("headers", headers), **_given("query_parameters", query)}


def _path(uri: JsonObject) -> JsonObject:
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "regex" in uri:
        return {"safe_regex": {"regex": uri["regex"]}}
    return {"prefix": uri.get("prefix", "/")}


def _header_matches(wanted: Mapping[str, JsonObject]) -> Iterator[JsonObject]:
    for name, match in wanted.items():
        yield {"name": name, **({"string_match": _string_match(match)} if match else {"present_match": True})}


def _string_match(match: JsonObject) -> JsonObject:
    if "regex" in match:
        return {"safe_regex": {"regex": match["regex"]}}
    return {kind: match[kind] for kind in ("exact", "prefix") if kind in match}


def _regex_rewrite(rewrite: JsonObject | None) -> JsonObject | None:
    if rewrite is None:
        return None
    return {"pattern": {"regex": rewrite["match"]}, "substitution": rewrite["rewrite"]}


def _redirect(redirect: JsonObject) -> JsonObject:
    code = REDIRECT_CODES[redirect.get("redirectCode", 301)]
    return {
        "response_code": code,
        **_given("path_redirect", redirect.get("uri")),
        **_given("host_redirect", redirect.get("authority")),
    }


def _direct_response(response: JsonObject) -> JsonObject:
    text = response.get("body", {}).get("string")
    return {"status": response["status"], **_given("body", {"inline_string": text} if text else None)}


def _extras(http: JsonObject) -> JsonObject:
    """What sits on the route beside its action: header changes, also those of a lone destination, and faults."""
    destinations = http.get("route", [])
    lone = destinations[0].get("headers", {}) if len(destinations) == 1 else {}
    merged: dict[str, list[Any]] = {}
    for holder in (lone, http.get("headers", {})):
        for key, entries in _headers(holder).items():
            merged.setdefault(key, []).extend(entries)
    fault = _fault(http.get("fault"))
    return {**merged, **({"typed_per_filter_config": {FAULT_FILTER: fault}} if fault else {})}


def _headers(headers: JsonObject) -> JsonObject:
    changes: JsonObject = {}
    for side in ("request", "response"):
        change = headers.get(side, {})
        added = [
            *_header_values(change.get("set", {}).items(), "OVERWRITE_IF_EXISTS_OR_ADD"),
            *_header_values(change.get("add", {}).items(), "APPEND_IF_EXISTS_OR_ADD"),
        ]
        changes |= _given(f"{side}_headers_to_add", added)
        changes |= _given(f"{side}_headers_to_remove", change.get("remove"))
    return changes


def _header_values(headers: Iterable[tuple[str, str]], action: str) -> Iterator[JsonObject]:
    for key, value in headers:
        yield {"header": {"key": key, "value": value}, "append_action": action}


def _fault(fault: JsonObject | None) -> JsonObject | None:
    if not fault:
        return None
    config: JsonObject = {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"}
    if "abort" in fault:
        abort = fault["abort"]
        config["abort"] = {"http_status": abort["httpStatus"], "percentage": _fraction(_percent(abort, "percentage"))}
    if "delay" in fault:
        delay = fault["delay"]
        config["delay"] = {"fixed_delay": delay["fixedDelay"], "percentage": _fraction(_percent(delay, "percentage"))}
    return config


def _given(key: str, value: object) -> JsonObject:
    """``{key: value}`` if there is a value."""
    return {key: value} if value else {}
