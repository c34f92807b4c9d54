"""Another ``services.yaml`` while rollouts are live."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.errors import Refusal
from tests.builders import MAYA, a_service
from tests.unit.controller.test_controller import Rig


def test_a_live_rollout_keeps_what_it_began_with_and_the_next_one_begins_with_what_is_new() -> None:
    rig = Rig()
    began = rig.start()
    other = replace(rig.service, weights=(50, 100), channel="#elsewhere")
    leader = rig.controller.under(rig.store)

    rig.controller.use({other.name: other})
    leader.sweep(rig.store.live())

    (live,) = rig.controller.live()
    assert live.spec == began.spec
    assert list(leader.services()) == [other]


def test_a_service_that_left_the_file_can_still_be_aborted_and_not_be_started_again() -> None:
    rig = Rig()
    rig.start()
    ratings = a_service(name="ratings")

    rig.controller.use({ratings.name: ratings})
    rig.controller.abort("reviews", by=MAYA, reason="enough")

    with pytest.raises(Refusal, match=r"There is no service reviews in services.yaml. Known: ratings."):
        rig.controller.start("reviews", "v2", by=MAYA)


def test_an_unknown_name_is_told_together_with_why_the_file_is_not_used() -> None:
    rig = Rig()
    rig.controller.use({rig.service.name: rig.service}, "services.yaml has changed and cannot be used: line 3.")

    with pytest.raises(Refusal, match=r"no service details.*Known: reviews. services.yaml has changed and cannot"):
        rig.controller.start("details", "v2", by=MAYA)
    assert rig.start().spec.service == "reviews"
