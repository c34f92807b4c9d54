"""Who may decide. Slack knows the people; ``services.yaml`` names users and groups; nobody else is trusted.

A group of which Slack cannot say who is in it lets nobody through, and neither does one that is disabled or that nobody
knows; they keep nobody else out either. What Slack said of handles and members is believed for a minute and never
longer: a handle may have been given to another group since. Aborting and pausing need no group: everybody of the
workspace may stop a canary, also while Slack is half broken.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, NamedTuple

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.model.digits import whole_number
from bot.model.errors import Fault, Refusal
from bot.model.service import ApprovalRule
from bot.slack.accounts import SLACKBOT, USER, Accounts, Person, Unanswered, asked
from bot.slack.codes import ORG_WIDE, pages
from bot.words import sentence as words
from bot.words.language import Language
from bot.words.rendering import plain
from bot.words.sentence import Code, Text, said, together

MEMBERS_FOR = 60.0  # seconds a group's members are believed
HANDLES_FOR = 60.0  # seconds the groups' handles are believed; those it told last are shown for longer, never obeyed
_GROUP = re.compile(r"S[A-Z0-9]{2,}")
_GONE = frozenset({"no_such_subteam", "subteam_not_found", "subteam_disabled"})


class People(NamedTuple):
    """Ids of people, and whether Slack has told of all of them."""

    ids: tuple[str, ...]
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A user group as Slack lists it. ``people`` None: Slack did not count them. ``shared``: so is another's handle."""

    id: str
    disabled: bool
    people: int | None
    shared: bool = False


class Nobody(Exception):  # noqa: N818  # likewise
    """The name stands for nobody; ``sentence`` says why, and what to do."""

    def __init__(self, sentence: Text) -> None:
        self.sentence = sentence
        super().__init__(plain(sentence))


