"""The App Home: what its reader can decide, with the figures to decide by; and shown anew when something changes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.controller.ports import CardRef
from bot.model.errors import Fault
from bot.model.figures import Exposure, Judgement, SideFigures, Verdict
from bot.model.rollout import Approval, Phase, Rollout, UserId
from bot.slack.accounts import Person
from bot.slack.app_home import MOST_ROLLOUTS, OPEN_CARD, Live, Page, home
from bot.slack.app_home_refresh import AT_ONCE, FIGURES_EVERY, AppHomes, Source
from bot.slack.blocks import Block
from bot.slack.cards import ABORT, APPROVE, DETAILS, PAUSE
from bot.slack.forms import NEW
from bot.slack.permalinks import Permalinks
from bot.slack.voices import Voices
from bot.words.language import Language
from bot.words.rendering import ENGLISH, Voice
from sandbox.slack.blocks import check_blocks
from tests.builders import LENA, MAYA, OMAR, a_freeze, a_rollout, a_service, changed, figures
from tests.fakes.clock import FakeClock
from tests.fakes.slack_client import TEAM, FakeSlack
from tests.fakes.store import InMemoryStore
from tests.unit.slack.test_freezes import elements, shown
from tests.unit.slack.test_listeners import Workspace

NOW = 1_750_000_600.0
ADDRESS = "https://canary.slack.com/archives/C0RELEASES/p1"


@pytest.fixture
def workspace(slack: FakeSlack) -> Workspace:
    return Workspace(slack)


def opens(workspace: Workspace, user: UserId) -> list[Block]:
    workspace.event({"type": "app_home_opened", "tab": "home", "user": user})
    return list(workspace.slack.said("views.publish")[-1]["view"]["blocks"])


def actions(blocks: list[Block]) -> set[str]:
    return {str(one["action_id"]) for one in elements(blocks) if one.get("type") == "button"}


def judged(rollout: Rollout) -> Rollout:
    found = figures(
        canary=SideFigures(requests=412.0, errors=3.0),
        primary=SideFigures(requests=400.0, errors=1.0),
    )
    judgement = Judgement(at=NOW, verdict=Verdict.PASS, findings=(), figures=found)
    return replace(
        rollout,
        judgement=judgement,
        analysis_state=replace(rollout.analysis_state, exposure=Exposure(requests=1234.0, errors=3.0)),
    )


def a_page(**changes: Any) -> Page:
    page = Page(live=(), services=(), past=(), frozen=(), heard=2.0, now=NOW)
    return replace(page, **changes)


def test_only_what_the_reader_may_decide_is_offered(workspace: Workspace) -> None:
    workspace.asking()

    approver, starter = opens(workspace, OMAR), opens(workspace, LENA)

    assert actions(approver) == {NEW, APPROVE, PAUSE, ABORT, DETAILS}
    assert actions(starter) == {NEW, PAUSE, ABORT, DETAILS}
    assert "Waiting for you" in shown(approver)
    assert "Waiting for you" not in shown(starter)


def test_an_entry_tells_how_many_users_met_the_new_one_and_where_its_card_is() -> None:
    live = Live(rollout=judged(a_rollout(because="it is time")), yours=True, may_decide=True, card=ADDRESS)

    blocks = home(a_page(live=[live]), ENGLISH)["blocks"]

    assert "1,234 user requests met v2, 3 failed" in shown(blocks)
    assert "it is time" in shown(blocks)
    assert ADDRESS in [one.get("url") for one in elements(blocks) if one.get("action_id") == OPEN_CARD]


@pytest.mark.parametrize(
    ("locale", "own", "title"),
    [
        ("zh-CN", Language.ENGLISH, "等待您处理"),
        ("en-GB", Language.CHINESE, "Waiting for you"),
        ("de-DE", Language.CHINESE, "等待您处理"),
        ("zh-TW", Language.ENGLISH, "Waiting for you"),
        (None, Language.CHINESE, "等待您处理"),
    ],
)
def test_everybody_reads_their_home_in_the_language_that_they_read_slack_in(
    slack: FakeSlack, locale: str | None, own: Language, title: str
) -> None:
    workspace = Workspace(slack, voices=Voices(Voice(language=own)))
    workspace.asking()
    slack.accounts[OMAR] = {"locale": locale}

    assert title in shown(opens(workspace, OMAR))


def test_forms_that_open_from_the_home_speak_the_language_of_the_home(workspace: Workspace) -> None:
    workspace.slack.accounts[OMAR] = {"locale": "zh-CN"}
    opens(workspace, OMAR)

    workspace.clicks(NEW, "home", channel=None, response_url=None, user=OMAR, view={"type": "home", "id": "V1"})

    assert "金丝雀" in workspace.slack.said("views.open")[-1]["view"]["title"]["text"]


def test_services_are_shown_with_the_version_that_everybody_is_on_since(workspace: Workspace) -> None:
    made = replace(a_rollout(), phase=Phase.PROMOTED, ended_at=NOW)
    workspace.controller.store.create(made, [])

    text = shown(opens(workspace, OMAR))

    assert "reviews: v2 since 2025-06-15 15:16 UTC" in text
    assert "ratings: no release by canary yet" in text
    assert made.spec.id not in text  # nobody knows a rollout by its id


def test_the_button_opens_the_form(workspace: Workspace) -> None:
    workspace.clicks(NEW, "home", channel=None, response_url=None, view={"type": "home", "id": "V1"})

    assert workspace.slack.said("views.open")[0]["view"]["callback_id"] == "canary_start"


@pytest.mark.parametrize(
    ("heard", "notified"), [(3.0, "Slack was heard of 3 seconds ago."), (None, "does not reach the bot")]
)
def test_how_fresh_the_connection_is_stands_below(heard: float | None, notified: str) -> None:
    assert notified in shown(home(a_page(heard=heard), ENGLISH)["blocks"][-1:])


LONG = st.sampled_from(["x" * 300, "*x* <!channel> `y` &", "金丝雀" * 100])


@given(st.integers(0, 60), LONG, st.sampled_from(Language))
def test_slack_takes_every_home_however_much_is_on_it(number: int, text: str, language: Language) -> None:
    rollout = judged(replace(a_rollout(because=text), asked_at=NOW, reason=text))
    live = [Live(rollout=rollout, yours=one % 2 == 0, may_decide=True, card=ADDRESS) for one in range(number)]
    page = a_page(
        live=live,
        services=[(a_service(name=f"service-{one}"), rollout) for one in range(number)],
        past=[changed(rollout, phase=Phase.ABORTED, ended_at=NOW)] * number,
        frozen=[a_freeze(scope=f"service-{one}", reason=text) for one in range(number)],
    )

    view = home(page, Voice(language=language))

    assert check_blocks(view["blocks"], "home") == []
    assert len(view["blocks"]) <= 100
    assert len([one for one in view["blocks"] if one["type"] == "actions"]) <= 2 * MOST_ROLLOUTS + 1


# Shown anew


class Chores:
    """A Home whose page is what the test says it is."""

    def __init__(self, slack: FakeSlack) -> None:
        self.slack = slack
        self.clock = FakeClock()
        self.text = "mirroring"
        self.decided = "mirroring"
        self.homes: AppHomes[str] = AppHomes(slack.client, self.clock)
        self.homes.use(Source(lambda: self.text, lambda _state: self.decided, self.page))

    def page(self, person: Person, state: str) -> dict[str, Any]:
        last = {"type": "context", "elements": [{"type": "mrkdwn", "text": str(self.clock.now())}]}
        section = {"type": "section", "text": {"type": "mrkdwn", "text": f"{person.id} {state}"}}
        return {"type": "home", "blocks": [section, last]}

    def open(self, *users: str) -> None:
        for user in users:
            self.homes.open(Person(id=UserId(user), team=TEAM, home=TEAM))
        self.slack.forget()

    def published(self) -> int:
        return len(self.slack.said("views.publish"))

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.homes.refresh()


def test_whoever_opened_it_sees_a_decision_at_the_next_look_and_figures_now_and_then(slack: FakeSlack) -> None:
    chores = Chores(slack)
    chores.open("U1", "U2")

    chores.wait(5)
    assert chores.published() == 0  # only the time has changed

    chores.text = "13 requests"
    chores.wait(5)
    assert chores.published() == 0
    chores.wait(FIGURES_EVERY)
    assert chores.published() == 2

    chores.text = chores.decided = "aborted"
    chores.wait(5)
    assert chores.published() == 4


def test_many_readers_take_turns_within_what_slack_allows(slack: FakeSlack) -> None:
    chores = Chores(slack)
    chores.open(*(f"U{number}" for number in range(4 * AT_ONCE)))
    chores.text = chores.decided = "aborted"

    for _ in range(4):
        before = chores.published()
        chores.wait(5)
        assert chores.published() - before == AT_ONCE
    chores.wait(5)

    assert chores.published() == 4 * AT_ONCE


def test_a_page_that_was_opened_long_ago_is_left_alone(slack: FakeSlack) -> None:
    chores = Chores(slack)
    chores.open("U1")
    chores.text = chores.decided = "aborted"

    chores.wait(86401)

    assert chores.published() == 0


def test_a_home_that_cannot_be_read_or_published_raises_nothing(workspace: Workspace, slack: FakeSlack) -> None:
    slack.fail("views.publish", "internal_error")
    opens(workspace, OMAR)
    workspace.controller.frozen.outage = Fault("Redis", "cannot be reached.")

    response = workspace.event({"type": "app_home_opened", "tab": "home", "user": MAYA})

    assert response.status == 200
    assert len(slack.said("views.publish")) == 1


def test_where_a_card_is_is_asked_once_and_silence_is_no_address(slack: FakeSlack) -> None:
    store, rollout = InMemoryStore(), a_rollout()
    links = Permalinks(store, slack.client)
    assert links.of(rollout) == ""

    store.remember_card(rollout.key, rollout.spec.id, CardRef(channel="C0RELEASES", ts="1.0"))
    slack.fail("chat.getPermalink", "internal_error")
    assert links.of(rollout) == ""
    assert links.of(rollout) == links.of(rollout) == f"{slack.url}/archives/C0RELEASES/p10"
    assert len(slack.said("chat.getPermalink")) == 2


def test_what_is_decided_is_told_apart_from_what_is_measured(workspace: Workspace) -> None:
    published = json.dumps(opens(workspace, OMAR)[:-1])
    rollout = workspace.asking()
    workspace.controller.change("reviews", approvals=(Approval(by=MAYA, at=1.0),))

    assert json.dumps(opens(workspace, OMAR)[:-1]) != published
    assert rollout.spec.id not in json.dumps([one for one in opens(workspace, OMAR) if one["type"] != "actions"])
