"""Where one thing's failure ends: whatever goes wrong while one rollout or service is looked at is that one's alone.

Adapters raise ``Fault`` for what the world does. Anything else is a mistake of ours, or an object that nobody thought
of; here it becomes a ``Fault`` as well, of the kind ``Broken``, so that it is told, counted and survived in the same
places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bot.model.errors import Fault, Refusal
from bot.words.sentence import Text, said

OURSELVES = "canary-bot"


class Broken(Fault):
    """Something in the bot itself failed. ``error`` is for the log: its text may hold anything."""

    def __init__(self, error: Exception, doing: Text) -> None:
        self.error = error
        internal = said("controller.internal_error", error=type(error).__name__)
        why = error.sentence if isinstance(error, Refusal) else internal
        super().__init__(OURSELVES, said("controller.could_not", doing=doing, why=why))


@contextmanager
def contained(doing: Text) -> Iterator[None]:
    """Whatever is raised inside leaves as a ``Fault``; ``doing`` completes "Could not ..."."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        raise Broken(error, doing) from error


def broken(error: Exception, doing: Text) -> Fault:
    """The same where something was caught already."""
    return error if isinstance(error, Fault) else Broken(error, doing)


def kind(fault: Fault) -> str:
    """A word for what failed, from a short list: a system's name, or the kind of error inside the bot."""
    return type(fault.error).__name__ if isinstance(fault, Broken) else fault.system.lower()
