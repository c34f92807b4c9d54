"""Users on the canary before any weight sends them there."""

from __future__ import annotations

from typing import Any

from bot.preflight import Callers, Examined, examine
from tests.builders import a_service
from tests.snapshots import a_snapshot, a_virtual_service, texts


def examined_of(callers: Callers, **changes: Any) -> Examined:
    return examine(a_service(), "v2", a_snapshot(**changes), callers)


def test_callers_inside_the_mesh_are_told_with_their_requests() -> None:
    (warning,) = texts(examined_of(Callers(of_service={"productpage-v1": 1234.0, "batch": 0.0})).warnings)

    assert warning.startswith(
        "Callers inside the mesh do not follow VirtualService reviews: 1,234 from productpage-v1 in the last hour."
    )


def test_callers_that_follow_the_routes_are_no_leak() -> None:
    ours = a_virtual_service(hosts=["reviews"], gateways=["mesh", "istio-system/reviews-gateway"])

    assert texts(examined_of(Callers(of_service={"productpage-v1": 1234.0}), virtual_service=ours).warnings) == ()


def test_real_requests_on_the_canary_are_told() -> None:
    (warning,) = texts(examined_of(Callers(of_canary={"productpage-v1": 10.0, "istio-ingressgateway": 30.0})).warnings)

    assert warning.startswith(
        "reviews-v2 answers real requests already: 30 from istio-ingressgateway and 10 from productpage-v1"
    )


def test_many_callers_are_told_by_the_busiest() -> None:
    (warning,) = texts(
        examined_of(Callers(of_service={f"caller-{number}": float(number) for number in range(1, 9)})).warnings
    )

    assert ": 8 from caller-8, 7 from caller-7, 6 from caller-6, 5 from caller-5, 4 from caller-4 and 3 more" in warning


def test_that_nobody_knows_is_told_and_stops_nothing() -> None:
    examined = examined_of(Callers(failure="Prometheus cannot be reached."))

    assert texts(examined.reasons) == ()
    assert texts(examined.warnings)[0].startswith("Who calls reviews is not known: Prometheus cannot be reached.")
