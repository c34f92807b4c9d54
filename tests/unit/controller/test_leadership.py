"""Two replicas and one lease: only its holder acts unasked, and one that lost it stops before it can do harm."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from bot.controller.leadership import LeadersStore
from bot.model.errors import Fault, Stale
from bot.model.rollout import Phase, Rollout, RolloutId
from tests.builders import a_rollout, a_service
from tests.fakes.clock import FakeClock
from tests.fakes.lease import SECONDS, FakeLease, FakeLeases
from tests.fakes.store import InMemoryStore


@dataclass
class Two:
    """Two replicas over one store; the first one leads."""

    clock: FakeClock = field(default_factory=FakeClock)
    shared: InMemoryStore = field(default_factory=InMemoryStore)

    def __post_init__(self) -> None:
        leases = FakeLeases(self.clock)
        self.leases: tuple[FakeLease, FakeLease] = (leases.lease("first"), leases.lease("second"))
        self.first, self.second = (LeadersStore(self.shared, lease) for lease in self.leases)
        for lease in self.leases:
            lease.keep()

    def a_rollout(self) -> Rollout:
        made = replace(a_rollout(a_service(name="reviews"), id=RolloutId("r-1")), phase=Phase.MIRRORING)
        return self.first.create(made, ())


def test_only_the_leader_can_look_or_save() -> None:
    two = Two()
    made = two.a_rollout()

    assert two.first.save(made).revision == 2
    for forbidden in (
        two.second.live,
        lambda: two.second.load(made.key, made.spec.id),
        lambda: two.second.active(made.key),
        lambda: two.second.save(made),
        lambda: two.second.create(made, ()),
    ):
        with pytest.raises(Fault, match="lease"):
            forbidden()


def test_a_leader_that_slept_through_its_lease_cannot_save_what_it_had_decided() -> None:
    two = Two()
    made = two.a_rollout()
    two.clock.advance(SECONDS)

    with pytest.raises(Fault, match="lease"):
        two.first.save(made)


def test_a_write_that_was_on_its_way_when_the_lease_changed_hands_is_refused_by_the_store() -> None:
    two = Two()
    made = two.a_rollout()
    old_fence = two.leases[0].fence
    two.clock.advance(SECONDS)
    two.leases[1].keep()
    newest = two.second.save(made)

    with pytest.raises(Stale, match="old lease"):
        two.shared.save(newest, fence=old_fence)

    assert two.shared.load(made.key, made.spec.id) == newest


def test_what_a_person_asks_of_any_replica_needs_no_lease() -> None:
    two = Two()
    made = two.a_rollout()

    assert two.shared.save(made).revision == 2


def test_reading_the_past_needs_no_lease() -> None:
    two = Two()
    made = two.a_rollout()

    assert list(two.second.history(made.key)) == [made]
    assert list(two.second.story(made.key, made.spec.id)) == []
    two.second.ping()
