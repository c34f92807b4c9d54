"""chat.* and reactions.add: what the app writes into channels."""

from __future__ import annotations

from typing import Any

from sandbox.slack.methods.call import Answer, Call, Method, SlackError
from sandbox.slack.model import BOT_USER, Block, Message
from sandbox.slack.wire import message_json, permalink

MOST_TEXT = 40_000


def post_message(call: Call) -> Answer:
    """chat.postMessage: to a channel, a thread, or a thread and its channel."""
    channel = call.channel_to_write()
    text, blocks = _content(call)
    thread = call.text("thread_ts") or None
    if thread and call.workspace.message(channel.id, thread) is None:
        raise SlackError("thread_not_found")
    posted = call.workspace.post(
        Message(
            ts="",
            channel=channel.id,
            user=BOT_USER,
            text=text,
            blocks=blocks,
            thread_ts=thread,
            broadcast=bool(thread) and call.flag("reply_broadcast"),
            metadata=_metadata(call),
        )
    )
    return {"channel": channel.id, "ts": posted.ts, "message": message_json(posted)}


def update(call: Call) -> Answer:
    """chat.update: in place. Text alone deletes the blocks, as on the real service."""
    message = call.own_message("cant_update_message")
    text, blocks = _content(call)
    more = {"metadata": _metadata(call)} if "metadata" in call.args else {}
    changed = call.workspace.rewrite(message, text=text, blocks=blocks, **more)
    return {"channel": changed.channel, "ts": changed.ts, "text": changed.text, "message": message_json(changed)}


def post_ephemeral(call: Call) -> Answer:
    """chat.postEphemeral: to one person in a channel; nobody can look it up later."""
    channel = call.channel_to_write()
    user = call.user()
    if user.id not in channel.members:
        raise SlackError("user_not_in_channel")
    text, blocks = _content(call)
    thread = call.text("thread_ts") or None
    whisper = Message(
        ts="", channel=channel.id, user=BOT_USER, text=text, blocks=blocks, thread_ts=thread, ephemeral_to=user.id
    )
    return {"message_ts": call.workspace.post(whisper).ts}


def delete(call: Call) -> Answer:
    """chat.delete."""
    message = call.own_message("cant_delete_message")
    call.workspace.remove(message)
    return {"channel": message.channel, "ts": message.ts}


def get_permalink(call: Call) -> Answer:
    """chat.getPermalink."""
    channel = call.channel()
    message = call.workspace.message(channel.id, call.text("message_ts"))
    if message is None:
        raise SlackError("message_not_found")
    return {"channel": channel.id, "permalink": permalink(message, call.base_url)}


def add_reaction(call: Call) -> Answer:
    """reactions.add."""
    message = call.workspace.message(call.channel().id, call.text("timestamp"))
    name = call.needed("name", "no_reaction")
    if message is None:
        raise SlackError("message_not_found")
    if name in message.reactions:
        raise SlackError("already_reacted")
    call.workspace.react(message, name)
    return {}


def _content(call: Call) -> tuple[str, tuple[Block, ...]]:
    text = call.text("text")
    blocks = call.blocks("message", call.json("blocks"))
    if not text and not blocks:
        raise SlackError("no_text")
    if len(text) > MOST_TEXT:
        raise SlackError("msg_too_long")
    return text, blocks


def _metadata(call: Call) -> dict[str, Any] | None:
    metadata = call.json("metadata")
    if not metadata:
        return None
    if not isinstance(metadata, dict) or not {"event_type", "event_payload"} <= set(metadata):
        raise SlackError("invalid_metadata_format")
    return metadata


METHODS: dict[str, Method] = {
    "chat.postMessage": post_message,
    "chat.update": update,
    "chat.postEphemeral": post_ephemeral,
    "chat.delete": delete,
    "chat.getPermalink": get_permalink,
    "reactions.add": add_reaction,
}
