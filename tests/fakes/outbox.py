"""An outbox in memory. On its own nobody writes notifications into it: ``InMemoryStore`` is one that does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest

from bot.controller.ports import CardRef, Notification
from bot.model.errors import Fault
from bot.model.rollout import Rollout, RolloutId
from bot.model.story import Entry


class InMemoryOutbox:
    """Words by service, and for each card at most one notification. While ``outage`` is set every call raises it, while
    ``full`` is set every write does, while ``forgetful`` is set only writing down where a card is. While ``noting``
    is set notes of tries are written and raise it all the same, as when only the answer is lost.
    """

    def __init__(self) -> None:
        self.outage: Fault | None = None
        self.full: Fault | None = None
        self.forgetful: Fault | None = None
        self.noting: Fault | None = None
        self._tries: dict[tuple[str, str], int] = {}
        self._notified: set[tuple[str, str]] = set()
        self._words: dict[str, list[Notification]] = {}
        self._out_of_date: dict[tuple[str, RolloutId], int] = {}  # in the order of their becoming so
        self._cards: dict[tuple[str, RolloutId], CardRef] = {}
        self._posted = 0

    def pending(self, limit: int = 100) -> Sequence[Notification]:
        self._answer()
        in_turns = chain.from_iterable(zip_longest(*(self._words[key] for key in sorted(self._words))))
        words = [notification for notification in in_turns if notification is not None][:limit]
        return [*words, *(_card_notification(*where, revision) for where, revision in self._out_of_date.items())]

    def depth(self) -> int:
        self._answer()
        return sum(map(len, self._words.values())) + len(self._out_of_date)

    def done(self, notifications: Sequence[Notification]) -> None:
        self._take()
        for notification in notifications:
            where = (notification.key, notification.rollout_id)
            if (
                notification.entry is None
                and self._out_of_date.get(where, notification.revision + 1) <= notification.revision
            ):
                del self._out_of_date[where]
            elif notification.entry is None and where in self._out_of_date:
                self._out_of_date[where] = self._out_of_date.pop(where)  # to the end of the line
        gone = {(notification.key, notification.id) for notification in notifications}
        self._tries = {place: count for place, count in self._tries.items() if place not in gone}
        self._notified -= gone
        for key, box in self._words.items():
            self._words[key] = [notification for notification in box if (key, notification.id) not in gone]

    def postpone(self, notifications: Sequence[Notification]) -> None:
        self._take()
        for notification in notifications:
            where = (notification.key, notification.rollout_id)
            if notification.entry is None and where in self._out_of_date:
                self._out_of_date[where] = self._out_of_date.pop(where)

    def tries(self, notification: Notification) -> int:
        self._answer()
        return self._tries.get((notification.key, notification.id), 0)

    def note_tries(self, notification: Notification, count: int) -> None:
        self._take()
        self._tries[notification.key, notification.id] = count
        if self.noting is not None:
            raise self.noting

    def notified(self, notification: Notification) -> bool:
        self._answer()
        return (notification.key, notification.id) in self._notified

    def note_notified(self, notification: Notification) -> None:
        self._take()
        self._notified.add((notification.key, notification.id))

    def card(self, key: str, rollout_id: RolloutId) -> CardRef | None:
        self._answer()
        return self._cards.get((key, rollout_id))

    def remember_card(self, key: str, rollout_id: RolloutId, card: CardRef) -> None:
        self._take()
        if self.forgetful is not None:
            raise self.forgetful
        self._cards[key, rollout_id] = card
        self._tries.pop((key, f"card:{rollout_id}"), None)

    def _post(self, rollout: Rollout, entries: Sequence[Entry]) -> None:
        """One notification for each entry, and one for the card."""
        for number, entry in enumerate(entries):
            self._posted += 1
            self._words.setdefault(rollout.key, []).append(
                Notification(
                    id=f"{self._posted}-0",
                    key=rollout.key,
                    rollout_id=rollout.spec.id,
                    revision=rollout.revision,
                    entry=entry,
                    number=number,
                )
            )
        self._out_of_date[rollout.key, rollout.spec.id] = rollout.revision

    def _take(self) -> None:
        self._answer()
        if self.full is not None:
            raise self.full

    def _answer(self) -> None:
        if self.outage is not None:
            raise self.outage


def _card_notification(key: str, rollout_id: RolloutId, revision: int) -> Notification:
    return Notification(id=f"card:{rollout_id}", key=key, rollout_id=rollout_id, revision=revision, entry=None)
