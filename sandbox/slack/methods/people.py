"""Who and where: auth.*, users.*, usergroups.*, conversations.*, bots.info, team.info."""

from __future__ import annotations

from sandbox.slack.methods.call import Answer, Call, Method, SlackError
from sandbox.slack.model import APP_ID, BOT_ID, BOT_USER, ORG_ID, TEAM_DOMAIN, TEAM_ID, UserGroup
from sandbox.slack.wire import channel_json, user_json

MOST_CHANNELS = 999  # in one page
LAST_PAGE = {"response_metadata": {"next_cursor": ""}}


def api_test(call: Call) -> Answer:
    """api.test: the arguments, echoed; ``error`` makes it fail."""
    if call.text("error"):
        raise SlackError(call.text("error"))
    return {"args": {key: value for key, value in call.args.items() if key != "token"}}


def auth_test(call: Call) -> Answer:
    """auth.test: who this token is."""
    return {
        "url": f"{call.base_url}/",
        "team": "Canary",
        "user": "canary",
        "team_id": ORG_ID if call.org_wide else TEAM_ID,
        "user_id": BOT_USER,
        "bot_id": BOT_ID,
        "is_enterprise_install": call.org_wide,
    }


def team_info(_call: Call) -> Answer:
    """team.info."""
    return {"team": {"id": TEAM_ID, "name": "Canary", "domain": TEAM_DOMAIN}}


def bots_info(call: Call) -> Answer:
    """bots.info."""
    if call.text("bot", BOT_ID) != BOT_ID:
        raise SlackError("bot_not_found")
    return {"bot": {"id": BOT_ID, "app_id": APP_ID, "user_id": BOT_USER, "name": "canary", "deleted": False}}


def users_info(call: Call) -> Answer:
    """users.info; the locale only on request."""
    user = call.user()
    locale = {"locale": user.locale} if user.locale and call.flag("include_locale") else {}
    return {"user": user_json(user) | locale}


def users_list(call: Call) -> Answer:
    """users.list."""
    return {"members": [user_json(user) for user in call.workspace.users.values()], **LAST_PAGE}


def usergroups_list(call: Call) -> Answer:
    """usergroups.list: disabled ones only on request."""
    everyone = call.flag("include_users")
    groups = [one for one in call.workspace.usergroups.values() if call.flag("include_disabled") or not one.disabled_at]
    return {"usergroups": [_group_json(group, with_users=everyone) for group in groups]}


def usergroups_users(call: Call) -> Answer:
    """usergroups.users.list: ids only."""
    group = call.workspace.usergroups.get(call.text("usergroup"))
    if group is None or (group.disabled_at and not call.flag("include_disabled")):
        raise SlackError("no_such_subteam")
    return {"users": list(group.members)}


def conversations_list(call: Call) -> Answer:
    """conversations.list: the public channels, and private ones that the app is in, as far as they are asked for."""
    return _channels(call, own=False)


def users_conversations(call: Call) -> Answer:
    """users.conversations: those of them that the app is in."""
    return _channels(call, own=True)


def _channels(call: Call, *, own: bool) -> Answer:
    kinds = {kind.strip() for kind in call.text("types", "public_channel").split(",")}
    found = [
        channel
        for channel in call.workspace.channels.values()
        if not channel.is_im
        and ("private_channel" if channel.is_private else "public_channel") in kinds
        and (BOT_USER in channel.members or not (own or channel.is_private))
        and not (channel.is_archived and call.flag("exclude_archived"))
    ]
    start, size = int(call.text("cursor", "0") or 0), min(int(call.text("limit", "100") or 100), MOST_CHANNELS)
    cursor = str(start + size) if start + size < len(found) else ""
    page = [channel_json(channel) for channel in found[start : start + size]]
    return {"channels": page, "response_metadata": {"next_cursor": cursor}}


def conversations_info(call: Call) -> Answer:
    """conversations.info."""
    return {"channel": channel_json(call.channel())}


def conversations_members(call: Call) -> Answer:
    """conversations.members."""
    return {"members": sorted(call.channel().members), **LAST_PAGE}


def conversations_join(call: Call) -> Answer:
    """conversations.join."""
    channel = call.channel()
    if channel.is_archived:
        raise SlackError("is_archived")
    return {"channel": channel_json(call.workspace.join(channel.id, BOT_USER))}


def conversations_open(call: Call) -> Answer:
    """conversations.open: the direct conversation with one user."""
    call_user = call.user("users")
    return {"channel": {"id": call.workspace.channel(call_user.id).id}}


def _group_json(group: UserGroup, *, with_users: bool) -> Answer:
    body = {
        "id": group.id,
        "team_id": TEAM_ID,
        "is_usergroup": True,
        "handle": group.handle,
        "name": group.name,
        "date_delete": group.disabled_at,
        "user_count": len(group.members),
    }
    return body | {"users": list(group.members)} if with_users else body


METHODS: dict[str, Method] = {
    "api.test": api_test,
    "auth.test": auth_test,
    "team.info": team_info,
    "bots.info": bots_info,
    "users.info": users_info,
    "users.list": users_list,
    "usergroups.list": usergroups_list,
    "usergroups.users.list": usergroups_users,
    "users.conversations": users_conversations,
    "conversations.list": conversations_list,
    "conversations.info": conversations_info,
    "conversations.members": conversations_members,
    "conversations.join": conversations_join,
    "conversations.open": conversations_open,
}
