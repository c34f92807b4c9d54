"""An outbox in memory. On its own nobody writes letters into it: ``InMemoryStore`` is one that does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest

from bot.controller.ports import CardRef, Letter
from bot.rollout.errors import Fault
from bot.rollout.model import Entry, Rollout, RolloutId


class InMemoryOutbox:
    """Letters by service. While ``outage`` is set every call raises it."""

    def __init__(self) -> None:
        self.outage: Fault | None = None
        self._letters: dict[str, list[Letter]] = {}
        self._cards: dict[tuple[str, RolloutId], CardRef] = {}
        self._posted = 0

    def pending(self, limit: int = 100) -> Sequence[Letter]:
        self._answer()
        in_turns = chain.from_iterable(zip_longest(*(self._letters[key] for key in sorted(self._letters))))
        return [letter for letter in in_turns if letter is not None][:limit]

    def done(self, letters: Sequence[Letter]) -> None:
        self._answer()
        gone = {(letter.key, letter.id) for letter in letters}
        for key, box in self._letters.items():
            self._letters[key] = [letter for letter in box if (key, letter.id) not in gone]

    def card(self, key: str, rollout_id: RolloutId) -> CardRef | None:
        self._answer()
        return self._cards.get((key, rollout_id))

    def remember_card(self, key: str, rollout_id: RolloutId, card: CardRef) -> None:
        self._answer()
        self._cards[key, rollout_id] = card

    def _post(self, rollout: Rollout, entries: Sequence[Entry]) -> None:
        """One letter for each entry, and one for the card."""
        for entry in (*entries, None):
            self._posted += 1
            self._letters.setdefault(rollout.key, []).append(
                Letter(
                    id=f"{self._posted}-0",
                    key=rollout.key,
                    rollout_id=rollout.id,
                    revision=rollout.revision,
                    entry=entry,
                )
            )

    def _answer(self) -> None:
        if self.outage is not None:
            raise self.outage
