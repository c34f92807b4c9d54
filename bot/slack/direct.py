"""What a closed channel cannot be told goes to the people themselves: aborts, questions, and how it ended.

Slack may close a channel in mid-run (archived, the bot taken out, made private). Then whoever started the rollout and
its approvers get what they must know in their conversation with the app, with the buttons of the card. The
notifications stay in the outbox for the channel, which may be open again soon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf

import structlog

from bot.controller.ports import CardRef, Notification, Outbox
from bot.model.rollout import Rollout, RolloutId
from bot.model.service import ApprovalRule
from bot.model.story import Entry
from bot.slack import blocks as b
from bot.slack import cards
from bot.slack.accounts import USER
from bot.slack.approvers import People
from bot.slack.blocks import Element, Message
from bot.slack.priorities import is_question
from bot.slack.rate_limits import Limits
from bot.slack.thread import LOUD, is_rehearsed, line
from bot.slack.voices import Voices
from bot.slack.web_api import Ambiguous, CardGone, Channel, Limited, Refused, SlackFault, Unreachable
from bot.words.sentence import Channel as AChannel
from bot.words.sentence import Text, said

MOST = 20  # people: of a group of hundreds others can be asked, and Slack counts every message
REFRESH_EVERY = 10.0  # seconds between edits of one message
KNOWN_FOR = 30.0  # seconds that a rollout's people are believed
WAITS_FOR_GROUPS = 600.0  # seconds a notification waits for Slack to tell who is in a group
TRIES = 3  # to tell one person one thing

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message with buttons that one person has: what it said and why it came, its buttons, and since when."""

    ref: CardRef
    notification: Notification
    why: Text
    message: Message
    buttons: Sequence[Element]
    at: float


