"""Two families of errors, and no third.

A *refusal* is a person's: what they asked for is not possible now. Its text is written for them, says what is so and
what to do, and is shown to them alone. A *fault* is the world's: something outside did not do what it should.

    CanaryError (never raised itself)
    +-- Refusal          the person gets the sentence; nothing has changed
    |   +-- Disbelieved  what was found in the store or on an object may be forged; people have to know
    +-- Fault            an outside system failed; ``system`` says which
        +-- Contended    somebody else changed the object first; look again
        +-- Unreadable   there is a record, or there are annotations, that this version cannot read
        +-- Stale        our copy of the rollout is older than the stored one; load it again

Channels that have to tell more apart have kinds of their own below one of the two: ``OutOfDate`` in the controller,
``SlackFault`` in Slack's room, ``Unanswered`` beside Kubernetes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.words.rendering import plain
from bot.words.sentence import Text, said


class CanaryError(Exception):
    """What the product raises on purpose. ``text`` is for people; ``str`` is the same in English, for programmers."""

    def __init__(self, text: Text) -> None:
        self.text = text
        super().__init__(plain(text))


class Refusal(CanaryError):  # noqa: N818  # a refusal is not an error of ours
    """Asked for, and not possible now: a sentence for the person, with every reason at once."""

    def __init__(self, sentence: Text, reasons: Sequence[Text] = ()) -> None:
        self.sentence = sentence
        self.reasons = tuple(reasons)
        whole = said("words.with_reasons", sentence=sentence, reasons=self.reasons)
        super().__init__(whole if reasons else sentence)


class Cause(StrEnum):
    """What kind of failure it was, for whoever decides by it; people read the sentence."""

    UNREACHABLE = "unreachable"  # no answer, or one that makes no sense
    TIMED_OUT = "timed out"
    MISSING = "missing"  # it does not exist: 404
    FORBIDDEN = "forbidden"  # we may not: 401, 403
    REFUSED = "refused"  # understood and turned down: admission, quota, validation


class Fault(CanaryError):  # noqa: N818  # the field says fault
    """An outside system failed. The text holds no secret and no raw answer of that system."""

    def __init__(self, system: str, sentence: Text, cause: Cause = Cause.UNREACHABLE) -> None:
        self.system = system
        self.sentence = sentence
        self.cause = cause
        super().__init__(said("words.of_system", system=system, sentence=sentence))


class Contended(Fault):
    """Somebody else wrote the object between our read and our write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What can be made out of a rollout's record that cannot be read as a whole; "" and empty where it cannot.

    Attributes:
        virtual_service: the name of the object that the rollout moves users with, where its annotations are.
        channel: where it was told of.
        approvers: who may decide, as its own rule names them.
    """

    virtual_service: str = ""
    channel: str = ""
    approvers: tuple[str, ...] = ()


class Disbelieved(Refusal):
    """Somebody left something where the bot keeps what it remembers, and it is not believed; people have to know."""


class Unreadable(Fault):
    """The system was reached, and what it holds of ours cannot be read: a newer version wrote it, or it is damaged."""

    def __init__(self, system: str, sentence: Text, remains: Remains = Remains()) -> None:  # frozen
        self.remains = remains
        super().__init__(system, sentence)


class Stale(Fault):
    """The stored rollout has moved on since ours was loaded."""
