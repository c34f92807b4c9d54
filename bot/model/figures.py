"""What was measured and what it means: figures of both sides, findings, a judgement, and what judging remembers.

Counts are exact, times are seconds since the epoch, latencies are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from bot.model.service import Measure
from bot.words.sentence import Text

# Answers of 400 to 499 by their codes: all of them, and those that mean something of their own (who are you, you may
# not, there is no such thing, too many).
CLIENT_ERRORS = "4xx"
CLIENT_CODES = ("401", "403", "404", "429")

# Gates that every judgement may have: what the judge says, and that nothing was proven before nothing was compared.
EVIDENCE = "evidence"
UNPROVEN = "unproven"
TYPICAL = "typical latency"  # of all buckets
HARM = "harm"  # that the primary is worse since copies are made

# What our own gates are called, each where it is found; a team's own gate of that name would be taken for ours.
OWN_GATES = frozenset(
    {EVIDENCE, UNPROVEN, TYPICAL, HARM, "client errors", "errors", "warm-up", "metrics", "targets"}
    | {
        "traffic",
        "sample",
        "in force",
        "coverage",
        "users",
        "leak",
        "images",
        "pods waiting",
        "ready pods",
        "pods wanted",
    }
    | {"crash loop", "out of memory", "restarts"}
)
SLOWER = "slower than "  # begins the name of the one that counts slow requests, before its bound
IN_ALL = "client errors "  # and that of the line about all of those


def is_our_gate(name: str) -> bool:
    """Whether a gate of that name is one of ours, however it is written."""
    written = " ".join(name.casefold().split())
    return written in OWN_GATES or written.startswith((SLOWER, IN_ALL))


class Unit(StrEnum):
    """What the value and the limit of a finding are."""

    NUMBER = "number"  # of anything: requests, pods, whatever a query of the team's own gives
    SHARE = "share"  # 0 to 1
    MILLISECONDS = "milliseconds"


class Incident(StrEnum):
    """What is wrong with production itself, whatever is released: going back does not mend it."""

    BOTH_FAIL = "both fail"  # both versions fail, or the old one alone
    HARM = "harm"  # the primary is worse since copies are made
    NO_METRICS = "no metrics"  # Prometheus cannot be asked


class Verdict(StrEnum):
    """A gate's answer, best first. Unknown (inconclusive, error) is neither good nor bad."""

    PASS = "pass"  # noqa: S105  # a verdict, not a password
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    FAIL = "fail"

    @property
    def badness(self) -> int:
        """To rank by: more is worse."""
        return list(Verdict).index(self)


