"""Envoy's files: the bootstrap it starts with, and the discovery files it watches.

What stands in the discovery files is decided in ``xds``; here is how it gets to Envoy. Envoy takes a file again when
something is *moved* onto it, so each is written aside and moved, and only when its content changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from sandbox.mesh.objects import JsonObject, JsonObjects
from sandbox.mesh.xds import GATEWAY, SIDECAR, TYPES, View, assignments, clusters, is_needed, route_configurations
from sandbox.ports import LOOPBACK

FILTERS = f"{TYPES}.extensions.filters"

# One JSON object per finished request. Envoy writes none for mirrored copies, as Istio counts none at the source.
ACCESS_LOG = {
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "milliseconds": "%DURATION%",
    "host": "%UPSTREAM_HOST%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "grpc": "%GRPC_STATUS_NUMBER%",
}


class DiscoveryFiles:
    """The cluster, endpoint and route files under one directory, kept as a ``View`` demands."""

    def __init__(self, directory: Path) -> None:
        self.clusters = directory / "clusters.json"
        self._directory = directory
        self._written: dict[Path, str] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, view: View) -> dict[str, str]:
        """Write what changed; the version each file has now, under the name Envoy's statistics report it by.

        Endpoints go first and routes last, so that nothing is referred to before it is there.
        """
        needed = is_needed(view)
        endpoints = {name: assignment for name, assignment in assignments(view).items() if needed(name)}
        versions = {
            f"cluster.{name}.version_text": self._put(self._endpoints(name), [assignment])
            for name, assignment in endpoints.items()
        }
        versions["cluster_manager.cds.version_text"] = self._put(
            self.clusters, [one for one in clusters(view, self._endpoint_source) if needed(one["name"])]
        )
        for proxy, routes in route_configurations(view).items():
            versions[f"http.{proxy}.rds.{proxy}.version_text"] = self._put(self.routes(proxy), [routes])
        return versions

    def routes(self, proxy: str) -> Path:
        """The routes of the gateway or of the sidecar."""
        return self._directory / f"routes-{proxy}.json"

    def _endpoint_source(self, cluster: str) -> JsonObject:
        return file_source(self._endpoints(cluster))

    def _endpoints(self, cluster: str) -> Path:
        return self._directory / f"endpoints-{cluster.replace('|', '_')}.json"

    def _put(self, path: Path, resources: JsonObjects) -> str:
        # The version follows from the content: writing the same again is no change, to Envoy or to us.
        version = hashlib.sha256(json.dumps(resources).encode()).hexdigest()[:12]
        if self._written.get(path) != version:
            aside = path.with_suffix(".new")
            aside.write_text(json.dumps({"version_info": version, "resources": resources}))
            os.replace(aside, path)  # noqa: PTH105 - Path.replace hides that the move is the point
            self._written[path] = version
        return version


def bootstrap(*, gateway_port: int, sidecar_port: int, admin_port: int, files: DiscoveryFiles) -> JsonObject:
    """The configuration Envoy starts with: a listener for each proxy, the admin page, and where the rest is."""
    ports = {GATEWAY: gateway_port, SIDECAR: sidecar_port}
    return {
        "node": {"id": "istio-ingressgateway", "cluster": "istio-ingressgateway"},
        "admin": {"address": _address(admin_port)},
        "dynamic_resources": {"cds_config": file_source(files.clusters)},
        "static_resources": {
            "listeners": [
                {
                    "name": proxy,
                    "address": _address(port),
                    "filter_chains": [{"filters": [_http_connection_manager(proxy, files)]}],
                }
                for proxy, port in ports.items()
            ]
        },
    }


def file_source(path: Path) -> JsonObject:
    """An Envoy ConfigSource that reads a file, and reads it again whenever it is replaced."""
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def _http_connection_manager(proxy: str, files: DiscoveryFiles) -> JsonObject:
    return _typed(
        "envoy.filters.network.http_connection_manager",
        f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        {
            "stat_prefix": proxy,
            "rds": {"route_config_name": proxy, "config_source": file_source(files.routes(proxy))},
            "http_filters": [
                _typed("envoy.filters.http.fault", f"{FILTERS}.http.fault.v3.HTTPFault"),
                _typed("envoy.filters.http.router", f"{FILTERS}.http.router.v3.Router"),
            ],
            "access_log": [
                _typed(
                    "envoy.access_loggers.stdout",
                    f"{TYPES}.extensions.access_loggers.stream.v3.StdoutAccessLog",
                    {"log_format": {"json_format": ACCESS_LOG | {"proxy": proxy}}},
                )
            ],
        },
    )


def _typed(name: str, type_url: str, config: Mapping[str, object] | None = None) -> JsonObject:
    return {"name": name, "typed_config": {"@type": type_url, **(config or {})}}


def _address(port: int) -> JsonObject:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}
