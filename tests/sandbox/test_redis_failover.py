"""A rollout goes on when the Redis that holds it is killed, behind sentinels and in a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_connection import RedisClient, connect
from bot.adapters.redis_freezes import RedisFreezes
from bot.adapters.redis_lease import RedisLease
from bot.adapters.redis_store import RedisStore
from bot.controller.controller import Controller
from bot.controller.decisions import By, Restore
from bot.controller.leadership import LeadersStore
from bot.controller.ports import Ports
from bot.controller.telemetry import Telemetry
from bot.model.errors import Fault
from bot.model.rollout import HOME, HoldCause, Phase, Rollout, RolloutId
from bot.model.story import Entry, EntryKind
from tests import snapshots
from tests.builders import MAYA, OMAR, a_service, a_side_of, routes
from tests.fakes.clock import FakeClock
from tests.fakes.mesh import InMemoryMesh
from tests.fakes.metrics import FakeMetrics
from tests.fakes.snapshots import FakeSnapshots
from tests.fakes.workloads import InMemoryWorkloads
from tests.sandbox.redis_sets import Set, await_true, cluster, sentinels

KEY = "canary:{default/reviews}:active"
SHARES = [20, 40, 60, 80, 100, 50, 0]


class Bot:
    """A bot over a real Redis and a world in memory; the scheduler's jobs are called by the test."""

    def __init__(self, url: str) -> None:
        self.clock = FakeClock(1000.0)
        self.mesh, self.workloads = InMemoryMesh(), InMemoryWorkloads()
        self.connection: RedisClient = connect(url)
        self.store, self.outbox = RedisStore(self.connection), RedisOutbox(self.connection)
        self.lease = RedisLease(self.connection, "this one")  # real time, as Redis has
        self.faults: list[str] = []
        self.controller = self._controller()
        self.leader = self.controller.under(LeadersStore(self.store, self.lease))

    def _controller(self) -> Controller:
        sides = {"default/reviews-v1": a_side_of(4000), "default/reviews-v2": a_side_of(800)}
        deployments = tuple(snapshots.a_deployment(f"reviews-{v}", v, image=f"reviews:{v[1:]}") for v in ("v1", "v2"))
        snapshot = snapshots.a_snapshot(virtual_service=self.mesh.virtual_service(), deployments=deployments)
        ports = Ports(
            store=self.store,
            freezes=RedisFreezes(self.connection),
            mesh=self.mesh,
            workloads=self.workloads,
            snapshots=FakeSnapshots(snapshot),
            metrics=FakeMetrics(sides, per=10.0),
            clock=self.clock,
        )
        ids = count(1)
        return Controller(
            services={"reviews": a_service(mirror_percent=20)},
            ports=ports,
            new_id=lambda: RolloutId(f"r-{next(ids)}"),
            telemetry=Telemetry(failed=lambda _, fault: self.faults.append(str(fault))),
        )

    def tick(self) -> None:
        """The jobs, once."""
        self.clock.advance(10)
        try:
            self.lease.keep()
            self.leader.sweep(self.store.live())
            self._help(self.newest())
        except Fault as fault:
            self.faults.append(str(fault))

    def _help(self, rollout: Rollout) -> None:
        if rollout.asked_at is not None:
            self.controller.approve("reviews", by=OMAR, evidence=self.controller.button_token(rollout))
        if rollout.phase in {Phase.UPGRADING, Phase.ABORTING}:
            self.workloads.finish("reviews-v1")

    def newest(self) -> Rollout:
        return self.controller.history("reviews")[0]

    def newest_stage(self) -> str:
        """Where the rollout is, "" while Redis fails over."""
        try:
            return self.newest().current.name
        except Fault:
            return ""

    def until(self, reached: Callable[[Rollout], bool]) -> None:
        """Tick until the newest rollout is there, also through an outage."""

        def there() -> bool:
            self.tick()
            try:
                return reached(self.newest())
            except Fault:
                return False

        await_true(there)

    def story(self) -> list[Entry]:
        return list(self.controller.story(self.newest()))


@pytest.fixture(params=["sentinels", "cluster"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Set]:
    with sentinels(tmp_path) if request.param == "sentinels" else cluster(tmp_path, KEY) as found:
        yield found


@pytest.mark.sandbox
def test_a_rollout_is_promoted_although_the_master_is_killed_on_its_way(servers: Set) -> None:
    bot = Bot(servers.url)
    bot.controller.start("reviews", "v2", by=MAYA)
    bot.until(lambda rollout: rollout.current.name == "shift 40")
    number = bot.lease.fence
    servers.master.ask("WAIT", 1, 5000)

    servers.lose()
    bot.until(lambda rollout: rollout.ended)

    assert bot.newest().phase is Phase.PROMOTED
    assert bot.mesh.written == [routes(0, mirror=True), *map(routes, SHARES), HOME]
    assert len(bot.workloads.applied) == 1
    kinds = [notification.entry.kind for notification in bot.outbox.pending() if notification.entry]
    assert kinds == [entry.kind for entry in bot.story()]
    assert number is not None
    assert bot.lease.fence is not None
    assert bot.lease.fence >= number


@pytest.mark.sandbox
def test_a_change_that_the_master_took_to_its_grave_moves_no_user_until_a_person_says_so(servers: Set) -> None:
    """Redis replicates after it has answered, so the newest change may be lost although it was acted upon."""
    bot = Bot(servers.url)
    bot.controller.start("reviews", "v2", by=MAYA)
    bot.until(lambda rollout: rollout.current.name == "shift 20" and rollout.settled_at is not None)
    behind = servers.behind()
    bot.until(lambda rollout: rollout.current.name == "shift 40" and rollout.settled_at is not None)

    servers.lose()
    servers.await_failover()
    behind.bring_back(servers.replica)
    await_true(lambda: bot.newest_stage() == "shift 20")
    bot.until(lambda rollout: rollout.hold is not None and rollout.hold.cause is HoldCause.DRIFT)

    assert bot.mesh.written[-1] == routes(40), "what was lost may have been an abort: nobody is moved unasked"
    assert bot.story()[-1].kind is EntryKind.ALERT
    bot.controller.decide("reviews", Restore(), By(id=OMAR))
    bot.until(lambda rollout: rollout.ended)
    assert bot.newest().phase is Phase.PROMOTED
    assert bot.mesh.written[3:5] == [routes(20), routes(40)]


@pytest.mark.sandbox
def test_a_lease_that_the_master_took_to_its_grave_gives_the_next_leader_a_larger_number(servers: Set) -> None:
    first, second = (RedisLease(connect(servers.url), owner) for owner in ("first", "second"))
    behind = servers.behind()
    first.keep()
    number = first.fence

    servers.lose()
    servers.await_failover()
    behind.bring_back(servers.replica)

    def taken() -> bool:
        try:
            second.keep()
        except Fault:
            return False
        return second.fence is not None

    await_true(taken)
    assert number is not None
    assert second.fence is not None
    assert second.fence > number
