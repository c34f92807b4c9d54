"""What every ``Lease`` promises, asked of the fake, of a real Redis and of a real Redis Cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from bot.adapters.redis_connection import connect
from bot.adapters.redis_lease import FENCE, LEASE, RedisLease
from bot.controller.ports import Lease
from bot.model.errors import Fault
from tests.contract.conftest import Server
from tests.fakes.clock import FakeClock
from tests.fakes.lease import FakeLeases

LEASE_SECONDS = 10.0  # by default


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Where replicas get their leases; ``expire`` lets the time to live of the one that is held pass for everybody."""

    replica: Callable[[str], Lease]
    clock: FakeClock
    expire: Callable[[], None]


@pytest.fixture(params=["memory", "redis", "cluster"])
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    clock = FakeClock()
    if request.param == "memory":
        yield Office(replica=FakeLeases(clock).lease, clock=clock, expire=lambda: clock.advance(LEASE_SECONDS))
        return
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.client.flushall()
    connection = connect(server.url)

    def expire() -> None:
        server.client.delete(LEASE)
        clock.advance(LEASE_SECONDS)

    yield Office(replica=lambda owner: RedisLease(connection, owner, monotonic=clock.now), clock=clock, expire=expire)
    connection.close()


def test_whoever_asks_first_leads_and_the_others_do_not(office: Office) -> None:
    first, second = office.replica("a"), office.replica("b")
    assert first.fence is None

    first.keep()
    second.keep()

    assert first.fence is not None
    assert second.fence is None


def test_a_lease_that_is_renewed_keeps_its_number(office: Office) -> None:
    lease = office.replica("a")
    lease.keep()
    number = lease.fence

    for _ in range(30):
        office.clock.advance(1)
        lease.keep()
        assert lease.fence == number is not None


def test_a_lease_that_is_not_renewed_ends_for_its_holder_before_it_can_end_for_others(office: Office) -> None:
    lease = office.replica("a")
    lease.keep()

    office.clock.advance(LEASE_SECONDS * 0.89)
    assert lease.fence is not None
    office.clock.advance(LEASE_SECONDS * 0.02)

    assert lease.fence is None


def test_the_next_leader_has_a_larger_number_and_the_old_one_finds_out(office: Office) -> None:
    old, new = office.replica("a"), office.replica("b")
    old.keep()
    number = old.fence
    office.expire()

    new.keep()
    old.keep()

    assert old.fence is None
    assert number is not None
    assert new.fence is not None
    assert new.fence > number


def test_a_released_lease_is_free_at_once(office: Office) -> None:
    old, new = office.replica("a"), office.replica("b")
    old.keep()

    old.release()
    assert old.fence is None
    new.keep()

    assert new.fence is not None


def test_releasing_what_somebody_else_holds_takes_nothing_away(office: Office) -> None:
    holder, other = office.replica("a"), office.replica("b")
    holder.keep()

    other.release()
    other.keep()

    assert other.fence is None
    assert holder.fence is not None


def test_of_many_that_ask_at_once_one_leads(redis_server: Server) -> None:
    redis_server.client.flushall()
    connection = connect(redis_server.url)
    leases = [RedisLease(connection, f"replica {number}") for number in range(16)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(RedisLease.keep, leases))

    assert len([lease for lease in leases if lease.fence is not None]) == 1


def test_redis_forgets_a_lease_that_nobody_renews(redis_server: Server) -> None:
    redis_server.client.flushall()
    connection = connect(redis_server.url)
    dead, waiting = RedisLease(connection, "a", seconds=0.3), RedisLease(connection, "b", seconds=0.3)
    dead.keep()
    taken_at = time.monotonic()

    pause = threading.Event()
    while waiting.fence is None and time.monotonic() - taken_at < 10:
        waiting.keep()
        pause.wait(0.01)

    assert waiting.fence is not None
    assert time.monotonic() - taken_at >= 0.29
    assert dead.fence is None


def test_a_redis_that_lost_everything_still_gives_larger_numbers(redis_server: Server) -> None:
    redis_server.client.flushall()
    connection = connect(redis_server.url)
    old, new = RedisLease(connection, "a"), RedisLease(connection, "b")
    old.keep()
    number = old.fence
    threading.Event().wait(0.002)  # the number is a time in milliseconds
    redis_server.client.delete(LEASE, FENCE)

    new.keep()

    assert number is not None
    assert new.fence is not None
    assert new.fence > number


def test_a_holder_that_cannot_renew_acts_until_its_time_is_over(redis_server: Server) -> None:
    redis_server.client.flushall()
    clock = FakeClock()
    connection = connect(redis_server.url)
    lease = RedisLease(connection, "a", monotonic=clock.now)
    lease.keep()
    lease._client = connect("redis://127.0.0.1:1/0")  # Redis is gone
    clock.advance(5)

    with pytest.raises(Fault, match="cannot be reached"):
        lease.keep()
    assert lease.fence is not None
    clock.advance(5)

    assert lease.fence is None
