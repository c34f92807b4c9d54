"""Webhooks are called beside everything else: no lock is held, and no reconcile, abort or heartbeat waits for one.

A reconcile says what is due, and a thread of its own calls it and notes the answer like a command. Of one rollout one
call is under way at a time, and the next begins once the answer is stored: whoever dies leaves one answer unwritten,
for which the next process calls again, with the same key. What the store does not take is kept here and offered again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bot.controller.containment import contained
from bot.controller.ports import Clock, WebhookCaller
from bot.model.errors import Fault
from bot.model.rollout import Rollout
from bot.rollout.hooks import Answer, Call, body, due, unanswered
from bot.words.sentence import Text, said

MOST_AT_ONCE = 32  # calls
MOST_UNSTORED = 1000  # answers: those of rollouts that nobody looks at any more go in the end

Run = Callable[[Callable[[], None]], None]


def in_a_thread(work: Callable[[], None]) -> None:
    """Whoever ends the process does not wait for it."""
    threading.Thread(target=work, name="webhook", daemon=True).start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is stored of rollouts, for their calls.

    Attributes:
        read: the rollout as it is stored now; None where there is none, or it cannot be read.
        keep: stores an answer and goes on by it; tells the rollout with it, or None where it could not be stored.
    """

    read: Callable[[Rollout], Rollout | None]
    keep: Callable[[Rollout, Answer], Rollout | None]


class Webhooks:
    """The calls of one process. Its methods may be called from any thread."""

    def __init__(self, caller: WebhookCaller, clock: Clock, run: Run = in_a_thread) -> None:
        self._caller = caller
        self._clock = clock
        self._run = run
        self._lock = threading.Lock()
        self._under_way: set[str] = set()  # their keys
        self._unstored: dict[str, Answer] = {}  # by key, the latest last

    def call_due(self, rollout: Rollout, record: Record) -> None:
        """Begin the call that is due for this rollout; or store its answer, where that is known."""
        now = self._clock.now()
        keys = {call.key(rollout) for call in unanswered(rollout, now)}
        for call in due(rollout, now):
            if self._reserve(call.key(rollout), keys):
                self._run(lambda call=call: self._finish(rollout, call, record))  # type: ignore[misc]

    def _reserve(self, key: str, keys: AbstractSet[str]) -> bool:
        """Whether this call may begin: none of ``keys`` is under way, or has an answer that waits to be stored.

        Nothing waits for what the rollout has left behind, or has the last answer to, whoever stored that: neither is
        called again.
        """
        with self._lock:
            busy = keys & (self._under_way | self._unstored.keys() - {key})
            if key in self._under_way or busy or len(self._under_way) >= MOST_AT_ONCE:
                return False
            self._under_way.add(key)
            return True

    def _finish(self, rollout: Rollout, call: Call, record: Record) -> None:
        key = call.key(rollout)
        answer, stored = self._unstored.get(key), None
        try:
            answer = answer or self._ask(rollout, call, record)
            stored = None if answer is None else record.keep(rollout, answer)
        finally:
            self._note(key, answer if stored is None else None)
        if stored is not None:
            self.call_due(stored, record)

    def _note(self, key: str, unstored: Answer | None) -> None:
        """The call is over, and there may be an answer that could not be stored."""
        with self._lock:
            self._under_way.discard(key)
            self._unstored.pop(key, None)
            if unstored is not None:
                self._unstored[key] = unstored
            if len(self._unstored) > MOST_UNSTORED:
                del self._unstored[next(iter(self._unstored))]

    def _ask(self, rollout: Rollout, call: Call, record: Record) -> Answer | None:
        """What it answers; None where, by what is stored by now, there is nothing to ask."""
        latest = record.read(rollout)
        if latest is None or call not in due(latest, self._clock.now()):
            return None
        return Answer(call=call, tries=call.tries(latest), failure=self._failure(latest, call))

    def _failure(self, rollout: Rollout, call: Call) -> Text:
        """Why it did not say yes; "" where it did."""
        now = self._clock.now()
        try:
            with contained(said("controller.doing_webhook", name=call.hook.name)):
                self._caller.call(call.hook, call.key(rollout), body(rollout, call, now), now)
        except Fault as fault:
            return fault.sentence
        return ""
