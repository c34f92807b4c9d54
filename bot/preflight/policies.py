"""What governs pods by their labels, and should treat both sides alike: who may call them, and whom they may call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.cluster.objects import Labels, Object, name_of, pod_labels, title, within
from bot.preflight.problems import Problem, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Sentence, said

_READING: Mapping[str, Sentence] = {
    "AuthorizationPolicy": said("preflight.one_side_forbids"),
    "PeerAuthentication": said("preflight.one_side_plain"),
    "Sidecar": said("preflight.one_side_reaches"),
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
            reading = _READING.get(str(policy.get("kind", "")), said("preflight.one_side_other"))
            yield warns(
                said("preflight.policy_of_one", policy=title(policy), name=name_of(governed), other=name_of(other)),
                remedy=said("preflight.select_both", reading=reading),
            )


def _selector(policy: Object) -> Labels:
    """Empty: all pods of the namespace."""
    spec = policy.get("spec") or {}
    labels: Labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return labels or (spec.get("workloadSelector") or {}).get("labels") or {}
