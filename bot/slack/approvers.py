"""Who may decide. Slack knows the people; ``services.yaml`` names users and groups; nobody else is trusted.

Approving is refused whenever Slack cannot say who is in a group. Aborting and pausing need no group: everybody of the
workspace may stop a canary, also while Slack is half broken.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError
from slack_sdk.web import SlackResponse

from bot.rollout.errors import Refusal
from bot.rollout.model import UserId
from bot.rollout.service import ApprovalRule

MEMBERS_FOR = 60.0  # seconds a group's members are believed
HANDLES_FOR = 60.0  # seconds before an unknown handle is looked up again
_USER = re.compile(r"[UW][A-Z0-9]{2,}")
_GROUP = re.compile(r"S[A-Z0-9]{2,}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who typed or clicked, as Slack says it.

    Attributes:
        team: their own workspace, which is not always the one they clicked in.
        home: the workspace the bot is installed in, as Slack told it at the first event.
    """

    id: UserId
    team: str
    home: str


class Unanswered(Exception):  # noqa: N818  # not an error to anybody but this module
    """Slack did not say."""


class Approvers:
    """Membership of user groups, remembered for a minute."""

    def __init__(self, client: WebClient, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._handles: dict[str, str] = {}
        self._handles_at: float | None = None
        self._members: dict[str, tuple[float, frozenset[str]]] = {}

    @staticmethod
    def check_member(person: Person) -> None:
        """Refuse whoever is not of this workspace.

        Raises:
            Refusal: a guest from another organisation (Slack Connect).
        """
        if not person.home or person.team != person.home:
            raise Refusal("Only members of this workspace may decide about its rollouts.")

    def check_approver(self, person: Person, rule: ApprovalRule) -> None:
        """Refuse whoever is not named by the rule; a rule without names lets every member of the workspace.

        Raises:
            Refusal: they are not, or Slack cannot say whether they are.
        """
        self.check_member(person)
        if not rule.approvers or person.id in rule.approvers:
            return
        unanswered = []
        for name in rule.approvers:
            try:
                if not _USER.fullmatch(name) and person.id in self._members_of(name):
                    return
            except Unanswered:
                unanswered.append(name)
        if unanswered:
            raise Refusal(
                f"I could not ask Slack who is in {', '.join(unanswered)}, so I let nobody through. Please try again "
                "in a moment. Abort and pause work without it."
            )
        raise Refusal(f"You are not one of the approvers ({', '.join(rule.approvers)}).")

    def may_approve(self, person: Person, rule: ApprovalRule) -> bool:
        """The same as a question, for what is shown."""
        try:
            self.check_approver(person, rule)
        except Refusal:
            return False
        return True

    def mentions(self, rule: ApprovalRule) -> tuple[str, ...]:
        """Ids to mention where Slack tells them, else the names as they are configured; never fails."""
        return tuple(self._id_or_name(name) for name in rule.approvers)

    def forget(self) -> None:
        """Slack said that groups have changed."""
        with self._lock:
            self._members.clear()
            self._handles_at = None

    def _id_or_name(self, name: str) -> str:
        try:
            return name if _USER.fullmatch(name) else self._group(name)
        except (Unanswered, Refusal):
            return name

    def _members_of(self, name: str) -> frozenset[str]:
        group = self._group(name)
        with self._lock:
            known = self._members.get(group)
        if known is not None and self._monotonic() - known[0] < MEMBERS_FOR:
            return known[1]
        answer = _asked(lambda: self._client.usergroups_users_list(usergroup=group))
        members = frozenset(str(user) for user in answer.get("users", ()))
        with self._lock:
            self._members[group] = (self._monotonic(), members)
        return members

    def _group(self, name: str) -> str:
        """The id of a group; handles are looked up once, unknown ones at most once a minute."""
        if _GROUP.fullmatch(name):
            return name
        handle = name.removeprefix("@")
        with self._lock:
            fresh = self._handles_at is not None and self._monotonic() - self._handles_at < HANDLES_FOR
            if handle in self._handles:
                return self._handles[handle]
        if not fresh:
            groups = _asked(self._client.usergroups_list).get("usergroups", ())
            with self._lock:
                self._handles = {str(group["handle"]): str(group["id"]) for group in groups}
                self._handles_at = self._monotonic()
                if handle in self._handles:
                    return self._handles[handle]
        raise Refusal(f"Slack knows no user group {name}, which services.yaml names as approvers.")


def _asked(call: Callable[[], SlackResponse]) -> dict[str, Any]:
    """What Slack answers."""
    try:
        data = call().data
    except (SlackClientError, URLError, OSError, http.client.HTTPException) as error:
        log.warning("slack.unanswered", error=type(error).__name__)
        raise Unanswered from error
    return data if isinstance(data, dict) else {}
