"""Whose App Home is shown, and when it is shown anew: at once when something is decided, now and then for figures.

A Home that somebody has open does not ask for anything: it shows what was published last. So whoever opened theirs in
the last day gets it again when it changes, as far as Slack lets us publish.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from bot.controller.containment import contained
from bot.controller.ports import Clock
from bot.model.errors import Fault, Refusal
from bot.slack.accounts import Person
from bot.slack.client import CountingClient
from bot.slack.forms import View
from bot.slack.requester import SLACK_FAILURES
from bot.words.sentence import said

A_DAY = 86400.0  # seconds
MOST_PEOPLE = 200
AT_ONCE = 6  # pages in one refresh: with one each five seconds that is Slack's allowance with room for those who click
FIGURES_EVERY = 30.0  # seconds between two pages of a reader between which only figures have changed

S = TypeVar("S")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source(Generic[S]):
    """Where pages come from: what is the same for everybody, what of it is worth a page at once, and one's own page."""

    state: Callable[[], S]
    decided: Callable[[S], Hashable]
    page: Callable[[Person, S], View]


@dataclass(slots=True)
class _Shown:
    """What somebody's Home shows: when they opened it, and what was published last."""

    person: Person
    opened: float
    at: float
    view: View
    decided: Hashable


class AppHomes(Generic[S]):
    """One per process: each replica looks after the pages that were opened through it."""

    def __init__(self, client: CountingClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._source: Source[S] | None = None
        self._shown: OrderedDict[str, _Shown] = OrderedDict()
        self._lock = threading.Lock()

    def use(self, source: Source[S]) -> None:
        """Take pages from there."""
        self._source = source

    def open(self, person: Person) -> None:
        """Show somebody their page; a page that cannot be had is logged."""
        source = self._source
        if source is None:
            return
        try:
            with contained(said("slack.doing_home")):
                state = source.state()
                self._publish(person, source.page(person, state), source.decided(state), self._clock.now())
        except (Fault, Refusal) as error:
            log.warning("slack.home_not_published", reason=error.sentence)

    def refresh(self) -> None:
        """Show everybody what has changed on their page, those who have waited longest first.

        Raises:
            Fault: what is on the pages cannot be read now.
        """
        now, source = self._clock.now(), self._source
        waiting = self._waiting(now)
        if source is None or not waiting:
            return
        state = source.state()
        decided = source.decided(state)
        left = AT_ONCE
        for shown in waiting:
            if decided == shown.decided and now - shown.at < FIGURES_EVERY:
                continue
            view = source.page(shown.person, state)
            if _same(view, shown.view):
                shown.decided = decided
                continue
            self._publish(shown.person, view, decided, shown.opened)
            left -= 1
            if not left:
                return

    def _waiting(self, now: float) -> list[_Shown]:
        with self._lock:
            for user in [user for user, one in self._shown.items() if now - one.opened > A_DAY]:
                del self._shown[user]
            return sorted(self._shown.values(), key=lambda one: one.at)

    def _publish(self, person: Person, view: View, decided: Hashable, opened: float) -> None:
        try:
            self._client.views_publish(user_id=person.id, view=view)
        except SLACK_FAILURES as error:
            log.warning("slack.home_not_published", error=type(error).__name__)
            return
        now = self._clock.now()
        with self._lock:
            self._shown[person.id] = _Shown(person, opened, now, view, decided)
            while len(self._shown) > MOST_PEOPLE:
                self._shown.popitem(last=False)


def _same(one: View, other: View) -> bool:
    """Whether two pages differ in their last block alone, which tells the time."""
    return bool(one["blocks"][:-1] == other["blocks"][:-1])
