"""Image references: which bits were tested, so that exactly those are promoted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bot.model.errors import Refusal
from bot.words.sentence import said


def repository(image: str) -> str:
    """``registry:5000/team/app:1.2@sha256:…`` → ``registry:5000/team/app``."""
    name = image.split("@", 1)[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name


def digest(image: str) -> str:
    """The digest of a reference, or "" when it has none. Accepts ``docker-pullable://`` as old runtimes show it."""
    _, at, found = image.partition("@")
    return found if at else ""


def is_same(image: str, other: str) -> bool:
    """Whether both are the same bits: the digest decides, whichever tag stands beside it."""
    same = bool(digest(image)) and digest(image) == digest(other) and repository(image) == repository(other)
    return same or image == other


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod is Ready and not on its way out."""
    if pod.get("metadata", {}).get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def pinned(image: str, container: str, pods: Iterable[dict[str, Any]]) -> str:
    """The image with the one digest all ready pods show, or as it is when they show none.

    The tag is kept beside the digest (``repo:tag@sha256:…``): the digest decides, the tag is for people.

    Raises:
        Refusal: the pods run different bits under one name.
    """
    if digest(image):
        return image
    shown = {
        digest(status.get("imageID", ""))
        for pod in pods
        if is_ready(pod)
        for kind in ("initContainerStatuses", "containerStatuses")
        for status in pod.get("status", {}).get(kind) or ()
        if status.get("name") == container
        and repository(status.get("imageID", "").split("://")[-1]) == repository(image)
    } - {""}
    if len(shown) > 1:
        raise Refusal(said("controller.different_images", image=image, digests=tuple(sorted(shown))))
    return f"{image}@{shown.pop()}" if shown else image
