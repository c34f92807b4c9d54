"""What people type after ``/canary``, as a value. Pure: no Slack, no clock; nothing here knows which rollouts exist.

People type on phones. Smart quotes, dashes that an editor joined (``—weights``), capitals at the start of a sentence
and mentions wrapped in markup all mean what they look like. Everything else that is not in the grammar is refused with
the line that would have worked.
"""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.model.errors import Refusal
from bot.model.freeze import ALL
from bot.rollout.plans import Overrides, check_weights

COMMAND = "/canary"
SERVICE_NAME = re.compile(r"[a-z0-9-]{1,63}")
IN_NAMESPACE = re.compile(r"[a-z0-9-]{1,63}/[a-z0-9-]{1,63}")
VERSION_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
LONGEST_REASON = 500
LONGEST_STAGE = 24 * 3600  # seconds; longer is a slip of the thumb
LONGEST_FREEZE = 30 * 24 * 3600

_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff\x00-\x08\x0e-\x1f\x7f]")
_QUOTES = re.compile(r"[\"'`\u2018-\u201f\u00ab\u00bb]")
_DASHES = re.compile(r"^(?:--?|[\u2010-\u2015\u2212]+-?)(?=[A-Za-z])")  # one hyphen, two, or what a phone made of them
_MARKUP = re.compile(r"<(?P<sign>[@#!]?)(?P<target>[^<>|]*)(?:\|(?P<label>[^<>]*))?>")
_DURATION = re.compile(r"(?=.)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")


class Verb(StrEnum):
    """What can be asked for."""

    START = "start"
    STATUS = "status"
    LIST = "list"
    APPROVE = "approve"
    ABORT = "abort"
    ABANDON = "abandon"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    ACCEPT = "accept"
    RESTORE = "restore"
    WHY = "why"
    PLAN = "plan"
    HISTORY = "history"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    SERVICES = "services"
    HELP = "help"


GRAMMAR: dict[Verb, tuple[str, str]] = {
    Verb.START: ("start SERVICE VERSION [--weights 10,50,100] [--for 5m] [--auto]", "begin a canary"),
    Verb.STATUS: ("status [SERVICE]", "where it is"),
    Verb.LIST: ("list", "everything in flight"),
    Verb.APPROVE: ("approve [SERVICE]", "let it go on"),
    Verb.ABORT: ("abort [SERVICE] [REASON]", "everyone back to the healthy side, now"),
    Verb.ABANDON: ("abandon [SERVICE] [REASON]", "end a rollout and leave users where they are"),
    Verb.PAUSE: ("pause [SERVICE]", "stay where it is, still watched"),
    Verb.RESUME: ("resume [SERVICE]", "end the pause"),
    Verb.RETRY: ("retry [SERVICE]", "try a halted step again"),
    Verb.ACCEPT: ("accept [SERVICE]", "take a halted rollout as it is"),
    Verb.RESTORE: ("restore [SERVICE]", "undo a change somebody else made to the routes"),
    Verb.WHY: ("why [SERVICE]", "every check with its figures"),
    Verb.PLAN: ("plan SERVICE VERSION", "what a start would do, without doing it"),
    Verb.HISTORY: ("history [SERVICE]", "earlier rollouts"),
    Verb.FREEZE: (
        "freeze [SERVICE|all] [--for 2h] REASON",
        "nothing starts until it is over; what is live goes on",
    ),
    Verb.UNFREEZE: ("unfreeze [SERVICE|all]", "end a freeze"),
    Verb.SERVICES: ("services", "what can be released, and what is frozen"),
    Verb.HELP: ("help", "this list"),
}

# Words of other tools: answered with ours, never obeyed, so that nothing happens that was not meant.
_SYNONYMS = {
    "stop": Verb.ABORT, "cancel": Verb.ABORT, "undo": Verb.ABORT, "revert": Verb.ABORT, "hold": Verb.PAUSE,
    "continue": Verb.RESUME, "unpause": Verb.RESUME, "promote": Verb.APPROVE, "yes": Verb.APPROVE, "ok": Verb.APPROVE,
    "deploy": Verb.START, "release": Verb.START, "run": Verb.START, "ls": Verb.LIST, "show": Verb.STATUS,
    "lock": Verb.FREEZE, "block": Verb.FREEZE, "unlock": Verb.UNFREEZE, "unblock": Verb.UNFREEZE, "thaw": Verb.UNFREEZE,
}  # fmt: skip

_NOT_YET = {
    "set": "Shares are fixed at the start: `{command} start SERVICE VERSION --weights 10,50,100`.",
    "back": "To stay where it is use `{command} pause SERVICE`; to take everyone back use `{command} abort SERVICE`.",
    "rollback": "While a rollout is live, `{command} abort SERVICE` takes everyone back.",
}

