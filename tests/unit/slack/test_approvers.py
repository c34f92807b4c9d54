"""Who may decide, also when Slack cannot say."""

from __future__ import annotations

import pytest

from bot.model.errors import Fault, Refusal
from bot.model.rollout import UserId
from bot.model.service import ApprovalRule
from bot.slack.accounts import Person
from bot.slack.approvers import Approvers
from bot.words.rendering import plain
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

    assert {method for method, _ in slack.calls} == {"users.info"}


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


@pytest.mark.parametrize(
    "names",
    [
        ("@sre-oncall", "@release-managers"),
        ("@release-managers", "@sre-oncall"),
        ("@retired", "@release-managers"),
        ("@Release-Managers",),
        ("release-managers",),
        ("@RELEASE-MANAGERS", LENA),
        ("S0GONE", "@release-managers"),
    ],
)
def test_a_group_that_nobody_knows_or_that_is_disabled_keeps_nobody_else_out(
    approvers: Approvers, slack: FakeSlack, names: tuple[str, ...]
) -> None:
    slack.groups.append({"id": "S0RETIRED", "handle": "retired", "date_delete": 1_700_000_000})
    if names[0] == "S0GONE":
        slack.fail("usergroups.users.list", "no_such_subteam")

    approvers.check_approver(a_person(MAYA), ApprovalRule(approvers=names))


def test_whoever_is_refused_hears_what_is_wrong_with_each_group(approvers: Approvers, slack: FakeSlack) -> None:
    slack.groups.append({"id": "S0RETIRED", "handle": "Retired", "date_delete": 1_700_000_000})
    rule = ApprovalRule(approvers=("@retired", "@nobody", "@release-managers"))

    with pytest.raises(Refusal) as refused:
        approvers.check_approver(a_person(LENA), rule)

    assert "You are not one of the approvers" in plain(refused.value.sentence)
    assert "The user group @retired is disabled: enable it in Slack" in plain(refused.value.sentence)
    assert "Slack knows no user group @nobody" in plain(refused.value.sentence)


def test_a_group_beyond_the_first_page_is_found(approvers: Approvers, slack: FakeSlack) -> None:
    slack.page = 2
    slack.groups = [{"id": f"S0{number}", "handle": f"g{number}", "date_delete": 0} for number in range(6)]

    assert approvers.may_approve(a_person(MAYA), ApprovalRule(approvers=("@g5",)))


def test_a_living_group_is_meant_where_a_disabled_one_had_the_same_handle(
    approvers: Approvers, slack: FakeSlack
) -> None:
    slack.groups.append({"id": "S0OLD", "handle": "release-managers", "date_delete": 1_700_000_000})

    approvers.check_approver(a_person(MAYA), GROUP)


def test_a_handle_that_was_given_to_another_group_is_that_groups_after_a_minute(
    approvers: Approvers, slack: FakeSlack, clock: FakeClock
) -> None:
    assert approvers.mentions(GROUP) == ("S0MANAGERS",)
    slack.groups = [{"id": "S0OTHERS", "handle": "release-managers", "date_delete": 0}]
    clock.advance(61)

    assert approvers.mentions(GROUP) == ("S0OTHERS",)


@pytest.mark.parametrize("method", ["usergroups.list", "usergroups.users.list"])
@pytest.mark.parametrize(
    ("error", "needed", "said"),
    [
        (
            "missing_scope",
            "usergroups:read",
            "The app lacks the scope usergroups:read: add what is missing under OAuth",
        ),
        ("missing_argument", "", "The app is installed for the whole organisation"),
        ("org_login_required", "", "Install it into that workspace itself"),
        ("plan_upgrade_required", "", "name people by their ids in `approvers` instead"),
        ("token_revoked", "", "copy SLACK_BOT_TOKEN anew"),
        ("internal_error", "", "Please try again in a moment."),
    ],
)
def test_why_slack_does_not_say_is_told_with_what_to_do(
    approvers: Approvers, slack: FakeSlack, method: str, error: str, needed: str, said: str
) -> None:
    slack.fail(method, error, needed=needed)

    with pytest.raises(Refusal) as refused:
        approvers.check_approver(a_person(MAYA), GROUP)
    assert said in plain(refused.value.sentence)
    assert "Abort and pause work without it." in plain(refused.value.sentence)


def test_somebody_hears_that_an_org_wide_app_knows_no_workspace() -> None:
    with pytest.raises(Refusal, match="installed for the whole organisation"):
        Approvers.check_member(Person(id=MAYA, team=TEAM, home="E0ORG"))


def test_what_is_wrong_with_a_name_can_be_asked_before_anybody_is_refused(
    approvers: Approvers, slack: FakeSlack
) -> None:
    assert approvers.wrong(LENA) is None
    assert approvers.wrong("@release-managers") is None
    slack.members = ()
    approvers.forget()
    assert plain(approvers.wrong("@release-managers") or "") == (
        "The user group @release-managers is empty: add people to it in Slack."
    )
    assert "Slack knows no user group @nobody" in plain(approvers.wrong("@nobody") or "")
    slack.groups = [
        {"id": "S0RETIRED", "handle": "Retired", "date_delete": 1, "user_count": 3},
        {"id": "S0EMPTY", "handle": "empty", "date_delete": 0, "user_count": 0},
    ]
    approvers.forget()
    slack.forget()
    assert "@retired is disabled" in plain(approvers.wrong("@retired") or "")
    assert "S0RETIRED is disabled" in plain(approvers.wrong("S0RETIRED") or "")
    assert "The user group @empty is empty" in plain(approvers.wrong("@empty") or "")
    assert [method for method, _ in slack.calls] == ["usergroups.list"]  # however many groups there are


@pytest.mark.parametrize("odd", ["²", "٣", "9" * 5000, "-1", "", None, [], 1.5])
def test_a_group_whose_size_is_no_number_is_not_called_empty(
    approvers: Approvers, slack: FakeSlack, odd: object
) -> None:
    slack.groups = [{"id": "S0ODD", "handle": "odd", "date_delete": 0, "user_count": odd}]
    assert approvers.wrong("@odd") is None


def test_of_a_name_that_slack_does_not_tell_about_nothing_is_said(approvers: Approvers, slack: FakeSlack) -> None:
    slack.fail("usergroups.list", "missing_scope", needed="usergroups:read")

    with pytest.raises(Fault, match="The app lacks the scope usergroups:read"):
        approvers.wrong("@release-managers")


def test_the_people_behind_the_names_are_found_as_far_as_slack_tells_them(
    approvers: Approvers, slack: FakeSlack
) -> None:
    rule = ApprovalRule(approvers=("@nobody", LENA, "@release-managers", LENA))

    assert approvers.people(rule) == ((LENA, MAYA, OMAR), True)
    approvers.forget()
    slack.down = True
    assert approvers.people(rule) == ((LENA,), False)
