"""The client that talks to Slack: it counts its calls, and tries nothing a second time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from slack_bolt import Respond
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookResponse

TIMEOUT = 10  # seconds for each call to Slack


class CountingClient(WebClient):
    """A client that tells how each call to Slack ended; see ``web_client``."""

    def __init__(self, called: Callable[[str], None], workspace: str = "", **options: Any) -> None:
        super().__init__(retry_handlers=[], team_id=workspace or None, **options)
        self._called = called
        self.workspace = workspace  # the one that is meant where the app is installed for a whole organisation

    def api_call(self, *arguments: Any, **named: Any) -> SlackResponse:
        """One call, counted."""
        try:
            answer = super().api_call(*arguments, **named)
        except Exception as error:
            self._called(_outcome(error))
            raise
        self._called("ok")
        return answer

    def respond(self, respond: Respond, message: Mapping[str, Any]) -> None:
        """Answer through the address that came with a payload: a call to Slack like the others, and counted as one.

        Raises:
            SlackApiError: Slack does not take it: the address has been used five times, or is half an hour old.
        """
        try:
            _refuse_unless_taken(self, respond(**message))
        except Exception as error:
            self._called(_outcome(error))
            raise
        self._called("ok")


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