class Tendency(StrEnum):
    """Where a check leans whose verdict does not say it yet. Only ``WORSE`` is read and written today.

    The others are what earlier versions stored, and are read with their records; they say no more than None.
    """

    WORSE = "worse"
    OK = "ok"
    TOO_EARLY = "too early"
    TOO_FEW = "not enough traffic"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One gate's answer with the figures it rests on.

    Attributes:
        sentence: complete and for people.
        value, limit: in ``unit``; None where there is none.
        allowed: what is allowed, in words; "" where nothing is said of it.
        canary, primary: each side's figure as people read it; "" where it has none.
        seen: that it leans to the bad side, where its verdict does not say that.
        brief: the first of its sentences, where it has several; "" where it is one.
        compared: what is counted of both sides for it, errors or slow requests; None where it is about one side alone.
        bound: slow requests are those that took longer than so many milliseconds.
    """

    gate: str
    verdict: Verdict
    sentence: Text
    value: float | None = None
    limit: float | None = None
    sample: float | None = None
    acts: bool = True  # False: shown, never acting (a gate in observation)
    part: bool = False  # True: a detail of what another finding sums up
    brief: Text = ""
    unit: Unit = Unit.NUMBER
    compared: Measure | None = None
    bound: float | None = None
    allowed: Text = ""
    canary: Text = ""
    primary: Text = ""
    seen: Tendency | None = None


Name = TypeVar("Name", str, float)


def _added(one: Mapping[Name, float], later: Mapping[Name, float]) -> dict[Name, float]:
    """The counts of everything that either of them counts."""
    if one.keys() == later.keys():  # nearly always
        return {name: count + later[name] for name, count in one.items()}
    return {name: one.get(name, 0.0) + later.get(name, 0.0) for name in sorted(one.keys() | later.keys())}


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFigures:
    """What one side answered in a window: exact counts, not rates.

    ``buckets`` maps an upper bound in milliseconds to the number of requests at or under it (cumulative, with
    ``inf``), or is empty where the latency histogram is not available. ``client_errors`` counts answers of 400 to 499:
    all of them under ``CLIENT_ERRORS``, some once more under their own codes; they are no ``errors``.
    ``first`` and ``last`` tell when the samples at both ends were taken: counts of two sides that were not scraped at
    the same moments are comparable only over the times they span. None: not known, and for ``first`` also that there
    was no sample yet.
    """

    requests: float
    errors: float
    buckets: Mapping[float, float] = field(default_factory=dict)
    client_errors: Mapping[str, float] = field(default_factory=dict)
    first: float | None = field(default=None, compare=False)
    last: float | None = field(default=None, compare=False)

    def __add__(self, later: SideFigures) -> SideFigures:
        """Both windows as one; buckets that only one of them has are counted as they are."""
        return SideFigures(
            requests=self.requests + later.requests,
            errors=self.errors + later.errors,
            buckets=_added(self.buckets, later.buckets),
            client_errors=_added(self.client_errors, later.client_errors),
            first=self.first,
            last=later.last if later.last is not None else self.last,
        )

    def among(self, requests: float) -> SideFigures:
        """The same bad answers (errors, slow ones, client errors) among at most so many requests."""
        fewer = self.requests - requests
        if fewer <= 0:
            return self
        buckets = {bound: max(count - fewer, 0.0) for bound, count in self.buckets.items()}
        return replace(self, requests=requests, buckets=buckets)

    @property
    def per_second(self) -> float | None:
        """Requests per second over the time the counts span; None where that is not known."""
        if self.first is None or self.last is None or self.last <= self.first:
            return None
        return self.requests / (self.last - self.first)

    @property
    def error_share(self) -> float | None:
        """Errors per request, 0 to 1; None without requests, which is not the same as zero."""
        return self.errors / self.requests if self.requests > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeTarget:
    """Who shows series of a workload, in the words of whoever scrapes it; "" where that does not tell."""

    namespace: str = ""
    pod: str = ""
    instance: str = ""

    def __str__(self) -> str:
        """As people look for it: ``namespace/pod``, or the address."""
        return "/".join(filter(None, (self.namespace, self.pod))) if self.pod else self.instance or "no address"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """Where users' requests went, counted by the proxies that sent them: copies are never among these.

    ``nowhere`` are those for which no pod was found (no healthy one, no such subset): no pod's own proxy ever saw them.
    """

    canary: float = 0.0
    primary: float = 0.0
    nowhere: float = 0.0

    @property
    def requests(self) -> float:
        """All of them."""
        return self.canary + self.primary + self.nowhere

    def __add__(self, later: UserView) -> UserView:
        """Both windows as one."""
        return UserView(
            canary=self.canary + later.canary,
            primary=self.primary + later.primary,
            nowhere=self.nowhere + later.nowhere,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was read for one reconcile. A missing side (None) means no data, never zero.

    Attributes:
        start, end: the window, seconds since the epoch; both sides are read over the same one.
        users: what the proxies of users saw; None where no such proxy reports.
        custom: value of each custom query by name; None where it returned nothing usable.
        watermarks: what the counters of each side read at the end, by Deployment; see ``AnalysisState.watermarks``.
            Windows that are added up have none.
        targets: who counted as a proxy of each side's own in the window, by Deployment, and who was left out of its
            counts. What is kept has none.
    """

    start: float
    end: float
    primary: SideFigures | None
    canary: SideFigures | None
    users: UserView | None = None
    custom: Mapping[str, float | None] = field(default_factory=dict)
    watermarks: Mapping[str, SideFigures] = field(default_factory=dict, compare=False)
    targets: Mapping[str, frozenset[ScrapeTarget]] = field(default_factory=dict, compare=False)

    def __add__(self, later: Figures) -> Figures:
        """This window and the one that follows it as one; a side that one of them misses is the other's."""
        return Figures(
            start=self.start,
            end=later.end,
            primary=_together(self.primary, later.primary),
            canary=_together(self.canary, later.canary),
            users=self.users + later.users if self.users and later.users else self.users or later.users,
            custom=later.custom,
        )


