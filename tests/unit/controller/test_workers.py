"""One worker does what is quick; whoever waits for something keeps nobody else waiting, as far as there are workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bot.controller.workers import Workers

LONG = 3600.0  # seconds: longer than any test waits


@pytest.fixture
def impatient() -> Iterator[Workers]:
    workers = Workers(4, patience=0.001)
    yield workers
    workers.close()


def test_those_that_wait_keep_none_of_the_others_waiting(impatient: Workers) -> None:
    others_are_done = threading.Event()
    done: list[int] = []

    def work(number: int) -> int:
        if number < 3:  # all workers but one
            assert others_are_done.wait(60)
        else:
            done.append(number)
            if len(done) == 97:
                others_are_done.set()
        return number

    assert sorted(impatient.each(work, range(100))) == list(range(100))


def test_the_last_of_them_may_be_the_one_that_waits(impatient: Workers) -> None:
    others_are_done = threading.Barrier(4)

    def work(_: int) -> None:
        others_are_done.wait(60)  # nobody gets on before all four are at work

    assert len(impatient.each(work, range(4))) == 4


def test_one_worker_does_all_that_is_quick() -> None:
    workers = Workers(4, patience=LONG)

    threads = set(workers.each(lambda _: threading.get_ident(), range(1000)))
    workers.close()

    assert len(threads) == 1


def test_one_thing_alone_is_done_here_and_now_and_nothing_is_nothing(impatient: Workers) -> None:
    assert impatient.each(lambda _: threading.get_ident(), [1]) == [threading.get_ident()]
    assert impatient.each(lambda number: number, list[int]()) == []


def test_one_that_fails_is_told_when_all_others_have_had_their_turn(impatient: Workers) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number % 10 == 3:
            raise LookupError(number)
        done.append(number)

    with pytest.raises(LookupError):
        impatient.each(work, range(30))

    assert sorted(done) == [number for number in range(30) if number % 10 != 3]
