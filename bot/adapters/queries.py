"""PromQL about Istio's standard metrics: text in, text out. Asking Prometheus is ``prometheus``'s business.

Counts are exact. ``rate`` and ``increase`` extrapolate, and ignore the value a series is born with: Envoy creates the
series for ``response_code="500"`` at the first 500, so on a quiet canary the very error one looks for would be
invisible. And an instant vector forgets a series whose last scrape failed: everything here looks behind such a gap with
``last_over_time``.

What both sides of live rollouts answered is read as *levels*: what their counters read at the window's start and at its
end, looking back to the same moment. The difference is what was answered between, as long as no counter was born or
began at zero again; ``unusual``, ``lately`` and ``holes`` say where that may be so, and ``inside`` gives those few
series one by one.

Every query is grouped by namespace and workload, so that one answer holds both sides of any number of rollouts, read at
the same instant. Its window ends at the time the query is evaluated at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bot.analysis.targets import LONGEST_BASE

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
CODE = "response_code"
GRPC = "grpc_response_status"
OWNER = f"{NAMESPACE}, {WORKLOAD}"
ANSWER = f"{OWNER}, {CODE}, {GRPC}"

# Labels of whoever scraped. Two replicas of Prometheus, or two jobs that both find a pod, show the same requests twice:
# of one pod's series that differ in nothing else, the one that has come farthest is believed. A job may add further
# labels to all that it shows (``apart``).
REPLICAS = ("__replica__", "monitor", "prometheus", "prometheus_replica", "receive_replica", "replica")
SCRAPERS = (*REPLICAS, "container", "endpoint", "instance", "job")
# Labels by which one Prometheus tells several clusters apart, where it scrapes them all.
CLUSTERS = ("cluster", "cluster_id", "cluster_name", "destination_cluster", "env", "environment", "k8s_cluster")

# gRPC answers 200 and says in a trailer how it went: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE
# and DATA_LOSS are the server's doing; the other codes are the caller's.
GRPC_ERRORS = frozenset({"2", "4", "12", "13", "14", "15"})

LOOKBACK = 300.0  # seconds that are looked behind a gap in the scrapes
JUST_BEFORE = 120.0  # seconds before a window that are read too where counters began again: at least, and ...
SCRAPES_BEFORE = 4  # so many scrapes
LONG_BEFORE = 5  # times as much is read where scrapes are missing
MOST_READ = 1e18  # what all samples of one counter in a window come to is less
SELECTORS = 64  # whose text is remembered: one is asked more than a dozen questions
FORGOTTEN = 3600.0  # seconds: a pod that was not seen for so long, and then is, is a new one
IN_POD, NO_POD = 'pod!=""', 'pod=""'
OWN_PROXY = 'reporter="destination"'
BOTH = f'__name__=~"{REQUESTS}|{BUCKETS}"'

LONGEST_HASH = 10  # characters of the hash in a ReplicaSet's name

Labels = Sequence[tuple[str, str]]

ALIVE = "vector(1)"
ISTIO = "count(istio_requests_total)"
CLOCK = "vector(time())"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSelector:
    """Whose requests are counted: the same population for every workload named, in every namespace named.

    Attributes:
        reporter, source_workload: regular expressions, as in ``source|waypoint`` and ``istio-ingressgateway``.
        labels: further labels with their values, as in a Prometheus that scrapes several clusters.
    """

    namespaces: tuple[str, ...]
    workloads: tuple[str, ...]
    reporter: str = "destination"
    source_workload: str = ".*"
    labels: tuple[tuple[str, str], ...] = ()

    def of(self, metric: str, more: str = "") -> str:
        """The instant vector of ``metric``, narrowed by further matchers."""
        return f"{metric}{{{','.join((*_matchers(self), *((more,) if more else ())))}}}"


@lru_cache(SELECTORS)
def _matchers(selector: SeriesSelector) -> tuple[str, ...]:
    """Those that every question about these workloads has."""
    return (
        f'reporter=~"{_literal(selector.reporter)}"',
        f'{NAMESPACE}=~"{_literal("|".join(map(_exactly, selector.namespaces)))}"',
        f'{WORKLOAD}=~"{_literal("|".join(map(_exactly, selector.workloads)))}"',
        f'source_workload=~"{_literal(selector.source_workload)}"',
        *matching(selector.labels),
    )


def together(questions: Mapping[str, str]) -> str:
    """Several questions as one, answered at the same instant; each sample's label ``ASKED`` has its question's name."""
    return " or ".join(f'label_replace({text}, "{ASKED}", "{name}", "", "")' for name, text in questions.items())


def matching(labels: Labels) -> tuple[str, ...]:
    """The matchers that ask for these labels."""
    return tuple(f'{name}="{_literal(value)}"' for name, value in labels)


def answers(selector: SeriesSelector, seconds: float) -> str:
    """Requests answered in the window, by owner, HTTP code and gRPC status; nothing where nothing was scraped in it."""
    return _answered(selector, REQUESTS, ANSWER, seconds)


def buckets(selector: SeriesSelector, seconds: float) -> str:
    """Requests at or under each bucket's bound (cumulative), by owner and ``le``."""
    return _answered(selector, BUCKETS, f"{OWNER}, le", seconds)


