"""Either edition behind one door: which one judges, what is kept of it, and what only typical latency leads to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest

from bot.analysis.judge import editions
from bot.analysis.judge.editions import State
from bot.analysis.judge.forecast import forecast
from bot.analysis.judge.judge import Interval
from bot.analysis.judge.second.single import UNKNOWN, Trace
from bot.analysis.judge.settings import JudgeSettings
from bot.analysis.judge.state import CEILING, JudgeState
from bot.analysis.judge.verdict import SLOWER, Assessment, Decision, Failing, Overdue
from bot.analysis.judge.wording import forecast_text, sentences
from bot.model.figures import SideFigures
from bot.model.judge_settings import FIRST, OF_AN_EDITION, SECOND, STRICTNESS, for_edition
from bot.words.rendering import plain
from tests.unit.analysis.second_rows import HISTORY, interval, shared

EDITIONS = pytest.mark.parametrize("settings", [FIRST, SECOND], ids=["first", "second"])
WELL, BAD = (300, 2, 1200, 9), (300, 90, 1200, 9)
SLIGHTLY_SLOWER = (0.86, 0.45, 0.033, 0.001)
NEVER = math.inf


def judged(
    intervals: Iterable[Interval],
    settings: JudgeSettings = SECOND,
    history: Iterable[SideFigures] = HISTORY,
    deadline: float = NEVER,
) -> tuple[State, list[Assessment]]:
    """The state after all intervals, through JSON between any two, and the answer to each."""
    state, answers = editions.start(settings, [*history]), []
    for one in intervals:
        state, answer = editions.step(editions.load(editions.save(state), settings), one, settings, deadline)
        answers.append(answer)
    return state, answers


def verdicts(answers: Iterable[Assessment]) -> list[Decision]:
    """Theirs."""
    return [answer.verdict for answer in answers]


def test_rollouts_that_begin_now_are_judged_by_the_second_edition() -> None:
    assert STRICTNESS == SECOND
    assert isinstance(editions.start(STRICTNESS), Trace)


def test_a_rollout_is_judged_to_its_end_by_the_edition_that_it_began_with() -> None:
    """What is kept tells which that is, whatever the service's settings have become meanwhile."""
    text = editions.save(editions.start(FIRST, HISTORY))

    state, _ = editions.step(editions.load(text, SECOND), interval(1, WELL), SECOND, NEVER)

    assert isinstance(state, JudgeState)
    assert isinstance(editions.load(editions.save(state), SECOND), JudgeState)


@pytest.mark.parametrize("text", ['{"second":1,"metrics":[]}', '{"version":1}', "no JSON"])
def test_evidence_that_another_version_kept_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"version|Expecting"):
        editions.load(text, SECOND)


def test_what_an_edition_ships_becomes_what_the_other_ships_and_what_a_service_has_set_stays() -> None:
    assert for_edition(SECOND, 1) == FIRST
    assert for_edition(FIRST, 2) == SECOND
    assert for_edition(replace(SECOND, active=0.5, patience=6), 1) == replace(FIRST, active=0.5, patience=6)


@pytest.mark.parametrize("edition", [1, 2])
def test_the_same_edition_takes_nothing_of_what_a_service_has_set(edition: int) -> None:
    """Also where that is what the other one ships: a service without a shield has none in its own edition."""
    theirs, own = (FIRST, SECOND) if edition == SECOND.edition else (SECOND, FIRST)
    as_shipped = {name: getattr(theirs, name) for name in OF_AN_EDITION if name != "edition"}

    for name, value in as_shipped.items():
        assert for_edition(replace(own, **{name: value}), edition) == replace(own, **{name: value})


def test_rollouts_that_begin_now_have_the_shield_and_nothing_of_the_first_edition_does() -> None:
    assert STRICTNESS.shield
    assert not FIRST.shield
    assert not JudgeSettings().shield  # what is read of a record that was stored before there was one


