"""The server side of the page in ``page/``: its files, its state, its live feed, and what its user does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.slack.delivery import People
from sandbox.slack.model import BOT_USER, Channel, Delivery, Message, View
from sandbox.slack.workspace import Event, Workspace

FILES = Path(__file__).parent / "page"
COMMANDS = [
    {
        "command": "/canary",
        "usage": "start <service> <version> | status | abort <service> <reason> | help",
        "description": "Start, watch and stop canary releases",
    }
]
NO_CACHE = {"Cache-Control": "no-store"}
HEARTBEAT_SECONDS = 15.0


@dataclass(slots=True)
class SidePanel:
    """What is shown beside the messages, if anything is."""

    provider: Callable[[], dict[str, Any]] | None = None
    action: Callable[[str], object] | None = None


@dataclass(slots=True, eq=False)
class _Reader:
    """One open feed: a queue that ends with None."""

    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)

    def put(self, line: str | None) -> None:
        """From any thread."""
        self.loop.call_soon_threadsafe(self.queue.put_nowait, line)


class WebPage:
    """The handlers of the page."""

    def __init__(self, workspace: Workspace, people: People, panel: SidePanel) -> None:
        self._workspace = workspace
        self._people = people
        self._panel = panel
        self._readers: set[_Reader] = set()
        self._acts: dict[str, Callable[[dict[str, Any]], Awaitable[Delivery | None]]] = {
            "command": self._command,
            "click": self._click,
            "submit": self._submit,
            "close": self._close,
            "say": self._say,
            "home": self._home,
        }

    def routes(self) -> list[web.AbstractRouteDef]:
        """Where the handlers live."""
        return [
            web.get("/", self._index),
            web.get("/archives/{channel}/{message}", self._index),
            web.static("/page", FILES),
            web.get("/state", self._state),
            web.get("/feed", self._feed),
            web.post("/do/{act}", self._do),
            web.get("/mesh.json", self._side_panel),
            web.post("/mesh/actions/{id}", self._side_action),
        ]

    def close(self) -> None:
        """End every open feed."""
        for reader in self._readers:
            reader.put(None)

    async def _index(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(FILES / "index.html", headers=NO_CACHE)

    async def _state(self, _request: web.Request) -> web.Response:
        workspace = self._workspace
        everyone = list(workspace.users)
        body = {
            "bot": BOT_USER,
            "language": workspace.language,
            "commands": COMMANDS,
            "users": [asdict(user) for user in workspace.users.values()],
            "usergroups": [asdict(group) for group in workspace.usergroups.values()],
            "channels": [_channel(channel) for channel in workspace.channels.values()],
            "messages": [asdict(message) for channel in workspace.channels for message in workspace.messages(channel)]
            + [asdict(message) for user in everyone for message in workspace.ephemerals(user)],
            "views": [self._views(user) for user in everyone],
        }
        return web.json_response(body, headers=NO_CACHE)

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **NO_CACHE})
        await response.prepare(request)
        reader = _Reader(asyncio.get_running_loop())
        stop = self._workspace.subscribe(lambda event: reader.put(f"data: {json.dumps(self._event(event))}\n\n"))
        self._readers.add(reader)
        try:
            reader.put(": hello\n\n")
            while (line := await self._next_line(reader)) is not None:
                await response.write(line.encode())
        except ConnectionError:
            pass  # the page was closed
        finally:
            stop()
            self._readers.discard(reader)
        return response

    async def _next_line(self, reader: _Reader) -> str | None:
        try:
            return await asyncio.wait_for(reader.queue.get(), HEARTBEAT_SECONDS)
        except TimeoutError:
            return ": still here\n\n"

    def _event(self, event: Event) -> dict[str, Any]:
        what = event["what"]
        if what is None:
            return {"type": event["type"]}
        if isinstance(what, Message):
            return {"type": event["type"], "message": asdict(what)}
        if isinstance(what, Channel):
            return {"type": event["type"], "channel": _channel(what)}
        return {"type": event["type"], **self._views(str(what))}

    def _views(self, user: str) -> dict[str, Any]:
        home = self._workspace.home(user)
        modals = [asdict(view) for view in self._workspace.views(user)]
        return {"user": user, "modals": modals, "home": asdict(home) if home else None}

    async def _do(self, request: web.Request) -> web.Response:
        act = self._acts.get(request.match_info["act"])
        if act is None:
            raise web.HTTPNotFound
        try:
            delivery = await act(await request.json())
        except LookupError as error:
            return web.json_response({"error": str(error)}, status=404)
        return web.json_response(asdict(delivery) if delivery else {})

    async def _command(self, body: dict[str, Any]) -> Delivery:
        return await self._people.command(body["user"], body["channel"], body["text"], body["command"])

    async def _click(self, body: dict[str, Any]) -> Delivery:
        where = self._message(body) if body.get("ts") else self._view(body)
        return await self._people.click(
            body["user"], where, body["action_id"], body.get("value"), values=body.get("values")
        )

    async def _submit(self, body: dict[str, Any]) -> Delivery:
        return await self._people.submit_view(body["user"], self._view(body), body["values"])

    async def _close(self, body: dict[str, Any]) -> None:
        await self._people.close_view(body["user"], self._view(body))

    async def _say(self, body: dict[str, Any]) -> Delivery | None:
        user, channel, text, thread = body["user"], body["channel"], body["text"], body.get("thread_ts")
        if f"<@{BOT_USER}" in text:
            return await self._people.mention(user, channel, text, thread)
        self._workspace.say(user, channel, text, thread)
        return None

    async def _home(self, body: dict[str, Any]) -> Delivery:
        return await self._people.open_home(body["user"])

    def _message(self, body: dict[str, Any]) -> Message:
        mine = {message.ts: message for message in self._workspace.ephemerals(body["user"])}
        found = self._workspace.message(body["channel"], body["ts"]) or mine.get(body["ts"])
        if found is None:
            raise LookupError("This message is gone.")
        return found

    def _view(self, body: dict[str, Any]) -> View:
        found = self._workspace.view(body["view"])
        if found is None:
            raise LookupError("This view is gone.")
        return found

    async def _side_panel(self, _request: web.Request) -> web.Response:
        if self._panel.provider is None:
            return web.json_response(None, headers=NO_CACHE)
        return web.json_response(await asyncio.to_thread(self._panel.provider), headers=NO_CACHE)

    async def _side_action(self, request: web.Request) -> web.Response:
        if self._panel.action is None:
            raise web.HTTPNotFound
        await asyncio.to_thread(self._panel.action, request.match_info["id"])
        return web.json_response({"ok": True})


def _channel(channel: Channel) -> dict[str, Any]:
    return asdict(channel) | {"members": sorted(channel.members)}
