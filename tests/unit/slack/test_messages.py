"""The laws of messages find what they are for: ``tests.messages``, kept in the pictures' story."""

from __future__ import annotations

from bot.slack import blocks as b
from tests.messages import wrong_in

SIDES = ("reviews-v1", "reviews-v2")


def test_a_clause_that_stands_twice_in_a_message_is_found_in_both_languages() -> None:
    english = (
        b.header("reviews v1 → v2"),
        b.rich_text(b.words("All users are back on v1. Now all users are back on v1.")),
    )
    chinese = (b.section("所有用户都已回到 v1。"), b.rich_text(b.words("已中止，所有用户都已回到 v1。")))  # noqa: RUF001

    assert wrong_in((b.section("All users are back on v1."), *english), SIDES) == [
        "said twice: all users are back on v1"
    ]
    assert wrong_in(chinese, SIDES) == ["said twice: 所有用户都已回到 v1"]


def test_a_deployment_may_be_named_for_what_it_is_and_not_for_its_version() -> None:
    assert wrong_in((b.section("reviews-v1 is stuck: its new pod cannot pull the image."),), SIDES) == []
    assert wrong_in((b.section("reviews-v2 is worse: errors 28 % (34 of 122)."),), SIDES) == [
        "names a Deployment: reviews-v2 is worse: errors 28 % (34 of 122)."
    ]


def test_errors_are_the_same_in_the_sentence_and_in_the_table() -> None:
    rows = [["Check", "Verdict", "v2", "v1", "Allowed"], ["Errors", "worse", "28 % of 122", "none of 126", "5 %"]]
    table = b.data_table("Checks", rows)

    assert wrong_in((b.section("v2 is worse: errors 28 % (34 of 122), v1 none of 126."), table)) == []
    (differ,) = wrong_in((b.section("v2 is worse: errors 7.51 % (35 of 466), v1 none of 126."), table))
    assert differ.startswith("figures differ: 7.51 % (35 of 466)")
