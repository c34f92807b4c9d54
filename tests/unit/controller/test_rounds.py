"""Which services are looked at in which turn of a tick."""

from __future__ import annotations

from collections import Counter

import pytest

from bot.controller.rounds import MOST, SPREADS, TURNS, Rounds


def many(count: int) -> list[str]:
    return [f"shop/service-{number}" for number in range(count)]


def reconciled(rounds: Rounds, busy: list[str], turns: int) -> list[list[str]]:
    seen = []
    for number in range(turns):
        rounds.advance(number * rounds.seconds)
        seen.append(rounds.turn(busy))
    return seen


@pytest.mark.parametrize(
    "count", [0, 1, *(spread * MOST + more for spread in SPREADS for more in (0, 1)), 2 * TURNS * MOST]
)
def test_every_service_is_looked_at_once_a_tick_and_always_in_the_same_turn(count: int) -> None:
    busy = many(count)
    rounds = Rounds(10.0)
    reconciled(rounds, busy, TURNS)  # now it knows how many there are

    first, second = reconciled(rounds, busy, TURNS), reconciled(rounds, busy, TURNS)

    assert Counter(one for turn in first for one in turn) == Counter(busy)
    assert first == second


@pytest.mark.parametrize(("count", "at_work"), [(7, [0]), (250, [0, 3, 6]), (1000, list(range(TURNS)))])
def test_the_more_there_are_the_more_turns_they_are_spread_over_at_even_distances(
    count: int, at_work: list[int]
) -> None:
    rounds, busy = Rounds(10.0), many(count)
    reconciled(rounds, busy, TURNS)

    turns = reconciled(rounds, busy, TURNS)

    assert [place for place, turn in enumerate(turns) if turn] == at_work
    assert max(map(len, turns)) < 1.5 * count / len(at_work)


def test_a_turn_with_nothing_to_do_is_known_before_anybody_is_asked() -> None:
    rounds = Rounds(10.0)

    reconciled(rounds, many(7), TURNS)
    assert rounds.is_idle
    rounds.advance(10.0)
    assert not rounds.is_idle


def test_it_tells_how_late_a_turn_is_and_catches_up_with_nothing() -> None:
    rounds = Rounds(18.0)

    assert [rounds.advance(now) for now in (100.0, 102.0, 104.5, 106.0, 120.0, 122.0)] == [
        0.0,
        0.0,
        0.5,
        0.0,
        12.0,
        0.0,
    ]
