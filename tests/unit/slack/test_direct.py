"""A channel that closes in mid-run: people are told themselves, nobody else waits, and its card comes back with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.rollout import Approval, Rollout, RolloutId, UserId
from bot.model.service import ApprovalRule
from bot.model.story import EntryKind
from bot.rollout import decide
from bot.slack import direct
from bot.slack.approvers import People
from bot.slack.channels import Channels
from bot.slack.delivery import Delivery
from bot.slack.web_api import Channel
from bot.words.language import Language
from tests.builders import LENA, MAYA, OMAR, a_rollout
from tests.fakes.slack_client import Arguments, FakeSlack
from tests.unit.slack.test_delivery import POST, UPDATE, Post

CLOSED = (
    "is_archived",
    "is_inactive",
    "not_in_channel",
    "channel_not_found",
    "restricted_action",
    "restricted_action_read_only_channel",
)


class Workspace(FakeSlack):
    """A workspace that refuses posts and edits in closed channels, as long as they are closed."""

    def __init__(self, **about: Any) -> None:
        super().__init__(**about)
        self.closed: dict[str, str] = {}

    def _result(self, method: str, arguments: Arguments) -> dict[str, Any]:
        if method in {POST, UPDATE} and arguments.get("channel") in self.closed:
            return {"error": self.closed[arguments["channel"]]}
        return super()._result(method, arguments)


class Direct(Post):
    """A delivery that knows the people behind the approvers."""

    def a_delivery(self) -> Delivery:
        return Delivery(
            outbox=self.store,
            store=self.store,
            channel=Channel(self.slack.client, self.clock),
            clock=self.clock,
            people=lambda rule: self.people if rule.approvers else People(()),
            channels=Channels(self.slack.client, self.clock.now),
            steady=self.clock.now,
        )

    def __post_init__(self) -> None:
        self.people = People((OMAR, LENA))
        super().__post_init__()

    def begun(self, *approvers: str) -> Rollout:
        """A rollout of Maya's whose card is posted, and whose channel closes then."""
        begun = self.begin()
        rollout = self.store.save(
            replace(begun, spec=replace(begun.spec, approvals_rule=ApprovalRule(approvers=approvers)))
        )
        self.run(10)
        assert len(self.cards()) == 1
        return rollout

    def close(self, code: str = "is_archived") -> None:
        assert isinstance(self.slack, Workspace)
        self.slack.closed = {"#releases": code, "C0RELEASES": code}

    def open(self) -> None:
        assert isinstance(self.slack, Workspace)
        self.slack.closed = {}

    def notified(self, user: str) -> list[Arguments]:
        return [said for said in self.slack.said(POST) if said["channel"] == user]


@pytest.fixture
def post() -> Any:
    with Workspace() as slack:
        yield Direct(slack)


def actions(said: Arguments) -> list[str]:
    return [one["action_id"] for block in said["blocks"] if block["type"] == "actions" for one in block["elements"]]


@pytest.mark.parametrize("code", CLOSED)
def test_starter_and_approvers_get_aborts_and_questions_once_each(post: Direct, code: str) -> None:
    rollout = post.begun(OMAR)
    post.close(code)
    rollout = post.happen(rollout, "May users go to v2?", kind=EntryKind.ASK)
    rollout = post.happen(rollout, "Aborting: errors of v2.", kind=EntryKind.ABORTING)
    post.run(300)

    for user in (MAYA, OMAR, LENA):
        assert [said["text"].rpartition(": ")[2] for said in post.notified(user)] == [
            "May users go to v2?",
            "errors of v2.",
        ]
        assert "is closed to canary-bot" in str(post.notified(user)[0]["blocks"][-1])


