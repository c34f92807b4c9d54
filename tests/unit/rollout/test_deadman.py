"""When a rollout counts as left alone, and where its users are safe then: every case, and the laws over all of them."""

from __future__ import annotations

from itertools import product

import pytest

from bot.model.observation import DeploymentStatus, FailsafeAction, FailsafeRecord, Progress
from bot.model.rollout import ALL_CANARY, HOME, RolloutId, Routes, Template
from bot.rollout.deadman import Heard, action, failsafe_sentence, hear, left_alone, safe_routes
from bot.words.rendering import plain
from tests.builders import a_side, a_target, routes

OWNER, OTHER = RolloutId("r-1"), RolloutId("r-2")
TARGET = a_target()
NOON = 1_750_000_000.0 // 86_400 * 86_400 + 12 * 3600

AS_IT_WAS, UPGRADED, CHANGED = a_side(), a_side(Template.UPGRADED), a_side(None)
GONE, MIXED = a_side(ready=0), a_side(stale=1)
COMING_UP = a_side(progress=Progress.WAITING, ready=1)
UPGRADED_GONE = a_side(Template.UPGRADED, ready=0)
HANGING = a_side(Template.UPGRADED, ready=0, stale=2)  # the old pods answer until a new one is ready
CHANGED_HANGING = a_side(None, ready=0, stale=2)
READY = a_side()
MIRROR = routes(0, mirror=True)


# Silence


def heard_at(*reconciles: tuple[float, str]) -> Heard:
    heard = None
    for at, beat in reconciles:
        heard = hear(heard, OWNER, beat, at, longest=10.0)
    assert heard is not None
    return heard


def test_silence_begins_at_the_first_observation_whatever_the_heartbeats_own_time() -> None:
    assert heard_at((5000.0, "17")).silence == 0


def test_silence_is_counted_while_the_heartbeat_stays_the_same() -> None:
    assert heard_at((0.0, "17"), (1.0, "17"), (8.0, "17")).silence == 8


@pytest.mark.parametrize("beat", ["18", "16", ""])
def test_any_change_is_a_sign_of_life_also_of_a_clock_that_was_set_back(beat: str) -> None:
    assert heard_at((0.0, "17"), (9.0, "17"), (10.0, beat)).silence == 0


def test_another_rollout_is_listened_to_from_its_own_beginning() -> None:
    heard = hear(heard_at((0.0, "17"), (9.0, "17")), OTHER, "17", 10.0, longest=10.0)

    assert (heard.owner, heard.silence) == (OTHER, 0)


def test_time_in_which_nobody_could_listen_is_no_silence() -> None:
    an_outage_of_an_hour = heard_at((0.0, "17"), (1.0, "17"), (3601.0, "17"), (3602.0, "17"))

    assert an_outage_of_an_hour.silence == 1 + 10 + 1


# Where users are safe


@pytest.mark.parametrize(
    ("live", "primary", "canary", "safe"),
    [
        (MIRROR, AS_IT_WAS, READY, HOME),
        (routes(60), AS_IT_WAS, READY, HOME),
        (ALL_CANARY, AS_IT_WAS, READY, HOME),
        (routes(60), AS_IT_WAS, GONE, HOME),
        (routes(60), a_side(ready=1), READY, HOME),
        # the primary is being upgraded, is upgraded, or is being restored
        (ALL_CANARY, UPGRADED_GONE, READY, ALL_CANARY),
        (ALL_CANARY, UPGRADED, READY, ALL_CANARY),
        (ALL_CANARY, MIXED, READY, ALL_CANARY),
        (ALL_CANARY, COMING_UP, READY, ALL_CANARY),
        (routes(60), COMING_UP, READY, HOME),
        (ALL_CANARY, COMING_UP, GONE, HOME),
        (routes(50), UPGRADED, READY, ALL_CANARY),
        (routes(50), CHANGED, READY, ALL_CANARY),
        # users who are all on the primary are never given to a canary they were not on
        (MIRROR, CHANGED, READY, HOME),
        (HOME, UPGRADED, READY, HOME),
        # any ready pod is better than none
        (routes(60), GONE, READY, ALL_CANARY),
        (MIRROR, GONE, READY, ALL_CANARY),
        (ALL_CANARY, UPGRADED, GONE, HOME),
        (ALL_CANARY, MIXED, GONE, HOME),
        (ALL_CANARY, HANGING, GONE, HOME),
        (routes(60), CHANGED_HANGING, GONE, HOME),
        (routes(60), GONE, a_side(ready=0, stale=1), ALL_CANARY),
        # and who answers at home may be older than what somebody has just deployed there
        (MIRROR, CHANGED_HANGING, READY, HOME),
        # neither is better
        (ALL_CANARY, UPGRADED_GONE, GONE, None),
        (routes(60), GONE, GONE, None),
        # somebody wrote what no plan could have written
        (None, AS_IT_WAS, READY, HOME),
        (None, UPGRADED, READY, ALL_CANARY),
    ],
)
def test_where_users_are_safe(
    live: Routes | None, primary: DeploymentStatus, canary: DeploymentStatus, safe: Routes | None
) -> None:
    assert safe_routes(live, primary, canary) == safe


