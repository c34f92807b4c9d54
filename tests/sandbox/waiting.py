"""Waiting for what another process does: asked again and again, for at most so long."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_SECONDS = 0.1  # between two looks


def wait_until(reached: Callable[[], bool], seconds: float = 60.0) -> None:
    """Return once ``reached`` says so; an assertion fails after ``seconds``, which a busy machine may need."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(PAUSE_SECONDS)