AS_CONFIGURED = Overrides()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person asked for. ``service`` is None where they left it out: then it must be clear from what is live.

    A ``start`` without a version was typed without anything: the person wants the form. For a freeze and its end
    ``service`` may be ``ALL``; ``seconds`` is how long a freeze lasts, None until somebody ends it.
    """

    verb: Verb
    service: str | None = None
    version: str = ""
    reason: str = ""
    overrides: Overrides = AS_CONFIGURED
    seconds: float | None = None


def parse(text: str, known: Sequence[str] = (), command: str = COMMAND) -> Command:
    """The command in ``text`` (what follows ``/canary``). ``known`` are the names of the services there are.

    Raises:
        Refusal: it is none; the sentence says what would be.
    """
    words = _words(text)
    if not words:
        return Command(verb=Verb.HELP)
    verb = _verb(words[0].lower(), command)
    rest = words[1:]
    match verb:
        case Verb.START | Verb.PLAN:
            return _start(verb, rest, known, command)
        case Verb.ABORT | Verb.ABANDON:
            return _with_reason(verb, rest, known)
        case Verb.FREEZE:
            return _freeze(rest, known, command)
        case Verb.LIST | Verb.SERVICES | Verb.HELP:
            return Command(verb=verb)
        case _:
            return _about_one(verb, rest, known, command)


def usage(verb: Verb, command: str = COMMAND) -> str:
    """The line that would have worked."""
    return f"Usage: `{command} {GRAMMAR[verb][0]}`"


def service_name(word: str, known: Sequence[str] = ()) -> str:
    """A service's name as it may stand in keys, labels and messages.

    Raises:
        Refusal: no service can be called that, or there is none of that name.
    """
    name = word.lower()
    if not SERVICE_NAME.fullmatch(name):
        raise Refusal("A service's name has small letters, digits and hyphens only, at most 63 of them.")
    if known and name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(sorted(known)[:20])}."
        raise Refusal(f"There is no service {name}. {hint}")
    return name


def version_name(word: str) -> str:
    """A version as it may stand in object names, labels and messages.

    Raises:
        Refusal: no version can be called that.
    """
    if not VERSION_NAME.fullmatch(word):
        raise Refusal("A version has letters, digits, dots, hyphens and underscores only, at most 128 of them.")
    return word


def duration(word: str) -> float:
    """Seconds of ``90s``, ``5m``, ``1h30m``.

    Raises:
        Refusal: it is no length of time between a second and a day.
    """
    total = _seconds(word)
    if not 0 < total <= LONGEST_STAGE:
        raise Refusal("Write how long each step lasts as 90s, 5m or 1h30m, at most 24h.")
    return total


def freeze_duration(word: str) -> float:
    """Seconds of ``90s``, ``5m``, ``1h30m``, ``2d``.

    Raises:
        Refusal: it is no length of time between a second and thirty days.
    """
    total = _seconds(word)
    if not 0 < total <= LONGEST_FREEZE:
        raise Refusal("Write how long the freeze lasts as 90s, 5m, 1h30m or 2d, at most 30d.")
    return total


def weights(word: str) -> tuple[int, ...]:
    """Canary shares of ``10,50,100``, with or without percent signs.

    Raises:
        Refusal: they are no rising list of whole percent that ends at 100.
    """
    shares = [part.strip().removesuffix("%") for part in word.split(",")]
    if not all(share.isascii() and share.isdigit() and len(share) <= 3 for share in shares):  # noqa: PLR2004  # 100 has three
        raise Refusal("Write the weights as rising percent with commas between them, such as --weights 10,50,100.")
    chosen = tuple(int(share) for share in shares)
    check_weights(chosen)
    return chosen


def _seconds(word: str) -> float:
    """The length of time that is written there; 0 for none."""
    found = _DURATION.fullmatch(word.lower())
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    return float(days * 86400 + hours * 3600 + minutes * 60 + seconds)


def _words(text: str) -> list[str]:
    """The words as they were meant: markup undone, what phones add taken away again."""
    plain = html.unescape(_MARKUP.sub(_label, text))
    return _INVISIBLE.sub("", plain).split()


def _label(found: re.Match[str]) -> str:
    """``<@U123|maya>`` reads @maya, ``<https://x|y>`` reads https://x: what the person saw or meant."""
    sign, target, label = found["sign"], found["target"], found["label"] or ""
    if sign:
        return f"{'@' if sign == '!' else sign}{label or target}"
    return label if target == f"http://{label}" else target  # Slack makes links of names such as app-1.20.io


def _verb(word: str, command: str) -> Verb:
    word = _bare(word)
    if word in list(Verb):
        return Verb(word)
    if word in _NOT_YET:
        raise Refusal(f"There is no `{command} {word}` yet. {_NOT_YET[word].format(command=command)}")
    close = difflib.get_close_matches(word, list(Verb), n=1)
    meant = _SYNONYMS.get(word) or (close[0] if close else None)
    hint = f"Did you mean `{command} {meant}`?" if meant else f"`{command} help` lists what I can do."
    raise Refusal(f"I do not know that command. {hint}")


