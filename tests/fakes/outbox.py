"""An outbox in memory. On its own nobody writes letters into it: ``InMemoryStore`` is one that does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest

from bot.controller.ports import CardRef, Letter
from bot.model.errors import Fault
from bot.model.rollout import Entry, Rollout, RolloutId


class InMemoryOutbox:
    """Words by service, and for each card at most one letter. While ``outage`` is set every call raises it, while
    ``full`` is set every write does, while ``forgetful`` is set only writing down where a card is. While ``noting``
    is set notes of tries are written and raise it all the same, as when only the answer is lost.
    """

    def __init__(self) -> None:
        self.outage: Fault | None = None
        self.full: Fault | None = None
        self.forgetful: Fault | None = None
        self.noting: Fault | None = None
        self._tries: dict[tuple[str, str], int] = {}
        self._told: set[tuple[str, str]] = set()
        self._words: dict[str, list[Letter]] = {}
        self._out_of_date: dict[tuple[str, RolloutId], int] = {}  # in the order of their becoming so
        self._cards: dict[tuple[str, RolloutId], CardRef] = {}
        self._posted = 0

    def pending(self, limit: int = 100) -> Sequence[Letter]:
        self._answer()
        in_turns = chain.from_iterable(zip_longest(*(self._words[key] for key in sorted(self._words))))
        words = [letter for letter in in_turns if letter is not None][:limit]
        return [*words, *(_card_letter(*where, revision) for where, revision in self._out_of_date.items())]

    def depth(self) -> int:
        self._answer()
        return sum(map(len, self._words.values())) + len(self._out_of_date)

    def done(self, letters: Sequence[Letter]) -> None:
        self._take()
        for letter in letters:
            where = (letter.key, letter.rollout_id)
            if letter.entry is None and self._out_of_date.get(where, letter.revision + 1) <= letter.revision:
                del self._out_of_date[where]
            elif letter.entry is None and where in self._out_of_date:
                self._out_of_date[where] = self._out_of_date.pop(where)  # to the end of the line
        gone = {(letter.key, letter.id) for letter in letters}
        self._tries = {place: count for place, count in self._tries.items() if place not in gone}
        self._told -= gone
        for key, box in self._words.items():
            self._words[key] = [letter for letter in box if (key, letter.id) not in gone]

    def postpone(self, letters: Sequence[Letter]) -> None:
        self._take()
        for letter in letters:
            where = (letter.key, letter.rollout_id)
            if letter.entry is None and where in self._out_of_date:
                self._out_of_date[where] = self._out_of_date.pop(where)

    def tries(self, letter: Letter) -> int:
        self._answer()
        return self._tries.get((letter.key, letter.id), 0)

    def note_tries(self, letter: Letter, count: int) -> None:
        self._take()
        self._tries[letter.key, letter.id] = count
        if self.noting is not None:
            raise self.noting

    def told(self, letter: Letter) -> bool:
        self._answer()
        return (letter.key, letter.id) in self._told

    def note_told(self, letter: Letter) -> None:
        self._take()
        self._told.add((letter.key, letter.id))

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
        """One letter for each entry, and one for the card."""
        for number, entry in enumerate(entries):
            self._posted += 1
            self._words.setdefault(rollout.key, []).append(
                Letter(
                    id=f"{self._posted}-0",
                    key=rollout.key,
                    rollout_id=rollout.id,
                    revision=rollout.revision,
                    entry=entry,
                    number=number,
                )
            )
        self._out_of_date[rollout.key, rollout.id] = rollout.revision

    def _take(self) -> None:
        self._answer()
        if self.full is not None:
            raise self.full

    def _answer(self) -> None:
        if self.outage is not None:
            raise self.outage


def _card_letter(key: str, rollout_id: RolloutId, revision: int) -> Letter:
    return Letter(id=f"card:{rollout_id}", key=key, rollout_id=rollout_id, revision=revision, entry=None)
