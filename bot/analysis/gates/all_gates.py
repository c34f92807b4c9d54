"""All gates beside the sequential judge, each asked in its turn: a new one has its line here. Pure.

Missing data never counts as good: no answer is ``inconclusive``, or ``error`` where Prometheus could not be asked.
``client_errors`` remembers evidence of its own, and is asked by ``bot.analysis.analysis``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.analysis.gates import coverage, custom_queries, hard_limits, mirror_harm, propagation, sample, users
from bot.analysis.gates.strikes import Evaluation, Strikes, counted
from bot.analysis.gates.unknown import unknown
from bot.analysis.sides import Sides
from bot.model.figures import Figures, Finding
from bot.model.rollout import Phase, Rollout
from bot.words.sentence import said


def check_gates(
    rollout: Rollout, stage: Figures, recent: Sequence[Figures], strikes: Strikes
) -> tuple[tuple[Finding, ...], Strikes]:
    """Every gate's finding, and the strikes with this reconcile's among them.

    Args:
        rollout: whose gates.
        stage: figures of the stage so far, with the values of custom queries.
        recent: the rows of the last minute, oldest first; at least one.
        strikes: of each limit whether its last reconciles were bad.
    """
    sides = Sides.of(rollout, stage)
    if sides.subject is None or sides.subject.requests <= 0:
        return (unknown("traffic", said("analysis.no_traffic", name=sides.name)),), strikes
    late = sum(recent[1:], start=recent[0])
    limits, strikes = counted(rollout, _evaluations(rollout, stage, late), strikes)
    findings = (
        *_of_mirror(rollout, stage, recent),
        *sample.find(rollout, sides.subject, sides.name),
        *users.find(rollout, late),
        *propagation.find(rollout, recent),
    )
    return (*findings, *limits), strikes


def _of_mirror(rollout: Rollout, stage: Figures, recent: Sequence[Figures]) -> Iterator[Finding]:
    if rollout.phase is Phase.MIRRORING:
        yield coverage.find(rollout, recent)
        yield from mirror_harm.find(rollout, stage, recent)


def _evaluations(rollout: Rollout, stage: Figures, late: Figures) -> Iterator[Evaluation]:
    yield from hard_limits.evaluations(rollout, Sides.of(rollout, late), Sides.of(rollout, stage))
    yield from custom_queries.evaluations(rollout, stage.custom)
