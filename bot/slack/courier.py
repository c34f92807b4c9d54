"""Carries letters from the outbox to Slack: in order, within Slack's limits, and not lost while Slack is away.

One thread calls ``deliver`` about every second. What is delivered is marked done at once; everything else stays in the
outbox for the next call, in this process or the next leader's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import structlog

from bot.controller.ports import CardRef, Clock, Letter, Outbox, Store
from bot.rollout.errors import Fault
from bot.rollout.model import Entry, EntryKind, Rollout, RolloutId
from bot.rollout.service import ApprovalRule
from bot.slack.blocks import Message
from bot.slack.cards import card
from bot.slack.channel import Ambiguous, CardGone, Channel, RetryLater, Unreachable
from bot.slack.lines import LOUD, line

CARD_EVERY = 3.0  # seconds between edits of one card
CARDS_PER_MINUTE = 40  # over all cards, Slack's chat.update is counted per workspace
BURST = 4  # posts to one channel at once, then one a second
REST = 60.0  # seconds a channel that cannot be written to is left alone
KEPT_FOR = 3600.0  # seconds words wait for a channel that nobody opens to the bot
BATCH = 1000

# Entries after which a card has other buttons than before.
BUTTONS_CHANGE = LOUD | {EntryKind.ASK, EntryKind.APPROVED}

POST, UPDATE = "chat.postMessage", "chat.update"
Where = tuple[str, RolloutId]

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Budget:
    """A token bucket: ``burst`` at once, then ``rate`` a second."""

    rate: float
    burst: float
    left: float
    at: float

    def take(self, now: float) -> bool:
        """Whether one more is allowed now; it is counted if so."""
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class Memory:
    """What this process remembers about one rollout; losing it costs at most one line said twice."""

    updated_at: float = 0.0
    rests_until: float = 0.0
    closed: str = ""  # why it rests
    posted: set[str] = field(default_factory=set)  # said, and not marked done yet
    doubtful: set[str] = field(default_factory=set)  # timed out once: may have been said


class Courier:
    """One per process; only the leader's is called."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        store: Store,
        channel: Channel,
        clock: Clock,
        mentions: Callable[[ApprovalRule], Sequence[str]] = lambda rule: rule.approvers,
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._channel = channel
        self._clock = clock
        self._mentions = mentions
        self._memory: dict[Where, Memory] = {}
        self._posts: dict[str, Budget] = {}
        self._updates = Budget(rate=CARDS_PER_MINUTE / 60, burst=10, left=10, at=clock.now())
        self._silent_until: dict[str, float] = {}  # by method; "" for all of Slack
        self._ask_first = False  # after a time-out: no second try before Slack answers a harmless question
        self.trouble = ""  # the newest failure as a sentence, "" when the last delivery went well

    def deliver(self) -> None:
        """Say what can be said now.

        Raises:
            Fault: the store or the outbox cannot be reached. Slack's failures are remembered, not raised.
        """
        if not self._may(""):
            return
        letters = self._outbox.pending(BATCH)
        try:
            if letters and self._ask_first:
                self._channel.ping()
                self._ask_first = False
            self._deliver_all(letters)
        except RetryLater as pause:
            self._silent_until[pause.method] = self._clock.now() + pause.seconds
            self._note(pause)
        except Ambiguous as doubt:
            self._ask_first = True
            self._note(doubt)
        else:
            self.trouble = next((m.closed for m in self._memory.values() if m.rests_until > self._clock.now()), "")

    def _deliver_all(self, letters: Sequence[Letter]) -> None:
        """Rollouts with bad news first; one whose method is being limited does not stop the others."""
        mail = {where: list(of_one) for where, of_one in groupby(sorted(letters, key=_where), key=_where)}
        self._remember_only(mail)
        limited: RetryLater | None = None
        for where in sorted(mail, key=lambda where: not any(_is_loud(letter) for letter in mail[where])):
            if self._memory[where].rests_until > self._clock.now():
                continue
            try:
                self._deliver_one(where, mail[where])
            except RetryLater as pause:
                if not pause.method:
                    raise
                self._silent_until[pause.method] = self._clock.now() + pause.seconds
                limited = pause
        if limited is not None:
            raise limited

    def _remember_only(self, mail: Mapping[Where, object]) -> None:
        """Forget rollouts without mail, but not when their card was edited a moment ago."""
        now = self._clock.now()
        kept = {where: m for where, m in self._memory.items() if where in mail or now - m.updated_at < CARD_EVERY}
        self._memory = {**{where: Memory() for where in mail}, **kept}

    def _deliver_one(self, where: Where, letters: Sequence[Letter]) -> None:
        rollout = self._store.load(*where)
        if rollout is None:
            self._outbox.done(letters)
            return
        memory = self._memory[where]
        self._finish(letters, memory)
        left = [letter for letter in letters if letter.id not in memory.posted]
        try:
            ref = self._outbox.card(*where)
            if ref is None:
                ref = self._post_card(rollout, memory)
            if ref is None:
                return
            fresh = self._refresh(ref, rollout, memory, urgent=any(_changes_buttons(letter) for letter in left))
            self._say(ref, rollout, left, memory, card_is_fresh=fresh)
        except CardGone as gone:
            log.info("slack.card_gone", rollout=rollout.id, reason=gone.sentence)
            self._post_card(rollout, memory)
        except Unreachable as closed:
            self._rest(left, memory, closed)

    def _finish(self, letters: Sequence[Letter], memory: Memory) -> None:
        """Mark what was said before the outbox failed us, so that it is not said again."""
        said = [letter for letter in letters if letter.id in memory.posted]
        if said:
            self._outbox.done(said)

    # The card

    def _post_card(self, rollout: Rollout, memory: Memory) -> CardRef | None:
        if not self._may(POST) or not self._budget(rollout.channel).take(self._clock.now()):
            return None
        ref = self._channel.post_card(rollout.channel, self._card(rollout), rollout.id)
        self._outbox.remember_card(rollout.key, rollout.id, ref)
        memory.updated_at = self._clock.now()
        return ref

    def _refresh(self, ref: CardRef, rollout: Rollout, memory: Memory, *, urgent: bool) -> bool:
        """Edit the card unless it was edited a moment ago; whether it now shows what is stored.

        A question or an end is shown at once: nobody should look for a button that the thread speaks of.
        """
        now = self._clock.now()
        if memory.updated_at == now:
            return True
        too_soon = now - memory.updated_at < CARD_EVERY and not urgent
        if too_soon or not self._may(UPDATE) or not self._updates.take(now):
            return False
        self._channel.update_card(ref, self._card(rollout))
        memory.updated_at = now
        return True

    def _card(self, rollout: Rollout) -> Message:
        return card(rollout, self._store.story(rollout.key, rollout.id), self._clock.now())

    # The thread

    def _say(
        self, ref: CardRef, rollout: Rollout, letters: Sequence[Letter], memory: Memory, *, card_is_fresh: bool
    ) -> None:
        """Lines in order, as far as the channel's budget goes; card letters are done once the card is fresh."""
        if card_is_fresh:
            self._done([letter for letter in letters if letter.entry is None], memory)
        for letter in letters:
            if letter.entry is None:
                continue
            said = self._say_one(ref, rollout, letter, letter.entry, memory)
            if not said:
                return
            self._done([letter], memory)

    def _say_one(self, ref: CardRef, rollout: Rollout, letter: Letter, entry: Entry, memory: Memory) -> bool:
        """Post one line; False when the budget is used up."""
        told = line(rollout, entry, self._mentions(rollout.approvals_rule))
        if told is None:
            return True
        if not self._may(POST) or not self._budget(ref.channel).take(self._clock.now()):
            return False
        try:
            self._channel.post_line(ref, told.message, broadcast=told.broadcast)
        except Ambiguous:
            if letter.id in memory.doubtful:
                # Said twice already, perhaps. A third copy would be noise, and the card tells the same.
                log.warning("slack.line_doubtful", rollout=rollout.id, kind=entry.kind)
                return True
            memory.doubtful.add(letter.id)
            raise
        return True

    def _done(self, letters: Sequence[Letter], memory: Memory) -> None:
        memory.posted.update(letter.id for letter in letters)
        if letters:
            self._outbox.done(letters)

    # Limits and failures

    def _rest(self, letters: Sequence[Letter], memory: Memory, closed: Unreachable) -> None:
        """Leave a closed channel alone for a while; words wait for it, but not for ever."""
        now = self._clock.now()
        memory.rests_until, memory.closed = now + REST, closed.sentence
        self._note(closed)
        old = [letter for letter in letters if letter.entry is not None and now - letter.entry.at > KEPT_FOR]
        if old:
            log.error("slack.words_dropped", lines=len(old), reason=closed.sentence)
            self._outbox.done(old)

    def _may(self, method: str) -> bool:
        return self._clock.now() >= self._silent_until.get(method, 0.0)

    def _budget(self, channel: str) -> Budget:
        fresh = Budget(rate=1.0, burst=BURST, left=BURST, at=self._clock.now())
        return self._posts.setdefault(channel, fresh)

    def _note(self, fault: Fault) -> None:
        if fault.sentence != self.trouble:
            log.warning("slack.delivery_waits", reason=fault.sentence)
        self.trouble = fault.sentence


def _where(letter: Letter) -> Where:
    return (letter.key, letter.rollout_id)


def _changes_buttons(letter: Letter) -> bool:
    return letter.entry is not None and letter.entry.kind in BUTTONS_CHANGE


def _is_loud(letter: Letter) -> bool:
    return letter.entry is not None and letter.entry.kind in LOUD
