"""Targets: what people type, click and submit, through Bolt as in production."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from http import HTTPStatus
from typing import Any

from slack_bolt import BoltRequest, Respond
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.controller.decisions import ButtonToken
from bot.model.errors import Refusal
from bot.model.freeze import ALL
from bot.model.service import ApprovalRule
from bot.slack import parsing
from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from bot.slack.client import CountingClient
from bot.slack.forms import FormErrors, read_reason, read_start
from bot.slack.reply_messages import message_of
from bot.slack.requester import Deduplication
from bot.words.rendering import ENGLISH
from bot.words.sentence import Sentence
from sandbox.slack.blocks import check_blocks
from tests.builders import LENA, MAYA, OMAR, a_service
from tests.fakes.controller_port import FakeController
from tests.fakes.slack_client import FakeSlack
from tests.fuzz.law import demand, demand_nothing_alive, read_json

KNOWN = ("reviews", "ratings", "details")
NAME = re.compile(r"([a-z0-9-]{1,63}/)?[a-z0-9-]{1,63}")
VERSION = re.compile(r"[A-Za-z0-9._-]{1,128}")


def slash(data: bytes) -> None:
    """What is typed after the slash command."""
    text = data.decode(errors="replace")
    try:
        asked = parsing.parse(text, KNOWN)
    except Refusal as refusal:
        _demand_good(message_of((refusal.sentence, *refusal.reasons), ENGLISH).blocks)
        return
    demand(asked.service is None or asked.service == ALL or bool(NAME.fullmatch(asked.service)), "service", asked)
    demand(not asked.version or bool(VERSION.fullmatch(asked.version)), "version", asked)
    demand(len(asked.reason) <= parsing.LONGEST_REASON, "long reason", asked)
    _demand_good(message_of((f"Noted: {asked.reason}",), ENGLISH).blocks)


def forms(data: bytes) -> None:
    """A submitted form."""
    view = read_json(data)
    if not isinstance(view, dict):
        return
    try:
        asked = read_start(view)
        demand(not asked.service or bool(NAME.fullmatch(asked.service)), "service", asked)
    except FormErrors as wrong:
        demand(all(isinstance(sentence, str | Sentence) for sentence in wrong.errors.values()), "errors", wrong.errors)
    read_reason(view)


def payloads(data: bytes) -> None:
    """One payload of the Socket."""
    body = read_json(data)
    if isinstance(body, dict):
        _workspace().dispatch(body)


class _Inline(Executor):
    """Runs what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _Client(CountingClient):
    """Asks a Slack in memory, and looks at everything that is sent."""

    def __init__(self, slack: FakeSlack) -> None:
        super().__init__(lambda _: None, token="xoxb-made-up", base_url=f"{slack.url}/api/")
        self._slack = slack

    def api_call(self, api_method: str, **sent: Any) -> SlackResponse:
        arguments = {**(sent.get("params") or {}), **(sent.get("json") or {}), **(sent.get("data") or {})}
        if isinstance(view := arguments.get("view"), dict):
            _demand_good(view["blocks"], "home" if view["type"] == "home" else "modal")
        if arguments.get("blocks"):
            _demand_good(arguments["blocks"])
        _demand_quiet(str(arguments.get("text") or ""))
        answer = self._slack.answer(api_method, arguments)
        assert answer is not None
        status, headers, said = answer
        response = SlackResponse(
            client=self, http_verb="POST", api_url="", req_args={}, data=said, headers=headers, status_code=status
        )
        if not said["ok"]:
            raise SlackApiError("no", response)  # type: ignore[no-untyped-call]  # slack_sdk's
        return response

    def respond(self, respond: Respond, message: Mapping[str, Any]) -> None:  # noqa: ARG002  # nobody is asked
        _demand_good(message["blocks"])
        _demand_quiet(message["text"])


class _EachIsNew(Deduplication):
    """Remembers nothing of an earlier payload."""

    def is_new(self, key: str) -> bool:  # noqa: ARG002  # any
        return True


class _Workspace:
    """The app, with one rollout that asks and another service, made anew for every payload."""

    def __init__(self) -> None:
        self._slack = FakeSlack(members=(MAYA, OMAR))
        self._slack.__enter__()  # Bolt's own client asks it once who we are
        self._services = (
            a_service(approvals=ApprovalRule(approvers=("@release-managers",))),
            a_service(name="ratings"),
        )
        self._controller = FakeController(*self._services)
        client = _Client(self._slack)
        self._app = build_app(
            controller=self._controller,
            client=client,
            approvers=Approvers(client, time.monotonic),
            clock=self._controller.clock,
            signing_secret="made up",
            pause=lambda _seconds: None,
            executor=_Inline(),
            monotonic=lambda: 0.0,
            deduplication=_EachIsNew(),
        )

    def dispatch(self, body: dict[str, Any]) -> None:
        """Give a payload to the app."""
        self._controller.__init__(*self._services)  # type: ignore[misc]  # as new
        rollout = self._controller.begin(by=LENA)
        asked = self._controller.change(rollout.spec.service, asked_at=self._controller.clock.now(), evidence=5)
        filled = json.loads(json.dumps(body).replace("TOKEN", str(ButtonToken.of(asked))))
        self._slack.forget()
        try:
            payload = BoltRequest(mode="socket_mode", body=filled)
        except (TypeError, AttributeError, ValueError, KeyError):
            return  # refused at the door (``bot.slack.http_mode``)
        answer = self._app.dispatch(payload)
        demand(answer.status < HTTPStatus.INTERNAL_SERVER_ERROR, "status", answer.status)


@functools.cache
def _workspace() -> _Workspace:
    return _Workspace()


def _demand_good(blocks: Any, surface: Any = "message") -> None:
    listed = list(blocks)
    demand_nothing_alive(listed)
    wrong = check_blocks(json.loads(json.dumps(listed)), surface)
    demand(not wrong, "Slack refuses", wrong)


def _demand_quiet(text: str) -> None:
    demand_nothing_alive({"type": "mrkdwn", "text": text})
