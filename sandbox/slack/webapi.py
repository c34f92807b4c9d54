"""The Web API over HTTP: tokens, bodies, faults, and the way to each method; also uploads and response_urls.

What the methods do is in ``methods``; this module knows only how they are asked and answered.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from aiohttp import web

from sandbox.serving import Cut
from sandbox.slack.faults import Failure, Faults
from sandbox.slack.methods import chat, files, people, views
from sandbox.slack.methods.call import Answer, Call, Method, SlackError, accepted_blocks
from sandbox.slack.model import BOT_USER, Message
from sandbox.slack.scopes import OF_A_TEAM, lacking
from sandbox.slack.socket_mode import Sockets
from sandbox.slack.tickets import ResponseTicket, Tickets
from sandbox.slack.workspace import Workspace
from sandbox.wire import Moment, Request, System, Trouble, Wire

METHODS: dict[str, Method] = {**chat.METHODS, **people.METHODS, **views.METHODS, **files.METHODS}
MOST_UPLOADED = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call as it was answered, for tests that count."""

    method: str
    args: dict[str, Any]
    ok: bool
    at: float


class WebApi:
    """The HTTP handlers under /api/, /upload/ and /response/."""

    def __init__(
        self,
        workspace: Workspace,
        tickets: Tickets,
        faults: Faults,
        sockets: Sockets,
        *,
        bot_token: str,
        app_token: str,
        scopes: frozenset[str],
    ) -> None:
        self.calls: list[ApiCall] = []
        self.scopes = scopes  # of the bot's token
        self.org_wide = False  # installed for a whole organisation (Enterprise Grid)
        self.wire = Wire()
        self._workspace = workspace
        self._tickets = tickets
        self._faults = faults
        self._sockets = sockets
        self._bot_token = bot_token
        self._app_token = app_token

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers live."""
        return [
            web.post("/api/{method}", self._api),
            web.get("/api/{method}", self._api),
            web.post("/upload/v1/{file}", self._upload),
            web.get("/files/{file}", self._download),
            web.post("/response/{token}", self._response_url),
        ]

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        args = await read_arguments(request)
        heard = Request(system=System.SLACK, kind=method, body=args)
        trouble = self.wire.hear(heard, Moment.BEFORE)
        failure = _as_failure(trouble) or self._faults.next_failure(method)
        if trouble and trouble.cut:
            return Cut()
        answer = _refusal(failure) if failure else self._answer(method, args, base_url=_base_url(request))
        self.calls.append(ApiCall(method=method, args=args, ok=bool(answer.get("ok")), at=time.monotonic()))
        trouble = self.wire.hear(heard, Moment.AFTER)
        await asyncio.sleep(self._faults.delay(method) + (trouble.seconds if trouble else 0.0))
        if trouble and trouble.cut:
            return Cut()
        shown = _http_answer(answer, failure)
        shown.headers["X-OAuth-Scopes"] = ",".join(sorted(self.scopes))
        return shown

    def _answer(self, method: str, args: dict[str, Any], base_url: str) -> Answer:
        try:
            self._check(method, str(args.get("token") or ""))
            self._check_scope(method, args)
            if method == "apps.connections.open":
                return {"ok": True, "url": self._sockets.new_url(base_url)}
            call = Call(
                workspace=self._workspace,
                tickets=self._tickets,
                base_url=base_url,
                args=args,
                scopes=self.scopes,
                org_wide=self.org_wide,
            )
            return {"ok": True, **METHODS[method](call)}
        except SlackError as error:
            return error.answer()

    def _check(self, method: str, token: str) -> None:
        if method not in METHODS and method != "apps.connections.open":
            raise SlackError("unknown_method")
        if method == "api.test":
            return
        if not token:
            raise SlackError("not_authed")
        if token not in {self._bot_token, self._app_token}:
            raise SlackError("invalid_auth")
        needed = self._app_token if method == "apps.connections.open" else self._bot_token
        if token != needed:
            raise SlackError("not_allowed_token_type")

    def _check_scope(self, method: str, args: dict[str, Any]) -> None:
        scope = lacking(method, args, self.scopes)
        if self.org_wide and method in OF_A_TEAM and not args.get("team_id"):
            raise SlackError("missing_argument")
        if scope is not None:
            raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    async def _upload(self, request: web.Request) -> web.Response:
        file = self._workspace.files.get(request.match_info["file"])
        if file is None:
            raise web.HTTPNotFound
        content = await request.read()
        if request.content_type.startswith("multipart/"):
            form = await request.post()
            field = next(iter(form.values()))
            content = field.file.read() if isinstance(field, web.FileField) else str(field).encode()
        self._workspace.keep(replace(file, content=content))
        return web.Response(text=f"OK - {len(content)}")

    async def _download(self, request: web.Request) -> web.Response:
        file = self._workspace.files.get(request.match_info["file"])
        if file is None:
            raise web.HTTPNotFound
        return web.Response(body=file.content, content_type=file.mimetype or "application/octet-stream")

    async def _response_url(self, request: web.Request) -> web.Response:
        failure = self._faults.next_failure("response_url")
        if failure:
            return _http_answer(_refusal(failure), failure)
        ticket, refusal = self._tickets.use_response(request.match_info["token"])
        if ticket is None:
            return web.json_response({"ok": False, "error": refusal}, status=404)
        try:
            respond(self._workspace, ticket, await read_arguments(request))
        except SlackError as error:
            return web.json_response(error.answer(), status=200)
        return web.json_response({"ok": True})


def respond(workspace: Workspace, ticket: ResponseTicket, body: dict[str, Any]) -> None:
    """Do what a response asks for; the answer to a slash command in its acknowledgement is the same thing.

    Ephemeral unless it says in_channel; an original can only be replaced by the same kind of message.
    """
    original = ticket.message
    if body.get("delete_original"):
        if original:
            workspace.remove(original)
        return
    blocks = accepted_blocks(workspace, body.get("blocks"), "message")
    text = str(body.get("text") or "")
    if not text and not blocks:
        raise SlackError("no_text")
    if body.get("replace_original") and original:
        workspace.rewrite(original, text=text, blocks=blocks)
        return
    workspace.post(
        Message(
            ts="",
            channel=ticket.channel,
            user=BOT_USER,
            text=text,
            blocks=blocks,
            thread_ts=body.get("thread_ts"),
            ephemeral_to=None if body.get("response_type") == "in_channel" else ticket.user,
        )
    )


async def read_arguments(request: web.Request) -> dict[str, Any]:
    """Arguments from the query, a form or JSON, and the token from wherever it is."""
    args: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        body = json.loads(await request.text() or "{}")
        args |= body if isinstance(body, dict) else {}
    else:
        args |= dict(await request.post())
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return args | {"token": token} if scheme == "Bearer" else args


def _as_failure(trouble: Trouble | None) -> Failure | None:
    if trouble is None or trouble.status is None:
        return None
    limited = trouble.status == HTTPStatus.TOO_MANY_REQUESTS
    error = "ratelimited" if limited else "internal_error"
    return Failure(error=error, status=trouble.status, retry_after=1 if limited else None)


def _refusal(failure: Failure) -> Answer:
    return {"ok": False, "error": failure.error}


def _http_answer(answer: Answer, failure: Failure | None) -> web.Response:
    headers = {"Retry-After": str(failure.retry_after)} if failure and failure.retry_after is not None else {}
    return web.json_response(answer, status=failure.status if failure else 200, headers=headers)


def _base_url(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"
