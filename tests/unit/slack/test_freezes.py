"""Freezing and unfreezing from Slack: who may, what everybody is told, and that no reason ever becomes markup."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.errors import Fault, Refusal
from bot.model.freeze import ALL, Freeze, freeze_sentence
from bot.model.rollout import Phase, UserId
from bot.model.service import ApprovalRule
from bot.preflight import freezes as preflight
from bot.rollout import decide
from bot.slack import forms, freezes, replies
from bot.slack.blocks import Message, date_mrkdwn
from bot.slack.cards import card
from bot.slack.parsing import parse
from bot.slack.reply_messages import message_of
from bot.slack.thread import line
from bot.words.rendering import ENGLISH
from sandbox.slack.blocks import check_blocks
from tests.builders import LENA, OMAR, a_freeze, a_rollout, a_service
from tests.fakes.freezes import InMemoryFreezes
from tests.fakes.slack_client import FakeSlack
from tests.unit.slack.test_listeners import RULE, Workspace

PETE = UserId("U0PETE")
DATE = re.compile(r"<!date\^\d+\^[^|<>]*\|([^<>]*)>")
TWO = (a_service(approvals=RULE), a_service(name="ratings", approvals=ApprovalRule(approvers=(PETE,))))


def date(at: float) -> str:
    return date_mrkdwn(at, "{date_short_pretty} {time}")


@pytest.fixture
def workspace(slack: FakeSlack) -> Workspace:
    return Workspace(slack, *TWO)


def shown(blocks: Any) -> str:
    """What people read in blocks, with ids for people and UTC for dates."""
    if isinstance(blocks, str):
        return blocks
    if isinstance(blocks, list | tuple):
        return "".join(map(shown, blocks))
    match blocks.get("type"):
        case "user":
            return f"@{blocks['user_id']}"
        case "date":
            return str(blocks["fallback"])
        case _:
            return shown(blocks["text"] if "text" in blocks else blocks.get("elements", ""))


def test_any_member_freezes_and_everybody_in_the_channel_reads_who_why_and_until_when(workspace: Workspace) -> None:
    workspace.types("freeze reviews --for 2h database migration", user=LENA)

    (said,) = workspace.slack.said("respond")
    assert said["response_type"] == "in_channel"
    assert DATE.sub(r"\1", said["text"]) == "<@U0LENA> froze reviews until 2025-06-15 17:06 UTC: database migration"
    assert {"type": "user", "user_id": LENA} in elements(said["blocks"])
    assert "/canary unfreeze reviews ends it." in shown(said["blocks"])
    assert check_blocks(said["blocks"], "message") == []
    (freeze,) = workspace.controller.freezes()
    now = workspace.controller.clock.now()
    assert freeze == a_freeze(by=LENA, since=now, until=now + 7200.0)


def test_a_mention_freezes_in_its_thread(workspace: Workspace) -> None:
    workspace.mentions("freeze all an incident", user=LENA)

    (said,) = workspace.slack.said("chat.postMessage")
    assert (said["channel"], said["thread_ts"]) == ("C0RELEASES", "9.0")
    assert said["text"] == "<@U0LENA> froze all services, until somebody ends it: an incident"


def test_what_is_in_flight_is_named_as_going_on_and_is_not_touched(workspace: Workspace) -> None:
    rollout = workspace.controller.begin("reviews")
    workspace.controller.begin("ratings")

    workspace.types("freeze reviews migration")

    text = shown(workspace.slack.said("respond")[0]["blocks"])
    assert "In flight already, reviews 1 → v2 goes on: still watched, and aborted if figures are bad." in text
    assert "ratings" not in text
    assert workspace.controller.active("reviews") == rollout


def test_freezing_again_replaces_and_says_so(workspace: Workspace) -> None:
    workspace.types("freeze reviews --for 2h migration", user=LENA)
    workspace.types("freeze reviews it takes longer", user=LENA)

    text = shown(workspace.slack.said("respond")[1]["blocks"])
    assert "froze reviews, until somebody ends it: it takes longer" in text
    assert "It replaces the freeze by @U0LENA: migration" in text
    assert [freeze.reason for freeze in workspace.controller.freezes()] == ["it takes longer"]


def test_whoever_froze_ends_it_and_everybody_reads_it(workspace: Workspace) -> None:
    workspace.types("freeze reviews migration", user=LENA)
    workspace.types("unfreeze reviews", user=LENA)

    said = workspace.slack.said("respond")[1]
    assert (said["response_type"], said["text"]) == (
        "in_channel",
        "<@U0LENA> unfroze reviews: migration",
    )
    assert list(workspace.controller.freezes()) == []


@pytest.mark.parametrize("text", ["unfreeze reviews", "freeze reviews --for 1s over in a second"])
def test_ending_or_replacing_somebody_elses_freeze_is_an_approvers(workspace: Workspace, text: str) -> None:
    workspace.types("freeze reviews migration", user=LENA)
    before = list(workspace.controller.freezes())

    workspace.types(text, user=PETE)  # an approver of ratings

    refused = workspace.slack.said("respond")[1]
    assert refused["response_type"] == "ephemeral"
    assert DATE.sub(r"\1", refused["text"]) == (
        "reviews is frozen since 2025-06-15 15:06 UTC by <@U0LENA>, until somebody ends it: migration. "
        "Only <@U0LENA> or an approver of reviews may end or replace it. "
        "You are not one of the approvers (@release-managers)."
    )
    assert list(workspace.controller.freezes()) == before

    workspace.types(text, user=OMAR)
    assert workspace.slack.said("respond")[2]["response_type"] == "in_channel"
    assert list(workspace.controller.freezes()) != before


def test_a_freeze_of_all_is_ended_by_an_approver_of_any_service(workspace: Workspace) -> None:
    workspace.types("freeze all an incident", user=LENA)

    workspace.types("unfreeze all", user=UserId("U0NOBODY"))
    assert "or an approver of any service may end" in workspace.slack.notified()
    workspace.types("unfreeze all", user=PETE)

    assert list(workspace.controller.freezes()) == []


def test_while_slack_does_not_say_who_is_an_approver_nobody_elses_freeze_is_ended(workspace: Workspace) -> None:
    workspace.types("freeze reviews migration", user=LENA)
    workspace.slack.fail("usergroups.list", "internal_error", times=9)

    workspace.types("unfreeze reviews", user=OMAR)

    assert "I could not ask Slack who is in @release-managers" in workspace.slack.notified()
    assert len(workspace.controller.freezes()) == 1


def test_guests_of_another_organisation_neither_freeze_nor_unfreeze(workspace: Workspace) -> None:
    workspace.dispatch({**workspace.command_body("freeze all an incident"), "team_id": "T0OTHER"})

    assert workspace.slack.notified().startswith("Only members of this workspace")
    assert list(workspace.controller.freezes()) == []


def test_a_service_may_be_left_out_only_where_there_is_one(slack: FakeSlack, workspace: Workspace) -> None:
    workspace.types("freeze database migration")
    assert workspace.slack.notified() == "Freeze what? Name it after the command: reviews, ratings or all."
    assert list(workspace.controller.freezes()) == []

    one = Workspace(slack, a_service(approvals=RULE))
    one.types("freeze database migration")
    assert [(f.scope, f.reason) for f in one.controller.freezes()] == [("reviews", "database migration")]
    one.types("unfreeze")
    assert list(one.controller.freezes()) == []


def test_what_is_frozen_otherwise_is_named_when_there_is_nothing_to_end(workspace: Workspace) -> None:
    workspace.types("freeze all an incident")

    workspace.types("unfreeze reviews")

    assert workspace.slack.notified() == (
        "reviews has no freeze of its own. Frozen: all services. `/canary services` shows by whom and why."
    )


def test_ending_one_of_two_freezes_says_which_is_left(workspace: Workspace) -> None:
    workspace.types("freeze all an incident")
    workspace.types("freeze reviews migration")

    workspace.types("unfreeze reviews")

    assert "Still frozen:All services are frozen since" in shown(workspace.slack.said("respond")[2]["blocks"])


def test_the_start_form_and_the_home_show_what_is_frozen(workspace: Workspace) -> None:
    workspace.types("freeze reviews migration", user=LENA)

    workspace.types("start")
    workspace.event({"type": "app_home_opened", "tab": "home", "user": OMAR})

    form, home = (workspace.slack.said(method)[0]["view"]["blocks"] for method in ("views.open", "views.publish"))
    for blocks in (form, home):
        assert "Frozen: nothing of this is started before it is over." in shown(blocks)
        assert "reviews is frozen since 2025-06-15 15:06 UTC by @U0LENA, until somebody ends it: migration" in shown(
            blocks
        )


def test_of_many_freezes_a_form_shows_some_and_says_where_all_are() -> None:
    frozen = [a_freeze(scope=f"service-{number}") for number in range(13)]

    text = shown(forms.start_form(forms.StartForm(services=TWO, frozen=frozen), ENGLISH)["blocks"])

    assert "service-9 is frozen" in text
    assert "service-10" not in text
    assert "and 3 more; `/canary services` shows them all" in text


def test_the_start_form_opens_also_while_nobody_knows_what_is_frozen(workspace: Workspace) -> None:
    workspace.controller.frozen.outage = Fault("Redis", "cannot be reached.")

    workspace.types("start")

    assert "Frozen" not in shown(workspace.slack.said("views.open")[0]["view"]["blocks"])


def test_a_freeze_that_changed_in_the_same_moment_is_left_and_the_person_hears_it(workspace: Workspace) -> None:
    workspace.types("freeze reviews migration")
    (seen,) = workspace.controller.freezes()
    newer = a_freeze(by=OMAR, since=seen.since + 1)

    class Contested(InMemoryFreezes):
        """Another replica is always quicker."""

        def unfreeze(self, freeze: Freeze, *, by: UserId, now: float) -> bool:
            self.freeze(newer)
            return super().unfreeze(freeze, by=by, now=now)

    workspace.controller.frozen = Contested()
    workspace.controller.frozen.freeze(seen)
    workspace.types("unfreeze reviews")

    assert workspace.slack.notified() == "The freeze of reviews has just changed."
    assert list(workspace.controller.freezes()) == [newer]


def test_a_store_that_is_gone_is_told_and_nothing_is_announced(workspace: Workspace) -> None:
    workspace.controller.frozen.outage = Fault("Redis", "cannot be reached.")

    workspace.types("freeze all an incident")

    (said,) = workspace.slack.said("respond")
    assert said["response_type"] == "ephemeral"
    assert said["text"].startswith("I could not do that now. Redis: cannot be reached.")


def test_a_lost_announcement_takes_nothing_back(workspace: Workspace) -> None:
    workspace.slack.swallow("respond")

    assert workspace.types("freeze all an incident").status == 200
    assert [freeze.scope for freeze in workspace.controller.freezes()] == [ALL]


def test_services_and_an_idle_status_show_what_is_frozen(workspace: Workspace) -> None:
    workspace.types("freeze all --for 1h an incident", user=LENA)
    workspace.types("freeze reviews migration", user=LENA)
    workspace.slack.forget()

    for text in ("services", "status reviews", "status ratings"):
        workspace.types(text)
    services, reviews, ratings = workspace.slack.said("respond")

    assert services["text"] == "Services: reviews and ratings. Frozen: all services and reviews."
    assert (
        "All services are frozen since 2025-06-15 15:06 UTC by @U0LENA, until 2025-06-15 16:06 UTC: an incident"
        in shown(services["blocks"])
    )
    assert "nothing in flight, frozen" in shown(services["blocks"])
    assert reviews["text"] == (
        "reviews has no rollout in flight, and none starts while it is frozen. "
        f"All services are frozen since {date(1750000000)} by <@U0LENA>, until {date(1750003600)}: an incident. "
        f"reviews is frozen since {date(1750000000)} by <@U0LENA>, until somebody ends it: migration."
    )
    assert "migration" not in shown(ratings["blocks"])
    for said in (services, reviews, ratings):
        assert said["response_type"] == "ephemeral"
        assert check_blocks(said["blocks"], "message") == []


def test_a_freeze_that_is_over_is_shown_nowhere(workspace: Workspace) -> None:
    workspace.types("freeze reviews --for 1h migration")
    workspace.controller.clock.advance(3600)

    workspace.types("status reviews")
    assert workspace.slack.notified().startswith("reviews has no rollout in flight. Begin one with")
    workspace.types("services")
    assert workspace.slack.notified() == "Services: reviews and ratings."


def test_a_hundred_frozen_services_fit_in_an_answer() -> None:
    known = [a_service(name=f"{'s' * 58}-{number:03}") for number in range(100)]
    frozen = [a_freeze(service.name, reason="x" * 500) for service in known]

    for message in (replies.services(known, {}, frozen), freezes.ended(a_freeze(ALL), OMAR, frozen)):
        assert check_blocks(list(message.blocks), "message") == []


# No reason is markup

NASTY = st.one_of(
    st.text(min_size=1, max_size=600),
    st.sampled_from(["<!channel> look", "<@U0OMAR0001>", "<https://evil.example|ok>", "&lt;!here&gt;", "*b* ~s~ `c`"]),
)


def messages(reason: str) -> list[Message]:
    freeze = a_freeze(by=UserId("U0MAYA0001"), until=5000.0, reason=reason)
    live = [a_rollout(phase=Phase.MIRRORING)]
    return [
        freezes.begun(freeze, freeze, live),
        freezes.ended(freeze, UserId("U0OMAR0001"), [freeze]),
        replies.services([a_service()], {}, [freeze]),
        replies.idle("reviews", [], [freeze]),
    ]


def elements(blocks: Any) -> list[dict[str, Any]]:
    """Every object in the blocks."""
    if isinstance(blocks, dict):
        return [blocks, *elements(list(blocks.values()))]
    return [one for part in blocks for one in elements(part)] if isinstance(blocks, list | tuple) else []


def parsed(message: Message) -> list[str]:
    """The texts of a message's blocks that Slack looks for markup in."""
    return [one["text"] for one in elements(message.blocks) if one.get("type") == "mrkdwn"]


