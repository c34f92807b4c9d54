"""Whose figures they are: a target that shows series of a workload and is none of its pods decides nothing. Pure.

A target's ``namespace`` and ``pod`` are the labels of whoever scrapes it, so they can be held against the pods that the
API server knows. This is so of the own proxies alone (``reporter="destination"``): what callers, gateways and
waypoints count comes from pods of other workloads, and nobody can tell by a pod's name whether it may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.model.figures import Figures, Finding, Judgement, ScrapeTarget, Verdict
from bot.model.rollout import Rollout
from bot.words.said import Item, said, together

MOST_NAMED = 3
GATE = "targets"

Pods = Mapping[str, Collection[str]]  # names by Deployment


def foreign(targets: Iterable[ScrapeTarget], namespace: str, own: Collection[str]) -> Sequence[ScrapeTarget]:
    """The targets that are none of a workload's ``own`` pods (names); none where that is not known.

    It is not where no pod was seen, and where no target bears a pod's name. Where some do, one that does not is told.
    """
    targets = sorted(targets, key=str)
    if not own or not any(target.pod for target in targets):
        return ()
    return [one for one in targets if one.pod not in own or one.namespace not in ("", namespace)]


def listed(targets: Sequence[ScrapeTarget]) -> tuple[Item, ...]:
    """The first of them, and how many more there are."""
    names = tuple(dict.fromkeys(map(str, targets)))
    more = (said("analysis.more", n=len(names) - MOST_NAMED),) if len(names) > MOST_NAMED else ()
    return (*names[:MOST_NAMED], *more)


def believed(rollout: Rollout, reading: Figures, own: Pods) -> tuple[Figures, Sequence[Finding]]:
    """The reading without the sides that others count in, and why.

    Such a side leaves no watermark: what is read after the others are gone is counted from its own start.

    Args:
        rollout: whose sides.
        reading: what was read.
        own: the names of each side's pods, those among them that were there a short while ago.
    """
    target = rollout.spec.target
    found = {
        name: others
        for name in (target.primary_deployment, target.canary_deployment)
        if (others := foreign(reading.targets.get(name, ()), target.namespace, own.get(name, ())))
    }
    if not found:
        return reading, ()
    known = replace(
        reading,
        primary=None if target.primary_deployment in found else reading.primary,
        canary=None if target.canary_deployment in found else reading.canary,
        watermarks={name: mark for name, mark in reading.watermarks.items() if name not in found},
    )
    return known, [_finding(name, others) for name, others in found.items()]


def noted(judgement: Judgement, findings: Sequence[Finding]) -> Judgement:
    """The judgement with what is not believed said first. It goes on no further, and what surely failed stays so."""
    if not findings:
        return judgement
    worse = judgement.verdict is Verdict.FAIL
    all_of_them = (*judgement.findings, *findings) if worse else (*findings, *judgement.findings)
    verdict = Verdict.FAIL if worse else Verdict.ERROR
    return replace(judgement, verdict=verdict, findings=all_of_them, hold=True, ask=False, proven=False)


def _finding(name: str, others: Sequence[ScrapeTarget]) -> Finding:
    brief = said("analysis.foreign", name=name, others=listed(others))
    return Finding(
        gate=GATE, verdict=Verdict.ERROR, sentence=together((brief, said("analysis.foreign_remedy"))), brief=brief
    )