class Direct:
    """One per delivery. It remembers who is still to be told what, and where buttons were shown.

    Losing that says a notification once more at most, and leaves buttons that are told to be old when they are pressed.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        outbox: Outbox,
        people: Callable[[ApprovalRule], People],
        story: Callable[[Rollout], Sequence[Entry]],
        now: Callable[[], float],
        waited: Callable[[Notification], float],
        voices: Voices,
    ) -> None:
        """``waited``: how many seconds a notification has; ``now`` is the time that cards tell."""
        self._channel = channel
        self._outbox = outbox
        self._people = people
        self._story = story
        self._now = now
        self._waited = waited
        self._voices = voices
        self._known: dict[RolloutId, tuple[float, People]] = {}
        self._reached: dict[tuple[str, str], set[str]] = {}
        self._notified: set[tuple[str, str]] = set()
        self._tries: Counter[tuple[str, str, str]] = Counter()
        self._shown: dict[RolloutId, dict[str, Shown]] = {}

    def remember_only(self, notifications: Iterable[Notification]) -> None:
        """Forget notifications that are gone."""
        kept = list(notifications)
        there, rollouts = (
            {(notification.key, notification.id) for notification in kept},
            {notification.rollout_id for notification in kept},
        )
        self._known = {rollout_id: known for rollout_id, known in self._known.items() if rollout_id in rollouts}
        self._reached = {key: reached for key, reached in self._reached.items() if key in there}
        self._notified &= there
        self._tries = Counter({where: count for where, count in self._tries.items() if where[:2] in there})

    def owed(self, notifications: Sequence[Notification]) -> list[Notification]:
        """Those that people must know now and have not all been told, by this process or by one before it."""
        urgent = [
            one for one in notifications if one.entry is not None and (one.entry.kind in LOUD or is_question(one))
        ]
        return [notification for notification in urgent if not self._is_notified(notification)]

    def _is_notified(self, notification: Notification) -> bool:
        key = (notification.key, notification.id)
        if key not in self._notified and key not in self._reached and self._outbox.notified(notification):
            self._notified.add(key)
        return key in self._notified

    def notify(
        self, rollout: Rollout, notifications: Sequence[Notification], why: Text, limits: Limits, now: float
    ) -> None:
        """Write to each person what they have not been told yet, as far as Slack lets us now.

        Raises:
            RetryLater: Slack itself is in trouble; the rest is for the next time.
        """
        everybody = self._to_notify(rollout, now) if notifications else People(())
        for notification in notifications:
            key, entry = (notification.key, notification.id), notification.entry
            people = People(()) if entry is not None and is_rehearsed(rollout, entry) else everybody
            reached = self._reached.setdefault(key, set())
            for user in people.ids:
                if user not in reached and not self._write(user, rollout, notification, why, limits, now):
                    return
                reached.add(user)
            if people.whole or self._waited(notification) > WAITS_FOR_GROUPS:
                self._outbox.note_notified(notification)
                self._notified.add(key)

    def _write(
        self, user: str, rollout: Rollout, notification: Notification, why: Text, limits: Limits, now: float
    ) -> bool:
        """Whether we are done with this person: they have it, or cannot be reached."""
        if not limits.take_post(user, now):
            return False
        message = self._message(rollout, notification, why)
        try:
            ref = self._channel.post_direct(user, message)
        except Limited as limited:
            limits.silence(limited.method, user, limited.seconds, now)
            return False
        except (Ambiguous, Refused, Unreachable) as failure:
            return self._gives_up(user, notification, failure)
        shown = Shown(
            ref=ref, notification=notification, why=why, message=message, buttons=self._buttons(rollout), at=now
        )
        self._note_shown(user, shown, limits, now)
        return True

    def has_shown(self, rollout_id: RolloutId) -> bool:
        """Whether somebody has buttons of this rollout in front of them that may be old by now."""
        return bool(self._shown.get(rollout_id))

    def refresh(self, rollout: Rollout, limits: Limits, now: float) -> None:
        """Show the buttons that count now where others were shown, as on the card in a channel.

        Raises:
            RetryLater: Slack itself is in trouble.
        """
        people = self._shown.get(rollout.spec.id, {})
        for user, one in list(people.items()):
            if one.buttons == self._buttons(rollout) or now - one.at < REFRESH_EVERY:
                continue
            if not limits.take_update(now):
                return
            if not self._edit(one, self._message(rollout, one.notification, one.why), limits, now):
                del people[user]
                continue
            people[user] = replace(one, buttons=self._buttons(rollout), at=now)
        if rollout.ended or not people:
            self._shown.pop(rollout.spec.id, None)

    def _note_shown(self, user: str, shown: Shown, limits: Limits, now: float) -> None:
        """Only the newest message to a person has buttons."""
        people = self._shown.setdefault(shown.notification.rollout_id, {})
        before = people.get(user)
        people[user] = shown
        if before is not None and limits.take_update(now):
            self._edit(before, _without_buttons(before.message), limits, now)

    def _edit(self, one: Shown, message: Message, limits: Limits, now: float) -> bool:
        """Whether it was edited. Buttons that stay where they are too old are told to be when they are pressed."""
        try:
            self._channel.update_card(one.ref, message)
        except Limited as limited:
            limits.silence(limited.method, one.ref.channel, limited.seconds, now)
        except (Ambiguous, Refused, Unreachable, CardGone) as failure:
            log.info("slack.old_buttons_left", rollout=one.notification.rollout_id, reason=failure.sentence)
        else:
            return True
        return False

    def _to_notify(self, rollout: Rollout, now: float) -> People:
        """Who started it, and its approvers; asked anew after a while where Slack did not tell of all of them."""
        until, people = self._known.get(rollout.spec.id, (-inf, People(())))
        if now < until:
            return people
        approvers = self._people(rollout.approvals_rule)
        ids = [who for who in (rollout.spec.started_by, *approvers.ids) if USER.fullmatch(who)]
        ids = list(dict.fromkeys(ids))
        if len(ids) > MOST:
            log.warning("slack.too_many_to_notify", rollout=rollout.spec.id, people=len(ids), thread_message=MOST)
        people = People(tuple(ids[:MOST]), approvers.whole)
        self._known[rollout.spec.id] = now + KNOWN_FOR, people
        return people

    def _gives_up(self, user: str, notification: Notification, failure: SlackFault) -> bool:
        """Whether this person cannot be told. Nobody else goes untold because of it.

        Raises:
            RetryLater: Slack itself is in trouble.
        """
        log.warning("slack.not_notified", rollout=notification.rollout_id, user=user, reason=failure.sentence)
        self._channel.ping()
        self._tries[notification.key, notification.id, user] += 1
        return self._tries[notification.key, notification.id, user] >= TRIES

    def _buttons(self, rollout: Rollout) -> list[Element]:
        return cards.buttons(rollout, self._voices.of(rollout))

    def _message(self, rollout: Rollout, notification: Notification, why: Text) -> Message:
        """The line that the channel would have got, the card as it is now, and why they come here."""
        thread_message = (
            line(rollout, notification.entry, voice=self._voices.of(rollout)) if notification.entry else None
        )
        if thread_message is None:
            raise LookupError("nothing said")
        shown = cards.card(rollout, self._story(rollout), self._now(), self._voices.of(rollout))
        closed = said("slack.meant_for", channel=AChannel(rollout.spec.channel))
        voice = self._voices.of(rollout)
        reason = b.readable(why) if isinstance(why, str) else b.mrkdwn(why, voice)
        note = b.context(f"{b.mrkdwn(closed, voice)} {reason}")
        whole = (*thread_message.message.blocks, *shown.blocks, note)
        plain = (*thread_message.message.plain, *shown.plain, note)
        if not b.fits(whole) or not b.fits(plain):
            whole = plain = (*thread_message.message.plain, b.actions(self._buttons(rollout)), note)
        return Message(text=thread_message.message.text, blocks=whole, plain=plain)


def _without_buttons(message: Message) -> Message:
    """What it said stays; what could be pressed goes."""
    blocks, plain = (tuple(one for one in form if one["type"] != "actions") for form in (message.blocks, message.plain))
    return Message(text=message.text, blocks=blocks, plain=plain)