def _answered(selector: SeriesSelector, metric: str, by: str, seconds: float) -> str:
    in_pods, elsewhere = (_count(selector.of(metric, more), seconds) for more in (IN_POD, NO_POD))
    return _once(in_pods, elsewhere, by)


def level(selector: SeriesSelector, metric: str, by: str, seconds: float, ago: float = 0) -> str:
    """What the counters of ``metric`` read ``ago`` seconds before, looking back ``seconds`` for each; sums.

    A counter that was last scraped before all that is not in it.
    """
    at = f"[{duration(seconds)}]{_offset(ago)}"
    in_pods = f"max without ({', '.join(SCRAPERS)}) (last_over_time({selector.of(metric, IN_POD)}{at}))"
    elsewhere = f"max without ({', '.join(REPLICAS)}) (last_over_time({selector.of(metric, NO_POD)}{at}))"
    return f"sum by ({by}) ({in_pods} or {elsewhere})"


def apart(selector: SeriesSelector, seconds: float) -> str:
    """Owners with pods that several scrapers show, of which one adds labels: levels would count those pods twice.

    Then there are more counters of the pod than any of its scrapers shows.
    """
    series, pods = f"last_over_time({selector.of(REQUESTS, IN_POD)}[{duration(seconds)}])", f"{OWNER}, namespace, pod"
    counters = f"count by ({pods}) (count without ({', '.join(SCRAPERS)}) ({series}))"
    most = f"max by ({pods}) (count by ({pods}, {', '.join(SCRAPERS)}) ({series}))"
    return f"count by ({OWNER}) ({counters} > {most})"


def _once(in_pods: str, elsewhere: str, by: str) -> str:
    """Sums by the labels ``by`` of what is shown of pods, of each by one scraper; without pods, of each instance.

    What one scraper shows of a pod is summed up first: labels that it adds to all of it make no other counter.
    """
    shown = f"sum by ({by}, namespace, pod, {', '.join(SCRAPERS)}) ({in_pods})"
    most = f"max without ({', '.join(SCRAPERS)}) ({shown})"
    return f"sum by ({by}) ({most} or max without ({', '.join(REPLICAS)}) ({elsewhere}))"


def just_before(interval: float) -> float:
    """How many seconds before a window are read too where counters may have begun again."""
    return max(JUST_BEFORE, SCRAPES_BEFORE * interval)


def unusual(selector: SeriesSelector, seconds: float, back: float, before: float) -> str:
    """Owners of whom levels tell too little: series that are new in the window, or began at zero again in it.

    Or in the ``before`` seconds before it: the scrape that found the restart may have come late, and where two scrape a
    pod, one of them may not have seen it yet.
    """
    series, window, lately = selector.of(REQUESTS), f"[{duration(seconds)}]", f"[{duration(seconds + before)}]"
    known = f"last_over_time({series}[{duration(back)}]{_offset(seconds)})"
    born = f"last_over_time({series}{window}) unless {known}"
    again = f"min_over_time({series}{window}) < {known} or resets({series}{lately}) > 0"
    return f"count by ({OWNER}) ({born} or {again})"


def lately(selector: SeriesSelector, seconds: float, before: float) -> str:
    """Owners with series that were new in the ``before`` seconds before the window."""
    series = selector.of(REQUESTS)
    known = f"last_over_time({series}[{duration(LOOKBACK)}]{_offset(seconds + before)})"
    return f"count by ({OWNER}) (last_over_time({series}[{duration(before)}]{_offset(seconds)}) unless {known})"


def holes(selector: SeriesSelector, seconds: float, before: float, interval: float) -> str:
    """Owners with series that miss a scrape, or more, before one that is in the window; ``before``: as ``lately``'s.

    So many whole intervals hold so many scrapes whenever they are, and one is before the window at the least: where
    there are fewer of a series that was there before the window, one is missing, or the series was born just before.
    """
    series, scrapes = selector.of(REQUESTS), math.ceil(seconds / interval) + 1
    whole = scrapes * interval
    few = f"count_over_time({series}[{duration(whole)}]) < {scrapes}"
    there = f"last_over_time({series}[{duration(seconds)}])"
    known = f"last_over_time({series}[{duration(LONG_BEFORE * before)}]{_offset(seconds)})"
    return f"count by ({OWNER}) ({few} and {there} and {known})"


