"""What bots before this one have stored and left in the cluster is read as it was meant; samples are never edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.serialization import dump_rollout, load_rollout
from bot.cluster import routes as virtual_services
from tests.builders import a_target

SAMPLES: dict[str, Any] = json.loads((Path(__file__).parent / "samples/schema-3.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("stage", SAMPLES["records"])
def test_a_stored_record_loses_and_renames_no_field(stage: str) -> None:
    record = SAMPLES["records"][stage]

    again = json.loads(dump_rollout(load_rollout(json.dumps(record))))

    assert again == record


@pytest.mark.parametrize("stage", SAMPLES["annotations"])
def test_annotations_that_a_rollout_has_left_say_whose_they_are_and_what_was_there_before(stage: str) -> None:
    vs = {"metadata": {"name": "reviews", "namespace": "default", "annotations": SAMPLES["annotations"][stage]}}

    marks = virtual_services.rollout_annotations_of(vs)

    assert marks is not None
    assert (virtual_services.owner_of(vs), marks.owner) == ("r-1", "r-1")
    assert marks.target.primary_deployment == a_target().primary_deployment
    assert marks.recorded.images == {"reviews": "reviews:1"}