def _start(verb: Verb, words: list[str], known: Sequence[str], command: str) -> Command:
    names, overrides = _options(words, verb, command)
    if not names and verb is Verb.START and not words:
        return Command(verb=verb)
    if len(names) == 1 and names[0].lower() not in known:
        return Command(verb=verb, version=version_name(names[0]), overrides=overrides)
    if len(names) != 2:  # noqa: PLR2004  # service and version
        raise Refusal(f"I need a service and a version. {usage(verb, command)}")
    service, version = service_name(names[0], known), version_name(names[1])
    return Command(verb=verb, service=service, version=version, overrides=overrides)


def _options(words: list[str], verb: Verb, command: str) -> tuple[list[str], Overrides]:
    """The names, and what the ``--options`` between them say. A value may follow a space or an equals sign."""
    names: list[str] = []
    chosen: dict[str, str] = {}
    queue = [_DASHES.sub("--", word) for word in words]
    while queue:
        word = queue.pop(0)
        if not word.startswith("--"):
            names.append(_bare(word))
            continue
        option, _, value = word.removeprefix("--").partition("=")
        option = option.lower()
        if option not in {"weights", "for", "auto"} or verb is Verb.PLAN:
            raise Refusal(f"I do not know that option. {usage(verb, command)}")
        if option != "auto" and not value:
            value = _value(queue)
        chosen[option] = _bare(value)
    return names, Overrides(
        weights=weights(chosen["weights"]) if "weights" in chosen else None,
        stage_seconds=duration(chosen["for"]) if "for" in chosen else None,
        auto="auto" in chosen,
    )


def _value(queue: list[str]) -> str:
    """The next word, and those after it while a list is still open: ``10, 50, 100``."""
    value = queue.pop(0) if queue and not queue[0].startswith("--") else ""
    while queue and (value.endswith(",") or queue[0].startswith(",")):
        value += queue.pop(0)
    return value


def _with_reason(verb: Verb, words: list[str], known: Sequence[str]) -> Command:
    """The first word is the service if there is one of that name; nobody in a hurry is refused for a missing reason."""
    service = None
    if words and _is_service(_bare(words[0]).lower(), known):
        service, words = _bare(words[0]).lower(), words[1:]
    elif words:
        _refuse_slip(words[0], known)
    return Command(verb=verb, service=service, reason=_shorten(" ".join(words)))


def _is_service(word: str, known: Sequence[str]) -> bool:
    """Whether the word is a service's name, alone or behind its namespace; without any names each may be one."""
    if IN_NAMESPACE.fullmatch(word):
        word = word.rpartition("/")[2]
    return word in known or (not known and SERVICE_NAME.fullmatch(word) is not None)


def _refuse_slip(word: str, known: Sequence[str]) -> None:
    """A name that is nearly a service's is refused rather than taken for the beginning of a reason."""
    if difflib.get_close_matches(_bare(word).lower(), known, n=1, cutoff=0.8):
        service_name(_bare(word), known)


def _freeze(words: list[str], known: Sequence[str], command: str) -> Command:
    """``--for`` counts wherever it stands: taken for a part of the reason, the freeze would never end by itself."""
    words, seconds = _without_for(words)
    service = None
    if words and _bare(words[0]).lower() in {ALL, *known}:
        service, words = _bare(words[0]).lower(), words[1:]
    elif words:
        _refuse_slip(words[0], known)
    if words and _DASHES.match(words[0]):
        raise Refusal(f"I do not know that option. {usage(Verb.FREEZE, command)}")
    # A backtick would end the code that stands beside the reason in a refusal.
    reason = _shorten(" ".join(words).replace("`", "'"))
    if not any(character.isalnum() for character in reason):
        raise Refusal(f"Say why: whoever cannot start reads it. {usage(Verb.FREEZE, command)}")
    return Command(verb=Verb.FREEZE, service=service, reason=reason, seconds=seconds)


def _without_for(words: list[str]) -> tuple[list[str], float | None]:
    """The words without ``--for`` and its value, and the seconds that it says; the last one counts."""
    rest: list[str] = []
    seconds = None
    queue = list(words)
    while queue:
        word = queue.pop(0)
        option, _, value = _DASHES.sub("--", word).partition("=")
        if option.lower() == "--for":
            seconds = freeze_duration(_bare(value or (queue.pop(0) if queue else "")))
        else:
            rest.append(word)
    return rest, seconds


def _about_one(verb: Verb, words: list[str], known: Sequence[str], command: str) -> Command:
    if len(words) > 1:
        raise Refusal(f"That is one word too many. {usage(verb, command)}")
    if verb is Verb.UNFREEZE and words and _bare(words[0]).lower() == ALL:
        return Command(verb=verb, service=ALL)
    if words and IN_NAMESPACE.fullmatch(_bare(words[0]).lower()):
        namespace, _, name = _bare(words[0]).lower().partition("/")
        return Command(verb=verb, service=f"{namespace}/{service_name(name, known)}")
    return Command(verb=verb, service=service_name(_bare(words[0]), known) if words else None)


def _bare(word: str) -> str:
    """Without the quotes somebody put around a name."""
    return _QUOTES.sub("", word)


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
