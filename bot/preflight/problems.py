"""What a check says: a problem, whether it stops a start, and what to do about it.

Only what is surely wrong blocks. What is doubtful, or cannot be known here (no pods to be seen, a Prometheus that does
not answer), warns: a person reads it before the first users move, and decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from bot.cluster.objects import Object, name_of
from bot.words.rendering import plain
from bot.words.sentence import Code, Sentence, Text, said, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding.

    ``about`` says what it is about where others have to know: the name of a Deployment or an object, so that the same
    trouble is not told twice, or a kind of problem (``permissions``, ``init``) by which a caller goes.
    """

    blocking: bool
    sentence: Text
    remedy: Text
    about: str = ""

    @property
    def text(self) -> Text:
        """What is so and what to do, one after the other."""
        return together((self.sentence, self.remedy))

    def __str__(self) -> str:
        return plain(self.text)


def in_a_row(problems: Iterable[Problem]) -> tuple[Text, ...]:
    """Warnings, which are told one after the other: each once, in order.

    Of neighbours with one remedy, such as the two sides', only the last says what to do.
    """
    found = list({problem.text: problem for problem in problems}.values())
    following = [problem.remedy for problem in found[1:]]
    return tuple(
        problem.sentence if problem.remedy == after else problem.text
        for problem, after in zip_longest(found, following)
    )


def blocks(sentence: Text, *, remedy: Text, about: str = "") -> Problem:
    """Nothing may begin while this is so."""
    return Problem(blocking=True, sentence=sentence, remedy=remedy, about=about)


def warns(sentence: Text, *, remedy: Text, about: str = "") -> Problem:
    """A person should know this and may accept it."""
    return Problem(blocking=False, sentence=sentence, remedy=remedy, about=about)


def kubectl(*words: str, namespace: str = "") -> Code:
    """A command to paste; what is a word of its own comes as one. ``namespace``: of what it is about, if it has one."""
    there = ("-n", namespace) if namespace else ()
    return command("kubectl", *there, *words)


def patch(thing: Object, changes: Sequence[Object], namespace: str) -> Code:
    """A command that makes these changes of a JSON patch in an object of Istio's.

    They name entries by their places, so the API server refuses it where the object was changed since it was read.
    """
    version = thing["metadata"].get("resourceVersion")
    unchanged = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}] if version else []
    written = json.dumps([*unchanged, *changes], separators=(",", ":"))
    kind = str(thing.get("kind", "VirtualService")).lower()
    return kubectl("patch", kind, name_of(thing), "--type=json", "-p", f"'{written}'", namespace=namespace)


def canary_bot(*words: str) -> Code:
    """A command of our own for the shell."""
    return command("canary-bot", *words)


def command(*words: str) -> Code:
    """Any command to paste, by its words."""
    return Code(" ".join(words))


INIT = "init"  # what a problem is about whose object ``init`` would create


def init_remedy(service: str) -> Sentence:
    """How what a service needs is shown, and written."""
    shows, creates = canary_bot("init", service), canary_bot("init", service, "--apply")
    return said("preflight.init", shows=shows, creates=creates)
