"""Reconciles side by side: one worker while it gets on, another where it waits for something.

Python runs one thread of a process at a time. Threads that only reckon take it from one another, and all of them
together take longer than one alone would. What is worth a second worker is a reconcile that waits for another system:
nobody else is to wait with it. So a worker is added whenever nothing was finished for a moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

# Seconds in which something has to be finished. A turn of a tick of 10 s has 1.1 s for 100 rollouts (``rounds``): one
# worker alone that finishes something in this time is done with them by then.
PATIENCE = 0.01

Thing = TypeVar("Thing")
Result = TypeVar("Result")


class Workers:
    """At most so many threads, which are begun as they are needed."""

    def __init__(self, most: int, patience: float = PATIENCE) -> None:
        self._most = most
        self._patience = patience
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="reconcile")

    def each(self, work: Callable[[Thing], Result], things: Sequence[Thing]) -> list[Result]:
        """What ``work`` makes of each, in the order in which it was finished. One alone is done here and now.

        Raises:
            Exception: whatever ``work`` raised first, once it has been tried with every other thing.
        """
        if len(things) <= 1:
            return [work(thing) for thing in things]
        left, done, raised = deque(things), list[Result](), list[Exception]()

        def take() -> None:
            while left:
                try:
                    thing = left.popleft()
                except IndexError:  # another worker was quicker
                    return
                try:
                    done.append(work(thing))
                except Exception as error:  # noqa: BLE001  # raised again when the others have had their turn
                    raised.append(error)

        running = [self._pool.submit(take)]
        while True:
            before = len(done) + len(raised)
            may_add = bool(left) and len(running) < self._most
            if not wait(running, self._patience if may_add else None).not_done:
                break
            if may_add and len(done) + len(raised) == before:
                running.append(self._pool.submit(take))
        if raised:
            raise raised[0]
        return done

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True)
