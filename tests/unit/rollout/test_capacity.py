"""How many pods a share needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.figures import Judgement, Verdict
from bot.model.rollout import Phase, Rollout
from bot.rollout import capacity
from tests.builders import a_rollout, a_side, a_side_of, a_target, an_observation, figures, routes


def sized(primary: int, canary: int = 2, minimum: int = 0, **changes: Any) -> Rollout:
    target = a_target(primary_replicas=primary, canary_replicas=canary, primary_minimum=minimum)
    return a_rollout(target=target, **changes)


@pytest.mark.parametrize(
    ("rollout", "share", "needed"),
    [
        (sized(10), 100, 10),
        (sized(10), 25, 3),
        (sized(10), 1, 1),
        (sized(2, minimum=4), 100, 4),
        (sized(0), 100, 1),  # not known: any pod
    ],
)
def test_the_primary_needs_what_it_had_or_what_its_autoscaler_keeps(rollout: Rollout, share: int, needed: int) -> None:
    assert capacity.of_primary(rollout, share) == needed


@pytest.mark.parametrize(("share", "needed"), [(20, 2), (40, 3), (100, 3)])
def test_the_canary_needs_its_share_but_no_more_than_it_was_begun_with(share: int, needed: int) -> None:
    assert capacity.of_canary(sized(8, canary=3), share) == needed


def test_more_traffic_than_at_the_start_needs_more_but_no_more_pods_than_carry_it_now() -> None:
    busy = sized(2, pod_rate=50.0, user_rate=400.0)  # eight pods by the rate
    observed = an_observation(busy, routes=routes(100), canary=a_side(ready=6))

    assert capacity.of_primary(busy, 100, observed) == 6
    assert capacity.of_primary(replace(busy, user_rate=110.0), 100, observed) == 2


def test_the_load_is_noted_while_it_can_be_told() -> None:
    read = figures(a_side_of(600, first=0.0, last=60.0), a_side_of(300, first=0.0, last=60.0))
    judged = Judgement(at=60.0, verdict=Verdict.PASS, figures=read)
    mirroring, shifting = sized(2, phase=Phase.MIRRORING), sized(2, phase=Phase.SHIFTING, stage=1)

    assert capacity.note_load(mirroring, an_observation(mirroring), judged).pod_rate == 5.0  # copies are nobody's load
    assert capacity.note_load(shifting, an_observation(shifting), judged).user_rate == 15.0
    assert capacity.note_load(shifting, an_observation(shifting), replace(judged, figures=None)) == shifting


@pytest.mark.parametrize("spans", [{}, {"last": 60.0}, {"first": 40.0, "last": 60.0}])
def test_counts_of_an_unknown_or_a_short_time_tell_no_load(spans: dict[str, float]) -> None:
    judged = Judgement(at=60.0, verdict=Verdict.PASS, figures=figures(a_side_of(600, **spans), a_side_of(300, **spans)))
    for rollout in (sized(2, phase=Phase.MIRRORING), sized(2, phase=Phase.SHIFTING, stage=1)):
        assert capacity.note_load(rollout, an_observation(rollout), judged) == rollout


def test_a_primary_that_grows_while_users_return_asks_for_no_more_because_it_grew() -> None:
    busy = sized(2, pod_rate=3.0, user_rate=40.0, phase=Phase.SWITCHING_BACK)
    for ready in (2, 4, 12):
        observed = an_observation(busy, routes=routes(50), primary=a_side(ready=ready), canary=a_side(ready=3))
        assert capacity.of_primary(busy, 100, observed) == 3
