"""What people type after ``/canary``, as a value. Pure: no Slack, no clock; nothing here knows which rollouts exist.

People type on phones. Smart quotes, dashes that an editor joined (``—weights``), capitals at the start of a sentence
and mentions wrapped in markup all mean what they look like. Everything else that is not in the grammar is refused with
the line that would have worked; whatever may have meant stop is answered with an abort (``stopping``).
"""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.model.errors import Refusal
from bot.model.freeze import ALL
from bot.rollout.plans import Overrides, check_weights
from bot.slack.freeze_until import Until, checked, read_until, seconds_of
from bot.slack.grammar import SYNONYMS, Verb, example
from bot.slack.stopping import StopMeant, is_nearly_stop, named_in, refuse_stop
from bot.words.sentence import Code, Text, TypedIn, said

COMMAND = "/canary"
SERVICE_NAME = re.compile(r"[a-z0-9-]{1,63}")
IN_NAMESPACE = re.compile(r"[a-z0-9-]{1,63}/[a-z0-9-]{1,63}")
VERSION_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
LONGEST_REASON = 500
LONGEST_STAGE_NAME = 40
LONGEST_STAGE = 24 * 3600  # seconds; longer is a slip of the thumb
MOST_NAMED = 20  # services in one sentence

_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff\x00-\x08\x0e-\x1f\x7f]")
_QUOTATION = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb"
_QUOTES = re.compile(f"[{_QUOTATION}]")
_DASHES = re.compile(r"^(?:--?|[\u2010-\u2015\u2212]+-?)(?=[A-Za-z])")  # one hyphen, two, or what a phone made of them
_MARKUP = re.compile(r"<(?P<sign>[@#!]?)(?P<target>[^<>|]*)(?:\|(?P<label>[^<>]*))?>")


_SHARE = re.compile(r"(?:(?:shift|step|stage|weight)[ -]?)?([0-9]{1,3}) ?%?")
_STAGE_WORD = re.compile(r"from|at|stage|step|mirror|shift(?:-[0-9]+)?|[0-9]{1,3}%?")
_FROM_STAGE = ("from-stage", "fromstage", "from_stage")
_OPTIONS = frozenset({"weights", "for", "auto", "because"})
_MOMENTS = (Code("until 18:00"), Code("until tomorrow 9:00"), Code("until 2026-12-24 18:00"), Code("--for 2h"))

AS_CONFIGURED = Overrides()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person asked for. ``service`` is None where they left it out: then it must be clear from what is live.

    A ``start`` without a version is a wish for the form. For a freeze and its end ``service`` may be ``ALL``.

    Attributes:
        reason: why, as it was typed: of an abort, an abandonment, a freeze, or a start (``--because``).
        percent: of users for the canary, where it is to be set.
        stage: at which an aborted rollout begins again; "": where it stopped, None: it is not that which is asked for.
        slip: what was typed where ``--from-stage`` was meant; "" where nothing was.
        seconds, until: how long a freeze lasts, or when it ends; None: until somebody ends it.
    """

    verb: Verb
    service: str | None = None
    version: str = ""
    reason: str = ""
    overrides: Overrides = AS_CONFIGURED
    percent: int = 0
    stage: str | None = None
    slip: str = ""
    seconds: float | None = None
    until: Until | None = None


A_START = Command(verb=Verb.START)


def parse(text: str, known: Sequence[str] = ()) -> Command:
    """The command in ``text`` (what follows ``/canary``). ``known`` are the names of the services there are.

    Raises:
        StopMeant: somebody seems to want everyone back, and did not type the command that does it.
        Refusal: it is none; the sentence says what would be.
    """
    words = _words(text)
    if not words:
        return Command(verb=Verb.HELP)
    verb = _verb(words, known)
    rest = words[1:]
    match verb:
        case Verb.START | Verb.PLAN:
            return _start(verb, rest, known)
        case Verb.ABORT | Verb.ABANDON:
            return _with_reason(verb, rest, known)
        case Verb.FREEZE:
            return _freeze(rest, known)
        case Verb.LIST | Verb.SERVICES | Verb.HELP:
            return Command(verb=verb)
        case _:
            return _about_one_more(verb, rest, known)


def service_name(word: str, known: Sequence[str] = ()) -> str:
    """A service's name as it may stand in keys, labels and messages.

    Raises:
        Refusal: no service can be called that, or there is none of that name.
    """
    name = word.lower()
    if not SERVICE_NAME.fullmatch(name):
        raise Refusal(said("slack.service_name"))
    if known and name not in known:
        raise Refusal(no_such_service(name, known))
    return name


def no_such_service(name: str, known: Sequence[str]) -> Text:
    """That there is none of that name, with the one that was meant, or those there are."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return said("slack.service_meant", name=name, meant=close[0])
    return said("slack.no_such_service", name=name, names=tuple(sorted(known)[:MOST_NAMED]))


