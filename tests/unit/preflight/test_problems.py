"""How problems are told beside each other."""

from __future__ import annotations

from bot.preflight.problems import blocks, in_a_row, warns
from bot.words.rendering import plain


def test_what_both_sides_lack_says_once_what_to_do() -> None:
    problems = [
        warns("1 of 2 pods of reviews-v1 is not scraped.", remedy="Look at the targets."),
        warns("2 of 2 pods of reviews-v2 are not scraped.", remedy="Look at the targets."),
        warns("The mirror doubles what reaches ratings.", remedy="Lower it."),
    ]

    assert [plain(text) for text in in_a_row(problems)] == [
        "1 of 2 pods of reviews-v1 is not scraped.",
        "2 of 2 pods of reviews-v2 are not scraped. Look at the targets.",
        "The mirror doubles what reaches ratings. Lower it.",
    ]


def test_a_problem_that_two_checks_found_is_told_once() -> None:
    problem = blocks("No route leads to reviews.", remedy="Add one.")

    assert in_a_row([problem, problem]) == (problem.text,)
