"""Which notification goes first, and which two are the same. Pure; what notifications are is ``bot.controller.ports``'
business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.controller.ports import Notification
from bot.model.rollout import BOT, Rollout, RolloutId
from bot.model.story import Entry, EntryKind
from bot.slack.rate_limits import DECIDED_AFTER, FIGURES_AFTER, HAPPENED_AFTER, POSTS_BURST
from bot.slack.thread import LOUD

BAD_NEWS = frozenset({EntryKind.ABORTING, EntryKind.HALTED, EntryKind.ALERT})

Where = tuple[str, RolloutId]
Identity = tuple[object, ...]


def by_rollout(notifications: Iterable[Notification]) -> dict[Where, list[Notification]]:
    """Notifications of each rollout, both in the order they came in."""
    mail: dict[Where, list[Notification]] = {}
    for notification in notifications:
        mail.setdefault((notification.key, notification.rollout_id), []).append(notification)
    return mail


def rank(notification: Notification) -> int:
    """What is delivered first: aborts and alerts, then questions and what everybody should know, then everything else
    that is said, then cards.
    """
    entry = notification.entry
    if entry is None:
        return 3
    return 0 if is_bad_news(notification) else 1 if entry.loud or is_question(notification) else 2


def is_bad_news(notification: Notification) -> bool:
    """Whether people must know before anything else is said."""
    return notification.entry is not None and notification.entry.kind in BAD_NEWS


def is_abort(notification: Notification) -> bool:
    """Whether it says that an abort was decided."""
    return notification.entry is not None and notification.entry.kind is EntryKind.ABORTING


def is_question(notification: Notification) -> bool:
    """Whether people are asked to decide."""
    return notification.entry is not None and notification.entry.kind is EntryKind.ASK


def edits_after(notifications: Iterable[Notification]) -> float:
    """How many seconds after its last edit a card is edited because of these."""
    entries = [one.entry for one in notifications if one.entry is not None]
    if any(entry.by != BOT or _is_loud(entry) for entry in entries):
        return DECIDED_AFTER
    return HAPPENED_AFTER if entries else FIGURES_AFTER


def in_order(notifications: Sequence[Notification]) -> Sequence[Notification]:
    """As they happened; but the worst news does not wait behind more lines than can be said at once."""
    late = any(map(is_bad_news, notifications[POSTS_BURST:]))
    return sorted(notifications, key=lambda notification: not is_bad_news(notification)) if late else notifications


def identity(notification: Notification) -> Identity:
    """The same for a change that had to be decided and written again. What is loud is rather said twice than lost."""
    if notification.entry is None:
        return ()
    kind = notification.entry.kind
    loud = notification.entry.text if _is_loud(notification.entry) else ""
    return (notification.key, notification.rollout_id, notification.revision, kind, notification.number, loud)


def _is_loud(entry: Entry) -> bool:
    return entry.loud or entry.kind in LOUD


def card_notification(rollout: Rollout) -> Notification:
    """The notification that its card is out of date, as far as this revision."""
    return Notification(
        id=f"card:{rollout.spec.id}", key=rollout.key, rollout_id=rollout.spec.id, revision=rollout.revision, entry=None
    )
