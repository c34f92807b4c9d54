"""The port ``Metrics``: what both sides answered, asked of Prometheus. The questions themselves are in ``queries``.

Three things an answer may say are kept apart: nothing (the series are not there: ``None``), zero (they are there and
did not move), and no number (``NaN``, ``+Inf``: as good as nothing).
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import structlog
from prometheus_api_client import PrometheusConnect
from requests import PreparedRequest, RequestException, Response, Session, Timeout
from requests.auth import AuthBase
from urllib3 import Retry

from bot.adapters import queries
from bot.adapters.queries import Selector
from bot.rollout.errors import Fault
from bot.rollout.model import Figures, Phase, Rollout, SideFigures
from bot.rollout.service import MetricsSource, Service

QUERY_SECONDS = 5.0  # for each query
READ_SECONDS = 10.0  # for all queries of one read
CONCURRENT_QUERIES = 8
EXCERPT = 300  # characters of Prometheus' own words that are logged

Sample = tuple[Mapping[str, str], float]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class PrometheusMetrics:
    """Figures from one Prometheus, or anything that speaks its query API."""

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

    def read(self, rollout: Rollout, start: float, end: float) -> Figures:
        """Both sides' exact counts over the window, with the custom queries' values."""
        seconds = end - start
        if seconds <= 0:
            return Figures(start=start, end=end, primary=None, canary=None, custom=dict.fromkeys(_names(rollout)))
        target = rollout.target
        primary, canary = target.primary_deployment, target.canary_deployment
        selector = _selector(rollout.metrics, target.namespace, primary, canary)
        asked = {
            _custom_name(gate.name): queries.custom(
                gate.query, namespace=target.namespace, deployment=_subject(rollout), seconds=seconds
            )
            for gate in rollout.gates.custom
        }
        if rollout.current.routes.mirror:
            asked["scraped now"] = queries.scraped(selector)
            asked["scraped before"] = queries.scraped(selector, seconds)
        answers = self._ask(asked | _counts(selector, seconds), end)
        return Figures(
            start=start,
            end=end,
            primary=_side(answers, primary),
            canary=_side(answers, canary),
            coverage=_coverage(answers, rollout) if rollout.current.routes.mirror else None,
            custom={name: _single(answers[_custom_name(name)]) for name in _names(rollout)},
        )

    def history(self, service: Service, workload: str, seconds: float, end: float) -> SideFigures | None:
        """One workload's figures over the last ``seconds``; None without data."""
        selector = _selector(service.metrics, service.namespace, workload)
        return _side(self._ask(_counts(selector, seconds), end), workload)

    def ping(self) -> None:
        """Raise ``Fault`` when Prometheus cannot be asked."""
        self._ask({"liveness": queries.ALIVE}, None)

    def close(self) -> None:
        """Let go of connections and threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _ask(self, asked: Mapping[str, str], at: float | None) -> dict[str, tuple[Sample, ...]]:
        """Every query's samples by the query's name, all evaluated at the same time (None: now)."""
        deadline = time.monotonic() + self._read_seconds
        running = {name: self._pool.submit(self._query, name, query, at) for name, query in asked.items()}
        try:
            return {name: self._answer(name, future, deadline) for name, future in running.items()}
        finally:
            for future in running.values():
                future.cancel()

    def _answer(self, name: str, future: Future[tuple[Sample, ...]], deadline: float) -> tuple[Sample, ...]:
        try:
            return future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError as late:
            raise Fault("Prometheus", f"did not answer everything within {self._read_seconds:g} seconds.") from late
        except _QueryRefused as refused:
            if not name.startswith(_CUSTOM):
                raise
            # A team's mistake in its own query must not blind the gates that can send its users home.
            log.warning("custom_query_refused", query=name, reason=refused.sentence)
            return ()

    def _query(self, name: str, query: str, at: float | None) -> tuple[Sample, ...]:
        params = {"timeout": queries.duration(self._query_seconds)} | ({} if at is None else {"time": f"{at:.3f}"})
        try:
            return _samples(self._client.custom_query(query, params=params))
        except _Refused as refused:
            raise refused.about(name) from refused
        except Timeout as late:
            raise Fault("Prometheus", f"did not answer within {self._query_seconds:g} seconds.") from late
        except (ValueError, KeyError, TypeError, IndexError) as broken:
            # Before RequestException: requests' own JSON error is both.
            raise Fault("Prometheus", f"gave an answer to the query for {name} that is not its API's.") from broken
        except RequestException as failed:
            raise Fault("Prometheus", f"cannot be reached ({type(failed).__name__}).") from failed


_CUSTOM = "custom gate "


def _custom_name(gate: str) -> str:
    return f"{_CUSTOM}{gate}"


def _names(rollout: Rollout) -> tuple[str, ...]:
    return tuple(gate.name for gate in rollout.gates.custom)


def _subject(rollout: Rollout) -> str:
    """The Deployment being judged: the canary, and once users return to it the upgraded primary."""
    returning = rollout.phase is Phase.SWITCHING_BACK or (rollout.phase is Phase.BAKING and rollout.primary_touched)
    return rollout.target.primary_deployment if returning else rollout.target.canary_deployment


def _selector(source: MetricsSource, namespace: str, *workloads: str) -> Selector:
    return Selector(
        namespace=namespace, workloads=workloads, reporter=source.reporter, source_workload=source.source_workload
    )


def _counts(selector: Selector, seconds: float) -> dict[str, str]:
    return {
        "requests": queries.requests(selector, seconds),
        "errors": queries.errors(selector, seconds),
        "latency buckets": queries.buckets(selector, seconds),
    }


def _side(answers: Mapping[str, tuple[Sample, ...]], workload: str) -> SideFigures | None:
    requests = _by_workload(answers["requests"]).get(workload)
    if requests is None:
        return None
    # Only because requests are being counted does a missing error series mean that nothing failed.
    errors = _by_workload(answers["errors"]).get(workload, 0.0)
    return SideFigures(requests=requests, errors=errors, buckets=_buckets(answers["latency buckets"], workload))


def _by_workload(samples: tuple[Sample, ...]) -> dict[str, float]:
    return {labels.get(queries.WORKLOAD, ""): value for labels, value in samples if math.isfinite(value)}


def _coverage(answers: Mapping[str, tuple[Sample, ...]], rollout: Rollout) -> float | None:
    """The canary's requests per second over the primary's; None while either has no two moments to count between."""
    target = rollout.target
    rates = [
        _rate(answers, workload, rollout.settled_at)
        for workload in (target.canary_deployment, target.primary_deployment)
    ]
    copies, requests = rates
    return copies / requests if copies is not None and requests else None


def _rate(answers: Mapping[str, tuple[Sample, ...]], workload: str, born: float | None) -> float | None:
    """Exact count over the time it spans, not ``rate()``: that one ignores what a new series is born with.

    A workload without a sample at the window's start got its first request after the mirror went on (``born``).
    """
    count = _by_workload(answers["requests"]).get(workload)
    last = _by_workload(answers["scraped now"]).get(workload)
    first = _by_workload(answers["scraped before"]).get(workload, born)
    if count is None or last is None or first is None or last <= first:
        return None
    return count / (last - first)


def _buckets(samples: tuple[Sample, ...], workload: str) -> dict[float, float]:
    """By bound. Prometheus 3 writes ``500.0`` where 2 wrote ``500``; a window may hold both, and they are one bound."""
    found: defaultdict[float, float] = defaultdict(float)
    for labels, value in samples:
        if labels.get(queries.WORKLOAD) == workload and "le" in labels and math.isfinite(value):
            found[float(labels["le"])] += value
    return dict(sorted(found.items()))


def _single(samples: tuple[Sample, ...]) -> float | None:
    """The one number of an answer; None for nothing, for no number, and for several of which none is *the* value."""
    values = [value for _, value in samples]
    return values[0] if len(values) == 1 and math.isfinite(values[0]) else None


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


def _session(
    bearer: str | None, basic: tuple[str, str] | None, ca_file: str | None, headers: Mapping[str, str]
) -> Session:
    session = Session()
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
