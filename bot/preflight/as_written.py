"""Routes that mean what a rollout needs and say it in a way that it cannot share out: the command that says it so.

Nobody's share changes by more than rounding: a version that is named twice becomes one destination, weights become
percent, somebody's mirror becomes an entry of ``mirrors``. A subset that has every version's pods is narrowed to the
primary's, because whoever is there meets the canary at any weight. Where shares come out as no whole numbers, it is the
steps of the plan that change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

from bot.cluster.objects import Object, namespace_of, pod_labels, within
from bot.cluster.objects import title as title_of
from bot.cluster.virtual_service import STREAMS, HttpRoute, RouteSides, label_of, reaches_primary, title
from bot.cluster.virtual_service.desired import canary_destination, mirror_percent
from bot.cluster.virtual_service.managed import (
    EVERY_REQUEST,
    foreign_http,
    has_users,
    is_anothers,
    label_at,
    managed_routes,
    share_of_others,
    share_of_ours,
)
from bot.model.errors import Refusal
from bot.model.rollout import Target, Topology
from bot.preflight.destination_rules import effective, known_subsets
from bot.preflight.problems import Problem, blocks, patch, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, Sentence, said

UNWRITABLE = "unwritable"  # what such a problem is about: a dry run would say the same, and not what to do
_PERCENTAGES = ("mirrorPercentage", "mirrorPercent", "mirror_percent")


def check(subject: Subject, target: Target) -> Iterator[Problem]:
    """Each kind once, with all routes of that kind; nothing where the object is none that its API describes."""
    ours = subject.snapshot.virtual_service
    if ours is None:
        return
    try:
        http = foreign_http(ours)
    except Refusal:
        return
    sides = RouteSides.of(ours, target)
    yield from _of_every_version(subject, ours, target)
    yield from _of_no_version(subject, ours, target)
    if len(http) != len(ours["spec"].get("http") or ()):
        return  # places are those of an object in which a copy of ours is left
    yield from _misnamed(subject, http)
    wanted = subject.service.routes
    moving = [
        one
        for one in http
        if sides.entry(one, sides.primary) and not is_anothers(one, sides) and (not wanted or one.get("name") in wanted)
    ]
    for kind in (_TWICE, _APART, _ODD, _TAKEN):
        yield from _rewritten(subject, ours, moving, sides, kind)
    yield from _headers_alone(subject, ours, moving, sides)
    yield from _not_whole(subject, ours, target)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rewriting:
    """What routes may say in a way that nobody can share out.

    Attributes:
        sentence: that it is so, of an object's title and its routes.
        remedy: what the command does.
        changes: the JSON patch of a route at a path that says it otherwise; empty where it says nothing like it.
    """

    sentence: Callable[[str, tuple[Sentence, ...]], Sentence]
    remedy: Callable[[Code], Sentence]
    changes: Callable[[HttpRoute, str, RouteSides], list[Object]]
    about: str = ""


def _rewritten(
    subject: Subject, ours: Object, moving: Sequence[HttpRoute], sides: RouteSides, kind: _Rewriting
) -> Iterator[Problem]:
    http, found, changes = ours["spec"].get("http") or [], list[Sentence](), list[Object]()
    for number, route in enumerate(http):
        made = kind.changes(route, f"/spec/http/{number}", sides) if any(route is one for one in moving) else []
        if made:
            found.append(label_of(http, route))
            changes += made
    if changes:
        command = patch(ours, changes, namespace_of(ours, subject.service.namespace))
        yield blocks(
            kind.sentence(title(ours), tuple(found)),
            remedy=kind.remedy(command),
            about=kind.about or title_of(ours),
        )


def _headers_alone(subject: Subject, ours: Object, moving: Sequence[HttpRoute], sides: RouteSides) -> Iterator[Problem]:
    """The canary's destination is written by us, with a weight alone: what the primary's sets may be its own."""
    http, found, changes = ours["spec"].get("http") or [], list[Sentence](), list[Object]()
    for number, route in enumerate(http):
        primary = sides.entry(route, sides.primary)
        if any(route is one for one in moving) and primary and primary.get("headers") and not _has_canary(route, sides):
            found.append(label_of(http, route))
            changes.append({"op": "replace", "path": f"/spec/http/{number}/route", "value": _with_canary(route, sides)})
    if changes:
        yield warns(
            said("preflight.headers_alone", name=title(ours), routes=tuple(found)),
            remedy=said(
                "preflight.headers_too", command=patch(ours, changes, namespace_of(ours, subject.service.namespace))
            ),
        )


def _has_canary(route: HttpRoute, sides: RouteSides) -> bool:
    return sides.entry(route, sides.canary) is not None


def _with_canary(route: HttpRoute, sides: RouteSides) -> list[Object]:
    """Its destinations, and one for the canary without users that sets what the primary's does."""
    entries = [deepcopy(entry) for entry in route["route"]]
    if len(entries) == 1:
        entries[0]["weight"] = EVERY_REQUEST
    primary = sides.entry(route, sides.primary) or {}
    canary = {"destination": canary_destination(primary, sides), "headers": deepcopy(primary["headers"]), "weight": 0}
    return [*entries, canary]


