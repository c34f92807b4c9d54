"""What bots before this one have stored and left in the cluster is read as it was meant; samples are never edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.serialization import SCHEMA, dump_rollout, load_entry, load_rollout
from bot.cluster import virtual_service as virtual_services
from bot.model.story import EntryKind
from bot.slack.gate_rows import rows
from bot.words.rendering import ENGLISH
from tests.builders import a_target


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "samples" / name).read_text(encoding="utf-8"))
    return found


SAMPLES = sample("schema-3.json")
BEFORE_FIELDS = sample("schema-3-before-fields.json")  # stages, units and objects stood in sentences and names only
RECORDS = SAMPLES["records"] | {"drift at the mirror": BEFORE_FIELDS["record"]}


# What a question is about stands in ``question`` now; without it what stands is taken for the plain one.
GONE = {"asked_about"}


def as_far_as(old: Any, new: Any) -> Any:
    """``new`` without the fields that ``old`` does not have."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {name: as_far_as(old[name], value) for name, value in new.items() if name in old}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [as_far_as(one, other) for one, other in zip(old, new, strict=True)]
    return new


@pytest.mark.parametrize("stage", RECORDS)
def test_a_stored_record_loses_and_renames_no_field(stage: str) -> None:
    record = RECORDS[stage]

    again = json.loads(dump_rollout(load_rollout(json.dumps(record))))

    kept = {name: value for name, value in record["rollout"].items() if name not in GONE}
    assert as_far_as(record, again) == record | {"schema": SCHEMA, "rollout": kept}


@pytest.mark.parametrize("story", BEFORE_FIELDS["stories"].values(), ids=BEFORE_FIELDS["stories"])
def test_lines_that_only_said_which_stage_they_are_about_are_read_once_and_know_it(story: dict[str, Any]) -> None:
    lines = [load_entry(json.dumps(line)) for line in story["lines"]]

    entered = [[line.at, line.stage] for line in lines if line.kind is EntryKind.STAGE]
    gists = {line.stage: line.gist for line in lines if line.kind is EntryKind.SUMMARY}
    assert (entered, gists) == (story["entered"], story["gists"])
    assert {line.stage for line in lines if line.kind not in {EntryKind.STAGE, EntryKind.SUMMARY}} == {""}


def test_a_judgement_that_only_named_its_gates_is_shown_in_the_units_it_was_shown_in() -> None:
    rollout = load_rollout(json.dumps(BEFORE_FIELDS["record"]))

    shown = [[name, *figures] for name, _, *figures in rows(rollout, ENGLISH, 20)]
    assert shown == BEFORE_FIELDS["rows"]


def test_an_edit_that_only_said_what_to_call_its_object_knows_kind_and_name() -> None:
    drift = load_rollout(json.dumps(BEFORE_FIELDS["record"])).drift

    assert drift is not None
    assert [(edit.kind, edit.name, edit.obj) for edit in drift.edits] == [
        ("VirtualService", "reviews", "VirtualService reviews")
    ]


@pytest.mark.parametrize("stage", SAMPLES["annotations"])
def test_annotations_that_a_rollout_has_left_say_whose_they_are_and_what_was_there_before(stage: str) -> None:
    vs = {"metadata": {"name": "reviews", "namespace": "default", "annotations": SAMPLES["annotations"][stage]}}

    annotations = virtual_services.rollout_annotations_of(vs)

    assert annotations is not None
    assert (virtual_services.owner_of(vs), annotations.owner) == ("r-1", "r-1")
    assert annotations.target.primary_deployment == a_target().primary_deployment
    assert annotations.recorded.images == {"reviews": "reviews:1"}
