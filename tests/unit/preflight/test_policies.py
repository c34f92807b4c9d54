"""What governs one side's pods and not the other's."""

from __future__ import annotations

from typing import Any

import pytest

from bot.preflight import examine
from tests.builders import a_service
from tests.snapshots import a_snapshot, texts


def policy(kind: str, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "shop", "namespace": "default"}, "spec": spec}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            policy("AuthorizationPolicy", selector={"matchLabels": {"version": "v1"}}, action="ALLOW"),
            (
                "AuthorizationPolicy shop governs the pods of reviews-v1 and not those of reviews-v2. Callers, "
                "even the gateway, may get 403 on one side only"
            ),
        ),
        (
            policy("PeerAuthentication", selector={"matchLabels": {"version": "v2"}}, mtls={"mode": "STRICT"}),
            "PeerAuthentication shop governs the pods of reviews-v2 and not those of reviews-v1.",
        ),
        (
            policy("Sidecar", workloadSelector={"labels": {"version": "v2"}}),
            "Sidecar shop governs the pods of reviews-v2 and not those of reviews-v1.",
        ),
        (policy("PeerAuthentication", mtls={"mode": "STRICT"}), ""),
        (policy("AuthorizationPolicy", selector={"matchLabels": {"app": "reviews"}}), ""),
        (policy("AuthorizationPolicy", selector={"matchLabels": {"app": "ratings"}}), ""),
    ],
)
def test_both_sides_should_be_governed_alike(policy: dict[str, Any], said: str) -> None:
    examined = examine(a_service(), "v2", a_snapshot(policies=(policy,)))

    assert texts(examined.reasons) == ()
    assert [warning.startswith(said) for warning in texts(examined.warnings)] == [True] * bool(said)
