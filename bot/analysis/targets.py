"""Whose figures they are: a target that shows series of a workload and is none of its pods decides nothing. Pure.

A target's ``namespace`` and ``pod`` are the labels of whoever scrapes it, so they can be held against the pods that the
API server knows. This is so of the own proxies alone (``reporter="destination"``): what callers, gateways and
waypoints count comes from pods of other workloads, and nobody can tell by a pod's name whether it may.

A target whose very name says that it is no pod of the workload is left out of its figures (``left_out``), so that
nobody blinds a side by being scraped. That hides no pod of ours as long as each of them shows its own figures; where
one does not, they may be what the stranger shows, and the side is unknown. So it is with a stranger that has a name
like ours: it may be a pod that ended before we saw it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.model.figures import Figures, Finding, Judgement, ScrapeTarget, Verdict
from bot.model.rollout import Rollout
from bot.words.sentence import Item, said, together

MOST_NAMED = 3
GATE = "targets"
LONGEST_BASE = 58  # characters of a pod's name before the last five

Pods = Mapping[str, Collection[str]]  # names by Deployment
NO_PODS: Pods = {}


def foreign(targets: Iterable[ScrapeTarget], namespace: str, own: Collection[str]) -> Sequence[ScrapeTarget]:
    """The targets that are none of a workload's ``own`` pods (names); none where that is not known.

    It is not where no pod was seen, and where no target bears a pod's name. Where some do, one that does not is told.
    """
    targets = sorted(targets, key=str)
    if not own or not any(target.pod for target in targets):
        return ()
    return [one for one in targets if one.pod not in own or one.namespace not in ("", namespace)]


def left_out(targets: Iterable[ScrapeTarget], namespace: str, workload: str) -> frozenset[ScrapeTarget]:
    """The targets that cannot be pods of a Deployment, by their names alone; none where no other could be one.

    Then it is the scrape that gives wrong names, or none, and what is left would be nothing.
    """
    targets = frozenset(targets)
    aside = frozenset(one for one in targets if one.pod and not may_be_of(one.namespace, one.pod, namespace, workload))
    return aside if any(one.pod for one in targets - aside) else frozenset()


def may_be_of(space: str, pod: str, namespace: str, workload: str) -> bool:
    """Whether a pod (``space`` "": nobody knows where) may be one of a Deployment: its name begins like the workload's.

    The API server cuts what is before a pod's last characters to ``LONGEST_BASE``.
    """
    return space in ("", namespace) and pod.startswith(f"{workload}-"[:LONGEST_BASE])


def listed(targets: Sequence[ScrapeTarget]) -> tuple[Item, ...]:
    """The first of them, and how many more there are."""
    names = tuple(dict.fromkeys(map(str, targets)))
    more = (said("analysis.more", n=len(names) - MOST_NAMED),) if len(names) > MOST_NAMED else ()
    return (*names[:MOST_NAMED], *more)


def believed(rollout: Rollout, reading: Figures, own: Pods, ready: Pods = NO_PODS) -> tuple[Figures, Sequence[Finding]]:
    """The reading without the sides that others count in, and why; whoever was left out of the others is told too.

    Such a side leaves no watermark: what is read after the others are gone is counted from its own start.

    Args:
        rollout: whose sides.
        reading: what was read, without what is ``left_out``.
        own: the names of each side's pods, those among them that were there a short while ago.
        ready: of these the ones that answer now.
    """
    target = rollout.spec.target
    names = (target.primary_deployment, target.canary_deployment)
    shown = {name: reading.targets.get(name, frozenset()) for name in names}
    aside = {name: left_out(shown[name], target.namespace, name) for name in names}
    doubtful = {
        name: others
        for name in names
        if (others := _doubtful(shown[name], aside[name], target.namespace, own.get(name, ()), ready.get(name, ())))
    }
    notes = tuple(
        _left_out(name, sorted(aside[name], key=str)) for name in names if aside[name] and name not in doubtful
    )
    if not doubtful:
        return reading, notes
    known = replace(
        reading,
        primary=None if target.primary_deployment in doubtful else reading.primary,
        canary=None if target.canary_deployment in doubtful else reading.canary,
        watermarks={name: mark for name, mark in reading.watermarks.items() if name not in doubtful},
    )
    return known, (*(_finding(name, others) for name, others in doubtful.items()), *notes)


def _doubtful(
    shown: frozenset[ScrapeTarget],
    aside: frozenset[ScrapeTarget],
    namespace: str,
    own: Collection[str],
    ready: Collection[str],
) -> Sequence[ScrapeTarget]:
    """The strangers because of whom a side is not known: one may be, or may show, a pod of its own."""
    ours = {one.pod for one in shown - aside}
    if aside and not (ready and ours.issuperset(ready)):
        return sorted(aside, key=str)
    return [one for one in foreign(shown, namespace, own) if one not in aside]


def noted(judgement: Judgement, findings: Sequence[Finding]) -> Judgement:
    """The judgement with what is not believed said first. It goes on no further, and what surely failed stays so.

    Where others were only left out, that is said last and holds nothing.
    """
    unknown = [one for one in findings if one.acts]
    if not unknown:
        return replace(judgement, findings=(*judgement.findings, *findings)) if findings else judgement
    worse = judgement.verdict is Verdict.FAIL
    all_of_them = (*judgement.findings, *findings) if worse else (*findings, *judgement.findings)
    verdict = Verdict.FAIL if worse else Verdict.ERROR
    return replace(judgement, verdict=verdict, findings=all_of_them, hold=True, ask=False, proven=False)


def _left_out(name: str, others: Sequence[ScrapeTarget]) -> Finding:
    brief = said("analysis.foreign", name=name, others=listed(others))
    sentence = together((brief, said("analysis.foreign_left_out")))
    return Finding(gate=GATE, verdict=Verdict.ERROR, sentence=sentence, brief=brief, acts=False)


def _finding(name: str, others: Sequence[ScrapeTarget]) -> Finding:
    brief = said("analysis.foreign", name=name, others=listed(others))
    return Finding(
        gate=GATE, verdict=Verdict.ERROR, sentence=together((brief, said("analysis.foreign_remedy"))), brief=brief
    )