def version_name(word: str) -> str:
    """A version as it may stand in object names, labels and messages.

    Raises:
        Refusal: no version can be called that.
    """
    if not VERSION_NAME.fullmatch(word):
        raise Refusal(said("slack.version_name"))
    return word


def duration(word: str) -> float:
    """Seconds of ``90s``, ``5m``, ``1h30m``.

    Raises:
        Refusal: it is no length of time between a second and a day.
    """
    total = seconds_of(word)
    if not 0 < total <= LONGEST_STAGE:
        raise Refusal(said("slack.stage_length", some=(Code("90s"), Code("5m"), Code("1h30m"))))
    return total


def freeze_duration(word: str) -> float:
    """Seconds of ``90s``, ``5m``, ``1h30m``, ``2d``.

    Raises:
        Refusal: it is no length of time between a second and thirty days.
    """
    total = seconds_of(word)
    if not total:
        raise Refusal(said("slack.freeze_length", some=(Code("5m"), Code("1h30m"), Code("2d"))))
    return checked(total)


def weights(word: str) -> tuple[int, ...]:
    """Canary shares of ``10,50,100``, with or without percent signs.

    Raises:
        Refusal: they are no rising list of whole percent that ends at 100.
    """
    shares = [part.strip().removesuffix("%") for part in word.split(",")]
    if not all(share.isascii() and share.isdigit() and len(share) <= 3 for share in shares):  # noqa: PLR2004  # 100 has three
        raise Refusal(said("slack.weights_written", example=Code("10,50,100")))
    chosen = tuple(int(share) for share in shares)
    check_weights(chosen)
    return chosen


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


def _verb(words: list[str], known: Sequence[str]) -> Verb:
    word = _bare(words[0].lower())
    if word in list(Verb):
        return Verb(word)
    if word not in SYNONYMS and is_nearly_stop(word):
        raise StopMeant(named_in(words[1:], known))
    refuse_stop(words[1:], known)
    close = difflib.get_close_matches(word, list(Verb), n=1)
    meant = SYNONYMS.get(word) or (Verb(close[0]) if close else None)
    if meant is None:
        raise Refusal(said("slack.unknown_command", help=TypedIn("help")))
    raise Refusal(said("slack.command_meant", command=example(meant, known, named_in(words[1:], known))))


def _start(verb: Verb, words: list[str], known: Sequence[str]) -> Command:
    names, overrides, because = _options(words, verb, known)
    refuse_stop(names, known)
    if verb is Verb.START and not names:
        return Command(verb=verb, overrides=overrides, reason=because)
    if verb is Verb.START and len(names) == 1 and names[0].lower() in known:
        return Command(verb=verb, service=names[0].lower(), overrides=overrides, reason=because)
    if len(names) == 1 and names[0].lower() not in known:
        if is_nearly_stop(names[0]):
            raise StopMeant
        _refuse_slip(names[0], known)
        return Command(verb=verb, version=version_name(names[0]), overrides=overrides, reason=because)
    if len(names) != 2:  # noqa: PLR2004  # service and version
        raise Refusal(said("slack.service_and_version", command=example(verb, known, named_in(names, known))))
    service, version = service_name(names[0], known), version_name(names[1])
    return Command(verb=verb, service=service, version=version, overrides=overrides, reason=because)


def _options(words: list[str], verb: Verb, known: Sequence[str]) -> tuple[list[str], Overrides, str]:
    """The names, what the ``--options`` between them say, and why. A value may follow a space or an equals sign."""
    names: list[str] = []
    chosen: dict[str, str] = {}
    queue = list(words)
    while queue:
        word = _DASHES.sub("--", queue.pop(0))
        if not word.startswith("--"):
            names.append(_bare(word))
            continue
        option, _, value = word.removeprefix("--").partition("=")
        option = option.lower()
        if option not in _OPTIONS or verb is Verb.PLAN:
            raise Refusal(said("slack.unknown_option", option=Code(word), command=example(verb, known)))
        if option == "because":
            chosen[option] = _sentence(value, queue)
        elif option == "auto":
            chosen[option] = ""
        else:
            chosen[option] = _bare(value or _value(queue))
    overrides = Overrides(
        weights=weights(chosen["weights"]) if "weights" in chosen else None,
        stage_seconds=duration(chosen["for"]) if "for" in chosen else None,
        auto="auto" in chosen,
    )
    return names, overrides, chosen.get("because", "")


