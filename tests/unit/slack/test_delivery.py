"""Words reach Slack in order, within its limits, and are not lost while it is away."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import pytest

from bot.controller.ports import CardRef
from bot.model.errors import Fault
from bot.model.figures import Point
from bot.model.rollout import Phase, Rollout, RolloutId, Stopped
from bot.model.story import Entry, EntryKind
from bot.slack.delivery import Delivery
from bot.slack.web_api import Channel
from bot.words.rendering import plain
from tests.builders import MAYA, a_rollout, a_service
from tests.fakes.clock import FakeClock
from tests.fakes.refused_forms import InMemoryRefusedForms
from tests.fakes.slack_client import Arguments, FakeSlack
from tests.fakes.store import InMemoryStore
from tests.unit.slack.test_cards import at, measured

POST, UPDATE = "chat.postMessage", "chat.update"


@dataclass
class Post:
    """A delivery with everything around it."""

    slack: FakeSlack
    store: InMemoryStore = field(default_factory=InMemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.refused_forms = InMemoryRefusedForms(self.clock)
        self.delivery = self.a_delivery()

    def a_delivery(self) -> Delivery:
        """A new process, or the next leader."""
        channel = Channel(self.slack.client, self.clock, self.refused_forms)
        return Delivery(outbox=self.store, store=self.store, channel=channel, clock=self.clock, steady=self.clock.now)

    def begin(self, service: str = "reviews", channel: str = "#releases") -> Rollout:
        rollout = a_rollout(a_service(name=service, channel=channel), id=RolloutId(f"r-{service}"))
        started = Entry(at=self.clock.now(), kind=EntryKind.STARTED, text="started", by=MAYA)
        return self.store.create(replace(rollout, phase=Phase.MIRRORING), (started,))

    def happen(self, rollout: Rollout, *texts: str, kind: EntryKind = EntryKind.HELD) -> Rollout:
        entries = [Entry(at=self.clock.now(), kind=kind, text=text) for text in texts]
        return self.store.save(rollout, entries)

    def run(self, seconds: int) -> None:
        """The scheduler's job, every second."""
        for _ in range(seconds):
            self.delivery.deliver()
            self.clock.advance(1)

    def lines(self) -> list[str]:
        """Every thread line Slack was asked to post."""
        return [said["text"].partition(": ")[2] for said in self.slack.said(POST) if "thread_ts" in said]

    def cards(self) -> list[Arguments]:
        return [said for said in self.slack.said(POST) if "thread_ts" not in said]


@pytest.fixture
def post(slack: FakeSlack) -> Post:
    return Post(slack)


def test_the_card_is_posted_once_and_everything_else_goes_into_its_thread(post: Post) -> None:
    rollout = post.happen(post.begin(), "mirror: on")
    post.run(1)
    post.happen(rollout, "shift 20: on")
    post.run(10)

    assert [card["channel"] for card in post.cards()] == ["#releases"]
    assert post.cards()[0]["metadata"] == {"event_type": "canary_card", "event_payload": {"rollout": "r-reviews"}}
    assert post.lines() == ["mirror: on", "shift 20: on"]
    assert post.store.pending() == []


def test_the_next_leader_goes_on_with_the_same_card(post: Post) -> None:
    rollout = post.begin()
    post.run(1)
    post.delivery = post.a_delivery()
    post.happen(rollout, "mirror: on")
    post.run(5)

    assert len(post.cards()) == 1
    assert post.slack.said(POST)[1]["thread_ts"] == "1.000000"


def test_a_card_that_could_not_be_written_down_is_not_posted_again(post: Post) -> None:
    post.store.forgetful = Fault("Redis", "cannot be reached.")
    rollout = post.begin()
    post.run(15)
    post.store.forgetful = None
    post.happen(rollout, "mirror: on")
    post.run(60)

    assert len(post.cards()) == 1
    assert post.lines() == ["mirror: on"]
    assert post.store.card(rollout.key, rollout.spec.id) is not None
    assert post.store.pending() == []


