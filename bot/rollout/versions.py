"""What people call the two versions of a rollout, read off their images. Pure."""

from __future__ import annotations

import re

from bot.model.rollout import Rollout

_PARTS = re.compile(r"[-/:._]")


def old_version(rollout: Rollout) -> str:
    """What the primary ran before, as people call it: its image's tag, or whatever tells the two images apart."""
    for container, image in rollout.spec.recorded.images.items():
        new = rollout.spec.canary_images.get(container, "")
        if new and new != image:
            return _distinguished(_nameless(image), _nameless(new)) or rollout.spec.target.primary_place
    return rollout.spec.target.primary_place


def _nameless(image: str) -> str:
    """The reference without registry and digest: ``app:1.2``."""
    return image.split("@", 1)[0].rpartition("/")[2]


def _distinguished(old: str, new: str) -> str:
    """The tag if the tags differ, else the words in the names that do (``reviews-v1:1.2``, ``reviews-v2:1.2``: v1)."""
    (old_name, _, old_tag), (new_name, _, new_tag) = old.partition(":"), new.partition(":")
    if old_tag != new_tag:
        return old_tag
    others = set(_PARTS.split(new_name))
    return "-".join(part for part in _PARTS.split(old_name) if part not in others)
