"""A lock for each key, and none for keys that nobody uses."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.controller.locks import Locks

THREADS = 8


def test_nobody_meets_anybody_on_the_same_key_however_new_it_is() -> None:
    locks = Locks()
    inside: dict[str, int] = {}
    met: list[str] = []
    together = threading.Barrier(THREADS)

    def work(_: int) -> None:
        for number in range(200):
            together.wait(10)  # all of them ask for a key that nobody has asked for before
            key = f"default/service-{number}"
            with locks.alone(key):
                inside[key] = inside.get(key, 0) + 1
                if inside[key] != 1:
                    met.append(key)
                inside[key] -= 1

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))

    assert met == []


def test_a_key_is_forgotten_when_nobody_has_it_also_after_a_failure() -> None:
    locks = Locks()

    for number in range(1000):
        key = f"default/service-{number}"
        with pytest.raises(LookupError), locks.alone(key), locks.alone(key):
            raise LookupError(len(locks))

    assert len(locks) == 0


def test_who_waits_for_a_key_gets_the_lock_that_the_first_one_has() -> None:
    locks = Locks()
    waiting, order = threading.Event(), list[str]()

    def second() -> None:
        waiting.set()
        with locks.alone("default/reviews"):
            order.append("second")

    with locks.alone("default/reviews"):
        thread = threading.Thread(target=second)
        thread.start()
        waiting.wait(10)
        order.append("first")
    thread.join(10)

    assert (order, len(locks)) == (["first", "second"], 0)
