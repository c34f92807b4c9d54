"""Law: whoever is scraped may show figures in a workload's name, and no pod but its own decides anything by that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.analysis.targets import believed, foreign, left_out, listed, may_be_of, noted
from bot.model.figures import Figures, Finding, Judgement, ScrapeTarget, Verdict
from bot.words.rendering import plain
from bot.words.sentence import Sentence
from tests.builders import a_rollout, a_side_of, figures

OWN = {"reviews-v1": {"reviews-v1-5d8f-aaaaa"}, "reviews-v2": {"reviews-v2-7c9d-bbbbb"}}
V1 = ScrapeTarget(namespace="default", pod="reviews-v1-5d8f-aaaaa", instance="10.0.0.1:15020")
V2 = ScrapeTarget(namespace="default", pod="reviews-v2-7c9d-bbbbb", instance="10.0.0.2:15020")
LIKE_OURS = ScrapeTarget(namespace="default", pod="reviews-v2-forger", instance="10.0.0.67:8080")
FORGER = ScrapeTarget(namespace="default", pod="forger-1", instance="10.0.0.66:8080")


def reading(**targets: frozenset[ScrapeTarget]) -> Figures:
    shown = {"reviews-v1": targets.get("v1", frozenset({V1})), "reviews-v2": targets.get("v2", frozenset({V2}))}
    watermarks = {name: a_side_of(900) for name in shown}
    return replace(figures(a_side_of(100), a_side_of(100)), targets=shown, watermarks=watermarks)


@pytest.mark.parametrize(
    ("target", "is_foreign"),
    [
        (V2, False),
        (replace(V2, instance="10.0.0.2:15090"), False),  # scraped by two jobs
        (replace(V2, namespace=""), False),  # the scraper does not say where
        (FORGER, True),
        (replace(V2, namespace="elsewhere"), True),  # the name of a pod is one Namespace's own
        (replace(V2, pod=V1.pod), True),  # the primary speaks for the canary
        (replace(V2, pod=""), True),  # the others bear names
    ],
)
def test_a_target_is_foreign_when_it_is_none_of_the_workloads_pods(target: ScrapeTarget, is_foreign: bool) -> None:  # noqa: FBT001  # an answer
    found = foreign({V2, target}, "default", OWN["reviews-v2"])

    assert list(found) == ([target] if is_foreign else [])


def test_where_no_target_bears_a_pods_name_and_where_no_pod_was_seen_nobody_can_tell() -> None:
    nameless = {ScrapeTarget(instance="10.0.0.2:15020"), ScrapeTarget(instance="10.0.0.66:8080")}

    assert not foreign(nameless, "default", OWN["reviews-v2"])
    assert not foreign({FORGER}, "default", ())


def test_a_reading_of_own_pods_alone_is_as_it_was() -> None:
    assert believed(a_rollout(), reading(), OWN) == (reading(), ())


@pytest.mark.parametrize(
    ("target", "is_left_out"),
    [
        (FORGER, True),
        (replace(V2, namespace="elsewhere"), True),
        (V1, True),  # the primary speaks for the canary
        (replace(V2, pod="reviews-v20-5d8f-aaaaa"), True),
        (replace(V2, pod="reviews-v2-0000-zzzzz"), False),  # one that has ended, perhaps
        (replace(V2, namespace=""), False),
        (replace(V2, pod=""), False),  # it may be any
    ],
)
def test_whoever_cannot_be_a_pod_of_the_workload_by_name_is_left_out(target: ScrapeTarget, is_left_out: bool) -> None:  # noqa: FBT001  # an answer
    assert left_out({V2, target}, "default", "reviews-v2") == ({target} if is_left_out else frozenset())


def test_nobody_is_left_out_where_nothing_would_be_left() -> None:
    """As where another Prometheus hands on what it has, with its own name as the pod's."""
    other = ScrapeTarget(namespace="monitoring", pod="prometheus-0", instance="10.0.0.9:9090")
    nameless = ScrapeTarget(instance="10.0.0.2:15020")

    assert left_out({other}, "default", "reviews-v2") == frozenset()
    assert left_out({other, nameless}, "default", "reviews-v2") == frozenset()


