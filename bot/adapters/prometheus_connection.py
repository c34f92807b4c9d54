"""Asking one Prometheus, or anything that speaks its query API: time-outs, credentials, and what its answers mean.

What is asked is not known here. Each query is sent once and has a timeout; the next reconcile is the retry.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote_plus

import structlog
from prometheus_api_client import PrometheusConnect
from requests import PreparedRequest, RequestException, Response, Session, Timeout
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3 import Retry
from urllib3.exceptions import ReadTimeoutError

from bot import bounded
from bot.adapters import queries
from bot.adapters.calls import Called, counted, nobody
from bot.model.errors import Cause, Fault
from bot.words.sentence import Text, said

QUERY_SECONDS = 5.0  # for each query
READ_SECONDS = 10.0  # for all shared queries of one read
OWN_SECONDS = 5.0  # for all queries that a service wrote itself, in one read
CONCURRENT_QUERIES = 8
CONCURRENT_SERVICES = 8  # that ask queries of their own at the same time, each one after another
QUICK_SECONDS = 1.0  # for all own queries of a service that was not slow the last time
CONCURRENT_SLOW = 4  # the same for services that were slow the last time: they wait for each other only
MOST_SLOW = 1000  # services that are remembered as slow
REDIRECTS = 3  # from http to https, say, and to a path
CHUNK = 65_536  # bytes
LARGEST = 1_000_000  # bytes; what answers a query of a service's own with more is not one number
EXCERPT = 300  # characters of Prometheus' own words that are logged
BOUND = "le"  # the label of a bucket
NAME, BUCKET = "__name__", "_bucket"  # and how its name ends
LONG = 2000  # characters; a longer query goes in the body: proxies cut long addresses, and many rollouts make one

Labels = Mapping[str, str]
Sample = tuple[Labels, float]
Series = tuple[Labels, Mapping[float, float]]  # value by time
Answer = tuple[Sample, ...] | Fault

_TEXT = frozenset({str})
_OF_QUERY = re.compile(r"PromQL (warning|info)|\d+ more warning annotations omitted")
T = TypeVar("T")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One instant query, evaluated at ``at`` (epoch seconds; None: now).

    Attributes:
        about: what it is for, so that a refusal can say so.
    """

    about: Text
    text: str
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Own:
    """What a service's own queries were answered, and how long that took."""

    answers: dict[str, Answer]
    seconds: float


