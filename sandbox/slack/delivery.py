"""What people do (type a command, click, submit, mention, open App Home) and what they see when the app answers.

The person's side of an interaction: it sends the payload, waits for the acknowledgement and puts its consequences
into the workspace, including Slack's own words when the app stays silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sandbox.slack.app_link import AppLink
from sandbox.slack.methods.call import SlackError
from sandbox.slack.methods.views import push_on_top, replace_with
from sandbox.slack.model import BOT_USER, TEAM_ID, Delivery, HumanAction, Message, User, View
from sandbox.slack.payloads import Payloads, find_element, state_of
from sandbox.slack.tickets import Tickets
from sandbox.slack.webapi import respond
from sandbox.slack.wire import view_json
from sandbox.slack.workspace import Workspace


class People:
    """The people of the workspace. Everything here runs on the server's loop."""

    def __init__(self, workspace: Workspace, tickets: Tickets, app: AppLink, payloads: Payloads) -> None:
        self._workspace = workspace
        self._tickets = tickets
        self._app = app
        self._payloads = payloads
        self.witnesses: list[Callable[[HumanAction], None]] = []  # told of each deed before the app is

    async def command(self, user: str, channel: str, text: str, command: str = "/canary") -> Delivery:
        """Type a slash command."""
        who, where = self._workspace.user(user), self._workspace.channel(channel)
        payload, token = self._payloads.command(who, where, command, text)
        self._notify(HumanAction(user=who, kind="command", words=text))
        delivery = await self._app.command(payload)
        if not delivery.acknowledged:
            self._failed(who, where.id, command, delivery)
        elif delivery.payload:
            self._show_answer(who, where.id, command, token, delivery.payload)
        return delivery

    async def click(
        self,
        user: str,
        where: Message | View,
        action_id: str,
        value: Any = None,
        *,
        values: dict[str, dict[str, Any]] | None = None,
    ) -> Delivery:
        """Press a button or choose from a menu, in a message or a view (with what its inputs hold)."""
        who = self._workspace.user(user)
        element, block_id = find_element(where.blocks, action_id, value)
        action = self._payloads.action(element, block_id, value)
        self._notify(HumanAction(user=who, kind="click", words=_label(element, value), action=action_id))
        if isinstance(where, View):
            filled_in = state_of(where, values or {})
            return await self._app.interaction(self._payloads.click_in_view(who, where, action, filled_in))
        delivery = await self._app.interaction(self._payloads.click_in_message(who, where, action))
        if not delivery.acknowledged:
            self._failed(who, where.channel, "canary", delivery)
        return delivery

    async def submit_view(self, user: str, view: View, values: dict[str, dict[str, Any]]) -> Delivery:
        """Submit a modal and let the app's answer close it, change it, stack on it or complain."""
        who = self._workspace.user(user)
        self._notify(HumanAction(user=who, kind="submit", words=view.submit or view.title, action=view.callback_id))
        delivery = await self._app.interaction(self._payloads.submission(who, view, state_of(view, values)))
        if delivery.acknowledged:
            self._after_submission(view, delivery.payload or {})
        else:
            words = "We had some trouble connecting. Try again?"
            self._workspace.replace_view(replace(view, errors={"": words}))
        return delivery

    async def close_view(self, user: str, view: View) -> None:
        """Close a modal without submitting it; the app hears of it only if it asked to."""
        self._workspace.close_view(view)
        if view.notify_on_close:
            await self._app.interaction(self._payloads.closing(self._workspace.user(user), view))

    async def mention(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> Delivery:
        """Write a message that mentions the app."""
        called = text if f"<@{BOT_USER}>" in text else f"<@{BOT_USER}> {text}"
        said = self._workspace.say(user, channel, called, thread_ts)
        if BOT_USER not in self._workspace.channels[said.channel].members:
            return Delivery(acknowledged=False, seconds=0, error="not_in_channel")
        event = {
            "type": "app_mention",
            "user": said.user,
            "text": said.text,
            "ts": said.ts,
            "team": TEAM_ID,
            "channel": said.channel,
            "event_ts": said.ts,
        }
        return await self._app.event(self._payloads.event(event | ({"thread_ts": thread_ts} if thread_ts else {})))

    async def open_home(self, user: str) -> Delivery:
        """Open the app's Home tab."""
        who = self._workspace.user(user)
        home = self._workspace.home(who.id)
        event = {
            "type": "app_home_opened",
            "user": who.id,
            "channel": self._workspace.channel(who.id).id,
            "tab": "home",
            "event_ts": f"{self._workspace.clock():.6f}",
        }
        return await self._app.event(self._payloads.event(event | ({"view": view_json(home)} if home else {})))

    def _notify(self, action: HumanAction) -> None:
        for witness in tuple(self.witnesses):
            witness(action)

    def _failed(self, who: User, channel: str, what: str, delivery: Delivery) -> None:
        self._workspace.whisper(who.id, channel, f"{what.removeprefix('/')} failed with the error {delivery.error}")

    def _show_answer(self, who: User, channel: str, command: str, token: str, answer: dict[str, Any]) -> None:
        ticket, _ = self._tickets.use_response(token)
        try:
            if ticket is not None:
                respond(self._workspace, ticket, answer)
        except SlackError as refusal:
            self._workspace.whisper(who.id, channel, f"{command} failed with the error {refusal.error}")

    def _after_submission(self, view: View, answer: dict[str, Any]) -> None:
        action = answer.get("response_action")
        try:
            if action == "errors":
                self._workspace.replace_view(replace(view, errors=dict(answer.get("errors") or {})))
            elif action == "update":
                replace_with(self._workspace, view, answer.get("view"))
            elif action == "push":
                push_on_top(self._workspace, view.user, answer.get("view"))
            else:
                self._workspace.close_view(view, everything=action == "clear")
        except SlackError as refusal:
            self._workspace.replace_view(replace(view, errors={"": f"The app answered with {refusal.error}"}))


def _label(element: dict[str, Any], value: Any) -> str:
    """What stood on the button, or beside the choice that was made."""
    options = [one["text"]["text"] for one in element.get("options") or [] if one["value"] == value]
    text = element.get("text") or element.get("placeholder") or {}
    return str(options[0] if options else text.get("text", ""))