def _joined(route: HttpRoute, path: str, sides: RouteSides) -> list[Object]:
    """Entries of one side, alike but for how the host is spelled, as one with the sum of their weights."""
    kept = list[Object]()
    for entry in route["route"]:
        alike = next((one for one in kept if _is_twin(one, entry, sides)), None)
        if alike is None:
            kept.append(deepcopy(entry))
        else:
            alike["weight"] = alike.get("weight", 0) + entry.get("weight", 0)
    return [] if len(kept) == len(route["route"]) else [{"op": "replace", "path": f"{path}/route", "value": kept}]


def _kept(route: HttpRoute, path: str, sides: RouteSides) -> list[Object]:
    """Of entries of one side that differ in more than weight, the one with most users, with the sum of weights."""
    if _joined(route, path, sides):
        return []
    kept = list[Object]()
    for entry in route["route"]:
        side = sides.side(entry.get("destination") or {})
        same = [one for one in route["route"] if side is not None and sides.side(one.get("destination") or {}) == side]
        largest = max(same, key=lambda one: one.get("weight", 0), default=entry)
        if entry is largest:
            total = {"weight": sum(one.get("weight", 0) for one in same)} if len(same) > 1 else {}
            kept.append(entry | total)
    return [] if len(kept) == len(route["route"]) else [{"op": "replace", "path": f"{path}/route", "value": kept}]


def _is_twin(one: Object, two: Object, sides: RouteSides) -> bool:
    side = sides.side(one.get("destination") or {})
    return side is not None and side == sides.side(two.get("destination") or {}) and _rest(one) == _rest(two)


def _rest(entry: Object) -> Object:
    destination = {key: value for key, value in entry["destination"].items() if key not in {"host", "subset"}}
    return {key: value for key, value in entry.items() if key not in {"weight", "destination"}} | destination


def _in_percent(route: HttpRoute, path: str, sides: RouteSides) -> list[Object]:
    """Weights beside another destination, rounded so that they are whole percents together."""
    others = share_of_others(route, sides)
    total = others + share_of_ours(route, sides)
    weights = [one.get("weight", 0) for one in route["route"]]
    if not others or total == EVERY_REQUEST or not all(isinstance(one, int) and one >= 0 for one in weights):
        return []  # an API server without Istio's schema takes any number, and nobody knows what is meant
    exact = [one * EVERY_REQUEST / total for one in weights]
    whole = [max(int(one), 1) if one else 0 for one in exact]
    for index in sorted(range(len(exact)), key=lambda one: whole[one] - exact[one])[: max(0, 100 - sum(whole))]:
        whole[index] += 1
    largest = whole.index(max(whole))
    whole[largest] -= sum(whole) - EVERY_REQUEST
    return [
        {"op": "add", "path": f"{path}/route/{index}/weight", "value": weight} for index, weight in enumerate(whole)
    ]


