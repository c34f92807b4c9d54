"""Plans: what a start may choose differently, and what it may not."""

from __future__ import annotations

import pytest

from bot.model.errors import Refusal
from bot.model.rollout import Topology
from bot.model.service import ApprovalRule, ApproveAt
from bot.rollout.plans import Overrides, make_plan
from tests.builders import a_service

AUTO = Overrides(auto=True)


@pytest.mark.parametrize("rule", [ApprovalRule(), ApprovalRule(own=True, count=2)], ids=["not own", "two people"])
def test_auto_does_not_get_around_somebody_elses_approval(rule: ApprovalRule) -> None:
    with pytest.raises(Refusal, match="somebody else must approve"):
        make_plan(a_service(approvals=rule), Topology.PER_VERSION, AUTO)


@pytest.mark.parametrize(
    ("rule", "approve"),
    [(ApprovalRule(own=True), (ApproveAt.MIRROR,)), (ApprovalRule(), ())],
    ids=["one's own is enough", "nothing to approve"],
)
def test_auto_asks_nobody_where_ones_own_approval_is_enough(rule: ApprovalRule, approve: tuple[ApproveAt, ...]) -> None:
    plan = make_plan(a_service(approvals=rule, approve=approve), Topology.PER_VERSION, AUTO)

    assert not any(stage.approval for stage in plan)


@pytest.mark.parametrize("weights", [(20, 10, 100), (20, 20, 100), (20, 40), (0, 100), (50, 101)])
def test_weights_rise_to_exactly_100(weights: tuple[int, ...]) -> None:
    with pytest.raises(Refusal, match="eights"):
        make_plan(a_service(), Topology.PER_VERSION, Overrides(weights=weights))


def test_a_question_may_have_a_rule_of_its_own() -> None:
    two = ApprovalRule(count=2, approvers=("S0LEADS",))
    service = a_service(approve=tuple(ApproveAt), approvals_at={ApproveAt.UPGRADE: two})

    rules = {stage.name: stage.rule for stage in make_plan(service, Topology.PER_VERSION)}

    assert {name for name, rule in rules.items() if rule is not None} == {"shift 100"}
    assert rules["shift 100"] == two


def test_auto_does_not_get_around_the_rule_of_one_question() -> None:
    own = ApprovalRule(own=True)
    service = a_service(approvals=own, approvals_at={ApproveAt.UPGRADE: ApprovalRule(own=True, count=2)})

    with pytest.raises(Refusal):
        make_plan(service, Topology.PER_VERSION, Overrides(auto=True))
