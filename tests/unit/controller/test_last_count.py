"""What users met of a canary, and how each stage was left, is in the record; also what they met during an abort."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from bot.controller.decisions import Abort
from bot.controller.last_count import LastCounts
from bot.controller.ports import Store
from bot.model.errors import Fault
from bot.model.judge_settings import STRICTNESS
from bot.model.rollout import Phase, Rollout, StageOutcome
from bot.model.service import GateLimits
from tests.builders import OMAR, a_service, a_side_of
from tests.unit.controller.test_controller import Rig

BROKEN = Fault("Prometheus", "cannot be reached.")


def test_stages_are_remembered_with_how_they_were_left_by_whom_and_what_was_answered() -> None:
    rig = Rig()
    rig.start()
    ended = rig.until(lambda rollout: rollout.ended)

    outcomes = [(one.name, one.outcome) for one in ended.walked]

    assert outcomes == [
        ("mirror", StageOutcome.PASSED),
        *((f"shift {share}", StageOutcome.PASSED) for share in (20, 40, 60, 80)),
        ("shift 100", StageOutcome.DONE),
        ("upgrade", StageOutcome.DONE),
        ("switchback 50", StageOutcome.PASSED),
        ("switchback 100", StageOutcome.DONE),
        ("bake", StageOutcome.DONE),
    ]
    mirror = ended.walked[0]
    assert [approval.by for approval in mirror.approvals] == [OMAR]
    assert mirror.canary is not None
    assert mirror.canary[0] > 0
    assert all(one.began < one.ended for one in ended.walked)


def test_nobody_meets_the_canary_while_requests_are_copied() -> None:
    rig = Rig()
    rig.start()
    rig.at("mirror")
    for _ in range(10):
        rig.tick()

    assert rig.live().exposure.requests == 0
    rig.decide(Abort(reason="Enough."))
    ended = rig.until(lambda rollout: rollout.ended)
    for _ in range(6):
        rig.tick()
    assert rig.newest().exposure.requests == 0
    assert ended.walked[0].outcome is StageOutcome.ABORTED


def test_an_aborted_rollout_is_told_what_users_met_until_they_were_back() -> None:
    rig = Rig(a_service(gates=GateLimits(judge=replace(STRICTNESS, shield=False))))  # else they are home before it
    rig.start()
    rig.at("shift 40")
    rig.metrics.sides["default/reviews-v2"] = a_side_of(800, 224)
    ended = rig.until(lambda rollout: rollout.ended)
    counted = ended.exposure
    assert ended.phase is Phase.ABORTED
    assert counted.requests > 0

    for _ in range(6):
        rig.tick()

    closed = rig.newest()
    assert closed.exposure.until is not None
    assert closed.exposure.until >= (ended.ended_at or 0.0)
    assert closed.exposure.requests > counted.requests
    assert closed.exposure.errors > counted.errors
    assert [one.outcome for one in closed.walked][-2:] == [StageOutcome.ABORTED, StageOutcome.DONE]
    assert replace(closed, analysis_state=ended.analysis_state, revision=0) == replace(ended, revision=0)
    revision = closed.revision
    for _ in range(6):
        rig.tick()
    assert rig.newest().revision == revision  # once


def aborted_without_figures() -> tuple[Rig, Rollout]:
    """At 40 %, and Prometheus is away from then on."""
    rig = Rig()
    rig.start()
    rig.at("shift 40")
    rig.metrics.outage = BROKEN
    rig.decide(Abort(reason="Enough."))
    return rig, rig.until(lambda rollout: rollout.ended)


def test_a_prometheus_that_is_away_at_the_end_is_asked_again() -> None:
    rig, ended = aborted_without_figures()
    for _ in range(6):
        rig.tick()
    assert rig.newest() == ended

    rig.metrics.outage = None
    rig.tick()

    assert rig.newest().exposure.requests > ended.exposure.requests


def test_it_is_given_up_when_nobody_will_know_any_more() -> None:
    rig, ended = aborted_without_figures()
    for _ in range(40):
        rig.tick()
    rig.metrics.outage = None
    rig.tick()

    assert rig.newest() == ended


def test_a_count_that_could_not_be_stored_is_taken_again() -> None:
    rig, ended = aborted_without_figures()
    rig.metrics.outage = None
    last_counts = LastCounts()
    last_counts.note(ended)
    now = (ended.ended_at or 0.0) + 60.0

    last_counts.take(cast("Store", _Away(rig.store)), rig.metrics, now)
    assert rig.newest() == ended
    last_counts.take(rig.store, rig.metrics, now + 10.0)

    assert rig.newest().exposure.requests > ended.exposure.requests


class _Away:
    """A store that takes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def save(self, *_: object, **__: object) -> Rollout:
        raise Fault("Redis", "cannot be reached.")