def _value(queue: list[str]) -> str:
    """The next word, and those after it while a list is still open: ``10, 50, 100``."""
    value = queue.pop(0) if queue and not _option_in(queue[0]) else ""
    while queue and (value.endswith(",") or queue[0].startswith(",")):
        value += queue.pop(0)
    return value


def _sentence(value: str, queue: list[str]) -> str:
    """Everything up to the next option of ours, without the quotes around it.

    Raises:
        Refusal: nothing is there.
    """
    taken = [value] if value else []
    while queue and _option_in(queue[0]) not in {*_OPTIONS, *_FROM_STAGE}:
        taken.append(queue.pop(0))
    text = " ".join(taken).strip(_QUOTATION).strip()
    if not text:
        raise Refusal(said("slack.because_what", example=Code("--because faster checkout")))
    return shortened(text)


def _option_in(word: str) -> str:
    """The name of the option that the word is, "" for none."""
    found = _DASHES.sub("--", word)
    return found.removeprefix("--").partition("=")[0].lower() if found.startswith("--") else ""


def _with_reason(verb: Verb, words: list[str], known: Sequence[str]) -> Command:
    """The first word is the service if there is one of that name; nobody in a hurry is refused for a missing reason."""
    service = None
    if words and _is_service(_bare(words[0]).lower(), known):
        service, words = _bare(words[0]).lower(), words[1:]
    elif words and verb is Verb.ABORT:
        _offer_slip(words[0], known)
    elif words:
        _refuse_slip(words[0], known)
    return Command(verb=verb, service=service, reason=shortened(" ".join(words)))


def _is_service(word: str, known: Sequence[str]) -> bool:
    """Whether the word is a service's name, alone or behind its namespace; without any names each may be one."""
    if IN_NAMESPACE.fullmatch(word):
        word = word.rpartition("/")[2]
    return word in known or (not known and SERVICE_NAME.fullmatch(word) is not None)


def _refuse_slip(word: str, known: Sequence[str]) -> None:
    """A name that is nearly a service's is refused rather than taken for the beginning of a reason."""
    name = _bare(word).lower()
    if difflib.get_close_matches(name, known, n=1, cutoff=0.8):
        raise Refusal(no_such_service(name, known))


def _offer_slip(word: str, known: Sequence[str]) -> None:
    """Somebody who wants everyone back and mistypes where gets a button rather than a lesson."""
    name = _bare(word).lower()
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    if close:
        command = TypedIn(f"abort {close[0]}")
        raise StopMeant(close[0], said("slack.abort_meant", name=name, command=command))


def _freeze(words: list[str], known: Sequence[str]) -> Command:
    """How long counts wherever it stands: taken for a part of the reason, the freeze would never end by itself."""
    words, seconds, until = _without_end(words, known)
    service = None
    if words and _bare(words[0]).lower() in {ALL, *known}:
        service, words = _bare(words[0]).lower(), words[1:]
    elif words:
        _refuse_slip(words[0], known)
    if words and _DASHES.match(words[0]):
        raise Refusal(said("slack.unknown_option", option=Code(words[0]), command=example(Verb.FREEZE, known, service)))
    # A backtick would end the code that stands beside the reason in a refusal.
    reason = shortened(" ".join(words).replace("`", "'"))
    if not any(character.isalnum() for character in reason):
        raise Refusal(said("slack.freeze_why", command=example(Verb.FREEZE, known, service)))
    return Command(verb=Verb.FREEZE, service=service, reason=reason, seconds=seconds, until=until)


def _without_end(words: list[str], known: Sequence[str]) -> tuple[list[str], float | None, Until | None]:
    """The words without the end of the freeze, and that end: for how long, or until when; the last one counts."""
    rest: list[str] = []
    seconds, until = None, None
    queue = list(words)
    while queue:
        word = queue.pop(0)
        option, value = _option_in(word), word.partition("=")[2]
        if option == "for":
            seconds, until = freeze_duration(_bare(value or (queue.pop(0) if queue else ""))), None
        elif option == "until" or _bare(word).lower() == "until":
            found = read_until([*([value] if option and value else []), *map(_bare, queue)])
            if found is not None:
                until, taken = found
                seconds, queue = None, queue[taken - (1 if option and value else 0) :]
            elif option or all(_bare(one).lower() in {ALL, *known} for one in rest):
                # Where the end belongs, and not in the middle of a reason such as "no starts until it is mended".
                raise Refusal(said("slack.until_when", some=_MOMENTS))
            else:
                rest.append(word)
        else:
            rest.append(word)
    return rest, seconds, until