def returned(selector: SeriesSelector, seconds: float, before: float) -> str:
    """Owners with pods that were not seen for ``before`` seconds, but were seen in the hour, and are seen again."""
    return f"count by ({OWNER}) ({returned_pods(selector, seconds, before)})"


def returned_pods(selector: SeriesSelector, seconds: float, before: float) -> str:
    """Those pods, by owner and Namespace."""
    series, pods = selector.of(REQUESTS, IN_POD), f"{OWNER}, namespace, pod"
    now, near, far = (
        f"count by ({pods}) (last_over_time({series}[{duration(span)}]{_offset(ago)}))"
        for span, ago in ((seconds, 0.0), (before, seconds), (FORGOTTEN, seconds))
    )
    return f"({now} unless {near} and {far})"


def check(selector: SeriesSelector, seconds: float) -> str:
    """A sum over every sample of these seconds, by owner: whoever has the same samples finds the same sum.

    Without series that hold what no counter reads: one of a stranger's would leave no sum of the others.
    """
    samples = f"sum_over_time({selector.of(REQUESTS)}[{duration(seconds)}])"
    return f"sum by ({OWNER}) ({samples} < {MOST_READ:g} > -{MOST_READ:g})"


def inside(selector: SeriesSelector, seconds: float) -> str:
    """Every sample of both metrics in the window."""
    return f"{selector.of('', BOTH)}[{duration(seconds)}]"


def users(hosts: Sequence[str], source_workload: str, seconds: float, labels: Labels = ()) -> str:
    """Requests to Services (full names) by Service and workload, as those who sent them count; copies are not theirs.

    The workload is ``unknown`` where no pod was found.
    """
    named = _literal("|".join(map(_exactly, hosts)))
    matchers = ",".join(
        (
            f'reporter=~"source|waypoint",{SERVICE}=~"{named}",{CALLER}=~"{_literal(source_workload)}"',
            *matching(labels),
        )
    )
    return f"sum by ({SERVICE}, {WORKLOAD}) ({_count(f'{REQUESTS}{{{matchers}}}', seconds)})"


def scraped(selector: SeriesSelector, seconds_ago: float = 0, step: float = 15.0) -> str:
    """When the newest sample was taken, seconds since the epoch, by owner (the mean over its series).

    Two sides are not scraped at the same moments: their counts are comparable only over the times they span. Where the
    last scrapes of all of them failed, the newest one before, found in steps of ``step`` seconds.
    """
    series = f"timestamp({selector.of(REQUESTS)}{_offset(seconds_ago)})"
    before = f"max_over_time(timestamp({selector.of(REQUESTS)})[{duration(LOOKBACK)}:{duration(step)}]"
    return f"avg by ({OWNER}) ({series}) or max by ({OWNER}) ({before}{_offset(seconds_ago)}))"


def reached(namespace: str, workload: str, seconds: float, labels: Labels = ()) -> str:
    """Requests that reached a workload, counted at their callers and by caller. Copies are never counted there."""
    to = f'destination_workload_namespace="{_literal(namespace)}",{WORKLOAD}="{_literal(workload)}"'
    return _by_caller((f'reporter=~"source|waypoint",{to}', *matching(labels)), seconds)


def calls(host: str, known: str, seconds: float, labels: Labels = ()) -> str:
    """Requests to a Service (its full name) by caller, without those callers that ``known`` (RE2) matches."""
    to = f'destination_service="{_literal(host)}",{CALLER}!~"{_literal(known)}"'
    return _by_caller((f'reporter="source",{to}', *matching(labels)), seconds)


def traffic(selector: SeriesSelector, seconds: float) -> str:
    """Requests answered in the window, by caller, protocol, and method where a Telemetry resource adds that."""
    return f"sum by ({CALLER}, {PROTOCOL}, {METHOD}) ({_count(selector.of(REQUESTS), seconds)})"


def reporters(selector: SeriesSelector) -> str:
    """Who counts a workload's requests, whoever sends them."""
    return f"count by (reporter) ({selector.of(REQUESTS)})"


