"""``Slack``: the stand-in as one object. It starts everything, and lets synchronous code act as the people would."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from aiohttp import web

from sandbox.serving import Serving
from sandbox.slack.app_link import AppLink
from sandbox.slack.delivery import People
from sandbox.slack.faults import Faults
from sandbox.slack.model import Delivery, HumanAction, Message, View
from sandbox.slack.payloads import Payloads
from sandbox.slack.scopes import EVERYTHING
from sandbox.slack.socket_mode import ACKNOWLEDGE_SECONDS, Sockets
from sandbox.slack.tickets import Tickets
from sandbox.slack.web_page import SidePanel, WebPage
from sandbox.slack.webapi import MOST_UPLOADED, ApiCall, WebApi
from sandbox.slack.workspace import Workspace
from sandbox.wire import Wire

T = TypeVar("T")


class Slack:
    """A workspace that listens on loopback while the ``with`` block lasts.

    What people do returns once the app has acknowledged, or after three seconds without an acknowledgement.
    """

    bot_token = "xoxb-0-sandbox-bot"
    app_token = "xapp-1-A0CANARY01-0-sandbox"
    signing_secret = "5a1d0c0de5a1d0c0de5a1d0c0de5a1d0"

    def __init__(self, *, port: int = 0, host: str = "127.0.0.1", scopes: frozenset[str] = EVERYTHING) -> None:
        self.workspace = Workspace()
        self.faults = Faults()
        self._tickets = Tickets(self.workspace.clock)
        self._sockets = Sockets(self.faults)
        self._app = AppLink(self._sockets, self.signing_secret)
        self._api = WebApi(
            self.workspace,
            self._tickets,
            self.faults,
            self._sockets,
            bot_token=self.bot_token,
            app_token=self.app_token,
            scopes=scopes,
        )
        self._panel = SidePanel()
        self._application = web.Application(client_max_size=MOST_UPLOADED)
        self._serving = Serving(self._application, port=port, host=host, name="slack")
        payloads = Payloads(workspace=self.workspace, tickets=self._tickets, base_url=lambda: self.url)
        self._people = People(self.workspace, self._tickets, self._app, payloads)
        self._page = WebPage(self.workspace, self._people, self._panel)

    @property
    def url(self) -> str:
        """The page is at ``url + "/"``, the Web API at ``url + "/api/"``."""
        return self._serving.url

    @property
    def wire(self) -> Wire:
        """Where every Web API call is announced."""
        return self._api.wire

    @property
    def scopes(self) -> frozenset[str]:
        """What the bot's token may do."""
        return self._api.scopes

    @scopes.setter
    def scopes(self, scopes: frozenset[str]) -> None:
        self._api.scopes = scopes

    @property
    def org_wide(self) -> bool:
        """Whether the app is installed for a whole organisation, and its token belongs to no workspace."""
        return self._api.org_wide

    @org_wide.setter
    def org_wide(self, org_wide: bool) -> None:
        self._api.org_wide = org_wide

    @property
    def calls(self) -> tuple[ApiCall, ...]:
        """Every Web API call so far, as it was answered."""
        return tuple(self._api.calls)

    @property
    def envelopes_by_connection(self) -> list[int]:
        """How many envelopes each open socket was given."""
        return [connection.envelopes for connection in self._sockets.connections]

    # How the app is reached

    def request_url(self, url: str | None, *, patience_seconds: float = ACKNOWLEDGE_SECONDS) -> None:
        """Deliver signed requests to this address; None goes back to Socket Mode.

        ``patience_seconds``: Slack's own, unless an app does all of its work before it acknowledges.
        """
        self._app.request_url, self._app.patience_seconds = url, patience_seconds

    def verify_request_url(self) -> bool:
        """Send Slack's url_verification challenge; whether the app answered with it."""
        return self._call(self._app.verify_url())

    def wait_for_connections(self, count: int = 1, timeout: float = 10) -> None:
        """Wait until the app has this many sockets open."""
        self._serving.loop.call(self._sockets.wait_for_connections(count), timeout)

    def kill_sockets(self) -> None:
        """Drop every TCP connection without a word."""
        self._call(self._sockets.kill())

    def refresh_sockets(self) -> None:
        """Ask the app to open new connections, as Slack does every few hours."""
        self._call(self._sockets.refresh())

    # What people do

    def command(self, user: str, channel: str, text: str, command: str = "/canary") -> Delivery:
        """Type a slash command in a channel."""
        return self._call(self._people.command(user, channel, text, command))

    def click(self, user: str, message: Message | View, action_id: str, *, value: str | None = None) -> Delivery:
        """Press a button of a message or a view; an explicit ``value`` simulates a replayed click."""
        return self._call(self._people.click(user, message, action_id, value))

    def submit_view(self, user: str, view: View, values: dict[str, dict[str, Any]]) -> Delivery:
        """Submit a modal; values by block_id and action_id, plain or as Slack's state objects."""
        return self._call(self._people.submit_view(user, view, values))

    def close_view(self, user: str, view: View) -> None:
        """Close a modal without submitting it."""
        self._call(self._people.close_view(user, view))

    def mention(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> Delivery:
        """Write a message that mentions the app."""
        return self._call(self._people.mention(user, channel, text, thread_ts))

    def open_home(self, user: str) -> Delivery:
        """Open the app's Home tab."""
        return self._call(self._people.open_home(user))

    def wait_for(self, predicate: Callable[[Workspace], T | None], timeout: float = 10) -> T:
        """Wait until ``predicate`` finds something in the workspace."""
        return self.workspace.wait_for(predicate, timeout)

    def watch_people(self, witness: Callable[[HumanAction], None]) -> Callable[[], None]:
        """Tell ``witness`` of whatever people do with the app, before the app hears of it; returns the way to stop."""
        self._people.witnesses.append(witness)
        return lambda: self._people.witnesses.remove(witness)

    def side_panel(
        self, provider: Callable[[], dict[str, Any]], provider_action: Callable[[str], object] | None = None
    ) -> None:
        """Show ``provider()`` beside the messages, refreshed every second; its buttons call ``provider_action(id)``."""
        self._panel.provider = provider
        self._panel.action = provider_action

    # Starting and stopping

    def __enter__(self) -> Self:
        handlers = [*self._api.routes(), web.get("/link/", self._sockets.handle), *self._page.routes()]
        self._application.add_routes(handlers)
        self._application.on_shutdown.append(self._hang_up)
        self._serving.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._serving.close()

    async def _hang_up(self, _: web.Application) -> None:
        await self._sockets.close()
        self._page.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        # Longer than an app is waited for (``request_url``): what it did not answer is told, not raised.
        return self._serving.loop.call(work, timeout=120.0)
