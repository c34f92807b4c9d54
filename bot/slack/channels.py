"""Whether a channel is open to the bot, found out without posting anything.

Slack's lists say it: of the channels the bot is in (few, however large the workspace), and, for a better sentence, of
the public ones. What Slack does not say now is neither yes nor no: a start goes on with a warning then, because Slack
is the last thing that a rollout should depend on.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import URLError

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.controller.containment import contained
from bot.model.errors import Fault
from bot.slack.codes import (
    NO_SCOPE,
    NO_TOKEN,
    RESTRICTED,
    answer_code,
    granted,
    needed_scope,
    pages,
    remedy,
    why_closed,
)
from bot.words.sentence import Channel, Code, Text, said

A_PAGE = 999  # channels, the most that Slack gives at once
PATIENCE = 8.0  # seconds that one lookup may take before it is given up: somebody waits for the answer
UNHURRIED = 20.0  # the same where nobody does
SAID_FOR = 600.0  # seconds that the answer to a post is believed where no list tells as much
WRITE, WRITE_PUBLIC = "chat:write", "chat:write.public"

Conversation = Mapping[str, Any]  # a conversation as Slack describes it

log = structlog.get_logger(__name__)


class Channels:
    """The port ``Channels`` on Slack's lists."""

    def __init__(self, client: WebClient, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._refused: dict[str, tuple[float, str]] = {}
        self._name = ""

    def closed(self, channel: str) -> Text | None:
        """Why nothing can be posted there, with what to do; None when it can. Asks Slack now.

        Raises:
            Fault: Slack does not say.
        """
        return self._closed(channel, self._listing())

    def each(self, channels: Iterable[str]) -> Iterator[tuple[str, Text | Fault | None]]:
        """The same of many channels, for the price of one lookup. Nobody waits for it."""
        listing = self._listing(UNHURRIED)
        for channel in dict.fromkeys(channels):
            try:
                with contained(said("slack.doing_find_out", about=channel)):
                    found: Text | Fault | None = self._closed(channel, listing)
            except Fault as fault:
                found = fault
            yield channel, found

    def refused(self, channel: str, code: str) -> None:
        """A post was refused. That posting is limited to some people is told nowhere else."""
        if code in {*RESTRICTED, "no_permission"}:
            with self._lock:
                self._refused[channel] = (self._monotonic(), code)

    def took(self, channel: str) -> None:
        """A post was taken."""
        with self._lock:
            self._refused.pop(channel, None)

    def why(self, channel: str, code: str) -> Text:
        """What Slack's short word for a refused post means, with what to do."""
        where, invite = Channel(channel), Code(f"/invite {self._called()}")
        if code in {*RESTRICTED, "no_permission"}:
            return said("slack.room_restricted", where=where, code=code, me=self._called())
        match code:
            case "not_in_channel" | "user_not_in_channel":
                return said("slack.room_not_in", where=where, invite=invite)
            case "is_archived" | "is_inactive":
                return said("slack.room_archived", where=where)
            case "channel_not_found":
                return said("slack.room_not_found", where=where, setting=Code("channel"), invite=invite)
        return why_closed(channel, code)

    def _listing(self, patience: float = PATIENCE) -> _Listing:
        return _Listing(client=self._client, monotonic=self._monotonic, until=self._monotonic() + patience)

    def _closed(self, channel: str, listing: _Listing) -> Text | None:
        with self._lock:
            at, code = self._refused.get(channel, (0.0, ""))
        if code and self._monotonic() - at < SAID_FOR:
            return self.why(channel, code)
        try:
            conversation = listing.find(channel)
            lacking = listing.granted is not None and WRITE not in listing.granted
            return remedy(NO_SCOPE, WRITE) if lacking else self._judged(channel, conversation, listing)
        except _Refused as refused:
            if refused.code in NO_TOKEN:
                return remedy(refused.code)
            reason = remedy(refused.code, refused.scope) or said("slack.answers", code=refused.code)
            raise Fault("Slack", said("slack.room_unsaid", where=Channel(channel), why=reason)) from refused

    def _judged(self, channel: str, conversation: Conversation | None, listing: _Listing) -> Text | None:
        may_join_in = listing.granted is not None and WRITE_PUBLIC in listing.granted
        if conversation is None:
            if listing.gap:
                raise Fault("Slack", said("slack.room_unsaid", where=Channel(channel), why=listing.gap))
            return self.why(channel, "channel_not_found")
        name = str(conversation.get("name") or "")
        if channel.startswith("#") and not _is_called(conversation, channel):
            return said(
                "slack.room_renamed", where=Channel(channel), name=f"#{name}", setting=Code(f'channel: "#{name}"')
            )
        if conversation.get("is_archived"):
            return self.why(channel, "is_archived")
        if conversation.get("is_read_only") or conversation.get("is_thread_only"):
            return self.why(channel, RESTRICTED[0])
        if not conversation.get("is_member") and not (may_join_in and not conversation.get("is_private")):
            return self.why(channel, "not_in_channel")
        if ((conversation.get("properties") or {}).get("posting_restricted_to") or {}).get("type"):
            raise Fault("Slack", said("slack.room_limits", where=Channel(channel)))
        return None

    def _called(self) -> str:
        """How people invite the bot."""
        if not self._name:
            try:
                self._name = str(self._client.auth_test().get("user") or "")
            except (SlackClientError, URLError, OSError, http.client.HTTPException):
                return "@canary"
        return f"@{self._name or 'canary'}"


class _Refused(Exception):  # noqa: N818  # not an error to anybody but this module
    """Slack said no to a list."""

    def __init__(self, code: str, scope: str) -> None:
        self.code = code
        self.scope = scope
        super().__init__(code)


@dataclass(slots=True, kw_only=True)
class _Listing:
    """One look at Slack's lists; each is asked for once, and only if it is needed.

    Attributes:
        granted: the token's scopes; None: not known.
        gap: why a channel that was not found may be there and open all the same; "" when it cannot.
    """

    client: WebClient
    monotonic: Callable[[], float]
    until: float
    granted: frozenset[str] | None = None
    gap: Text = ""
    _failure: Exception | None = field(default=None, init=False)
    _own: list[Conversation] | None = field(default=None, init=False)
    _public: list[Conversation] | None = field(default=None, init=False)

    def find(self, channel: str) -> Conversation | None:
        """The channel as Slack describes it; None when the bot cannot see one.

        Raises:
            _Refused: Slack refuses to say.
            Fault: Slack does not answer.
        """
        own = _best(self._of_the_bot(), channel)
        if own is not None:
            return {**own, "is_member": True}
        return _best(self._everybodys(), channel) if channel.startswith("#") else self._by_id(channel)

    def _of_the_bot(self) -> list[Conversation]:
        """Those it is in. Without the scope for private ones, one that is not found may be such a one."""
        if self._failure is not None:
            raise self._failure
        if self._own is None:
            ask = self.client.users_conversations
            try:
                self._own = self._listed(ask, "public_channel,private_channel")
            except _Refused as refused:
                if refused.code != NO_SCOPE:
                    self._failure = refused
                    raise
                self._own = self._listed(ask, "public_channel")
                self.gap = remedy(NO_SCOPE, refused.scope)
            except Fault as fault:
                self._failure = fault
                raise
        return self._own

    def _everybodys(self) -> list[Conversation]:
        """The public ones. They only make a sentence better, unless the bot may post where it is not a member."""
        if self._public is None:
            try:
                self._public = self._listed(self.client.conversations_list, "public_channel")
            except (_Refused, Fault):
                self._public = []
                if self.granted is None or WRITE_PUBLIC in self.granted:
                    self.gap = self.gap or said("slack.lists_none")
        return self._public

    def _listed(self, method: Callable[..., SlackResponse], kinds: str) -> list[Conversation]:
        def ask(cursor: str) -> dict[str, Any]:
            more = {"cursor": cursor} if cursor else {}
            return self._asked(lambda: method(types=kinds, exclude_archived=False, limit=A_PAGE, **more))

        found: list[Conversation] = []
        page: dict[str, Any] = {}
        for page in pages(ask):
            found += page["channels"]
        if (page.get("response_metadata") or {}).get("next_cursor"):
            raise Fault("Slack", said("slack.lists_many"))
        return found

    def _by_id(self, channel: str) -> Conversation | None:
        try:
            conversation: Conversation = self._asked(lambda: self.client.conversations_info(channel=channel))["channel"]
        except _Refused as refused:
            if refused.code == "channel_not_found":
                return None
            raise
        return conversation

    def _asked(self, call: Callable[[], SlackResponse]) -> dict[str, Any]:
        if self.monotonic() > self.until:
            raise Fault("Slack", said("slack.lists_slowly"))
        try:
            answer = call()
        except SlackApiError as error:
            raise _Refused(answer_code(error), needed_scope(error)) from error
        except (SlackClientError, URLError, OSError, http.client.HTTPException) as error:
            raise Fault("Slack", said("slack.unreachable")) from error
        self.granted = granted(answer) or self.granted
        if not isinstance(answer.data, dict) or not {"channel", "channels"} & answer.data.keys():
            raise Fault("Slack", said("slack.answers_oddly"))
        return answer.data


def _best(conversations: Iterable[Conversation], channel: str) -> Conversation | None:
    """The channel by its id or name, a living one before one that is archived; or the one that once had the name."""
    if not channel.startswith("#"):
        return next((conversation for conversation in conversations if conversation.get("id") == channel), None)
    alive = sorted(conversations, key=lambda conversation: bool(conversation.get("is_archived")))
    now = next((conversation for conversation in alive if _is_called(conversation, channel)), None)
    return now or next((conversation for conversation in alive if _was_called(conversation, channel)), None)


def _is_called(conversation: Conversation, channel: str) -> bool:
    name = channel.removeprefix("#").casefold()
    return name in {str(conversation.get(key) or "").casefold() for key in ("name", "name_normalized")}


def _was_called(conversation: Conversation, channel: str) -> bool:
    name = channel.removeprefix("#").casefold()
    return name in {str(one).casefold() for one in conversation.get("previous_names") or ()}
