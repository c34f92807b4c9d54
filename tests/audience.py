"""What must hold of all that a channel is asked and called to, whatever goes wrong: read off each revision of a rollout
as it is stored, so that nothing between two looks is missed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bot.adapters.serialization import load_entry, load_rollout
from bot.adapters.signatures import unsigned
from bot.controller.ports import Store
from bot.model.errors import CanaryError, Unreadable
from bot.model.figures import Verdict
from bot.model.rollout import BOT, Question, QuestionKind, Rollout, RolloutId
from bot.model.story import Entry, EntryKind
from bot.rollout.questions import CALL_AGAIN
from bot.slack.wording import needs_approval
from bot.words.rendering import plain
from sandbox.wire import Request, System

RECORD = '{"schema":'
_FIGURES = re.compile(r"[\d.,]+")


class Written(NamedTuple):
    """One revision, with the lines of its story that are stored with it."""

    rollout: Rollout
    entries: Sequence[Entry]


class Call(NamedTuple):
    """What people are called to: the same thing in the same stage is one."""

    rollout: RolloutId
    stage: int
    entered: float
    kind: EntryKind
    about: str


def written_in(request: Request) -> Written | None:
    """The revision that a script of the store's writes; None where it writes none, or nobody can read it."""
    if request.system is not System.REDIS or request.kind != "EVAL":
        return None
    words = [word for word in request.body if isinstance(word, str) and word.startswith("{")]
    if not words or not words[0].startswith(RECORD):
        return None
    with contextlib.suppress(Unreadable):
        return Written(load_rollout(unsigned(words[0])), [load_entry(unsigned(word)) for word in words[1:]])
    return None


class Audience:
    """Everybody in the channel, who notices what they should not have been asked or called to.

    Attributes:
        wrong: what that was, in the order in which it was written.
    """

    def __init__(self) -> None:
        self.wrong: dict[str, None] = {}
        self._called: dict[Call, tuple[float, int]] = {}  # when, and in which revision

    def note(self, request: Request, store: Store) -> None:
        """A request that was served: a revision that it stored is one that people may see."""
        written = written_in(request)
        with contextlib.suppress(CanaryError):  # somebody may have damaged it since
            newest = written and store.load(written.rollout.key, written.rollout.spec.id)
            if written and newest and newest.revision == written.rollout.revision:
                self.read(written)

    def read(self, written: Written) -> None:
        """One revision more."""
        self.wrong |= dict.fromkeys([*_asked_too_soon(written.rollout), *self._called_twice(written)])

    def _called_twice(self, written: Written) -> Iterator[str]:
        """Nobody is called twice within ten minutes to one thing in one stage, by the bot's own clock."""
        for entry in written.entries:
            if entry.by != BOT:
                self._answered(written.rollout.spec.id)
            call = _call(written.rollout, entry)
            if call is None:
                continue
            at, revision = self._called.get(call, (entry.at, 0))
            # A revision that is written anew was lost by Redis, and with it that people were called.
            if 0 < entry.at - at < CALL_AGAIN and revision < written.rollout.revision:
                yield f"called to {call.about} again after {entry.at - at:g} s: {plain(entry.text)}"
            self._called[call] = entry.at, written.rollout.revision

    def _answered(self, rollout: RolloutId) -> None:
        """Somebody has decided: what alarms after that is news to them. A question remembers that it was asked."""
        alarms = [call for call in self._called if call.rollout == rollout and call.kind is not EntryKind.ASK]
        for call in alarms:
            del self._called[call]


def _asked_too_soon(rollout: Rollout) -> Iterator[str]:
    """No question is plain while the verdict is not a pass."""
    standing, judgement = rollout.question or Question(), rollout.judgement
    if not needs_approval(rollout) or standing.kind is not QuestionKind.PLAIN:
        return
    if judgement is None or judgement.verdict is not Verdict.PASS:
        verdict = judgement.verdict if judgement is not None else "nothing"
        yield f"a plain question at {rollout.current.name}, revision {rollout.revision}, on {verdict}"


def _call(rollout: Rollout, entry: Entry) -> Call | None:
    """What this line calls approvers to; None where it calls nobody."""
    if entry.kind is EntryKind.ASK:
        about = (rollout.question or Question()).about
    elif entry.kind in {EntryKind.ALERT, EntryKind.HALTED}:
        about = _FIGURES.sub("", plain(entry.text))  # another change, or another cause, is another thing
    else:
        return None
    return Call(rollout.spec.id, rollout.stage, rollout.since, entry.kind, about)
