"""The port ``Outbox`` on Redis: notifications wait here until they are delivered. ``redis_store`` writes them.

Words are a stream for each service. That a card is out of date is one field of a hash, however often its rollout
changes meanwhile. Two indexes say which services have any, so that asking costs the same for ten services as for a
thousand; they are written after the notifications and tidied up here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice, zip_longest
from typing import Any

from bot.adapters import signatures, words_aside
from bot.adapters.failures import Failed, logged
from bot.adapters.redis_connection import Batch, RedisClient, WrongKind, answers, faults
from bot.adapters.redis_store import OUT_OF_DATE, about_entry
from bot.adapters.serialization import CARDS, SERVICES, WORDS, Keys, load_entry
from bot.controller.containment import broken
from bot.controller.ports import CardRef, Notification
from bot.model.errors import Cause, Fault, Unreadable
from bot.model.rollout import RolloutId
from bot.model.signing import UNSIGNED, Signer
from bot.words.sentence import Code, said

# Slack takes some forty edits a minute from a whole workspace: more cards than this are not even looked at.
CARDS_AT_ONCE = 100
MOST_UNREADABLE = 100  # words of a service that stay in the way of the others, or half of those that are looked at
MOST_TURNS = 20  # of setting words aside and looking at the next ones, in one call
Stream = Sequence[tuple[str, Mapping[str, str]]]

NOTIFIED = ":told"  # ends the id of a notification, beside its tries, that people were told themselves
CARD = "card:"  # begins the id of a card's notification

# A card was shown at some revision; it stays out of date if it has changed since.
# KEYS: cards  ARGV: the rollout's id, the revision
SHOWN = """
local wanted = tonumber(redis.call('HGET', KEYS[1], ARGV[1]))
if wanted and wanted <= tonumber(ARGV[2]) then redis.call('HDEL', KEYS[1], ARGV[1]) end
return redis.call('HLEN', KEYS[1])
"""

# Cards wait behind all others; those that are shown meanwhile do not come back.
# KEYS: the index of cards  ARGV: services
LATER = """
local time = redis.call('TIME')
for number, key in ipairs(ARGV) do
  redis.call('ZADD', KEYS[1], 'XX', time[1] + (time[2] + number) / 1000000, key)