@EDITIONS
def test_a_total_failure_is_aborted_by_three_rows_and_a_good_canary_passes(settings: JudgeSettings) -> None:
    failed, failing = judged([interval(n, BAD) for n in range(1, 5)], settings)
    _, passing = judged([interval(n, WELL) for n in range(1, 30)], settings)

    assert verdicts(failing) == [Decision.WATCH, Decision.WATCH, Decision.ABORT, Decision.ABORT]
    assert failed.aborted_by == "errors"
    assert Decision.PASS in verdicts(passing)
    assert Decision.ABORT not in verdicts(passing)


@EDITIONS
def test_the_last_row_is_answered_again_as_it_was(settings: JudgeSettings) -> None:
    for counts, rows in ((BAD, 2), (BAD, 4), (WELL, 29)):
        state, answers = judged([interval(n, counts) for n in range(1, rows + 1)], settings)

        assert editions.between(state, "20", settings, NEVER) == answers[-1]


@EDITIONS
def test_nothing_of_one_stage_passes_the_next(settings: JudgeSettings) -> None:
    state, answers = judged([interval(n, WELL) for n in range(1, 30)], settings)

    entered = editions.entered(state, "40", settings)

    assert answers[-1].verdict is Decision.PASS
    assert editions.between(entered, "40", settings, NEVER).verdict is Decision.WATCH
    assert entered.stage_totals.sum() == 0
    assert entered.totals.sum() > 0


@EDITIONS
def test_another_subject_begins_anew_with_the_same_metrics(settings: JudgeSettings) -> None:
    state, _ = judged([interval(n, BAD) for n in range(1, 5)], settings)

    anew = editions.again(state, settings)

    assert (anew.aborted_by, anew.watermark) == ("", None)
    assert anew.log_e == pytest.approx(0)
    assert anew.metrics == state.metrics


@EDITIONS
def test_on_a_clock_that_was_set_the_same_rows_lead_to_the_same(settings: JudgeSettings) -> None:
    rows = [interval(n, WELL) for n in range(1, 12)]
    state, _ = judged(rows[:6], settings)
    later = editions.moved(state, 3600.0)

    for one in rows[6:]:
        state, plain = editions.step(state, one, settings, NEVER)
        later, moved = editions.step(later, replace(one, t=one.t + 3600), settings, NEVER)
        assert moved == plain
    assert later.watermark == (state.watermark or 0) + 3600


@EDITIONS
def test_a_primary_without_a_scrape_for_long_leaves_the_ceiling(settings: JudgeSettings) -> None:
    rows = [interval(n, WELL) for n in range(1, 4)]
    rows += [replace(interval(n, BAD), primary=None) for n in range(4, 25)]

    state, answers = judged(rows, settings)

    assert state.aborted_by == CEILING
    assert answers[-1].failing is Failing.CANARY


def test_silence_is_said_though_the_ceiling_goes_on() -> None:
    rows = [interval(n, WELL) for n in range(1, 4)]
    rows += [replace(interval(n, WELL), primary=None) for n in range(4, 25)]

    _, answers = judged(rows)

    assert answers[-1].verdict is Decision.NO_DATA


def test_without_a_history_bounds_are_the_primarys_first_minutes_and_their_weight_waits_for_them() -> None:
    rows = [interval(n, WELL) for n in range(1, 8)]
    early, _ = judged(rows[:3], history=())
    late, _ = judged(rows, history=())

    assert [metric.bound for metric in early.metrics] == [None, UNKNOWN, UNKNOWN]
    assert [metric.bound for metric in late.metrics] == [None, 250.0, 500.0]
    assert early.worse[1:].tolist() == [0, 0]
    assert late.stage_totals[1:, 0].tolist() == [3 * 300, 3 * 300]
    assert forecast(late, SECOND, 20, 80).passing is not None


def test_bounds_that_are_not_chosen_yet_are_not_spoken_of() -> None:
    state, answers = judged([interval(n, WELL) for n in range(1, 3)], history=())

    assert [plain(one) for one in sentences(state, answers[-1], SECOND)] == [
        "Too early to say: errors 0.667 % (4 of 600), primary 0.75 % (18 of 2,400)."
    ]


