"""Carries notifications from the outbox to Slack: the worst news first, within Slack's limits, and not lost while it is
away.

One thread calls ``deliver`` twice a second, on the replica that leads. What is delivered is marked done at once;
everything else stays in the outbox for the next call, in this process or the next leader's. A post is written down
before it is made, so that whoever comes after a crash or an answer that got lost knows to say it once more at the most.

What goes wrong with one notification, one rollout or one channel is kept there (``_survive``); after every failure that
may be Slack's own, Slack is asked something harmless before anything else is tried.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import structlog

from bot.controller.ports import CardRef, Clock, Notification, Outbox, Store
from bot.model.errors import Fault, Unreadable
from bot.model.rollout import Phase, Rollout
from bot.model.service import ApprovalRule
from bot.slack.approvers import People
from bot.slack.blocks import Message
from bot.slack.cards import card
from bot.slack.channels import Channels
from bot.slack.codes import why_closed
from bot.slack.direct import Direct
from bot.slack.priorities import (
    Identity,
    Where,
    by_rollout,
    card_notification,
    edits_after,
    identity,
    in_order,
    is_abort,
    is_bad_news,
    is_question,
    rank,
)
from bot.slack.rate_limits import CARDS_RATE, FIGURES_AFTER, HAPPENED_AFTER, Limits
from bot.slack.thread import line
from bot.slack.voices import Voices
from bot.slack.waiting import Waiting
from bot.slack.web_api import Ambiguous, CardGone, Channel, Limited, Refused, RetryLater, SlackFault, Unreachable
from bot.words.sentence import Text

REST, LONGEST_REST = 10.0, 300.0  # seconds a rollout rests after a failure, doubled by each further one
CLOSED_FOR = 60.0  # seconds a channel that cannot be written to is left alone
KEPT_FOR = 3600.0  # seconds words wait for a channel that nobody opens to the bot, or to be taken at last
END_WAITS = 2.0  # seconds that the decision to abort may wait for its end, so that both are one message
ASK_WAITS = 10.0  # seconds a question may wait for its buttons
ONE_CARD_IN = 300.0  # seconds: a card that is gone again and again is not posted again and again
MOST_TRIES = 2  # posts of one line whose answer was lost: a third copy would be noise, and the card tells the same
BATCH = 1000
# What was delivered is recognised for so many seconds: Redis may fail over, and forget it was done.
RECOGNISED_FOR, MOST_KEPT = 120.0, 5000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Memory:
    """What this process remembers about one rollout; losing it costs at most one line said twice.

    Attributes:
        posted: where we posted its card: the outbox may not have taken it down, or may have lost it since.
        shown: the revision its card shows, as far as we have posted or edited it.
        edit_after: how many seconds after its last edit the card is edited, by what it does not show yet.
        reposted_at: when a card that was gone was posted once more.
        closed_since: when its channel was first found closed; None: it is not.
        begun: posts that are written down, or may be, and were not made: which try each of them is.
        aside: notifications that Slack refused: until when they are left alone, and how often it was.
    """

    channel: str = ""
    posted: CardRef | None = None
    shown: int = 0
    updated_at: float = -inf
    edit_after: float = FIGURES_AFTER
    card_is_gone: bool = False
    reposted_at: float = -inf
    closed_since: float | None = None
    rests_until: float = -inf
    failures: int = 0
    begun: dict[str, int] = field(default_factory=dict)
    aside: dict[str, tuple[float, int]] = field(default_factory=dict)


class Delivery:
    """One per process; only the leader's is called."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        store: Store,
        channel: Channel,
        clock: Clock,
        mentions: Callable[[ApprovalRule], Sequence[str]] = lambda rule: rule.approvers,
        people: Callable[[ApprovalRule], People] = lambda rule: People(rule.approvers),
        channels: Channels | None = None,
        voices: Voices | None = None,
        leads: Callable[[], bool] = lambda: True,
        steady: Callable[[], float] = time.monotonic,
        failed: Callable[[str, Exception], None] = lambda _about, _error: None,
    ) -> None:
        """Nothing is delivered before ``deliver``.

        Args:
            outbox: where notifications are.
            store: where rollouts are.
            channel: the wire to Slack.
            clock: the time that cards tell.
            mentions: ids of those who may approve, people or groups.
            people: the same, every person by their own id.
            channels: what posts teach about channels is noted there.
            voices: in whose words each rollout is told.
            leads: asked before every post: another replica may have taken over in the middle of a delivery.
            steady: seconds that never jump, for every pause.
            failed: told of a rollout whose words or card cannot be made, and what was raised.
        """
        self._failed = failed
        self._outbox = outbox
        self._store = store
        self._channel = channel
        self._clock = clock
        self._mentions = mentions
        self._leads = leads
        self._steady = steady
        self._memory: dict[Where, Memory] = {}
        self._limits = Limits(steady())
        self._channels = channels
        self._voices = voices or Voices()
        self._waiting = Waiting(steady)
        self._direct = Direct(
            channel=channel,
            outbox=outbox,
            people=people,
            story=lambda one: store.story(one.key, one.spec.id),
            now=clock.now,
            waited=self._waiting.seconds,
            voices=self._voices,
        )
        # Channels that cannot be written to: until when they are left alone, and Slack's word for why.
        self._closed: dict[str, tuple[float, str]] = {}
        # Cards that a closed channel has not got for so long that their notifications went.
        self._owed: dict[Where, str] = {}
        self._delivered: OrderedDict[Identity, float] = OrderedDict()
        self._quiet_until = -inf
        self._crowded = False  # whether more cards wait than can be shown while one rests from its last edit
        self._doubts_slack = False
        self.waiting = 0  # notifications seen by the last delivery
        self.trouble: Text = ""  # why nothing gets through at all, as a sentence; "" when something does

    def deliver(self) -> None:
        """Say what can be said now.

        Raises:
            Fault: the store or the outbox cannot be reached. Slack's failures are remembered, not raised.
        """
        if self._steady() < self._quiet_until:
            return
        notifications = self._outbox.pending(BATCH)
        self.waiting = len(notifications)
        self._waiting.note(notifications)
        mail = by_rollout(notifications)
        mail |= {
            where: [] for where, channel in self._owed.items() if where not in mail and channel not in self._closed
        }
        # Of so many cards each waits for its turn anyway.
        self._crowded = len(mail) > CARDS_RATE * FIGURES_AFTER
        self._remember_only(mail)
        self._direct.remember_only(notifications)
        try:
            if notifications and self._doubts_slack:
                self._ask_slack()
            for where in sorted(mail, key=lambda where: min(map(rank, mail[where]), default=inf)):
                if not self._leads():
                    return
                self._attend(where, mail[where])
        except RetryLater as pause:
            self._quiet_until = self._steady() + pause.seconds
            if pause.sentence != self.trouble:
                log.warning("slack.delivery_waits", reason=pause.sentence)
            self.trouble = pause.sentence
        else:
            self.trouble = ""

    def _remember_only(self, mail: Mapping[Where, object]) -> None:
        """Forget rollouts without mail, but not when their card was edited a moment ago."""
        now = self._steady()
        wanted = {*mail, *self._owed}
        kept = {
            where: memory
            for where, memory in self._memory.items()
            if where in wanted or now - memory.updated_at < FIGURES_AFTER
        }
        self._memory = {**{where: Memory() for where in mail}, **kept}
        self._closed = {channel: (until, code) for channel, (until, code) in self._closed.items() if until > now}
        while self._delivered and (
            len(self._delivered) > MOST_KEPT or next(iter(self._delivered.values())) < now - RECOGNISED_FOR
        ):
            self._delivered.popitem(last=False)

    # One rollout

    def _attend(self, where: Where, notifications: Sequence[Notification]) -> None:
        """Deliver one rollout's notifications. Raises what concerns all of them: Slack or Redis is gone."""
        memory, now = self._memory[where], self._steady()
        if now < memory.rests_until:
            return
        closed = memory.channel in self._closed
        if (
            not closed
            and all(notification.entry is None for notification in notifications)
            and not self._may_refresh(memory, now)
        ):
            return  # before anything is loaded: most of a thousand cards wait for their turn at any time
        try:
            if closed:
                self._meanwhile(where, notifications, memory)
                return
            if memory.failures:
                self._ask_slack()
            self._deliver_one(where, notifications, memory)
        except RetryLater:
            raise
        except Exception as failure:  # noqa: BLE001  # one rollout's trouble keeps nobody else's words waiting
            self._survive(where, notifications, memory, failure)

    def _deliver_one(self, where: Where, notifications: Sequence[Notification], memory: Memory) -> None:
        rollout = self._store.load(*where)
        if rollout is None:
            self._outbox.done(notifications)
            self._owed.pop(where, None)
            return
        memory.channel = rollout.spec.channel
        if rollout.spec.channel in self._closed:
            self._meanwhile(where, notifications, memory)
            return
        self._direct.refresh(rollout, self._limits, self._steady())
        words = self._left(notifications, memory)
        ref = (None if memory.card_is_gone else self._find_card(where, memory)) or self._post_card(rollout, memory)
        if ref is None:
            return
        memory.closed_since = None
        self._owed.pop(where, None)
        memory.edit_after = min(memory.edit_after, edits_after(words))
        if any(map(is_bad_news, words)):
            self._say_all(ref, rollout, words, memory)
            self._refresh(ref, rollout, memory)
        else:
            self._refresh(ref, rollout, memory)
            self._say_all(ref, rollout, words, memory)

    def _survive(self, where: Where, notifications: Sequence[Notification], memory: Memory, failure: Exception) -> None:
        """Keep a failure where it belongs.

        Raises:
            RetryLater: Slack itself is in trouble.
            Fault: the store is.
        """
        bound = log.bind(rollout=where[1], reason=getattr(failure, "sentence", type(failure).__name__))
        match failure:
            case Limited(method=method, seconds=seconds):
                bound.info("slack.limited")
                self._limits.silence(method, memory.channel, seconds, self._steady())
            case CardGone():
                bound.info("slack.card_gone")
                again = self._steady() - memory.reposted_at < ONE_CARD_IN
                memory.card_is_gone = not again
                self._rest(memory, CLOSED_FOR if again else 0.0)
            case Unreachable(code=code):
                bound.warning("slack.channel_closed", channel=memory.channel)
                self._closed[memory.channel] = self._steady() + CLOSED_FOR, code
                # The name may mean another channel by the time it is open again; then the card goes there.
                memory.card_is_gone = memory.card_is_gone or code == "channel_not_found"
                if self._channels is not None:
                    self._channels.refused(memory.channel, code)
            case SlackFault():
                bound.warning("slack.delivery_failed")
                self._rest(memory)
                self._ask_slack()
            case Unreadable():  # a newer version may read it yet, and then has its words; nobody else ever has
                self._failed(f"record {where[1]}", failure)
                self._rest(memory)
                self._give_up(notifications)
            case Fault():
                bound.warning("slack.delivery_failed")
                self._rest(memory)
                self._store.ping()
            case _:
                self._failed(f"words of {where[1]}", failure)
                self._rest(memory)
                self._drop_old(notifications)

    # The card

    def _find_card(self, where: Where, memory: Memory) -> CardRef | None:
        """Where the card is; one that was posted is not posted again because it could not be written down."""
        found = self._outbox.card(*where)
        if found is None and memory.posted is not None:
            self._outbox.remember_card(*where, memory.posted)
        return found or memory.posted

    def _post_card(self, rollout: Rollout, memory: Memory) -> CardRef | None:
        if not self._limits.take_post(rollout.spec.channel, self._steady()):
            return None
        notification = card_notification(rollout)
        tries = self._record_attempt(notification, memory)
        memory.failures = max(memory.failures, tries - 1)
        with _Undone(self._outbox, notification, tries):
            ref = self._channel.post_card(rollout.spec.channel, self._card(rollout), rollout.spec.id)
        memory.reposted_at = self._steady() if memory.card_is_gone else memory.reposted_at
        memory.posted, memory.card_is_gone = ref, False
        self._note_open(rollout.spec.channel)
        self._voices.note(ref.channel, rollout.spec.channel)
        self._outbox.remember_card(rollout.key, rollout.spec.id, ref)
        self._note_shown(rollout, memory)
        return ref

    def _note_open(self, channel: str) -> None:
        if self._channels is not None:
            self._channels.took(channel)

    def _refresh(self, ref: CardRef, rollout: Rollout, memory: Memory) -> None:
        """Edit the card, unless it was edited a moment ago or others' turns come first."""
        now = self._steady()
        if memory.shown != rollout.revision:
            if not self._is_due(memory, now) or not self._limits.take_update(
                now, urgent=memory.edit_after < FIGURES_AFTER
            ):
                return
            self._channel.update_card(ref, self._card(rollout))
        self._note_shown(rollout, memory)

    def _note_shown(self, rollout: Rollout, memory: Memory) -> None:
        if memory.shown != rollout.revision:
            memory.shown, memory.updated_at, memory.failures = rollout.revision, self._steady(), 0
        memory.edit_after = FIGURES_AFTER
        self._outbox.done([card_notification(rollout)])

    def _may_refresh(self, memory: Memory, now: float) -> bool:
        return self._is_due(memory, now) and self._limits.may_update(now, urgent=memory.edit_after < FIGURES_AFTER)

    def _is_due(self, memory: Memory, now: float) -> bool:
        """Whether the card may be edited again: at once for what was decided, now and then for figures."""
        after = min(memory.edit_after, HAPPENED_AFTER) if self._crowded else memory.edit_after
        return now - memory.updated_at >= after

    def _card(self, rollout: Rollout) -> Message:
        return card(
            rollout, self._store.story(rollout.key, rollout.spec.id), self._clock.now(), self._voices.of(rollout)
        )

    # The thread

    def _left(self, notifications: Sequence[Notification], memory: Memory) -> Sequence[Notification]:
        """Words that are to be said now; those that were said and not forgotten since are forgotten now."""
        delivered = [notification for notification in notifications if identity(notification) in self._delivered]
        if delivered:
            self._outbox.done(delivered)
        now = self._steady()
        waiting = {name for name, (until, _) in memory.aside.items() if now < until}
        words = [
            notification
            for notification in notifications
            if notification.entry is not None and notification.id not in waiting
        ]
        return [notification for notification in words if notification not in delivered]

    def _say_all(self, ref: CardRef, rollout: Rollout, notifications: Sequence[Notification], memory: Memory) -> None:
        """Lines in order, as far as the channel's budget goes."""
        for notification in in_order(notifications):
            if not self._leads() or self._waits(notification, rollout, memory):
                return
            try:
                if not self._say(ref, rollout, notification, memory):
                    return
            except Refused as refused:  # this one is left aside, later ones may pass
                self._set_aside(notification, memory, refused)
                self._ask_slack()
                continue
            memory.failures = 0
            self._delivered[identity(notification)] = self._steady()
            self._outbox.done([notification])

    def _say(self, ref: CardRef, rollout: Rollout, notification: Notification, memory: Memory) -> bool:
        """Post one line; False when the budget is used up."""
        thread_message = (
            line(
                rollout,
                notification.entry,
                self._mentions(rollout.approvals_rule),
                self._voices.of(rollout),
            )
            if notification.entry
            else None
        )
        if thread_message is None:
            return True
        if not self._limits.take_post(rollout.spec.channel, self._steady()):
            return False
        tries = self._record_attempt(notification, memory)
        if tries > MOST_TRIES:
            log.warning("slack.message_doubtful", rollout=rollout.spec.id, revision=notification.revision)
            return True
        with _Undone(self._outbox, notification, tries):
            self._channel.post_line(ref, thread_message.message, broadcast=thread_message.broadcast)
        self._note_open(rollout.spec.channel)
        return True

    def _record_attempt(self, notification: Notification, memory: Memory) -> int:
        """Write down that the notification is about to be posted; which try that is, of those whose outcome is not
        known.

        A note that fails, written or not, is followed by no post, so that the next one is the same try.
        """
        tries = memory.begun.get(notification.id) or self._outbox.tries(notification) + 1
        memory.begun[notification.id] = tries
        self._outbox.note_tries(notification, tries)
        del memory.begun[notification.id]
        return tries

    def _waits(self, notification: Notification, rollout: Rollout, memory: Memory) -> bool:
        """Nobody should look for a button that the thread speaks of, and an abort that is over at once is one message;
        but neither a question nor an abort waits for long.
        """
        if is_abort(notification) and rollout.stopped is not None and not rollout.ended:
            return self._waiting.seconds(notification) < END_WAITS
        if notification.entry is None or not is_question(notification) or memory.shown >= rollout.revision:
            return False
        return self._waiting.seconds(notification) < ASK_WAITS

    def _set_aside(self, notification: Notification, memory: Memory, refused: Refused) -> None:
        _, times = memory.aside.get(notification.id, (0.0, 0))
        memory.aside[notification.id] = (self._steady() + _pause(times), times + 1)
        log.warning("slack.message_refused", rollout=notification.rollout_id, reason=refused.sentence)
        self._drop_old([notification])

    # Failures

    def _ask_slack(self) -> None:
        """Something harmless, before anything is posted again.

        Raises:
            RetryLater: it does not answer that either.
        """
        self._doubts_slack = True
        self._channel.ping()
        self._doubts_slack = False

    def _rest(self, memory: Memory, seconds: float | None = None) -> None:
        memory.rests_until = self._steady() + (_pause(memory.failures) if seconds is None else seconds)
        memory.failures += 1

    def _meanwhile(self, where: Where, notifications: Sequence[Notification], memory: Memory) -> None:
        """While its channel is closed: people are told themselves, and the card waits where it is in nobody's way."""
        owed, now = self._direct.owed(notifications), self._steady()
        rollout = self._store.load(*where) if owed or self._direct.has_shown(where[1]) else None
        if rollout is not None and rollout.phase is Phase.REFUSED:
            self._outbox.done(notifications)  # whoever asked was answered, and nothing has changed
            return
        if rollout is not None:
            self._direct.refresh(rollout, self._limits, now)
            code = self._closed[memory.channel][1]
            channel = memory.channel
            why = self._channels.why(channel, code) if self._channels is not None else why_closed(channel, code)
            self._direct.notify(rollout, owed, why, self._limits, now)
        self._wait_for_room(
            where, [notification for notification in notifications if notification.entry is None], memory
        )
        self._drop_old(notifications)

    def _wait_for_room(self, where: Where, cards: Sequence[Notification], memory: Memory) -> None:
        """After an hour a card keeps no place in the outbox, but a live rollout's is shown when the channel is back."""
        now = self._steady()
        memory.closed_since = now if memory.closed_since is None else memory.closed_since
        if now - memory.closed_since <= KEPT_FOR:
            self._outbox.postpone(cards)
            return
        rollout = self._store.load(*where)
        if rollout is not None and not rollout.ended:
            self._owed[where] = memory.channel
        self._outbox.done(cards)

    def _give_up(self, notifications: Sequence[Notification]) -> None:
        """Nobody can say these or draw this card: old words go, and the card with the last of them."""
        self._drop_old(notifications)
        if all(
            notification.entry is None or self._waiting.seconds(notification) > KEPT_FOR
            for notification in notifications
        ):
            self._outbox.done([notification for notification in notifications if notification.entry is None])

    def _drop_old(self, notifications: Sequence[Notification]) -> None:
        old = [
            notification
            for notification in notifications
            if notification.entry is not None and self._waiting.seconds(notification) > KEPT_FOR
        ]
        if old:
            log.error("slack.words_dropped", lines=len(old), rollout=old[0].rollout_id)
            self._outbox.done(old)


class _Undone:
    """Takes the note of a try back when it is known that nothing was posted; a lost answer leaves it."""

    def __init__(self, outbox: Outbox, notification: Notification, tries: int) -> None:
        self._outbox = outbox
        self._notification = notification
        self._tries = tries

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, Ambiguous):
            self._outbox.note_tries(self._notification, self._tries - 1)


def _pause(failures: int) -> float:
    return min(LONGEST_REST, REST * 2.0 ** min(failures, 10))
