"""The pictures of docs/mesh.md: a shape of routes in each column as it is at one stage, as the bot would write it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.cluster.virtual_service import with_routes
from bot.model.rollout import HOME, Routes, Target, Topology
from scripts.judge_pictures import CANARY, FAINT, FONT, INK, PRIMARY, rule, text

Object = dict[str, Any]

WIDTH, COLUMN, EDGE = 860, 168, 10
TOP, ROW, LINE = 78, 52, 18
BOX, BOX_HEIGHT = 62, 30
THICKEST = 7.0  # of a line that is everybody
OTHER = "#4d7c0f"

STAGES: Sequence[tuple[str, Routes]] = (
    ("as it is found", HOME),
    ("mirror", Routes(canary=0, mirror=True)),
    ("20 % of users", Routes(canary=20, mirror=False)),
    ("upgrade", Routes(canary=100, mirror=False)),
    ("promoted", HOME),
)
TARGET = Target(
    namespace="default",
    host="reviews.default.svc.cluster.local",
    virtual_service="reviews",
    virtual_service_namespace="default",
    destination_rule="reviews",
    primary_subset="v1",
    canary_subset="v2",
    primary_deployment="reviews-v1",
    canary_deployment="reviews-v2",
    topology=Topology.PER_VERSION,
)
APART = replace(
    TARGET,
    host="stable.default.svc.cluster.local",
    canary_host="canary.default.svc.cluster.local",
    primary_subset="",
    canary_subset="",
    topology=Topology.HOSTS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One shape.

    Attributes:
        places: where users may be sent, from the top.
        said: what the bot does to it, a line each.
        inside: the routes of a second VirtualService, for callers inside the mesh.
    """

    title: str
    http: Sequence[Object]
    places: Sequence[str]
    said: Sequence[str]
    target: Target = TARGET
    inside: Sequence[Object] = ()


def to(place: str, weight: int | None = None) -> Object:
    """An entry of a route: a subset of reviews, or a Service of its own."""
    destination = {"host": "reviews", "subset": place} if place.startswith("v") else {"host": place}
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def under(path: str, *entries: Object) -> Object:
    """A route for a path."""
    return {"match": [{"uri": {"prefix": path}}], "route": [*entries]}


PICTURES: dict[str, Picture] = {
    "subsets": Picture(
        title="Versions as subsets",
        http=({"route": [to("v1")]},),
        places=("v1", "v2"),
        said=("The canary's destination is added at the first stage, and goes at the end.",),
    ),
    "hosts": Picture(
        title="Versions as hosts",
        http=({"route": [to("stable", 100), to("canary", 0)]},),
        places=("stable", "canary"),
        target=APART,
        said=("Users and copies go to the Services of the two versions; the upgrade changes the image alone.",),
    ),
    "routes": Picture(
        title="Several routes, and one for testers",
        http=(
            {"match": [{"headers": {"x-tester": {"exact": "yes"}}}], "route": [to("v2")]},
            under("/api", to("v1")),
            {"route": [to("v1")]},
        ),
        places=("v1", "v2"),
        said=("All routes to the primary move together. The testers' route is not touched in any stage.",),
    ),
    "objects": Picture(
        title="Two VirtualServices: one at the gateway, one inside the mesh",
        http=({"route": [to("v1")]},),
        inside=({"route": [to("v1")]},),
        places=("v1", "v2"),
        said=("A stage is there once both say so; only then is it judged and left.",),
    ),
    "share": Picture(
        title="A third destination with a share",
        http=({"route": [to("v1", 90), to("v3", 10)]},),
        places=("v1", "v2", "v3"),
        said=("The third keeps its 10 %; a fifth of what is left is 18 %.",),
    ),
}


def pictures() -> dict[str, str]:
    """All, by path."""
    return {f"docs/mesh-{name}.svg": _drawn(picture) for name, picture in PICTURES.items()}


def _drawn(picture: Picture) -> str:
    rows = max(len(picture.http) + len(picture.inside), len(picture.places))
    height = TOP + ROW * rows + LINE * len(picture.said) + 16
    parts = [text(EDGE, 24, picture.title, INK, bold=True)]
    for number, (stage, wanted) in enumerate(STAGES):
        left = EDGE + COLUMN * number
        http = [route for routes in (picture.http, picture.inside) for route in _moved(routes, picture, wanted)]
        parts += [text(left, 52, stage, FAINT), *_column(left, http, picture)]
    bottom = TOP + ROW * rows + LINE
    parts += [text(EDGE, bottom + LINE * line, said, INK) for line, said in enumerate(picture.said)]
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {FONT} font-size='13'>"
    return "\n".join([head, f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>", *parts, "</svg>"]) + "\n"


def _moved(routes: Sequence[Object], picture: Picture, wanted: Routes) -> Sequence[Object]:
    """One VirtualService's routes at a stage; what is left behind is what was there: the ends are drawn from that."""
    found: Object = {
        "kind": "VirtualService",
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {"hosts": ["*"], "http": [*routes]},
    }
    moved: Object = found if wanted == HOME or not routes else with_routes(found, picture.target, wanted)
    http: Sequence[Object] = moved["spec"]["http"]
    return http


def _column(left: int, http: Sequence[Object], picture: Picture) -> Iterator[str]:
    """Each route from its match to where it sends users, as thick as their share; copies are dashed."""
    right = left + COLUMN - BOX - 18
    for number, route in enumerate(http):
        start = TOP + ROW * number + ROW / 2 - 12
        several = len(route["route"]) > 1
        for entry in route["route"]:
            place, share = _place(entry["destination"]), entry.get("weight", 0) if several else 100
            if share:
                end = _middle(picture, place)
                yield rule(left + 54, start, right, end, _colour(picture, place), THICKEST * share / 100 + 0.5)
        if "mirror" in route:
            end = _middle(picture, _place(route["mirror"])) + 6
            yield rule(left + 54, start, right, end, CANARY, 2, dash="4 4")
        yield text(left, start + 4, "callers" if number >= len(picture.http) else _match(route), INK)
    shares = _shares(http[-1])
    for place in picture.places:
        yield from _box(right, _middle(picture, place), place, shares.get(place, ""), _colour(picture, place))


def _box(left: int, middle: float, place: str, share: str, colour: str) -> Iterator[str]:
    top = middle - BOX_HEIGHT / 2
    yield f"<rect x='{left}' y='{top}' width='{BOX}' height='{BOX_HEIGHT}' rx='4' fill='#ffffff' stroke='{colour}'/>"
    yield text(left + BOX / 2, middle + (-1 if share else 4), place, colour, anchor="middle", bold=True)
    if share:
        yield text(left + BOX / 2, middle + 11, share, INK, anchor="middle", size=10)


def _shares(route: Object) -> dict[str, str]:
    """What users of the last route get of each place, in words; copies where there are any."""
    several = len(route["route"]) > 1
    found = {
        _place(one["destination"]): f"{one.get('weight', 0) if several else 100} %"
        for one in route["route"]
        if not several or one.get("weight")
    }
    return found | ({_place(route["mirror"]): "copies"} if "mirror" in route else {})


def _place(destination: Object) -> str:
    return str(destination.get("subset") or destination["host"].partition(".")[0])


def _middle(picture: Picture, place: str) -> float:
    return TOP + ROW * picture.places.index(place) + ROW / 2 - 12


def _colour(picture: Picture, place: str) -> str:
    return (PRIMARY, CANARY, OTHER)[picture.places.index(place)]


def _match(route: Object) -> str:
    match = (route.get("match") or [{}])[0]
    return "testers" if "headers" in match else match.get("uri", {}).get("prefix", "users")
