"""What Slack sends an app when somebody types, clicks, submits or mentions: the payloads, field for field.

Building only; ``delivery`` knows how they travel.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.slack.blocks import elements_of
from sandbox.slack.model import APP_ID, BOT_USER, TEAM_DOMAIN, TEAM_ID, Block, Channel, Message, User, View
from sandbox.slack.tickets import Tickets
from sandbox.slack.wire import Json, acting_user_json, message_json, team_json, view_json
from sandbox.slack.workspace import Workspace

CHOSEN = {
    "static_select": "selected_option",
    "overflow": "selected_option",
    "radio_buttons": "selected_option",
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "checkboxes": "selected_options",
    "multi_static_select": "selected_options",
    "multi_users_select": "selected_users",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payloads:
    """Builds payloads; every one comes with a fresh trigger id and response_url where Slack gives one."""

    workspace: Workspace
    tickets: Tickets
    base_url: Callable[[], str]  # the port is known only once the server listens

    def command(self, user: User, channel: Channel, command: str, text: str) -> tuple[Json, str]:
        """A slash command, and the token of its response_url."""
        token = self.tickets.new_response(channel=channel.id, user=user.id)
        payload = {
            "token": "sandbox",
            "team_id": TEAM_ID,
            "team_domain": TEAM_DOMAIN,
            "channel_id": channel.id,
            "channel_name": "directmessage" if channel.is_im else channel.name,
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": self.escape(text),
            "api_app_id": APP_ID,
            "is_enterprise_install": "false",
            "response_url": self.response_url(token),
            "trigger_id": self.tickets.new_trigger(user.id),
        }
        return payload, token

    def click_in_message(self, user: User, message: Message, action: Json) -> Json:
        """A click on an element of a message; an ephemeral one is not sent along, as on the real service."""
        token = self.tickets.new_response(channel=message.channel, user=user.id, message=message)
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": message.ephemeral_to is not None,
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        channel = self.workspace.channels[message.channel]
        payload = self._interaction("block_actions", user) | {
            "container": container,
            "channel": {"id": channel.id, "name": channel.name},
            "state": {"values": {}},
            "response_url": self.response_url(token),
            "actions": [action],
        }
        return payload if message.ephemeral_to else payload | {"message": message_json(message)}

    def click_in_view(self, user: User, view: View, action: Json, state: Json) -> Json:
        """A click on an element of a modal or of App Home."""
        return self._interaction("block_actions", user) | {
            "container": {"type": "view", "view_id": view.id},
            "view": view_json(view) | {"state": {"values": state}},
            "actions": [action],
        }

    def submission(self, user: User, view: View, state: Json) -> Json:
        """A modal, submitted."""
        return self._interaction("view_submission", user) | {
            "view": view_json(view) | {"state": {"values": state}},
            "response_urls": [],
        }

    def closing(self, user: User, view: View) -> Json:
        """A modal, closed without submitting."""
        return self._interaction("view_closed", user) | {"view": view_json(view), "is_cleared": False}

    def event(self, event: Json) -> Json:
        """The envelope of the Events API around one event."""
        return {
            "token": "sandbox",
            "team_id": TEAM_ID,
            "api_app_id": APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": self.workspace.new_id("Ev"),
            "event_time": int(self.workspace.clock()),
            "authorizations": [
                {"enterprise_id": None, "team_id": TEAM_ID, "user_id": BOT_USER, "is_bot": True}
                | {"is_enterprise_install": False}
            ],
            "is_ext_shared_channel": False,
        }

    def escape(self, text: str) -> str:
        """People and channels as ids (``should_escape`` in the manifest), unknown names as typed."""
        users = {user.name: user.id for user in self.workspace.users.values()}
        channels = {channel.name: channel.id for channel in self.workspace.channels.values() if not channel.is_im}
        groups = {group.handle: group.id for group in self.workspace.usergroups.values()}

        def name_to_id(match: re.Match[str]) -> str:
            mark, name = match.groups()
            if mark == "#":
                return f"<#{channels[name]}|{name}>" if name in channels else match[0]
            if name in groups:
                return f"<!subteam^{groups[name]}|@{name}>"
            return f"<@{users[name]}|{name}>" if name in users else match[0]

        return re.sub(r"(?<![\w<])([@#])([\w.-]+)", name_to_id, text)

    def response_url(self, token: str) -> str:
        """The address behind a token."""
        return f"{self.base_url()}/response/{token}"

    def action(self, element: Json, block_id: str, value: Any) -> Json:
        """What an element reports: its value, or what was chosen."""
        at = {"action_ts": f"{self.workspace.clock():.6f}"}
        if element["type"] != "button":
            described = {"action_id": element.get("action_id"), "block_id": block_id, "type": element["type"]}
            return described | chosen(element, value) | at
        carried: Json = {key: element[key] for key in ("text", "value", "style", "url") if key in element}
        explicit = {} if value is None else {"value": value}
        return {"action_id": element["action_id"], "block_id": block_id, "type": "button", **carried, **explicit, **at}

    def _interaction(self, kind: str, user: User) -> Json:
        return {
            "type": kind,
            "user": acting_user_json(user),
            "api_app_id": APP_ID,
            "token": "sandbox",
            "trigger_id": self.tickets.new_trigger(user.id),
            "team": team_json(),
            "enterprise": None,
            "is_enterprise_install": False,
        }


def chosen(element: Json, value: Any) -> Json:
    """The state of an input element that holds ``value``."""
    key = CHOSEN.get(str(element["type"]), "value")
    if key == "selected_option":
        return {key: _option(element, value)}
    if key == "selected_options":
        return {key: [_option(element, one) for one in value or []]}
    return {key: value}


def state_of(view: View, values: dict[str, dict[str, Any]]) -> Json:
    """The state of a view's inputs: what was filled in, else what the view started with.

    A value may be given plainly (``"reviews"``) or as Slack's state object (``{"type": …, "value": …}``).
    """
    state: Json = {}
    for block in view.blocks:
        for element in elements_of(block):
            if element.get("type") in {"button", "overflow"}:
                continue
            block_id, action_id = str(block["block_id"]), str(element["action_id"])
            given = values.get(block_id, {}).get(action_id, _initial(element))
            whole = (
                given
                if isinstance(given, dict) and "type" in given
                else {"type": element["type"], **chosen(element, given)}
            )
            state.setdefault(block_id, {})[action_id] = whole
    return state


def find_element(blocks: tuple[Block, ...], action_id: str, value: str | None) -> tuple[Json, str]:
    """The element with this action id (the one with this value, if several have it) and its block's id.

    With a value but no element it is a replayed click: the button has gone, somebody's client still had it.
    """
    found = [
        (element, str(block["block_id"]))
        for block in blocks
        for element in elements_of(block)
        if element.get("action_id") == action_id
    ]
    exact = next((pair for pair in found if value is not None and pair[0].get("value") == value), None)
    if exact or found:
        return exact or found[0]
    if value is None:
        raise LookupError(f"There is no {action_id} to click here.")
    return {"type": "button", "action_id": action_id, "text": {"type": "plain_text", "text": ""}}, "gone"


def _option(element: Json, value: Any) -> Json | None:
    groups = [group["options"] for group in element.get("option_groups") or []]
    options = [*element.get("options", []), *(option for group in groups for option in group)]
    wanted = value.get("value") if isinstance(value, dict) else value
    return next((option for option in options if option["value"] == wanted), None)


def _initial(element: Json) -> Any:
    return next((element[key] for key in element if key.startswith("initial_")), None)
