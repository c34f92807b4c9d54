"""``services.yaml`` is changed while the process runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings.reload import ServicesReload
from bot.settings.services import Catalogue, read_or_do_without, read_services
from bot.words.rendering import plain
from tests.unit.settings.test_services import least

TWO = least() + least().removeprefix("services:\n").replace("reviews", "ratings")


class Reloading:
    """A file, and what is used of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.used: list[Catalogue] = []
        self.reload = ServicesReload(file, read_or_do_without(file), self.used.append)

    def settle(self) -> None:
        """As many polls as a change needs."""
        for _ in range(3):
            self.reload.poll()


@pytest.fixture
def reloading(tmp_path: Path) -> Reloading:
    file = tmp_path / "services.yaml"
    file.write_text(least(), encoding="utf-8")
    return Reloading(file)


def test_a_file_that_stays_as_it_is_changes_nothing(reloading: Reloading) -> None:
    reloading.settle()
    reloading.file.touch()
    reloading.settle()

    assert reloading.used == []


def test_a_good_edit_is_used_once(reloading: Reloading) -> None:
    reloading.file.write_text(TWO, encoding="utf-8")
    reloading.settle()
    reloading.settle()

    assert [catalogue.names for catalogue in reloading.used] == [("reviews", "ratings")]
    assert reloading.reload.trouble == ""


def test_a_bad_edit_is_refused_with_its_line_and_the_good_one_kept(reloading: Reloading) -> None:
    reloading.file.write_text(least("bakee: 5m\n"), encoding="utf-8")
    reloading.settle()

    (used,) = reloading.used
    assert used.get("reviews") == read_services_of(reloading.file, least()).get("reviews")
    assert reloading.reload.trouble == used.trouble
    assert plain(used.trouble).startswith(
        "services.yaml has changed and cannot be used, so what it said before goes on: services.yaml line 11:"
    )
    assert 'did you mean "bake"?' in plain(used.trouble)


def test_after_a_bad_edit_the_next_good_one_is_used_be_it_the_first_again(reloading: Reloading) -> None:
    for text in ("services: [", least(), "services: [", TWO):
        reloading.file.write_text(text, encoding="utf-8")
        reloading.settle()

    assert [(catalogue.names, bool(catalogue.trouble)) for catalogue in reloading.used] == [
        (("reviews",), True),
        (("reviews",), False),
        (("reviews",), True),
        (("reviews", "ratings"), False),
    ]


def test_a_file_that_goes_away_is_a_bad_edit_and_may_come_back(reloading: Reloading) -> None:
    reloading.file.unlink()
    reloading.settle()
    assert "cannot be read (No such file or directory)" in plain(reloading.reload.trouble)
    assert list(reloading.used[-1].names) == ["reviews"]

    reloading.file.write_text(TWO, encoding="utf-8")
    reloading.settle()
    assert list(reloading.used[-1].names) == ["reviews", "ratings"]


def test_a_file_that_is_being_written_is_not_read_half(reloading: Reloading) -> None:
    """Half of it may be a catalogue as well, with services missing."""
    reloading.file.write_text(TWO, encoding="utf-8")
    reloading.reload.poll()
    reloading.file.write_text(TWO + "#", encoding="utf-8")
    reloading.reload.poll()
    assert reloading.used == []

    reloading.reload.poll()
    assert [catalogue.names for catalogue in reloading.used] == [("reviews", "ratings")]


def test_a_config_map_changes_by_a_symbolic_link(tmp_path: Path) -> None:
    """``..data`` points at a folder of its own for each version, and is exchanged; times may even go back."""
    for name, text in (("..1", least()), ("..2", TWO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "services.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "services.yaml").symlink_to("..data/services.yaml")
    reloading = Reloading(tmp_path / "services.yaml")

    (tmp_path / "..next").symlink_to("..2")
    (tmp_path / "..next").rename(tmp_path / "..data")
    reloading.settle()

    assert reloading.used[-1].names == ("reviews", "ratings")


def test_a_process_that_began_without_services_finds_them_when_the_file_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text("services: {", encoding="utf-8")
    reloading = Reloading(file)
    reloading.settle()
    assert plain(reloading.reload.trouble).startswith("Nothing can be started: ")

    file.write_text(least(), encoding="utf-8")
    reloading.settle()
    assert reloading.used[-1].names == ("reviews",)
    assert reloading.reload.trouble == ""


def read_services_of(file: Path, text: str) -> Catalogue:
    other = file.with_name("as-it-was.yaml")
    other.write_text(text, encoding="utf-8")
    return read_services(other)
