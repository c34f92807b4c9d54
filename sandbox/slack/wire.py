"""Our values as the JSON objects Slack sends: users, channels, messages, views, files. No decisions."""

from __future__ import annotations

from typing import Any

from sandbox.slack.model import APP_ID, BOT_ID, BOT_USER, TEAM_DOMAIN, TEAM_ID, Channel, File, Message, User, View

Json = dict[str, Any]


def team_json() -> Json:
    """The team, as interaction payloads carry it."""
    return {"id": TEAM_ID, "domain": TEAM_DOMAIN}


def user_json(user: User) -> Json:
    """A user, as users.info answers."""
    return {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.name,
        "real_name": user.real_name,
        "deleted": user.deleted,
        "is_stranger": user.team_id != TEAM_ID,
        "is_bot": user.is_bot,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "tz": "Etc/UTC",
        "tz_offset": 0,
        "profile": {"real_name": user.real_name, "display_name": user.name, "title": user.title},
    }


def acting_user_json(user: User) -> Json:
    """A user, as interaction payloads carry the one who acts."""
    return {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id}


def channel_json(channel: Channel) -> Json:
    """A channel, as conversations.info answers."""
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.is_im,
        "is_im": channel.is_im,
        "is_archived": channel.is_archived,
        "is_private": channel.is_private,
        "previous_names": list(channel.previous_names),
        "is_member": BOT_USER in channel.members,
        "num_members": len(channel.members),
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
    }


def message_json(message: Message) -> Json:
    """A message, as chat.postMessage answers and clicks carry it."""
    body: Json = {"type": "message", "ts": message.ts, "user": message.user, "text": message.text, "team": TEAM_ID}
    if message.user == BOT_USER:
        body |= {"bot_id": BOT_ID, "app_id": APP_ID}
    if message.blocks:
        body["blocks"] = list(message.blocks)
    if message.thread_ts:
        body["thread_ts"] = message.thread_ts
    if message.metadata:
        body["metadata"] = message.metadata
    if message.broadcast:
        body["subtype"] = "thread_broadcast"
    if message.edited:
        body["edited"] = {"user": message.user, "ts": message.ts}
    if message.ephemeral_to:
        body["is_ephemeral"] = True
    return body


def view_json(view: View) -> Json:
    """A view, as views.open answers and submissions carry it (with no state yet)."""
    return {
        "id": view.id,
        "team_id": TEAM_ID,
        "app_id": APP_ID,
        "app_installed_team_id": TEAM_ID,
        "bot_id": BOT_ID,
        "type": view.type,
        "title": _plain(view.title),
        "submit": _plain(view.submit),
        "close": _plain(view.close),
        "blocks": list(view.blocks),
        "callback_id": view.callback_id,
        "private_metadata": view.private_metadata,
        "external_id": view.external_id,
        "hash": view.hash,
        "root_view_id": view.root_view_id,
        "previous_view_id": view.previous_view_id,
        "notify_on_close": view.notify_on_close,
        "clear_on_close": False,
        "state": {"values": {}},
    }


def file_json(file: File, base_url: str) -> Json:
    """A file, as files.info answers."""
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.mimetype,
        "filetype": file.name.rpartition(".")[2],
        "size": len(file.content),
        "url_private": f"{base_url}/files/{file.id}",
        "permalink": f"{base_url}/files/{file.id}",
    }


def permalink(message: Message, base_url: str) -> str:
    """Where the page shows this message."""
    address = f"{base_url}/archives/{message.channel}/p{message.ts.replace('.', '')}"
    return f"{address}?thread_ts={message.thread_ts}&cid={message.channel}" if message.thread_ts else address


def _plain(text: str | None) -> Json | None:
    return None if text is None else {"type": "plain_text", "text": text, "emoji": True}