class Approvers:
    """Membership of user groups, remembered for a minute."""

    def __init__(self, client: WebClient, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._handles: dict[str, Group] = {}
        self._handles_at: float | None = None
        self._members: dict[str, tuple[float, frozenset[str]]] = {}
        self._changes = 0  # how often Slack has said that groups changed: an answer to an earlier question is not kept
        self._accounts = Accounts(client, monotonic)

    @staticmethod
    def check_member(person: Person) -> None:
        """Refuse whoever is not of this workspace.

        Raises:
            Refusal: a program, somebody from another organisation (Slack Connect), or the app belongs to no single
                workspace.
        """
        if not USER.fullmatch(person.id) or person.id == SLACKBOT:
            raise Refusal(said("slack.only_people"))
        if person.home.startswith("E"):
            raise Refusal(together((said("slack.workspace_unknown"), ORG_WIDE)))
        if not person.home or person.team != person.home:
            raise Refusal(said("slack.only_members"))

    def check_approver(self, person: Person, rule: ApprovalRule) -> None:
        """Refuse whoever is not named by the rule; a rule without names lets every member of the workspace.

        Raises:
            Refusal: they are not, their account is no living person's, or Slack cannot say.
        """
        self.check_member(person)
        self._check_named(person, rule)
        self._accounts.check(person, is_named=bool(rule.approvers))

    def _check_named(self, person: Person, rule: ApprovalRule) -> None:
        if not rule.approvers or person.id in rule.approvers:
            return
        unanswered: dict[str, Text] = {}
        wrong: list[Text] = []
        for name in rule.approvers:
            try:
                if not USER.fullmatch(name) and person.id in self._members_of(name):
                    return
            except Unanswered as doubt:
                unanswered[name] = doubt.remedy
            except Nobody as nobody:
                wrong.append(nobody.sentence)
        if unanswered:
            remedies = list(dict.fromkeys(one for one in unanswered.values() if one)) or [said("slack.try_again")]
            in_vain = said("slack.groups_unknown", names=tuple(unanswered))
            raise Refusal(together((in_vain, *remedies, *wrong, said("slack.stopping_works"))))
        named = tuple(words.Person(name) for name in rule.approvers)
        raise Refusal(together((said("slack.no_approver", names=named), *wrong)))

    def zone(self, person: Person) -> tzinfo | None:
        """The person's own time zone; None where Slack does not say it."""
        return self._accounts.zone(person)

    def language(self, person: Person) -> Language | None:
        """Which of our languages they read Slack in; None where it is another, or Slack does not say it."""
        return self._accounts.language(person)

    def known_language(self, person: Person) -> Language | None:
        """The same, without asking Slack."""
        return self._accounts.known_language(person)

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
                found += [name] if USER.fullmatch(name) else sorted(self._members_of(name))
            except Unanswered:
                whole = False
            except Nobody:
                continue
        return People(tuple(dict.fromkeys(found)), whole)

    def wrong(self, name: str) -> Text | None:
        """What is wrong with a name among the approvers, with what to do; None when it stands for somebody.

        Raises:
            Fault: Slack does not say.
        """
        if USER.fullmatch(name):
            return None
        try:
            group = self._listed().get(name if _GROUP.fullmatch(name) else _key(name))
            wrong = _wrong_group(name, group)
            if group is None or wrong is not None:
                return wrong
            count = len(self._members_of(name)) if group.people is None else group.people
        except Unanswered as doubt:
            what = doubt.remedy or said("slack.try_again")
            raise Fault("Slack", together((said("slack.members_unsaid", name=name), what))) from doubt
        except Nobody as nobody:
            return nobody.sentence
        return None if count else said("slack.group_empty", name=name)

    def forget(self) -> None:
        """Slack said that groups have changed."""
        with self._lock:
            self._changes += 1
            self._members.clear()
            self._handles_at = None

    def _id_or_name(self, name: str) -> str:
        try:
            return name if USER.fullmatch(name) else self._group(name)
        except Unanswered:
            with self._lock:
                known_last = self._handles.get(_key(name))
            return known_last.id if known_last is not None and _wrong_group(name, known_last) is None else name
        except Nobody:
            return name

    def _members_of(self, name: str) -> frozenset[str]:
        """Who is in a group.

        Raises:
            Unanswered: Slack did not say.
            Nobody: there is no such group, or it is disabled.
        """
        group = self._group(name)
        asked_at = self._monotonic()  # what changes while Slack answers may not be in the answer
        with self._lock:
            known, changes = self._members.get(group), self._changes
        if known is not None and asked_at - known[0] < MEMBERS_FOR:
            return known[1]
        try:
            answers = self._all(lambda cursor: self._client.usergroups_users_list(usergroup=group, **_at(cursor)))
        except Unanswered as failure:
            if failure.code in _GONE:
                raise Nobody(_unknown(name)) from failure
            raise
        members = frozenset(str(user) for answer in answers for user in answer.get("users") or ())
        with self._lock:
            if changes == self._changes:
                self._members[group] = (asked_at, members)
        return members

    def _group(self, name: str) -> str:
        """The id of a group that is there and not disabled. People write handles as they like: case is no matter."""
        if _GROUP.fullmatch(name):
            self._refuse_disabled(name)
            return name
        group = self._listed().get(_key(name))
        wrong = _wrong_group(name, group)
        if group is None or wrong is not None:
            raise Nobody(wrong or _unknown(name))
        return group.id

    def _refuse_disabled(self, group_id: str) -> None:
        """A group named by its id may be one that Slack lists for nobody, and then its members are all there is."""
        try:
            group = self._listed().get(group_id)
        except Unanswered:
            return
        if group is not None and group.disabled:
            raise Nobody(said("slack.group_disabled", name=group_id))

    def _listed(self) -> dict[str, Group]:
        """Every group by its handle and by its id, as Slack told within the last minute.

        Raises:
            Unanswered: Slack did not say. What it said before is no answer: the handle may be another group's by now.
        """
        asked_at = self._monotonic()
        with self._lock:
            known, at, changes = self._handles, self._handles_at, self._changes
        if at is not None and asked_at - at < HANDLES_FOR:
            return known
        answers = self._all(
            lambda cursor: self._client.usergroups_list(include_disabled=True, include_count=True, **_at(cursor))
        )
        found = _by_name([group for answer in answers for group in answer.get("usergroups") or ()])
        with self._lock:
            self._handles = found
            self._handles_at = asked_at if changes == self._changes else None
        return found

    def _all(self, ask: Callable[[str], SlackResponse]) -> list[dict[str, Any]]:
        return list(pages(lambda cursor: asked(lambda: ask(cursor))))


def _at(cursor: str) -> dict[str, Any]:
    return {"cursor": cursor} if cursor else {}


def _by_name(listed: list[dict[str, Any]]) -> dict[str, Group]:
    # A disabled group may have had the handle of one that is alive.
    groups = {_key(str(one.get("handle", ""))): _group_of(one) for one in sorted(listed, key=_is_alive)}
    living: defaultdict[str, set[str]] = defaultdict(set)
    for one in filter(_is_alive, listed):
        living[_key(str(one.get("handle", "")))].add(str(one["id"]))
    groups |= {key: replace(groups[key], shared=True) for key, ids in living.items() if len(ids) > 1}
    return {**groups, **{str(one["id"]): _group_of(one) for one in listed}}


def _key(name: str) -> str:
    """Letters beyond ASCII stay as they are: some of them have one of ASCII's as their other case."""
    return re.sub("[A-Z]+", lambda found: found[0].lower(), name.removeprefix("@"))


def _group_of(listed: dict[str, Any]) -> Group:
    return Group(
        id=str(listed["id"]),
        disabled=bool(listed.get("date_delete")),
        people=whole_number(str(listed.get("user_count", ""))),
    )


def _is_alive(listed: dict[str, Any]) -> bool:
    return not listed.get("date_delete")


def _wrong_group(name: str, group: Group | None) -> Text | None:
    if group is None:
        return _unknown(name)
    if group.disabled:
        return said("slack.group_disabled", name=name)
    return said("slack.group_shared", name=name, setting=Code("approvers")) if group.shared else None


def _unknown(name: str) -> Text:
    return said("slack.group_unknown", name=name, setting=Code("approvers"))
