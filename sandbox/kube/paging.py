"""Lists in pages: ``limit`` and ``continue``, as the API server serves them from etcd.

All pages of a list show the version of the first. How much is left is told only where nothing is left out by a
selector. With one, a page is filled up as far as objects match, so the last page may be empty.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.kube.errors import ApiError, bad_request, expired_list
from sandbox.kube.objects import Object
from sandbox.kube.store import Store

NOW = -1  # the version of a token that goes on with whatever is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer: the objects, shared and not to be altered, and the list's metadata."""

    items: Sequence[Object]
    metadata: Object


def page(
    store: Store, kind: str, namespace: str | None, query: Mapping[str, str], matches: Callable[[Object], bool]
) -> Page:
    """The page that ``query`` asks for; everything, where it sets no limit."""
    limit, token = _limit(query.get("limit", "")), query.get("continue", "")
    if token and query.get("resourceVersion", "") not in {"", "0"}:
        raise bad_request("specifying resource version is not allowed when using continue")
    with store.transaction():
        revision, after = _read(token) if token else (store.revision, "")
        if revision == NOW:
            revision = store.revision
        try:
            there = store.list_at(revision, kind, namespace)
        except ApiError as gone:
            raise expired_list(_written(NOW, after)) from gone
    rest = sorted((obj for obj in there if _place(obj) > after), key=_place)
    taken = list[Object]()
    seen = 0
    for obj in rest:
        if limit and len(taken) == limit:
            break
        seen += 1
        if matches(obj):
            taken.append(obj)
    metadata: Object = {"resourceVersion": str(revision)}
    if seen < len(rest):
        metadata["continue"] = _written(revision, _place(rest[seen - 1]))
        if not (query.get("labelSelector") or query.get("fieldSelector")):
            metadata["remainingItemCount"] = len(rest) - seen
    return Page(items=taken, metadata=metadata)


def _place(obj: Object) -> str:
    """Where it is among its kind, in etcd's order."""
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


def _limit(asked: str) -> int:
    """0: none."""
    if asked and not asked.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{asked}": invalid syntax')
    return int(asked or 0)


def _written(revision: int, after: str) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": f"{after}\0"}
    return base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("=")


def _read(token: str) -> tuple[int, str]:
    try:
        read = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(read["rv"]), str(read["start"]).rstrip("\0")
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error