def targets(selector: SeriesSelector, seconds: float, back: float) -> str:
    """What counts a workload's requests, or their times, as its own proxy would: by owner, Namespace, pod, instance.

    How many series it showed in the window; 0 where it showed some in the ``back`` seconds alone, which is how far
    levels look. Whoever shows a counter for one scrape and hides it again is there as well, and so is whoever gives its
    samples the times of a minute ago.

    Those labels are the scraper's, and what a target says of itself stands beside them under other names. Whoever sends
    requests, or stands between, counts them from pods of other workloads: nothing is asked of those.
    """
    series, by = selector.of("", f"{BOTH},{OWN_PROXY}"), f"{OWNER}, namespace, pod, instance"
    lately, before = (f"count by ({by}) (last_over_time({series}[{duration(span)}]))" for span in (seconds, back))
    return f"({lately} or 0 * {before})"


def bounds(selector: SeriesSelector) -> str:
    """The bounds of the latency buckets, by owner and ``le``."""
    return f"count by ({OWNER}, le) ({selector.of(BUCKETS)})"


def clusters(selector: SeriesSelector) -> str:
    """By owner, the values of every label that may tell clusters apart, in all combinations that are there."""
    return f"count by ({OWNER}, {', '.join(CLUSTERS)}) ({selector.of(REQUESTS)})"


def proxies(namespace: str, workloads: Sequence[str], labels: Labels = ()) -> str:
    """The proxies of Deployments' pods, each by its ``pod``; one shows it from its start, also without any request."""
    pods = "|".join(map(_pods, workloads))
    own = f'component="proxy",namespace="{_literal(namespace)}",pod=~"{_literal(pods)}"'
    return f"count by (pod) (istio_build{{{','.join((own, *matching(labels)))}}})"


def _pods(workload: str) -> str:
    """A regular expression (RE2) for the names of a Deployment's pods.

    The API server makes them of the ReplicaSet's name, a dash and five characters, and cuts what is before those to 58
    characters: of a Deployment with 47 characters and more, the ReplicaSet's hash is cut, or the dash, or its own name.
    """
    whole = f"{workload}-"
    if len(whole) + LONGEST_HASH + 1 <= LONGEST_BASE:
        return f"{_exactly(whole)}[a-z0-9]+-[a-z0-9]+"
    return f"{_exactly(whole[:LONGEST_BASE])}[a-z0-9]*-?[a-z0-9]{{5}}"


def custom(query: str, *, namespace: str, deployment: str, seconds: float, labels: Labels = ()) -> str:
    """A team's own query with ``$namespace``, ``$deployment``, ``$window``, ``$labels`` (``${...}`` alike) filled in.

    ``$labels`` becomes the matchers of ``labels``; where there are none, a comma after it goes too. Every other ``$``
    stays: PromQL has its own uses for it, in regular expressions and in ``label_replace``.
    """
    values: Mapping[str, str] = {
        "namespace": _literal(namespace),
        "deployment": _literal(deployment),
        "window": duration(seconds),
        "labels": ",".join(matching(labels)),
    }

    def filled(found: re.Match[str]) -> str:
        name = found["braced"] or found["bare"]
        comma = found["comma"] if name == "labels" and values[name] else ""
        return values[name] + (comma if name == "labels" else found["comma"])

    return _PLACEHOLDER.sub(filled, query)


def duration(seconds: float) -> str:
    """A PromQL duration: whole milliseconds, at least one."""
    milliseconds = max(1, round(seconds * 1000))
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


_PLACEHOLDER = re.compile(
    r"\$(?:\{(?P<braced>namespace|deployment|window|labels)\}|(?P<bare>namespace|deployment|window|labels)\b)"
    r"(?P<comma>\s*,|)"
)


def _by_caller(matchers: Sequence[str], seconds: float) -> str:
    series = f"{REQUESTS}{{{','.join(matchers)}}}"
    return f"sum by ({CALLER}) ({_count(series, seconds)})"


def _count(series: str, seconds: float) -> str:
    """What each series grew by in the window, and all of a series that was born in it or restarted from zero.

    Without two samples in the window that is exact. A counter that restarted between two of them is counted from the
    restart: what was scraped between the window's start and the restart is lost.
    """
    window, before = f"[{duration(seconds)}]", f"[{duration(LOOKBACK)}]{_offset(seconds)}"
    grown = f"last_over_time({series}{window}) - (last_over_time({series}{before}) <= min_over_time({series}{window}))"
    return f"({grown} unless resets({series}{window}) > 0 or last_over_time({series}{window}))"


def _offset(seconds: float) -> str:
    return f" offset {duration(seconds)}" if seconds else ""


def _exactly(workload: str) -> str:
    """A regular expression (RE2) that matches this name only."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", lambda found: "\\" + found[0], workload)


def _literal(value: str) -> str:
    """``value`` inside PromQL's double quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
