"""What a Prometheus has of known traffic: whole requests, at the moments of its scrapes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from sandbox.promql import Matcher
from sandbox.traffic import REQUESTS, Counts, Scraped, Traffic
from tests.fakes.clock import FakeClock

POD, OTHER = "reviews-v2/reviews-v2-a", "reviews-v2/reviews-v2-b"
EVERY = 5.0


class World:
    """Two pods with 10 requests a second each; a twentieth fails."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.began = self.clock.now()
        self.traffic = Traffic(self.clock.now)
        self.traffic.now(rates={POD: 10.0, OTHER: 10.0}, bad={"reviews-v2": 0.05})
        self.scraped = Scraped(traffic=self.traffic, every=EVERY)

    def points(self, target: str = POD, code: str = "200") -> Sequence[tuple[float, float | None]]:
        pod = target.partition("/")[2]
        matchers = [Matcher("__name__", "=", REQUESTS), Matcher("pod", "=", pod), Matcher("response_code", "=", code)]
        found = list(self.scraped.select(matchers, self.began - 10, self.clock.now() + 100))
        assert len(found) <= 1
        return found[0][1] if found else []


@pytest.fixture
def world() -> World:
    made = World()
    made.clock.advance(60)
    return made


def test_each_target_is_scraped_in_time_and_at_moments_of_its_own(world: World) -> None:
    one, other = world.points(POD), world.points(OTHER)

    assert len(one) == len(other) == 12
    assert {round(later[0] - earlier[0], 6) for earlier, later in pairwise(one)} == {EVERY}
    assert one[0][0] != other[0][0]


def test_counters_know_whole_requests_and_hold_each_once(world: World) -> None:
    at, good = world.points()[-1]
    _, bad = world.points(code="500")[-1]

    assert good is not None
    assert bad is not None
    assert good.is_integer()
    assert good + bad == int((at - world.began) * 10)
    assert bad == int((at - world.began) * 10 * 0.05)


def test_a_series_begins_with_its_first_request(world: World) -> None:
    world.traffic.now(rates={POD: 10.0, OTHER: 0.0, "reviews-v2/reviews-v2-c": 0.0})
    world.clock.advance(30)

    assert world.points("reviews-v2/reviews-v2-c") == []
    assert world.points(OTHER)[-1][1] == world.points(OTHER)[-2][1]


def test_the_series_of_a_pod_that_is_gone_are_marked_as_ended(world: World) -> None:
    world.traffic.now(rates={OTHER: 20.0})
    gone = world.clock.now()
    world.clock.advance(30)

    assert world.points()[-1] == (gone, None)


def test_a_restart_begins_at_zero_and_loses_what_was_not_scraped(world: World) -> None:
    world.traffic.restart("reviews-v2")
    restarted = world.clock.now()
    world.clock.advance(10)

    at, value = world.points()[-1]
    assert value == int((at - restarted) * 10) - int((at - restarted) * 10 * 0.05)


def test_a_slow_scrape_is_of_its_beginning_and_is_there_when_it_is_over(world: World) -> None:
    quick = world.points()[-1]
    world.scraped.scrape("reviews-v2", seconds=4.0)
    world.clock.advance(60)

    newest = world.points()[-1]
    assert (newest[0] - quick[0]) % EVERY == pytest.approx(0)
    assert world.clock.now() - newest[0] >= 4.0


@pytest.mark.parametrize(("late", "more"), [(False, 0), (True, 40)])
def test_a_page_that_is_written_late_counts_what_came_meanwhile(world: World, *, late: bool, more: int) -> None:
    world.traffic.now(bad={})
    world.scraped.scrape("reviews-v2", seconds=4.0, late=late)
    world.clock.advance(60)

    at, value = world.points()[-1]
    assert value is not None
    assert value - (world.points()[-2][1] or 0) == 50
    expected = int((at - world.began) * 10) - int(60 * 10 * 0.05) + more
    assert abs(value - expected) <= 1


def test_scrapes_that_fail_leave_annotations_and_the_counter_goes_on(world: World) -> None:
    world.scraped.scrape("reviews-v2", lost=0.3)
    world.clock.advance(600)

    values = [value for _, value in world.points()[13:]]
    lost = values.count(None)
    known = [value for value in values if value is not None]
    assert 10 <= lost <= 60
    assert known == sorted(known)


