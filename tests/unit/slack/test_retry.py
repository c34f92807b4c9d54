"""Taking up an aborted rollout from Slack: what is typed for it, what is nearly that, and where it is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bot.model.errors import Refusal
from bot.model.rollout import Phase, Rollout, StageOutcome, Walked
from bot.rollout import again
from bot.slack import replies
from bot.slack.cards import card
from bot.slack.grammar import Verb
from bot.slack.parsing import Command, parse
from bot.slack.stopping import StopMeant
from sandbox.slack.blocks import check_blocks
from tests.builders import OMAR, a_rollout, changed
from tests.fakes.slack_client import FakeSlack
from tests.unit.slack.test_listeners import Workspace

KNOWN = ("reviews", "ratings")


@pytest.fixture
def workspace(slack: FakeSlack) -> Workspace:
    return Workspace(slack)


def retry(**fields: object) -> Command:
    return Command(verb=Verb.RETRY, **fields)  # type: ignore[arg-type]  # by name, each with its own type


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("retry", retry()),
        ("retry reviews", retry(service="reviews")),
        ("retry reviews --from-stage", retry(service="reviews", stage="")),
        ("retry --from-stage reviews", retry(service="reviews", stage="")),
        ("retry --from-stage 40 reviews", retry(service="reviews", stage="shift 40")),
        ("retry reviews --from-stage 40", retry(service="reviews", stage="shift 40")),
        ("retry reviews —from-stage=“40%”", retry(service="reviews", stage="shift 40")),
        ("retry reviews --from-stage 40 %", retry(service="reviews", stage="shift 40")),
        ("retry reviews --from-stage shift 40", retry(service="reviews", stage="shift 40")),
        ("retry reviews --from-stage shift-40", retry(service="reviews", stage="shift 40")),
        ("retry reviews --from-stage Mirror", retry(service="reviews", stage="mirror")),
        (
            "retry reviews --from-stage 40 --because the database is well",
            retry(service="reviews", stage="shift 40", reason="the database is well"),
        ),
        (
            "retry reviews --because it is well --from-stage",
            retry(service="reviews", stage="", reason="it is well"),
        ),
        ("retry reviews --from 40", retry(service="reviews", slip="--from 40")),
        ("retry reviews --from-step=40", retry(service="reviews", slip="--from-step=40")),
        ("retry reviews --form-stage 40", retry(service="reviews", slip="--form-stage 40")),
        ("retry reviews 40", retry(service="reviews", slip="40")),
        ("retry reviews from stage 40", retry(service="reviews", slip="from stage 40")),
    ],
)
def test_a_retry_means_what_it_looks_like(text: str, command: Command) -> None:
    assert parse(text, KNOWN) == command


def test_whatever_may_have_meant_stop_retries_nothing() -> None:
    for text in ("retry reviews stop", "retry reviews --from-stage halt", "retry reviews from 40 stop"):
        with pytest.raises(StopMeant):
            parse(text, KNOWN)


def test_other_options_are_refused() -> None:
    with pytest.raises(Refusal, match="There is no option `--auto`"):
        parse("retry reviews --auto", KNOWN)


def aborted_at_40(rollout: Rollout) -> Rollout:
    left = (("mirror", StageOutcome.PASSED), ("shift 20", StageOutcome.PASSED), ("shift 40", StageOutcome.ABORTED))
    walked = tuple(Walked(name=name, outcome=outcome, began=0.0, ended=1.0) for name, outcome in left)
    return changed(rollout, phase=Phase.ABORTED, walked=walked, ended_at=1.0)


@pytest.fixture
def aborted(workspace: Workspace) -> Workspace:
    workspace.controller.begin()
    live = workspace.controller.live()[0]
    workspace.controller.store.save(aborted_at_40(live), ())
    return workspace


def test_it_begins_where_it_stopped_and_the_person_hears_where_the_card_is(aborted: Workspace) -> None:
    aborted.types("retry reviews --from-stage --because the database is well", user=OMAR)

    assert ("retry from where it stopped", "reviews", OMAR) in aborted.controller.asked
    assert aborted.controller.live()[0].spec.because == "the database is well"
    assert aborted.slack.notified() == (
        "Retrying reviews v2 from 40 % of users, after a look in the mirror: the card is in #releases."
    )


BOTH = "`/canary retry reviews --from-stage 20` or `/canary retry reviews --from-stage 40`"


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("retry reviews --from 40", f"`--from 40` names no stage to retry from. Type {BOTH}."),
        ("retry reviews 40", f"`40` names no stage to retry from. Type {BOTH}."),
        ("retry reviews", f"Nothing of reviews is halted. To take up what was aborted, type {BOTH}."),
    ],
)
def test_what_is_nearly_a_retry_is_answered_with_the_stages_there_are(
    aborted: Workspace, typed: str, says: str
) -> None:
    aborted.types(typed)

    assert aborted.slack.notified() == says
    assert not any(what.startswith("retry") for what, *_ in aborted.controller.asked)


def retried() -> Rollout:
    before = aborted_at_40(a_rollout())
    return changed(a_rollout(phase=Phase.MIRRORING), again=again.taken_up(before, again.choices(before)[-1]))


SHOWN: dict[str, Callable[[Rollout], object]] = {
    "the card": lambda rollout: card(rollout, [], 1.0).blocks,
    "the history": lambda rollout: replies.history("reviews", [aborted_at_40(rollout)]).blocks,
}


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_who_retries_it_and_what_passed_before_is_shown(shown: Callable[[Rollout], object]) -> None:
    blocks = shown(retried())

    assert " retries v2 from 40 % of users; before the abort these passed: mirror and 20 % of users." in (
        json.dumps(blocks, ensure_ascii=False)
    )
    assert check_blocks(list(blocks), "message") == []  # type: ignore[call-overload]  # blocks are a sequence
