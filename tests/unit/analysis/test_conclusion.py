"""What the evidence comes to: what it shows, what follows from that under each rule, and what nobody knows."""

from __future__ import annotations

from itertools import product

import pytest

from bot.analysis.conclusion import Conclusion, Shows, follows, unless_absent
from bot.model.figures import Verdict
from bot.model.service import Unproven
from bot.words.rendering import plain

PASS, INCONCLUSIVE, FAIL = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL

# verdict, proven, hold, ask
FOLLOWS: dict[Shows, tuple[Verdict, bool, bool, bool]] = {
    Shows.WORSE: (FAIL, False, False, False),
    Shows.UNSAFE: (INCONCLUSIVE, False, False, False),
    Shows.NOWHERE_BETTER: (INCONCLUSIVE, False, True, False),
    Shows.GOOD: (PASS, True, False, False),
    Shows.NOT_TO_BLAME: (INCONCLUSIVE, False, True, False),
    Shows.ABOVE_CEILING: (INCONCLUSIVE, False, True, False),
    Shows.SUSPECT: (INCONCLUSIVE, False, False, True),
    Shows.NOTHING_YET: (INCONCLUSIVE, False, False, False),
    Shows.ALONE_FINE: (PASS, False, False, False),
    Shows.ALONE_PROVEN: (PASS, True, False, False),
    Shows.ALONE_DOUBTFUL: (INCONCLUSIVE, False, False, True),
}


@pytest.mark.parametrize(("shown", "rule"), list(product(Shows, Unproven)))
def test_what_follows_from_the_evidence_under_each_rule_for_what_is_not_proven(shown: Shows, rule: Unproven) -> None:
    unproven = (INCONCLUSIVE, False, False, True) if rule is Unproven.HOLD else (PASS, False, False, False)
    found = follows(shown, rule)

    assert (found.verdict, found.proven, found.hold, found.ask) == FOLLOWS.get(shown, unproven)


@pytest.mark.parametrize(("shown", "rule"), list(product(Shows, Unproven)))
def test_a_side_of_which_nothing_is_known_is_neither_passed_nor_asked_about_and_hides_no_failure(
    shown: Shows, rule: Unproven
) -> None:
    known = follows(shown, rule)
    unknown = unless_absent("reviews-v2", known)

    assert unless_absent("", known) is known
    assert (unknown.verdict, unknown.proven, unknown.ask) == (
        FAIL if known.verdict is FAIL else INCONCLUSIVE,
        False,
        False,
    )
    assert unknown.hold == known.hold


def test_a_conclusion_is_told_whole_and_in_brief_where_it_is_more_than_one_sentence() -> None:
    several = ("So it is.",), ("So it is.", "And more.")
    one, two = (Conclusion(verdict=PASS, sentences=sentences).finding for sentences in several)

    assert (one.sentence, one.brief) == ("So it is.", "")
    assert (plain(two.sentence), two.brief) == ("So it is. And more.", "So it is.")
