"""What a Kubernetes API server's answers mean, in our words: no client, no connection.

- a missing object reads as None; a conflict is ``Contended``;
- ``Unanswered`` is a request whose outcome nobody knows (no connection, timeout, 5xx): before writing again, look;
- ``Expired`` is a watch, or the rest of a list, from a version the server no longer remembers: list again;
- everything else the server refuses is a ``Fault`` with its own sentence, in which a secret is hidden: an admission
  webhook, or whoever answers in the server's place, may repeat what it was sent, and people read the sentence in Slack.

Each fault says what kind of failure it was (``cause_of``), so that nobody has to read that out of the sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from http import HTTPStatus

from bot import redaction
from bot.cluster.objects import Object
from bot.model.errors import Cause, Contended, Fault
from bot.words.sentence import Sentence, Text, said

LONGEST_MESSAGE = 500
LISTED_PARTS = 5  # of those that are not ready

# What the server answers when it was too slow itself, whatever the status: to a person that is a time-out.
_SLOW = frozenset({"Timeout", "ServerTimeout"})
_SLOW_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT})
# Permission and admission share the status 403. A webhook's sentence begins with its name. Of the others the
# authorizer's tells what the user cannot do, while quota, limits and policies give their reason in the same place.
_ADMISSION = re.compile(
    r'^admission webhook ".*" denied the request|^(?:(?! is forbidden: ).)* is forbidden: (?!User ")'
)

# A line of /readyz for a part that is not; https://kubernetes.io/docs/reference/using-api/health-checks/
_NOT_READY = re.compile(rb"^\[-\]([\w./-]{1,60}) failed", re.MULTILINE)

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class Unanswered(Fault):
    """The API server gave no usable answer, so a write may have happened or not."""


class Expired(Fault):
    """The API server no longer knows what changed since that version."""


def answer_in(status: int, body: bytes, doing: Text) -> Object | None:
    """The object in an answer; None is a 404. Raises what everything else means."""
    answer = _json(body)
    if status < HTTPStatus.MULTIPLE_CHOICES and answer is not None:
        return answer
    if status == HTTPStatus.NOT_FOUND:
        return None
    raise _refusal(status, answer, doing)


def shows_ready(status: int, body: bytes) -> bool:
    """What the API server says at /readyz; False: nothing. Raises ``Unanswered`` where it says that it is not ready."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        parts = [name.decode() for name in _NOT_READY.findall(body)][:LISTED_PARTS]
        raise Unanswered("Kubernetes", said("adapters.not_ready", parts=", ".join(parts) or f"HTTP {status}"))
    return status == HTTPStatus.OK and body.strip() == b"ok"


def event_in(line: bytes, doing: Text) -> Object:
    """One event of a watch, with ``type`` and ``object``."""
    event = _json(line)
    if event is None or "type" not in event or not isinstance(event.get("object"), dict):
        raise Unanswered("Kubernetes", failed(doing, said("adapters.no_watch")))
    if event["type"] == "ERROR":
        code = event["object"].get("code")
        raise _refusal(code if isinstance(code, int) else HTTPStatus.INTERNAL_SERVER_ERROR, event["object"], doing)
    return event


def items_in(answer: Object | None) -> list[Object]:
    """The objects of a list that was answered; none where nothing of the kind is served."""
    items = (answer or {}).get("items") or []
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise Unanswered("Kubernetes", said("adapters.no_list"))
    return items


def version_in(answer: Object | None) -> str:
    """The version of the cluster that a list shows; "" where it does not say."""
    metadata = (answer or {}).get("metadata")
    return str(metadata.get("resourceVersion", "")) if isinstance(metadata, dict) else ""


def continue_in(answer: Object) -> str:
    """With what to ask for the rest of a list; "" where this was the last of it."""
    metadata = answer.get("metadata")
    return str(metadata.get("continue") or "") if isinstance(metadata, dict) else ""


def failed(doing: Text, why: Text) -> Sentence:
    """What could not be done, and why: words of ours, or the server's own."""
    return said("adapters.could_not", doing=doing, why=why)


def _refusal(status: int, answer: Object | None, doing: Text) -> Fault:
    why = redaction.redact(str((answer or {}).get("message") or f"HTTP {status}"))[:LONGEST_MESSAGE]
    sentence, cause = failed(doing, why), cause_of(status, answer or {})
    if status == HTTPStatus.CONFLICT:
        return Contended("Kubernetes", sentence, cause)
    if status == HTTPStatus.GONE:
        return Expired("Kubernetes", sentence, cause)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS or answer is None:
        return Unanswered("Kubernetes", sentence, cause)
    return Fault("Kubernetes", sentence, cause)


def cause_of(status: int, answer: Object) -> Cause:
    """What kind of failure a refusal of the server is; ``answer`` is its Status object, empty where it sent none."""
    message = str(answer.get("message", ""))
    match status:
        case HTTPStatus.NOT_FOUND:
            return Cause.MISSING
        case HTTPStatus.UNAUTHORIZED:
            return Cause.FORBIDDEN
        case HTTPStatus.FORBIDDEN:
            return Cause.REFUSED if _ADMISSION.search(message) else Cause.FORBIDDEN
        case _ if status in _SLOW_STATUSES or str(answer.get("reason")) in _SLOW:
            return Cause.TIMED_OUT
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            return Cause.UNREACHABLE
        case _:
            return Cause.REFUSED if answer else Cause.UNREACHABLE


def warnings_in(headers: Iterable[str]) -> list[str]:
    """The texts of ``Warning: 299 - "..."`` response headers."""
    return [redaction.redact(_ESCAPED.sub(r"\1", text)) for header in headers for text in _WARNING.findall(header)]


def _json(body: bytes) -> Object | None:
    """The JSON object in an answer; None for anything else, such as a proxy's page."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
