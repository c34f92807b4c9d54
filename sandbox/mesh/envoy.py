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
from sandbox.mesh.xds import ROUTE_CONFIGURATION, TYPES, View, assignments, clusters, route_configuration
from sandbox.ports import LOOPBACK

STAT_PREFIX = "gateway"
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
        self.routes = directory / "routes.json"
        self._directory = directory
        self._written: dict[Path, str] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, view: View) -> dict[str, str]:
        """Write what changed; the version each file has now, under the name Envoy's statistics report it by.

        Endpoints go first and routes last, so that nothing is referred to before it is there.
        """
        endpoints = assignments(view)
        versions = {
            f"cluster.{name}.version_text": self._put(self._endpoints(name), [assignment])
            for name, assignment in endpoints.items()
        }
        versions["cluster_manager.cds.version_text"] = self._put(self.clusters, clusters(view, self._endpoint_source))
        versions[f"http.{STAT_PREFIX}.rds.{ROUTE_CONFIGURATION}.version_text"] = self._put(
            self.routes, [route_configuration(view)]
        )
        return versions

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


def bootstrap(*, listener_port: int, admin_port: int, files: DiscoveryFiles) -> JsonObject:
    """The configuration Envoy starts with: one listener on loopback, the admin page, and where the rest is."""
    return {
        "node": {"id": "istio-ingressgateway", "cluster": "istio-ingressgateway"},
        "admin": {"address": _address(admin_port)},
        "dynamic_resources": {"cds_config": file_source(files.clusters)},
        "static_resources": {
            "listeners": [
                {
                    "name": "gateway",
                    "address": _address(listener_port),
                    "filter_chains": [{"filters": [_http_connection_manager(files)]}],
                }
            ]
        },
    }


def file_source(path: Path) -> JsonObject:
    """An Envoy ConfigSource that reads a file, and reads it again whenever it is replaced."""
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def _http_connection_manager(files: DiscoveryFiles) -> JsonObject:
    return _typed(
        "envoy.filters.network.http_connection_manager",
        f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        {
            "stat_prefix": STAT_PREFIX,
            "rds": {"route_config_name": ROUTE_CONFIGURATION, "config_source": file_source(files.routes)},
            "http_filters": [
                _typed("envoy.filters.http.fault", f"{FILTERS}.http.fault.v3.HTTPFault"),
                _typed("envoy.filters.http.router", f"{FILTERS}.http.router.v3.Router"),
            ],
            "access_log": [
                _typed(
                    "envoy.access_loggers.stdout",
                    f"{TYPES}.extensions.access_loggers.stream.v3.StdoutAccessLog",
                    {"log_format": {"json_format": ACCESS_LOG}},
                )
            ],
        },
    )


def _typed(name: str, type_url: str, config: Mapping[str, object] | None = None) -> JsonObject:
    return {"name": name, "typed_config": {"@type": type_url, **(config or {})}}


def _address(port: int) -> JsonObject:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}
