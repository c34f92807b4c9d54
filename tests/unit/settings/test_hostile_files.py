"""Files that nobody would write by hand: a sentence each, in under a second, and nothing of them is believed."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from bot.settings.errors import SettingsError
from bot.settings.services import read_services
from bot.settings.yaml_limits import LARGEST, check
from bot.words.rendering import plain

LETTERS = "abcdefghij"


def bomb(inner: str) -> str:
    """Each line names the one before nine times."""
    lines = [f"{LETTERS[0]}: &{LETTERS[0]} {{x: 1}}"]
    for before, name in pairwise(LETTERS):
        lines.append(f"{name}: &{name} {inner % ', '.join([f'*{before}'] * 9)}")
    return "\n".join(lines)


def service(name: str) -> str:
    objects = f"virtual_service: {name}, destination_rule: {name}, namespace: d, channel: '#r'"
    return (
        f"  {name}: {{{objects}, primary: {{deployment: {name}-v1}}, canary: {{deployment: '{name}-{{version}}'}}}}\n"
    )


HOSTILE = {
    "an alias bomb": (bomb("[%s]"), "this is too much: more than 100,000 values"),
    "a bomb of merge keys": (bomb("{<<: [%s]}"), "this is too much: more than 100,000 values"),
    "a chain of aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 3000)),
        "this is nested too deeply: more than 40 levels",
    ),
    "open brackets": ("services: " + "[" * 100_000, "this is nested too deeply"),
    "deep mappings": ("".join(" " * i + "a:\n" for i in range(1000)), "this is nested too deeply"),
    "310 digits": (f"defaults: {{bake: {'9' * 310}s}}\n", "defaults.bake: must be at most 366d, not"),
    "310 digits of weights": (f"defaults: {{weights: [{'9' * 310}]}}\n", "defaults.weights"),
    "5,000 digits": (f"defaults: {{weights: [{'9' * 5000}]}}\n", "defaults.weights"),
    "a number in base 60": (f"defaults: {{weights: [1{':1' * 200_000}]}}\n", "defaults.weights"),
    "half a character": ('services: {r: {namespace: "\\ud800"}}', "line 1: this is not YAML"),
    "half a character in a key": ('services: {"\\udfff": {}}', "line 1: this is not YAML"),
    "3,000 unknown keys": ("services:\n  r:\n" + "".join(f"    k{i}: 1\n" for i in range(3000)), "is no known key"),
    "a key as long as a file": ("services:\n  r:\n    ? " + "k" * 500_000 + "\n    : 1\n", "is no known key"),
    "a value as long as a file": ("services: {r: {namespace: " + "X" * 500_000 + "}}", "namespace: must be"),
    "20,000 times the same": ("services:\n" + "  r: {}\n" * 20_000, "is already written in line 2"),
    "3,000 bad services": ("services:\n" + "".join(f"  s{i}: {{namespace: 1}}\n" for i in range(3000)), "namespace"),
    "30,000 anchors": ("services: {r: [" + ",".join(f"&a{i} x" for i in range(30_000)) + "]}", "services.r: must be"),
    "30,000 weights": (f"defaults: {{weights: [{'1,' * 30_000}]}}", "Weights must rise, and these do not: 1"),
    "30,000 steps back": (f"defaults: {{switchback: [{'1,' * 30_000}]}}", "defaults.switchback: must rise"),
    "a list for a key": (
        "services:\n  r:\n    ? [a, b]\n    : 1\n",
        "services.r: has a key that is a list or a mapping",
    ),
    "a mapping for a key": ("? {a: b}\n: 1\n", "line 1: has a key that is a list or a mapping"),
    "10 MB of a comment": ("# " + "x" * 10_000_000, "is larger than 1,000,000 bytes"),
    "10 MB of services": ("services:\n" + "".join(service(f"s{i}") for i in range(60_000)), "is larger than"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_words_in_under_a_second(kind: str, tmp_path: Path) -> None:
    text, sentence = HOSTILE[kind]
    file = tmp_path / "services.yaml"
    file.write_text(text, encoding="utf-8")

    took = []
    for _ in range(3):  # of CPU; the quickest, as a collection of garbage may fall into one of them
        started = time.process_time()
        with pytest.raises(SettingsError) as refused:
            read_services(file)
        took.append(time.process_time() - started)

    assert min(took) < 1
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 50_000  # people are to read it
    assert str(refused.value).isprintable() or "\n" in str(refused.value)


@pytest.mark.parametrize("more", ['{"r\\n": {}}', '{r: {namespace: "d\\n"}}', '{r: {channel: "#x\\n"}}'])
def test_a_line_break_at_the_end_of_a_name_is_refused_and_told_on_one_line(more: str, tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(f"services: {more}", encoding="utf-8")

    with pytest.raises(SettingsError) as refused:
        read_services(file)

    assert [reason for reason in map(plain, refused.value.reasons) if "\\n" in reason and "must be" in reason]
    assert not [reason for reason in map(plain, refused.value.reasons) if "\n" in reason]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_a_file_in_another_encoding_is_refused_in_words(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text("# größer\nservices: {}\n", encoding=encoding)

    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        read_services(file)


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text("services:\n" + service("reviews"), encoding="utf-8-sig")

    assert read_services(file).names == ("reviews",)


def test_three_thousand_services_are_read_in_three_seconds(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text("services:\n" + "".join(service(f"s{i}") for i in range(3000)), encoding="utf-8")
    assert file.stat().st_size < LARGEST

    started = time.process_time()

    assert len(read_services(file)) == 3000
    assert time.process_time() - started < 3


def test_what_is_large_and_meant_is_let_through() -> None:
    base = "base: &base {namespace: d, weights: [20, 40, 100]}\nservices:\n"

    check(base + "".join(f"  s{i}: {{<<: *base, channel: '#r'}}\n" for i in range(1000)))
    with pytest.raises(yaml.YAMLError):
        check("a: [1")
