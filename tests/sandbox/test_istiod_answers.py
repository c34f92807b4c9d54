"""The rehearsal gives its proxies what Istio's own control plane gave a gateway and a sidecar of the same objects.

The sample was made by giving istiod's generator of configuration the objects, with a pod of each version behind every
Service, and asking it for routes, clusters and endpoints of both proxies. What of them only names, traces or counts
requests was left out. The objects are what the bot writes stage by stage, and mesh objects that are easily misread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.mesh.objects import Pod, service_of
from sandbox.mesh.xds import CALLERS, Endpoint, View, assignments, route_configurations

SAMPLE = json.loads((Path(__file__).parent / "samples" / "istiod-answers.json").read_text(encoding="utf-8"))
VERSIONS = ("v1", "v2", "v3")
DENOMINATORS = {"HUNDRED": 1, "TEN_THOUSAND": 100, "MILLION": 10_000}
DEFAULTS = {
    "append_action": "APPEND_IF_EXISTS_OR_ADD",
    "case_sensitive": True,
    "response_code": "MOVED_PERMANENTLY",
}

each_case = pytest.mark.parametrize("case", SAMPLE["cases"], ids=lambda case: case["name"])
each_proxy = pytest.mark.parametrize("proxy", sorted(CALLERS))


@each_case
@each_proxy
def test_a_proxy_has_istiods_routes_for_each_host(case: dict[str, Any], proxy: str) -> None:
    given = route_configurations(view_of(case))[proxy]["virtual_hosts"]
    assert routes_by_domain(given, CALLERS[proxy].prefix) == routes_by_domain(case["answers"][proxy]["hosts"])


@each_case
@each_proxy
def test_a_proxys_clusters_are_istiods_and_so_are_the_pods_behind_them(case: dict[str, Any], proxy: str) -> None:
    view, prefix = view_of(case), CALLERS[proxy].prefix
    others = tuple(caller.prefix for caller in CALLERS.values() if len(caller.prefix) > len(prefix))
    pods = {endpoint.port: f"{endpoint.pod.version}.{endpoint.pod.namespace}" for endpoint in view.endpoints}
    behind = {
        name.removeprefix(prefix): sorted(pods[port] for port in ports_of(assignment))
        for name, assignment in assignments(view).items()
        if name.startswith(prefix) and not name.startswith(others)
    }
    assert behind == case["answers"][proxy]["clusters"]


def view_of(case: dict[str, Any]) -> View:
    objects = {
        kind: [one for one in case["objects"] if one["kind"] == kind]
        for kind in ("VirtualService", "DestinationRule", "Gateway", "Service")
    }
    services = tuple(map(service_of, objects["Service"]))
    places = [(space, version) for space in sorted({one.namespace for one in services}) for version in VERSIONS]
    return View(
        virtual_services=objects["VirtualService"],
        destination_rules=objects["DestinationRule"],
        gateways=objects["Gateway"],
        services=services,
        endpoints=tuple(Endpoint(pod=a_pod(*place), port=port) for port, place in enumerate(places, start=7001)),
    )


def a_pod(namespace: str, version: str) -> Pod:
    return Pod(
        namespace=namespace,
        name=f"reviews-{version}",
        workload=f"reviews-{version}",
        version=version,
        labels={"app": "reviews", "version": version},
        service_account="default",
        running=True,
        ready=True,
    )


def ports_of(assignment: dict[str, Any]) -> Iterator[int]:
    for locality in assignment["endpoints"]:
        for endpoint in locality["lb_endpoints"]:
            yield endpoint["endpoint"]["address"]["socket_address"]["port_value"]


def routes_by_domain(hosts: list[dict[str, Any]], prefix: str = "") -> dict[str, Any]:
    """What a proxy does for each host name, clusters by their own names."""
    read = json.loads(json.dumps(hosts).replace(f'"{prefix}outbound|', '"outbound|'))
    return {domain: [normalised(route) for route in host["routes"]] for host in read for domain in host["domains"]}


def normalised(value: Any, key: str = "") -> Any:
    """The same for both ways of writing one thing: names of routes, defaults, numbers as text, shares of a hundred."""
    if isinstance(value, dict):
        if "denominator" in value or set(value) == {"numerator"}:
            return value.get("numerator", 0) / DENOMINATORS[value.get("denominator", "HUNDRED")]
        named = {} if "match" in value else {"name": value.get("name")}
        kept = {one: normalised(found, one) for one, found in value.items() if one != "name"} | named
        return {one: found for one, found in kept.items() if not is_default(one, found)}
    if isinstance(value, list):
        return [normalised(one) for one in value]
    return int(value) if key == "host_selection_retry_max_attempts" else value


def is_default(key: str, value: Any) -> bool:
    return value in (None, "", [], {}) or DEFAULTS.get(key) == value
