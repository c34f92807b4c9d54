"""What both sides of many rollouts answered in windows that end together: asked in one query, and one more for details.

Everything that one answer must agree on is asked in one query: a Prometheus behind a balancer may have a twin that
scraped earlier or later. Most sides are counted by levels, which add up whoever answers. A side whose counters began
again, or go on under other names, is counted series by series, and only if the very samples of the first answer tell of
it; otherwise it is unknown for that reading.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from bot.adapters import queries, series
from bot.adapters.counters import (
    NOTHING,
    Owner,
    by_owner,
    difference,
    is_countless,
    is_odd,
    is_same,
    owner_of,
    sides,
    since_watermark,
    targets_by_owner,
)
from bot.adapters.prometheus_connection import Answer, Query, Sample, Series
from bot.adapters.queries import SeriesSelector
from bot.analysis.targets import left_out
from bot.controller.ports import Window
from bot.model.digits import whole_number
from bot.model.errors import Fault
from bot.model.figures import Figures, ScrapeTarget, SideFigures, UserView
from bot.model.rollout import Rollout, Target
from bot.model.service import MetricsSource
from bot.words.sentence import said

MOST_TIMES = 8  # beginnings of windows in one query: together they are slow
AHEAD = 30.0  # seconds that a window may end after Prometheus's own time: what ends later is not looked at

BEGAN, ENDED, MARKED = "where counters began", "where counters ended", "where counters are"
UNUSUAL, LATELY, HOLES, RETURNED = "new counters", "counters new lately", "missing scrapes", "pods that came back"
CHECK, USERS, TARGETS = "all samples", "requests of users", "who shows them"
APART = "shown under labels of scrapers"
NOW, BEFORE = "the newest scrape", "the scrape before"
ANSWERS, BUCKETS = "answers", "latency buckets"

NO_NUMBER = "one of its counters is no number"
# Why levels say nothing of a side; by whether it is ``apart``.
MISLEADING = {
    True: "several jobs show its pods, and one of them adds labels",
    False: "counters began again, and whoever answers scraped at other times",
}

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def selector_of(source: MetricsSource, namespaces: Sequence[str], workloads: Sequence[str]) -> SeriesSelector:
    """The requests of these workloads that a service counts."""
    return SeriesSelector(
        namespaces=tuple(namespaces),
        workloads=tuple(workloads),
        reporter=source.reporter,
        source_workload=source.source_workload,
        labels=source.labels,
    )


def read(answer: Answer) -> tuple[Sample, ...]:
    """The samples of an answer; a fault is raised."""
    if isinstance(answer, Fault):
        raise answer
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Windows that are asked for together: they end together, and are about the same kind of callers.

    Attributes:
        until: when they end.
        times: when they begin, each once.
        interval: seconds between two scrapes.
        due: Prometheus's time, how long a scrape may take, and ``until``, where one may be on its way; None where the
            windows end early enough.
    """

    source: MetricsSource
    until: float
    times: tuple[float, ...]
    windows: tuple[Window, ...]
    interval: float
    due: tuple[float, float, float] | None

    def query(self) -> Query:
        """All that is asked of everybody."""
        texts = {
            f"{number} {name}": text
            for number, since in enumerate(self.times)
            for name, text in self._questions(since).items()
        }
        return Query(about=said("adapters.about_counts"), text=queries.together(texts), at=self.until)

    def of(self, since: float) -> list[Window]:
        """The windows that begin at a moment."""
        return [window for window in self.windows if _moment(window.since) == since]

    @property
    def before(self) -> float:
        """Seconds before a window that are looked at too where counters may have begun again."""
        return queries.just_before(self.interval)

    def selector(self, owners: Iterable[Owner]) -> SeriesSelector:
        """The requests of these owners."""
        spaces, names = zip(*owners, strict=True)
        return selector_of(self.source, sorted(set(spaces)), sorted(set(names)))

    def _questions(self, since: float) -> dict[str, str]:
        windows, seconds = self.of(since), self.until - since
        selector = self.selector({owner for window in windows for owner in owners_of(window)})
        long = queries.LONG_BEFORE * self.before
        hosts = sorted({host for window in windows for host in window.rollout.spec.target.hosts})
        holes = queries.holes(selector, seconds, self.before, self.interval)
        away = queries.returned(selector, seconds, self.before)
        return {
            **dict(self._levels(since, selector, "", queries.REQUESTS, queries.ANSWER)),
            **dict(self._levels(since, selector, BUCKETS, queries.BUCKETS, f"{queries.OWNER}, le")),
            UNUSUAL: queries.unusual(selector, seconds, since - _back(since), long),
            LATELY: queries.lately(selector, seconds, self.before),
            HOLES: f"{holes} or {away}",
            RETURNED: queries.returned_pods(selector, seconds, long),
            APART: queries.apart(selector, self.until - _back(since)),
            CHECK: queries.check(selector, seconds + self.before),
            NOW: queries.scraped(selector),
            BEFORE: queries.scraped(selector, seconds),
            TARGETS: queries.targets(selector, seconds, self.until - _back(since)),
            USERS: queries.users(hosts, self.source.source_workload, seconds, self.source.labels),
        }

    def _levels(
        self, since: float, selector: SeriesSelector, of: str, metric: str, by: str
    ) -> Iterator[tuple[str, str]]:
        """Levels at both ends of a window, which look back to the same moment; and at its end as the next will ask."""
        back, later = _back(since), _back(self.until)
        yield BEGAN + of, queries.level(selector, metric, by, since - back, self.until - since)
        yield ENDED + of, queries.level(selector, metric, by, self.until - back)
        if later != back:
            yield MARKED + of, queries.level(selector, metric, by, self.until - later)


