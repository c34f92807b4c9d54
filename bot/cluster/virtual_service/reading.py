"""What the managed routes say, read the way Istio reads them."""

from __future__ import annotations

from bot.cluster.virtual_service.desired import copied_percent, with_inserted
from bot.cluster.virtual_service.managed import (
    EVERY_REQUEST,
    HttpRoute,
    RouteSides,
    VirtualService,
    foreign_http,
    is_inserted,
    managed_routes,
    share_of_ours,
    title,
)
from bot.model.errors import Refusal
from bot.model.rollout import HOME, Routes, Target
from bot.words.sentence import Sentence, Share, Text, said, together


def read_routes(vs: VirtualService, target: Target) -> Routes | Text:
    """How users are shared out and whether the canary gets copies; or a sentence saying why no plan could say this.

    A mirror to anywhere else is nothing to us here; ``writing`` refuses to begin with one.
    """
    try:
        managed = managed_routes(vs, target)
        sides = RouteSides.of(vs, target)
        readings = list(dict.fromkeys(_reading(route, sides, target, title(vs)) for route in managed))
        odd = next((one for one in readings if isinstance(one, Sentence)), None)
        if odd is not None:
            return odd
        agreed, *others = (one for one in readings if isinstance(one, Routes))
        if others:
            return said("cluster.routes_differ", name=title(vs), readings=tuple(map(in_words, (agreed, *others))))
        return _with_copies(agreed, vs, managed, target)
    except Refusal as refusal:
        return together((refusal.sentence, *refusal.reasons))


def in_words(routes: Routes) -> Sentence:
    """Shares of the users, the primary's first, and whether copies go to the canary."""
    if routes.mirror:
        return said("cluster.shares_and_mirror", primary=routes.primary, canary=routes.canary)
    return said("cluster.shares", primary=routes.primary, canary=routes.canary)


def _reading(route: HttpRoute, sides: RouteSides, target: Target, name: str) -> Routes | Sentence:
    """What one route says; or why that is nothing of ours. ``name``: of the object, for the sentence."""
    canary = _canary_share(route, sides)
    copies = copied_percent(route, sides)
    if canary is None or not 0 <= canary <= EVERY_REQUEST or canary != int(canary):
        return said("cluster.no_whole_percents", name=name)
    if copies and canary:
        return said("cluster.mirrors_among_users", name=name, subset=str(sides.canary))
    if copies and copies != target.mirror_percent:
        mirrored, wanted = Share(copies / EVERY_REQUEST), Share(target.mirror_percent / EVERY_REQUEST)
        return said("cluster.mirrors_another_share", name=name, share=mirrored, wanted=wanted)
    return Routes(canary=int(canary), mirror=copies > 0)


def _canary_share(route: HttpRoute, sides: RouteSides) -> float | None:
    """Percent of the users that the two sides share; None where the weights say nothing."""
    total = share_of_ours(route, sides)
    canary = sides.entry(route, sides.canary) or {}
    return canary.get("weight", 0) * EVERY_REQUEST / total if total else None


def _with_copies(reading: Routes, vs: VirtualService, managed: list[HttpRoute], target: Target) -> Routes | Sentence:
    """``reading`` of the managed routes, completed by what the inserted ones add."""
    if not any(is_inserted(route) for route in vs["spec"]["http"]):
        if reading.mirror and target.mirror_methods is not None:
            return said("cluster.mirrors_every_method", name=title(vs), methods=target.mirror_methods)
        return reading
    if target.mirror_methods is None or reading != HOME:
        return said("cluster.inserted_is_left", name=title(vs))
    if with_inserted(foreign_http(vs), managed, vs, target) != vs["spec"]["http"]:
        return said("cluster.inserted_was_changed", name=title(vs))
    return Routes(canary=0, mirror=True)
