"""What a cache holds: the watch's word, except where it is older than our own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.kube_objects import Objects
from bot.cluster.selectors import LabelSelector
from sandbox.kube.selectors import by_query, by_selector


def a_thing(name: str, version: int, /, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version), "labels": labels}}


def held(*things: dict[str, Any], version: int = 10) -> Objects:
    objects = Objects()
    objects.reset(things, str(version))
    return objects


def test_news_from_before_our_own_write_is_ignored_and_what_comes_after_counts() -> None:
    objects = held(a_thing("a", 10))
    objects.wrote("a", a_thing("a", 12, by="us"))
    objects.apply("MODIFIED", a_thing("a", 11, by="them"))
    assert objects.get("a") == a_thing("a", 12, by="us")
    objects.apply("MODIFIED", a_thing("a", 12, by="us"))
    objects.apply("MODIFIED", a_thing("a", 13, by="them"))
    assert objects.get("a") == a_thing("a", 13, by="them")


def test_a_list_from_before_our_own_write_does_not_undo_it() -> None:
    objects = held(a_thing("a", 10), a_thing("b", 10))
    objects.wrote("a", a_thing("a", 12))
    objects.reset([a_thing("a", 10)], "11")
    assert (objects.get("a"), objects.get("b")) == (a_thing("a", 12), None)
    objects.reset([], "12")
    assert objects.get("a") is None


def test_an_answer_older_than_the_watch_is_not_kept() -> None:
    objects = held(a_thing("a", 10))
    objects.apply("MODIFIED", a_thing("a", 15))
    objects.wrote("a", a_thing("a", 12))
    assert objects.get("a") == a_thing("a", 15)


def test_a_cluster_restored_from_a_backup_is_believed_once_the_watch_was_lost() -> None:
    objects = held(a_thing("a", 10))
    objects.wrote("a", a_thing("a", 1000))
    objects.forget_writes()
    objects.reset([a_thing("a", 500)], "500")
    assert objects.get("a") == a_thing("a", 500)


def test_doubt_lasts_until_somebody_looks() -> None:
    objects = held(a_thing("a", 10))
    objects.doubt("a")
    objects.apply("MODIFIED", a_thing("a", 11))
    assert objects.doubted("a")
    objects.wrote("a", a_thing("a", 12))
    assert not objects.doubted()


WORDS = st.sampled_from(["a", "b", "c"])
LABELS = st.dictionaries(st.sampled_from(["app", "track", "version"]), WORDS)
EXPRESSIONS = st.lists(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        st.sampled_from(["app", "track", "version"]),
        st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        st.lists(WORDS, min_size=1, unique=True),
    ),
    max_size=2,
)


@given(pairs=LABELS, expressions=EXPRESSIONS, population=st.lists(LABELS, max_size=8))
def test_a_selector_selects_here_what_it_selects_on_the_server(
    pairs: dict[str, str], expressions: list[dict[str, Any]], population: list[dict[str, str]]
) -> None:
    selector = {"matchLabels": pairs, "matchExpressions": expressions}
    things = [a_thing(f"{number}", 10, **labels) for number, labels in enumerate(population)]
    ours = LabelSelector.of(selector)
    selected = held(*things).select(ours)
    assert selected == [thing for thing in things if by_selector(selector, thing["metadata"]["labels"])]
    assert selected == [*filter(by_query(str(ours), ""), things)]


@pytest.mark.parametrize("what", ["MODIFIED", "DELETED"])
def test_a_label_that_changed_no_longer_finds_the_object(what: str) -> None:
    objects = held(a_thing("a", 10, app="reviews"))
    objects.apply(what, a_thing("a", 11, app="ratings"))
    reviews, ratings = (LabelSelector.of({"matchLabels": {"app": app}}) for app in ("reviews", "ratings"))
    assert objects.select(reviews) == []
    assert len(objects.select(ratings)) == (what == "MODIFIED")
