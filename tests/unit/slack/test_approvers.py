"""Who may decide, also when Slack cannot say."""

from __future__ import annotations

import pytest

from bot.rollout.errors import Refusal
from bot.rollout.model import UserId
from bot.rollout.service import ApprovalRule
from bot.slack.approvers import Approvers, Person
from tests.builders import LENA, MAYA, OMAR
from tests.fakes.clock import FakeClock
from tests.fakes.slack_client import TEAM, FakeSlack

GROUP = ApprovalRule(approvers=("@release-managers",))


def a_person(user: UserId = MAYA, team: str = TEAM) -> Person:
    return Person(id=user, team=team, home=TEAM)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def approvers(slack: FakeSlack, clock: FakeClock) -> Approvers:
    slack.members = (MAYA, OMAR)
    return Approvers(slack.client, clock.now)


def test_members_of_the_group_may_approve_and_others_may_not(approvers: Approvers) -> None:
    approvers.check_approver(a_person(OMAR), GROUP)
    with pytest.raises(Refusal, match=r"not one of the approvers \(@release-managers\)"):
        approvers.check_approver(a_person(LENA), GROUP)


@pytest.mark.parametrize("names", [(LENA,), ("@release-managers", LENA), ("S0MANAGERS", LENA)])
def test_users_may_be_named_one_by_one(approvers: Approvers, names: tuple[str, ...]) -> None:
    assert approvers.may_approve(a_person(LENA), ApprovalRule(approvers=names))


def test_without_names_everybody_of_the_workspace_may_approve(approvers: Approvers, slack: FakeSlack) -> None:
    approvers.check_approver(a_person(LENA), ApprovalRule())

    assert slack.calls == []


def test_somebody_of_another_workspace_may_do_nothing(approvers: Approvers) -> None:
    outsider = a_person(MAYA, team="T0OTHER")

    with pytest.raises(Refusal, match="Only members of this workspace"):
        approvers.check_member(outsider)
    assert not approvers.may_approve(outsider, ApprovalRule())


@pytest.mark.parametrize("method", ["usergroups.list", "usergroups.users.list"])
def test_nobody_is_let_through_while_slack_cannot_say_who_is_in_the_group(
    approvers: Approvers, slack: FakeSlack, method: str
) -> None:
    slack.fail(method, "plan_upgrade_required")

    with pytest.raises(Refusal, match="I let nobody through"):
        approvers.check_approver(a_person(MAYA), GROUP)
    approvers.check_approver(a_person(MAYA), GROUP)


def test_a_member_is_let_through_although_another_group_cannot_be_asked(approvers: Approvers, slack: FakeSlack) -> None:
    slack.fail("usergroups.users.list", "no_such_subteam")

    assert approvers.may_approve(a_person(MAYA), ApprovalRule(approvers=("S0GONE", "@release-managers")))


def test_a_group_that_does_not_exist_lets_nobody_through(approvers: Approvers) -> None:
    with pytest.raises(Refusal, match="Slack knows no user group @nobody"):
        approvers.check_approver(a_person(MAYA), ApprovalRule(approvers=("@nobody",)))


def test_members_are_believed_for_a_minute_or_until_slack_says_they_changed(
    approvers: Approvers, slack: FakeSlack, clock: FakeClock
) -> None:
    assert not approvers.may_approve(a_person(LENA), GROUP)
    slack.members = (LENA,)
    assert not approvers.may_approve(a_person(LENA), GROUP)
    approvers.forget()
    assert approvers.may_approve(a_person(LENA), GROUP)
    slack.members = (MAYA,)
    clock.advance(61)
    assert not approvers.may_approve(a_person(LENA), GROUP)


def test_mentions_are_ids_where_slack_tells_them_and_names_where_not(approvers: Approvers, slack: FakeSlack) -> None:
    rule = ApprovalRule(approvers=("@release-managers", LENA))

    slack.down = True
    assert approvers.mentions(rule) == ("@release-managers", LENA)
    slack.down = False
    assert approvers.mentions(rule) == ("S0MANAGERS", LENA)
