"""Watches: the change log as a stream of JSON lines, with bookmarks, and 410 for whoever was away too long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from sandbox.kube.errors import ApiError
from sandbox.kube.objects import Object
from sandbox.kube.store import Change, Store
from sandbox.kube.writes import Target


class Bell:
    """Wakes every watch of one event loop; may be rung from any thread."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ring(self) -> None:
        """Something changed."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def listen(self) -> asyncio.Event:
        """An event that is set at every ring, for one watch; call on the loop."""
        self._loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def leave(self, event: asyncio.Event) -> None:
        """The watch is over."""
        self._waiting.discard(event)

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What one client wants to hear."""

    target: Target
    matches: Callable[[Object], bool]
    since: int | None  # None: begin with everything there is
    bookmarks: bool
    initial_events_end: bool  # the client asked for the bookmark that ends the initial list
    seconds: float

    def event(self, change: Change) -> Object | None:
        """The change as this watch sees it: an object that stops matching is DELETED to it, and the reverse."""
        is_in = change.what != "DELETED" and self._covers(change.obj)
        was_in = change.before is not None and self._covers(change.before)
        what = {(True, True): "MODIFIED", (True, False): "ADDED", (False, True): "DELETED"}.get((is_in, was_in))
        return {"type": what, "object": self.target.shown(change.obj)} if what else None

    def current(self, store: Store) -> list[Object]:
        """The synthetic ADDED events a watch without a resourceVersion begins with."""
        found = store.list(self.target.kind.kind, self.target.namespace or None, where=self.matches)
        return [{"type": "ADDED", "object": self.target.shown(obj)} for obj in found]

    def bookmark(self, revision: int, *, ends_initial_events: bool = False) -> Object:
        """A BOOKMARK: nothing changed for you up to here."""
        metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if ends_initial_events:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return {"type": "BOOKMARK", "object": self.target.shown({"metadata": metadata})}

    def _covers(self, obj: Object) -> bool:
        same_kind = obj["kind"] == self.target.kind.kind
        in_scope = self.target.namespace in {"", obj["metadata"].get("namespace", "")}
        return same_kind and in_scope and self.matches(obj)


class Watching:
    """Serves watches from the store's change log.

    A version that is too old is told as an event, whenever that is found out, as the API server's watch cache does.
    """

    def __init__(self, store: Store, *, bookmark_seconds: float) -> None:
        self._store = store
        self._bookmark_seconds = bookmark_seconds
        self.bell = Bell()
        store.subscribe(lambda _what, _obj: self.bell.ring())

    async def serve(self, request: web.Request, watch: WatchRequest) -> web.StreamResponse:
        """Stream until the client's time is up, it goes away, or its place in the log is lost."""
        with self._store.transaction():
            first = [] if watch.since is not None else watch.current(self._store)
            cursor = self._store.revision if watch.since is None else watch.since
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        bell = self.bell.listen()
        try:
            await response.prepare(request)
            if watch.initial_events_end:
                first.append(watch.bookmark(cursor, ends_initial_events=True))
            await _send(response, first)
            # Not `wait_for`: Python 3.11's forgets to end when the bell rings at that very moment.
            async with asyncio.timeout(watch.seconds):
                await self._follow(response, watch, cursor, bell)
        except (TimeoutError, ConnectionResetError):
            pass  # the watch's natural ends: its time is up, or nobody listens any more
        finally:
            self.bell.leave(bell)
        return response

    async def _follow(
        self, response: web.StreamResponse, watch: WatchRequest, cursor: int, bell: asyncio.Event
    ) -> None:
        while True:
            bell.clear()
            try:
                changes = self._store.changes_since(cursor)
            except ApiError as gone:
                await _send(response, [{"type": "ERROR", "object": gone.status()}])
                return
            await _send(response, [event for change in changes if (event := watch.event(change))])
            cursor = changes[-1].revision if changes else cursor
            if not changes and not await _rang(bell, self._bookmark_seconds) and watch.bookmarks:
                await _send(response, [watch.bookmark(cursor)])


async def _rang(bell: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        return False
    return True


async def _send(response: web.StreamResponse, events: list[Object]) -> None:
    if events:
        await response.write(b"".join(json.dumps(event).encode() + b"\n" for event in events))
