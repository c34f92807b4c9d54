"""The ingress gateway and a caller's sidecar: a real Envoy, and Istio's source metrics made from its access log.

How a request is routed is decided by the discovery files (``xds``, ``envoy``); what Envoy really has in force is read
back from its admin page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sandbox.mesh.envoy import DiscoveryFiles, bootstrap
from sandbox.mesh.metrics import (
    CALLER_AS_SOURCE,
    GATEWAY_AS_SOURCE,
    NO_DESTINATION,
    IstioMetrics,
    destination_labels,
    service_labels,
)
from sandbox.mesh.objects import JsonObject, Pod, Service
from sandbox.mesh.tally import Tally
from sandbox.mesh.xds import GATEWAY, View
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Program, answers, fetch, find_program

ACCESS_LOG_FLUSH_MS = 100  # Envoy's default of ten seconds would make the source's figures old

NOBODY = ("unknown", "unknown")  # version and workload of a request no pod got


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteInForce:
    """One route as Envoy has it: which cluster gets how much of the traffic, and of the copies, in percent."""

    host: str
    name: str
    weights: dict[str, float]
    mirrors: dict[str, float]


class Gateway:
    """Envoy on a free loopback port. ``apply`` gives it a new configuration; ``settled`` says whether it has it."""

    def __init__(self, directory: Path, answered: Tally[tuple[str, str]]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.sidecar_port = free_port()
        self.admin_port = free_port()
        self.metrics = IstioMetrics()
        self._answered = answered
        self._files = DiscoveryFiles(directory / "discovery")
        self._versions: dict[str, str] = {}
        self._services: dict[str, Service] = {}
        # Never forgotten: a pod's last requests are logged after it has gone.
        self._pods: dict[str, Pod] = {}
        self._bootstrap = directory / "envoy.json"
        self.program = Program(
            self._argv(), log=directory / "envoy.log", ready=answers(self.admin_port, "/ready"), on_line=self._logged
        )

    @property
    def url(self) -> str:
        """Where users send their requests."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def sidecar_url(self) -> str:
        """Where a caller inside the mesh sends its requests."""
        return f"http://{LOOPBACK}:{self.sidecar_port}"

    def start(self) -> Self:
        """Start Envoy; ``apply`` must have been called once."""
        files = self._files
        configuration = bootstrap(
            gateway_port=self.port, sidecar_port=self.sidecar_port, admin_port=self.admin_port, files=files
        )
        self._bootstrap.write_text(json.dumps(configuration, indent=2))
        self.program.start()
        return self

    def stop(self) -> None:
        """End Envoy."""
        self.program.stop()

    def apply(self, view: View) -> None:
        """Write the configuration that follows from ``view``; Envoy takes it within milliseconds."""
        self._services = {service.fqdn: service for service in view.services}
        self._pods |= {f"{LOOPBACK}:{endpoint.port}": endpoint.pod for endpoint in view.endpoints}
        self._versions = self._files.write(view)

    def settled(self) -> bool:
        """Whether Envoy has what was last applied."""
        try:
            return self._versions.items() <= self._versions_in_force().items()
        except OSError:
            return False

    @property
    def rejected(self) -> int:
        """How many configurations Envoy refused since it started; it goes on with the one before."""
        stats = json.loads(self._admin("/stats?format=json&filter=update_rejected"))["stats"]
        return sum(stat["value"] for stat in stats if "value" in stat)

    def routes_in_force(self) -> tuple[RouteInForce, ...]:
        """The routes the gateway uses right now, from its own mouth."""
        dump = json.loads(self._admin("/config_dump?resource=dynamic_route_configs"))
        return tuple(
            _route_in_force(host, route)
            for entry in dump.get("configs", [])
            if entry["route_config"]["name"] == GATEWAY
            for virtual_host in entry["route_config"].get("virtual_hosts", [])
            for host in virtual_host["domains"]
            for route in virtual_host.get("routes", [])
        )

    def _versions_in_force(self) -> dict[str, str]:
        stats = json.loads(self._admin("/stats?format=json&type=TextReadouts&filter=version_text"))["stats"]
        return {stat["name"]: stat["value"] for stat in stats if "name" in stat}

    def _admin(self, path: str) -> bytes:
        return fetch(self.admin_port, path)[1]

    def _argv(self) -> list[str]:
        return [
            find_program("envoy"),
            *("-c", str(self._bootstrap)),
            *("--concurrency", "1"),
            "--disable-hot-restart",
            *("--file-flush-interval-msec", str(ACCESS_LOG_FLUSH_MS)),
            *("--log-level", "warn"),
        ]

    def _logged(self, line: str) -> None:
        try:
            entry: JsonObject = json.loads(line)
        except ValueError:
            return  # not an access log line
        pod = self._pods.get(entry["host"] or "")
        service = self._services.get((entry["cluster"] or "").rpartition("|")[2])
        self._answered.add((pod.version, pod.workload) if pod else NOBODY)
        labels = {
            "reporter": "source",
            **(GATEWAY_AS_SOURCE if entry["proxy"] == GATEWAY else CALLER_AS_SOURCE),
            **(destination_labels(pod) if pod else NO_DESTINATION),
            **service_labels(service),
            "request_protocol": "http",
            "response_code": str(entry["code"]),
            "response_flags": entry["flags"] or "-",
            "grpc_response_status": "" if entry["grpc"] is None else str(entry["grpc"]),
            "connection_security_policy": "unknown",
        }
        self.metrics.record(labels, float(entry["milliseconds"]))


def _route_in_force(host: str, route: JsonObject) -> RouteInForce:
    action = route.get("route", {})
    weighted = action.get("weighted_clusters", {}).get("clusters", [])
    total = sum(entry["weight"] for entry in weighted)
    shares = {entry["name"]: 100.0 * entry["weight"] / total for entry in weighted}
    weights = shares or {action.get("cluster", "-"): 100.0}
    mirrors = {
        policy["cluster"]: policy["runtime_fraction"]["default_value"]["numerator"] / 10_000
        for policy in action.get("request_mirror_policies", [])
    }
    return RouteInForce(host=host, name=route.get("name", ""), weights=weights, mirrors=mirrors)
