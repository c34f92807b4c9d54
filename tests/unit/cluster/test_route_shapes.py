"""Law: whatever a VirtualService holds, reading it ends in routes or in a sentence, and editing it in a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.cluster import virtual_service as virtual_services
from bot.model.errors import Refusal
from bot.model.rollout import HOME, PodTemplate, RolloutId, Routes
from bot.words.rendering import plain
from tests.builders import a_target, unreadable

TARGET = a_target()
BY_METHOD = a_target(mirror_methods=("GET",))
NAMED = a_target(route_names=("main",))
OWNER = RolloutId("r-1")
RECORDED = PodTemplate(images={"reviews": "v1"})

Path = tuple[str | int, ...]


def a_virtual_service() -> dict[str, Any]:
    """One that uses every field that is read."""
    primary, canary = ({"host": "reviews", "subset": subset} for subset in ("v1", "v2"))
    main = {
        "name": "main",
        "match": [{"method": {"exact": "GET"}}, {"uri": {"prefix": "/"}}],
        "route": [{"destination": primary, "weight": 80}, {"destination": canary, "weight": 20}],
        "mirror": canary,
        "mirrorPercentage": {"value": 100.0},
        "mirrors": [{"destination": {"host": "audit"}, "percentage": {"value": 1}}],
    }
    old = {"route": [{"destination": primary}], "mirror": canary, "mirror_percent": 50, "mirrorPercent": 50}
    http = [main, old, {"delegate": {"name": "more", "namespace": "default"}}]
    metadata = {"name": "reviews", "namespace": "default", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"hosts": ["reviews"], "http": http}}


def paths(value: object, here: Path = ("spec",)) -> Iterator[Path]:
    yield here
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from paths(one, (*here, key))


def spoiled(path: Path, junk: object) -> dict[str, Any]:
    vs: Any = a_virtual_service()
    place = vs
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = deepcopy(junk)
    return dict(vs)


JUNK = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-1, 200), st.floats(-1, 101), st.sampled_from(["", "v1", "80", "GET"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["destination", "host", "subset", "weight", "value", "name"]), inner, max_size=3
        ),
    ),
    max_leaves=4,
)


@given(path=st.sampled_from(sorted(paths(a_virtual_service()["spec"]), key=str)), junk=JUNK)
@example(path=("spec",), junk=None)
@example(path=("spec", "http"), junk="a string")
@example(path=("spec", "http", 0), junk="not an object")
@example(path=("spec", "http", 0, "route", 0, "weight"), junk="80")
@example(path=("spec", "http", 0, "route", 1, "weight"), junk=-20)
@example(path=("spec", "http", 0, "route", 0, "destination"), junk=None)
@example(path=("spec", "http", 0, "mirrorPercentage", "value"), junk=None)
def test_whatever_is_in_a_virtual_service_it_is_read_or_said_to_be_unreadable(path: Path, junk: object) -> None:
    vs = spoiled(path, junk)
    as_it_was = repr(vs)

    for target in (TARGET, BY_METHOD, NAMED):
        read = virtual_services.read_routes(vs, target)
        assert isinstance(read, Routes) or plain(read).endswith(".")
        for wanted in (HOME, Routes(canary=0, mirror=True), Routes(canary=40)):
            try:
                taken = virtual_services.claim(vs, target, wanted, owner=OWNER, recorded=RECORDED, now=0)
                virtual_services.release(taken, target, HOME)
            except Refusal:
                continue
    assert repr(vs) == as_it_was


@pytest.mark.parametrize(
    ("path", "junk", "said"),
    [
        (("spec",), None, "VirtualService default/reviews has no spec."),
        (("spec",), [], "cannot be read: spec is a list where an object belongs."),
        (("spec", "http"), "all", "cannot be read: spec.http is text where a list belongs."),
        (("spec", "http", 0), "all", "cannot be read: spec.http[0] is text where an object belongs."),
        (
            ("spec", "http", 0, "route", 1, "weight"),
            "20",
            "spec.http[0].route[1].weight is text where a number belongs.",
        ),
        (("spec", "http", 0, "route", 1, "weight"), True, "weight is true or false where a number belongs."),
        (("spec", "http", 0, "route", 0), None, "spec.http[0].route[0] is null where an object belongs."),
    ],
)
def test_the_sentence_says_what_is_wrong_and_where(path: Path, junk: object, said: str) -> None:
    assert said in unreadable(virtual_services.read_routes(spoiled(path, junk), TARGET))


def test_an_object_without_a_spec_at_all_is_said_to_have_none() -> None:
    vs = a_virtual_service()
    del vs["spec"]

    assert unreadable(virtual_services.read_routes(vs, TARGET)) == "VirtualService default/reviews has no spec."
