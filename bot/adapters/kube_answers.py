"""What a Kubernetes API server's answers mean, in our words: no client, no connection.

- a missing object reads as None; a conflict is ``Contended``;
- ``Unanswered`` is a request whose outcome nobody knows (no connection, timeout, 5xx): before writing again, look;
- ``Expired`` is a watch from a version the server no longer remembers: list again;
- everything else the server refuses is a ``Fault`` with its own sentence, which never holds a header or a token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from bot.rollout.errors import Contended, Fault

Object = dict[str, Any]

LONGEST_MESSAGE = 500

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class Unanswered(Fault):
    """The API server gave no usable answer, so a write may have happened or not."""


class Expired(Fault):
    """The API server no longer knows what changed since that version."""


def answer_in(status: int, body: bytes, doing: str) -> Object | None:
    """The object in an answer; None is a 404. Raises what everything else means."""
    answer = _json(body)
    if status < HTTPStatus.MULTIPLE_CHOICES and answer is not None:
        return answer
    if status == HTTPStatus.NOT_FOUND:
        return None
    raise _refusal(status, answer, doing)


def event_in(line: bytes, doing: str) -> Object:
    """One event of a watch, with ``type`` and ``object``."""
    event = _json(line)
    if event is None or "type" not in event or not isinstance(event.get("object"), dict):
        raise Unanswered("Kubernetes", f"Could not {doing}: what arrives is no watch.")
    if event["type"] == "ERROR":
        raise _refusal(int(event["object"].get("code", HTTPStatus.INTERNAL_SERVER_ERROR)), event["object"], doing)
    return event


def _refusal(status: int, answer: Object | None, doing: str) -> Fault:
    said = str((answer or {}).get("message") or f"HTTP {status}")[:LONGEST_MESSAGE].rstrip(".")
    sentence = f"Could not {doing}: {said}."
    if status == HTTPStatus.CONFLICT:
        return Contended("Kubernetes", sentence)
    if status == HTTPStatus.GONE:
        return Expired("Kubernetes", sentence)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS or answer is None:
        return Unanswered("Kubernetes", sentence)
    return Fault("Kubernetes", sentence)


def warnings_in(headers: Iterable[str]) -> list[str]:
    """The texts of ``Warning: 299 - "..."`` response headers."""
    return [_ESCAPED.sub(r"\1", text) for header in headers for text in _WARNING.findall(header)]


def _json(body: bytes) -> Object | None:
    """The JSON object in an answer; None for anything else, such as a proxy's page."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
