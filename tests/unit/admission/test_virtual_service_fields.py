"""Every field of Istio's schema is written, and taken away, wherever it can be: what passes is what the bot writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import pytest

from bot.cluster import virtual_service as virtual_services
from bot.model.rollout import HOME, Routes
from sandbox.kube import bookinfo
from sandbox.kube.istio_fields import VIRTUAL_SERVICE, MapOf
from tests.builders import a_rollout, a_target
from tests.unit.admission.fields import SCHEMA, Field, below, fields_of, removed, written
from tests.unit.admission.rules import BOT, WATCHDOG, Object, of_kind, refusals

MIRROR = Routes(canary=0, mirror=True)
ALL_METHODS, SOME_METHODS = a_target(mirror_methods=None), a_target(mirror_methods=("GET", "HEAD"))
ROLLOUT = a_rollout()
ROUTE = list(fields_of(below("http")))
OURS = ("route", "mirror", "mirrorPercentage")
ENTRY = list(fields_of(below("http", "route")))


def at_home() -> Object:
    """With a route of somebody else's before ours, who has its copies sent elsewhere."""
    vs = of_kind("VirtualService", bookinfo.objects())
    theirs = {"name": "ads", "match": [{"uri": {"prefix": "/ads"}}], "route": [{"destination": {"host": "ads"}}]}
    vs["spec"]["http"].insert(0, theirs | {"mirror": {"host": "audit"}, "timeout": "3s"})
    vs["metadata"]["annotations"] = {"team": "shop"}
    return vs


def taken(vs: Object, routes: Routes, *, some: bool = False) -> Object:
    target = SOME_METHODS if some else ALL_METHODS
    return virtual_services.claim(vs, target, routes, owner=ROLLOUT.spec.id, recorded=ROLLOUT.spec.recorded, now=1.0)


def top(path: str) -> str:
    return path.partition(".")[0].removesuffix("[]")


def of_each(fields: Iterable[Field]) -> list[Field]:
    """One field below each of a route's own, and all of what the bot writes."""
    fields = list(fields)
    first = {top(path): path for path, _ in reversed(fields)}
    return [(path, value) for path, value in fields if top(path) in OURS or first[top(path)] == path]


def filled(vs: Object, place: int, *without: str) -> Object:
    """The route at ``place`` has every field that there is, but for these and those that the bot writes."""
    for path, value in ROUTE:
        if top(path) not in {"name", *OURS, *without}:
            vs["spec"]["http"][place] = written(vs["spec"]["http"][place], path, value)
    return vs


def with_http(vs: Object, place: int, route: Object) -> Object:
    new = deepcopy(vs)
    new["spec"]["http"][place] = route
    return new


def allowed(live: Object, after: Callable[[Field], Object], fields: Iterable[Field]) -> set[str]:
    return {path for path, value in fields if not refusals(live, after((path, value)))}


# Which route: how it begins, where it is, and what may be written there. Weights are the bot's wherever they are.
ROUTES: dict[str, tuple[Object, int, set[str]]] = {
    "somebody's": (at_home(), 0, {"route[].weight"}),
    # Where nothing is mirrored a percentage means nothing, and where nothing is copied nobody gets anything.
    "ours at home": (at_home(), 1, {"route[].weight", "mirrorPercentage.value"}),
    "ours in the mirror stage": (
        taken(at_home(), MIRROR),
        1,
        {"route[].weight", "mirrorPercentage.value", "mirror.subset"},
    ),
}


@pytest.mark.parametrize("which", ROUTES)
def test_no_field_of_an_existing_route_is_written_but_weights_and_our_mirror(which: str) -> None:
    live, place, ours = ROUTES[which]
    route = live["spec"]["http"][place]
    fields = ROUTE if which == "ours in the mirror stage" else of_each(ROUTE)

    assert allowed(live, lambda field: with_http(live, place, written(route, *field)), fields) == ours


def test_no_field_of_an_existing_route_is_taken_away_but_a_weight_and_our_mirror() -> None:
    live = filled(taken(at_home(), MIRROR), 1)
    route = live["spec"]["http"][1]
    there = {top(path) for path, _ in ROUTE if top(path) != "name"} | {"match[]", "match[].uri", "mirror.host"}
    there |= {"route[].weight", "route[].destination.subset", "route[].destination.host", "headers.request.set"}

    gone = {path for path in there if not refusals(live, with_http(live, 1, removed(route, path)))}
    # Without a percentage all requests are copied, and still only to the canary.
    assert gone == {"route[].weight", "mirror", "mirrorPercentage"}


