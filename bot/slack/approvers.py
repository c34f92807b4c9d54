"""Who may decide. Slack knows the people; ``services.yaml`` names users and groups; nobody else is trusted.

A group of which Slack cannot say who is in it lets nobody through, and neither does one that is disabled or that nobody
knows; they keep nobody else out either. Aborting and pausing need no group: everybody of the workspace may stop a
canary, also while Slack is half broken.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.error import URLError

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.model.errors import Fault, Refusal
from bot.model.rollout import UserId
from bot.model.service import ApprovalRule
from bot.slack.codes import ORG_WIDE, answer_code, needed_scope, pages, remedy

MEMBERS_FOR = 60.0  # seconds a group's members are believed
HANDLES_FOR = 60.0  # seconds the groups' handles are believed; while Slack does not answer, those it told last
_USER = re.compile(r"[UW][A-Z0-9]{2,}")
_GROUP = re.compile(r"S[A-Z0-9]{2,}")
_GONE = frozenset({"no_such_subteam", "subteam_not_found", "subteam_disabled"})

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


class People(NamedTuple):
    """Ids of people, and whether Slack has told of all of them."""

    ids: tuple[str, ...]
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A user group as Slack lists it. ``people`` None: Slack did not count them."""

    id: str
    disabled: bool
    people: int | None


class Unanswered(Exception):  # noqa: N818  # not an error to anybody but this module
    """Slack did not say. ``remedy`` is what to do about it, "" where trying again is all there is."""

    def __init__(self, remedy: str = "", code: str = "") -> None:
        self.remedy = remedy
        self.code = code
        super().__init__(remedy)