class PrometheusConnection:
    """One Prometheus. Its methods may be called from any thread."""

    def __init__(
        self,
        url: str,
        *,
        bearer: Callable[[], str] | None = None,
        basic: Callable[[], tuple[str, str]] | None = None,
        ca_file: str | None = None,
        headers: Mapping[str, str] | None = None,
        query_seconds: float = QUERY_SECONDS,
        read_seconds: float = READ_SECONDS,
        own_seconds: float = OWN_SECONDS,
    ) -> None:
        self._query_seconds = query_seconds
        self._read_seconds = read_seconds
        self._own_seconds = own_seconds
        # The client has no timeout and tries three times with pauses unless told otherwise: a reconcile must end in
        # time, and the next reconcile is the retry.
        self._quick_seconds = min(QUICK_SECONDS, query_seconds)
        self._client, self._quick_client, self._own_client = (
            PrometheusConnect(
                url=url.rstrip("/"),
                session=_session(bearer, basic, ca_file, headers or {}, inspect),
                retry=Retry(0, read=False),  # False: a read that times out is raised as what it is
                timeout=seconds,
            )
            for inspect, seconds in (
                (_inspect(bounded.LARGEST), query_seconds),
                (_inspect(LARGEST), self._quick_seconds),
                (_inspect(LARGEST), query_seconds),
            )
        )
        self._pool = ThreadPoolExecutor(CONCURRENT_QUERIES, thread_name_prefix="prometheus")
        self._quick = ThreadPoolExecutor(CONCURRENT_SERVICES, thread_name_prefix="own queries")
        self._patient = ThreadPoolExecutor(CONCURRENT_SLOW, thread_name_prefix="slow own queries")
        self._called: Called = nobody
        self._late: dict[str, Future[_Own]] = {}  # services whose own queries have not come back yet
        self._slow: list[str] = []  # services whose own queries took long; who waited longest is asked first

    def count_calls(self, called: Called) -> None:
        """Call ``called`` after each query with how it ended."""
        self._called = called

    def ask(self, asked: Mapping[str, Query]) -> dict[str, Answer]:
        """Every query's samples, or why there are none, by the query's name; all within one time-out."""
        return self._ask(asked, self._instant)

    def ask_series(self, asked: Mapping[str, Query]) -> dict[str, list[Series] | Fault]:
        """The same for queries whose series are wanted with every sample they have."""
        return self._ask(asked, self._all_samples)

    def ask_apart(self, asked: Mapping[str, Mapping[str, Query]]) -> dict[str, dict[str, Answer]]:
        """Queries that services wrote themselves, by service: one that is slow or wrong spoils no other service's.

        A service has a short time, until it was slow: then it has the whole time, and waits with the others that were
        slow for places of their own. What is not answered in time is a fault of its own.
        """
        deadline = time.monotonic() + self._read_seconds
        self._late = {service: future for service, future in self._late.items() if not future.done()}
        known = [service for service in self._slow if service in asked]
        fresh = [service for service in asked if service not in known]
        running = {
            service: self._quick.submit(self._one_after_another, asked[service], self._quick_client)
            for service in fresh
        } | {
            service: self._patient.submit(self._one_after_another, asked[service], self._own_client)
            for service in known
            if service not in self._late
        }
        found = {
            service: self._of_service(running.get(service), asked[service], deadline) for service in (*fresh, *known)
        }
        for service, future in running.items():
            self._remember(service, future)
        return found

    def _remember(self, service: str, future: Future[_Own]) -> None:
        """Who was slow, and who is still asking; one that never got a place keeps its turn."""
        if future.cancel():
            return
        if not future.done():
            self._late[service] = future
        if service in self._slow:
            self._slow.remove(service)
        if not future.done() or future.result().seconds >= self._quick_seconds:
            self._slow = [*self._slow, service][-MOST_SLOW:]

    def ask_range(self, asked: Mapping[str, Query], start: float, end: float, step: float) -> dict[str, list[Series]]:
        """Every query at each ``step`` seconds from ``start`` to ``end``, by the query's name.

        Raises:
            Fault: Prometheus cannot be reached or refuses.
        """
        return {name: self._range(query, start, end, step) for name, query in asked.items()}

    def close(self) -> None:
        """Let go of connections and threads."""
        for pool in (self._pool, self._quick, self._patient):
            pool.shutdown(wait=False, cancel_futures=True)
        for client in (self._client, self._quick_client, self._own_client):
            client.close()

    def _ask(self, asked: Mapping[str, Query], one: Callable[[Query], T]) -> dict[str, T | Fault]:
        deadline = time.monotonic() + self._read_seconds
        running: dict[str, Future[T]] = {name: self._pool.submit(one, query) for name, query in asked.items()}
        try:
            return {name: self._answer(future, deadline) for name, future in running.items()}
        finally:
            for future in running.values():
                future.cancel()

    def _answer(self, future: Future[Any], deadline: float) -> Any:
        try:
            return future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return Fault("Prometheus", said("adapters.not_everything", n=self._read_seconds))
        except Fault as fault:
            return fault

    def _of_service(
        self, future: Future[_Own] | None, asked: Mapping[str, Query], deadline: float
    ) -> dict[str, Answer]:
        """A service's answers; where they have not come, a fault for each of its queries."""
        try:
            if future is not None:
                return future.result(max(0.0, deadline - time.monotonic())).answers
        except TimeoutError:
            pass
        return dict.fromkeys(asked, Fault("Prometheus", said("adapters.own_queries_late")))

    def _one_after_another(self, asked: Mapping[str, Query], client: PrometheusConnect) -> _Own:
        most = self._quick_seconds if client is self._quick_client else self._own_seconds
        began = time.monotonic()
        found: dict[str, Answer] = {}
        for name, query in asked.items():
            if time.monotonic() >= began + most:
                found[name] = Fault("Prometheus", said("adapters.own_queries_within", n=most))
                continue
            try:
                found[name] = self._instant(query, client)
            except Fault as fault:
                found[name] = fault
        return _Own(answers=found, seconds=time.monotonic() - began)

    def _instant(self, query: Query, client: PrometheusConnect | None = None) -> tuple[Sample, ...]:
        return self._checked(query.about, lambda: _samples(self._sent(query, client or self._client)))

    def _all_samples(self, query: Query) -> list[Series]:
        return self._checked(query.about, lambda: _each(_series, self._sent(query, self._client), _no_samples))

    def _sent(self, query: Query, client: PrometheusConnect) -> list[Any]:
        params = self._params() | ({} if query.at is None else {"time": f"{query.at:.3f}"})
        found: list[Any] = client.custom_query(query.text, params=params)
        return found

    def _range(self, query: Query, start: float, end: float, step: float) -> list[Series]:
        first, last = (datetime.fromtimestamp(at, UTC) for at in (start, end))

        def asked() -> list[Series]:
            found = self._client.custom_query_range(query.text, first, last, f"{step:g}", params=self._params())
            return _each(_series, found, _no_samples)

        return self._checked(query.about, asked)

    def _params(self) -> dict[str, str]:
        return {"timeout": queries.duration(self._query_seconds)}

    def _checked(self, about: Text, ask: Callable[[], T]) -> T:
        with counted(self._called):
            return self._understood(about, ask)

    def _understood(self, about: Text, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except _Refused as refused:
            raise refused.about(about) from refused
        except _TooLong as long:
            raise Fault("Prometheus", said("adapters.too_long", about=about)) from long
        except _Partial as partial:
            raise Fault("Prometheus", said("adapters.partial_answer", about=about)) from partial
        except Timeout as late:
            raise self._late_answer() from late
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as broken:
            # Before RequestException: requests' own JSON error is both.
            raise Fault("Prometheus", said("adapters.odd_answer", about=about)) from broken
        except RequestException as failed:
            if any(isinstance(cause, ReadTimeoutError) for cause in failed.args):  # in the midst of an answer
                raise self._late_answer() from failed
            raise Fault("Prometheus", said("adapters.unreached", kind=type(failed).__name__)) from failed

    def _late_answer(self) -> Fault:
        return Fault("Prometheus", said("adapters.query_late", n=self._query_seconds), Cause.TIMED_OUT)


def _samples(result: list[Any]) -> tuple[Sample, ...]:
    """A vector, or a scalar as a vector of one without labels. Numbers come as strings, such as ``"+Inf"``."""
    if result and not isinstance(result[0], dict):
        return (({}, _number(result[1])),)
    try:
        found = [_sample(one) for one in list(result)]  # nearly always
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError):
        found = _each(_sample, result, lambda labels: (labels, math.nan))
    return (*found, *_twice(found))


