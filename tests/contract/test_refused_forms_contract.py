"""What a workspace does not take is remembered for every replica, for a time: the fake, and a real Redis."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.adapters.redis_connection import connect
from bot.adapters.redis_refused_forms import RedisRefusedForms
from bot.model.errors import Fault
from bot.slack.web_api import RefusedForms
from tests.contract.conftest import Server
from tests.fakes.clock import FakeClock
from tests.fakes.refused_forms import InMemoryRefusedForms

Replicas = Callable[[], RefusedForms]


@pytest.fixture(params=["fake", "redis", "cluster"])
def replicas(request: pytest.FixtureRequest) -> Replicas:
    """Makes what one replica asks; all share what is remembered."""
    if request.param == "fake":
        shared = InMemoryRefusedForms(FakeClock())
        return lambda: shared
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.client.flushall()
    return lambda: RedisRefusedForms(connect(server.url))


def test_what_was_never_refused_may_be_tried(replicas: Replicas) -> None:
    assert replicas().seconds_left("chart") == 0


def test_what_one_replica_had_refused_no_other_tries_and_other_forms_are_tried(replicas: Replicas) -> None:
    replicas().remember("chart", 3600.0)

    assert replicas().seconds_left("chart") == pytest.approx(3600, abs=30)
    assert replicas().seconds_left("native") == 0


def test_a_newer_refusal_counts_from_then(replicas: Replicas) -> None:
    replicas().remember("chart", 60.0)
    replicas().remember("chart", 3600.0)

    assert replicas().seconds_left("chart") == pytest.approx(3600, abs=30)


def test_a_memory_that_cannot_be_asked_says_so() -> None:
    gone = RedisRefusedForms(connect("redis://127.0.0.1:1/0"))

    with pytest.raises(Fault, match="cannot be reached"):
        gone.seconds_left("chart")
    with pytest.raises(Fault, match="cannot be reached"):
        gone.remember("chart", 60.0)
