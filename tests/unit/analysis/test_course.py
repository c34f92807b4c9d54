"""Exposure counts users alone and each of them once; a chart's points stay few and lose nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.analysis.course import MOST_POINTS, _thinned, exposed
from bot.model.figures import Exposure, Figures, Point, UserView
from bot.model.rollout import Phase, Rollout, StageOutcome, Walked
from tests.builders import a_rollout, a_side_of


def shifting(settled_at: float | None) -> Rollout:
    mirror = Walked(name="mirror", outcome=StageOutcome.PASSED, began=0.0, ended=100.0)
    return replace(a_rollout(), phase=Phase.SHIFTING, stage=1, since=100.0, settled_at=settled_at, walked=(mirror,))


def row(start: float, end: float, users: float | None = None) -> Figures:
    seen = None if users is None else UserView(canary=users, primary=50)
    return Figures(start=start, end=end, primary=a_side_of(100), canary=a_side_of(80, 8), users=seen)


def test_every_request_of_the_canary_is_a_users_once_the_mirror_is_off() -> None:
    assert exposed(Exposure(), shifting(105.0), row(110, 125)) == Exposure(requests=80, errors=8, until=125)


def test_of_a_row_with_copies_in_it_only_what_callers_sent_counts() -> None:
    assert exposed(Exposure(), shifting(105.0), row(100, 115, users=20)) == Exposure(requests=20, errors=2, until=115)
    assert exposed(Exposure(), shifting(None), row(100, 115, users=20)) == Exposure(requests=20, errors=2, until=115)
    assert exposed(Exposure(), shifting(105.0), row(100, 115)) == Exposure(requests=0, errors=0, until=115)


def test_callers_that_count_more_than_the_canary_answered_are_not_believed() -> None:
    assert exposed(Exposure(), shifting(105.0), row(100, 115, users=500)).requests == 80


def test_a_side_that_is_not_known_adds_nothing() -> None:
    unknown = replace(row(110, 125), canary=None)
    assert exposed(Exposure(requests=5, errors=1), shifting(105.0), unknown) == Exposure(
        requests=5, errors=1, until=125
    )


POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=200)


@given(POINTS)
def test_points_stay_few_in_order_and_lose_no_request(counts: list[tuple[int, int]]) -> None:
    points: tuple[Point, ...] = ()
    for at, (canary, primary) in enumerate(counts):
        new = Point(at=float(at), canary=(float(canary), 0.0), primary=(float(primary), 0.0))
        points = _thinned((*points, new))

    assert len(points) <= MOST_POINTS
    assert [one.at for one in points] == sorted({one.at for one in points})
    assert sum(one.canary[0] for one in points) == sum(canary for canary, _ in counts)
    assert sum(one.primary[0] for one in points) == sum(primary for _, primary in counts)
    assert not counts or points[-1].at == len(counts) - 1