def live_markup(text: str) -> list[str]:
    """What Slack would bring to life in a text, but for our own mentions of the people who froze and unfroze."""
    parts = re.sub(r"<@U0(MAYA|OMAR)0001>|<!date\^\d+\^\{date_short_pretty\} \{time\}\|[-0-9: ]+UTC>", "", text)
    return [part for part in ("<", ">") if part in parts]


@given(NASTY)
def test_no_reason_becomes_markup_in_anything_that_is_said(reason: str) -> None:
    """In blocks it stands where nothing is parsed; in texts and refusals it is escaped."""
    for message in messages(reason):
        assert live_markup(message.text) == []
        for one in elements(message.blocks):
            assert one.get("type") not in {"link", "broadcast", "usergroup", "channel"}
            assert one.get("user_id") in {None, "U0MAYA0001", "U0OMAR0001"}
        assert parsed(message) in [parsed(plain) for plain in messages("a reason")]  # no mrkdwn holds any of it

    freeze = a_freeze(by=UserId("U0MAYA0001"), reason=reason)
    refused = Refusal("reviews v2 was not started.", [str(p) for p in preflight.check([freeze], "reviews", 2000.0)])
    not_theirs = freezes.not_theirs(freeze, "You are not one of the approvers (@release-managers).")
    for texts in ((refused.sentence, *refused.reasons), (not_theirs,)):
        assert live_markup(DATE.sub("", message_of(texts, ENGLISH).text)) == []


