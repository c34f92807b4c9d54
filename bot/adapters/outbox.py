"""The port ``Outbox`` on Redis: letters wait here until the courier has delivered them. ``redis_store`` writes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice, zip_longest

import structlog

from bot.adapters.redis_link import Link, faults
from bot.adapters.stored import SERVICES, Keys, load_entry
from bot.controller.ports import CardRef, Letter
from bot.rollout.errors import Fault
from bot.rollout.model import RolloutId

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RedisOutbox:
    """One stream of letters for each service; a letter's id is its place in the stream."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def pending(self, limit: int = 100) -> Sequence[Letter]:
        """Undelivered letters, oldest first within a service.

        Services take turns: letters that cannot be delivered (a channel was archived) keep nobody else's waiting.
        """
        with faults():
            services = sorted(self._link.smembers(SERVICES))
            pipeline = self._link.pipeline(transaction=False)
            for key in services:
                pipeline.xrange(Keys(service=key).outbox, count=limit)
            streams = pipeline.execute() if services else []
        boxes = [_letters(key, stream) for key, stream in zip(services, streams, strict=True)]
        in_turns = chain.from_iterable(zip_longest(*boxes))
        return list(islice(filter(None, in_turns), limit))

    def done(self, letters: Sequence[Letter]) -> None:
        """Forget delivered letters."""
        by_service: defaultdict[str, list[str]] = defaultdict(list)
        for letter in letters:
            by_service[letter.key].append(letter.id)
        with faults():
            for key, ids in by_service.items():
                self._link.xdel(Keys(service=key).outbox, *ids)

    def card(self, key: str, rollout_id: RolloutId) -> CardRef | None:
        """Where the rollout's card is, if one was posted."""
        with faults():
            found = self._link.hgetall(Keys(service=key).card(rollout_id))
        return CardRef(channel=found["channel"], ts=found["ts"]) if found else None

    def remember_card(self, key: str, rollout_id: RolloutId, card: CardRef) -> None:
        """Keep where the card is, for as long as the rollout's story is kept."""
        with faults():
            self._link.hset(Keys(service=key).card(rollout_id), mapping={"channel": card.channel, "ts": card.ts})


def _letters(key: str, stream: Iterable[tuple[str, Mapping[str, str]]]) -> Sequence[Letter]:
    letters = []
    for place, fields in stream:
        try:
            entry = load_entry(fields["entry"]) if "entry" in fields else None
        except Fault as fault:
            # Left where it is: a newer canary-bot wrote it, and may be back to deliver it.
            log.warning("letter_unreadable", service=key, letter=place, reason=fault.sentence)
            continue
        letters.append(
            Letter(
                id=place,
                key=key,
                rollout_id=RolloutId(fields["rollout"]),
                revision=int(fields["revision"]),
                entry=entry,
            )
        )
    return letters
