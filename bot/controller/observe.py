"""What is so now: the cluster as an ``Observation``, the figures as a ``Judgement``. Faults become what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import TypeVar

from bot.analysis import analysis, targets
from bot.analysis.without_figures import unavailable
from bot.controller.containment import Broken, contained
from bot.controller.ports import Mesh, Metrics, Window, Workloads
from bot.model.errors import Cause, Fault
from bot.model.figures import AnalysisState, Figures, Judgement
from bot.model.observation import BLIND, UNKNOWN, Observation, Unobserved
from bot.model.rollout import PodTemplate, Rollout, RolloutId
from bot.words.sentence import Sentence, said

Found = TypeVar("Found")

_SILENT = frozenset({Cause.UNREACHABLE, Cause.TIMED_OUT})

MOST_READS = 64  # of one sweep, to find out which of its rollouts cannot be read

NO_PODS = targets.NO_PODS

Readings = Mapping[RolloutId, Figures | Fault]


def observe(
    rollout: Rollout, mesh: Mesh, workloads: Workloads, notify: Callable[[Fault], None] = lambda _fault: None
) -> Observation:
    """The cluster as it is now; what could not be read is told, and is not known.

    One object that is gone, or that we may not read, hides no other. A server that does not answer is asked for nothing
    more: each question would take its whole time-out.
    """
    doing = said("controller.doing_observe", service=rollout.spec.service)
    routes, unseen = _try(lambda: mesh.observe(rollout.spec.target), notify, doing)
    if unseen is not None and unseen.cause in _SILENT:
        return replace(BLIND, routes_unobserved=unseen, pods_unobserved=unseen)
    canary = PodTemplate(images=rollout.spec.canary_images)
    sides, hidden = _try(
        lambda: workloads.observe(rollout.spec.target, rollout.spec.recorded, rollout.spec.upgraded, canary),
        notify,
        doing,
    )
    primary, challenger = sides or (UNKNOWN, UNKNOWN)
    observed = Observation(
        routes=None, primary=primary, canary=challenger, routes_unobserved=unseen, pods_unobserved=hidden
    )
    if routes is None:
        return observed
    return replace(
        observed,
        routes=routes.routes,
        owner=routes.owner,
        failsafe_record=routes.failsafe_record,
        annotated=routes.annotated,
        signed=routes.signed,
        writer=routes.writer,
        written_at=routes.written_at,
        annotated_by=routes.annotated_by,
        annotated_at=routes.annotated_at,
        reason=routes.reason,
        fingerprint=routes.fingerprint,
        written_on=routes.name if routes.each else "",
        each=routes.each,
        routes_unobserved=routes.unobserved,
    )


def _try(
    ask: Callable[[], Found], notify: Callable[[Fault], None], doing: Sentence
) -> tuple[Found | None, Unobserved | None]:
    try:
        with contained(doing):
            return ask(), None
    except Fault as fault:
        notify(fault)
        # An object that we cannot understand was answered: the next one is asked for.
        cause = Cause.REFUSED if isinstance(fault, Broken) else fault.cause
        return None, Unobserved(cause=cause, sentence=fault.sentence)


def read(rollouts: Sequence[Rollout], metrics: Metrics, now: float) -> Readings:
    """The figures that each of them has to be judged by next, asked for together; none where nothing is judged."""
    if not any(analysis.span(rollout, now) for rollout in rollouts):
        return {}
    # Samples are stamped by another machine: by a clock of ours that is ahead, rows would end before they are there.
    by_theirs = metrics.clock(now)
    spans = [(rollout, analysis.span(rollout, by_theirs)) for rollout in rollouts]
    windows = [Window(rollout=rollout, since=span[0], until=span[1]) for rollout, span in spans if span is not None]
    return metrics.read(windows) if windows else {}


def read_each(rollouts: Sequence[Rollout], metrics: Metrics, now: float) -> Readings:
    """As ``read``; where that breaks, the one it breaks on is found, and is the only one without figures."""
    found: dict[RolloutId, Figures | Fault] = {}
    waiting = [rollouts]
    for tries in count(1):
        if not waiting:
            break
        some = waiting.pop()
        try:
            with contained(said("controller.doing_read")):
                found |= read(some, metrics, now)
        except Fault as fault:
            if isinstance(fault, Broken) and len(some) > 1 and tries < MOST_READS:
                middle = len(some) // 2
                waiting += [some[:middle], some[middle:]]
            else:
                found |= {rollout.spec.id: fault for rollout in some}
    return found


def judge(
    rollout: Rollout,
    reading: Figures | Fault | None,
    now: float,
    own: targets.Pods = NO_PODS,
    ready: targets.Pods = NO_PODS,
    *,
    home: bool = True,
) -> tuple[Judgement, AnalysisState]:
    """The current stage, judged; an unreachable Prometheus is a verdict of its own, not a fault.

    ``own``: the names of both sides' pods, ``ready``: of those that answer. What others count in their name is not
    judged. ``home``: whether the primary has a pod that could take users home.
    """
    if reading is None:
        return analysis.unread(rollout, now), rollout.analysis_state
    if isinstance(reading, Fault):
        why = said("controller.prometheus_unasked", why=reading.sentence)
        return unavailable(now, why), rollout.analysis_state
    try:
        with contained(said("controller.doing_judge", service=rollout.spec.service)):
            known, strange = targets.believed(rollout, reading, own, ready)
            judgement, analysis_state = analysis.analyse(rollout, known, ready=home)
            return targets.noted(judgement, strange), analysis_state
    except Broken as broken:
        return unavailable(now, broken.sentence), rollout.analysis_state