@given(st.from_regex("[a-z0-9-]{1,70}", fullmatch=True), st.from_regex("[a-z0-9]{1,10}", fullmatch=True))
def test_law_no_pod_of_a_deployment_is_left_out_however_long_its_name(name: str, suffix: str) -> None:
    pod = f"{name}-{suffix}-"[:58] + "abcde"  # as the API server makes it

    assert may_be_of("shop", pod, "shop", name)
    assert not may_be_of("other", pod, "shop", name)


def test_a_side_whose_ready_pods_all_show_their_own_figures_is_judged_without_the_stranger() -> None:
    there = reading(v2=frozenset({V2, FORGER}))

    known, findings = believed(a_rollout(), there, OWN, OWN)

    assert known == there
    assert known.watermarks == there.watermarks
    (finding,) = findings
    assert plain(finding.sentence) == (
        "Prometheus counts requests of reviews-v2 from what is none of its pods: default/forger-1. They are left out. "
        "See to that pod."
    )


@pytest.mark.parametrize("ready", [{}, {"reviews-v2": {V2.pod, "reviews-v2-7c9d-ccccc"}}], ids=["unknown", "one more"])
def test_a_side_of_which_a_ready_pod_shows_nothing_of_its_own_is_unknown(ready: dict[str, set[str]]) -> None:
    """What it answers badly may be what the stranger shows."""
    known, findings = believed(a_rollout(), reading(v2=frozenset({V2, FORGER})), OWN, ready)

    assert known.canary is None
    assert [finding.acts for finding in findings] == [True]


def test_a_stranger_with_a_name_like_ours_makes_its_side_unknown() -> None:
    known, findings = believed(a_rollout(), reading(v2=frozenset({V2, LIKE_OURS, FORGER})), OWN, OWN)

    assert known.canary is None
    assert "default/reviews-v2-forger" in plain(findings[0].sentence)


def test_who_was_left_out_is_told_last_and_holds_nothing() -> None:
    _, findings = believed(a_rollout(), reading(v2=frozenset({V2, FORGER})), OWN, OWN)
    good = Judgement(at=1.0, verdict=Verdict.PASS, proven=True)

    assert noted(good, findings) == replace(good, findings=tuple(findings))


@pytest.mark.parametrize("side", ["v1", "v2"])
def test_the_side_that_another_pod_counts_in_is_unknown_and_the_pod_is_named(side: str) -> None:
    own = V1 if side == "v1" else V2

    known, findings = believed(a_rollout(), reading(**{side: frozenset({own, FORGER})}), OWN)

    assert (known.primary is None, known.canary is None) == (side == "v1", side == "v2")
    assert set(known.watermarks) == {"reviews-v1", "reviews-v2"} - {f"reviews-{side}"}
    (finding,) = findings
    assert plain(finding.sentence) == (
        f"Prometheus counts requests of reviews-{side} from what is none of its pods: default/forger-1. Nothing is "
        "concluded from them. Name the job that scrapes the mesh's proxies in `prometheus.labels`, or see to that pod."
    )


def test_what_is_not_believed_keeps_a_stage_from_going_on_and_undoes_no_failure() -> None:
    _, findings = believed(a_rollout(), reading(v2=frozenset({FORGER})), OWN)
    good = Judgement(at=1.0, verdict=Verdict.PASS, proven=True, ask=True)
    failed = Finding(gate="evidence", verdict=Verdict.FAIL, sentence="Surely worse.")

    held = noted(good, findings)
    bad = noted(Judgement(at=1.0, verdict=Verdict.FAIL, findings=(failed,)), findings)

    assert (held.verdict, held.hold, held.ask, held.proven) == (Verdict.ERROR, True, False, False)
    assert held.sentence == findings[0].sentence
    assert (bad.verdict, bad.sentence) == (Verdict.FAIL, "Surely worse.")
    assert noted(good, ()) is good


def test_many_are_told_by_the_first_of_them() -> None:
    crowd = [ScrapeTarget(namespace="n", pod=f"p{number}") for number in range(5)]

    assert [plain(one) if isinstance(one, Sentence | str) else str(one) for one in listed(crowd)] == [
        "n/p0",
        "n/p1",
        "n/p2",
        "2 more",
    ]
    assert listed([ScrapeTarget(instance="10.0.0.66:8080"), ScrapeTarget()]) == ("10.0.0.66:8080", "no address")