def batched(windows: Sequence[Window], surely: float | None) -> list[Batch]:
    """Windows by what can be asked together. ``surely``: what Prometheus's clock has surely reached."""
    found: defaultdict[tuple[MetricsSource, float, bool], list[Window]] = defaultdict(list)
    for window in windows:
        metrics = window.rollout.spec.metrics
        is_early = surely is not None and window.until > surely - metrics.delay
        found[replace(metrics, scrape_interval=0.0, read_delay=None), _moment(window.until), is_early].append(window)
    return [
        _batch(source, until, times, some, surely if is_early else None)
        for (source, until, is_early), some in found.items()
        for times in _times(some)
    ]


def _times(windows: Iterable[Window]) -> Iterator[tuple[float, ...]]:
    times = sorted({_moment(window.since) for window in windows})
    return (tuple(times[start : start + MOST_TIMES]) for start in range(0, len(times), MOST_TIMES))


def _batch(
    source: MetricsSource, until: float, times: tuple[float, ...], windows: Iterable[Window], surely: float | None
) -> Batch:
    mine = tuple(window for window in windows if _moment(window.since) in times)
    delay = max(window.rollout.spec.metrics.delay for window in mine)
    return Batch(
        source=source,
        until=until,
        times=times,
        windows=mine,
        interval=max(window.rollout.spec.metrics.scrape_interval for window in mine),
        due=None if surely is None else (surely, delay, until),
    )


def owners_of(window: Window) -> tuple[Owner, Owner]:
    """The primary's and the canary's."""
    target = window.rollout.spec.target
    return (target.namespace, target.primary_deployment), (target.namespace, target.canary_deployment)


def _moment(at: float) -> float:
    return round(at, 3)