def _sample(one: Any) -> Sample:
    written = one["value"][1]
    return _labels(one), float(written) if type(written) is str else _number(written)


def _twice(samples: Sequence[Sample]) -> list[Sample]:
    """One that is no number for each series that there is twice: which of them counts, nobody knows."""
    values = [frozenset(labels.values()) for labels, _ in samples]  # quicker than with their names
    if len(set(values)) == len(values):
        return []  # nearly always: one alone has no twin
    alike: defaultdict[frozenset[str], list[Labels]] = defaultdict(list)
    for (labels, _), found in zip(samples, values, strict=True):
        alike[found].append(labels)
    times = Counter(frozenset(labels.items()) for some in alike.values() if len(some) > 1 for labels in some)
    return [(dict(labels), math.nan) for labels, count in times.items() if count > 1]


def _series(one: Any) -> Series:
    """One series of a matrix, or of a vector as a series of one sample."""
    samples = {
        at if type(at) is float else _number(at): float(value) if type(value) is str else _number(value)
        for at, value in one.get("values") or [one["value"]]
    }
    if not all(map(math.isfinite, samples)):
        raise ValueError("a sample without a time")
    return _labels(one), samples


def _no_samples(labels: Labels) -> Series:
    """One that cannot be read: any that can has samples."""
    return labels, {}


def _each(read: Callable[[Any], T], result: Any, unreadable: Callable[[Labels], T]) -> list[T]:
    """What is read of each series; one that its API does not describe is ``unreadable``, by what labels it has.

    So whoever it is about is unknown, and nobody else.

    Raises:
        ValueError, TypeError: all of them are like that: then it is no answer.
    """
    found, wrong = list[T](), 0
    for one in list(result):
        try:
            found.append(read(one))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError):
            wrong += 1
            found.append(unreadable(_readable_labels(one)))
    if wrong == len(found) > 0:
        raise ValueError("no series that could be read")
    if wrong:
        log.warning("prometheus_odd_series", unreadable=wrong, read=len(found) - wrong)
    return found


