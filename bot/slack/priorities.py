"""Which letter goes first, and which two are the same. Pure; what letters are is ``bot.controller.ports``' business."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.controller.ports import Letter
from bot.model.rollout import EntryKind, Rollout, RolloutId
from bot.slack.rate_limits import POSTS_BURST
from bot.slack.thread import LOUD

BAD_NEWS = frozenset({EntryKind.ABORTING, EntryKind.HALTED, EntryKind.ALERT})
# Entries after which a card has other buttons than before.
BUTTONS_CHANGE = LOUD | {EntryKind.ASK, EntryKind.APPROVED}

Where = tuple[str, RolloutId]
Said = tuple[object, ...]


def by_rollout(letters: Iterable[Letter]) -> dict[Where, list[Letter]]:
    """Letters of each rollout, both in the order they came in."""
    mail: dict[Where, list[Letter]] = {}
    for letter in letters:
        mail.setdefault((letter.key, letter.rollout_id), []).append(letter)
    return mail


def rank(letter: Letter) -> int:
    """What is delivered first: aborts and alerts, then questions, then everything else that is said, then cards."""
    if letter.entry is None:
        return 3
    return 0 if is_bad_news(letter) else 1 if is_question(letter) else 2


def is_bad_news(letter: Letter) -> bool:
    """Whether people must know before anything else is said."""
    return letter.entry is not None and letter.entry.kind in BAD_NEWS


def is_question(letter: Letter) -> bool:
    """Whether people are asked to decide."""
    return letter.entry is not None and letter.entry.kind is EntryKind.ASK


def in_order(letters: Sequence[Letter]) -> Sequence[Letter]:
    """As they happened; but the worst news does not wait behind more lines than can be said at once."""
    late = any(map(is_bad_news, letters[POSTS_BURST:]))
    return sorted(letters, key=lambda letter: not is_bad_news(letter)) if late else letters


def identity(letter: Letter) -> Said:
    """The same for a change that had to be decided and written again. What is loud is rather said twice than lost."""
    if letter.entry is None:
        return ()
    kind = letter.entry.kind
    loud = letter.entry.text if kind in LOUD else ""
    return (letter.key, letter.rollout_id, letter.revision, kind, letter.number, loud)


def card_letter(rollout: Rollout) -> Letter:
    """The letter that its card is out of date, as far as this revision."""
    return Letter(
        id=f"card:{rollout.id}", key=rollout.key, rollout_id=rollout.id, revision=rollout.revision, entry=None
    )


def changes_buttons(letter: Letter) -> bool:
    """Whether the card has other buttons since."""
    return letter.entry is not None and letter.entry.kind in BUTTONS_CHANGE