def _set(words: list[str], known: Sequence[str]) -> Command:
    """``set reviews 30``, with or without a percent sign, which may stand alone."""
    refuse_stop(words, known)
    shares = [word for word in words if word != "%"]
    number = _bare(shares[-1]).removesuffix("%") if shares else ""
    if not (number.isascii() and number.isdigit() and len(number) <= len("100")):
        raise Refusal(said("slack.share_percent", command=example(Verb.SET, known, named_in(words, known))))
    return replace(_about_one(Verb.SET, shares[:-1], known), percent=int(number))


def _about_one_more(verb: Verb, words: list[str], known: Sequence[str]) -> Command:
    """About one service, with or without something more."""
    if verb is Verb.SET:
        return _set(words, known)
    if verb is Verb.DRILL:
        return _drill(words, known)
    return _retry(words, known) if verb is Verb.RETRY else _about_one(verb, words, known)


def _drill(words: list[str], known: Sequence[str]) -> Command:
    """``drill reviews``, with or without a version."""
    refuse_stop(words, known)
    asked = _about_one(Verb.DRILL, words[:1] + words[2:], known)
    return replace(asked, version=version_name(_bare(words[1]))) if len(words) > 1 else asked


def _retry(words: list[str], known: Sequence[str]) -> Command:
    """``retry reviews``, ``retry reviews --from-stage``, ``retry reviews --from-stage 40 --because fixed``."""
    names: list[str] = []
    stage, slip, because = None, "", ""
    queue = list(words)
    while queue:
        word = queue.pop(0)
        option, value = _option_in(word), word.partition("=")[2]
        if option in _FROM_STAGE:
            stage = _stage(([_bare(value)] if value else []) + _taken(queue, known))
        elif option == "because":
            because = _sentence(value, queue)
        elif option.startswith("from") or difflib.get_close_matches(option, _FROM_STAGE):
            slip = " ".join([word, *_taken(queue, known)])
        elif option:
            raise Refusal(said("slack.unknown_option", option=Code(word), command=example(Verb.RETRY, known)))
        elif names and _STAGE_WORD.fullmatch(_bare(word).lower()):
            slip = " ".join([word, *_taken(queue, known)])
        else:
            names.append(word)
    asked = _about_one(Verb.RETRY, names, known)
    return replace(asked, stage=stage, slip=slip, reason=because)


def _taken(queue: list[str], known: Sequence[str]) -> list[str]:
    """The words up to the next option or the name of a service."""
    taken = []
    while queue and not _option_in(queue[0]) and _bare(queue[0]).lower() not in known:
        taken.append(_bare(queue.pop(0)))
    refuse_stop(taken, known)
    return taken


def _stage(words: Sequence[str]) -> str:
    """The name of the stage that somebody typed: ``40``, ``40 %``, ``shift-40``; whether there is one is not known."""
    text = " ".join(words).lower()
    share = _SHARE.fullmatch(text)
    return f"shift {int(share[1])}" if share else text[:LONGEST_STAGE_NAME]


def _about_one(verb: Verb, words: list[str], known: Sequence[str]) -> Command:
    refuse_stop(words, known)
    if len(words) > 1:
        raise Refusal(said("slack.word_too_many", command=example(verb, known, named_in(words, known))))
    if verb is Verb.UNFREEZE and words and _bare(words[0]).lower() == ALL:
        return Command(verb=verb, service=ALL)
    if words and IN_NAMESPACE.fullmatch(_bare(words[0]).lower()):
        namespace, _, name = _bare(words[0]).lower().partition("/")
        return Command(verb=verb, service=f"{namespace}/{service_name(name, known)}")
    return Command(verb=verb, service=service_name(_bare(words[0]), known) if words else None)


def _bare(word: str) -> str:
    """Without the quotes somebody put around a name."""
    return _QUOTES.sub("", word)


def shortened(text: str) -> str:
    """A reason, at most as long as reasons are kept."""
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
