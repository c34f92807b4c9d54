"""What people call the two versions of a rollout, read off their images. Pure.

Messages tell of versions. Deployments are named where an object is meant: its pods, its image, a command to paste. And
where both sides run one version, because the primary was upgraded to it, nothing else tells them apart.
"""

from __future__ import annotations

import re

from bot.model.rollout import Rollout
from bot.words.sentence import Text, said

_PARTS = re.compile(r"[-/:._]")


def old_version(rollout: Rollout) -> str:
    """What the primary ran before, as people call it: its image's tag, or whatever tells the two images apart.

    Before it is rolled back the primary runs what was promoted.
    """
    if rollout.spec.back_to:
        return rollout.spec.version
    for container, image in rollout.spec.recorded.images.items():
        new = rollout.spec.canary_images.get(container, "")
        if new and new != image:
            return _distinguished(_nameless(image), _nameless(new)) or rollout.spec.target.primary_place
    return rollout.spec.target.primary_place


def called_sides(rollout: Rollout) -> tuple[str, str]:
    """What the canary and the primary are called beside each other: their versions while these differ."""
    versions = rollout.spec.version, old_version(rollout)
    alike = rollout.primary_touched or versions[0] == versions[1]
    return rollout.spec.target.deployments if alike else versions


def spoken_sides(rollout: Rollout) -> tuple[Text, Text]:
    """The same beside figures: ``1.20`` would read like one of them, and is ``version 1.20`` there."""
    canary, primary = called_sides(rollout)
    return spoken(canary), spoken(primary)


def spoken(name: str) -> Text:
    """What a side is called, within a sentence full of numbers."""
    return said("words.version", version=name) if name[:1].isdigit() else name


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