def _back(at: float) -> float:
    """How far back is looked for what counters read at a moment: at least ``LOOK_BACK``, and alike for all."""
    return (math.floor(at / queries.LOOKBACK) - 1) * queries.LOOKBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """What one answer tells of the windows that begin at one moment, by owner.

    Attributes:
        began, ended, marked: levels; what ``marked`` looks back to is what the next window's start will.
        unusual: of whom levels may tell too little; ``lately``: also before the window, ``holes``: scrapes are missing.
        returned: the pods that are seen again after a long time.
        apart: of whom levels count pods twice.
        users: by Service and workload.
        targets: who shows its series in the window, and who else's are left out of its figures (``left_out``).
        numberless: of whom some counter is no number: what is left of them would be errors, or everything but errors.
    """

    began: Mapping[Owner, SideFigures]
    ended: Mapping[Owner, SideFigures]
    marked: Mapping[Owner, SideFigures]
    unusual: frozenset[Owner]
    lately: frozenset[Owner]
    holes: frozenset[Owner]
    returned: Mapping[Owner, frozenset[ScrapeTarget]]
    apart: frozenset[Owner]
    check: Mapping[Owner, float]
    now: Mapping[Owner, float]
    before: Mapping[Owner, float]
    users: Mapping[Owner, float]
    targets: Mapping[Owner, frozenset[ScrapeTarget]]
    left_out: Mapping[Owner, frozenset[ScrapeTarget]]
    numberless: frozenset[Owner]

    @classmethod
    def of(cls, found: Mapping[str, Sequence[Sample]]) -> _Counts:
        began, ended, marked = (
            sides(found.get(name, ()), found.get(name + BUCKETS, ())) for name in (BEGAN, ENDED, MARKED)
        )
        unusual, lately, holes, apart = (
            frozenset(owner_of(labels) for labels, _ in found.get(name, ())) for name in (UNUSUAL, LATELY, HOLES, APART)
        )
        shown = targets_by_owner(found.get(TARGETS, ()))
        in_window = targets_by_owner(one for one in found.get(TARGETS, ()) if one[1])
        aside = {owner: left_out(targets, *owner) for owner, targets in shown.items()}
        odd = {owner for owner, end in ended.items() if is_odd(difference(end, began.get(owner, NOTHING)))}
        return cls(
            began=began,
            ended=ended,
            marked=marked if MARKED in found else ended,
            unusual=unusual | odd,
            lately=lately,
            holes=holes,
            returned=targets_by_owner(found.get(RETURNED, ())),
            apart=apart,
            check=by_owner(found.get(CHECK, ())),
            now=by_owner(found.get(NOW, ())),
            before=by_owner(found.get(BEFORE, ())),
            numberless=frozenset(
                owner_of(labels)
                for name in (BEGAN, ENDED, MARKED)
                for labels, value in (*found.get(name, ()), *found.get(name + BUCKETS, ()))
                if not math.isfinite(value)
            ),
            targets={owner: in_window.get(owner, frozenset()) | aside[owner] for owner in shown},
            left_out={owner: targets for owner, targets in aside.items() if targets},
            users={
                (labels.get(queries.SERVICE, ""), labels.get(queries.WORKLOAD, "")): n
                for labels, n in found.get(USERS, ())
            },
        )

    def is_doubtful(self, window: Window, owner: Owner) -> bool:
        """Whether its series have to be looked at one by one."""
        if owner in self.unusual or owner in self.holes or owner in self.apart or owner in self.left_out:
            return True
        return owner in self.lately and not self.is_continued(window, owner)

    def is_continued(self, window: Window, owner: Owner) -> bool:
        """Whether its counters read at the window's start what was kept of them: nothing came late since."""
        known = known_of(window, owner[1])
        return known is None or is_same(self.began.get(owner, NOTHING), known)


def known_of(window: Window, workload: str) -> SideFigures | None:
    """The watermark of a side where the window begins; None where there is none: it was unknown in the row before."""
    past = window.rollout.analysis_state
    return past.watermarks.get(workload) if past.until == window.since else None


