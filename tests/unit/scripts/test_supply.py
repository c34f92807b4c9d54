"""What is said about the packages that the image holds: the bill of materials, and what is known of them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scripts import audit
from scripts.lock_file import BOT, Pin, read
from scripts.sbom import sbom, version

NOW = datetime(2026, 11, 29, tzinfo=UTC)
PIN = Pin(name="flask-made-up", version="2.1.0", marker="", sha256=("0" * 64,))


def test_the_bill_of_materials_has_every_pin_of_the_lock_with_its_hashes_and_package_url() -> None:
    said = json.loads(sbom(read(), version()))

    found = {
        one["purl"]: sorted(entry["content"] for entry in one["externalReferences"][0]["hashes"])
        for one in said["components"]
    }
    pinned = re.findall(r"^([\w.-]+)(?:\[[^]]*])?==(\S+)", BOT.read_text(encoding="utf-8"), re.MULTILINE)
    assert found == {pin.purl: sorted(pin.sha256) for pin in read()}
    assert len(found) == len(pinned)
    assert {f"pkg:pypi/{name}@{exact}" for name, exact in pinned} == set(found)
    assert sum(map(len, found.values())) == BOT.read_text(encoding="utf-8").count("--hash=")


def test_the_bill_of_materials_keeps_its_schema_names_no_registry_and_is_the_same_each_time() -> None:
    # Imported here: what validates addresses takes seconds to import, of each process that collects.
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    text = sbom(read(), version())

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert not [url for one in json.loads(text)["components"] for url in re.findall(r"\w+://[^\"\s]+", json.dumps(one))]
    assert text == sbom(read(), version())
    assert "timestamp" not in json.loads(text)["metadata"]


@pytest.mark.parametrize("line", ["a>=1 --hash=sha256:" + "0" * 64, "a==1"])
def test_a_lock_with_anything_loose_in_it_is_no_lock(line: str, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(line)

    with pytest.raises(ValueError, match="a is not pinned to one version with its hashes"):
        read(tmp_path / "lock.txt")


def advisory(*events: dict[str, str], **changes: Any) -> dict[str, Any]:
    affected = {
        "package": {"name": "Flask_Made.Up", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
    }
    usual = {"id": "PYSEC-0000-1", "modified": "2026-11-01T00:00:00Z", "summary": "made up", "affected": [affected]}
    return usual | changes


@pytest.mark.parametrize(
    ("events", "affected"),
    [
        ([{"introduced": "0"}], True),
        ([{"introduced": "0"}, {"fixed": "2.1.0"}], False),
        ([{"introduced": "0"}, {"fixed": "2.1.1"}], True),
        ([{"introduced": "2.1.0"}, {"last_affected": "2.1.0"}], True),
        ([{"introduced": "0"}, {"last_affected": "2.0.9"}], False),
        ([{"introduced": "0"}, {"fixed": "1.9"}, {"introduced": "2.0"}, {"fixed": "2.2"}], True),
        ([{"introduced": "2.1.1"}], False),
        ([], False),
    ],
)
def test_a_pin_is_affected_from_where_it_was_introduced_to_where_it_was_fixed(
    events: list[dict[str, str]], *, affected: bool
) -> None:
    assert bool(list(audit.hits([PIN], [advisory(*events)]))) is affected


def test_what_is_withdrawn_or_about_another_ecosystem_is_no_hit_and_a_listed_version_is_one() -> None:
    listed: dict[str, Any] = {"package": {"name": "flask-made-up", "ecosystem": "PyPI"}, "versions": ["2.1.0"]}
    elsewhere = listed | {"package": {"name": "flask-made-up", "ecosystem": "npm"}}

    assert list(audit.hits([PIN], [advisory(affected=[listed])]))
    assert not list(audit.hits([PIN], [advisory(affected=[elsewhere])]))
    assert not list(audit.hits([PIN], [advisory(affected=[listed], withdrawn="2026-11-02T00:00:00Z")]))


def test_the_audit_says_how_old_its_advisories_are_and_fails_on_a_hit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "a.json").write_text(json.dumps(advisory({"introduced": "0"}, {"fixed": "3.0"})))

    assert audit.main(tmp_path, [PIN], NOW) == 1
    assert capsys.readouterr().out.splitlines() == [
        "1 advisories, the newest 28 days old.",
        "flask-made-up 2.1.0: PYSEC-0000-1: made up (fixed in 3.0)",
        "1 known.",
    ]
    assert audit.main(tmp_path, [], NOW.replace(year=2027)) == 0
    assert "393 days old: fetch a newer copy." in capsys.readouterr().out


def test_without_advisories_the_audit_says_so_and_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(None, [PIN], NOW) == 2
    assert audit.main(tmp_path, [PIN], NOW) == 2
    assert "SECURITY.md says where to get one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"), [("[]", "is no OSV advisory"), ("{", "is no JSON"), ("\xff", "is no JSON")]
)
def test_a_file_that_is_no_advisory_ends_the_audit_and_is_no_success(
    content: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text(content, encoding="latin-1")

    assert audit.main(tmp_path, [PIN], NOW) == 2
    assert f"a.json {says}" in capsys.readouterr().out
