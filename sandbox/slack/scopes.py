"""Which scope each method needs of the bot's token, as Slack documents it; what the app's manifest asks for."""

from __future__ import annotations

from typing import Any

# What deploy/slack-manifest.yaml grants; a test holds the two against each other.
MANIFEST = frozenset(
    {
        "app_mentions:read",
        "channels:read",
        "chat:write",
        "commands",
        "groups:read",
        "usergroups:read",
        "users:read",
    }
)

_NEEDED = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "reactions.add": "reactions:write",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
    "files.delete": "files:write",
    "files.info": "files:read",
    "bots.info": "users:read",
    "team.info": "team:read",
    "users.info": "users:read",
    "users.list": "users:read",
    "usergroups.list": "usergroups:read",
    "usergroups.users.list": "usergroups:read",
    "conversations.join": "channels:join",
    "conversations.open": "im:write",
    "conversations.info": "channels:read",
    "conversations.members": "channels:read",
}
_LISTS = {"conversations.list", "users.conversations"}  # they need a scope for each type that is asked for
_OF_TYPE = {"public_channel": "channels:read", "private_channel": "groups:read", "mpim": "mpim:read", "im": "im:read"}
# A token of a whole organisation belongs to no workspace: these must be told which one is meant.
OF_A_TEAM = frozenset({*_LISTS, "usergroups.list", "usergroups.users.list", "users.list"})
# Every scope that a method here may need. That the app may post where it is not a member is none of them.
EVERYTHING = MANIFEST | {*_NEEDED.values(), *_OF_TYPE.values()}


def lacking(method: str, args: dict[str, Any], granted: frozenset[str]) -> str | None:
    """The scope that the token would need for this call and has not; None when it may go on."""
    if method in _LISTS:
        kinds = str(args.get("types") or "public_channel").split(",")
        needed = [_OF_TYPE[kind.strip()] for kind in kinds if kind.strip() in _OF_TYPE]
    else:
        needed = [_NEEDED[method]] if method in _NEEDED else []
    return next((scope for scope in needed if scope not in granted), None)