def test_where_it_is_only_slower_people_are_asked_when_time_is_up_and_once() -> None:
    rows = [interval(n, WELL, shares=SLIGHTLY_SLOWER) for n in range(1, 60)]
    state, answers = judged(rows, deadline=600.0)

    assert Decision.ABORT not in verdicts(answers)
    assert (answers[-1].overdue, answers[-1].suspect) == (Overdue.SUSPECT, SLOWER)
    words = [plain(one) for one in sentences(state, answers[-1], SECOND)]
    assert words[0].startswith("canary is slower: ")
    assert words[1] == "Typically 1.1x primary is allowed; nothing is aborted for this."
    on = [interval(n, WELL, "40", SLIGHTLY_SLOWER) for n in range(60, 100)]
    for one in on:
        state, answer = editions.step(state, one, SECOND, NEVER)
    assert not state.slower
    assert answer.verdict is Decision.PASS


def test_that_users_return_to_another_weight_is_nobodys_word_about_a_slower_canary() -> None:
    state, _ = judged([interval(n, WELL, "40", SLIGHTLY_SLOWER) for n in range(1, 60)])
    assert state.slower

    number, home = 60, editions.Where(alone=False, users=False, on_copies=True)
    while not isinstance(state, Trace) or not state.state.probation:
        on_canary = editions.Where(alone=False)
        state, _ = editions.step(state, interval(number, BAD, "40", SLIGHTLY_SLOWER), SECOND, NEVER, on_canary)
        number += 1
    for _ in range(10):
        state, _ = editions.step(state, interval(number, WELL, "copies 40"), SECOND, NEVER, home)
        number += 1
    state, _ = editions.step(state, interval(number, WELL, "20"), SECOND, NEVER, editions.Where(alone=False))
    assert state.slower
    state, _ = editions.step(state, interval(number + 1, WELL, "40"), SECOND, NEVER, editions.Where(alone=False))
    assert not state.slower  # now they were asked


def test_typical_latency_that_no_histogram_shows_is_no_question() -> None:
    rows = [replace(interval(n, WELL), canary=replace(shared(300, 2), buckets={math.inf: 300})) for n in range(1, 60)]

    state, _ = judged(rows)

    assert not state.slower
    assert state.blind == {"slow_a", "slow_b"}


@pytest.mark.parametrize("rate", [2.0, 20.0])
def test_what_is_forecast_is_when_simulated_rows_pass(rate: float) -> None:
    """A mean row every time, without chance: within half and one and a half of it, as the sentence's "about" says."""
    row = (15 * rate, 15 * rate * 0.0075, 60 * rate, 60 * rate * 0.0075)
    state, _ = judged([interval(n, row) for n in range(1, 6)])
    expected = forecast(state, SECOND, rate, 4 * rate).passing
    assert expected is not None

    passed = None
    for n in range(6, 400):
        state, answer = editions.step(state, interval(n, row), SECOND, NEVER)
        if answer.verdict is Decision.PASS:
            passed = 15.0 * (n - 5)
            break

    assert passed is not None
    assert expected / 2 <= passed <= max(1.5 * expected, 60)


def test_with_the_shield_on_people_read_when_users_would_be_home_and_when_it_would_be_aborted() -> None:
    on, off = SECOND, replace(SECOND, shield=False)
    state, _ = judged([interval(n, (150, 1, 600, 5)) for n in range(1, 5)])
    shielded, plain_one = forecast(state, on, 10.0, 40.0), forecast(state, off, 10.0, 40.0)

    assert plain_one.home is None
    assert shielded.home is not None
    assert shielded.notice is not None
    assert 30.0 <= shielded.home < shielded.notice
    assert plain(forecast_text(shielded)).startswith("At this traffic, 5x the errors would send users home after about")
    fast = forecast(state, on, 1000.0, 4000.0)
    assert (fast.home, fast.notice) == (30.0, 75.0)
