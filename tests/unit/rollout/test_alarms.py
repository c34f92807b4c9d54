"""Incidents of production are told to everybody at once, and once when they are over, however they flap."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.figures import Finding, Incident, Judgement, Verdict
from bot.model.rollout import Rollout
from bot.model.story import Entry, EntryKind
from bot.rollout import alarms, decide
from bot.words.rendering import plain
from tests.builders import a_rollout, a_service, an_observation, keys, verdict

GOOD = replace(verdict(Verdict.PASS), proven=True)
EARLY = verdict(Verdict.INCONCLUSIVE)


def judged(incident: Incident, word: Verdict = Verdict.INCONCLUSIVE) -> Judgement:
    brief = "Both versions are failing: v2 errors 20 % (20 of 100) against 21 % (21 of 100) on v1."
    finding = Finding(gate="evidence", verdict=word, sentence=f"{brief} More is known.", brief=brief)
    return Judgement(at=1e9, verdict=word, hold=True, findings=(finding,), incident=incident)


BOTH, HARM = judged(Incident.BOTH_FAIL), judged(Incident.HARM)
NO_METRICS = judged(Incident.NO_METRICS, Verdict.ERROR)


def settled(name: str = "mirror") -> Rollout:
    rollout = a_rollout(a_service(approve=()))
    index = next(i for i, stage in enumerate(rollout.spec.plan) if stage.name == name)
    return replace(rollout, phase=rollout.spec.plan[index].phase, stage=index, since=0.0, settled_at=0.0)


def reconciled(rollout: Rollout, *judgements: Judgement, now: float = 0.0) -> tuple[Rollout, list[Entry]]:
    """Reconciles of ten seconds each."""
    notified: list[Entry] = []
    for judgement in judgements:
        now += 10.0
        rollout, entries = decide.decide(rollout, an_observation(rollout), judgement, now)
        notified += entries
    return rollout, notified


def loud(notified: list[Entry]) -> list[Entry]:
    return [entry for entry in notified if entry.loud or entry.kind is EntryKind.ALERT]


def test_both_versions_failing_is_told_at_the_first_reconcile_and_is_not_the_new_versions() -> None:
    _, notified = reconciled(settled("shift 40"), *[BOTH] * 3)

    assert [(entry.kind, plain(entry.text)) for entry in notified] == [
        (EntryKind.ALERT, f"{plain(BOTH.findings[0].brief)} This is not v2. Going back would not help.")
    ]


def test_mirroring_that_harms_the_primary_is_told_at_the_first_reconcile() -> None:
    _, notified = reconciled(settled(), HARM)

    assert keys(loud(notified)[0].text)[0] == "rollout.alarm_harm"


def test_no_figures_are_told_to_everybody_after_a_minute_and_at_first_in_the_thread() -> None:
    _, first = reconciled(settled("shift 40"), *[NO_METRICS] * 6)
    _, then = reconciled(settled("shift 40"), *[NO_METRICS] * 12)

    assert (len(loud(first)), [keys(entry.text)[0] for entry in loud(then)]) == (0, ["rollout.alarm_no_metrics"])
    assert [entry.kind for entry in first] == [EntryKind.HELD]


@pytest.mark.parametrize("incident", [BOTH, HARM], ids=["both", "harm"])
def test_that_it_is_over_is_told_once_and_to_everybody(incident: Judgement) -> None:
    there, _ = reconciled(settled(), incident)
    over, notified = reconciled(there, *[EARLY] * 30, now=10.0)

    assert [(entry.kind, entry.loud) for entry in loud(notified)] == [(EntryKind.RESUMED, True)]
    assert alarms.find(over, Incident.BOTH_FAIL) is None


def test_an_incident_outlasts_the_stage_in_which_it_was_noticed() -> None:
    there, _ = reconciled(settled("shift 20"), BOTH)
    on, notified = reconciled(there, *[GOOD] * 20, now=200.0)

    assert on.current.name != "shift 20"
    assert [keys(entry.text)[0] for entry in loud(notified)] == ["rollout.alarm_both_fail_over"]


@settings(max_examples=100, deadline=None)
@given(flaps=st.lists(st.tuples(st.sampled_from([BOTH, EARLY, GOOD]), st.integers(1, 8)), max_size=60))
def test_an_incident_that_flaps_is_told_ever_more_rarely(flaps: list[tuple[Judgement, int]]) -> None:
    judgements = [judgement for judgement, times in flaps for _ in range(times)][:360]
    _, notified = reconciled(settled("bake"), *judgements)

    assert len([entry for entry in notified if entry.kind is EntryKind.ALERT]) <= 6, "in an hour"