def _readable_labels(one: Any) -> Labels:
    """Of a series that cannot be read, what still says whose it is."""
    labels = one.get("metric") if isinstance(one, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {name: value for name, value in labels.items() if isinstance(value, str) and name != BOUND}


def _labels(one: Any) -> Labels:
    labels: Labels = one["metric"]
    if not isinstance(labels, dict) or not _TEXT.issuperset(map(type, labels.values())):
        raise TypeError("labels are text")
    if BOUND in labels:
        # Somebody who is scraped may give a counter a label of that name; it is called as Prometheus calls what
        # clashes. What is aggregated has no name, and is a bucket.
        if not labels.get(NAME, BUCKET).endswith(BUCKET):
            return {f"exported_{BOUND}" if name == BOUND else name: value for name, value in labels.items()}
        if math.isnan(float(labels[BOUND])):
            raise ValueError("a bucket without a bound")
    return labels


def _number(written: Any) -> float:
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        raise TypeError("not a number")
    try:
        return float(written)
    except OverflowError as error:
        raise ValueError("a number beyond all numbers") from error


class _Bearer(AuthBase):
    """As an authentication and not a plain header: requests would let a ``.netrc`` entry replace a header."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token()}"
        return request


class _Login(AuthBase):
    """A user and a password, asked for with every request: the password may be another one by now."""

    def __init__(self, login: Callable[[], tuple[str, str]]) -> None:
        self._login = login

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        HTTPBasicAuth(*self._login())(request)
        return request


class _Refused(Exception):  # noqa: N818  # an answer on its way to becoming a Fault
    """An answer with another status than 200."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)

    def about(self, name: Text) -> Fault:
        match self.status:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return Fault("Prometheus", said("adapters.bad_credentials", status=str(self.status)), Cause.FORBIDDEN)
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
                return Fault(
                    "Prometheus", said("adapters.query_refused", about=name, status=str(self.status)), Cause.REFUSED
                )
            case _:
                return Fault("Prometheus", said("adapters.query_failed", about=name, status=str(self.status)))


class _TooLong(Exception):  # noqa: N818  # an answer on its way to becoming a Fault
    """An answer that is longer than anything that is wanted."""


class _Partial(Exception):  # noqa: N818  # an answer on its way to becoming a Fault
    """An answer without the data of a store that could not be asked. What is left looks like fewer pods or requests."""


class _BoundedAdapter(HTTPAdapter):
    """An answer ends, through a proxy as well."""

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        bounded.bound(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        known = set(self.proxy_manager)
        manager = super().proxy_manager_for(*arguments, **named)
        if set(self.proxy_manager) != known:
            bounded.bound(manager)
        return manager


class _LongQueries(Session):
    """A session that sends a long query as a form: the client puts every query into the address, even of a POST."""

    def mount(self, prefix: str | bytes, adapter: BaseAdapter) -> None:  # noqa: ARG002  # see below
        """The client brings an adapter of its own, which knows nothing of bounds."""
        super().mount(prefix, _BoundedAdapter(max_retries=Retry(0, read=False)))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> Response:
        params = options.get("params") or {}
        if method == "GET" and isinstance(params, dict) and len(str(params.get("query", ""))) > LONG:
            headers = {**(options.get("headers") or {}), "Content-Type": "application/x-www-form-urlencoded"}
            method, options = "POST", {**options, "params": None, "data": form(params), "headers": headers}
        return super().request(method, url, *args, **options)


def form(fields: Mapping[str, object]) -> str:
    """Fields as a form has them: ``urllib.parse.urlencode`` goes through a query of many rollouts letter by letter."""
    return "&".join(f"{_in_form(name)}={_in_form(str(value))}" for name, value in fields.items())


_IN_FORM = {number: quote_plus(chr(number)) for number in range(128)}


def _in_form(text: str) -> str:
    return text.translate(_IN_FORM) if text.isascii() else quote_plus(text)


def _session(
    bearer: Callable[[], str] | None,
    basic: Callable[[], tuple[str, str]] | None,
    ca_file: str | None,
    headers: Mapping[str, str],
    inspect: Callable[..., None],
) -> Session:
    session = _LongQueries()
    session.max_redirects = REDIRECTS
    session.headers.update(headers)
    session.verify = ca_file or True
    session.auth = _Bearer(bearer) if bearer else _Login(basic) if basic else None
    session.hooks["response"].append(inspect)
    return session


def _inspect(largest: int) -> Callable[..., None]:
    """Read an answer of at most so many bytes. The client hands on the result alone: what else it says is read here.

    Where a store behind Thanos or VictoriaMetrics could not be asked, they answer with what the others have.
    """

    def inspect(response: Response, **_: object) -> None:
        try:
            content = bounded.whole(response.iter_content(CHUNK), largest)
        except bounded.AnswerTooLong as long:
            response.close()
            raise _TooLong from long
        response._content = content  # noqa: SLF001  # there is no other way to give back what was read
        if response.is_redirect:
            return
        if response.status_code != HTTPStatus.OK:
            log.warning("prometheus_refused", status=response.status_code, answer=response.text[:EXCERPT])
            raise _Refused(response.status_code)
        if b'"warnings"' in content or b'"isPartial":true' in content:
            _refuse_partial(content)

    return inspect


def _refuse_partial(content: bytes) -> None:
    """Keep warnings in the log, and raise ``_Partial`` where data is missing.

    The engine's own are about the query, such as two kinds of histogram in one sum; all others are a store's.
    """
    try:
        answer = json.loads(content)
        warnings = [str(one) for one in answer.get("warnings") or ()]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return  # it is no answer, and the client will say so
    if warnings:
        log.warning("prometheus_warned", warnings=warnings)
    if answer.get("isPartial") is True or not all(map(_OF_QUERY.match, warnings)):
        raise _Partial
