"""What people type, and what it means."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.errors import Refusal
from bot.model.freeze import ALL
from bot.rollout.plans import Overrides
from bot.slack.grammar import GRAMMAR, Verb
from bot.slack.parsing import Command, parse
from bot.words.rendering import plain

KNOWN = ("reviews", "ratings")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("start reviews v2", Command(verb=Verb.START, service="reviews", version="v2")),
        ("Start Reviews v2", Command(verb=Verb.START, service="reviews", version="v2")),
        ("  start \u00a0 reviews\tv2 ", Command(verb=Verb.START, service="reviews", version="v2")),
        ("start \u201creviews\u201d \u2018v2\u2019", Command(verb=Verb.START, service="reviews", version="v2")),
        ("start v2", Command(verb=Verb.START, version="v2")),
        ("start", Command(verb=Verb.START)),
        ("start Reviews", Command(verb=Verb.START, service="reviews")),
        ("start --because it is time", Command(verb=Verb.START, reason="it is time")),
        (
            "start reviews v2 --because <https://git.example/mr/7|!7> stops the leak --for 5m",
            Command(
                verb=Verb.START,
                service="reviews",
                version="v2",
                reason="https://git.example/mr/7 stops the leak",
                overrides=Overrides(stage_seconds=300.0),
            ),
        ),
        (
            "start —because=“*faster* -- and safer” reviews",
            Command(verb=Verb.START, reason="*faster* -- and safer” reviews"),
        ),
        ("", Command(verb=Verb.HELP)),
        ("status", Command(verb=Verb.STATUS)),
        ("status reviews", Command(verb=Verb.STATUS, service="reviews")),
        ("why ratings", Command(verb=Verb.WHY, service="ratings")),
        ("plan reviews 1.20.3", Command(verb=Verb.PLAN, service="reviews", version="1.20.3")),
        (
            "plan reviews <http://app-1.20.io|app-1.20.io>",
            Command(verb=Verb.PLAN, service="reviews", version="app-1.20.io"),
        ),
        ("help me please", Command(verb=Verb.HELP)),
        ("abort", Command(verb=Verb.ABORT)),
        ("abort reviews", Command(verb=Verb.ABORT, service="reviews")),
        ("abort default/Reviews it smells", Command(verb=Verb.ABORT, service="default/reviews", reason="it smells")),
        ("abandon", Command(verb=Verb.ABANDON)),
        ("abandon reviews it is gone", Command(verb=Verb.ABANDON, service="reviews", reason="it is gone")),
        ("pause default/reviews", Command(verb=Verb.PAUSE, service="default/reviews")),
        ("abort errors everywhere", Command(verb=Verb.ABORT, reason="errors everywhere")),
        (
            "abort reviews checkout fails for <@U0LENA|lena> &amp; others, see <https://grafana.example/d/1|the board>",
            Command(
                verb=Verb.ABORT,
                service="reviews",
                reason="checkout fails for @lena & others, see https://grafana.example/d/1",
            ),
        ),
    ],
)
def test_a_command_means_what_it_looks_like(text: str, command: Command) -> None:
    assert parse(text, KNOWN) == command


@pytest.mark.parametrize(
    "text",
    [
        "start reviews v2 --weights 10,50,100 --for 5m --auto",
        "start reviews v2 —weights 10,50,100 \u2013for 5m —auto",
        "start --auto --for=300s --weights=10%,50%,100% reviews v2",
        "start reviews --weights 10, 50, 100 v2 --FOR 5m -auto",
        "start reviews v2 \u2212\u2212weights 10 ,50 ,100 --for “5m” --auto",
    ],
)
def test_options_survive_phones_and_spaces(text: str) -> None:
    overrides = Overrides(weights=(10, 50, 100), stage_seconds=300.0, auto=True)

    assert parse(text, KNOWN) == Command(verb=Verb.START, service="reviews", version="v2", overrides=overrides)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("strat reviews v2", "Did you mean `/canary start reviews v2`?"),
        ("xyzzy", "`/canary help` lists what I can do."),
        ("plan reviews", "Name a service and a version: `/canary plan reviews v2`."),
        ("start reviews v2 v3", "Name a service and a version: `/canary start reviews v2`."),
        ("start review", "There is no service review. Did you mean reviews?"),
        ("start review v2", "There is no service review. Did you mean reviews?"),
        ("start payments v2", "There is no service payments. There are: ratings and reviews."),
        ("start re/views v2", "small letters, digits and hyphens only"),
        ("start reviews <!channel>", "A version has letters"),
        (f"start reviews {'v' * 129}", "at most 128"),
        ("start reviews v2 --speed 5", "There is no option `--speed`. Try `/canary start reviews v2`."),
        ("start reviews v2 --because", "Say why after it"),
        ("start reviews v2 --because “” --auto", "Say why after it"),
        ("start reviews v2 --weights", "Write the weights as rising percent"),
        ("start reviews v2 --weights 50,20,100", "Weights must rise"),
        ("start reviews v2 --weights 10,50", "Weights must end at 100"),
        ("start reviews v2 --for soon", "`90s`, `5m` or `1h30m`"),
        ("start reviews v2 --for 0s", "`90s`, `5m` or `1h30m`"),
        ("start reviews v2 --for 25h", "at most 24 hours"),
        ("plan reviews v2 --auto", "There is no option `--auto`."),
        ("plan reviews v2 --because it is time", "There is no option `--because`."),
        ("status reviews now", "one word too many. Try `/canary status reviews`."),
        ("freeze", "Give a reason; people who cannot start will see it: `/canary freeze reviews --for 2h"),
        ("freeze ratings", "`/canary freeze ratings --for 2h migration`"),
        ("freeze all --for 2h", "Give a reason"),
        ("freeze reviews ... !", "Give a reason"),
        ("freeze reviews until 18:00", "Give a reason"),
        ("freeze reviews --for soon migration", "`5m`, `1h30m` or `2d`, at most 30 days"),
        ("freeze reviews migration --for", "`5m`, `1h30m` or `2d`, at most 30 days"),
        ("freeze reviews --for 0d migration", "at most 30 days"),
        ("freeze reviews --for 30d1s migration", "30 days at most"),
        ("freeze reviews --til 18:00 migration", "There is no option `--til`."),
        ("freeze reviews until later", "That is no moment I can read. Write `until 18:00`, `until tomorrow 9:00`"),
        ("freeze until the migration is done", "That is no moment I can read."),
        ("freeze reviews migration --until soon", "That is no moment I can read."),
        ("freeze review migration", "There is no service review. Did you mean reviews?"),
        ("unfreeze review", "There is no service review. Did you mean reviews?"),
        ("unfreeze reviews now", "one word too many. Try `/canary unfreeze reviews`."),
        ("lock ratings", "Did you mean `/canary freeze ratings --for 2h migration`?"),
        ("thaw", "Did you mean `/canary unfreeze reviews`?"),
        ("start all v2", "There is no service all."),
    ],
)
def test_a_refusal_says_what_would_have_worked(text: str, says: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(text, KNOWN)

    assert says in plain(refused.value.sentence)


@pytest.mark.parametrize(
    ("text", "service", "seconds", "reason"),
    [
        ("freeze reviews database migration", "reviews", None, "database migration"),
        ("freeze all database migration", ALL, None, "database migration"),
        ("freeze database migration", None, None, "database migration"),
        ("Freeze ALL the things are broken", ALL, None, "the things are broken"),
        ("freeze reviews --for 2h migration", "reviews", 7200.0, "migration"),
        ("freeze “reviews” —for 1h30m migration", "reviews", 5400.0, "migration"),
        ("freeze --for=90s reviews migration", "reviews", 90.0, "migration"),
        ("freeze reviews migration of the orders --for 30d", "reviews", 30 * 86400.0, "migration of the orders"),
        ("freeze reviews --for 1d12h migration", "reviews", 36 * 3600.0, "migration"),
        ("freeze reviews for 2 hours", "reviews", None, "for 2 hours"),
        ("freeze reviews see <https://status.example/1|the page>, <!channel>", "reviews", None,
         "see https://status.example/1, @channel"),
        ("freeze reviews the `orders` table", "reviews", None, "the 'orders' table"),
        ("freeze reviews - migration", "reviews", None, "- migration"),
    ],
)  # fmt: skip
def test_a_freeze_has_a_reason_and_may_have_an_end(
    text: str, service: str | None, seconds: float | None, reason: str
) -> None:
    assert parse(text, KNOWN) == Command(verb=Verb.FREEZE, service=service, seconds=seconds, reason=reason)


@pytest.mark.parametrize(
    ("text", "service"), [("unfreeze", None), ("unfreeze All", ALL), ("unfreeze reviews", "reviews")]
)
def test_an_end_of_a_freeze_names_what_was_frozen(text: str, service: str | None) -> None:
    assert parse(text, KNOWN) == Command(verb=Verb.UNFREEZE, service=service)


def test_only_what_exists_is_advertised_and_all_of_it() -> None:
    assert set(GRAMMAR) == set(Verb)


WORDS = st.one_of(
    st.text(max_size=40), st.sampled_from([*Verb, *KNOWN, ALL, "--weights", "—for", "--auto", "10,", "<@U1|x>", "5m"])
)


@given(st.lists(WORDS, max_size=8).map(" ".join))
def test_nothing_anybody_types_is_worse_than_a_refusal(text: str) -> None:
    with suppress(Refusal):
        command = parse(text, KNOWN)
        assert command.service in {None, *KNOWN, ALL}
        assert command.service != ALL or command.verb in {Verb.FREEZE, Verb.UNFREEZE}
        assert command.verb is not Verb.FREEZE or command.reason
        assert len(command.version) <= 128
        assert len(command.reason) <= 500


@pytest.mark.parametrize("typed", ["set reviews 30", "set reviews 30%", "set reviews 30 %", "set REVIEWS 30"])
def test_a_share_is_set_with_or_without_a_percent_sign(typed: str) -> None:
    assert parse(typed, ["reviews"]) == Command(verb=Verb.SET, service="reviews", percent=30)


@pytest.mark.parametrize("typed", ["set", "set reviews", "set reviews many", "set reviews 3.5", "set reviews 1000"])
def test_a_share_that_is_none_is_answered_with_one(typed: str) -> None:
    with pytest.raises(Refusal, match="Write the share as a whole percentage, such as `/canary set reviews 30`"):
        parse(typed, ["reviews"])
