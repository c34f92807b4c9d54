"""What Slack knows of the account that somebody acts with: whether it is a living person's of this workspace.

A payload says who acted, and not whether they still may: an event can be delivered long after somebody has left, and
what a user group or ``services.yaml`` names may be a bot. So before a decision Slack is asked. An app without the scope
``users:read`` cannot ask, and then the payload is all there is; ``canary-bot check`` says so.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.model.errors import Refusal
from bot.model.rollout import UserId
from bot.slack.codes import NO_SCOPE, answer_code, needed_scope, remedy

BELIEVED = 60.0  # seconds that what Slack said of an account is believed
MOST = 1000  # accounts remembered at a time
SLACKBOT = "USLACKBOT"  # speaks for reminders and workflows, which anybody may set

# Slack says nothing of accounts to this app, now or later.
_CANNOT_ASK = frozenset({NO_SCOPE, "unknown_method", "not_allowed_token_type"})
_NOT_HERE = frozenset({"user_not_found", "user_not_visible"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who typed or clicked, as Slack says it.

    Attributes:
        team: their own workspace, which is not always the one they clicked in.
        home: the workspace the bot serves, as Slack told it at the first event; an organisation's id (``E…``) where the
            app is installed for all of it and nobody has said which workspace is meant.
        is_bot: the payload says that a program sent it.
    """

    id: UserId
    team: str
    home: str
    is_bot: bool = False


class Unanswered(Exception):  # noqa: N818  # not an error to anybody but this module
    """Slack did not say. ``remedy`` is what to do about it, "" where trying again is all there is."""

    def __init__(self, remedy: str = "", code: str = "") -> None:
        self.remedy = remedy
        self.code = code
        super().__init__(remedy)


class Accounts:
    """Accounts that Slack was asked about, remembered for a minute."""

    def __init__(self, client: WebClient, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, str]] = {}  # by id and workspace: when, and the objection

    def check(self, person: Person) -> None:
        """Refuse an account that is not a living person's of this workspace.

        Raises:
            Refusal: it is not, or Slack does not say at the moment.
        """
        now, key = self._monotonic(), f"{person.id} {person.home}"
        with self._lock:
            known = self._known.get(key)
        if known is None or now - known[0] >= BELIEVED:
            known = (now, self._objection(person))
            self._remember(key, known)
        if known[1]:
            raise Refusal(known[1])

    def _remember(self, key: str, known: tuple[float, str]) -> None:
        with self._lock:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = known

    def _objection(self, person: Person) -> str:
        try:
            answer = asked(lambda: self._client.users_info(user=person.id))
        except Unanswered as doubt:
            if doubt.code in _CANNOT_ASK:
                return ""
            if doubt.code in _NOT_HERE:
                return "Slack knows no account of yours in this workspace, so you cannot decide about its rollouts."
            what = doubt.remedy or "Please try again in a moment."
            sentence = f"I could not ask Slack about your account, so I let nobody through. {what}"
            raise Refusal(f"{sentence} Abort and pause work without it.") from doubt
        found = answer.get("user")
        return objection(found, person.home) if isinstance(found, dict) else ""


def objection(user: dict[str, Any], home: str) -> str:
    """What speaks against an account (of ``users.info``) in the workspace ``home``, as a sentence; "": nothing does."""
    if user.get("is_bot") or user.get("is_workflow_bot") or user.get("id") == SLACKBOT:
        return "Only people may decide about rollouts, not apps, workflows or reminders."
    if user.get("deleted"):
        return "This account is deactivated in Slack, so it cannot decide about rollouts."
    enterprise = user.get("enterprise_user")
    teams = enterprise.get("teams") if isinstance(enterprise, dict) else None
    # In an organisation (Enterprise Grid) one account may belong to several workspaces, of which `team_id` is only one.
    where = [*(teams if isinstance(teams, list) else ()), user.get("team_id") or home]
    if user.get("is_stranger") or home not in where:
        return "Only members of this workspace may decide about its rollouts."
    return ""


def asked(call: Callable[[], SlackResponse]) -> dict[str, Any]:
    """What Slack answers.

    Raises:
        Unanswered: nothing that can be used.
    """
    try:
        data = call().data
    except SlackApiError as error:
        code = answer_code(error)
        log.warning("slack.unanswered", error=code)
        raise Unanswered(remedy(code, needed_scope(error)), code) from error
    except (SlackClientError, URLError, OSError, http.client.HTTPException) as error:
        log.warning("slack.unanswered", error=type(error).__name__)
        raise Unanswered from error
    return data if isinstance(data, dict) else {}