def test_a_question_comes_with_the_buttons_of_the_card_and_why_it_comes_here(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    asking = replace(rollout, asked_at=post.clock.now(), settled_at=post.clock.now())
    post.happen(asking, "May users go to v2?", kind=EntryKind.ASK)
    post.run(10)

    (said,) = post.notified(OMAR)
    assert {"canary_approve", "canary_abort", "canary_details"} <= set(actions(said))
    assert "#releases is archived: unarchive it" in str(said["blocks"][-1])


def test_who_is_written_to_reads_why_in_the_language_of_the_rollout(post: Direct) -> None:
    rollout = post.begun(OMAR)
    rollout = post.store.save(replace(rollout, spec=replace(rollout.spec, language=Language.CHINESE)))
    post.close()
    post.happen(rollout, "Aborting: errors of v2.", kind=EntryKind.ABORTING)
    post.run(100)

    assert "已归档" in str(post.notified(OMAR)[0]["blocks"][-1])


def test_what_is_not_urgent_waits_for_the_channel(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    post.happen(rollout, "shift 20: on", kind=EntryKind.HELD)
    post.run(100)

    assert [post.notified(user) for user in (MAYA, OMAR, LENA)] == [[], [], []]


@pytest.mark.parametrize("minutes", [5, 90])
@pytest.mark.parametrize("code", ["is_archived", "channel_not_found"])
def test_when_the_channel_is_back_the_card_is_there_again_within_a_minute(
    post: Direct, code: str, minutes: int
) -> None:
    rollout = post.begun(OMAR)
    post.close(code)
    post.happen(rollout, "shift 20: on", kind=EntryKind.HELD)
    post.run(minutes * 60)
    post.slack.forget()
    post.open()
    post.run(65)

    shown = post.cards() if code == "channel_not_found" else post.slack.said(UPDATE)  # another channel of that name?
    assert [one["channel"] for one in shown] == ["#releases" if code == "channel_not_found" else "C0RELEASES"]
    assert post.store.pending() == []


def test_the_channel_gets_the_lines_as_well_when_it_is_back_soon(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    post.happen(rollout, "Aborting: errors of v2.", kind=EntryKind.ABORTING)
    post.run(120)
    post.open()
    post.run(65)

    assert [line for line in post.lines() if "Aborting" in line]
    assert len(post.notified(OMAR)) == 1


def test_a_closed_channel_keeps_nobody_else_waiting_and_its_box_is_empty_after_an_hour(post: Direct) -> None:
    rollouts = [post.begin(f"a{number}", channel="#dead") for number in range(5)]
    post.slack.closed = {"#dead": "is_archived"}  # type: ignore[attr-defined]  # a Workspace
    for rollout in rollouts:
        post.happen(rollout, "mirror: on", kind=EntryKind.HELD)
    post.run(5)
    other = post.begin("details")
    post.happen(other, "mirror: on")
    post.run(5)
    assert [card["channel"] for card in post.cards() if card["channel"] == "#releases"] == ["#releases"]

    post.run(3700)
    assert post.store.pending() == []


def test_people_are_told_although_one_of_them_cannot_be(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    post.slack.closed[MAYA] = "cannot_dm_bot"  # type: ignore[attr-defined]  # a Workspace
    post.happen(rollout, "Aborting: errors of v2.", kind=EntryKind.ABORTING)
    post.run(60)

    assert len(post.notified(OMAR)) == len(post.notified(LENA)) == 1
    assert len(post.notified(MAYA)) == direct.TRIES


def test_a_slack_that_is_away_meanwhile_loses_nobodys_words(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    post.happen(rollout, "Aborting: errors of v2.", kind=EntryKind.ABORTING)
    post.run(2)
    post.slack.down = True
    post.run(60)
    post.slack.forget()
    post.slack.down = False
    post.happen(post.store.live()[0], "Users are home.", kind=EntryKind.ENDED)
    post.run(60)

    assert [said["text"].rpartition(": ")[2] for said in post.notified(OMAR)][-1] == "Users are home."


def test_a_group_of_hundreds_is_not_all_written_to(post: Direct) -> None:
    post.people = People(tuple(f"U0{number:05}" for number in range(300)))
    rollout = post.begun(OMAR)
    post.close()
    post.happen(rollout, "Aborting: errors of v2.", kind=EntryKind.ABORTING)
    post.run(120)

    people = {said["channel"] for said in post.slack.said(POST)} - {"#releases", "C0RELEASES"}
    assert len(people) == direct.MOST
    assert MAYA in people


def test_who_is_no_person_of_slack_is_not_written_to(post: Direct) -> None:
    begun = post.begin()
    post.run(5)
    post.close()
    post.happen(
        replace(begun, spec=replace(begun.spec, started_by=UserId("maya (shell)"))),
        "Aborting: it.",
        kind=EntryKind.ABORTING,
    )
    post.run(60)

    assert {said["channel"] for said in post.slack.said(POST)} <= {"#releases", "C0RELEASES"}


def test_the_next_leader_says_nothing_of_it_a_second_time(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    post.happen(rollout, "Aborting: errors of v2.", kind=EntryKind.ABORTING)
    post.run(300)
    post.delivery = post.a_delivery()
    post.run(120)

    assert len(post.notified(OMAR)) == 1


def test_a_group_that_slack_does_not_tell_of_at_first_is_told_when_it_does(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.people = People((OMAR,), whole=False)
    post.close()
    post.happen(rollout, "Aborting: errors of v2.", kind=EntryKind.ABORTING)
    post.run(5)
    assert [len(post.notified(user)) for user in (MAYA, OMAR, LENA)] == [1, 1, 0]

    post.people = People((OMAR, LENA))
    post.run(60)
    assert [len(post.notified(user)) for user in (MAYA, OMAR, LENA)] == [1, 1, 1]


def test_what_was_written_while_no_bot_ran_is_told_by_the_next(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    post.happen(rollout, "Aborting: from a shell.", kind=EntryKind.ABORTING)
    post.clock.advance(1800)
    post.delivery = post.a_delivery()
    post.run(60)

    assert len(post.notified(OMAR)) == 1


def test_the_buttons_are_those_that_count_now(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    asking = replace(rollout, asked_at=post.clock.now(), settled_at=post.clock.now())
    rollout = post.happen(asking, "May users go to v2?", kind=EntryKind.ASK)
    post.run(30)
    assert [said for said in post.slack.said(UPDATE) if said["channel"] == OMAR] == []

    rollout = post.happen(replace(rollout, evidence=rollout.evidence + 1), "figures", kind=EntryKind.SUMMARY)
    post.run(30)
    (edited,) = (said for said in post.slack.said(UPDATE) if said["channel"] == OMAR)
    assert "canary_approve" in actions(edited)
    assert "May users go to v2?" in str(edited["blocks"])
    assert str(edited["blocks"]) != str(post.notified(OMAR)[0]["blocks"])

    post.happen(replace(rollout, asked_at=None), "Going on.", kind=EntryKind.HELD)
    post.run(30)
    edited = [said for said in post.slack.said(UPDATE) if said["channel"] == OMAR][-1]
    assert "canary_approve" not in actions(edited)


def test_only_the_newest_message_to_a_person_has_buttons(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    rollout = post.happen(rollout, "May users go to v2?", kind=EntryKind.ASK)
    post.run(30)
    post.happen(rollout, "Halted.", kind=EntryKind.HALTED)
    post.run(30)

    stripped = [said for said in post.slack.said(UPDATE) if said["channel"] == OMAR]
    assert [actions(said) for said in stripped] == [[]]
    assert "May users go to v2?" in str(stripped[0]["blocks"])


def test_a_refused_start_is_nobodys_news(post: Direct) -> None:
    refused, entries = decide.refuse(a_rollout(id=RolloutId("r-9")), ["It is frozen."], post.clock.now())
    post.close()
    post.store.create(refused, entries)
    post.run(30)

    assert {said["channel"] for said in post.slack.said(POST)} == {"#releases"}
    assert post.store.pending() == []


def test_an_approval_given_there_is_told_nobody_twice(post: Direct) -> None:
    rollout = post.begun(OMAR)
    post.close()
    rollout = post.happen(rollout, "May users go to v2?", kind=EntryKind.ASK)
    post.run(10)
    approved = replace(rollout, approvals=(Approval(by=OMAR, at=post.clock.now()),))
    post.happen(approved, "Approved.", kind=EntryKind.APPROVED)
    post.run(100)

    assert len(post.notified(OMAR)) == 1
    assert rollout.spec.id == RolloutId("r-reviews")
