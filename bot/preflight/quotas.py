"""What the namespace leaves room for: quotas for the primary's new pods, and budgets that guard pods against drains."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from math import ceil, floor
from typing import Any

from bot.cluster.objects import Object, name_of, pod_labels, pods_of, replicas, template_of
from bot.cluster.selectors import LabelSelector
from bot.preflight.problems import Problem, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, said

_SUFFIXES = {
    **{unit: 1000.0**power for power, unit in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate(("K", "M", "G", "T", "P", "E"), start=1)},
    "m": 1e-3,
    "u": 1e-6,
    "n": 1e-9,
}
_NUMBER = re.compile(r"([+-]?(?:[0-9]+[0-9.]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
_PODS = ("pods", "count/pods")
_SURGE = "25%"  # Kubernetes' own default


def check(subject: Subject) -> Iterator[Problem]:
    """Each in turn."""
    if subject.primary is not None and subject.service.upgrades:
        yield from _quotas(subject, subject.primary)
    for side in subject.sides:
        yield from _budgets(subject, side)


def quantity(written: object) -> float:
    """Kubernetes' numbers: ``500m``, ``1.5Gi``, ``2``; not a number where it is none."""
    found = _NUMBER.fullmatch(str(written))
    if found is None or found[2] not in _SUFFIXES or found[1].count(".") > 1:
        return float("nan")
    return float(found[1]) * _SUFFIXES[found[2]]


def _quotas(subject: Subject, primary: Object) -> Iterator[Problem]:
    """An upgrade needs room for the pods that it starts before old ones go."""
    surge = _surge(primary)
    need = _needs(subject, primary)
    for quota in subject.snapshot.quotas:
        status = quota.get("status") or {}
        used, hard = status.get("used") or {}, status.get("hard") or {}
        short = [
            what
            for what, limit in sorted(hard.items())
            if what in need and quantity(limit) - quantity(used.get(what, 0)) < surge * need[what]
        ]
        if surge and short:
            shown = tuple(
                said("preflight.quota_used", what=what, used=str(used.get(what, 0)), hard=str(hard[what]))
                for what in short
            )
            yield warns(
                said("preflight.quota_full", quota=name_of(quota), n=surge, primary=name_of(primary), used=shown),
                remedy=said("preflight.raise_quota", field=Code("maxUnavailable: 1")),
            )


def _surge(deployment: Object) -> int:
    """Pods of a rolling update beyond the wanted ones; 0 also where old pods may go first."""
    strategy: Mapping[str, Any] = deployment["spec"].get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    whole = replicas(deployment)
    spare = _share(rolling.get("maxUnavailable", _SURGE), whole, floor)
    if strategy.get("type") == "Recreate" or spare:
        return 0
    return max(1, _share(rolling.get("maxSurge", _SURGE), whole, ceil))


def _share(written: object, whole: int, rounded: Callable[[float], int]) -> int:
    text = str(written)
    return (rounded(whole * float(text[:-1]) / 100)) if text.endswith("%") else int(text)


def _needs(subject: Subject, deployment: Object) -> dict[str, float]:
    """What a quota counts for one pod: with its sidecar where a pod can be seen, else as the template says."""
    living = pods_of(deployment, subject.snapshot.pods)
    spec = (living[0].get("spec") if living else None) or template_of(deployment)["spec"]
    need = dict.fromkeys(_PODS, 1.0)
    for container in spec.get("containers") or ():
        for kind, amounts in (container.get("resources") or {}).items():
            for what, amount in (amounts or {}).items() if kind in {"requests", "limits"} else ():
                names = (f"{kind}.{what}", what) if kind == "requests" else (f"{kind}.{what}",)
                for name in names:
                    need[name] = need.get(name, 0.0) + quantity(amount)
    return need


def _budgets(subject: Subject, side: Object) -> Iterator[Problem]:
    """A drain during the rollout waits for a budget, and one that counts both sides guards neither."""
    other = next((one for one in subject.sides if one is not side), None)
    for budget in subject.snapshot.budgets:
        selector = LabelSelector.of((budget.get("spec") or {}).get("selector") or {})
        status = budget.get("status") or {}
        if not selector.requirements or not selector.matches(pod_labels(side)):
            continue
        if status.get("disruptionsAllowed") == 0:
            yield warns(
                said("preflight.no_eviction", budget=name_of(budget), name=name_of(side)),
                remedy=said("preflight.drain_none"),
            )
        if other is not None and selector.matches(pod_labels(other)) and side is subject.primary:
            yield warns(
                said("preflight.one_budget", budget=name_of(budget), name=name_of(side), other=name_of(other)),
                remedy=said("preflight.own_budgets"),
            )
