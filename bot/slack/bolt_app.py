"""The Bolt app: its threads, its client, and the listeners on it. How payloads arrive is ``connection``'s business."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import structlog
from slack_bolt import App, BoltContext, BoltRequest, BoltResponse

from bot.controller.controller_port import ControllerPort
from bot.controller.ports import Clock
from bot.model.rollout import Rollout
from bot.slack.app_home_facts import AppHomeFacts, AppHomePages
from bot.slack.app_home_refresh import AppHomes, Source
from bot.slack.approvers import Approvers
from bot.slack.client import CountingClient
from bot.slack.commands import Commands
from bot.slack.listeners import Listeners
from bot.slack.requester import Deduplication
from bot.slack.voices import Voices

THREADS = 32  # Bolt's default is 5, and the sixth slow command would never be acknowledged

# With both set, Bolt asks an installation store of its own for tokens, and ours is not in it.
_OAUTH = ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET")

_MAPS = ("event", "view", "user", "team", "channel", "container", "message", "enterprise", "action", "state")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _ForgivingApp(App):
    """Bolt reads payloads as if they could only be right: what it trips over is refused, and nothing else ends.

    What listeners of ours raise does not come here; ``Listeners.on_error`` has it.
    """

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        """Bolt's answer; 400 where it could not make sense of the payload."""
        try:
            _refuse_odd(req.body)
            return super().dispatch(req)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as odd:
            log.warning("slack.payload_refused", error=type(odd).__name__)
            return BoltResponse(status=HTTPStatus.BAD_REQUEST)


def _ask_as_we_do(client: CountingClient) -> Callable[..., BoltResponse]:
    """Bolt asks who we are with a client that it makes for each payload; ours is bounded and follows no redirect."""

    def use_ours(context: BoltContext, next: Callable[[], BoltResponse]) -> BoltResponse:  # noqa: A002  # Bolt's name
        context["client"] = client
        return next()

    return use_ours


def _refuse_odd(body: Mapping[str, Any]) -> None:
    """Refuse what is no payload of Slack's, before Bolt trips over it with a trace that nobody can do anything about.

    Raises:
        TypeError, AttributeError: what is a map in every payload is something else, or an action has no name.
    """
    for name in _MAPS:
        if body.get(name) is not None and not isinstance(body[name], dict):
            raise TypeError(name)
    # Others are null where they are not meant; Bolt looks into an event wherever there is one.
    if ("event" in body or body.get("type") == "event_callback") and not body.get("event"):
        raise TypeError("event")
    for action in body.get("actions") or ():
        if not isinstance(action.get("action_id"), str):
            raise TypeError("actions")


def build_app(
    *,
    controller: ControllerPort,
    client: CountingClient,
    approvers: Approvers,
    clock: Clock,
    voices: Voices | None = None,
    signing_secret: str = "",
    executor: Executor | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    deduplication: Deduplication | None = None,
    pause: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
    homes: AppHomes[AppHomeFacts] | None = None,
    card: Callable[[Rollout], str] = lambda _rollout: "",
    heard: Callable[[], float | None] = lambda: 0.0,
) -> App:
    """An app that answers; it may be built while Slack is down, and asks who it is at the first event.

    ``homes`` are the pages that it shows, ``card`` says where a rollout's card is, ``heard`` for how many seconds Slack
    has been silent, and ``now`` is the time that Slack's messages are compared with.

    Its loggers take the level of Bolt's own; left to themselves they take the root's, and write payloads at ``debug``.
    The environment loses what would make an OAuth app of it.
    """
    for name in _OAUTH:
        os.environ.pop(name, None)  # noqa: TID251  # taken away, not read: Bolt reads them whatever it is given
    app = _ForgivingApp(
        name="canary-bot",  # or Bolt reads the source of all that called us, to find one
        client=client,
        logger=logging.getLogger("slack_bolt"),
        signing_secret=signing_secret,
        token_verification_enabled=False,
        before_authorize=_ask_as_we_do(client),
        listener_executor=executor or ThreadPoolExecutor(THREADS, thread_name_prefix="slack"),
    )
    voices = voices or Voices()
    commands = Commands(controller=controller, approvers=approvers, clock=clock, voices=voices, card=card)
    pages = AppHomePages(controller=controller, approvers=approvers, clock=clock, voices=voices, card=card, heard=heard)
    homes = homes or AppHomes(client, clock)
    homes.use(Source(pages.facts, lambda facts: facts.decided, pages.page))
    Listeners(commands, client, homes, monotonic, deduplication, pause, now).register(app)
    return app
