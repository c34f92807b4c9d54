"""``services.yaml`` for the rehearsal: Bookinfo's reviews at the demo's speeds."""

from __future__ import annotations

import copy
from typing import Any

import yaml

SCRAPE_SECONDS = 3
WEBHOOKS = "http://webhooks.sandbox"  # stands for wherever they are listened to

REVIEWS: dict[str, Any] = {
    "namespace": "default",
    "virtual_service": "reviews",
    "destination_rule": "reviews",
    "primary": {"deployment": "reviews-v1", "container": "reviews"},
    "canary": {"deployment": "reviews-{version}"},
    "mirror": {"percent": 100, "methods": "all", "for": "14s"},
    "weights": [20, 40, 60, 80, 100],
    "stage": {"for": "5s", "approve": ["mirror", "upgrade", "switchback"]},
    "switchback": [50, 100],
    "bake": "5s",
    "promote": "upgrade",
    "gates": {
        "errors": {"tolerance": 1.25, "ceiling": "5%"},
        "latency": {"bounds": [100, 250], "tolerance": 1.5},
        "minimum_requests": 30,
        "warm_up": "4s",
        "judge": {"least": "5s"},
    },
}

DEFAULTS: dict[str, Any] = {
    "channel": "#releases",
    "approvers": ["@release-managers"],
    "approvals": {"count": 1, "self": False, "timeout": "30m", "on_timeout": "hold"},
    "prometheus": {"scrape_interval": f"{SCRAPE_SECONDS}s", "reporter": "destination"},
}


def reviews(**changes: Any) -> dict[str, Any]:
    """One service's entry with some of its keys replaced."""
    return copy.deepcopy(REVIEWS) | changes


def listed(service: dict[str, Any], *more: str) -> dict[str, Any]:
    """The same entry with further VirtualServices beside the one it names; the one for callers inside the mesh."""
    kept = {key: value for key, value in service.items() if key != "virtual_service"}
    return {**kept, "virtual_services": [service["virtual_service"], *(more or ("inside",))]}


def services_yaml(services: dict[str, dict[str, Any]]) -> str:
    """The file's text."""
    return yaml.safe_dump({"defaults": DEFAULTS, "services": services}, sort_keys=False)