def _listed(route: HttpRoute, path: str, sides: RouteSides) -> list[Object]:
    """Somebody's mirror as an entry of ``mirrors``, at the same percentage: Istio takes one of the two fields."""
    theirs = route.get("mirror") or {}
    if not theirs or sides.side(theirs) == sides.canary or not mirror_percent(route):
        return []
    entry = {"destination": theirs, "percentage": {"value": mirror_percent(route)}}
    taken = [{"op": "remove", "path": f"{path}/{key}"} for key in ("mirror", *_PERCENTAGES) if key in route]
    return [*taken, {"op": "add", "path": f"{path}/mirrors", "value": [*(route.get("mirrors") or ()), entry]}]


def _of_every_version(subject: Subject, ours: Object, target: Target) -> Iterator[Problem]:
    """Users of a subset that has both sides' pods: its labels are all theirs, and no weight keeps them off either."""
    if subject.apart is not None or len(subject.sides) < 2:  # noqa: PLR2004  # the two
        return
    wide = {
        str(one["name"])
        for rule in effective(subject)
        for one in rule["spec"].get("subsets") or ()
        if all(within(one.get("labels") or {}, pod_labels(side)) for side in subject.sides)
    }
    places = [*_places(subject, ours, lambda subset: subset in wide)]
    if places:
        yield blocks(
            said(
                "preflight.subset_of_all",
                name=title(ours),
                routes=tuple(dict.fromkeys(one.label for one in places)),
                subsets=tuple(sorted({one.subset for one in places})),
            ),
            remedy=_narrow_remedy(subject, ours, target, places),
            about=title_of(ours),
        )


