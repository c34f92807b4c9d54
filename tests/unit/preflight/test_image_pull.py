"""Whether the primary can run what the canary runs."""

from __future__ import annotations

from typing import Any

import yaml

from bot.model.service import Promote
from bot.preflight import Examined, examine
from tests.builders import a_service
from tests.snapshots import a_deployment, a_snapshot, texts


def examined_of(image: str = "", promote: Promote = Promote.UPGRADE, **pod: Any) -> Examined:
    canary = a_deployment("reviews-v2", "v2", image=image)
    canary["spec"]["template"]["spec"] |= pod
    return examine(a_service(promote=promote), "v2", a_snapshot(deployments=(a_deployment("reviews-v1", "v1"), canary)))


def test_an_image_from_elsewhere_may_be_out_of_the_primarys_reach() -> None:
    (warning,) = texts(examined_of("mirror.example/team/reviews:2").warnings)

    assert warning.startswith(
        "reviews-v2 runs an image of mirror.example/team, and reviews-v1 one of registry.example."
    )
    assert examined_of("registry.example/reviews:2").problems == ()


def test_a_pull_secret_that_the_primary_lacks_is_told_with_the_field_to_add() -> None:
    (warning,) = texts(examined_of(imagePullSecrets=[{"name": "shop-registry"}]).warnings)

    assert warning.startswith("reviews-v2 pulls its image with the secret shop-registry, which reviews-v1 lacks.")
    assert yaml.safe_load(warning.split("`")[1]) == {"imagePullSecrets": [{"name": "shop-registry"}]}


def test_another_service_account_is_told() -> None:
    (warning,) = texts(examined_of(serviceAccountName="reviews-next").warnings)

    assert warning.startswith("reviews-v2 runs as service account reviews-next, and reviews-v1 as default.")


def test_an_adopted_canary_pulls_for_itself() -> None:
    assert examined_of("mirror.example/reviews:2", Promote.ADOPT, serviceAccountName="reviews-next").problems == ()
