"""``services.yaml``: what each key means, and that every mistake is told at once with its line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent, indent
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.errors import Refusal
from bot.model.judge_settings import ERRORS, SLOW, STRICTNESS, Weights
from bot.model.service import (
    ApprovalRule,
    ApproveAt,
    ClientLimits,
    CustomGate,
    ErrorBudget,
    GateAction,
    GateLimits,
    HardLimit,
    Measure,
    MetricsSource,
    OnTimeout,
    Promote,
    Rule,
    ServiceConfig,
    Unproven,
)
from bot.settings.errors import SettingsError
from bot.settings.services import Catalogue, read_services, schema, schema_text
from bot.settings.types import parse_duration, spoken_duration
from bot.words.rendering import plain

ROOT = Path(__file__).parents[3]

LEAST = {
    "channel": "#releases",
    "namespace": "default",
    "virtual_service": "reviews",
    "destination_rule": "reviews",
    "primary": {"deployment": "reviews-v1"},
    "canary": {"deployment": "reviews-{version}"},
}


def read(folder: Path, text: str) -> Catalogue:
    file = folder / "services.yaml"
    file.write_text(dedent(text), encoding="utf-8")
    return read_services(file)


def errors(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read(folder, text)
    return [plain(reason).removeprefix("services.yaml ") for reason in raised.value.reasons]


def reasons(file: Path) -> tuple[str, ...]:
    """Why the file is refused; nothing when it is not."""
    try:
        read_services(file)
    except SettingsError as error:
        return tuple(map(plain, error.reasons))
    return ()


def reviews(folder: Path, more: str = "") -> ServiceConfig:
    """The service ``reviews`` with the least there must be, and ``more`` YAML."""
    return read(folder, least(more)).get("reviews")


def least(more: str = "") -> str:
    """A file whose service has what there must be in lines 3 to 10, and ``more`` from line 11 on."""
    return "services:\n  reviews:\n" + indent(yaml.safe_dump(LEAST) + dedent(more), "    ")


def test_the_shipped_file_is_bookinfos_reviews() -> None:
    assert read_services(ROOT / "services.yaml").get("reviews") == ServiceConfig(
        name="reviews",
        namespace="default",
        channel="#releases",
        virtual_service="reviews",
        destination_rule="reviews",
        primary_deployment="reviews-v1",
        canary_deployment="reviews-{version}",
        containers=("reviews",),
        host="reviews",
        mirror_methods=None,
        approvals=ApprovalRule(approvers=("@release-managers",)),
    )


def test_what_is_not_written_is_the_rules_default(tmp_path: Path) -> None:
    assert reviews(tmp_path) == ServiceConfig(
        name="reviews",
        namespace="default",
        channel="#releases",
        virtual_service="reviews",
        destination_rule="reviews",
        primary_deployment="reviews-v1",
        canary_deployment="reviews-{version}",
        host="reviews",
    )


def test_every_key_arrives_where_it_belongs(tmp_path: Path) -> None:
    file = """
        defaults: {approvers: ["@sre", U012345678], prometheus: {scrape_interval: 1s}}
        services:
          shop:
            channel: C0123456789
            namespace: web
            virtual_service: shop-routes
            destination_rule: shop-rule
            host: shop.web.svc.cluster.local
            routes: [http, "api v2"]
            primary: {deployment: shop-1, container: app}
            canary: {deployment: "shop-{version}", when_done: scale_down}
            approvals: {count: 2, self: true, timeout: 1h30m, on_timeout: abort}
            prometheus:
              {reporter: waypoint, source_workload: "gateway|web-.*", labels: {env: b, cluster: prod}, read_delay: 45s}
            mirror: {percent: 12.5%, methods: [GET, POST], for: 90s}
            weights: [1, 100]
            stage: {for: 500ms, approve: each}
            switchback: [10, 100]
            bake: 1d
            promote: adopt
            upgrade_timeout: 20m
            hold_patience: 2m
            gates:
              errors: {ceiling: 1%, tolerance: 2, slack: 0.01}
              latency: {bounds: [100, 250.5], tolerance: 3, slack: 1%, quantile: 0.5, max: 750}
              client_errors: {action: abort, tolerance: 1.5, slack: 1%, ceiling: 80%}
              limits: [{of: errors, max: 2%, relative: 3, action: hold, times: 2, within: 5}]
              early: true
              unproven: hold
              judge: {alpha: 0.01, patience: 6, weights: {errors: 0.5}, least: 90s}
              minimum_requests: 5
              warm_up: 0s
              coverage: 50%
              custom: [{name: lag, query: 'lag{n="$namespace"}[$window]', max: 100, min: 1, action: observe}]
    """
    assert read(tmp_path, file).get("shop") == ServiceConfig(
        name="shop",
        namespace="web",
        channel="C0123456789",
        virtual_service="shop-routes",
        destination_rule="shop-rule",
        primary_deployment="shop-1",
        canary_deployment="shop-{version}",
        containers=("app",),
        host="shop.web.svc.cluster.local",
        routes=("http", "api v2"),
        mirror_percent=12.5,
        mirror_methods=("GET", "POST"),
        mirror_seconds=90,
        weights=(1, 100),
        stage_seconds=0.5,
        approve=tuple(ApproveAt),
        switchback=(10, 100),
        bake_seconds=86400,
        promote=Promote.ADOPT,
        scale_canary_down=True,
        approvals=ApprovalRule(
            approvers=("@sre", "U012345678"), count=2, own=True, timeout=5400, on_timeout=OnTimeout.ABORT
        ),
        gates=GateLimits(
            judge=replace(
                STRICTNESS,
                alpha=0.01,
                patience=6,
                ceiling=0.01,
                errors=replace(ERRORS, tolerance=2, slack=0.01),
                slow=replace(SLOW, tolerance=3, slack=0.01),
                bounds=(100, 250.5),
                weights=Weights(errors=0.5),
                least_seconds=90,
                least_requests=5,
                latency_after=0,
            ),
            client_errors=ClientLimits(action=GateAction.ABORT, tolerance=1.5, slack=0.01, ceiling=0.8),
            limits=(
                HardLimit(name="p50", of=Measure.LATENCY, quantile=0.5, maximum=750),
                HardLimit(
                    name="error share against the other side",
                    of=Measure.ERRORS,
                    maximum=0.02,
                    relative=3,
                    action=GateAction.HOLD,
                    rule=Rule(times=2, within=5),
                ),
            ),
            early=True,
            unproven=Unproven.HOLD,
            custom=(
                CustomGate(
                    name="lag", query='lag{n="$namespace"}[$window]', maximum=100, minimum=1, action=GateAction.OBSERVE
                ),
            ),
            coverage=0.5,
        ),
        metrics=MetricsSource(
            scrape_interval=1,
            reporter="waypoint",
            source_workload="gateway|web-.*",
            labels=(("cluster", "prod"), ("env", "b")),
            read_delay=45,
        ),
        upgrade_timeout=1200,
        hold_patience=120,
    )


@pytest.mark.parametrize("off", ["off", '"off"', "false"])
def test_a_gate_can_be_switched_off(tmp_path: Path, off: str) -> None:
    assert reviews(tmp_path, f"gates: {{errors: {off}}}").gates == GateLimits(errors=False)
    assert reviews(tmp_path, f"gates: {{client_errors: {off}}}").gates == GateLimits(client_errors=None)


def test_defaults_are_merged_key_by_key_and_lists_are_taken_whole(tmp_path: Path) -> None:
    defaults = "defaults: {gates: {errors: {tolerance: 2, ceiling: 1%}, latency: off}, approvers: ['@a', '@b']}\n"
    more = "gates: {errors: {ceiling: 2%}, latency: {tolerance: 3}}\napprovers: ['@c']\nmirror:\n"

    service = read(tmp_path, defaults + least(more)).get("reviews")

    judge = service.gates.judge
    assert (judge.errors, judge.ceiling) == (replace(ERRORS, tolerance=2), 0.02)
    assert judge.slow == replace(SLOW, tolerance=3)
    assert service.approvals.approvers == ("@c",)


def test_anchors_and_merge_keys_are_understood(tmp_path: Path) -> None:
    more = "gates: {custom: [&one {name: a, query: up, max: 1}, {<<: *one, name: b}, {<<: *one, name: c, max: 2}]}"

    assert [(gate.name, gate.maximum) for gate in reviews(tmp_path, more).gates.custom] == [
        ("a", 1),
        ("b", 1),
        ("c", 2),
    ]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = """\
        defaults:
          bake: 10min
          approvals: {count: 0, timeout: 30}
        services:
          reviews:
            namespace: default
            virtual_service: reviews
            destination_rule: Reviews
            primary: {deployment: reviews-v1, cntainer: reviews}
            canary: {deployment: reviews_v2}
            weights: [20, 10]
            stage:
              for: 2m
              approve: [mirror, upgrades]
              for: 3m
            gates:
              latency:
                bounds:
                  - 300
                  - 200
        service: {}
    """
    assert errors(tmp_path, file) == [
        'line 2: defaults.bake: must be a duration such as 30s, 5m or 1h30m, not "10min"',
        "line 3: defaults.approvals.count: must be at least 1, not 0",
        "line 3: defaults.approvals.timeout: must be a duration such as 30s, 5m or 1h30m, not 30",
        "line 5: services.reviews.channel: is missing; say it here, or under defaults for all services",
        (
            "line 8: services.reviews.destination_rule: must be a Kubernetes name in small letters, "
            'or NAMESPACE/NAME, not "Reviews"'
        ),
        'line 9: services.reviews.primary.cntainer: is no known key; did you mean "container"?',
        (
            "line 10: services.reviews.canary.deployment: must be a Kubernetes name such as "
            'reviews-{version}, not "reviews_v2"'
        ),
        "line 11: services.reviews.weights: Weights must rise, and these do not: 20 and 10",
        (
            "line 14: services.reviews.stage.approve: must be `each` or a list of mirror, step, upgrade, switchback, "
            'not "mirror", "upgrades"'
        ),
        "line 15: services.reviews.stage.for: is already written in line 13",
        (
            "line 18: services.reviews.gates.latency.bounds: must be `auto` or rising milliseconds such as [100, 500], "
            "not 300, 200"
        ),
        'line 21: service: is no known key; did you mean "services"?',
    ]


@pytest.mark.parametrize(
    ("more", "mistake"),
    [
        (
            "weights: [20, 80]",
            "weights: Weights must end at 100, so that no user is on the primary while it is replaced",
        ),
        ("weights: []", "weights: must not be empty"),
        ("weights: [50, 120]", "weights: Weights are whole percent from 1 to 100, not 50 and 120"),
        ("weights: ['20', 100]", 'weights[0]: must be a whole number, not "20"'),
        ("switchback: [50]", "switchback: must rise and end at 100, so that every user is back on the primary, not 50"),
        ("bake: 1:30", "bake: must be a duration such as 30s, 5m or 1h30m, not 90"),
        ("bake: 2024-13-45", 'bake: must be a duration such as 30s, 5m or 1h30m, not "2024-13-45"'),
        ("upgrade_timeout: 0s", "upgrade_timeout: must be longer than 0s"),
        ("mirror: {percent: 120%}", 'mirror.percent: must be percent, above 0 and at most 100, not "120%"'),
        ("mirror: {methods: [get]}", "mirror.methods: must be `all` or a list of GET, HEAD"),
        ("mirror: 5m", 'mirror: must be a mapping with keys of its own, not "5m"'),
        ("gates: {errors: 5%}", 'gates.errors: must be a mapping of limits, or `off`, not "5%"'),
        (
            "gates: {errors: {ceiling: 5}}",
            "gates.errors.ceiling: must be a share such as 5% or 0.05, from 0 to 1, not 5",
        ),
        ("gates: {latency: {maximum: 5}}", 'gates.latency.maximum: is no known key; did you mean "max"?'),
        ("gates: {latency: {tolerance: .inf}}", "gates.latency.tolerance: must be a number, not inf"),
        ("gates: {custom: [{name: a, query: up}]}", "gates.custom[0]: needs max, min or both"),
        (
            "gates: {custom: [{name: a, query: $pod, max: 1}]}",
            "gates.custom[0].query: $pod is not filled in; known: $namesp",
        ),
        ("gates: {custom: [{query: up, max: 1}]}", "gates.custom[0].name: is missing"),
        ("approvals: {self: 1}", "approvals.self: must be true or false, not 1"),
        ("approvals: {on_timeout: promote}", 'approvals.on_timeout: must be "hold" or "abort", not "promote"'),
        ("prometheus: {labels: {'a b': x}}", "prometheus.labels.a b: must be the name of a label in Prometheus"),
        ("prometheus: {labels: {cluster: 3}}", "prometheus.labels.cluster: "),
        ("prometheus: {read_delay: 5}", "prometheus.read_delay: must be a duration such as 30s"),
        ("prometheus: {source_workload: '('}", "prometheus.source_workload: must be a regular expression, and"),
        ("routes: &me [*me]", "routes[0]: an alias may not point at what it is part of"),
    ],
)
def test_a_mistake_says_what_to_write_instead(tmp_path: Path, more: str, mistake: str) -> None:
    notified = errors(tmp_path, least(more))

    assert notified[0].startswith(f"line 11: services.reviews.{mistake}")
    assert "defaults" not in notified[0]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "line 1: the file is empty; see the example services.yaml"),
        ("services:\n", "line 1: services: is missing"),
        ("services: {}\n", "line 1: services: must not be empty"),
        ("- a\n", 'line 1: must be a mapping with keys of its own, not "a"'),
        ("services:\n  a: [1\n  b: 2\n", "line 3: this is not YAML: while parsing a flow sequence"),
        ("services: {}\n---\nservices: {}\n", "line 2: this is not YAML: expected a single document"),
        ("services: \x07\n", "line 1: this is not YAML: it has a character that cannot be printed"),
        ("services: !!python/name:os.system x\n", 'line 1: services: must be a mapping with keys of its own, not "x"'),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str, mistake: str) -> None:
    assert mistake in errors(tmp_path, text)[0]


def test_a_bad_default_that_every_service_replaces_is_still_a_mistake(tmp_path: Path) -> None:
    assert errors(tmp_path, "defaults: {bake: soon}\n" + least("bake: 1m")) == [
        'line 1: defaults.bake: must be a duration such as 30s, 5m or 1h30m, not "soon"'
    ]


@pytest.mark.parametrize("name", ["Reviews", "a b", "a/b", "x" * 64])
def test_a_service_has_a_name_that_can_be_typed(tmp_path: Path, name: str) -> None:
    [mistake] = errors(tmp_path, least().replace("reviews:", f"{name}:", 1))

    assert "must be a name of small letters, digits and dashes, at most 63 of them" in mistake


def test_the_same_service_cannot_be_written_twice(tmp_path: Path) -> None:
    assert errors(tmp_path, least() + "\n  reviews: {}\n") == [
        "line 12: services.reviews: is already written in line 2"
    ]


def test_a_file_that_is_not_there_is_a_mistake_and_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory"):
        read_services(tmp_path / "none.yaml")


def test_an_unknown_service_is_refused_with_those_there_are(tmp_path: Path) -> None:
    catalogue = read(tmp_path, least())

    with pytest.raises(Refusal, match=r'There is no service "ratings" in services.yaml. Known: reviews.'):
        catalogue.get("ratings")
    assert (catalogue.names, "reviews" in catalogue, len(catalogue)) == (("reviews",), True, 1)


def test_the_published_schema_is_the_one_the_code_reads_by() -> None:
    assert (ROOT / "docs" / "services.schema.json").read_text(encoding="utf-8") == schema_text()


def validator_of(published: dict[str, Any]) -> Any:
    """Imported where it is needed: with what it needs for addresses it takes seconds, of each process that collects."""
    import jsonschema  # noqa: PLC0415

    return jsonschema.Draft202012Validator(published)


def test_the_shipped_file_and_the_rules_defaults_fit_the_schema() -> None:
    published = schema()  # drawn from the models, which takes a while
    validator = validator_of(published)
    validator.check_schema(published)

    validator.validate(yaml.safe_load((ROOT / "services.yaml").read_text(encoding="utf-8")))
    validator.validate({"services": {"reviews": {**LEAST, "gates": {"errors": "off", "latency": False}}}})
    for section in published["$defs"].values():
        for part in section.get("properties", {}).values():
            if "default" in part and isinstance(part["default"], str | list | float | int):
                validator.evolve(schema={**part, "$defs": published["$defs"]}).validate(part["default"])


@pytest.mark.parametrize(
    "more", [{"weightz": [100]}, {"bake": 10}, {"canary": {"deployment": "v_2"}}, {"weights": [0]}]
)
def test_the_schema_refuses_what_the_code_refuses(more: dict[str, object]) -> None:
    file = {"services": {"reviews": {**LEAST, **more}}}

    assert not validator_of(schema()).is_valid(file)


PIECES = [
    "~",
    "[",
    "{",
    ": ",
    "- ",
    "&a ",
    "*a ",
    "<<: ",
    "1:30",
    "2020-02-30",
    "\t",
    "\n",
    "!!int ",
    "!!timestamp 3",
    "? ",
]


@settings(deadline=None)  # what is read, not how fast on a busy machine
@given(st.lists(st.tuples(st.integers(min_value=0, max_value=2000), st.sampled_from(PIECES)), min_size=1, max_size=4))
def test_a_file_with_anything_typed_into_it_is_read_or_refused_in_words(typed: list[tuple[int, str]]) -> None:
    text = (ROOT / "services.yaml").read_text(encoding="utf-8")
    for position, piece in typed:
        text = text[:position] + piece + text[position:]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "services.yaml"
        file.write_text(text, encoding="utf-8")

        assert all(notified.startswith("services.yaml line ") for notified in reasons(file))


@given(st.integers(min_value=0, max_value=10**9))
def test_a_spoken_duration_means_what_it_was(milliseconds: int) -> None:
    assert parse_duration(spoken_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


def test_one_question_may_have_another_rule_than_the_others(tmp_path: Path) -> None:
    written = "approvals: {count: 1, timeout: 10m, at: {upgrade: {count: 2, self: true, approvers: [S0LEADS1]}}}"
    service = reviews(tmp_path, written)

    assert service.approvals == ApprovalRule(count=1, timeout=600.0)
    assert service.approvals_at == {
        ApproveAt.UPGRADE: ApprovalRule(count=2, own=True, timeout=600.0, approvers=("S0LEADS1",))
    }


@pytest.mark.parametrize(("written", "place"), [("shop", ("default", "shop")), ("ingress/shop", ("ingress", "shop"))])
def test_mesh_objects_may_be_in_another_namespace(tmp_path: Path, written: str, place: tuple[str, str]) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(
        f"""
        services:
          shop:
            {{namespace: default, channel: "#releases", virtual_service: {written}, destination_rule: {written},
             primary: {{deployment: shop-1}}, canary: {{deployment: "shop-{{version}}"}}}}
        """
    )
    service = read_services(file).get("shop")
    assert (service.routes_at, service.rule_at) == (place, place)


SEVERAL = """
        services:
          shop:
            {{namespace: default, channel: "#releases", {keys}, destination_rule: shop,
             primary: {{deployment: shop-1}}, canary: {{deployment: "shop-{{version}}"}}}}
        """


def test_users_may_come_by_several_virtual_services(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(SEVERAL.format(keys="virtual_services: [ingress/edge, shop]"))

    service = read_services(file).get("shop")

    assert service.virtual_service_keys == (("ingress", "edge"), ("default", "shop"))
    assert (service.routes_at, service.routes_names) == (("ingress", "edge"), "ingress/edge, default/shop")


@pytest.mark.parametrize(
    ("keys", "notified"),
    [
        ("virtual_services: [edge], virtual_service: edge", "name either virtual_service or virtual_services"),
        ("virtual_services: [edge, default/edge]", "names one VirtualService twice"),
        ("virtual_services: []", "virtual_service"),
        ("virtual_services: [In/shop]", "NAMESPACE/NAME"),
        ("virtual_services: edge", "list"),
        ("virtual_services: [3]", "virtual_services"),
    ],
)
def test_a_list_of_virtual_services_that_says_nothing_clear_is_refused(
    tmp_path: Path, keys: str, notified: str
) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(SEVERAL.format(keys=keys))

    with pytest.raises(SettingsError) as refused:
        read_services(file)

    assert notified in " ".join(map(plain, refused.value.reasons))


def test_a_list_of_one_is_that_one(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(SEVERAL.format(keys="virtual_services: [ingress/edge]"))
    listed = read_services(file).get("shop")
    file.write_text(SEVERAL.format(keys="virtual_service: ingress/edge"))
    assert read_services(file).get("shop") == listed


@pytest.mark.parametrize("written", ["/shop", "ingress/", "a/b/c", "In/shop", "in.gress/shop"])
def test_a_namespace_is_written_as_kubernetes_has_it(tmp_path: Path, written: str) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(
        f"""
        services:
          shop:
            {{namespace: default, channel: "#releases", virtual_service: "{written}", destination_rule: shop,
             primary: {{deployment: shop-1}}, canary: {{deployment: "shop-{{version}}"}}}}
        """
    )
    with pytest.raises(Refusal, match="NAMESPACE/NAME"):
        read_services(file)


def test_several_containers_can_be_the_version(tmp_path: Path) -> None:
    text = """
        services:
          shop:
            {namespace: default, channel: "#releases", virtual_service: shop, destination_rule: shop,
             primary: {deployment: shop-1, KEYS}, canary: {deployment: "shop-{version}"}}
        """
    file = tmp_path / "services.yaml"
    file.write_text(text.replace("KEYS", "containers: [app, migrate]"))
    assert read_services(file).get("shop").containers == ("app", "migrate")
    file.write_text(text.replace("KEYS", "containers: [app, migrate], container: app"))
    with pytest.raises(Refusal, match="name either container or containers"):
        read_services(file)


def test_an_error_budget_is_an_objective_and_the_time_it_is_counted_over(tmp_path: Path) -> None:
    assert reviews(tmp_path, "budget: 99.9%/30d").budget == ErrorBudget(objective=0.999, window=30 * 86400.0)
    assert reviews(tmp_path).budget is None


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("99.9%", 'must be an error budget such as 99.9%/30d, above 0% and below 100%, not "99.9%"'),
        ("0.999/30d", 'must be an error budget such as 99.9%/30d, above 0% and below 100%, not "0.999/30d"'),
        ("100%/30d", 'must be an error budget such as 99.9%/30d, above 0% and below 100%, not "100%/30d"'),
        ("0%/30d", 'must be an error budget such as 99.9%/30d, above 0% and below 100%, not "0%/30d"'),
        ("99.9", "must be an error budget such as 99.9%/30d, above 0% and below 100%, not 99.9"),
        ("[99.9%, 30d]", 'must be an error budget such as 99.9%/30d, above 0% and below 100%, not "99.9%", "30d"'),
        ("99.9%/30", 'the time after the slash must be a duration such as 30s, 5m or 1h30m, not "30"'),
        ("99.9%/0s", "the time after the slash must be longer than 0s"),
        ("99.9%/9999d", "the time after the slash must be at most 366d"),
        ("99.9%/30d/7d", "the time after the slash must be a duration"),
    ],
)
def test_anything_else_is_no_error_budget_and_the_sentence_shows_one(tmp_path: Path, written: str, says: str) -> None:
    file = tmp_path / "services.yaml"
    file.write_text(least(f"budget: {written}"), encoding="utf-8")

    (sentence,) = reasons(file)

    assert sentence.startswith(
        "services.yaml line 11: services.reviews.budget: must be an error budget such as 99.9%/30d"
    )
    assert says in sentence
