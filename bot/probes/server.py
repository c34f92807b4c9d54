"""What the process tells about itself over HTTP: ``/healthz``, ``/readyz`` and ``/metrics``, on a port of their own.

What is answered is here, the wire in ``bot.http_server``, the figures in ``own_metrics``. Who measures, and what counts
as ready, is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from http import HTTPStatus

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from bot.http_server import Limits, Request, Response, Server, text
from bot.words.rendering import ENGLISH, Voice, plain
from bot.words.sentence import Seconds, Text, said

Readiness = Mapping[str, Text | None]  # by part: None when it is fine, else what is wrong with it

READY_SECONDS = 3.0  # that readiness may take to be found out; a kubelet's own patience has to be longer
LIMITS = Limits(body=0)
PATHS = "/healthz", "/readyz", "/metrics"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Probes(Server):
    """A small server on a thread of its own, which waits for nobody.

    ``/healthz`` is 200 for as long as the process can answer at all: restarting the bot mends neither Slack nor Redis.
    ``/readyz`` is 503 with a line for each part that is not fine. It may ask around, on another thread and for a
    bounded time; whoever asks meanwhile gets the same answer, and so it is with ``/metrics``. Nothing that one client
    does, or leaves undone, keeps another one waiting: slow and silent connections cost a place in a list.
    """

    def __init__(
        self,
        *,
        port: int,
        ready: Callable[[], Readiness],
        registry: CollectorRegistry,
        host: str = "",
        optional: Collection[str] = (),
        limits: Limits = LIMITS,
        voice: Voice = ENGLISH,
    ) -> None:
        """Nothing listens before ``start``.

        Args:
            port: 0 picks a free one.
            ready: what is fine and what is not; asked on a thread of its own, never twice at a time.
            registry: what ``/metrics`` shows.
            host: where to listen; "" is every address, of IPv4 and IPv6.
            optional: parts without which the process is ready all the same; what is wrong with them is told.
            limits: what clients may take of the process.
            voice: how what is wrong is said.
        """
        super().__init__(_Handler(ready, registry, optional, voice), name="probes", port=port, host=host, limits=limits)


class _Handler:
    """``bot.http_server.Handler``."""

    def __init__(
        self, ready: Callable[[], Readiness], registry: CollectorRegistry, optional: Collection[str], voice: Voice
    ) -> None:
        self._ready = ready
        self._registry = registry
        self._optional = frozenset(optional)
        self._voice = voice
        self._asked: dict[str, Future[Response]] = {}  # what is being found out, by what it is

    def check_head(self, request: Request) -> Response | None:
        """Whoever sends something is in the wrong place."""
        if request.method in {"GET", "HEAD"}:
            return None
        return self._text(HTTPStatus.METHOD_NOT_ALLOWED, said("probes.only_to_read"), {"Allow": "GET, HEAD"})

    async def answer(self, request: Request) -> Response:
        """From memory, or as it is found out."""
        match request.path:
            case "/healthz":
                return text(HTTPStatus.OK, "ok")
            case "/readyz":
                return await self._readiness()
            case "/metrics":
                return await self._metrics(request.headers.get("Accept", ""))
        return self._text(HTTPStatus.NOT_FOUND, said("probes.paths", paths=PATHS))

    async def _metrics(self, accept: str) -> Response:
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # of a version that is no number
            return text(HTTPStatus.BAD_REQUEST)
        return await self._find_out(content_type, lambda: Response(HTTPStatus.OK, encode(self._registry), content_type))

    async def _readiness(self) -> Response:
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await self._find_out("readiness", lambda: self._readiness_text(self._ready()))
        except TimeoutError:
            return self._text(HTTPStatus.SERVICE_UNAVAILABLE, said("probes.not_found_out", time=Seconds(READY_SECONDS)))

    async def _find_out(self, what: str, find_out: Callable[[], Response]) -> Response:
        """Ask on another thread, once for all who want to know meanwhile."""
        self._asked = {name: asked for name, asked in self._asked.items() if not asked.done()}
        asked = self._asked.get(what)
        if asked is None:
            asked = self._asked[what] = Future()
            threading.Thread(target=self._answer, args=(asked, what, find_out), name=what, daemon=True).start()
        return await asyncio.shield(asyncio.wrap_future(asked))

    def _readiness_text(self, parts: Readiness) -> Response:
        failing = {part: what for part, what in parts.items() if what is not None}
        lines = [f"{part}: {plain(what, self._voice)}" for part, what in failing.items()]
        if failing.keys() - self._optional:
            return text(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join(lines))
        lines = [f"{part}: {self._ready_without(what) if what else 'ok'}" for part, what in parts.items()]
        return text(HTTPStatus.OK, "\n".join(lines) or "ok")

    def _ready_without(self, what: Text) -> str:
        return plain(said("probes.ready_all_the_same", what=what), self._voice)

    def _answer(self, asked: Future[Response], what: str, find_out: Callable[[], Response]) -> None:
        try:
            asked.set_result(find_out())
        except Exception as error:  # whoever asks must get an answer, and the next one a new attempt
            sentence = said("probes.broken", what=what, error=type(error).__name__)
            asked.set_result(self._text(HTTPStatus.SERVICE_UNAVAILABLE, sentence))
            log.exception("probe_failed", what=what)

    def _text(self, status: HTTPStatus, sentence: Text, headers: Mapping[str, str] | None = None) -> Response:
        return text(status, plain(sentence, self._voice), headers)
