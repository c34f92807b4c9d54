"""Our ``replace`` is the one of ``dataclasses``, for every field of a rollout and for records of every make."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest

from bot.model.copies import replace
from bot.model.rollout import Rollout, Stage
from tests.builders import a_rollout

FIELDS = [field.name for field in dataclasses.fields(Rollout)]


@pytest.mark.parametrize("name", FIELDS)
def test_one_field_changes_and_the_others_are_the_same_objects(name: str) -> None:
    before = a_rollout()
    value: Any = object()

    after = replace(before, **{name: value})

    kept = [other for other in FIELDS if other != name]
    assert getattr(after, name) is value
    assert all(getattr(after, other) is getattr(before, other) for other in kept)
    assert before == a_rollout()


def test_a_copy_is_equal_frozen_and_copied_again() -> None:
    before = a_rollout()
    after = replace(replace(before, stage=3), stage=before.stage)

    assert (after, type(after)) == (before, Rollout)
    assert dataclasses.asdict(after) == dataclasses.asdict(before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.stage = 1  # type: ignore[misc]  # what is to be refused


@dataclass(frozen=True)
class Checked:
    """A record that refuses some values, and so has to be made anew."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("below zero")


def test_records_with_slots_or_checks_are_made_anew() -> None:
    stage: Stage = a_rollout().current

    assert replace(stage, name="other") == dataclasses.replace(stage, name="other")
    with pytest.raises(ValueError, match="below zero"):
        replace(Checked(size=1), size=-1)


def test_an_unknown_field_is_refused() -> None:
    changes: dict[str, Any] = {"stag": 1}
    with pytest.raises(TypeError, match="stag"):
        replace(a_rollout(), **changes)
