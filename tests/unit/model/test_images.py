"""Image references."""

from __future__ import annotations

import pytest

from bot.model.errors import Refusal
from bot.model.images import pinned, repository
from tests.snapshots import a_deployment, a_pod

DIGEST = "sha256:" + "a" * 64


def test_one_tag_with_two_digests_is_refused() -> None:
    canary = a_deployment("reviews-v2", "v2")
    pods = (a_pod(canary, image_id=f"reviews@{DIGEST}"), a_pod(canary, image_id="reviews@sha256:" + "b" * 64))

    with pytest.raises(Refusal, match="run different images"):
        pinned("reviews:2", "reviews", pods)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("reviews", "reviews"),
        ("reviews:2", "reviews"),
        ("registry.example:5000/team/reviews", "registry.example:5000/team/reviews"),
        (f"registry.example:5000/team/reviews:2@{DIGEST}", "registry.example:5000/team/reviews"),
    ],
)
def test_a_repository_is_an_image_without_tag_and_digest(image: str, expected: str) -> None:
    assert repository(image) == expected
