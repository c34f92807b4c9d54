"""A Slack that answers on loopback, so that the real ``WebClient`` and its real errors are what is tested.

    with FakeSlack() as slack:
        slack.client.chat_postMessage(channel="#releases", text="hi")
        assert slack.said("chat.postMessage")[0]["text"] == "hi"

Every call is remembered with its arguments. ``fail`` scripts the next answers of one method, ``swallow`` takes the call
and closes the connection without an answer (what a time-out leaves behind), ``down`` answers 503 to everything. The
``response_url`` of a payload is ``slack.response_url``; what is sent there shows up as the method ``respond``.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from bot.slack.client import CountingClient, web_client

TEAM, BOT_USER = "T0CANARY", "U0BOT00001"
# A token of a whole organisation belongs to no workspace: these must be told which one is meant.
OF_A_TEAM = frozenset({"usergroups.list", "usergroups.users.list", "users.conversations", "conversations.list"})
Arguments = dict[str, Any]
Answer = tuple[int, dict[str, str], dict[str, Any]]


class FakeSlack:
    """One workspace with one user group, ``@release-managers``, and one channel that the app is in, ``#releases``.

    ``groups`` and ``conversations`` are what its lists hold, as Slack writes them; a list comes in pages of ``page``.
    ``accounts`` are the people ``users.info`` knows something of beside their id and workspace.
    ``scopes`` is what the headers say of the token, and None leaves them out, as some proxies do.
    """

    def __init__(self, members: tuple[str, ...] = ()) -> None:
        self.down = False
        self.members = members
        self.groups: list[dict[str, Any]] = [{"id": "S0MANAGERS", "handle": "release-managers", "date_delete": 0}]
        self.conversations: list[dict[str, Any]] = [{"id": "C0RELEASES", "name": "releases", "is_member": True}]
        self.accounts: dict[str, dict[str, Any]] = {}
        self.scopes: str | None = "chat:write,channels:read,groups:read,usergroups:read,users:read"
        self.org = ""  # an organisation's id (E...): the app is installed for all of its workspaces
        self.page = 1000
        self.closed_views: set[str] = set()  # ids of forms that somebody has closed
        self.calls: list[tuple[str, Arguments]] = []
        self._scripted: defaultdict[str, deque[Answer | None]] = defaultdict(deque)
        self._meanwhile: dict[str, Callable[[], None]] = {}
        self._ts = itertools.count(1)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.response_url = f"{self.url}/respond"
        self.client: CountingClient = web_client("xoxb-test", f"{self.url}/api", timeout=5)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def said(self, method: str) -> list[Arguments]:
        """The arguments of every call of a method, in order, failed ones too."""
        with self._lock:
            return [arguments for called, arguments in self.calls if called == method]

    def notified(self) -> str:
        """The newest sentence somebody was told in private."""
        return str(self.said("respond")[-1]["text"])

    def forget(self) -> None:
        """Start counting calls anew."""
        with self._lock:
            self.calls.clear()

    def fail(
        self,
        method: str,
        error: str = "",
        *,
        status: int = 200,
        retry_after: int | str | None = None,
        times: int = 1,
        needed: str = "",
    ) -> None:
        """The next ``times`` calls of the method fail like this; ``needed`` is the scope that is lacking."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        more = {"needed": needed} if needed else {}
        for _ in range(times):
            self._scripted[method].append((status, headers, {"ok": False, "error": error or "internal_error"} | more))

    def meanwhile(self, method: str, happens: Callable[[], None]) -> None:
        """Something that happens while the next call of the method is being answered."""
        self._meanwhile[method] = happens

    def swallow(self, method: str, times: int = 1) -> None:
        """The next ``times`` calls are carried out, and nobody hears that they were."""
        self._scripted[method].extend([None] * times)

    def answer(self, method: str, arguments: Arguments) -> Answer | None:
        """What the server answers; None closes the connection."""
        with self._lock:
            self.calls.append((method, arguments))
            if self._scripted[method]:
                return self._scripted[method].popleft()
        if self.down:
            return 503, {}, {"ok": False, "error": "service_unavailable"}
        if self.org and method in OF_A_TEAM and not arguments.get("team_id"):
            return 200, {}, {"ok": False, "error": "missing_argument"}
        self._meanwhile.pop(method, lambda: None)()
        headers = {} if self.scopes is None else {"X-OAuth-Scopes": self.scopes}
        result = self._result(method, arguments)
        return 200, headers, {"ok": True, **result} if "error" not in result else {"ok": False, **result}

    def _result(self, method: str, arguments: Arguments) -> dict[str, Any]:
        match method:
            case "auth.test":
                team = self.org or TEAM
                return {"team_id": team, "user": "canary", "user_id": BOT_USER, "bot_id": "B0BOT00001", "url": self.url}
            case "chat.postMessage":
                channel = "C0RELEASES" if arguments.get("channel") == "#releases" else arguments.get("channel")
                return {"channel": channel, "ts": f"{next(self._ts)}.000000"}
            case "views.open" | "views.update" | "views.publish":
                return self._view(arguments)
            case "usergroups.users.list":
                return {"users": list(self._in_group(str(arguments.get("usergroup"))))}
            case "users.info":
                return self._account(str(arguments.get("user")))
            case _:
                return self._listed(method, arguments)

    def _view(self, arguments: Arguments) -> dict[str, Any]:
        """Each form that is opened has an id of its own, and another hash each time it changes."""
        if str(arguments.get("view_id")) in self.closed_views:
            return {"error": "not_found"}
        number = next(self._ts)
        return {"view": {"id": arguments.get("view_id") or f"V{number}", "hash": f"h{number}"}}

    def _in_group(self, group: str) -> tuple[str, ...]:
        """``members``, unless the group has its own under ``users``."""
        found = next((one for one in self.groups if one["id"] == group), {})
        return tuple(found.get("users", self.members))

    def _account(self, user: str) -> dict[str, Any]:
        if self.scopes is not None and "users:read" not in self.scopes:
            return {"error": "missing_scope", "needed": "users:read"}
        return {"user": {"id": user, "team_id": TEAM, "deleted": False, "is_bot": False} | self.accounts.get(user, {})}

    def _listed(self, method: str, arguments: Arguments) -> dict[str, Any]:
        kinds, found = str(arguments.get("types")), dict[str, Any]()
        match method:
            case "chat.getPermalink":
                where = f"{arguments.get('channel')}/p{str(arguments.get('message_ts')).replace('.', '')}"
                found = {"permalink": f"{self.url}/archives/{where}"}
            case "usergroups.list":
                shown = [one for one in self.groups if arguments.get("include_disabled") or not one["date_delete"]]
                found = self._paged("usergroups", shown, arguments)
            case "users.conversations":
                mine = [one for one in self.conversations if one.get("is_member") and _kind(one) in kinds]
                found = self._paged("channels", mine, arguments)
            case "conversations.list":
                found = self._paged("channels", [one for one in self.conversations if _kind(one) in kinds], arguments)
            case "conversations.info":
                seen = [one for one in self.conversations if one.get("is_member") or not one.get("is_private")]
                conversation = next((one for one in seen if one["id"] == arguments.get("channel")), None)
                found = {"channel": conversation} if conversation else {"error": "channel_not_found"}
        return found

    def _paged(self, key: str, listed: list[dict[str, Any]], arguments: Arguments) -> dict[str, Any]:
        start = int(arguments.get("cursor") or 0)
        end = start + self.page
        cursor = str(end) if end < len(listed) else ""
        return {key: listed[start:end], "response_metadata": {"next_cursor": cursor}}


def _kind(conversation: dict[str, Any]) -> str:
    return "private_channel" if conversation.get("is_private") else "public_channel"


def _handler(slack: FakeSlack) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            method = self.path.partition("?")[0].rpartition("/")[2]
            answer = slack.answer(method, self._arguments(raw))
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            payload = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {
                **headers,
                "Content-Type": "application/json",
                "Content-Length": str(len(payload)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        def _arguments(self, raw: str) -> Arguments:
            if "json" in self.headers.get("Content-Type", ""):
                found: Arguments = json.loads(raw or "{}")
                return found
            form: Arguments = dict(parse_qsl(raw))
            for name in ("blocks", "view", "metadata"):
                if name in form:
                    form[name] = json.loads(form[name])
            return form

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
            """Say nothing."""

    return Handler