def test_what_was_typed_as_a_mention_is_said_as_a_name(workspace: Workspace) -> None:
    workspace.types("freeze reviews ask <@U0OMAR0001|omar>, <!channel> &amp; <https://evil.example|ok>")

    (said,) = workspace.slack.said("respond")
    assert (
        said["text"]
        == "<@U0MAYA> froze reviews, until somebody ends it: ask @omar, @channel &amp; https://evil.example"
    )
    assert ": ask @omar, @channel & https://evil.example" in shown(said["blocks"])
    assert said["blocks"][0]["type"] == "rich_text"


@given(st.text(max_size=80))
def test_no_reason_ends_the_code_that_stands_beside_it(text: str) -> None:
    try:
        reason = parse(f"freeze reviews x{text}", ["reviews", "ratings"]).reason
    except Refusal:
        return
    assert "`" not in reason


def test_whoever_froze_is_named_on_the_card_and_in_the_line_of_a_refused_start() -> None:
    freeze = a_freeze("reviews", by=UserId("U0MAYA0001"), reason="a <migration>")
    refused, (entry,) = decide.refuse(a_rollout(), [freeze_sentence(freeze)], 10.0)

    shown = card(refused, (entry,), 10.0)
    said = line(refused, entry)

    assert said is not None
    for message in (shown, said.message):
        assert " by <@U0MAYA0001>, until" in message.text
        assert "a &lt;migration&gt;" in message.text
        assert {"type": "user", "user_id": "U0MAYA0001"} in list(elements(message.blocks))
        literal = [one["text"] for one in elements(message.blocks) if one.get("type") == "text"]
        assert not any("U0MAYA0001" in text for text in literal)
