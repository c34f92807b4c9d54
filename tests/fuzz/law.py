"""The law for everything that reads what others write: only our own errors, nothing alive, and soon."""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from bot.model.errors import CanaryError

LONGEST = 1.0  # seconds of processor time for one input
Target = Callable[[bytes], None]

# What mrkdwn of ours may hold that comes alive: a moment, and people by their id.
_OURS = re.compile(r"<!date\^\d+\^[^<>|]*\|[^<>|]*>|<@[UW][A-Z0-9]{2,}>|<!subteam\^S[A-Z0-9]{2,}>")
# A line's own end: what lies between is one event, for people and for machines.
_BREAKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")


class Violation(AssertionError):  # noqa: N818  # of the law
    """The law was broken; ``key`` is the same for inputs that break it at the same place."""

    def __init__(self, key: str, sentence: str) -> None:
        self.key = key
        super().__init__(sentence)


def read_json(data: bytes) -> Any:
    """What the bytes say; None where they are no JSON, which is not what is tried here."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def obey(target: Target, data: bytes, longest: float = LONGEST) -> None:
    """Give ``data`` to ``target``, which may take ``longest`` seconds of processor time.

    Raises:
        Violation: it raised what is none of our errors, let something alive through, or took too long.
    """
    began = time.thread_time()
    try:
        with _errors_in_logs():
            target(data)
    except CanaryError:
        pass
    except Violation:
        raise
    except Exception as error:
        raise Violation(_place(error), "".join(traceback.format_exception(error))) from error
    if (took := time.thread_time() - began) > longest:
        raise Violation("slow", f"{took:.1f} s for {len(data)} bytes")


def demand(held: bool, key: str, what: object = "") -> None:  # noqa: FBT001  # reads as `assert` does
    """A part of the law that a target looks after itself.

    Raises:
        Violation: it does not hold.
    """
    if not held:
        raise Violation(key, f"{key}: {what!r}"[:2000])


def demand_nothing_alive(message: object) -> None:
    """No mention, link or command of somebody else's in what is sent to Slack."""
    for text in _mrkdwn(message):
        rest = _OURS.sub("", text)
        demand("<" not in rest and ">" not in rest, "alive in mrkdwn", text)


def demand_one_line(text: str) -> None:
    """A line of a log is one line, and moves no cursor."""
    demand(text.endswith("\n") and "\n" not in text[:-1] and not _BREAKS.search(text[:-1]), "a log line breaks", text)


def demand_same_json(before: object, after: object, key: str) -> None:
    """Two JSON values are alike."""
    demand(json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True), key, (before, after))


def _mrkdwn(part: object) -> Iterator[str]:
    """Every text in blocks that Slack looks for markup in."""
    if isinstance(part, dict):
        if part.get("type") == "mrkdwn":
            yield part["text"]
        for inner in part.values():
            yield from _mrkdwn(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from _mrkdwn(inner)


def _place(error: BaseException) -> str:
    """What was raised, and the last line of ours it came through."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/bot/" in frame.filename]
    where = f"{ours[-1].filename.rpartition('/bot/')[2]}:{ours[-1].lineno}" if ours else "outside"
    return f"{type(error).__name__} at {where}"


@contextmanager
def _errors_in_logs() -> Iterator[None]:
    """What was caught somewhere and only logged is a mistake of ours all the same."""
    met: list[BaseException] = []

    def keep(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if isinstance(event.get("exc_info"), BaseException):
            met.append(event["exc_info"])
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = list(processors)
    processors[:] = [keep]  # in place: loggers that are bound already keep the list
    try:
        yield
    finally:
        processors[:] = before
    for error in met:
        if any("/bot/" in frame.filename for frame in traceback.extract_tb(error.__traceback__)):
            raise error  # the others are a library's, which was given nonsense: caught, and told
