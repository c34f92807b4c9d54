"""PromQL about Istio's standard metrics: text in, text out. Asking Prometheus is ``prometheus``'s business.

Counts are exact. ``rate`` and ``increase`` extrapolate, and ignore the value a series is born with: Envoy creates the
series for ``response_code="500"`` at the first 500, so on a quiet canary the very error one looks for would be
invisible. A count here is, per series and before any sum, *now minus then*, and *now* alone where there was no then.

Every query is grouped by namespace and workload, so that one answer holds both sides of any number of rollouts, read at
the same instant. Its window ends at the time the query is evaluated at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

REQUESTS = "istio_requests_total"
BUCKETS = "istio_request_duration_milliseconds_bucket"
WORKLOAD = "destination_workload"
NAMESPACE = "destination_workload_namespace"
CALLER = "source_workload"
SERVICE = "destination_service"
PROTOCOL = "request_protocol"
METHOD = "request_method"  # no label of Istio's own; many teams add it
ASKED = "canary_bot_asked"  # a label of our own: which of several questions a sample answers
NOWHERE = "unknown"  # the workload of requests for which no pod was found
OWNER = f"{NAMESPACE}, {WORKLOAD}"

# gRPC answers 200 and says in a trailer how it went: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE
# and DATA_LOSS are the server's doing; the other codes are the caller's.
GRPC_ERRORS = "2|4|12|13|14|15"

ALIVE = "vector(1)"
CLOCK = "vector(time())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Whose requests are counted: the same population for every workload named, in every namespace named.

    Attributes:
        reporter, source_workload: regular expressions, as in ``source|waypoint`` and ``istio-ingressgateway``.
    """

    namespaces: tuple[str, ...]
    workloads: tuple[str, ...]
    reporter: str = "destination"
    source_workload: str = ".*"

    def of(self, metric: str, more: str = "") -> str:
        """The instant vector of ``metric``, narrowed by further matchers."""
        matchers = (
            f'reporter=~"{_literal(self.reporter)}"',
            f'{NAMESPACE}=~"{_literal("|".join(map(_exactly, self.namespaces)))}"',
            f'{WORKLOAD}=~"{_literal("|".join(map(_exactly, self.workloads)))}"',
            f'source_workload=~"{_literal(self.source_workload)}"',
            *((more,) if more else ()),
        )
        return f"{metric}{{{','.join(matchers)}}}"


def together(questions: Mapping[str, str]) -> str:
    """Several questions as one, answered at the same instant; each sample's label ``ASKED`` has its question's name."""
    return " or ".join(f'label_replace({text}, "{ASKED}", "{name}", "", "")' for name, text in questions.items())


def requests(selector: Selector, seconds: float) -> str:
    """Requests answered in the window, by owner; no sample for a workload without any series."""
    return f"sum by ({OWNER}) ({_count(selector.of(REQUESTS), seconds)})"


def errors(selector: Selector, seconds: float) -> str:
    """Answers with 5xx or a gRPC server error, by owner; no sample where there never was one."""
    http = selector.of(REQUESTS, 'response_code=~"5.."')
    grpc = selector.of(REQUESTS, f'response_code!~"5..",grpc_response_status=~"{GRPC_ERRORS}"')
    # The two never share a series: `or` is their union, and nothing is counted twice.
    return f"sum by ({OWNER}) ({_count(http, seconds)} or {_count(grpc, seconds)})"


def buckets(selector: Selector, seconds: float) -> str:
    """Requests at or under each bucket's bound (cumulative), by owner and ``le``."""
    return f"sum by ({OWNER}, le) ({_count(selector.of(BUCKETS), seconds)})"


def users(hosts: Sequence[str], source_workload: str, seconds: float) -> str:
    """Requests to Services (full names) by Service and workload, as those who sent them count; copies are not theirs.

    The workload is ``unknown`` where no pod was found.
    """
    named = _literal("|".join(map(_exactly, hosts)))
    matchers = f'reporter=~"source|waypoint",{SERVICE}=~"{named}",{CALLER}=~"{_literal(source_workload)}"'
    return f"sum by ({SERVICE}, {WORKLOAD}) ({_count(f'{REQUESTS}{{{matchers}}}', seconds)})"


