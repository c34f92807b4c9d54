"""The shipped policies, and what they have against a write."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sandbox.kube.policies import Policies, Review

FILE = Path(__file__).parents[3] / "deploy/admissionpolicy.yaml"
DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(FILE.read_text(encoding="utf-8")))


def naming_hosts(*patterns: str) -> list[dict[str, Any]]:
    """The file as a team fits it whose versions have Services of their own."""
    fitted = deepcopy(DOCUMENTS)
    for one in fitted:
        for variable in one["spec"].get("variables", ()):
            if variable["name"] == "hosts":
                variable["expression"] = f"[{', '.join(map(repr, patterns))}]"
    return fitted


@cache
def shipped() -> Policies:
    """As the file has them; made when they are needed, not by each process that collects tests."""
    return Policies(DOCUMENTS)


@cache
def with_hosts() -> Policies:
    """As a team has them whose versions have Services of their own."""
    return Policies(naming_hosts("^reviews-v[0-9]+$"))


BOT = "system:serviceaccount:canary-bot:canary-bot"
WATCHDOG = "system:serviceaccount:canary-bot:canary-bot-watchdog"
MAYA = "maya"

Object = dict[str, Any]

_PLACES = {
    "VirtualService": ("networking.istio.io", "v1", "virtualservices", ""),
    "Deployment": ("apps", "v1", "deployments", ""),
    "Scale": ("apps", "v1", "deployments", "scale"),
    "Lease": ("coordination.k8s.io", "v1", "leases", ""),
}


def refusals(
    before: Object | None,
    after: Object,
    *,
    user: str = BOT,
    documents: list[Object] | None = None,
    policies: Policies | None = None,
) -> list[str]:
    """The sentences against it, without who says them; nothing is shared between the two, as on the wire."""
    policies = (policies or shipped()) if documents is None else Policies(documents)
    group, version, resource, subresource = _PLACES[after["kind"]]
    review = Review(
        user=user,
        operation="CREATE" if before is None else "UPDATE",
        group=group,
        version=version,
        resource=resource,
        subresource=subresource,
        before=json.loads(json.dumps(before)),
        after=json.loads(json.dumps(after)),
    )
    return [sentence.partition("denied request: ")[2] for sentence in policies.refusals(review)]


def of_kind(kind: str, objects: list[Object]) -> Object:
    """The first of that kind, as it comes over the wire."""
    chosen: Object = json.loads(json.dumps(next(one for one in objects if one["kind"] == kind)))
    return chosen
