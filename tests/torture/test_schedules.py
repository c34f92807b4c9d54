"""Fault schedules: whatever goes wrong, whenever, in whatever order, no promise is broken.

``make torture N=10000`` plays more of them; ``make torture SEED=17`` shows one and plays it again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.redis import Redis
from tests.torture.events import SWEEPS
from tests.torture.further_events import KINDS, SHARES
from tests.torture.play import play
from tests.torture.schedule import MAKERS, draw

SCHEDULES, EACH = 320, 10
RARELY = 10  # schedules
OF_ONE_VERSION = frozenset({"newer_bot_writes", "older_bot_writes", "newer_bot_leads"})


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis"), appendonly=False) as redis:
        yield redis


@pytest.mark.sandbox
@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, SCHEDULES, EACH))
def test_no_schedule_of_faults_breaks_a_promise(redis: Redis, tmp_path: Path, first: int) -> None:
    broken = {seed: play(tmp_path, redis.port, draw(seed)) for seed in range(first, first + EACH)}

    assert {seed: violations for seed, violations in broken.items() if violations} == {}


def test_ci_plays_as_many_schedules_as_the_safety_page_says() -> None:
    page = Path(__file__).parents[2].joinpath("docs/safety.md").read_text(encoding="utf-8")

    assert f"{SCHEDULES} schedules" in page


def test_a_seed_is_always_the_same_schedule() -> None:
    assert str(draw(17)) == str(draw(17))
    assert str(draw(17)) != str(draw(18))


def test_the_schedules_contain_everything_that_may_go_wrong() -> None:
    events = [event for seed in range(SCHEDULES) for event in draw(seed).events]

    dice = random.Random(0)  # noqa: S311  # no secret
    further = {event.what for maker, weight in KINDS.items() if weight for event in maker(dice)}
    assert {event.what for event in events} >= {maker(dice).what for maker in MAKERS} | further
    assert all(0 <= event.at <= SWEEPS for event in events)


def test_ci_meets_each_kind_of_trouble_often_enough() -> None:
    """What is drawn in a handful of schedules alone says little about the others."""
    schedules = [draw(seed) for seed in range(SCHEDULES)]
    met = Counter(what for one in schedules for what in {event.what for event in one.events})
    met["users_change with HPAs"] = sum(bool(one.scalers) and one.has("users_change") for one in schedules)
    met["hold_write and another_leads"] = sum(one.has("hold_write") and one.has("another_leads") for one in schedules)
    met["clocks apart"] = sum(one.skew != 0 for one in schedules)
    met["a person wants out"] = sum(one.leaving is not None for one in schedules)
    met["a broken file"] = sum("broken" in str(one) for one in schedules)

    assert {what: times for what, times in met.items() if times < RARELY and what not in OF_ONE_VERSION} == {}
    assert sum(met[what] for what in OF_ONE_VERSION) >= RARELY


def test_the_switches_say_how_many_schedules_have_what() -> None:
    schedules = [draw(seed) for seed in range(2000)]
    shares = {
        "autoscalers": sum(bool(one.scalers) for one in schedules),
        "skew": sum(one.skew != 0 for one in schedules),
        "since_three": sum(not one.closed for one in schedules),
        "leaving": sum(one.leaving is not None for one in schedules),
        "webhooks": sum(bool(one.callees) for one in schedules),
        "several": sum(one.several for one in schedules),
    }

    assert {name: round(count / len(schedules), 1) for name, count in shares.items()} == {
        name: pytest.approx(SHARES[name], abs=0.06) for name in shares
    }