end
return #ARGV
"""


class RedisOutbox:
    """One stream of words for each service, and one hash of cards; a word's id is its place in the stream.

    Words that ``signer`` does not know for ours are not said: they stay where they are, and ``failed`` is told of them.
    """

    def __init__(self, client: RedisClient, signer: Signer = UNSIGNED, *, failed: Failed = logged) -> None:
        self._client = client
        self._signer = signer
        self._failed = failed

    def pending(self, limit: int = 100) -> Sequence[Notification]:
        """Undelivered notifications: words, then cards.

        Services take turns: notifications that cannot be delivered (a channel was archived) keep nobody else's waiting.
        """
        with faults():
            return [*self._words(limit), *self._cards()]

    def depth(self) -> int:
        """How many notifications wait, all of them: words, and cards that are out of date."""
        with faults():
            words = self._ask(sorted(self._client.smembers(WORDS)), lambda batch, keys: batch.xlen(keys.outbox))
            cards = self._ask(self._client.zrange(CARDS, 0, -1), lambda batch, keys: batch.hlen(keys.cards))
        return sum(int(count) for count in (*words, *cards) if not isinstance(count, WrongKind))

    def set_aside(self) -> int:
        """How many words of all services are set aside, because they cannot be read."""
        with faults():
            services = sorted(self._client.smembers(SERVICES))
            counts = self._ask(services, lambda batch, keys: batch.xlen(keys.aside))
        return sum(int(count) for count in counts if not isinstance(count, WrongKind))

    def recall(self) -> int:
        """Put them back to the end of what waits: whoever leads from now on may be able to read them."""
        with faults():
            services = sorted(self._client.smembers(SERVICES))
            counts = self._ask(services, lambda batch, keys: batch.xlen(keys.aside))
        some = dict(zip(services, counts, strict=True))
        return sum(self._recall(key) for key, count in some.items() if not isinstance(count, WrongKind) and count)

    def _recall(self, key: str) -> int:
        try:
            count = words_aside.recall(self._client, key)
        except Fault as fault:
            if fault.cause is not Cause.REFUSED:
                raise
            self._failed(f"notifications of {key}", fault)
            return 0
        with faults():
            self._client.sadd(WORDS, key)
        return count

    def done(self, notifications: Sequence[Notification]) -> None:
        """Forget delivered notifications."""
        words: defaultdict[str, list[str]] = defaultdict(list)
        for notification in notifications:
            if notification.id.startswith(CARD):
                self._shown(notification)
            else:
                words[notification.key].append(notification.id)
        with faults():
            for key, ids in words.items():
                self._client.xdel(Keys(service=key).outbox, *ids)
                self._client.hdel(Keys(service=key).tries, *ids, *(f"{one}{NOTIFIED}" for one in ids))

    def postpone(self, notifications: Sequence[Notification]) -> None:
        """Send cards to the end of the line."""
        services = list(dict.fromkeys(notification.key for notification in notifications if notification.entry is None))
        if services:
            with faults():
                self._client.eval(LATER, 1, CARDS, *services)

    def tries(self, notification: Notification) -> int:
        """How often posting the notification was begun without a known outcome."""
        with faults():
            return int(self._client.hget(Keys(service=notification.key).tries, notification.id) or 0)

    def note_tries(self, notification: Notification, count: int) -> None:
        """Write that down. A count and no increment: the connection is tried twice, and may have been heard twice."""
        with faults():
            self._client.hset(Keys(service=notification.key).tries, mapping={notification.id: str(count)})

    def notified(self, notification: Notification) -> bool:
        """Whether people were told the notification themselves."""
        with faults():
            return self._client.hget(Keys(service=notification.key).tries, f"{notification.id}{NOTIFIED}") is not None

    def note_notified(self, notification: Notification) -> None:
        """Write that down beside its tries."""
        with faults():
            self._client.hset(Keys(service=notification.key).tries, mapping={f"{notification.id}{NOTIFIED}": "1"})

    def card(self, key: str, rollout_id: RolloutId) -> CardRef | None:
        """Where the rollout's card is, if one was posted."""
        with faults():
            found = self._client.hgetall(Keys(service=key).card(rollout_id))
        return CardRef(channel=found["channel"], ts=found["ts"]) if found else None

    def remember_card(self, key: str, rollout_id: RolloutId, card: CardRef) -> None:
        """Keep where the card is, for as long as the rollout's story is kept."""
        keys = Keys(service=key)
        with faults():
            self._client.hset(keys.card(rollout_id), mapping={"channel": card.channel, "ts": card.ts})
            self._client.hdel(keys.tries, f"{CARD}{rollout_id}")

    def _words(self, limit: int) -> Sequence[Notification]:
        services = sorted(self._client.smembers(WORDS))
        read = self._streams(services, limit)
        for key, stream in read.items():
            if not stream:
                self._client.srem(WORDS, key)
                # Whoever wrote words since we looked may have been here before us.
                if self._client.xlen(Keys(service=key).outbox):
                    self._client.sadd(WORDS, key)
        boxes = [self._readable(key, stream, limit) for key, stream in read.items()]
        return list(islice(filter(None, chain.from_iterable(zip_longest(*boxes))), limit))

    def _streams(self, services: Sequence[str], limit: int) -> dict[str, Stream]:
        """The oldest words of each service."""
        streams = self._ask(services, lambda batch, keys: batch.xrange(keys.outbox, count=limit))
        read = {key: stream for key, stream in zip(services, streams, strict=True) if self._is_ours(key, stream)}
        for key, stream in read.items():
            self._forget_old_cards(key, stream)
        return read

    def _readable(self, key: str, stream: Stream, limit: int) -> Sequence[Notification]:
        """What can be read of a service's words. Where much cannot, it goes aside, and what is behind it is read."""
        words, wrong = _read_words(key, stream, self._signer)
        for _ in range(MOST_TURNS):
            if len(wrong) <= min(MOST_UNREADABLE, limit // 2) or not self._set_aside(key, wrong):
                break
            # Nothing is behind the last one; what came meanwhile is for the next call.
            stream = self._streams([key], limit).get(key, ()) if len(stream) >= limit else ()
            words, wrong = _read_words(key, stream, self._signer) if stream else (words, {})
        for place, error in wrong.items():
            # Left where it is: a newer canary-bot wrote it, and may be back to deliver it.
            self._failed(f"notification {place} of {key}", error)
        return words

    def _set_aside(self, key: str, wrong: Mapping[str, Exception]) -> bool:
        """Whether those words are out of the way of the others; told together, with the reason of one of them."""
        try:
            count = words_aside.move(self._client, key, list(wrong))
        except Fault as fault:
            if fault.cause is not Cause.REFUSED:
                raise
            self._failed(f"notifications of {key}", fault)
            return False
        why = broken(next(iter(wrong.values())), said("adapters.do_read_notification", key=key)).sentence
        aside = said("adapters.set_aside", n=count, key=key, why=why, place=Code(Keys(service=key).aside))
        self._failed(f"notifications of {key}", Unreadable("Redis", aside))
        return True

    def _forget_old_cards(self, key: str, stream: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Cards had notifications of their own in the stream once; now any change marks the card again."""
        old = [place for place, fields in stream if "entry" not in fields]
        if old:
            self._client.xdel(Keys(service=key).outbox, *old)

    def _cards(self) -> Sequence[Notification]:
        services = self._client.zrange(CARDS, 0, CARDS_AT_ONCE - 1)
        found = self._ask(services, lambda batch, keys: batch.hgetall(keys.cards))
        read = {key: cards for key, cards in zip(services, found, strict=True) if self._is_ours(key, cards)}
        for key, cards in read.items():
            if not cards:
                self._end_turn(key)
        return [notification for key, cards in read.items() for notification in self._read_cards(key, cards)]

    def _shown(self, notification: Notification) -> None:
        keys = Keys(service=notification.key)
        with faults():
            self._client.eval(SHOWN, 1, keys.cards, notification.rollout_id, notification.revision)
            self._end_turn(notification.key)

    def _end_turn(self, key: str) -> None:
        """To the end of the line if a card has changed meanwhile, else out of it."""
        self._client.zrem(CARDS, key)
        if self._client.hlen(Keys(service=key).cards):
            self._client.eval(OUT_OF_DATE, 1, CARDS, key)

    def _ask(self, services: Sequence[str], ask: Callable[[Batch, Keys], object]) -> list[Any]:
        """One question about each service, in one round trip; ``WrongKind`` where the key is not ours any more."""
        if not services:
            return []
        batch = self._client.pipeline(transaction=False)
        for key in services:
            ask(batch, Keys(service=key))
        return answers(batch)

    def _is_ours(self, key: str, answer: object) -> bool:
        """Whether the service's notifications can be read at all; those of the others must not wait for a mistake."""
        if isinstance(answer, WrongKind):
            self._failed(f"notifications of {key}", Unreadable("Redis", said("adapters.something_else", key=key)))
        return not isinstance(answer, WrongKind)

    def _read_cards(self, key: str, cards: Mapping[str, str]) -> Sequence[Notification]:
        notifications = []
        for rollout_id, revision in cards.items():
            try:
                notifications.append(_card(key, RolloutId(rollout_id), revision))
            except Exception as error:  # noqa: BLE001  # as above
                self._failed(f"card of {rollout_id} of {key}", error)
        return notifications


def _read_words(key: str, stream: Stream, signer: Signer) -> tuple[Sequence[Notification], dict[str, Exception]]:
    """A service's words, and of each that cannot be read its place and why."""
    words, wrong = [], dict[str, Exception]()
    for place, fields in stream:
        if "entry" not in fields:
            continue
        try:
            words.append(_word(key, place, fields, signer))
        except Exception as error:  # noqa: BLE001  # a word that nobody can read keeps no other waiting
            wrong[place] = error
    return words, wrong


def _word(key: str, place: str, fields: Mapping[str, str], signer: Signer) -> Notification:
    rollout_id = fields["rollout"]
    text = signatures.believed(said("adapters.a_notification"), fields["entry"], signer, *about_entry(key, rollout_id))
    return Notification(
        id=place,
        key=key,
        rollout_id=RolloutId(rollout_id),
        revision=int(fields["revision"]),
        entry=load_entry(text),
        number=int(fields.get("number", 0)),
    )


def _card(key: str, rollout_id: RolloutId, revision: str) -> Notification:
    return Notification(id=f"{CARD}{rollout_id}", key=key, rollout_id=rollout_id, revision=int(revision), entry=None)