def test_a_relabelled_primary_is_not_in_its_old_subset_so_nobody_is_sent_there() -> None:
    relabelled = a_side(Template.UPGRADED, elsewhere=2)
    assert safe_routes(ALL_CANARY, relabelled, GONE) is None
    assert safe_routes(ALL_CANARY, relabelled, READY) == ALL_CANARY
    assert safe_routes(HOME, relabelled, READY) == ALL_CANARY
    assert safe_routes(ALL_CANARY, a_side(stale=1, elsewhere=1), GONE) == HOME


def test_the_old_pods_of_a_relabelled_primary_are_in_its_old_subset_while_its_new_ones_hang() -> None:
    assert safe_routes(ALL_CANARY, HANGING, GONE) == HOME
    assert safe_routes(ALL_CANARY, a_side(Template.UPGRADED, ready=1, stale=1, elsewhere=1), GONE) is None
    assert safe_routes(ALL_CANARY, CHANGED_HANGING, GONE) == HOME


LIVE = [HOME, MIRROR, routes(20), routes(50), ALL_CANARY, None]
SIDES = [
    a_side(t, ready=r, stale=o, elsewhere=e)
    for t in (*Template, None)
    for r in (0, 1, 2)
    for o in (0, 1)
    for e in range(r + o + 1)
]


def test_in_no_case_is_anybody_sent_to_a_side_that_is_not_ready_or_to_a_primary_in_mid_upgrade() -> None:
    for live, primary, canary in product(LIVE, SIDES, SIDES):
        safe = safe_routes(live, primary, canary)
        if safe is None:
            continue
        assert safe in {HOME, ALL_CANARY}
        assert (primary.reachable if safe == HOME else canary.answering) > 0
        users_on_canary = live is None or live.canary > 0
        as_it_was = primary.template is Template.RECORDED and primary.stale == 0
        if safe == HOME and users_on_canary and canary.answering > 0:
            assert as_it_was
        if safe == ALL_CANARY and not users_on_canary:
            assert primary.reachable == 0


def test_what_is_safe_stays_safe_once_it_is_written() -> None:
    for live, primary, canary in product(LIVE, SIDES, SIDES):
        safe = safe_routes(live, primary, canary)
        if safe is not None:
            assert safe_routes(safe, primary, canary) == safe


# What is said


@pytest.mark.parametrize(
    ("live", "safe", "done"),
    [
        (HOME, HOME, None),
        (MIRROR, HOME, FailsafeAction.MIRROR),
        (routes(60), HOME, FailsafeAction.HOME),
        (None, HOME, FailsafeAction.HOME),
        (ALL_CANARY, ALL_CANARY, FailsafeAction.KEPT),
        (routes(50), ALL_CANARY, FailsafeAction.CANARY),
    ],
)
def test_what_a_write_does_to_users(live: Routes | None, safe: Routes, done: FailsafeAction | None) -> None:
    assert action(live, safe) == done


@pytest.mark.parametrize(
    ("done", "silence", "sentence"),
    [
        (
            FailsafeAction.HOME,
            121.0,
            "so the watchdog sent everyone back to reviews-v1",
        ),
        (FailsafeAction.MIRROR, 60.2, "so the watchdog ended mirroring to reviews-v2"),
        (FailsafeAction.KEPT, 8.3, "so the watchdog kept everyone on reviews-v2"),
        (FailsafeAction.CANARY, 90.0, "so the watchdog sent everyone to reviews-v2"),
    ],
)
def test_a_failsafe_action_is_told_in_a_sentence(done: FailsafeAction, silence: float, sentence: str) -> None:
    said = failsafe_sentence(FailsafeRecord(at=NOON, silence=silence, action=done), *TARGET.deployments)
    spans = {121.0: "2 minutes", 60.2: "60 seconds", 8.3: "8 seconds", 90.0: "90 seconds"}

    assert plain(said) == f"canary-bot was silent for {spans[silence]}, {sentence} (2025-06-15 12:00 UTC)."


def test_what_was_left_as_it_was_is_told_as_well() -> None:
    home, away = left_alone(120.0, TARGET, at_home=True), left_alone(120.0, TARGET, at_home=False)

    assert plain(home).startswith("All users are on reviews-v1, so nothing was changed.")
    assert plain(away).startswith("A person must decide: canary-bot has been silent for 2 minutes.")