def test_a_line_whose_post_was_noted_again_and_again_and_never_made_is_not_given_up(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.store.noting = Fault("Redis", "did not answer in time.")
    post.happen(rollout, "mirror: on")
    post.run(120)
    post.store.noting = None
    post.run(400)

    assert post.lines() == ["mirror: on"]
    assert post.store.pending() == []


def test_many_changes_of_a_card_become_few_edits(post: Post) -> None:
    rollout = post.begin()
    for second in range(30):
        rollout = post.store.save(replace(rollout, evidence=second))
        post.run(1)
    post.run(15)

    assert 2 <= len(post.slack.said(UPDATE)) <= 3
    assert post.store.pending() == []


def test_a_burst_of_lines_keeps_its_order_and_slacks_pace(post: Post) -> None:
    texts = [f"line {number}" for number in range(12)]
    post.happen(post.begin(), *texts)
    post.run(1)
    at_once = len(post.lines())
    post.run(12)

    assert at_once <= 5
    assert post.lines() == texts


def test_bad_news_goes_first_and_into_the_channel(post: Post) -> None:
    for number in range(6):
        post.happen(post.begin(f"a{number}"), "mirror: on")
    bad = post.begin("reviews")
    post.run(20)
    post.slack.forget()
    for number in range(6):
        rollout = post.store.active(f"default/a{number}")
        assert rollout is not None
        post.happen(rollout, "shift 20: on")
    post.happen(bad, "Aborted at mirror: errors.", kind=EntryKind.ABORTING)
    post.run(1)

    assert post.lines()[0] == "Aborted at mirror: errors."
    assert post.slack.said(POST)[0]["reply_broadcast"] in {True, "1"}


def test_nothing_is_lost_and_nothing_doubled_when_slack_is_away_for_an_hour(post: Post) -> None:
    rollout = post.begin()
    post.run(1)
    post.slack.down = True
    rollout = post.happen(rollout, "mirror: on", "shift 20: on")
    post.happen(rollout, "Aborted at shift 20: errors.", kind=EntryKind.ABORTING)
    post.run(3600)
    assert "Slack" in plain(post.delivery.trouble)
    post.slack.forget()
    post.slack.down = False
    post.run(15)

    assert post.lines() == ["mirror: on", "shift 20: on", "Aborted at shift 20: errors."]
    assert len(post.slack.said(UPDATE)) == 1
    assert post.store.pending() == []
    assert post.delivery.trouble == ""


def test_a_limited_method_is_left_alone_for_as_long_as_slack_says_while_others_go_on(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.slack.fail(UPDATE, "ratelimited", status=429, retry_after=20)
    post.happen(rollout, "mirror: on")
    post.run(10)

    assert post.lines() == ["mirror: on"]
    assert len(post.slack.said(UPDATE)) == 1

    post.run(15)
    assert len(post.slack.said(UPDATE)) == 2
    assert post.store.pending() == []


@pytest.mark.parametrize("odd", ["²", "9" * 5000, "soon"])
def test_a_limit_that_names_no_time_lasts_half_a_minute(post: Post, odd: str) -> None:
    rollout = post.begin()
    post.run(5)
    post.slack.fail(UPDATE, "ratelimited", status=429, retry_after=odd)
    post.happen(rollout, "mirror: on")
    post.run(30)
    assert len(post.slack.said(UPDATE)) == 1

    post.run(15)
    assert len(post.slack.said(UPDATE)) == 2


def test_a_line_without_an_answer_is_said_at_most_twice(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.slack.swallow(POST, times=2)
    post.happen(rollout, "mirror: on")
    post.run(40)

    assert post.lines() == ["mirror: on", "mirror: on"]
    assert post.store.pending() == []


def test_after_a_line_without_an_answer_slack_is_asked_something_harmless_first(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.slack.swallow(POST)
    post.happen(rollout, "mirror: on")
    post.run(1)
    post.slack.down = True
    post.run(60)
    assert post.lines() == ["mirror: on"]

    post.slack.down = False
    post.run(15)
    assert post.lines() == ["mirror: on", "mirror: on"]


def test_what_was_said_is_not_said_again_when_the_outbox_fails_to_note_it(post: Post) -> None:
    class Forgetful(InMemoryStore):
        forgets = False

        def done(self, notifications: object) -> None:
            if self.forgets:
                raise Fault("Redis", "cannot be reached.")
            super().done(notifications)  # type: ignore[arg-type]  # the fake's own argument, handed on

    post.store = store = Forgetful()
    post.delivery = post.a_delivery()
    rollout = post.begin()
    post.run(5)
    post.happen(rollout, "mirror: on")
    store.forgets = True
    post.run(30)
    store.forgets = False
    post.run(60)

    assert post.lines() == ["mirror: on"]
    assert store.pending() == []


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "edit_window_closed"])
def test_a_card_that_is_gone_is_posted_again(post: Post, error: str) -> None:
    rollout = post.begin()
    post.run(5)
    post.slack.fail(UPDATE, error)
    post.happen(rollout, "mirror: on")
    post.run(10)

    assert len(post.cards()) == 2
    assert post.store.card(rollout.key, rollout.spec.id) == CardRef(channel="C0RELEASES", ts="2.000000")
    assert post.lines() == ["mirror: on"]


def test_a_workspace_that_refuses_native_blocks_gets_plain_ones_for_a_day(post: Post) -> None:
    post.slack.fail(POST, "invalid_blocks")
    rollout = post.begin()
    post.run(5)
    rollout = post.store.save(replace(rollout, evidence=9))
    post.run(15)

    kinds = [{block["type"] for block in card["blocks"]} for card in (*post.cards(), *post.slack.said(UPDATE))]
    assert ["plan" in kind for kind in kinds] == [True, False, False]

    post.clock.advance(24 * 3600)
    post.store.save(replace(rollout, evidence=10))
    post.run(5)
    assert "plan" in {block["type"] for block in post.slack.said(UPDATE)[-1]["blocks"]}


def test_a_workspace_that_refuses_every_block_gets_the_sentence(post: Post) -> None:
    post.slack.fail(POST, "invalid_blocks", times=2)
    post.begin()
    post.run(5)

    assert [block["type"] for block in post.cards()[-1]["blocks"]] == ["section"]
    assert post.store.pending() == []


def test_a_channel_without_the_bot_waits_for_an_invitation_and_stops_nobody_else(post: Post) -> None:
    post.slack.fail(POST, "not_in_channel")
    closed = post.happen(post.begin("aaa", channel="#closed"), "mirror: on")
    post.run(2)
    assert post.delivery.trouble == "", "one channel is no reason to call the whole bot not ready"
    post.happen(post.begin("reviews"), "shift 20: on")
    post.run(30)
    assert post.lines() == ["shift 20: on"]

    post.run(60)
    assert post.lines() == ["shift 20: on", "mirror: on"]
    assert post.store.card(closed.key, closed.spec.id) is not None


def test_a_closed_channel_is_tried_once_a_minute_however_many_rollouts_it_has_and_its_words_go_after_an_hour(
    post: Post,
) -> None:
    post.slack.fail(POST, "is_archived", times=1000)
    for number in range(10):
        post.begin(f"a{number}", channel="#closed")
        post.happen(post.store.live()[-1], "mirror: on")
    post.run(600)
    assert len(post.slack.said(POST)) <= 11

    post.run(3100)
    assert post.store.pending() == []


def test_an_edit_of_one_card_comes_three_seconds_after_the_last_at_the_earliest(post: Post) -> None:
    rollout = post.begin()
    post.run(1)
    edited_at = []
    for second in range(30):
        kind = EntryKind.ASK if second % 5 == 0 else EntryKind.HELD
        rollout = post.happen(rollout, f"line {second}", kind=kind)
        before = len(post.slack.said(UPDATE))
        post.run(1)
        edited_at += [second] * (len(post.slack.said(UPDATE)) - before)

    assert min(after - before for before, after in itertools.pairwise(edited_at)) >= 3


def test_no_more_than_fifty_cards_are_edited_in_a_minute_and_each_gets_its_turn(post: Post) -> None:
    rollouts = [post.begin(f"a{number}", channel=f"#c{number}") for number in range(60)]
    post.run(3)
    assert len(post.cards()) == 60
    per_minute = []
    for _ in range(3):
        before = len(post.slack.said(UPDATE))
        for _ in range(12):
            rollouts = [post.store.save(rollout) for rollout in rollouts]
            post.run(5)
        per_minute.append(len(post.slack.said(UPDATE)) - before)

    assert max(per_minute) <= 50
    assert len({edit["ts"] for edit in post.slack.said(UPDATE)}) == 60


def test_a_question_is_asked_when_its_buttons_are_there(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    rollout = post.store.save(replace(rollout, evidence=1))
    post.run(1)
    post.slack.forget()
    post.happen(rollout, "Approve?", kind=EntryKind.ASK)
    post.run(5)

    assert [method for method, _ in post.slack.calls] == [UPDATE, POST]


def test_a_question_does_not_wait_for_buttons_that_slack_does_not_let_us_show(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.slack.fail(UPDATE, "ratelimited", status=429, retry_after=60)
    post.happen(rollout, "Approve?", kind=EntryKind.ASK)
    post.run(15)

    assert post.lines() == ["Approve?"]


def test_an_abort_does_not_wait_behind_the_lines_of_an_hour(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    rollout = post.happen(rollout, *(f"line {number}" for number in range(20)))
    post.happen(rollout, "Aborted at mirror: errors.", kind=EntryKind.ABORTING)
    post.run(1)

    assert post.lines()[0] == "Aborted at mirror: errors."
    post.run(30)
    assert post.lines()[1:] == [f"line {number}" for number in range(20)]


def aborted(post: Post, rollout: Rollout, *, after: float) -> None:
    """It is decided now, and over so many seconds later."""
    at = post.clock.now()
    aborting = replace(rollout, phase=Phase.ABORTING, stopped=Stopped(at=at))
    aborting = post.happen(aborting, "Aborted at mirror.", kind=EntryKind.ABORTING)
    post.run(round(after))
    ended = replace(aborting, phase=Phase.ABORTED, ended_at=at + after)
    post.happen(ended, "Aborted at mirror. All users are back.", kind=EntryKind.ENDED)


@pytest.mark.parametrize(
    ("after", "lines"),
    [(1.0, [("Aborted at mirror. All users are back.", True)]), (60.0, [("Aborted at mirror.", True), ("end", False)])],
    ids=["at once", "in a minute"],
)
def test_one_abort_is_one_message_in_the_channel(post: Post, after: float, lines: list[tuple[str, bool]]) -> None:
    rollout = post.begin()
    post.run(5)
    aborted(post, rollout, after=after)
    post.run(10)

    said = [line for line in post.slack.said(POST) if "thread_ts" in line]
    assert [bool(line.get("reply_broadcast")) for line in said] == [loud for _, loud in lines]
    assert post.lines()[0] == lines[0][0]
    assert post.store.pending() == []


def test_that_an_abort_was_decided_waits_two_seconds_for_its_end(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    at = post.clock.now()
    aborting = replace(rollout, phase=Phase.ABORTING, stopped=Stopped(at=at))
    post.happen(aborting, "Aborted at mirror.", kind=EntryKind.ABORTING)
    post.run(2)
    assert post.lines() == []
    post.run(1)

    assert post.lines() == ["Aborted at mirror."]


def test_questions_go_before_summaries_of_other_rollouts(post: Post) -> None:
    busy, asking = post.begin("aaa"), post.begin("reviews")
    post.run(20)
    post.happen(busy, *(f"line {number}" for number in range(10)))
    post.happen(asking, "Approve?", kind=EntryKind.ASK)
    post.run(1)

    assert post.lines()[0] == "Approve?"


def test_a_channel_that_is_posted_to_too_fast_keeps_no_other_waiting(post: Post) -> None:
    busy, other = post.begin("aaa", channel="#busy"), post.begin("reviews")
    post.run(5)
    post.slack.fail(POST, "ratelimited", status=429, retry_after=30)
    post.happen(busy, "mirror: on")
    post.run(1)
    post.happen(other, "shift 20: on")
    post.run(10)
    assert post.lines() == ["mirror: on", "shift 20: on"], "the first of them was refused"

    post.run(25)
    assert post.lines() == ["mirror: on", "shift 20: on", "mirror: on"]


def test_a_line_that_slack_refuses_for_whatever_reason_keeps_no_other_waiting_and_goes_after_an_hour(
    post: Post,
) -> None:
    mine, other = post.begin("aaa"), post.begin("reviews")
    post.run(5)
    post.slack.fail(POST, "some_new_error")
    mine = post.happen(mine, "poison")
    mine = post.happen(mine, "next line")
    post.happen(other, "shift 20: on")
    post.run(5)
    assert post.lines() == ["poison", "next line", "shift 20: on"]
    assert post.delivery.trouble == ""

    post.run(10)
    assert post.lines()[3:] == ["poison"], "it is tried again"
    post.slack.fail(POST, "some_new_error", times=100)
    post.happen(mine, "more poison")
    post.run(4000)
    assert post.store.pending() == []


def test_a_rollout_that_cannot_be_shown_keeps_no_other_waiting(post: Post) -> None:
    class Broken(InMemoryStore):
        def story(self, key: str, rollout_id: RolloutId) -> tuple[Entry, ...]:
            if rollout_id == "r-aaa":
                raise ValueError("a story that nobody foresaw")
            return tuple(super().story(key, rollout_id))

    post.store = Broken()
    post.delivery = post.a_delivery()
    broken, other = post.begin("aaa"), post.begin("reviews")
    post.happen(broken, "mirror: on")
    post.happen(other, "shift 20: on")
    post.run(5)

    assert post.lines() == ["shift 20: on"]


def test_words_about_a_record_that_cannot_be_read_wait_for_an_hour_and_not_for_ever(post: Post) -> None:
    mine, other = post.begin("aaa"), post.begin("reviews")
    mine = post.happen(mine, "mirror: on")
    post.store.garbled[mine.spec.id] = "holds a rollout that cannot be read: rollout."
    post.run(5)
    post.happen(other, "shift 20: on")
    post.run(5)
    assert post.lines() == ["shift 20: on"]

    del post.store.garbled[mine.spec.id]
    post.run(700)
    assert post.lines() == ["shift 20: on", "mirror: on"], "a newer version that reads it says them"

    post.happen(mine, "shift 20: on, and nobody can read it")
    post.store.garbled[mine.spec.id] = "holds a rollout that cannot be read: rollout."
    post.run(4000)
    assert post.store.pending() == []


def test_the_next_leader_says_what_may_have_been_said_once_more_at_the_most(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.happen(rollout, "mirror: on")
    for _ in range(4):
        post.slack.swallow(POST)
        post.run(1)
        post.delivery = post.a_delivery()  # it crashed before it heard an answer
    post.run(60)

    assert post.lines() == ["mirror: on", "mirror: on"]
    assert post.store.pending() == []


def test_a_card_whose_post_had_no_answer_is_posted_again_ever_less_often(post: Post) -> None:
    post.slack.swallow(POST, times=1000)
    post.begin()
    post.run(600)

    assert 2 <= len(post.cards()) <= 7


def test_a_change_that_a_failover_undid_and_that_was_decided_again_is_not_said_twice(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.happen(rollout, "mirror: on")
    post.run(1)
    lost, post.store._rollouts = dict(post.store._rollouts), {("default/reviews", rollout.spec.id): rollout}
    post.happen(rollout, "mirror: on")
    assert post.store._rollouts == lost
    post.run(10)

    assert post.lines() == ["mirror: on"]
    assert post.store.pending() == []


def test_who_leads_no_longer_says_nothing_more(post: Post) -> None:
    leads = True
    channel = Channel(post.slack.client, post.clock)
    post.delivery = Delivery(
        outbox=post.store,
        store=post.store,
        channel=channel,
        clock=post.clock,
        leads=lambda: leads,
        steady=post.clock.now,
    )
    rollout = post.begin()
    post.run(5)
    leads = False
    post.happen(rollout, "mirror: on")
    post.run(30)

    assert post.lines() == []
    assert len(post.store.pending()) == 2


def test_a_wrong_token_is_trouble_and_is_said_in_words(post: Post) -> None:
    post.slack.fail(POST, "token_revoked")
    post.begin()
    post.run(1)

    assert (
        plain(post.delivery.trouble) == "Slack refused chat.postMessage (token_revoked). Is the bot's token still good?"
    )


def test_a_card_that_is_gone_again_and_again_is_not_posted_again_and_again(post: Post) -> None:
    rollout = post.begin()
    post.run(5)
    post.slack.fail(UPDATE, "cant_update_message", times=1000)
    for second in range(250):
        rollout = post.store.save(replace(rollout, evidence=second))
        post.run(1)

    assert len(post.cards()) <= 2


def test_a_workspace_without_charts_gets_the_table_without_one_for_a_day(post: Post) -> None:
    points = tuple(Point(at=10.0 * n, canary=(100.0, 1.0), primary=(400.0, 1.0)) for n in range(8))
    rollout = measured(at(1), 1)
    rollout = replace(rollout, analysis_state=replace(rollout.analysis_state, points=points, bounds=()))
    post.slack.fail(POST, "invalid_blocks")
    rollout = post.store.create(rollout, ())
    post.run(5)
    post.store.save(replace(rollout, evidence=9))
    post.run(15)

    kinds = [{block["type"] for block in card["blocks"]} for card in (*post.cards(), *post.slack.said(UPDATE))]
    assert ["data_visualization" in kind for kind in kinds] == [True, False, False]
    assert all({"data_table", "plan"} <= kind for kind in kinds)


def drawn(post: Post) -> list[bool]:
    """Whether each edit that follows a change tried a chart."""
    post.slack.forget()
    (live,) = post.store.live()
    post.store.save(replace(live, evidence=live.evidence + 1))
    post.run(20)
    return [any(one["type"] == "data_visualization" for one in card["blocks"]) for card in post.slack.said(UPDATE)]


def test_what_a_workspace_does_not_take_is_known_after_a_restart_and_tried_again_after_a_day(post: Post) -> None:
    points = tuple(Point(at=10.0 * n, canary=(100.0, 1.0), primary=(400.0, 1.0)) for n in range(8))
    charted = measured(at(1), 1)
    post.slack.fail(POST, "invalid_blocks")
    post.store.create(replace(charted, analysis_state=replace(charted.analysis_state, points=points)), ())
    post.run(5)

    post.delivery = post.a_delivery()
    assert set(drawn(post)) == {False}

    post.clock.advance(24 * 3600)
    assert True in drawn(post)


def test_while_it_is_not_known_what_a_workspace_takes_cards_are_posted_all_the_same(post: Post) -> None:
    post.refused_forms.down = True
    post.slack.fail(POST, "invalid_blocks")
    rollout = post.begin()
    post.run(5)
    post.store.save(replace(rollout, evidence=9))
    post.run(15)

    kinds = [{block["type"] for block in card["blocks"]} for card in (*post.cards(), *post.slack.said(UPDATE))]
    assert ["plan" in kind for kind in kinds] == [True, False, False]


def test_a_message_that_is_too_long_says_nothing_about_what_the_workspace_takes(post: Post) -> None:
    post.slack.fail(POST, "msg_blocks_too_long")
    rollout = post.begin()
    post.run(5)
    post.store.save(replace(rollout, evidence=9))
    post.run(20)

    kinds = [{block["type"] for block in card["blocks"]} for card in (*post.cards(), *post.slack.said(UPDATE))]
    assert ["plan" in kind for kind in kinds] == [True, False, True]