def scraped(selector: Selector, seconds_ago: float = 0) -> str:
    """When the newest sample was taken, seconds since the epoch, by owner (the mean over its series).

    Two sides are not scraped at the same moments: their counts are comparable only over the times they span.
    """
    offset = f" offset {duration(seconds_ago)}" if seconds_ago else ""
    return f"avg by ({OWNER}) (timestamp({selector.of(REQUESTS)}{offset}))"


def reached(namespace: str, workload: str, seconds: float) -> str:
    """Requests that reached a workload, counted at their callers and by caller. Copies are never counted there."""
    to = f'destination_workload_namespace="{_literal(namespace)}",{WORKLOAD}="{_literal(workload)}"'
    return _by_caller(f'reporter=~"source|waypoint",{to}', seconds)


def calls(host: str, known: str, seconds: float) -> str:
    """Requests to a Service (its full name) by caller, without those callers that ``known`` (RE2) matches."""
    to = f'destination_service="{_literal(host)}",{CALLER}!~"{_literal(known)}"'
    return _by_caller(f'reporter="source",{to}', seconds)


def traffic(selector: Selector, seconds: float) -> str:
    """Requests answered in the window, by caller, protocol, and method where a Telemetry resource adds that."""
    return f"sum by ({CALLER}, {PROTOCOL}, {METHOD}) ({_count(selector.of(REQUESTS), seconds)})"


def reporters(selector: Selector) -> str:
    """Who counts a workload's requests, whoever sends them."""
    return f"count by (reporter) ({selector.of(REQUESTS)})"


def bounds(selector: Selector) -> str:
    """The bounds of the latency buckets, by owner and ``le``."""
    return f"count by ({OWNER}, le) ({selector.of(BUCKETS)})"


def proxies(namespace: str, workloads: Sequence[str]) -> str:
    """The proxies of Deployments' pods, each by its ``pod``; one shows it from its start, also without any request."""
    pods = "|".join(f"{_exactly(workload)}-[a-z0-9]+-[a-z0-9]+" for workload in workloads)
    matchers = f'component="proxy",namespace="{_literal(namespace)}",pod=~"{_literal(pods)}"'
    return f"count by (pod) (istio_build{{{matchers}}})"


def custom(query: str, *, namespace: str, deployment: str, seconds: float) -> str:
    """A team's own query with ``$namespace``, ``$deployment`` and ``$window`` (``${...}`` alike) filled in.

    Every other ``$`` stays: PromQL has its own uses for it, in regular expressions and in ``label_replace``.
    """
    values: Mapping[str, str] = {
        "namespace": _literal(namespace),
        "deployment": _literal(deployment),
        "window": duration(seconds),
    }
    return _PLACEHOLDER.sub(lambda found: values[found["braced"] or found["bare"]], query)


def duration(seconds: float) -> str:
    """A PromQL duration: whole milliseconds, at least one."""
    milliseconds = max(1, round(seconds * 1000))
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


_PLACEHOLDER = re.compile(r"\$(?:\{(?P<braced>namespace|deployment|window)\}|(?P<bare>namespace|deployment|window)\b)")


def _by_caller(matchers: str, seconds: float) -> str:
    return f"sum by ({CALLER}) ({_count(f'{REQUESTS}{{{matchers}}}', seconds)})"


def _count(series: str, seconds: float) -> str:
    """What each series grew by, and all of a series that was born in the window or restarted from zero in it.

    A counter that restarted and has already passed its old value would look like slow growth, in some buckets of a
    histogram and not in others. ``resets`` finds it; the increments between the last scrape and the restart are lost.
    """
    window = duration(seconds)
    grown = f"({series} - {series} offset {window}) >= 0 unless resets({series}[{window}]) > 0"
    return f"({grown} or {series})"


def _exactly(workload: str) -> str:
    """A regular expression (RE2) that matches this name only."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", lambda found: "\\" + found[0], workload)


def _literal(value: str) -> str:
    """``value`` inside PromQL's double quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
