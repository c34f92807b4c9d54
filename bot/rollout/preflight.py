"""Whether a rollout may begin: pure, from the raw objects of the cluster. Filled in with the checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the API server holds about one service, as raw JSON objects. Missing objects are None or empty.

    Attributes:
        virtual_service: the one named in ``services.yaml``, its own namespace being the service's.
        virtual_services: every other VirtualService of the namespace (delegates, rivals for the same hosts).
        destination_rules: all of the namespace.
        gateways: those the VirtualService names, as far as they could be read.
        deployments: all of the namespace.
        pods: of the primary and the canary.
        failures: objects that could not be read, as sentences.
    """

    virtual_service: dict[str, Any] | None
    service: dict[str, Any] | None
    virtual_services: tuple[dict[str, Any], ...] = ()
    destination_rules: tuple[dict[str, Any], ...] = ()
    gateways: tuple[dict[str, Any], ...] = ()
    deployments: tuple[dict[str, Any], ...] = ()
    pods: tuple[dict[str, Any], ...] = ()
    failures: tuple[str, ...] = ()
