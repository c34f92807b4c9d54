"""The things a workspace holds, as frozen values: people, channels, messages, views, files. No behaviour beyond that.

A change replaces the value, so a test may keep an old ``Message`` and click the button that was on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TEAM_ID = "T0CANARY"
ORG_ID = "E0CANARY"
TEAM_DOMAIN = "canary"
APP_ID = "A0CANARY01"
BOT_ID = "B0CANARY01"
BOT_USER = "U0CANARY01"
SLACKBOT = "USLACKBOT"

Block = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or a bot."""

    id: str
    name: str
    real_name: str
    title: str = ""
    is_bot: bool = False
    deleted: bool = False  # deactivated: stays in lists, and in the groups that name it, and cannot sign in
    locale: str = ""  # of Slack itself, such as zh-CN; "" is never said
    team_id: str = TEAM_ID  # another one: somebody from another organisation, met in a shared channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel, or a direct conversation with the app (``is_im``); in a ``restricted`` one only admins may post."""

    id: str
    name: str
    members: frozenset[str]
    topic: str = ""
    is_im: bool = False
    is_archived: bool = False
    is_private: bool = False
    restricted: bool = False
    previous_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGroup:
    """A group that can be mentioned, such as @release-managers."""

    id: str
    handle: str
    name: str
    members: tuple[str, ...]
    disabled_at: int = 0  # seconds since the epoch; 0: it is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it reads now; ``versions`` counts how often it has been written."""

    ts: str
    channel: str
    user: str
    text: str = ""
    blocks: tuple[Block, ...] = ()
    thread_ts: str | None = None
    broadcast: bool = False
    metadata: dict[str, Any] | None = None
    edited: bool = False  # the "(edited)" mark; an update with blocks does not show one
    ephemeral_to: str | None = None
    versions: int = 1
    reactions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_reply(self) -> bool:
        """Whether it lives in somebody else's thread."""
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A modal or an App Home as its user sees it; ``errors`` are those of the last refused submission."""

    id: str
    user: str
    type: str
    hash: str
    title: str = ""
    blocks: tuple[Block, ...] = ()
    callback_id: str = ""
    private_metadata: str = ""
    external_id: str = ""
    submit: str | None = None
    close: str | None = None
    notify_on_close: bool = False
    root_view_id: str = ""
    previous_view_id: str | None = None
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An uploaded file; it has no ``mimetype`` until its upload is complete."""

    id: str
    name: str
    title: str = ""
    content: bytes = b""
    mimetype: str = ""
    complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanAction:
    """Something a person did with the app.

    Attributes:
        kind: command, click or submit.
        words: the command's text, or the label of the button.
        action: the button's action id; of a form, its callback id.
    """

    user: User
    kind: str
    words: str
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one payload: whether the app acknowledged within three seconds, how fast, and with what."""

    acknowledged: bool
    seconds: float
    status: int | None = None  # of the HTTP answer; None in Socket Mode
    payload: dict[str, Any] | None = None
    error: str | None = None
