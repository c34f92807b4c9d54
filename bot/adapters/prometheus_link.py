"""Asking one Prometheus, or anything that speaks its query API: time-outs, credentials, and what its answers mean.

What is asked is not known here. Each query is sent once and has a timeout; the next look is the retry.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

import structlog
from prometheus_api_client import PrometheusConnect
from requests import PreparedRequest, RequestException, Response, Session, Timeout
from requests.auth import AuthBase
from urllib3 import Retry

from bot.adapters import queries
from bot.rollout.errors import Fault

QUERY_SECONDS = 5.0  # for each query
READ_SECONDS = 10.0  # for all queries of one read
CONCURRENT_QUERIES = 8
EXCERPT = 300  # characters of Prometheus' own words that are logged
LONG = 2000  # characters; a longer query goes in the body: proxies cut long addresses, and many rollouts make one

Labels = Mapping[str, str]
Sample = tuple[Labels, float]
Series = tuple[Labels, Mapping[float, float]]  # value by time

T = TypeVar("T")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One instant query, evaluated at ``at`` (epoch seconds; None: now).

    Attributes:
        about: what it is for, so that a refusal can say so.
        forgiving: a refusal is an empty answer: a team's mistake in its own query must not blind everything else.
    """

    about: str
    text: str
    at: float | None = None
    forgiving: bool = False


class PrometheusLink:
    """One Prometheus. Its methods may be called from any thread."""

    def __init__(
        self,
        url: str,
        *,
        bearer: str | None = None,
        basic: tuple[str, str] | None = None,
        ca_file: str | None = None,
        headers: Mapping[str, str] | None = None,
        query_seconds: float = QUERY_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._query_seconds = query_seconds
        self._read_seconds = read_seconds
        # The client has no timeout and tries three times with pauses unless told otherwise: a look must end in time,
        # and the next look is the retry.
        self._client = PrometheusConnect(
            url=url.rstrip("/"),
            session=_session(bearer, basic, ca_file, headers or {}),
            retry=Retry(0, read=False),  # False: a read that times out is raised as what it is
            timeout=query_seconds,
        )
        self._pool = ThreadPoolExecutor(CONCURRENT_QUERIES, thread_name_prefix="prometheus")

    def ask(self, asked: Mapping[str, Query]) -> dict[str, tuple[Sample, ...] | Fault]:
        """Every query's samples, or why there are none, by the query's name; all within one time-out."""
        deadline = time.monotonic() + self._read_seconds
        running = {name: self._pool.submit(self._instant, query) for name, query in asked.items()}
        try:
            return {name: self._answer(asked[name], future, deadline) for name, future in running.items()}
        finally:
            for future in running.values():
                future.cancel()

    def ask_range(self, asked: Mapping[str, str], start: float, end: float, step: float) -> dict[str, list[Series]]:
        """Every query at each ``step`` seconds from ``start`` to ``end``, by the query's name.

        Raises:
            Fault: Prometheus cannot be reached or refuses.
        """
        return {name: self._range(name, query, start, end, step) for name, query in asked.items()}

    def close(self) -> None:
        """Let go of connections and threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _answer(self, query: Query, future: Future[tuple[Sample, ...]], deadline: float) -> tuple[Sample, ...] | Fault:
        try:
            return future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return Fault("Prometheus", f"did not answer everything within {self._read_seconds:g} seconds.")
        except _QueryRefused as refused:
            if not query.forgiving:
                return refused
            log.warning("custom_query_refused", query=query.about, reason=refused.sentence)
            return ()
        except Fault as fault:
            return fault

    def _instant(self, query: Query) -> tuple[Sample, ...]:
        params = self._params() | ({} if query.at is None else {"time": f"{query.at:.3f}"})
        return self._checked(query.about, lambda: _samples(self._client.custom_query(query.text, params=params)))

    def _range(self, about: str, query: str, start: float, end: float, step: float) -> list[Series]:
        first, last = (datetime.fromtimestamp(at, UTC) for at in (start, end))

        def asked() -> list[Series]:
            found = self._client.custom_query_range(query, first, last, f"{step:g}", params=self._params())
            return [(one["metric"], {float(at): float(value) for at, value in one["values"]}) for one in found]

        return self._checked(about, asked)

    def _params(self) -> dict[str, str]:
        return {"timeout": queries.duration(self._query_seconds)}

    def _checked(self, about: str, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except _Refused as refused:
            raise refused.about(about) from refused
        except Timeout as late:
            raise Fault("Prometheus", f"did not answer within {self._query_seconds:g} seconds.") from late
        except (ValueError, KeyError, TypeError, IndexError) as broken:
            # Before RequestException: requests' own JSON error is both.
            raise Fault("Prometheus", f"gave an answer to the query for {about} that is not its API's.") from broken
        except RequestException as failed:
            raise Fault("Prometheus", f"cannot be reached ({type(failed).__name__}).") from failed


def _samples(result: list[Any]) -> tuple[Sample, ...]:
    """A vector, or a scalar as a vector of one without labels. Numbers come as strings, such as ``"+Inf"``."""
    if result and not isinstance(result[0], dict):
        return (({}, float(result[1])),)
    return tuple((sample["metric"], float(sample["value"][1])) for sample in result)


class _Bearer(AuthBase):
    """As an authentication and not a plain header: requests would let a ``.netrc`` entry replace a header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _QueryRefused(Fault):
    """Prometheus is there and will not answer this very query."""


class _Refused(Exception):  # noqa: N818  # an answer on its way to becoming a Fault
    """An answer with another status than 200."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)

    def about(self, name: str) -> Fault:
        match self.status:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return Fault("Prometheus", f"refuses our credentials (HTTP {self.status}).")
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
                return _QueryRefused("Prometheus", f"refuses the query for {name} (HTTP {self.status}).")
            case _:
                return Fault("Prometheus", f"failed to answer the query for {name} (HTTP {self.status}).")


class _LongQueries(Session):
    """A session that sends a long query as a form: the client puts every query into the address, even of a POST."""

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> Response:
        params = options.get("params") or {}
        if method == "GET" and isinstance(params, dict) and len(str(params.get("query", ""))) > LONG:
            method, options = "POST", {**options, "params": None, "data": params}
        return super().request(method, url, *args, **options)


def _session(
    bearer: str | None, basic: tuple[str, str] | None, ca_file: str | None, headers: Mapping[str, str]
) -> Session:
    session = _LongQueries()
    session.headers.update(headers)
    session.verify = ca_file or True
    session.auth = _Bearer(bearer) if bearer else basic
    session.hooks["response"].append(_inspect)
    return session


def _inspect(response: Response, **_: object) -> None:
    """The client hands on the result alone: what else an answer says is read here.

    Warnings (a store that could not be asked, say) come with data and are kept in the log; the data counts.
    """
    if response.is_redirect:
        return
    if response.status_code != HTTPStatus.OK:
        log.warning("prometheus_refused", status=response.status_code, answer=response.text[:EXCERPT])
        raise _Refused(response.status_code)
    if b'"warnings"' in response.content:
        try:
            warnings = json.loads(response.content)["warnings"]
        except (ValueError, KeyError, TypeError):
            return  # the word was in a label, or the answer is none: the client will say so
        log.warning("prometheus_warned", warnings=warnings)
