"""What `make fuzz` has found: each ended in an error that was none of ours, or let something through."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.adapters import queries
from bot.adapters.kube import Kube
from bot.adapters.kube_answers import Unanswered, answer_in, event_in, items_in
from bot.adapters.kube_objects import number
from bot.adapters.kube_shapes import checked, checked_spec
from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import Query
from bot.adapters.serialization import dump_freeze, dump_rollout, load_freeze, load_rollout
from bot.adapters.series import Span, counted
from bot.cluster import heartbeat_lease
from bot.cluster.bindings import lets_in
from bot.cluster.deployments import wanted_pods
from bot.cluster.objects import images
from bot.logs import configure
from bot.model.errors import CanaryError, Fault, Unreadable
from bot.model.rollout import RolloutId
from bot.preflight.quotas import quantity
from bot.settings.env import read_settings
from bot.settings.errors import SettingsError
from bot.slack.blocks import date, date_mrkdwn
from bot.slack.forms import FormErrors, read_reason, read_start
from bot.words.rendering import plain
from tests.builders import a_freeze, a_rollout
from tests.fuzz.figures import NOW, _connection
from tests.fuzz.slack import payloads
from tests.snapshots import a_deployment, a_rule

DEEP = b"[" * 3000

# Prometheus


def asked(*series: Any) -> tuple[Any, ...] | Fault:
    connection, answers = _connection()
    answers.say(json.dumps([list(series)]).encode())
    return connection.ask({"q": Query(about="it", text="x")})["q"]


GOOD = {"metric": {"le": "100", "pod": "a"}, "value": [NOW, "7"]}
OTHER = {"metric": {"le": "100", "pod": "b"}, "value": [NOW, "8"]}
ODD: list[Any] = [
    {"metric": None, "value": [NOW, "7"]},
    {"metric": {"le": "hundred"}, "value": [NOW, "7"]},
    {"metric": {"le": "NaN"}, "value": [NOW, "7"]},
    {"metric": {"pod": 7}, "value": [NOW, "7"]},
    {"metric": {}, "value": [NOW, None]},
    {"metric": {}, "value": [NOW]},
    {"metric": {}},
    None,
    "7",
]


@pytest.mark.parametrize("odd", ODD, ids=json.dumps)
def test_an_odd_series_is_unknown_by_itself_and_the_others_count(odd: Any) -> None:
    answer = asked(GOOD, odd, OTHER)

    assert not isinstance(answer, Fault)
    first, (labels, value), other = answer
    assert (first, other) == ((GOOD["metric"], 7.0), (OTHER["metric"], 8.0))
    assert math.isnan(value)
    assert "le" not in labels


def test_a_series_that_is_there_twice_is_unknown() -> None:
    answer = asked(GOOD, GOOD)

    assert not isinstance(answer, Fault)
    *both, (labels, value) = answer
    assert both == [(GOOD["metric"], 7.0)] * 2
    assert labels == GOOD["metric"]
    assert math.isnan(value)


def test_an_answer_of_odd_series_alone_is_no_answer() -> None:
    assert isinstance(asked({"metric": None, "value": [NOW, "7"]}), Fault)


def test_an_answer_that_is_too_deep_is_no_answer() -> None:
    connection, answers = _connection()
    answers.say(DEEP)

    assert isinstance(connection.ask({"q": Query(about="it", text="x")})["q"], Fault)


@pytest.mark.parametrize("theirs", ["NaN", "+Inf", "-Inf"])
def test_a_clock_that_tells_no_time_is_not_believed(theirs: str) -> None:
    connection, answers = _connection()
    answers.say(json.dumps([[NOW, theirs]]).encode())

    assert PrometheusMetrics(connection, stopwatch=lambda: 0.0).clock(NOW) == NOW


def test_buckets_that_began_again_beside_no_counter_of_requests_are_nobodys() -> None:
    owner = {"destination_workload_namespace": "default", "destination_workload": "reviews-v1", "pod": "a"}
    buckets = {"__name__": queries.BUCKETS, "le": "100", **owner}
    counter = {"__name__": queries.REQUESTS, "response_code": "200", **owner, "pod": "b"}
    span = Span(since=0.0, near=-120.0, interval=15.0)

    found = counted([(buckets, {0.0: 9.0, 15.0: 1.0}), (counter, {0.0: 1.0, 15.0: 3.0})], span)

    assert found["default", "reviews-v1"].side.requests == 2
    assert found["default", "reviews-v1"].is_shaky


# Kubernetes


@pytest.mark.parametrize("body", [DEEP, b"[1]", b'{"items": 7}', b'{"items": [7]}'])
def test_a_list_that_is_none_is_no_answer(body: bytes) -> None:
    with pytest.raises(Unanswered):
        items_in(answer_in(200, body, "list them"))


@pytest.mark.parametrize("code", ["x", None, [], {}])
def test_an_error_in_a_watch_with_an_odd_code_is_a_fault(code: Any) -> None:
    with pytest.raises(Fault):
        event_in(json.dumps({"type": "ERROR", "object": {"code": code, "reason": []}}).encode(), "watch")


@pytest.mark.parametrize("name", ["..", ".", "../../secrets/token", "a/b", "a%2fb", "é", "\ud800"])
def test_a_name_never_leaves_its_place_in_an_address(name: str) -> None:
    kube = Kube.__new__(Kube)

    with pytest.raises(Fault, match="has no object called"):
        kube._path("Deployment", "default", name)
    with pytest.raises(Fault, match="has no object called"):
        kube._path("Deployment", name, "reviews")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("spec", "replicas"), "2"),
        (("spec", "replicas"), 10**400),
        (("spec", "replicas"), -1),
        (("status",), None),
        (("spec", "template", "spec"), None),
        (("spec", "selector"), 7),
        (("metadata",), 7),
    ],
)
def test_a_deployment_of_wrong_types_is_a_fault_that_says_where(place: tuple[str, ...], value: object) -> None:
    deployment = a_deployment("reviews-v1", "v1")
    part = deployment
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value

    with pytest.raises(Fault) as found:
        checked(deployment, "Deployment")

    assert ".".join(place) in plain(found.value.sentence) or "without a name" in plain(found.value.sentence)


def test_fields_that_our_client_does_not_know_are_kept_and_no_mistake() -> None:
    deployment = a_deployment("reviews-v1", "v1")
    deployment["spec"]["newer"] = {"than": "we"}

    assert checked(deployment, "Deployment") is deployment
    assert deployment["spec"]["newer"] == {"than": "we"}


def test_a_destination_rule_of_wrong_types_is_a_fault_before_anything_is_made_of_it() -> None:
    rule = a_rule()
    rule["spec"]["subsets"] = "v1"

    with pytest.raises(Fault, match=r"DestinationRule reviews cannot be read: spec\.subsets is not what its API says"):
        checked_spec(rule, "DestinationRule")


def test_a_deployment_without_a_number_of_pods_asks_for_one() -> None:
    assert wanted_pods({"spec": {"replicas": None}}) == 1


def test_a_container_without_an_image_has_none() -> None:
    deployment = a_deployment("reviews-v1", "v1")
    del deployment["spec"]["template"]["spec"]["containers"][0]["image"]

    assert images(deployment) == {"reviews": ""}


def test_a_gateway_without_a_spec_lets_nobody_in() -> None:
    gateway = {"kind": "Gateway", "metadata": {"name": "a", "namespace": "b"}}

    assert not lets_in(gateway, "reviews.example", "default")


@pytest.mark.parametrize("version", ["9" * 5000, "-1", "x", ""])
def test_an_odd_resource_version_counts_as_none(version: str) -> None:
    assert number(version) == 0


@pytest.mark.parametrize("written", ["1.2.3", ".", "1..", "+", "é"])
def test_a_quantity_that_is_none_is_no_number(written: str) -> None:
    assert math.isnan(quantity(written))


def test_a_lease_with_odd_numbers_beats_on() -> None:
    vs = {"apiVersion": "v1", "kind": "VirtualService", "metadata": {"name": "reviews", "namespace": "default"}}
    lease = heartbeat_lease.beaten(None, vs, RolloutId("r-1"), "store", 60.0, 1.0)
    (beats,) = (key for key, value in lease["metadata"]["annotations"].items() if value == "1")
    lease["metadata"]["annotations"][beats] = "9" * 5000
    lease["spec"]["leaseDurationSeconds"] = 10**400

    life = heartbeat_lease.read(lease, RolloutId("r-1"))

    assert life is not None
    assert life.limit == heartbeat_lease.LONGEST_LEASE
    assert (
        heartbeat_lease.beaten(lease, vs, RolloutId("r-1"), "store", 60.0, 2.0)["metadata"]["annotations"][beats] == "1"
    )


# What Redis holds


@pytest.mark.parametrize(
    "text",
    [
        "[" * 3000,
        '{"schema": Infinity}',
        "[]",
        '{"schema": 1, "rollout": []}',
        dump_rollout(a_rollout()).replace('"reviews"', r'"\ud800"', 1),
        dump_rollout(a_rollout()).replace('"reviews"', '"\ud800"', 1),
        dump_rollout(a_rollout()).replace('"stage":0', '"stage":99', 1),
        dump_rollout(a_rollout()).replace('"stage":0', '"stage":-1', 1),
    ],
    ids=[
        "deep",
        "infinite",
        "a list",
        "empty",
        "half a character",
        "half a raw one",
        "a stage too far",
        "a stage before",
    ],
)
def test_a_damaged_record_is_unreadable_and_nothing_else(text: str) -> None:
    with pytest.raises(Unreadable):
        load_rollout(text)


def test_a_freeze_until_the_end_of_time_is_stored_as_it_was_read() -> None:
    freeze = load_freeze(dump_freeze(a_freeze(until=math.inf)))

    assert freeze.until == math.inf


# Slack


@pytest.mark.parametrize(
    "view",
    [
        {"state": 7},
        {"state": {"values": {"service": {"value": None}}}},
        {"state": {"values": {"service": {"value": {"selected_option": "x", "selected_options": [7]}}}}},
        {"private_metadata": 7},
        {"private_metadata": "[" * 3000},
    ],
    ids=str,
)
def test_a_form_of_another_shape_is_one_with_empty_fields(view: dict[str, Any]) -> None:
    with pytest.raises(FormErrors):
        read_start(view)
    with pytest.raises(CanaryError):
        read_reason(view)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "block_actions", "user": {"id": "U0MAYA"}, "team": {"id": "T0CANARY"}, "actions": []},
        {"type": "block_actions", "user": "U0MAYA", "team": {"id": "T0CANARY"}, "actions": [{}]},
        {"type": "view_submission", "user": {"id": "U0MAYA"}, "team": {"id": "T0CANARY"}, "view": {}},
        {"command": "/canary", "team": "T0CANARY", "user_id": "U0MAYA", "text": 7},
    ],
    ids=str,
)
def test_a_payload_that_bolt_trips_over_ends_nothing(body: dict[str, Any]) -> None:
    payloads(json.dumps(body).encode())


@pytest.mark.parametrize("at", [math.inf, -math.inf, math.nan, 1e300, -1.0])
def test_a_moment_that_is_none_is_shown_as_text(at: float) -> None:
    assert date(at)["type"] == "text"
    assert "<!date" not in date_mrkdwn(at)


# Settings


def test_a_name_that_is_too_long_for_a_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"PROMETHEUS_CA_FILE=/{'x' * 5000}\n")

    with pytest.raises(SettingsError) as found:
        read_settings({}, tmp_path / ".env")

    assert any("PROMETHEUS_CA_FILE must be a file" in plain(reason) for reason in found.value.reasons)


# Logs


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_others_write_ends_no_line_and_moves_no_cursor(form: str) -> None:
    out = io.StringIO()
    before = structlog.get_config()
    configure(form, "info", out)
    try:
        structlog.get_logger("bot").warning("slack.refused", reason="a\nb\r\x1b[2K\x85\u2028\u202e", other="c")
    finally:
        structlog.configure(**before)

    line = out.getvalue()
    assert line.endswith("\n")
    assert line[:-1].isprintable()
