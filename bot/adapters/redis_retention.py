"""Old rollouts go, so that Redis holds a bounded number of them: record, story and place of the card together.

A rollout goes by one script, so a crash leaves it whole or gone. The leader calls ``tidy`` about every minute, which
looks at a few services and removes a few rollouts each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog

from bot.adapters.redis_connection import RedisClient, WrongKind, answers, faults
from bot.adapters.serialization import HISTORIES, Keys
from bot.model.errors import Cause, Fault
from bot.model.rollout import ENDED, Phase, RolloutId

DAY = 86400.0  # seconds
REFUSED_KEPT = 20  # refused starts of a service; a rollout's are by ``Retention``
REFUSED_FOR = 3600.0  # seconds a refused start is kept at least: it may not have been told yet
REFUSED_MOST = 100  # and no more of them, however young: everybody may ask for another, as fast as they can
YOUNG_MOST = 1000  # rollouts of a service that are kept for being young, or what ``Retention`` has, if that is more
WORDS_FOR = 30 * DAY  # seconds: what nobody has delivered, nor given up, by then is nobody's
SERVICES_AT_ONCE = 20  # are looked through in one call,
REMOVALS_AT_ONCE = 100  # and so many rollouts removed
LOOKED_THROUGH_FOR = 3600.0  # seconds in which nothing can have changed in a service without a new rollout

# Only as it was read, and never the live one. All of its keys at once; other services' are in other slots.
# KEYS: history, active, rollout, story, card, cards, tries  ARGV: the id, the record as it was read ("": none)
REMOVE = """
if redis.call('GET', KEYS[2]) == ARGV[1] then return 0 end
local text = redis.pcall('GET', KEYS[3])
if (type(text) == 'string' and text or '') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
redis.call('HDEL', KEYS[6], ARGV[1])
redis.call('HDEL', KEYS[7], 'card:' .. ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
"""

# Words of so long ago, and what is written down about words and cards that are no more. By Redis' own clock, which is
# what places in a stream are.
# KEYS: outbox, tries, history, aside  ARGV: seconds
FORGET = """
local oldest = (redis.call('TIME')[1] - ARGV[1]) * 1000
local gone = redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', oldest))
if redis.call('TYPE', KEYS[4]).ok == 'stream' then
  gone = gone + redis.call('XTRIM', KEYS[4], 'MINID', string.format('%.0f', oldest))
end
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  local at, card = tonumber(string.match(field, '^(%d+)-')), string.match(field, '^card:(.*)$')
  if (at and at < oldest) or (card and not redis.call('ZSCORE', KEYS[3], card)) then
    redis.call('HDEL', KEYS[2], field)
    gone = gone + 1
  end
end
return gone
"""

_OVER = {"", *ENDED}  # what cannot be read is nobody's any more once it is that old

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Of each service so many of the newest rollouts are kept, and everything that is younger than so many days."""

    rollouts: int = 50
    days: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """One of a service's rollouts; ``phase`` is "" where its record is missing or cannot be read."""

    id: RolloutId
    at: float
    text: str
    phase: str


class RedisRetention:
    """Removes what is old in one Redis. It remembers which services it has looked through, and may forget that."""

    def __init__(
        self,
        client: RedisClient,
        retention: Retention = Retention(),  # frozen
        *,
        services_at_once: int = SERVICES_AT_ONCE,
        removals_at_once: int = REMOVALS_AT_ONCE,
    ) -> None:
        self._client = client
        self._services_at_once = services_at_once
        self._removals_at_once = removals_at_once
        self._retention = retention
        self._looked: dict[str, tuple[int, float]] = {}  # how many rollouts a service had, and when

    def tidy(self, now: float) -> int:
        """Remove some of what is too old at ``now``; tells how many rollouts. Harmless at any time.

        Raises:
            Fault: Redis cannot be asked.
        """
        removed = 0
        with faults():
            for key, count in self._due(now)[: self._services_at_once]:
                gone = self._tidy_alone(key, now, self._removals_at_once - removed)
                removed += gone
                if removed >= self._removals_at_once:
                    break  # the rest of it, and the others, in the next call
                self._looked[key] = count - gone, now
        if removed:
            log.info("old_rollouts_removed", rollouts=removed)
        return removed

    def _due(self, now: float) -> Sequence[tuple[str, int]]:
        """Services that have another number of rollouts than when they were looked through, or were long ago."""
        services = [Keys.of_history(key) for key in self._client.scan_iter(match=HISTORIES, count=1000)]
        self._looked = {key: looked for key in services if (looked := self._looked.get(key)) is not None}
        due = []
        for key, count in zip(services, self._counts(services), strict=True):
            before, at = self._looked.get(key, (None, now))
            if count != before or not 0 <= now - at < LOOKED_THROUGH_FOR:
                due.append((key, count))
        return due

    def _counts(self, services: Sequence[str]) -> Sequence[int]:
        batch = self._client.pipeline(transaction=False)
        for key in services:
            batch.zcard(Keys(service=key).history)
        return [0 if isinstance(one, WrongKind) else int(one) for one in answers(batch)] if services else []

    def _tidy_alone(self, key: str, now: float, limit: int) -> int:
        """What somebody else has put under the keys of one service keeps no other's from being looked through."""
        try:
            return self._tidy(key, now, limit)
        except Fault as fault:
            if fault.cause is not Cause.REFUSED:
                raise
            log.warning("old_rollouts_not_removed", service=key, sentence=fault.sentence)
            return 0

    def _tidy(self, key: str, now: float, limit: int) -> int:
        keys, removed = Keys(service=key), 0
        if self._client.type(keys.history) != "zset":
            return 0  # somebody else's; ``reindex`` and readers say so
        for one in self._too_old(self._past(keys), now):
            if removed == limit:
                break
            removed += _remove(self._client, keys, one.id, one.text)
        self._client.eval(FORGET, 4, keys.outbox, keys.tries, keys.history, keys.aside, WORDS_FOR)
        return removed

    def _past(self, keys: Keys) -> Sequence[_Past]:
        """Newest first."""
        found = self._client.zrange(keys.history, 0, -1, withscores=True)[::-1]
        if not found:
            return ()
        texts = _texts(self._client, keys, [RolloutId(one) for one, _ in found])
        return [
            _Past(id=RolloutId(one), at=float(at), text=text, phase=_phase(text))
            for (one, at), text in zip(found, texts, strict=True)
        ]

    def _too_old(self, past: Sequence[_Past], now: float) -> Iterator[_Past]:
        """Oldest first."""
        refused = [one for one in past if one.phase == Phase.REFUSED]
        others = [one for one in past if one.phase != Phase.REFUSED]
        # What users are on may be its doing, however long ago that was.
        promoted = next((one for one in others if one.phase == Phase.PROMOTED), None)
        old = [one for one in refused[REFUSED_KEPT:] if one.at < now - REFUSED_FOR]
        youngest, most = now - self._retention.days * DAY, max(YOUNG_MOST, self._retention.rollouts)
        beyond = [one for one in others[self._retention.rollouts :] if one.at < youngest]
        beyond += [one for one in others[most:] if one.at >= youngest]
        beyond = [one for one in beyond if one is not promoted]
        old += [one for one in beyond if one.phase in _OVER]
        yield from sorted(old, key=lambda one: one.at)


def remember_refused(client: RedisClient, key: str, rollout_id: RolloutId, at: float) -> None:
    """Note that a start was refused at ``at``, and remove the oldest where there are too many.

    Whoever asks pays for it, so that nobody can make more than the leader removes.
    """
    keys = Keys(service=key)
    client.zadd(keys.refused, {rollout_id: at})
    ids = [RolloutId(one) for one in client.zrange(keys.refused, 0, -REFUSED_MOST - 1)]
    for one, text in zip(ids, _texts(client, keys, ids), strict=True):
        _remove(client, keys, one, text)
        client.zrem(keys.refused, one)


def _texts(client: RedisClient, keys: Keys, ids: Sequence[RolloutId]) -> list[str]:
    """Their records as they are; "" where there is none, or something of another kind."""
    if not ids:
        return []
    batch = client.pipeline(transaction=False)
    for one in ids:
        batch.get(keys.rollout(one))
    return ["" if isinstance(text, WrongKind) or text is None else str(text) for text in answers(batch)]


def _remove(client: RedisClient, keys: Keys, rollout_id: RolloutId, text: str) -> int:
    """Remove a rollout whose record is still what was read ("": none); 1 if that was so."""
    own = (keys.rollout(rollout_id), keys.story(rollout_id), keys.card(rollout_id))
    names = (keys.history, keys.active, *own, keys.cards, keys.tries)
    return int(str(client.eval(REMOVE, len(names), *names, rollout_id, text)))


def _phase(text: str) -> str:
    """As it is stored, by every version so far; nothing else of the record matters here."""
    try:
        phase = json.loads(text)["rollout"]["phase"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return phase if isinstance(phase, str) else ""