class Nobody(Exception):  # noqa: N818  # likewise
    """The name stands for nobody; ``sentence`` says why, and what to do."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class Approvers:
    """Membership of user groups, remembered for a minute."""

    def __init__(self, client: WebClient, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._handles: dict[str, Group] = {}
        self._handles_at: float | None = None
        self._members: dict[str, tuple[float, frozenset[str]]] = {}

    @staticmethod
    def check_member(person: Person) -> None:
        """Refuse whoever is not of this workspace.

        Raises:
            Refusal: a guest from another organisation (Slack Connect), or the app belongs to no single workspace.
        """
        if person.home.startswith("E"):
            raise Refusal(f"I cannot tell who is of this workspace. {ORG_WIDE}")
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
        unanswered: dict[str, str] = {}
        wrong = []
        for name in rule.approvers:
            try:
                if not _USER.fullmatch(name) and person.id in self._members_of(name):
                    return
            except Unanswered as doubt:
                unanswered[name] = doubt.remedy
            except Nobody as nobody:
                wrong.append(nobody.sentence)
        if unanswered:
            remedies = list(dict.fromkeys(filter(None, unanswered.values()))) or ["Please try again in a moment."]
            asked = f"I could not ask Slack who is in {', '.join(unanswered)}, so I let nobody through."
            raise Refusal(" ".join([asked, *remedies, *wrong, "Abort and pause work without it."]))
        raise Refusal(" ".join([f"You are not one of the approvers ({', '.join(rule.approvers)}).", *wrong]))

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

    def people(self, rule: ApprovalRule) -> People:
        """The ids of everybody the rule names, as far as Slack tells them now; never fails."""
        found: list[str] = []
        whole = True
        for name in rule.approvers:
            try:
                found += [name] if _USER.fullmatch(name) else sorted(self._members_of(name))
            except Unanswered:
                whole = False
            except Nobody:
                continue
        return People(tuple(dict.fromkeys(found)), whole)

    def wrong(self, name: str) -> str | None:
        """What is wrong with a name among the approvers, with what to do; None when it stands for somebody.

        Raises:
            Fault: Slack does not say.
        """
        if _USER.fullmatch(name):
            return None
        try:
            group = self._listed().get(name if _GROUP.fullmatch(name) else _key(name))
            if group is None or group.disabled:
                return _unknown(name) if group is None else _disabled_group(name)
            count = len(self._members_of(name)) if group.people is None else group.people
        except Unanswered as doubt:
            raise Fault(
                "Slack", f"does not say who is in {name}. {doubt.remedy or 'Try again in a moment.'}"
            ) from doubt
        except Nobody as nobody:
            return nobody.sentence
        return None if count else f"The user group {name} is empty: add people to it in Slack."

    def forget(self) -> None:
        """Slack said that groups have changed."""
        with self._lock:
            self._members.clear()
            self._handles_at = None

    def _id_or_name(self, name: str) -> str:
        try:
            return name if _USER.fullmatch(name) else self._group(name)
        except (Unanswered, Nobody):
            return name

    def _members_of(self, name: str) -> frozenset[str]:
        """Who is in a group.

        Raises:
            Unanswered: Slack did not say.
            Nobody: there is no such group, or it is disabled.
        """
        group = self._group(name)
        with self._lock:
            known = self._members.get(group)
        if known is not None and self._monotonic() - known[0] < MEMBERS_FOR:
            return known[1]
        try:
            answers = self._all(lambda cursor: self._client.usergroups_users_list(usergroup=group, **_at(cursor)))
        except Unanswered as failure:
            if failure.code in _GONE:
                raise Nobody(_unknown(name)) from failure
            raise
        members = frozenset(str(user) for answer in answers for user in answer.get("users") or ())
        with self._lock:
            self._members[group] = (self._monotonic(), members)
        return members

    def _group(self, name: str) -> str:
        """The id of a group that is there and not disabled. People write handles as they like: case is no matter."""
        if _GROUP.fullmatch(name):
            return name
        group = self._listed().get(_key(name))
        if group is None or group.disabled:
            raise Nobody(_unknown(name) if group is None else _disabled_group(name))
        return group.id

    def _listed(self) -> dict[str, Group]:
        """Every group by its handle and by its id. What is known is used on while Slack does not answer."""
        with self._lock:
            known, at = self._handles, self._handles_at
        if at is not None and self._monotonic() - at < HANDLES_FOR:
            return known
        try:
            answers = self._all(
                lambda cursor: self._client.usergroups_list(include_disabled=True, include_count=True, **_at(cursor))
            )
        except Unanswered:
            if known:
                return known
            raise
        listed = [group for answer in answers for group in answer.get("usergroups") or ()]
        # A disabled group may have had the handle of one that is alive.
        groups = {str(one.get("handle", "")).casefold(): _group_of(one) for one in sorted(listed, key=_is_alive)}
        found = {**groups, **{str(one["id"]): _group_of(one) for one in listed}}
        with self._lock:
            self._handles, self._handles_at = found, self._monotonic()
        return found

    def _all(self, ask: Callable[[str], SlackResponse]) -> list[dict[str, Any]]:
        return list(pages(lambda cursor: _asked(lambda: ask(cursor))))


def _at(cursor: str) -> dict[str, Any]:
    return {"cursor": cursor} if cursor else {}


def _key(name: str) -> str:
    return name.removeprefix("@").casefold()


def _group_of(listed: dict[str, Any]) -> Group:
    count = str(listed.get("user_count", ""))
    return Group(
        id=str(listed["id"]),
        disabled=bool(listed.get("date_delete")),
        people=int(count) if count.isdigit() else None,
    )


def _is_alive(listed: dict[str, Any]) -> bool:
    return not listed.get("date_delete")


def _disabled_group(name: str) -> str:
    return f"The user group {name} is disabled: enable it in Slack, or name another in services.yaml."


def _unknown(name: str) -> str:
    return f"Slack knows no user group {name}: correct `approvers` in services.yaml, or make the group."


def _asked(call: Callable[[], SlackResponse]) -> dict[str, Any]:
    """What Slack answers."""
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
