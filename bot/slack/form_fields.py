"""Which field of the start form a problem belongs to: it stands below what has to be changed. Pure.

It goes by what a sentence is about: the names that were put into it, and of what was typed too much or wrong by which
sentence it is. Whatever is about neither is about the service as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.model.service import ServiceConfig
from bot.words.sentence import Arg, Code, Sentence, Text

SERVICE, VERSION, WEIGHTS, AUTO = "service", "version", "weights", "auto"

_FIELDS = {
    "rollout.weights_whole": WEIGHTS,
    "rollout.weights_rise": WEIGHTS,
    "rollout.weights_end": WEIGHTS,
    "cluster.share_is_not_whole": WEIGHTS,
    "preflight.share_not_whole": WEIGHTS,
    "rollout.no_auto": AUTO,
    "slack.no_approver": AUTO,  # of the form's fields only that one is an approver's to fill in
}


def field_of(problem: Text, service: ServiceConfig | None, version: str) -> str:
    """The field of the form that the problem stands below."""
    typed = next((_FIELDS[one.key] for one in _sentences(problem) if one.key in _FIELDS), None)
    if typed is not None:
        return typed
    canary = service.canary_name(version) if service is not None else ""
    return VERSION if canary and any(canary in _words(name) for name in _names(problem)) else SERVICE


def _sentences(text: Arg) -> Iterator[Sentence]:
    if isinstance(text, Sentence):
        yield text
        for arg in text.args.values():
            yield from _sentences(arg)
    elif isinstance(text, tuple):
        for one in text:
            yield from _sentences(one)


def _names(text: Arg) -> Iterator[str]:
    """What was put into it and into the sentences in it. What somebody else wrote as a whole sentence is no name."""
    for one in _sentences(text):
        for arg in one.args.values():
            for item in arg if isinstance(arg, tuple) else (arg,):
                if isinstance(item, Code):
                    yield item.code
                elif isinstance(item, str):
                    yield item


def _words(name: str) -> list[str]:
    """The names in it: ``Deployment default/reviews-v2`` is about ``reviews-v2``."""
    return name.replace("/", " ").split()
