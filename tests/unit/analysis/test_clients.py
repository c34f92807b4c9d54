"""Client errors by themselves: which shifts are told, which are nobody's fault, and what is remembered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.judge.refusals import LIMITS, Refusals, scenarios, work_out
from bot.analysis.judge.clients import (
    ALONE,
    CODES,
    MOST,
    NEEDED,
    Clients,
    Row,
    again,
    load,
    passed_on,
    save,
    start,
    step,
)
from bot.model.figures import CLIENT_CODES, CLIENT_ERRORS, SideFigures
from tests.unit.analysis.rows import DEFAULTS


def side(requests: float, **codes: float) -> SideFigures:
    """``_404=9``: nine of the requests were answered 404."""
    found = {name.removeprefix("_"): number for name, number in codes.items()}
    return SideFigures(requests=requests, errors=0, client_errors={CLIENT_ERRORS: sum(found.values()), **found})


def after(state: Clients, rows: Iterable[tuple[SideFigures | None, SideFigures | None]], **of: object) -> Clients:
    """Some more rows, stored and read between them."""
    for subject, reference in rows:
        row = Row(seconds=15.0, subject=subject, reference=reference)
        state = load(save(step(state, replace(row, **of), LIMITS, DEFAULTS)))  # type: ignore[arg-type]  # fields of Row
    return state


BEGUN = start(DEFAULTS, [side(1200, _404=12)] * 240)
USUAL = side(1200, _404=12)


@pytest.mark.parametrize("of", [{}, {"limited": True}], ids=["all copied", "some methods copied"])
def test_404_to_everything_is_told_after_three_rows(of: dict[str, bool]) -> None:
    rows = [(side(300, _404=300), USUAL)] * 3

    assert after(BEGUN, rows[:2], **of).won == frozenset()
    assert after(BEGUN, rows, **of).won >= {"404", CLIENT_ERRORS}


@pytest.mark.parametrize("code", CLIENT_CODES)
def test_a_code_that_moves_is_told_by_itself_also_where_all_of_them_together_do_not(code: str) -> None:
    other = "404" if code != "404" else "401"
    canary, primary = side(1200, **{f"_{code}": 60.0}), side(1200, **{f"_{other}": 60.0})

    won = after(BEGUN, [(canary, primary)] * 8).won

    assert code in won
    assert CLIENT_ERRORS not in won


@pytest.mark.parametrize("code", ["401", "403"])
def test_a_version_that_refuses_nobody_any_more_is_told_as_well(code: str) -> None:
    refusing, open_to_all = side(1200, **{f"_{code}": 60.0}), side(1200)

    assert after(BEGUN, [(open_to_all, refusing)] * 4).won == {f"fewer {code}"}
    # Of a mirror of GET and HEAD nothing is known: it may be the writes that the primary refuses.
    assert after(BEGUN, [(open_to_all, refusing)] * 40, limited=True).won == frozenset()


def test_fewer_of_what_means_no_harm_is_no_news() -> None:
    assert after(BEGUN, [(side(1200), side(1200, _404=120, _429=60))] * 40).won == frozenset()


def test_a_crawler_that_one_sides_scrape_shows_first_moves_nothing() -> None:
    crawled = side(1200, _404=700)
    rows = [(crawled, USUAL), (USUAL, crawled)] * 3 + [(crawled, crawled)] * 10

    for number in range(1, len(rows) + 1):
        assert after(BEGUN, rows[:number]).won == frozenset()


def test_others_that_are_not_copied_do_not_make_the_canary_look_worse() -> None:
    # A tenth is copied, and a tenth of that is not found; the others always are.
    assert after(BEGUN, [(side(120, _404=12), side(1200, _404=12))] * 120, limited=True).won == frozenset()


def test_few_requests_tell_nothing_and_what_was_told_stays_told_until_its_evidence_is_gone() -> None:
    assert after(BEGUN, [(side(2, _404=2), USUAL)] * 2).won == frozenset()
    notified = after(BEGUN, [(side(300, _404=300), USUAL)] * 20)

    assert "404" in after(notified, [(side(3), USUAL)]).won
    mended = after(notified, [(side(300, _404=3), USUAL)] * 40)
    assert mended.won == frozenset()
    assert notified.worse.log_e.max() <= MOST + 1e-3


def test_a_side_that_was_not_scraped_waits_for_the_other() -> None:
    waiting = after(BEGUN, [(None, USUAL)] * 2 + [(side(900, _404=9), USUAL)])
    plain = after(BEGUN, [(side(900, _404=9), side(3600, _404=36))])

    assert waiting.worse.log_e.tolist() == plain.worse.log_e.tolist()
    assert not waiting.pending.any()


def test_where_nobody_is_left_to_compare_with_only_what_no_caller_would_get_is_told() -> None:
    crawled, broken = side(1200, _404=480), side(1200, _404=1200)

    assert after(BEGUN, [(crawled, None)] * 40, alone=True).won == frozenset()
    assert after(BEGUN, [(broken, None)] * 3, alone=True).won == {ALONE}
    usual = start(DEFAULTS, [side(1200, _404=800)] * 240)  # a service that is asked whether things exist
    assert after(usual, [(broken, None)] * 40, alone=True).won == frozenset()


def test_what_people_let_through_is_not_asked_again_unless_it_gets_worse() -> None:
    moved, worse = side(1200, _404=120), side(1200, _404=400)
    notified = after(BEGUN, [(moved, USUAL)] * 8)
    shares = {code: moved.client_errors.get(code, 0.0) / 1200 for code in CODES}

    onwards = passed_on(notified, shares, DEFAULTS)

    assert notified.won == {"404", CLIENT_ERRORS}
    assert after(onwards, [(moved, USUAL)] * 40).won == frozenset()
    assert "404" in after(onwards, [(worse, USUAL)] * 8).won
    assert passed_on(BEGUN, shares, DEFAULTS) is BEGUN


def test_another_subject_begins_with_a_clean_sheet() -> None:
    notified = after(BEGUN, [(side(300, _404=300), USUAL)] * 6)

    assert again(notified, DEFAULTS).won == frozenset()
    assert again(notified, DEFAULTS).worse.log_e.max() <= 0


def test_where_client_errors_are_not_counted_nothing_is_remembered_of_them() -> None:
    unknown = SideFigures(requests=1200, errors=0)
    begun = start(DEFAULTS, [unknown] * 240)

    assert after(begun, [(unknown, unknown)] * 5).worse.log_e.tolist() == begun.worse.log_e.tolist()


COUNT = st.integers(0, 100_000)
SIDE = st.none() | st.tuples(COUNT, COUNT, COUNT).map(lambda n: side(n[0], _404=min(n[1], n[0]), _401=min(n[2], n[0])))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(SIDE, SIDE, st.booleans(), st.booleans()), max_size=12))
def test_no_row_gives_more_than_its_cap_and_a_saved_state_is_the_same_small_state(
    rows: list[tuple[SideFigures | None, SideFigures | None, bool, bool]],
) -> None:
    state = BEGUN
    for subject, reference, alone, limited in rows:
        row = Row(seconds=15.0, subject=subject, reference=reference, alone=alone, limited=limited)
        later = step(state, row, LIMITS, DEFAULTS)
        grown = later.worse.log_e - state.worse.log_e
        assert (grown <= NEEDED / DEFAULTS.patience + 1e-3).all()
        assert save(load(save(later))) == save(later)
        assert len(save(later)) <= 1200
        state = later


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 0, not 1"):
        load(json.dumps({"version": 0}))


def named(name: str) -> Refusals:
    return next(one for one in scenarios() if one.name == name and one.rps == 100)  # requests a second


@pytest.mark.parametrize(
    ("name", "notified", "within"),
    [
        ("like its primary, 30 % not copied", 0.0, float("inf")),
        ("crawlers, mirror", 0.0, float("inf")),
        ("404 to everything, 20 %", 1.0, 60.0),
        ("401 to 5 %", 1.0, 120.0),
    ],
)
def test_the_simulation_tells_whom_it_should(name: str, notified: float, within: float) -> None:
    found = work_out(named(name), runs=6, seed=1)

    assert (found.share, found.median <= within) == (notified, True)