@pytest.mark.parametrize("mirroring", [False, True], ids=["being inserted", "changed later"])
def test_no_field_of_the_inserted_route_is_another_than_in_the_route_that_it_copies(*, mirroring: bool) -> None:
    original = filled(at_home(), 1, "redirect", "directResponse", "delegate", "match", "mirrors")
    mirrored = taken(original, MIRROR, some=True)
    live = mirrored if mirroring else original
    inserted = mirrored["spec"]["http"][1]
    fields = different(inserted, [field for field in of_each(ROUTE) if top(field[0]) != "match"])

    assert inserted["name"] == "canarybot-mirror-0"
    assert refusals(live, mirrored) == []
    assert allowed(live, lambda field: with_http(mirrored, 1, written(inserted, *field)), fields) == {
        *("mirror.subset", "mirrorPercentage.value"),
    }


def different(route: Object, fields: Iterable[Field]) -> Iterable[Field]:
    """Fields of ``route`` with another value than they have there."""
    other = {"written-by-a-test": "else", 7: 8, 7.5: 8.5, True: False}
    for path, value in fields:
        same = written(route, path, value) == route
        yield path, other[value] if same and value != {} else value


def test_the_inserted_route_carries_nothing_that_the_copied_one_lacks() -> None:
    original, mirrored = at_home(), taken(at_home(), MIRROR, some=True)
    inserted = mirrored["spec"]["http"][1]
    methods = {f"match[].method.{how}" for how in ("exact", "prefix", "regex")}  # the copied one lets all through

    passed = allowed(original, lambda field: with_http(mirrored, 1, written(inserted, *field)), ROUTE)
    assert passed == {"mirror.subset", "mirrorPercentage.value"} | methods


def test_a_destination_that_is_added_has_nothing_but_its_subset_and_a_weight() -> None:
    alone = at_home()
    del alone["spec"]["http"][1]["route"][1]
    port = {"number": 9080}
    alone["spec"]["http"][1]["route"][0]["destination"]["port"] = port
    added = taken(alone, Routes(canary=20))
    route = added["spec"]["http"][1]

    def with_entry(field: Field) -> Object:
        entries = [route["route"][0], written(route["route"][1], *field)]
        return with_http(added, 1, route | {"route": entries})

    assert route["route"][1] == {"destination": {"host": "reviews", "subset": "v2", "port": port}, "weight": 20}
    assert allowed(alone, with_entry, ENTRY) == {"destination.subset", "weight"}


def test_no_other_part_of_the_object_is_written() -> None:
    live = at_home()
    live["spec"] |= {"tcp": [{"route": [{"destination": {"host": "db"}}]}], "exportTo": ["."]}
    elsewhere = [(path, value) for path, value in fields_of(SCHEMA) if not path.startswith("http[]")]

    assert {path.partition("[")[0] for path, _ in elsewhere} == {"exportTo", "gateways", "hosts", "tcp", "tls"}
    assert allowed(live, lambda field: live | {"spec": written(live["spec"], *field)}, elsewhere) == set()
    gone = [live | {"spec": removed(live["spec"], name)} for name in ("tcp", "exportTo", "gateways", "hosts", "http")]
    assert all(refusals(live, after) for after in gone)


METADATA: dict[str, Any] = {
    "labels": {"a": "b"},
    "finalizers": ["a.example/b"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "u"}],
    "annotations": {"team": "other"},
}


@pytest.mark.parametrize("field", METADATA)
@pytest.mark.parametrize("user", [BOT, WATCHDOG])
def test_no_metadata_is_written_but_our_annotations(field: str, user: str) -> None:
    live = at_home()

    values: list[Any] = [METADATA[field], {}, []]
    for value in values:
        after = deepcopy(live)
        after["metadata"][field] = value
        assert refusals(live, after, user=user) != []


HIJACKS: dict[str, Callable[[list[Object]], object]] = {
    "two routes change places": list.reverse,
    "one takes the other's place": lambda http: http.__setitem__(1, http[0]),
    "a route less": lambda http: http.pop(0),
    "a route more": lambda http: http.append({"route": [{"destination": {"host": "reviews"}}]}),
    "destinations change places": lambda http: http[1]["route"].reverse(),
    "a destination less": lambda http: http[1]["route"].pop(0),
    "another host": lambda http: http[1]["route"].append({"destination": {"host": "evil", "subset": "v1"}}),
    "a destination twice": lambda http: http[1]["route"].append(http[1]["route"][1]),
    "two destinations more": lambda http: http[1]["route"].extend(
        {"destination": {"host": "reviews", "subset": subset}} for subset in ("v3", "v4")
    ),
    "all of them": lambda http: http[1].pop("route"),
    "copies of all to the primary itself": lambda http: http[1].update(mirror={"host": "reviews", "subset": "v1"}),
}


