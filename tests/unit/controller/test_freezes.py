"""What a freeze does to a start, and what it leaves alone."""

from __future__ import annotations

import pytest

from bot.model.errors import Fault, Refusal
from bot.model.freeze import ALL, FreezeAction, FreezeLine
from bot.model.rollout import Phase
from bot.words.rendering import plain
from tests.builders import LENA, MAYA, OMAR, a_freeze
from tests.unit.controller.test_controller import Rig

FROZEN = (
    "reviews is frozen since 1970-01-01 00:16 UTC by U0LENA, until 1970-01-01 02:16 UTC: database migration. "
    "`/canary unfreeze reviews` ends it."
)
ALL_FROZEN = (
    "All services are frozen since 1970-01-01 00:16 UTC by U0OMAR, until somebody ends it: an incident. "
    "`/canary unfreeze all` ends it."
)


def frozen() -> Rig:
    """Reviews is frozen for two hours."""
    rig = Rig()
    rig.controller.freeze("reviews", by=LENA, reason="database migration", seconds=7200.0)
    return rig


def test_a_start_of_a_frozen_service_is_refused_with_all_other_reasons_and_kept() -> None:
    rig = frozen()
    rig.controller.freeze(ALL, by=OMAR, reason="an incident", seconds=None)
    rig.workloads.deployments["reviews-v2"].ready = 0

    with pytest.raises(Refusal) as refused:
        rig.start()

    assert plain(refused.value.sentence) == "reviews v2 was not started. Nothing has changed."
    assert tuple(map(plain, refused.value.reasons[:2])) == (ALL_FROZEN, FROZEN)
    assert "reviews-v2 is not ready" in plain(refused.value.reasons[2])
    assert (rig.mesh.written, rig.controller.active("reviews")) == ([], None)
    assert rig.newest().phase is Phase.REFUSED
    assert plain(rig.newest().reason).startswith(f"{ALL_FROZEN} {FROZEN}")


def test_a_start_whose_objects_are_missing_is_told_of_the_freeze_as_well() -> None:
    rig = frozen()

    with pytest.raises(Refusal) as refused:
        rig.controller.start("reviews", "v9", by=MAYA)

    assert plain(refused.value.reasons[0]) == FROZEN
    assert any("There is no Deployment" in reason for reason in map(plain, refused.value.reasons[1:]))


def test_a_freeze_that_is_typed_while_preflight_looks_still_counts() -> None:
    rig = Rig()
    snapshot = rig.snapshots.take

    class Slow:
        """A snapshot in whose time somebody stops the line."""

        def take(self, *asked: object) -> object:
            rig.controller.freeze(ALL, by=OMAR, reason="an incident", seconds=None)
            return snapshot(*asked)  # type: ignore[arg-type]  # as it was asked

    rig.snapshots = Slow()  # type: ignore[assignment]  # it answers what the other one does
    rig.controller = rig.restarted()

    with pytest.raises(Refusal) as refused:
        rig.start()
    assert list(map(plain, refused.value.reasons)) == [ALL_FROZEN]


def test_a_plan_shows_what_a_freeze_stops_and_its_stages_all_the_same() -> None:
    plan = frozen().controller.plan("reviews", "v2")

    assert f"Stops a start: {FROZEN}" in map(plain, plan.findings)
    assert len(plan.stages) > 5


def test_a_start_goes_on_once_the_freeze_is_over_or_ended_or_about_another() -> None:
    rig = frozen()
    rig.controller.freeze(ALL, by=OMAR, reason="an incident", seconds=60.0)
    rig.freezes.freeze(a_freeze("ratings"))
    rig.clock.advance(60.0)

    (own,) = [freeze for freeze in rig.controller.freezes() if freeze.scope == "reviews"]
    rig.controller.unfreeze(own, by=LENA)

    assert rig.start().phase is Phase.MIRRORING


def test_a_live_rollout_goes_to_its_end_through_a_freeze() -> None:
    rig = Rig()
    rig.start()
    rig.controller.freeze(ALL, by=OMAR, reason="an incident", seconds=None)

    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED


def test_a_live_rollout_can_be_aborted_through_a_freeze_also_when_the_store_has_lost_it() -> None:
    rig = Rig()
    rig.start()
    rig.at("shift 20")
    rig.controller.freeze(ALL, by=OMAR, reason="an incident", seconds=None)
    rig.store.lose_everything()

    rig.controller.abort("reviews", by=MAYA, reason="it smells")

    assert rig.until(lambda rollout: rollout.ended).phase is Phase.ABORTED


def test_while_freezes_cannot_be_read_nothing_starts_and_what_is_live_goes_on() -> None:
    rig = Rig()
    rig.freezes.outage = Fault("Redis", "cannot be reached.")
    with pytest.raises(Fault, match="cannot be reached"):
        rig.start()
    assert (rig.mesh.written, list(rig.controller.history("reviews"))) == ([], [])

    rig.freezes.outage = None
    rig.start()
    rig.freezes.outage = Fault("Redis", "cannot be reached.")
    assert rig.until(lambda rollout: rollout.ended).phase is Phase.PROMOTED


def test_a_plan_needs_no_store_and_says_that_freezes_are_not_known() -> None:
    rig = Rig()
    rig.freezes.outage = Fault("Redis", "cannot be reached.")

    planned = rig.controller.plan("reviews", "v2")

    assert planned.stages
    assert "Warning: Whether reviews is frozen is not known: Redis cannot be reached." in map(plain, planned.findings)


def test_a_freeze_tells_what_it_replaces() -> None:
    rig = frozen()
    (first,) = rig.controller.freezes()
    rig.clock.advance(60)

    second, replaced = rig.controller.freeze("reviews", by=LENA, reason="it takes longer", seconds=None)

    assert replaced == first
    assert list(rig.controller.freezes()) == [second]


def test_a_freeze_that_has_changed_since_it_was_seen_is_not_ended() -> None:
    rig = frozen()
    (seen,) = rig.controller.freezes()
    newer, _ = rig.controller.freeze("reviews", by=OMAR, reason="another", seconds=None)

    with pytest.raises(Refusal, match="The freeze of reviews has just changed"):
        rig.controller.unfreeze(seen, by=LENA)

    assert list(rig.controller.freezes()) == [newer]


def test_what_there_is_not_cannot_be_frozen() -> None:
    with pytest.raises(Refusal, match="There is no service payments"):
        Rig().controller.freeze("payments", by=LENA, reason="migration", seconds=None)


def test_whoever_measures_us_hears_of_each_freeze_and_its_end() -> None:
    rig = Rig()
    heard: list[FreezeLine] = []
    rig.froze = heard.append
    rig.controller = rig.restarted()

    freeze, _ = rig.controller.freeze(ALL, by=LENA, reason="migration", seconds=60.0)
    rig.controller.unfreeze(freeze, by=OMAR)

    assert [(line.action, line.by, line.freeze) for line in heard] == [
        (FreezeAction.FROZE, LENA, freeze),
        (FreezeAction.UNFROZE, OMAR, freeze),
    ]
    assert heard == list(rig.freezes.story())
