"""Two services of one file: what they may share, and what is refused with both names and the line of the later one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.settings.errors import SettingsError
from bot.settings.services import read_services
from bot.settings.sharing import can_be_same
from bot.words.rendering import plain

FILE = """
defaults:
  channel: "#releases"
  namespace: default
services:
  reviews:
    virtual_service: reviews
    destination_rule: reviews
    primary: {{deployment: reviews-v1}}
    canary: {{deployment: "reviews-{{version}}"}}
  books:
    namespace: {namespace}
    virtual_service: {virtual_service}
    host: {host}
    routes: {routes}
    destination_rule: books
    primary: {{deployment: {primary}}}
    canary: {{deployment: "{canary}"}}
"""
APART = {
    "namespace": "default",
    "virtual_service": "books",
    "host": "books",
    "routes": "[]",
    "primary": "books-v1",
    "canary": "books-{version}",
}


def reasons(folder: Path, **changes: str) -> list[str]:
    file = folder / "services.yaml"
    file.write_text(FILE.format(**{**APART, **changes}), encoding="utf-8")
    try:
        read_services(file)
    except SettingsError as error:
        return [plain(reason) for reason in error.reasons]
    return []


@pytest.mark.parametrize(
    "apart",
    [
        {},
        {"namespace": "shop", "primary": "reviews-v1", "canary": "reviews-{version}"},
        {"virtual_service": "reviews"},  # with a host of its own
        {"canary": "reviews-eu-{version}", "primary": "reviews-eu-v1"},  # only for a version such as eu-v2
        {"canary": "reviews-books"[::-1]},
    ],
)
def test_services_that_share_nothing_that_matters_are_read(tmp_path: Path, apart: dict[str, str]) -> None:
    assert reasons(tmp_path, **apart) == []


@pytest.mark.parametrize(
    ("shared", "line", "notified"),
    [
        ({"primary": "reviews-v1"}, 17, "reviews-v1 is the primary of reviews as well as of books"),
        ({"primary": "reviews-v7"}, 17, "reviews-v7 can be a canary of reviews (reviews-{version}), too"),
        ({"canary": "reviews-{version}"}, 18, "can name the same canary for books and reviews"),
        ({"canary": "reviews-v2"}, 18, "can name the same canary for books and reviews"),
        ({"canary": "reviews-v1"}, 18, "reviews-v1 can name reviews-v1, which is the primary of reviews"),
        ({"canary": "{version}"}, 18, ""),
        ({"virtual_service": "reviews", "host": "reviews"}, 13, "books move the routes to reviews.default.svc"),
        ({"virtual_service": "reviews", "host": "reviews.default"}, 13, "books move the routes to reviews.default.svc"),
        ({"virtual_service": "reviews", "host": "reviews", "routes": "[eu]"}, 13, "name each one's with routes"),
    ],
)
def test_what_two_services_must_not_share_is_refused_with_both_names(
    tmp_path: Path, shared: dict[str, str], line: int, notified: str
) -> None:
    found = reasons(tmp_path, **shared)

    if notified:
        assert any(one.startswith(f"services.yaml line {line}: services.books.") and notified in one for one in found)
    assert all("reviews" in one and "books" in one for one in found)


def test_routes_that_two_services_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    text = FILE.format(**{**APART, "virtual_service": "reviews", "host": "reviews", "routes": "[eu, us]"})
    file.write_text(
        text.replace("    destination_rule: reviews\n", "    destination_rule: reviews\n    routes: [us]\n")
    )

    with pytest.raises(SettingsError, match="us of VirtualService reviews would be moved by reviews and by books"):
        read_services(file)

    file.write_text(file.read_text().replace("[eu, us]", "[eu]"))
    assert len(read_services(file)) == 2


PARTS = st.text("ab-", max_size=4)
PATTERNS = st.tuples(PARTS, st.sampled_from(["{version}", ""]), PARTS).map("".join)


@given(PATTERNS, PATTERNS, st.text("ab", min_size=1, max_size=4), st.text("ab", min_size=1, max_size=4))
@example("a{version}", "ab{version}", "bb", "b")
@example("{version}a", "a{version}", "aa", "aa")
def test_names_that_versions_make_the_same_are_always_found(one: str, other: str, this: str, that: str) -> None:
    made, also = one.replace("{version}", this), other.replace("{version}", that)

    assert can_be_same(one, other) == can_be_same(other, one)
    if made == also:
        assert can_be_same(one, other)


def test_one_of_several_virtual_services_is_not_shared_either(tmp_path: Path) -> None:
    text = FILE.format(**{**APART, "host": "reviews"}).replace(
        "virtual_service: books", "virtual_services: [ingress/edge, reviews]"
    )
    file = tmp_path / "services.yaml"
    file.write_text(text)

    with pytest.raises(SettingsError, match=r"services\.books\.virtual_services: .*books move the routes to reviews"):
        read_services(file)