@pytest.mark.parametrize("how", HIJACKS)
def test_routes_and_destinations_stay_in_their_places(how: str) -> None:
    live = at_home()
    after = deepcopy(live)
    HIJACKS[how](after["spec"]["http"])

    if how == "copies of all to the primary itself":  # the canary's entry is there, so it is another subset of it
        after["spec"]["http"][1]["route"] = live["spec"]["http"][1]["route"][:1]
        live["spec"]["http"][1]["route"] = live["spec"]["http"][1]["route"][:1]
    assert refusals(live, after) != []


INSERTIONS: dict[str, Callable[[list[Object]], object]] = {
    "before another route": lambda http: http.insert(0, http.pop(1)),
    "at the end": lambda http: http.append(http.pop(1)),
    "twice": lambda http: http.insert(1, http[1]),
    "by a name of its own": lambda http: http[1].update(name="canarybot-mirror-"),
    "without methods": lambda http: http[1].pop("match"),
    "for every method": lambda http: http[1].update(match=[{}]),
    "for another path": lambda http: http[1].update(match=[{"method": {"exact": "GET"}, "uri": {"prefix": "/ads"}}]),
    "without copies": lambda http: http[1].pop("mirror"),
}


@pytest.mark.parametrize("how", INSERTIONS)
def test_an_inserted_route_is_right_before_the_one_that_it_copies_and_takes_nothing_else(how: str) -> None:
    mirrored = taken(at_home(), MIRROR, some=True)
    assert refusals(at_home(), mirrored) == []
    INSERTIONS[how](mirrored["spec"]["http"])

    assert refusals(at_home(), mirrored) != []


METHODS = {"exact": "GET", "prefix": "GE", "regex": "GET|HEAD"}


@pytest.mark.parametrize("how", METHODS)
def test_an_inserted_route_takes_no_method_that_the_copied_one_does_not(how: str) -> None:
    live = at_home()
    live["spec"]["http"][1]["match"] = [{"method": {how: METHODS[how]}, "uri": {"prefix": "/"}}]
    mirrored = taken(live, MIRROR, some=True)
    wider = deepcopy(mirrored)
    wider["spec"]["http"][1]["match"][0]["method"] = {"regex": "GET|POST"}

    assert refusals(live, mirrored) == []
    assert refusals(live, wider) == [
        "A route that canary-bot inserts must match nothing but some methods of what the route behind it matches."
    ]


def test_the_watchdog_writes_its_own_annotation_and_the_bot_never_that_one() -> None:
    live = taken(at_home(), MIRROR)
    annotations = live["metadata"]["annotations"]
    forged = live | {"metadata": live["metadata"] | {"annotations": annotations | {"canary-bot/watchdog": "{}"}}}
    beating = live | {"metadata": live["metadata"] | {"annotations": annotations | {"canary-bot/heartbeat": "2"}}}

    assert refusals(live, forged, user=WATCHDOG) == refusals(live, beating) == []
    assert (
        refusals(live, forged)
        == refusals(live, beating, user=WATCHDOG)
        == ["Only the watchdog writes the annotation canary-bot/watchdog, and it writes no other."]
    )
    assert refusals(forged, live) == []


def test_the_sandbox_knows_every_field_that_istios_schema_has() -> None:
    names = {path.replace("[]", "").replace(".key", "") for path, _ in fields_of(SCHEMA)}

    assert set(tabled(VIRTUAL_SERVICE)) == names


def tabled(shape: Any, path: str = "") -> Iterable[str]:
    if isinstance(shape, list):
        yield from tabled(shape[0], path)
    elif isinstance(shape, MapOf):
        yield from tabled(shape.values, path)
    elif isinstance(shape, dict):
        for name, inner in shape.items():
            yield from tabled(inner, f"{path}.{name}".strip(".!"))
    else:
        yield path


def test_a_weight_is_ours_wherever_users_are() -> None:
    live = taken(at_home(), HOME)

    assert refusals(live, taken(live, Routes(canary=40))) == []