def test_another_clock_shifts_the_samples_and_not_what_they_say(world: World) -> None:
    before = world.points()
    world.scraped.skew = 5.0

    assert [(round(at - 5.0, 6), value) for at, value in world.points()] == [(round(at, 6), v) for at, v in before]


def test_what_was_served_by_a_moment_is_what_the_newest_scrapes_said(world: World) -> None:
    at = world.clock.now() - 20
    good = sum([point for point in world.points(pod) if point[0] <= at][-1][1] or 0 for pod in (POD, OTHER))

    requests, failed = world.scraped.served("reviews-v2", at)
    assert requests - failed == good
    assert failed > 0


def test_what_was_served_is_kept_through_restarts_and_ends(world: World) -> None:
    newest = sum(world.points(pod)[-1][1] or 0 for pod in (POD, OTHER))
    world.traffic.restart("reviews-v2")
    world.traffic.now(rates={OTHER: 10.0}, bad={})
    world.clock.advance(30)

    requests, failed = world.scraped.served("reviews-v2", world.clock.now())
    assert requests - failed == newest + (world.points(OTHER)[-1][1] or 0)


@pytest.mark.parametrize("seconds", [0.0, 4.0])
@pytest.mark.parametrize("lost", [0.0, 0.7, 1.0])
def test_the_newest_sample_is_the_last_of_all(world: World, seconds: float, lost: float) -> None:
    world.scraped.scrape("reviews-v2", seconds=seconds, lost=lost)
    world.clock.advance(100)
    named = [Matcher("__name__", "=", REQUESTS)]

    for ago in range(30):
        end = world.clock.now() - ago
        all_of_them = {
            tuple(sorted(labels.items())): points[-1] for labels, points in world.scraped.select(named, end - 300, end)
        }
        newest = {tuple(sorted(labels.items())): point for labels, point in world.scraped.newest(named, end - 300, end)}
        assert newest == all_of_them


class Counted(Traffic):
    """Traffic that knows how often it was added up."""

    additions = 0

    def counted(self, target: str, at: float) -> Counts:
        self.additions += 1
        return super().counted(target, at)


def test_a_scrape_is_worked_out_once_however_often_it_is_asked_for() -> None:
    clock = FakeClock()
    traffic = Counted(clock.now)
    traffic.now(rates={POD: 10.0, OTHER: 10.0})
    scraped = Scraped(traffic=traffic, every=EVERY)

    for _ in range(60):
        clock.advance(EVERY)
        list(scraped.select([Matcher("__name__", "=", REQUESTS)], 0.0, clock.now()))
        scraped.served("reviews-v2", clock.now())

    assert traffic.additions == 2 * 60


@pytest.mark.parametrize("seed", range(20))
def test_what_was_scraped_does_not_depend_on_when_it_is_asked_for(seed: int) -> None:
    clock, dice = FakeClock(), random.Random(seed)  # noqa: S311  # no secret: the same again for the same seed
    traffic = Traffic(clock.now)
    often, late = (Scraped(traffic=traffic, every=EVERY, salt=str(seed)) for _ in range(2))
    began, everything = clock.now(), [Matcher("namespace", "=", "default")]
    for _ in range(40):
        action = dice.randrange(4)
        if action == 0:
            traffic.now(rates={pod: dice.choice([0.0, 3.0, 40.0]) for pod in (POD, OTHER) if dice.random() < 0.7})
        elif action == 1:
            traffic.restart("reviews-v2")
        elif action == 2:
            seconds, lost = dice.choice([0.0, 3.0]), dice.choice([0.0, 0.4])
            for scraped in (often, late):
                scraped.scrape("reviews-v2", seconds=seconds, lost=lost)
        clock.advance(dice.uniform(0.1, 8.0))
        list(often.select(everything, dice.uniform(began, clock.now()), clock.now()))

    assert list(often.select(everything, began, clock.now())) == list(late.select(everything, began, clock.now()))
    for end in (dice.uniform(began, clock.now()) for _ in range(20)):
        assert list(often.newest(everything, began, end)) == list(late.newest(everything, began, end))
        assert often.served("reviews-v2", end) == late.served("reviews-v2", end)
