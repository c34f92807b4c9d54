"""Shapes of mesh objects with live users on the real Envoy: mended by what the refusal says, then released.

A few that differ most; ``python -m tests.sandbox.shape_walk`` walks all of them to every end.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.kube import bookinfo
from tests.sandbox.shape_walk import Case, case_of, walk

SOME = [
    ("no subset", "promotion", 1),  # the commonest shape, by the command that writes subsets
    ("10/90 beside a route at home", "adoption", 1),  # a patch
    ("the same destination twice, with other headers", "abort", 1),  # of two entries the one with most users is kept
    ("tcp of two versions with weights", "abort", 2),  # http routes of tcp routes, then everyone home
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


def a_pair(*, subset: bool) -> Case:
    """One VirtualService at the gateway and one for callers inside the mesh, which may name no subset yet."""
    objects = bookinfo.with_callers_inside(bookinfo.objects())
    if not subset:
        objects[-1]["spec"]["http"][0]["route"] = [{"destination": {"host": "reviews"}}]
    return Case(name="a pair", objects=objects, entry={"virtual_services": ["reviews", "inside"]})


@pytest.mark.sandbox
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("end", "subset"), [("promotion", True), ("abort", False)])
def test_users_at_the_gateway_and_callers_inside_move_together(end: str, subset: bool, tmp_path: Path) -> None:  # noqa: FBT001  # a case
    found = walk(a_pair(subset=subset), end, tmp_path)

    assert (found.refused, found.wrong) == ("", ())
    assert len(found.remedies) == (0 if subset else 1)
