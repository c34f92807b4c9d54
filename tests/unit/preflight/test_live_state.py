"""The live state that a rollout begins from."""

from __future__ import annotations

from bot.model.observation import Progress
from bot.model.rollout import Template
from bot.preflight import ready_to_begin
from tests.builders import a_side, a_target, routes
from tests.snapshots import texts


def test_a_rollout_begins_only_at_home_with_both_sides_healthy() -> None:
    stuck = a_side(progress=Progress.FAILED, ready=1, reason="Image cannot be pulled.")

    reasons = ready_to_begin(a_target(), routes(20), "", a_side(Template.UPGRADED, wanted=0), stuck)

    assert texts(reasons) == (
        (
            "The routes of reviews are 80/20; a rollout begins with all users on the primary. Set the weight of v1 to "
            "100 and of v2 to 0, without a mirror."
        ),
        "reviews-v1 has no replicas. `kubectl -n default scale deployment/reviews-v1 --replicas=2` gives it pods.",
        (
            "reviews-v2 is not ready: 1 of 2 pods. Image cannot be pulled. "
            "`kubectl -n default rollout status deployment/reviews-v2` says what it waits for."
        ),
        "reviews-v1 is changing right now; try again when that is over.",
    )
    assert ready_to_begin(a_target(), routes(0), "", a_side(), a_side()) == []


def test_trouble_that_was_told_in_detail_is_not_told_again() -> None:
    paused = a_side(progress=Progress.FAILED, reason="reviews-v2 is paused.")

    assert ready_to_begin(a_target(), routes(0), "", a_side(), paused, {"reviews-v2"}) == []