@dataclass(slots=True, kw_only=True)
class Counted:
    """One batch with its answers.

    Attributes:
        told: by the beginnings of windows; or why nothing is known.
        doubtful: owners that are looked at series by series, by the same.
        details: what was found then, or why it could not be.
    """

    batch: Batch
    answers: Mapping[float, _Counts] | Fault
    doubtful: Mapping[float, frozenset[Owner]] = field(default_factory=dict)
    details: Mapping[float, Mapping[Owner, series.Detail]] | Fault = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Batch, answer: Answer) -> Counted:
        """What the first answer tells."""
        if isinstance(answer, Fault):
            return cls(batch=batch, answers=answer)
        found = _by_question(answer)
        answers = {since: _Counts.of(found.get(number, {})) for number, since in enumerate(batch.times)}
        doubtful = {
            since: frozenset(
                owner
                for window in batch.of(since)
                for owner in owners_of(window)
                if batch.due is not None or one.is_doubtful(window, owner)
            )
            for since, one in answers.items()
        }
        return cls(batch=batch, answers=answers, doubtful=doubtful)

    def wanted(self) -> Query | None:
        """Every sample of those of whom sums tell too little; None where there are none."""
        owners = {owner for found in self.doubtful.values() for owner in found}
        if isinstance(self.answers, Fault) or not owners or self._is_too_early():
            return None
        first = min(since for since, found in self.doubtful.items() if found)
        are_holes = any(one.holes & self.doubtful[since] for since, one in self.answers.items())
        before = self.batch.before * (queries.LONG_BEFORE if are_holes else 1)
        seconds = self.batch.until - first + before
        return Query(
            about=said("adapters.about_inside"),
            text=queries.inside(self.batch.selector(owners), seconds),
            at=self.batch.until,
        )

    def explain(self, answer: list[Series] | Fault) -> None:
        """Take what was answered to ``wanted``."""
        if isinstance(answer, Fault):
            self.details = answer
            return
        self.details = {
            since: series.counted(
                answer,
                series.Span(
                    since=since, near=since - self.batch.before, interval=self.batch.interval, due=self.batch.due
                ),
                self._left_out(since),
            )
            for since, owners in self.doubtful.items()
            if owners
        }

    def figures(self, window: Window, own: Mapping[str, float | None]) -> Figures | Fault:
        """Everything about one window. ``own``: the values of the service's own queries."""
        if isinstance(self.answers, Fault):
            return self.answers
        answers, target = self.answers[_moment(window.since)], window.rollout.spec.target
        names = (target.primary_deployment, target.canary_deployment)
        shown = {name: answers.targets.get((target.namespace, name), frozenset()) for name in names}
        (primary, its_watermark), (canary, other_watermark) = (self._side(answers, window, name) for name in names)
        return Figures(
            start=window.since,
            end=window.until,
            primary=primary,
            canary=canary,
            users=_users(answers, target),
            custom=dict(own),
            watermarks={
                name: watermark
                for name, watermark in zip(names, (its_watermark, other_watermark), strict=True)
                if watermark is not None
            },
            targets=shown,
        )

    def _is_too_early(self) -> bool:
        """Whether windows end long after the newest sample that there can be."""
        return self.batch.due is not None and self.batch.until > self.batch.due[0] + AHEAD

    def _side(self, answers: _Counts, window: Window, workload: str) -> tuple[SideFigures | None, SideFigures | None]:
        """What a workload answered, with its watermark; None where that is not known.

        What is unknown leaves no watermark: the next row is counted from its own start, and holds nothing of this one.
        """
        owner = (window.rollout.spec.target.namespace, workload)
        if owner in answers.left_out:
            return self._without_others(answers, window, owner), None
        last, level = answers.now.get(owner), answers.marked.get(owner)
        if level is None or last is None or owner not in answers.ended:
            return None, None
        if last < window.until - window.rollout.spec.metrics.lately:
            return None, None
        side, watermark = (
            (NO_NUMBER, level) if owner in answers.numberless else self._answered(answers, window, owner, level)
        )
        if isinstance(side, SideFigures) and is_countless(side):
            side = NO_NUMBER
        if isinstance(side, str):
            log.warning("side_unknown", rollout=window.rollout.spec.id, workload=workload, why=side)
            return None, None
        known = known_of(window, workload)
        began = known.last if known is not None and known.last is not None else answers.before.get(owner)
        return replace(side, first=began, last=last), replace(watermark, last=last)

    def _without_others(self, answers: _Counts, window: Window, owner: Owner) -> SideFigures | None:
        """What a workload's own pods answered, where others show figures in its name as well: series by series.

        Without a watermark: levels hold what the others count.
        """
        detail, side = self._detail(window, owner), None
        back = {(one.namespace, one.pod) for one in answers.returned.get(owner, ())}
        if detail is None:
            why = "its counters could not be looked at one by one"
        elif not detail.is_of(answers.check.get(owner)):
            why = MISLEADING[False]
        elif detail.is_unknown or back - {(one.namespace, one.pod) for one in answers.left_out[owner]}:
            why = "scrapes are missing, on their way or cannot be read"
        elif detail.last is None or detail.last < window.until - window.rollout.spec.metrics.lately:
            why = "nothing of its own pods is there"
        elif is_countless(detail.side):
            why = NO_NUMBER
        else:
            side, why = replace(detail.side, first=detail.first, last=detail.last), ""
        if why:
            log.warning("side_unknown", rollout=window.rollout.spec.id, workload=owner[1], why=why)
        return side

    def _left_out(self, since: float) -> series.LeftOut:
        """Whose series do not count, by owner."""
        if isinstance(self.answers, Fault):
            return {}
        aside = self.answers[since].left_out
        return {owner: frozenset((one.namespace, one.pod) for one in targets) for owner, targets in aside.items()}

    def _answered(
        self, answers: _Counts, window: Window, owner: Owner, watermark: SideFigures
    ) -> tuple[SideFigures | str, SideFigures]:
        """The counts alone, or why nobody knows them; and the watermark.

        They are of its series one by one where those are the same samples, else of levels.
        """
        is_doubtful = owner in self.doubtful[_moment(window.since)]
        detail = self._detail(window, owner) if is_doubtful else series.NOTHING_MOVED
        if detail is None:
            return "its counters could not be looked at one by one", watermark
        is_same_answer = detail.is_of(answers.check.get(owner))
        # A scrape that was on its way may have arrived between the two answers.
        is_late = self.batch.due is not None and not is_same_answer
        if detail.is_unknown or is_late or answers.returned.get(owner):
            return "scrapes are missing, on their way or cannot be read", watermark
        if is_doubtful and answers.is_continued(window, owner) and is_same_answer:
            return detail.side, watermark
        if owner in answers.apart or detail.is_shaky:
            return MISLEADING[owner in answers.apart], watermark
        began, known = answers.began.get(owner, NOTHING), known_of(window, owner[1])
        side = difference(answers.ended[owner], began)
        if known is None:
            return ("its counts do not fit together" if is_odd(side) else side), watermark
        side = replace(side, first=answers.before.get(owner), last=answers.now.get(owner))
        rate, spacing = _usual(window.rollout, owner[1], side), window.rollout.spec.metrics.scrape_interval
        total, watermark = since_watermark(
            side, began=began, watermark=known, ended=watermark, rate=rate, spacing=spacing
        )
        return ("its counters are others than before" if total is None else total), watermark

    def _detail(self, window: Window, owner: Owner) -> series.Detail | None:
        if isinstance(self.details, Fault) or self._is_too_early():
            return None
        return self.details.get(_moment(window.since), {}).get(owner, series.NOTHING_MOVED)