def _together(one: SideFigures | None, later: SideFigures | None) -> SideFigures | None:
    return one + later if one is not None and later is not None else one or later


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How many requests of users the canary has answered, and how many of them failed. Copies are never among them.

    Attributes:
        until: every such request answered before it is counted, seconds since the epoch; None: none was read yet.
    """

    requests: float = 0.0
    errors: float = 0.0
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What both sides answered in a part of a stage, for a chart.

    Attributes:
        at: when that part ended, seconds since the epoch.
        canary, primary: requests, errors, and then requests slower than each of the judged bounds, shortest first.
    """

    at: float
    canary: tuple[float, ...]
    primary: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisState:
    """What judging remembers between two reconciles. Made by ``bot.analysis.analysis``; the machine only keeps it.

    Attributes:
        subject: the Deployment that is judged; another one begins a new analysis.
        stage: whose sums these are.
        until: every request answered before it has been counted, once; seconds since the epoch.
        watermarks: what the counters of each side read then, by Deployment, as far as they had been scraped. What they
            are found to have read then by the next reading tells which samples came late. A side that was unknown has
            none: the next row is counted from its own start, and holds nothing of what was not known.
        judge: the sequential judge's state, JSON; "" before its first row.
        sums: the stage so far.
        recent: the rows of the last minute, oldest first.
        clients: the same of client errors; "" before their first row.
        before: what the primary answered in the hour before the rollout; None: not known.
        shown: whether the last stage with something to compare with was shown to be good.
        sample: what that rests on: its name, then requests and errors of the side on trial, then of the other one. It
            grows at every look, and is no reason to store what is otherwise the same: the next look finds it again.
        copied: of the requests of users, the share that was copied in the mirror stage; None: too few to tell.
        strikes: of each limit that needs several bad reconciles, whether the last ones were.
        exposure: of users to the canary, over the whole rollout.
        bounds: milliseconds: what requests in ``points`` are counted slower than, shortest first.
        points: how this stage and the one before went, oldest first; at most ``course.MOST_POINTS``.
    """

    subject: str = ""
    stage: str = ""
    until: float | None = None
    watermarks: Mapping[str, SideFigures] = field(default_factory=dict)
    judge: str = ""
    clients: str = ""
    sums: Figures | None = None
    recent: tuple[Figures, ...] = ()
    before: SideFigures | None = None
    shown: bool = False
    sample: tuple[str, float, float, float, float] | None = field(default=None, compare=False)
    copied: float | None = None
    strikes: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    exposure: Exposure = Exposure()  # frozen
    bounds: tuple[float, ...] = ()
    points: tuple[Point, ...] = ()


UNTRIED = AnalysisState()  # nothing was judged yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All gates at one reconcile: the worst verdict that acts, and every finding behind it.

    Attributes:
        figures: the stage so far.
        proven: a pass that rests on evidence, so that a stage may end early; False: its time was up, nothing more.
        hold: a reason to say at once that it holds, not only when the stage's time is up.
        ask: a person may say go on, and nobody else: there is a doubt that time will not settle and nothing else, or it
            passes unproven where that is not enough.
        incident: production itself is in trouble, and the first of the findings that act says how.
        lacking: that doubt is only that there was too little traffic to be sure.
        forecast: how long the judge will need at this traffic, as a sentence; or "".
        to_pass: seconds until it would be sure of a healthy canary at this traffic; None: not known, or never.
        home: users are better off at home now, while the canary is judged by copies; no verdict on the canary.
    """

    at: float
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    figures: Figures | None = None
    proven: bool = False
    hold: bool = False
    ask: bool = False
    lacking: bool = False
    incident: Incident | None = None
    forecast: Text = ""
    to_pass: float | None = None
    home: bool = False

    @property
    def sentence(self) -> Text:
        """The sentence of the finding that decided, for a card's first line."""
        return next((f.sentence for f in self.findings if f.acts and f.verdict is self.verdict), "")
