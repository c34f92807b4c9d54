"""One call of a Web API method: its arguments, read from a form or from JSON alike, and Slack's way to refuse it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack.blocks import ALL_CHARACTERS, Surface, check_blocks, count_characters, with_ids
from sandbox.slack.model import BOT_USER, Block, Channel, Message, User
from sandbox.slack.tickets import Tickets
from sandbox.slack.workspace import Workspace

Answer = dict[str, Any]


class SlackError(Exception):
    """``{"ok": false}`` with one of Slack's error names, and details where Slack gives some."""

    def __init__(self, error: str, *details: str, **more: str) -> None:
        super().__init__(error)
        self.error = error
        self.details = details
        self.more = more

    def answer(self) -> Answer:
        """The body of the refusal."""
        body: Answer = {"ok": False, "error": self.error, **self.more}
        if self.details:
            messages = [f"[ERROR] {detail}" for detail in self.details]
            body |= {"errors": list(self.details), "response_metadata": {"messages": messages}}
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a method gets to see."""

    workspace: Workspace
    tickets: Tickets
    base_url: str
    args: dict[str, Any] = field(default_factory=dict)
    scopes: frozenset[str] = frozenset()
    org_wide: bool = False

    def text(self, name: str, default: str = "") -> str:
        """An argument as text."""
        value = self.args.get(name)
        return default if value is None else str(value)

    def needed(self, name: str, error: str = "invalid_arguments") -> str:
        """An argument that must not be empty."""
        value = self.text(name)
        if not value:
            raise SlackError(error, f"missing required field: {name}")
        return value

    def flag(self, name: str) -> bool:
        """An argument as a yes or no; forms write it in several ways."""
        return self.text(name).lower() in {"1", "true"}

    def json(self, name: str) -> Any:
        """A structured argument: an object already, or JSON text in a form."""
        value = self.args.get(name)
        if not isinstance(value, str) or not value:
            return value
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise SlackError("invalid_arguments", f"{name} is not JSON: {error}") from error

    def channel(self, name: str = "channel") -> Channel:
        """The channel an argument names; a private one is there only for whoever is in it."""
        try:
            channel = self.workspace.channel(self.needed(name, "channel_not_found"))
        except LookupError as error:
            raise SlackError("channel_not_found") from error
        if channel.is_private and BOT_USER not in channel.members:
            raise SlackError("channel_not_found")
        return channel

    def channel_to_write(self) -> Channel:
        """The channel, if the app may write there."""
        channel = self.channel()
        if channel.is_archived:
            raise SlackError("is_archived")
        if BOT_USER not in channel.members and "chat:write.public" not in self.scopes:
            raise SlackError("not_in_channel")
        if channel.restricted:
            raise SlackError("restricted_action")
        return channel

    def user(self, name: str = "user") -> User:
        """The user an argument names by id."""
        user = self.workspace.users.get(self.text(name))
        if user is None:
            raise SlackError("user_not_found")
        return user

    def own_message(self, error: str) -> Message:
        """The app's own message at ``channel`` and ``ts``."""
        channel = self.channel()
        if channel.is_archived:
            raise SlackError("is_inactive")
        message = self.workspace.message(channel.id, self.text("ts"))
        if message is None:
            raise SlackError("message_not_found")
        if message.user != BOT_USER:
            raise SlackError(error)
        return message

    def blocks(self, surface: Surface, blocks: object, *, error: str = "invalid_blocks") -> tuple[Block, ...]:
        """Blocks that passed every check, with ids filled in."""
        return accepted_blocks(self.workspace, blocks, surface, error=error)


def accepted_blocks(
    workspace: Workspace, blocks: object, surface: Surface, *, error: str = "invalid_blocks"
) -> tuple[Block, ...]:
    """Check blocks and give them ids, or refuse them as Slack does."""
    listed: list[Block] = blocks if isinstance(blocks, list) else []
    found = check_blocks(blocks or [], surface)
    if found:
        raise SlackError(error, *found)
    if surface == "message" and count_characters(listed) > ALL_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    for block in listed:
        _check_file(workspace, block)
    return with_ids(listed, lambda: workspace.new_id("b"))


def _check_file(workspace: Workspace, block: Block) -> None:
    file_id = (block.get("slack_file") or {}).get("id")
    if file_id is None:
        return
    file = workspace.files.get(file_id)
    if file is None or not file.mimetype:
        raise SlackError("invalid_blocks", "invalid slack file [json-pointer:/blocks]")


Method = Callable[[Call], Answer]