def _users(answers: _Counts, target: Target) -> UserView | None:
    """Where the users of a rollout's Service (or of both versions') went; None where no proxy of theirs reports.

    They are counted in the window alone, without watermarks: figures that end behind Prometheus's clock are complete,
    and what these decide (whether users are where the routes say, and whether they find a pod) is decided by shares
    and by a few requests of the last minute, which one restarted gateway does not turn around.
    """
    names = (target.canary_deployment, target.primary_deployment, queries.NOWHERE)
    seen = {
        name: [count for host in target.hosts if (count := answers.users.get((host, name))) is not None]
        for name in names
    }
    counts = [count for found in seen.values() for count in found]
    if not counts or not all(map(math.isfinite, counts)):
        return None
    canary, primary, nowhere = (sum(seen[name]) for name in names)
    return UserView(canary=canary, primary=primary, nowhere=nowhere)


def _usual(rollout: Rollout, workload: str, now: SideFigures) -> float:
    """The most requests a second of a side, in this window or a row of the last minute; 0 where that is not known."""
    is_canary = workload == rollout.spec.target.canary_deployment
    rows = [now, *(row.canary if is_canary else row.primary for row in rollout.analysis_state.recent)]
    return max((side.per_second or 0.0 for side in rows if side is not None), default=0.0)


def _by_question(samples: Iterable[Sample]) -> dict[int, dict[str, list[Sample]]]:
    """By the window's beginning, and by what was asked of it."""
    found: dict[int, dict[str, list[Sample]]] = {}
    # By the label as it is written: there are tens of them, and thousands of samples.
    lists: dict[str, list[Sample]] = {}
    for sample in samples:
        asked = sample[0].get(queries.ASKED, "")
        alike = lists.get(asked)
        if alike is None:
            written, _, name = asked.partition(" ")
            number = whole_number(written)
            alike = [] if number is None else found.setdefault(number, {}).setdefault(name, [])
            lists[asked] = alike
        alike.append(sample)
    return found
