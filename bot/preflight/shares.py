"""Routes that do not begin as a rollout begins, with all users on the primary and no copies: what to write where.

Whether users belong on the canary is not ours to know (another release may be under way), so it is said which route
has them there, and the command that takes them back leaves every other destination's share as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.objects import Object, namespace_of, title
from bot.cluster.virtual_service import (
    HttpRoute,
    RouteSides,
    copied_percent,
    is_inserted,
    label_of,
    managed_routes,
    read_routes,
    with_routes,
)
from bot.cluster.virtual_service.managed import share_of_ours
from bot.model.errors import Refusal
from bot.model.rollout import ALL_CANARY, HOME, Target
from bot.preflight.problems import Problem, blocks, patch
from bot.preflight.snapshot import Subject
from bot.words.sentence import Item, Share, said

_FIELDS = ("mirror", "mirrors", "mirrorPercentage")


def check(subject: Subject, target: Target) -> Iterator[Problem]:
    """Nothing where the routes cannot be told, or all users have moved: those are problems of their own."""
    virtual_service = subject.snapshot.virtual_service
    if virtual_service is None or any(map(is_inserted, virtual_service["spec"].get("http") or ())):
        return
    try:
        if read_routes(virtual_service, target) in {HOME, ALL_CANARY}:
            return
        primary = str(RouteSides.of(virtual_service, target).primary)
        found = tuple(_astray(virtual_service, target))
        changes = _changes(virtual_service, with_routes(virtual_service, target, HOME))
    except Refusal:
        return
    if found and changes:
        space = namespace_of(virtual_service, subject.service.namespace)
        yield blocks(
            said("preflight.not_all_home", name=title(virtual_service), primary=primary, routes=found),
            remedy=said("preflight.bring_home", primary=primary, command=patch(virtual_service, changes, space)),
            about=title(virtual_service),
        )


def _astray(virtual_service: Object, target: Target) -> Iterator[Item]:
    """Which routes have users, or copies of their requests, on the canary."""
    sides, http = RouteSides.of(virtual_service, target), virtual_service["spec"].get("http") or []
    for route in managed_routes(virtual_service, target):
        label = label_of(http, route)
        weight = (sides.entry(route, sides.canary) or {}).get("weight", 0)
        if weight:
            total = sum(one.get("weight", 0) for one in route["route"])
            yield said("preflight.route_gives", route=label, canary=str(sides.canary), share=Share(weight / total))
        elif len(route["route"]) > 1 and not share_of_ours(route, sides):
            yield said("preflight.route_gives_nothing", route=label)
        if copied_percent(route, sides):
            yield said("preflight.route_mirrors", route=label, canary=str(sides.canary))


def _changes(before: Object, after: Object) -> list[Object]:
    """A JSON patch of the weights and mirrors that differ; nothing else does."""
    pairs = zip(before["spec"]["http"], after["spec"]["http"], strict=True)
    return [change for number, pair in enumerate(pairs) for change in _route_changes(f"/spec/http/{number}", *pair)]


def _route_changes(path: str, before: HttpRoute, after: HttpRoute) -> Iterator[Object]:
    entries = zip(before.get("route") or (), after.get("route") or (), strict=False)
    for number, (old, new) in enumerate(entries):
        if old.get("weight") != new.get("weight"):
            yield {"op": "add", "path": f"{path}/route/{number}/weight", "value": new["weight"]}
    for field in _FIELDS:
        if field in before and field not in after:
            yield {"op": "remove", "path": f"{path}/{field}"}
        elif before.get(field) != after.get(field):
            yield {"op": "replace", "path": f"{path}/{field}", "value": after[field]}
