"""What Slack knows of the account that somebody acts with: whether it is a living person's of this workspace.

A payload says who acted, and not whether they still may: an event can be delivered long after somebody has left, and
what a user group or ``services.yaml`` names may be a bot. So before a decision Slack is asked. An app without the scope
``users:read`` cannot ask, and then the payload is all there is; ``canary-bot check`` says so.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta, timezone, tzinfo
from typing import Any, NamedTuple
from urllib.error import URLError
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.model.errors import Refusal
from bot.model.rollout import UserId
from bot.slack.codes import NO_SCOPE, answer_code, needed_scope, remedy
from bot.words.language import Language, spoken_in
from bot.words.rendering import plain
from bot.words.sentence import Text, said, together

BELIEVED = 60.0  # seconds that what Slack said of an account is believed
MOST = 1000  # accounts remembered at a time
AN_HOUR = 3600.0  # seconds that the language somebody has chosen for Slack is believed
A_DAY = 86400  # seconds
USER = re.compile(r"[UW][A-Z0-9]{2,}")  # ids that Slack gives to accounts; messages of programs may have none
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
    """

    id: UserId
    team: str
    home: str


class Unanswered(Exception):  # noqa: N818  # not an error to anybody but this module
    """Slack did not say. ``remedy`` is what to do about it, "" where trying again is all there is."""

    def __init__(self, remedy: Text = "", code: str = "") -> None:
        self.remedy = remedy
        self.code = code
        super().__init__(plain(remedy))


class Known(NamedTuple):
    """What was found out about an account: when, what speaks against it; its time zone, and which of our languages it
    has chosen for Slack, where Slack says so; whether it is a guest's, who sees some channels alone.
    """

    at: float
    objection: Text = ""
    zone: tzinfo | None = None
    language: Language | None = None
    is_guest: bool = False


class Accounts:
    """Accounts that Slack was asked about, remembered for a minute; the language that they read for an hour."""

    def __init__(self, client: WebClient, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[str, Known] = {}  # by id and workspace

    def check(self, person: Person, *, is_named: bool) -> None:
        """Refuse an account that is not a living person's of this workspace.

        A guest's counts where somebody has named it (``is_named``), and not where every member may decide.

        Raises:
            Refusal: it is not, or Slack does not say at the moment.
        """
        known = self._looked_up(person)
        if known.objection:
            raise Refusal(known.objection)
        if known.is_guest and not is_named:
            raise Refusal(said("slack.only_named_guests"))

    def zone(self, person: Person) -> tzinfo | None:
        """The person's own time zone; None where Slack does not say it."""
        try:
            return self._looked_up(person).zone
        except Refusal:
            return None

    def language(self, person: Person) -> Language | None:
        """Which of our languages the person reads Slack in; None where it is another, or Slack does not say it."""
        known = self._remembered(person)
        if known is not None and self._monotonic() - known.at < AN_HOUR:
            return known.language
        try:
            return self._looked_up(person).language
        except Refusal:
            return None if known is None else known.language

    def known_language(self, person: Person) -> Language | None:
        """The same where it is known without asking, for who has no time to ask."""
        known = self._remembered(person)
        return None if known is None else known.language

    def _looked_up(self, person: Person) -> Known:
        now, known = self._monotonic(), self._remembered(person)
        if known is None or now - known.at >= BELIEVED:
            known = self._found_out(person, now)
            self._remember(person, known)
        return known

    def _remembered(self, person: Person) -> Known | None:
        with self._lock:
            return self._known.get(_key(person))

    def _remember(self, person: Person, known: Known) -> None:
        with self._lock:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[_key(person)] = known

    def _found_out(self, person: Person, now: float) -> Known:
        try:
            answer = asked(lambda: self._client.users_info(user=person.id, include_locale=True))
        except Unanswered as doubt:
            if doubt.code in _CANNOT_ASK:
                return Known(now)
            if doubt.code in _NOT_HERE:
                return Known(now, said("slack.no_account"))
            what = doubt.remedy or said("slack.try_again")
            asked_in_vain = together((said("slack.account_unknown"), what, said("slack.stopping_works")))
            raise Refusal(asked_in_vain) from doubt
        found = answer.get("user")
        if not isinstance(found, dict):
            return Known(now)
        return Known(
            now,
            objection(found, person.home),
            zone_of(found),
            spoken_in(str(found.get("locale") or "")),
            is_guest=bool(found.get("is_restricted") or found.get("is_ultra_restricted")),
        )


def _key(person: Person) -> str:
    return f"{person.id} {person.home}"


def zone_of(user: dict[str, Any]) -> tzinfo | None:
    """The time zone of an account (of ``users.info``): by its name, or by its offset where no name is known here."""
    try:
        return ZoneInfo(str(user.get("tz") or ""))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        offset = user.get("tz_offset")
    return timezone(timedelta(seconds=offset)) if isinstance(offset, int) and abs(offset) < A_DAY else None


def objection(user: dict[str, Any], home: str) -> Text:
    """What speaks against an account (of ``users.info``) in the workspace ``home``, as a sentence; "": nothing does."""
    if user.get("is_bot") or user.get("is_workflow_bot") or user.get("id") == SLACKBOT:
        return said("slack.only_people")
    if user.get("deleted"):
        return said("slack.deactivated")
    enterprise = user.get("enterprise_user")
    teams = enterprise.get("teams") if isinstance(enterprise, dict) else None
    # In an organisation (Enterprise Grid) one account may belong to several workspaces, of which `team_id` is only one.
    where = [*(teams if isinstance(teams, list) else ()), user.get("team_id") or home]
    if user.get("is_stranger") or home not in where:
        return said("slack.only_members")
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
