"""A freeze: nobody starts a rollout of a service, or of any, until it is over. Pure; times are seconds since the epoch.

It stops new starts and nothing else. What is live goes on and can still abort: a freeze that aborted it, or kept users
from being brought home, would do harm in just the hours that it is meant for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bot.model.rollout import UserId
from bot.words.sentence import Moment, Person, Sentence, Text, said

ALL = "all"  # the scope of a freeze of every service, also of those that services.yaml gets later


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """One freeze; each scope has at most one.

    Attributes:
        scope: a service's name, or ``ALL``. A service that is called so is frozen with all others only.
        since: when it began, or when it last replaced another.
        until: when it ends; None is until somebody ends it.
        reason: as it was typed, without markup.
    """

    scope: str
    by: UserId
    since: float
    until: float | None
    reason: str

    @property
    def what(self) -> Text:
        """What is frozen, within a sentence."""
        return said("controller.all_services") if self.scope == ALL else self.scope

    def is_over(self, now: float) -> bool:
        """Whether it stops nothing any more."""
        return self.until is not None and self.until <= now

    def covers(self, service: str) -> bool:
        """Whether it is about this service."""
        return self.scope in {ALL, service}


class FreezeAction(StrEnum):
    """What somebody did."""

    FROZE = "froze"
    UNFROZE = "unfroze"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeLine:
    """A line of the story that is kept of all freezes. ``freeze`` is the one that began, or that was ended."""

    at: float
    by: UserId
    action: FreezeAction
    freeze: Freeze


def current(freezes: Iterable[Freeze], now: float) -> tuple[Freeze, ...]:
    """Those that are not over, the one of all services first."""
    live = [freeze for freeze in freezes if not freeze.is_over(now)]
    return tuple(sorted(live, key=lambda freeze: (freeze.scope != ALL, freeze.scope)))


def covering(freezes: Iterable[Freeze], service: str) -> tuple[Freeze, ...]:
    """Those that are about this service: its own, and the one of all."""
    return tuple(freeze for freeze in freezes if freeze.covers(service))


def freeze_sentence(freeze: Freeze) -> Sentence:
    """A freeze in one sentence."""
    who, since, reason = Person(freeze.by), Moment(freeze.since), freeze.reason
    if freeze.until is not None:
        until = Moment(freeze.until)
        if freeze.scope == ALL:
            return said("controller.all_frozen_until", who=who, since=since, until=until, reason=reason)
        return said("controller.frozen_until", name=freeze.scope, who=who, since=since, until=until, reason=reason)
    if freeze.scope == ALL:
        return said("controller.all_frozen", who=who, since=since, reason=reason)
    return said("controller.frozen", name=freeze.scope, who=who, since=since, reason=reason)


def moment(at: float, now: float) -> str:
    """The time of day, with its date unless that is today's; both in UTC."""
    then, today = (datetime.fromtimestamp(t, UTC) for t in (at, now))
    return f"{then:%H:%M} UTC" if then.date() == today.date() else f"{then:%Y-%m-%d %H:%M} UTC"