def _of_no_version(subject: Subject, ours: Object, target: Target) -> Iterator[Problem]:
    """Users of a subset that no rule about the service has: no proxy has such a cluster (503 NC)."""
    if subject.apart is not None or not subject.snapshot.is_read("DestinationRule"):
        return
    known = known_subsets(subject)
    places = [*_places(subject, ours, lambda subset: bool(subset) and subset not in known)] if known else []
    if places:
        sentence = said(
            "preflight.unknown_subset",
            name=title(ours),
            routes=tuple(dict.fromkeys(one.label for one in places)),
            subsets=tuple(sorted({one.subset for one in places})),
        )
        if reaches_primary(ours, target):
            yield warns(sentence, remedy=_narrow_remedy(subject, ours, target, places))
        else:
            yield blocks(sentence, remedy=_narrow_remedy(subject, ours, target, places), about=title_of(ours))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A destination with users: its route, where in the object its subset is, and which that is."""

    label: Sentence
    path: str
    subset: str


def _places(subject: Subject, ours: Object, wanted: Callable[[str], bool]) -> Iterator[_Place]:
    """The destinations of the service that have users, and a subset that is wanted."""
    home = namespace_of(ours, subject.service.namespace)
    for kind in ("http", *STREAMS):
        for number, route in enumerate(ours["spec"].get(kind) or ()):
            label = label_of(ours["spec"][kind], route) if kind == "http" else label_at(kind, number + 1)
            for index, entry in enumerate(route.get("route") or ()):
                destination = entry.get("destination") or {}
                subset = str(destination.get("subset") or "")
                if wanted(subset) and subject.is_at(destination.get("host"), home) and has_users(entry, route):
                    path = f"/spec/{kind}/{number}/route/{index}/destination/subset"
                    yield _Place(label=label, path=path, subset=subset)


def _narrow_remedy(subject: Subject, ours: Object, target: Target, places: Sequence[_Place]) -> Sentence:
    changes = [{"op": "replace", "path": one.path, "value": target.primary_subset} for one in places]
    return said(
        "preflight.narrow_subset",
        command=patch(ours, changes, namespace_of(ours, subject.service.namespace)),
        field=Code(f"subset: {target.primary_subset}"),
    )


def _misnamed(subject: Subject, http: Sequence[HttpRoute]) -> Iterator[Problem]:
    """``routes`` of services.yaml that are no route's name, or several routes'; of several objects each has some."""
    ours, service = subject.snapshot.virtual_service, subject.service
    everywhere = [one for each in subject.snapshot.ours for one in each["spec"].get("http") or ()]
    names = [str(one.get("name") or "") for one in http]
    there = {str(one.get("name") or "") for one in everywhere}
    wrong = [name for name in service.routes if name not in there or names.count(name) > 1]
    if not wrong or ours is None:
        return
    kept = [name for name in service.routes if name not in wrong]
    if kept and not any(names.count(name) > 1 for name in wrong):
        listed = ", ".join(map(json.dumps, kept))
        remedy = said("preflight.name_the_others", line=Code(f"routes: [{listed}]"), service=service.name)
    else:
        remedy = said("preflight.move_all", key=Code("routes"), service=service.name)
    yield blocks(
        said("preflight.misnamed_routes", name=title(ours), routes=tuple(wrong)), remedy=remedy, about=title_of(ours)
    )


def _not_whole(subject: Subject, ours: Object, target: Target) -> Iterator[Problem]:
    """Steps of which another destination's share makes no whole percents, and the nearest that are."""
    service = subject.service
    try:
        moving, sides = managed_routes(ours, target), RouteSides.of(ours, target)
    except Refusal:
        return
    left = {label_of(ours["spec"]["http"], one): EVERY_REQUEST - share_of_others(one, sides) for one in moving}
    if not all(isinstance(each, int) and 0 < each <= EVERY_REQUEST for each in left.values()):
        return
    fitting = [one for one in range(1, 101) if all(each * one % EVERY_REQUEST == 0 for each in left.values())]
    back = service.switchback if service.upgrades and target.topology is not Topology.RELABEL else ()
    steps = {"weights": service.weights, "switchback": back}
    unfit = {key: tuple(one for one in wanted if one not in fitting) for key, wanted in steps.items()}
    if not any(unfit.values()):
        return
    keys = tuple(Code(f"{key}: {_nearest(steps[key], fitting)}") for key, wrong in unfit.items() if wrong)
    narrow = {label: each for label, each in left.items() if each != EVERY_REQUEST}
    yield blocks(
        said(
            "preflight.share_not_whole",
            name=title(ours),
            ours=int(min(narrow.values())),
            routes=tuple(narrow),
            steps=tuple(f"{one} %" for one in dict.fromkeys(one for wrong in unfit.values() for one in wrong)),
        ),
        remedy=said("preflight.choose_steps", keys=keys, service=service.name),
        about=UNWRITABLE,
    )


def _nearest(steps: Sequence[int], fitting: Sequence[int]) -> list[int]:
    return sorted({min(fitting, key=lambda one: (abs(one - step), -one)) for step in steps} | {int(EVERY_REQUEST)})


_TWICE = _Rewriting(
    sentence=lambda name, routes: said("preflight.named_twice", name=name, routes=routes),
    remedy=lambda command: said("preflight.name_once", command=command),
    changes=_joined,
)
_APART = _Rewriting(
    sentence=lambda name, routes: said("preflight.named_apart", name=name, routes=routes),
    remedy=lambda command: said("preflight.keep_largest", command=command),
    changes=_kept,
)
_ODD = _Rewriting(
    sentence=lambda name, routes: said("preflight.odd_weights", name=name, routes=routes),
    remedy=lambda command: said("preflight.write_percents", command=command),
    changes=_in_percent,
)
_TAKEN = _Rewriting(
    sentence=lambda name, routes: said("preflight.mirror_taken", name=name, routes=routes, field=Code("mirror")),
    remedy=lambda command: said("preflight.mirror_beside", command=command, field=Code("mirrors")),
    changes=_listed,
    about=UNWRITABLE,
)
