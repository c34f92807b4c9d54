"""The client that talks to Slack: it counts its calls, and tries nothing a second time.

Whatever of Slack's library asks an address opens it with the process' own opener, so it is here that answers end (see
``bot.bounded``), and that no redirect is followed: what is sent holds a token, and Slack redirects nobody.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request

from slack_bolt import Respond
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookClient, WebhookResponse

from bot import bounded, redaction

TIMEOUT = 10  # seconds for each call to Slack

HOOKS = ("hooks.slack.com", "hooks.slack-gov.com")  # where its response_urls are
# What the library trips over where something else than Slack answers.
_ODD = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


_PERCENT = re.compile(r"(?<=[0-9]) %")
_CARRIED = frozenset({"value", "private_metadata", "initial_value"})  # for us, and what somebody has typed


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(bounded.HTTPConnection, req)


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(bounded.HTTPSConnection, req)


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer like any other that is none."""

    def http_error_302(self, *_: object) -> None:
        """Nothing is done about it, so it is an error."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302  # type: ignore[assignment]  # as above


urllib.request.install_opener(urllib.request.build_opener(_Http, _Https, _NoRedirect))


class OddAnswer(SlackClientError):  # noqa: N818  # an answer before it is an error
    """Nothing that Slack would say."""


class CountingClient(WebClient):
    """A client that tells how each call to Slack ended; see ``web_client``."""

    def __init__(self, called: Callable[[str], None], workspace: str = "", **options: Any) -> None:
        super().__init__(retry_handlers=[], team_id=workspace or None, **options)
        self.proxy = None  # the process' own opener knows the way, and the library's own would follow redirects
        self._called = called
        self.workspace = workspace  # the one that is meant where the app is installed for a whole organisation

    def api_call(self, *arguments: Any, **named: Any) -> SlackResponse:
        """One call, counted. Secrets are hidden in all that people read of it, whoever wrote it: see ``readable``."""
        sent = {name: readable(given) for name, given in named.items()}
        if isinstance(sent.get("json"), dict):
            sent["json"] = _together(sent["json"])
        try:
            answer = super().api_call(*arguments, **sent)
        except _ODD as odd:
            self._called(_outcome(odd))
            raise OddAnswer(type(odd).__name__) from odd
        except Exception as error:
            self._called(_outcome(error))
            raise
        self._called("ok")
        return answer

    def is_slacks(self, address: object) -> bool:
        """Whether what came with a payload is an address of Slack's; to any other, nothing is sent."""
        if not isinstance(address, str):
            return False
        try:
            parts, ours = urlsplit(address), urlsplit(self.base_url)
            host = parts.hostname
        except ValueError:
            return False
        if (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc):
            return True
        return parts.scheme == "https" and parts.netloc == host and host in HOOKS

    def respond(self, respond: Respond, message: Mapping[str, Any]) -> None:
        """Answer through the address that came with a payload: a call to Slack like the others, and counted as one.

        Raises:
            SlackApiError: Slack does not take it: the address has been used five times, or is half an hour old.
        """
        webhook = WebhookClient(str(respond.response_url), timeout=self.timeout, retry_handlers=[])
        webhook.proxy = None  # as above
        try:
            _refuse_unless_taken(self, webhook.send_dict(_together(readable(dict(message)))))
        except _ODD as odd:
            self._called(_outcome(odd))
            raise OddAnswer(type(odd).__name__) from odd
        except Exception as error:
            self._called(_outcome(error))
            raise
        self._called("ok")


def _together(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call with no line broken between a figure and its per cent sign, wherever a person reads it."""
    return {name: _unbroken(part) if name in {"blocks", "view"} else part for name, part in call.items()}


def _unbroken(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: one if name in _CARRIED else _unbroken(one) for name, one in part.items()}
    if isinstance(part, list | tuple):
        return [_unbroken(one) for one in part]
    return _PERCENT.sub("\N{NO-BREAK SPACE}%", part) if isinstance(part, str) else part


def readable(value: Any) -> Any:
    """The same with secrets hidden in every ``text``; what buttons and forms carry for us stays as it is.

    Much of what people are told is somebody else's: a pod's last words, a refusal of the API server's, a reason.
    """
    match value:
        case dict():
            return {
                key: redaction.redact(inner) if key == "text" and isinstance(inner, str) else readable(inner)
                for key, inner in value.items()
            }
        case list() | tuple():
            return [readable(inner) for inner in value]
    return value


def _refuse_unless_taken(client: WebClient, answer: WebhookResponse) -> None:
    """Webhooks only tell the status; as an error it is what every other call would raise."""
    if answer.status_code == HTTPStatus.OK:
        return
    sent = SlackResponse(
        client=client,
        http_verb="POST",
        api_url="",
        req_args={},
        data={"ok": False, "error": answer.body},
        headers={},
        status_code=answer.status_code,
    )
    raise SlackApiError("answer not taken", sent)  # type: ignore[no-untyped-call]  # slack_sdk's


def _outcome(error: Exception) -> str:
    """A word from the list that all systems share (``bot.adapters.calls``)."""
    if isinstance(error, SlackApiError):
        status = error.response.status_code if isinstance(error.response, SlackResponse) else 0
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return "limited"
        return "failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused"
    late = isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
    return "timed_out" if late else "failed"


def web_client(
    token: str,
    base_url: str | None = None,
    timeout: int = TIMEOUT,
    called: Callable[[str], None] = lambda _: None,
    workspace: str = "",
) -> CountingClient:
    """A client that never tries again by itself: a second post is for ``delivery`` to decide, and forms cannot wait.

    ``called`` is told how each call ended, as ``ok`` or in some failure. ``workspace`` is named in every call: a token
    of a whole organisation belongs to none.
    """
    where = {} if base_url is None else {"base_url": base_url.rstrip("/") + "/"}
    return CountingClient(called, workspace, token=token, timeout=timeout, **where)
