"""The HTTP side: paths to targets, methods to verbs, errors to Status objects. What a write means is in ``writes``."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.kube import discovery
from sandbox.kube.access import OTHERS, Access
from sandbox.kube.errors import ApiError, bad_request, injected, method_not_allowed, unauthorized
from sandbox.kube.faults import Faults
from sandbox.kube.objects import Object
from sandbox.kube.paging import page
from sandbox.kube.policies import Policies
from sandbox.kube.resources import Served
from sandbox.kube.selectors import by_query
from sandbox.kube.store import Store
from sandbox.kube.watching import Watching, WatchRequest
from sandbox.kube.writes import Options, Registry, Target
from sandbox.serving import Cut
from sandbox.wire import Latch, Moment, Request, System, Wire

_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_DEFAULT_WATCH_SECONDS = 1800.0
_OPEN_PATHS = ("healthz", "livez", "readyz", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One write request: who wanted to write what, when, and what came of it."""

    time: datetime
    verb: str
    kind: str
    namespace: str
    name: str
    subresource: str
    manager: str
    dry_run: bool
    code: int
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One write that was carried out: who wrote, and the object before and after (None: not there)."""

    manager: str
    target: Target
    before: Object | None
    after: Object | None


class Api:
    """One cluster's API server as an aiohttp application."""

    def __init__(self, store: Store, served: Served, *, token: str, bookmark_seconds: float) -> None:
        self.access = Access()
        self.faults = Faults()
        self.failing: tuple[str, ...] = ()  # parts of the server that are not ready, such as etcd
        self.wire = Wire()
        self.witnesses: list[Callable[[Written], None]] = []
        self.requests: Counter[str] = Counter()
        self.watching = Watching(store, bookmark_seconds=bookmark_seconds)
        self._store = store
        self._served = served
        self._token = token
        self._registry = Registry(store)
        self._held: dict[int, Latch] = {}  # by the identity of the request that hangs
        self._audit: list[AuditRecord] = []
        self._audit_lock = threading.Lock()

    def enforce(self, documents: Iterable[Object]) -> None:
        """From now on every write is shown to these policies."""
        self._registry.policies = Policies(documents)

    @property
    def audit(self) -> list[AuditRecord]:
        """Every write request so far, oldest first."""
        with self._audit_lock:
            return list(self._audit)

    def application(self) -> web.Application:
        """The application; every path goes through one door."""
        app = web.Application(client_max_size=8 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ApiError as error:
            if error.is_text:
                return web.Response(text=f"{error.message}\n", status=error.code, headers=error.headers)
            return web.json_response(error.status(), status=error.code, headers=error.headers)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = [part for part in request.path.split("/") if part]
        self._authenticate(request, path)
        self.requests["watch" if _is_watch(request) else request.method] += 1
        if path and path[0] in ("healthz", "livez", "readyz"):
            return discovery.health(path[0], self.failing)
        document = discovery.describe(self._served, path, request.host)
        if document is not None:
            return web.json_response(document)
        target = self._target(path)
        if target is None:
            return web.Response(text="404 page not found\n", status=404)
        if request.method == "GET":
            return await self._read(request, target)
        return await self._write(request, target)

    def _authenticate(self, request: web.Request, path: list[str]) -> None:
        is_open = bool(path) and path[0] in _OPEN_PATHS and "Authorization" not in request.headers
        if not (is_open or _bears(request, self._token) or _bears(request, OTHERS)):
            raise unauthorized()

    def _authorize(self, request: web.Request, verb: str, target: Target) -> None:
        if not _bears(request, OTHERS):  # the bot's rights are nobody else's
            self.access.check(verb, target)

    def _target(self, path: list[str]) -> Target | None:
        """`apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME/SUBRESOURCE`, or None when nothing is served there."""
        match path:
            case ["api", version, *rest]:
                group = ""
            case ["apis", group, version, *rest]:
                pass
            case _:
                return None
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":  # noqa: PLR2004 -- `namespaces/NAME` alone is the Namespace itself
            namespace, rest = rest[1], rest[2:]
        plural, name, subresource = (*rest, "", "", "")[:3]
        kind = self._served.find(group, version, plural)
        if kind is None or (subresource and subresource not in kind.subresources):
            return None
        return Target(kind=kind, version=version, namespace=namespace, name=name, subresource=subresource)

    # Reading

    async def _read(self, request: web.Request, target: Target) -> web.StreamResponse:
        is_watch = _is_watch(request)
        verb = "watch" if is_watch else "get" if target.name else "list"
        self._authorize(request, verb, target)
        if self.faults.take(verb, target) or await self._is_cut(request, target, _heard(verb, target), Moment.BEFORE):
            return Cut()
        if is_watch:
            return await self.watching.serve(request, _watch(request, target))
        answer = self._registry.read(target) if target.name else self._list(request, target)
        cut = await self._is_cut(request, target, _heard(verb, target), Moment.AFTER)
        return Cut() if cut else web.json_response(answer)

    async def _is_cut(self, request: web.Request, target: Target, heard: Request, moment: Moment) -> bool:
        """Announce a request; whether its connection is to be reset. A refusal is raised."""
        trouble = self.wire.hear(heard, moment)
        if trouble is None:
            return False
        if trouble.given_up and request.transport is not None:
            request.transport.abort()
        if trouble.latch is not None:
            self._held[id(heard)] = trouble.latch
            await asyncio.to_thread(trouble.latch.released.wait)
        await asyncio.sleep(trouble.seconds)
        if trouble.status is not None:
            raise injected(trouble.status, target.kind, target.name)
        return trouble.cut

    def _list(self, request: web.Request, target: Target) -> Object:
        matches = by_query(request.query.get("labelSelector", ""), request.query.get("fieldSelector", ""))
        found = page(self._store, target.kind.kind, target.namespace or None, request.query, matches)
        return {
            "kind": f"{target.kind.kind}List",
            "apiVersion": target.api_version,
            "metadata": found.metadata,
            "items": [target.shown(obj) if target.kind.custom else _untyped(obj) for obj in found.items],
        }

    # Writing

    async def _write(self, request: web.Request, target: Target) -> web.StreamResponse:
        verb = _WRITES.get(request.method)
        if verb is None:
            raise method_not_allowed()
        body = await _body(request)
        code = 500
        heard = _heard(verb, target, body, rehearsal=_is_dry_run(request))
        try:
            if await self._is_cut(request, target, heard, Moment.BEFORE):
                return Cut()
            response = self._do_write(request, verb, target, body)
            code = 0 if isinstance(response, Cut) else response.status
            if await self._is_cut(request, target, heard, Moment.AFTER):
                return Cut()
        except ApiError as error:
            code = error.code
            raise
        finally:
            self._record(request, verb, target, body, code)
            latch = self._held.pop(id(heard), None)
            if latch is not None:
                latch.landed.set()
        return response

    def _do_write(self, request: web.Request, verb: str, target: Target, body: Any) -> web.Response:
        is_collection = not target.name
        if is_collection is not (verb == "create") or (target.kind.namespaced and not target.namespace):
            raise method_not_allowed()
        self._authorize(request, verb, target)
        fault = self.faults.take(verb, target)
        if fault and not fault.after:
            return Cut()
        response = self._written(request, verb, target, body)
        return Cut() if fault else response

    def _written(self, request: web.Request, verb: str, target: Target, body: Any) -> web.Response:
        options = _options(request)
        before = self._store.get(target.kind.kind, target.namespace, target.name) if self.witnesses else None
        response = self._answered(request, verb, target, body, options)
        if self.witnesses and target.kind.stored and not options.dry_run:
            after = self._store.get(target.kind.kind, target.namespace, target.name)
            written = Written(manager=options.manager, target=target, before=before, after=after)
            for witness in self.witnesses:
                witness(written)
        return response

    def _answered(self, request: web.Request, verb: str, target: Target, body: Any, options: Options) -> web.Response:
        if verb != "patch" and not isinstance(body, dict):
            raise bad_request(
                f"the object provided is unrecognized: couldn't get version/kind from {type(body).__name__}"
            )
        if verb == "delete":
            return web.json_response(self._registry.delete(target, body, options))
        if verb == "create" and not target.kind.stored:
            myself = target.kind.kind == "SelfSubjectReview"
            return web.json_response(self.access.who() if myself else self.access.review(body), status=201)
        if verb == "create":
            written = self._registry.create(target, body, options)
        elif verb == "update":
            written = self._registry.replace(target, body, options)
        else:
            written = self._registry.patch(target, request.content_type, body, options)
        response = web.json_response(written.obj, status=201 if written.made else 200)
        for warning in written.warnings:
            response.headers.add("Warning", f"299 - {json.dumps(warning)}")
        return response

    def _record(self, request: web.Request, verb: str, target: Target, body: Any, code: int) -> None:
        named = target.name or (body.get("metadata", {}).get("name", "") if isinstance(body, dict) else "")
        record = AuditRecord(
            time=datetime.now(UTC),
            verb=verb,
            kind=target.kind.kind,
            namespace=target.namespace,
            name=named,
            subresource=target.subresource,
            manager=_manager(request),
            dry_run=_is_dry_run(request),
            code=code,
            body=body,
        )
        with self._audit_lock:
            self._audit.append(record)


def _heard(verb: str, target: Target, body: Any = None, *, rehearsal: bool = False) -> Request:
    part = f"/{target.subresource}" if target.subresource else ""
    kind = f"{verb} {target.kind.kind}{part}"
    return Request(system=System.KUBERNETES, kind=kind, body=body, rehearsal=rehearsal)


def _bears(request: web.Request, token: str) -> bool:
    return request.headers.get("Authorization") == f"Bearer {token}"


def _is_watch(request: web.Request) -> bool:
    return request.query.get("watch", "").lower() in {"1", "true"}


def _watch(request: web.Request, target: Target) -> WatchRequest:
    query = request.query
    matches = by_query(query.get("labelSelector", ""), query.get("fieldSelector", ""))
    if target.name:
        named = target.name
        matches = by_query("", f"metadata.name={named}")
    since = query.get("resourceVersion", "")
    if since and not since.isdigit():
        raise bad_request(f'invalid resource version "{since}"')
    return WatchRequest(
        target=target,
        matches=matches,
        since=int(since) if since not in {"", "0"} else None,
        bookmarks=query.get("allowWatchBookmarks", "").lower() in {"1", "true"},
        initial_events_end=query.get("sendInitialEvents", "").lower() in {"1", "true"},
        seconds=float(query.get("timeoutSeconds", _DEFAULT_WATCH_SECONDS)),
    )


def _options(request: web.Request) -> Options:
    validation = request.query.get("fieldValidation", "Warn")
    if validation not in {"Strict", "Warn", "Ignore"}:
        raise bad_request(
            f'fieldValidation: Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        )
    return Options(manager=_manager(request), dry_run=_is_dry_run(request), field_validation=validation)


def _manager(request: web.Request) -> str:
    """Without a fieldManager the server takes the User-Agent up to its first slash."""
    return request.query.get("fieldManager") or request.headers.get("User-Agent", "unknown").split("/")[0]


def _is_dry_run(request: web.Request) -> bool:
    asked = request.query.getall("dryRun", [])
    if asked and asked != ["All"]:
        raise bad_request(f'dryRun: Unsupported value: "{asked[0]}": supported values: "All"')
    return bool(asked)


async def _body(request: web.Request) -> Any:
    raw = await request.read()
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def _untyped(obj: Object) -> Object:
    """Items of built-in lists carry no kind and apiVersion, as anyone who loops over them finds out."""
    return {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
