"""What governs pods by their labels, and should treat both sides alike: who may call them, and whom they may call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.cluster.objects import Labels, Object, name_of, pod_labels, title, within
from bot.preflight.problems import Problem, warns
from bot.preflight.snapshot import Subject

_READING: Mapping[str, str] = {
    "AuthorizationPolicy": "Callers, the gateway among them, may be let in on one side and get 403 on the other, which "
    "no judgement takes for an error",
    "PeerAuthentication": "Callers without mutual TLS may be let in on one side only",
    "Sidecar": "The two may reach different services, or be reached on different ports",
}


def check(subject: Subject) -> Iterator[Problem]:
    """A policy for one version alone: what it does to users is seen only once they are there."""
    primary, canary = subject.primary, subject.canary
    if primary is None or canary is None:
        return
    for policy in subject.snapshot.policies:
        selector = _selector(policy)
        ours, theirs = (within(selector, pod_labels(side)) for side in (primary, canary))
        if ours is not theirs:
            governed, other = (primary, canary) if ours else (canary, primary)
            reading = _READING.get(str(policy.get("kind", "")), "The two are not alike")
            yield warns(
                f"{title(policy)} governs the pods of {name_of(governed)} and not those of {name_of(other)}.",
                remedy=f"{reading}: select both by a label that they share, or accept it.",
            )


def _selector(policy: Object) -> Labels:
    """Empty: all pods of the namespace."""
    spec = policy.get("spec") or {}
    labels: Labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return labels or (spec.get("workloadSelector") or {}).get("labels") or {}
