"""Shapes of mesh objects with live users on the real Envoy: mended by what the refusal says, then released.

A few that differ most; ``python -m tests.sandbox.shape_walk`` walks all of them to every end.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.shape_walk import case_of, walk

SOME = [
    ("no subset", "promotion", 1),  # the commonest shape, by the command that writes subsets
    ("10/90 beside a route at home", "adoption", 1),  # a patch
    ("ready, a delegate", "abort", 0),
]


@pytest.mark.sandbox
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "end", "remedies"), SOME, ids=[one[0] for one in SOME])
def test_users_of_a_shape_see_no_error_and_nothing_that_is_not_released(
    name: str, end: str, remedies: int, tmp_path: Path
) -> None:
    found = walk(case_of(name), end, tmp_path)

    assert (found.refused, found.wrong) == ("", ())
    assert len(found.remedies) == remedies
