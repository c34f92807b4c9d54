"""Whose decision counts: a living person's of the workspace that is meant, in the group that has the handle now."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.errors import Refusal
from bot.model.service import ApprovalRule
from bot.slack.accounts import Person
from bot.slack.approvers import Approvers
from bot.slack.client import web_client
from bot.words.language import Language
from tests.builders import LENA, MAYA, OMAR
from tests.fakes.clock import FakeClock
from tests.fakes.slack_client import TEAM, FakeSlack

GROUP = ApprovalRule(approvers=("@release-managers",))
OLD = {"id": "S0MANAGERS", "handle": "release-managers", "date_delete": 0, "users": [LENA]}
RENAMED = OLD | {"handle": "former-managers"}
NEW = {"id": "S0OTHERS", "handle": "release-managers", "date_delete": 0, "users": [MAYA]}


def a_person(user: str = MAYA, *, home: str = TEAM) -> Person:
    return Person(id=user, team=TEAM, home=home)  # type: ignore[arg-type]  # an id is text


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def approvers(slack: FakeSlack, clock: FakeClock) -> Approvers:
    slack.members = (MAYA, OMAR)
    return Approvers(slack.client, clock.now)


def test_a_handle_that_moved_to_another_group_lets_the_old_ones_people_through_no_more(
    approvers: Approvers, slack: FakeSlack, clock: FakeClock
) -> None:
    slack.groups = [OLD]
    assert approvers.may_approve(a_person(LENA), GROUP)

    slack.groups = [RENAMED, NEW]
    clock.advance(61)

    assert not approvers.may_approve(a_person(LENA), GROUP)
    assert approvers.may_approve(a_person(MAYA), GROUP)


def test_while_slack_does_not_list_its_groups_an_old_handle_lets_nobody_through(
    approvers: Approvers, slack: FakeSlack, clock: FakeClock
) -> None:
    slack.groups = [OLD]
    assert approvers.may_approve(a_person(LENA), GROUP)

    slack.groups = [RENAMED, NEW]
    clock.advance(61)
    slack.fail("usergroups.list", "internal_error", times=2)

    with pytest.raises(Refusal, match="I could not ask Slack who is in @release-managers, so I let nobody through"):
        approvers.check_approver(a_person(LENA), GROUP)
    assert approvers.mentions(GROUP) == ("S0MANAGERS",)  # shown, and not obeyed


def test_what_slack_says_while_a_group_changes_is_asked_again(approvers: Approvers, slack: FakeSlack) -> None:
    slack.groups = [OLD]
    slack.meanwhile("usergroups.users.list", approvers.forget)

    assert approvers.may_approve(a_person(LENA), GROUP)
    slack.groups = [RENAMED, NEW]

    assert not approvers.may_approve(a_person(LENA), GROUP)


def test_the_language_somebody_reads_slack_in_is_asked_for_once_an_hour_and_kept_while_slack_is_silent(
    approvers: Approvers, slack: FakeSlack, clock: FakeClock
) -> None:
    slack.accounts[MAYA] = {"locale": "zh-CN"}
    assert approvers.known_language(a_person()) is None

    for _ in range(50):
        assert approvers.language(a_person()) is Language.CHINESE
        clock.advance(60)
    assert [arguments["include_locale"] for _, arguments in slack.calls] == ["1"]

    slack.accounts[MAYA] = {"locale": "en-US"}
    clock.advance(3600)
    slack.fail("users.info", "internal_error")
    assert approvers.language(a_person()) is Language.CHINESE
    assert approvers.language(a_person()) is Language.ENGLISH
    assert approvers.known_language(a_person()) is Language.ENGLISH


@pytest.mark.parametrize("rule", [GROUP, ApprovalRule(), ApprovalRule(approvers=(MAYA,))])
@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"is_bot": True}, "Only people"),
        ({"is_workflow_bot": True}, "Only people"),
        ({"deleted": True}, "This account is deactivated"),
        ({"team_id": "T0OTHER"}, "Only members of this workspace"),
        ({"is_stranger": True}, "Only members of this workspace"),
        ({"enterprise_user": {"teams": ["T0OTHER"]}, "team_id": "T0OTHER"}, "Only members of this workspace"),
    ],
)
def test_an_account_that_is_no_living_persons_of_this_workspace_decides_nothing(
    approvers: Approvers, slack: FakeSlack, rule: ApprovalRule, account: dict[str, Any], said: str
) -> None:
    slack.accounts[MAYA] = account

    with pytest.raises(Refusal, match=said):
        approvers.check_approver(a_person(), rule)


def test_who_belongs_to_several_workspaces_of_an_organisation_is_at_home_in_each(
    approvers: Approvers, slack: FakeSlack
) -> None:
    slack.accounts[MAYA] = {"team_id": "T0OTHER", "enterprise_user": {"teams": ["T0OTHER", TEAM]}}

    approvers.check_approver(a_person(), GROUP)


def test_whoever_was_deactivated_is_refused_within_a_minute(
    approvers: Approvers, slack: FakeSlack, clock: FakeClock
) -> None:
    approvers.check_approver(a_person(), GROUP)
    slack.accounts[MAYA] = {"deleted": True}
    clock.advance(61)

    assert not approvers.may_approve(a_person(), GROUP)


def test_an_account_slack_does_not_tell_of_now_is_not_let_through(approvers: Approvers, slack: FakeSlack) -> None:
    slack.fail("users.info", status=503)

    with pytest.raises(Refusal, match="I could not ask Slack about your account"):
        approvers.check_approver(a_person(), GROUP)
    approvers.check_approver(a_person(), GROUP)


@pytest.mark.parametrize("code", ["missing_scope", "unknown_method"])
def test_an_app_that_cannot_ask_for_accounts_goes_by_the_groups(
    approvers: Approvers, slack: FakeSlack, code: str
) -> None:
    slack.fail("users.info", code)

    approvers.check_approver(a_person(), GROUP)
    with pytest.raises(Refusal, match="not one of the approvers"):
        approvers.check_approver(a_person(LENA), GROUP)


@pytest.mark.parametrize("program", ["USLACKBOT", "B0BOT00001", "", "None", "U", f" {MAYA}", f"{MAYA}\n", MAYA.lower()])
def test_whoever_has_no_id_of_an_account_does_nothing_at_all(program: str) -> None:
    with pytest.raises(Refusal, match="Only people may decide"):
        Approvers.check_member(a_person(program))


@pytest.mark.parametrize("name", ["@release-managers", "S0MANAGERS"])
def test_a_disabled_group_lets_nobody_through_however_it_is_named(
    approvers: Approvers, slack: FakeSlack, name: str
) -> None:
    slack.groups = [OLD | {"date_delete": 1_700_000_000}]

    with pytest.raises(Refusal, match="is disabled: enable it in Slack"):
        approvers.check_approver(a_person(LENA), ApprovalRule(approvers=(name,)))


def test_a_group_named_by_its_id_is_asked_although_slack_does_not_list_it(
    approvers: Approvers, slack: FakeSlack
) -> None:
    """As those of a whole organisation may be."""
    slack.groups = []

    approvers.check_approver(a_person(MAYA), ApprovalRule(approvers=("S0MANAGERS",)))


def test_groups_named_by_their_ids_do_without_the_list_of_all(approvers: Approvers, slack: FakeSlack) -> None:
    slack.fail("usergroups.list", "internal_error", times=9)

    approvers.check_approver(a_person(MAYA), ApprovalRule(approvers=("S0MANAGERS",)))


def test_in_an_org_wide_install_the_workspace_that_was_named_is_asked(slack: FakeSlack, clock: FakeClock) -> None:
    slack.org, slack.members = "E0ORG", (MAYA,)
    approvers = Approvers(web_client("xoxb-test", f"{slack.url}/api", workspace=TEAM), clock.now)

    approvers.check_approver(a_person(), GROUP)

    assert {one["team_id"] for one in slack.said("usergroups.list")} == {TEAM}


@pytest.mark.parametrize("kind", ["is_restricted", "is_ultra_restricted"])
def test_a_guest_decides_where_somebody_has_named_them_and_not_as_one_of_all_members(
    approvers: Approvers, slack: FakeSlack, kind: str
) -> None:
    slack.accounts[LENA] = {kind: True}

    with pytest.raises(Refusal, match="Guests of this workspace may decide only where they are among the approvers"):
        approvers.check_approver(a_person(LENA), ApprovalRule())
    approvers.check_approver(a_person(LENA), ApprovalRule(approvers=(LENA,)))
    slack.members = (LENA,)
    approvers.check_approver(a_person(LENA), GROUP)


@pytest.mark.parametrize("handle", ["release-manager\u017f", "release-\uff4danagers", "RELEASE-MANAGER\u017f"])
def test_a_group_whose_handle_only_looks_like_ours_is_another_one(
    approvers: Approvers, slack: FakeSlack, handle: str
) -> None:
    slack.groups = [NEW, {"id": "S0FORGED", "handle": handle, "date_delete": 0, "users": [LENA]}]

    assert not approvers.may_approve(a_person(LENA), GROUP)
    assert approvers.may_approve(a_person(MAYA), GROUP)


def test_a_handle_that_several_living_groups_have_lets_nobody_through(approvers: Approvers, slack: FakeSlack) -> None:
    slack.groups = [NEW, {"id": "S0FORGED", "handle": "Release-Managers", "date_delete": 0, "users": [LENA]}]

    for user in (LENA, MAYA):
        with pytest.raises(Refusal, match="Several user groups have the handle @release-managers"):
            approvers.check_approver(a_person(user), GROUP)
    assert approvers.may_approve(a_person(MAYA), ApprovalRule(approvers=("S0OTHERS",)))
    assert approvers.mentions(GROUP) == ("@release-managers",)
