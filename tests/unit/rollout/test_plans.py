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
