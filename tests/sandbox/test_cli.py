"""The command line as a person types it, against the Kubernetes stand-in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis as Client

from bot import bootstrap
from bot.adapters.redis_connection import connect
from bot.adapters.redis_freezes import RedisFreezes
from bot.settings.env import read_settings
from sandbox.catalogue import listed, reviews, services_yaml
from sandbox.kube import bookinfo
from sandbox.kube.server import KubeApi
from sandbox.redis import Redis
from tests.builders import MAYA, a_freeze
from tests.sandbox import command_line

ROOT = Path(__file__).parents[2]
Environment = dict[str, str]


@pytest.fixture
def kube() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.02) as api:
        yield api


def environment(kube: KubeApi, folder: Path, services: str | None = None) -> Environment:
    file = folder / "services.yaml"
    file.write_text(services if services is not None else services_yaml({"reviews": reviews()}))
    return {
        "PATH": "/usr/bin:/bin",
        "KUBECONFIG": str(kube.write_kubeconfig(folder / "kubeconfig")),
        "SERVICES_FILE": str(file),
        "PROMETHEUS_URL": "http://127.0.0.1:9",  # nobody listens there
        "REDIS_URL": "redis://127.0.0.1:9/0",
    }


def canary_bot(env: Environment, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in an empty folder, with this environment and no other."""
    return command_line.run(words, env, folder)


def deploy(kube: KubeApi, objects: list[dict[str, Any]]) -> None:
    kube.load(objects)
    wanted = [thing for thing in objects if thing["kind"] == "Deployment"]

    def ready() -> bool:
        live = (kube.store.get("Deployment", "default", thing["metadata"]["name"]) or {} for thing in wanted)
        return all(thing.get("status", {}).get("readyReplicas") == thing["spec"]["replicas"] for thing in live)

    assert kube.store.wait_until(ready)


def reading(route: dict[str, Any]) -> tuple[dict[str, int], str | None]:
    """Weights by subset that are not zero, and the subset that gets copies; a mirror of 0 % is no mirror."""
    weights = {d["destination"]["subset"]: d["weight"] for d in route["route"] if d["weight"]}
    percent = route.get("mirrorPercentage", {}).get("value", 100)
    return weights, route["mirror"]["subset"] if "mirror" in route and percent else None


def edit_by_hand(kube: KubeApi) -> None:
    """The VirtualService gets a label, and with it managedFields."""
    [service] = kube.store.list("VirtualService")
    service["metadata"]["labels"] = {"team": "books"}
    kube.replace_as("kubectl-edit", service)
    assert "managedFields" in kube.store.list("VirtualService")[0]["metadata"]


def test_the_plan_of_a_relabel_service_is_the_source_documents_manifests(kube: KubeApi, tmp_path: Path) -> None:
    deploy(kube, bookinfo.relabel_objects())
    primary, canary = {"deployment": "reviews", "container": "reviews"}, {"deployment": "reviews-canary"}
    env = environment(kube, tmp_path, services_yaml({"reviews": reviews(primary=primary, canary=canary)}))
    edit_by_hand(kube)
    before = kube.store.list("VirtualService")

    done = canary_bot(env, tmp_path, "plan", "reviews", "v2")

    documents = list(yaml.safe_load_all(done.stdout))
    stages = [line.removeprefix("# stage: ") for line in done.stdout.splitlines() if line.startswith("# stage: ")]
    shifts = [f"shift {weight}" for weight in (20, 40, 60, 80, 100)]
    assert (done.returncode, stages) == (0, ["mirror", *shifts, "upgrade", "switchback 100", "bake", "finish"])
    shown = [reading(thing["spec"]["http"][0]) for thing in documents if thing and thing["kind"] == "VirtualService"]
    final = ({"v2": 100}, None)
    assert shown == [
        ({"v1": 100}, "v2"),
        ({"v1": 80, "v2": 20}, None),
        ({"v1": 60, "v2": 40}, None),
        ({"v1": 40, "v2": 60}, None),
        ({"v1": 20, "v2": 80}, None),
        final,
        final,
        final,
        final,
    ]
    upgrade = documents[stages.index("upgrade")]
    assert upgrade["spec"]["template"]["metadata"]["labels"] == {"version": "v2"}
    assert "reviews-v2" in upgrade["spec"]["template"]["spec"]["containers"][0]["image"]
    assert not (documents[-1]["metadata"].get("annotations"))
    assert "managedFields" not in done.stdout
    assert kube.store.list("VirtualService") == before


def test_a_plan_is_json_for_programs(kube: KubeApi, tmp_path: Path) -> None:
    deploy(kube, bookinfo.objects())
    edit_by_hand(kube)

    done = canary_bot(environment(kube, tmp_path), tmp_path, "plan", "reviews", "v2", "--output", "json")

    stages = json.loads(done.stdout)["stages"]
    assert "managedFields" not in done.stdout
    assert stages[0]["objects"][0]["spec"]["http"][0]["mirror"] == {"host": "reviews", "subset": "v2"}
    assert stages[-1]["objects"][0]["spec"]["http"][0]["route"][0]["weight"] == 100


def test_gitops_prints_rules_that_can_be_pasted_for_the_tool_that_keeps_the_objects(
    kube: KubeApi, tmp_path: Path
) -> None:
    deploy(kube, bookinfo.objects())
    env = environment(kube, tmp_path)

    nobody = canary_bot(env, tmp_path, "gitops", "reviews")
    live = kube.store.get("VirtualService", "default", "reviews") or {}
    live["metadata"].setdefault("labels", {})["kustomize.toolkit.fluxcd.io/name"] = "shop"
    kube.replace_as("kustomize-controller", live)
    flux = canary_bot(env, tmp_path, "gitops", "reviews")
    argo = canary_bot(env, tmp_path, "gitops", "reviews", "v2", "--tool", "argocd")

    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "Name one with `--tool`." in nobody.stderr
    assert flux.stderr == ""
    (seen,) = yaml.safe_load_all(flux.stdout)
    assert seen["spec"]["ignore"] == [
        {
            "paths": ["/spec/http"],
            "target": {
                "group": "networking.istio.io",
                "kind": "VirtualService",
                "name": "reviews",
                "namespace": "default",
            },
        }
    ]
    assert "reconcile=disabled" in flux.stdout
    (shown,) = yaml.safe_load_all(argo.stdout)
    kinds = {rule["kind"]: rule["jqPathExpressions"] for rule in shown["spec"]["ignoreDifferences"]}
    assert ".spec.http[].route" in kinds["VirtualService"]
    assert '.spec.template.spec.containers[] | select(.name == "reviews") | .image' in kinds["Deployment"]


def a_pair(kube: KubeApi, folder: Path) -> Environment:
    """Two VirtualServices, of which the one at the gateway lives beside it."""
    deploy(kube, bookinfo.placed(bookinfo.with_callers_inside(bookinfo.objects())))
    text = services_yaml({"reviews": listed(reviews(virtual_service="istio-system/reviews"))})
    return environment(kube, folder, text)


@pytest.mark.parametrize("tool", ["argocd", "flux", "helmrelease"])
def test_rules_of_a_gitops_tool_cover_both_of_two_virtual_services(tool: str, kube: KubeApi, tmp_path: Path) -> None:
    env = a_pair(kube, tmp_path)

    done = canary_bot(env, tmp_path, "gitops", "reviews", "v2", "--tool", tool)

    assert done.stderr == ""
    (shown,) = yaml.safe_load_all(done.stdout)
    found = [*_named_in(shown)]
    assert ("istio-system", "reviews") in found
    assert ("default", "inside") in found


def _named_in(part: Any) -> Iterator[tuple[str, str]]:
    """Namespace and name of every VirtualService in what is printed."""
    if isinstance(part, dict):
        if part.get("kind") == "VirtualService":
            yield str(part.get("namespace")), str(part.get("name"))
        part = list(part.values())
    for one in part if isinstance(part, list) else ():
        yield from _named_in(one)


def test_check_looks_at_both_of_two_virtual_services_and_asks_for_a_watchdog_in_either_namespace(
    kube: KubeApi, tmp_path: Path
) -> None:
    env = a_pair(kube, tmp_path)

    whole = canary_bot(env, tmp_path, "check").stdout
    kube.store.delete("VirtualService", "default", "inside")
    kube.forbid(verb="update", kind="VirtualService", namespace="istio-system")
    lacking = canary_bot(env, tmp_path, "check").stdout

    watchdogs = [line for line in whole.splitlines() if line.split()[1] == "watchdog"]
    assert [
        space for space in ("istio-system", "default") if any(f"namespace {space}" in one for one in watchdogs)
    ] == [
        "istio-system",
        "default",
    ]
    assert "there is no VirtualService inside in namespace default" in lacking
    assert "canary-bot may not update virtualservices reviews in namespace istio-system" in lacking


def test_a_plan_that_cannot_be_made_says_every_reason(kube: KubeApi, tmp_path: Path) -> None:
    deploy(kube, [thing for thing in bookinfo.objects() if thing["kind"] != "VirtualService"])

    done = canary_bot(environment(kube, tmp_path), tmp_path, "plan", "reviews", "v9")

    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no VirtualService reviews" in done.stderr
    assert "There is no Deployment reviews-v9" in done.stderr


def test_init_makes_the_mesh_objects_that_a_plan_then_accepts(kube: KubeApi, tmp_path: Path) -> None:
    mesh = {"VirtualService", "DestinationRule", "Gateway"}
    deploy(kube, [thing for thing in bookinfo.objects() if thing["kind"] not in mesh])
    env = environment(kube, tmp_path)

    shown = canary_bot(env, tmp_path, "init", "reviews")
    applied = canary_bot(env, tmp_path, "init", "reviews", "--apply")
    again = canary_bot(env, tmp_path, "init", "reviews", "--apply")

    assert [thing["kind"] for thing in yaml.safe_load_all(shown.stdout)] == [
        "Gateway",
        "DestinationRule",
        "VirtualService",
    ]
    assert applied.stdout.count("created.") == 3
    assert again.stdout == "Nothing is missing: every object is there and says what a release needs.\n"
    assert canary_bot(env, tmp_path, "plan", "reviews", "v2").returncode == 0


def test_check_says_a_line_for_each_connection_and_what_to_do(kube: KubeApi, tmp_path: Path) -> None:
    deploy(kube, bookinfo.objects())
    env = environment(kube, tmp_path) | {
        "SLACK_BOT_TOKEN": "xoxb-wrong",
        "SLACK_APP_TOKEN": "xapp-wrong",
        "SLACK_API_URL": "http://127.0.0.1:9/api/",
    }

    done = canary_bot(env, tmp_path, "check")

    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert done.returncode == 1
    parts = {"settings", "services", "redis", "prometheus", "kubernetes", "reviews", "slack"}
    assert set(lines) - {"watchdog"} == parts
    assert lines["kubernetes"].startswith("ok")
    assert lines["reviews"].startswith("ok")
    assert "Check REDIS_URL" in lines["redis"]
    assert "Check PROMETHEUS_URL" in lines["prometheus"]
    assert "xoxb-wrong" not in done.stdout + done.stderr


def test_check_names_the_line_of_a_deployment_that_is_not_there(kube: KubeApi, tmp_path: Path) -> None:
    deploy(kube, bookinfo.objects())
    text = services_yaml({"reviews": reviews(primary={"deployment": "reviews-v0", "container": "reviews"})})

    done = canary_bot(environment(kube, tmp_path, text), tmp_path, "check")

    at = next(number for number, line in enumerate(text.splitlines(), 1) if "reviews-v0" in line)
    assert f"services.yaml line {at}: there is no Deployment reviews-v0" in done.stdout


def test_mistakes_in_services_yaml_are_all_told_at_once_with_their_lines(kube: KubeApi, tmp_path: Path) -> None:
    wrong = reviews(weights=[20, 10, 100], bake="10min", wieghts=[1])
    text = services_yaml({"reviews": wrong})

    done = canary_bot(environment(kube, tmp_path, text), tmp_path, "check")

    lines = text.splitlines()
    assert done.returncode == 1
    for key in ("weights", "bake", "wieghts"):
        at = next(number for number, line in enumerate(lines, 1) if line.startswith(f"    {key}:"))
        assert f"line {at}: services.reviews.{key}" in done.stdout + done.stderr


def test_check_says_what_is_wrong_with_redis_and_with_which_login(kube: KubeApi, tmp_path: Path) -> None:
    deploy(kube, bookinfo.objects())
    with Redis(tmp_path / "redis") as redis:
        open_to_all = canary_bot(environment(kube, tmp_path) | {"REDIS_URL": redis.url}, tmp_path, "check").stdout
        with Client.from_url(redis.url) as client:
            client.config_set("requirepass", "hunter2")
            client.config_set("maxmemory-policy", "allkeys-lru")
            client.config_set("maxmemory", "100mb")
        env = environment(kube, tmp_path) | {
            "REDIS_URL": redis.url.replace("redis://", "redis://:hunter2@"),
            "CANARY_SIGNING_KEY": "k" * 32,
        }
        closed = canary_bot(env, tmp_path, "check")

    assert "warn  redis        asks for no password" in open_to_all
    assert "warn  redis        holds nothing that says who wrote it" in open_to_all
    assert "ok    redis        answers" in closed.stdout
    assert "FAIL  redis        may evict live rollouts" in closed.stdout
    assert "asks for no password" not in closed.stdout
    assert "holds nothing" not in closed.stdout
    assert "hunter2" not in closed.stdout + closed.stderr


def test_status_and_abort_say_that_there_is_nothing(kube: KubeApi, tmp_path: Path) -> None:
    deploy(kube, bookinfo.objects())
    with Redis(tmp_path / "redis") as redis:
        env = environment(kube, tmp_path) | {"REDIS_URL": redis.url}

        assert canary_bot(env, tmp_path, "status").stdout == "No rollout is live.\n"
        assert canary_bot(env, tmp_path, "history", "reviews").stdout == "No rollout has been started yet.\n"
        refused = canary_bot(env, tmp_path, "abort", "reviews", "--reason", "because")
        assert (refused.returncode, refused.stderr.split(".")[0]) == (1, "reviews has no rollout")


@pytest.fixture
def live(kube: KubeApi, tmp_path: Path) -> Iterator[Environment]:
    """A rollout of reviews mirrors; then services.yaml gets a mistake."""
    deploy(kube, bookinfo.objects())
    with Redis(tmp_path / "redis") as redis:
        env = environment(kube, tmp_path) | {"REDIS_URL": redis.url}
        adapters = bootstrap.connect(read_settings(env, tmp_path / "no.env"))
        bootstrap.make_controller(adapters).start("reviews", "v2", by=MAYA)
        (tmp_path / "services.yaml").write_text("services: {reviews: {spacename: default}}")
        yield env


def mirrored(kube: KubeApi) -> bool:
    [service] = kube.store.list("VirtualService")
    return any("mirror" in route for route in service["spec"]["http"])


def annotations_on(kube: KubeApi) -> list[str]:
    [service] = kube.store.list("VirtualService")
    return [name for name in service["metadata"].get("annotations", {}) if name.startswith("canary-bot/")]


def test_a_live_rollout_is_shown_and_aborted_although_services_yaml_cannot_be_read(
    kube: KubeApi, live: Environment, tmp_path: Path
) -> None:
    shown = canary_bot(live, tmp_path, "status", "reviews")
    planned = canary_bot(live, tmp_path, "plan", "reviews", "v2")
    aborted = canary_bot(live, tmp_path, "abort", "default/reviews", "--reason", "it smells")

    assert (shown.returncode, shown.stdout.split(" (")[0]) == (0, "reviews v2")
    assert "`canary-bot check` lists every mistake" in shown.stderr
    assert (planned.returncode, "spacename" in planned.stderr) == (1, True)
    assert (aborted.returncode, aborted.stdout, mirrored(kube), annotations_on(kube)) == (
        0,
        "reviews v2: aborted.\n",
        False,
        [],
    )


def test_a_live_rollout_is_abandoned_and_nothing_is_moved(kube: KubeApi, live: Environment, tmp_path: Path) -> None:
    assert canary_bot(live, tmp_path, "abandon", "reviews").returncode == 2  # a reason is needed
    done = canary_bot(live, tmp_path, "abandon", "reviews", "--reason", "the namespace goes")

    assert (done.returncode, " abandoned the rollout at mirror: " in done.stdout) == (0, True)
    assert (mirrored(kube), annotations_on(kube)) == (True, [])
    assert canary_bot(live, tmp_path, "status").stdout == "No rollout is live.\n"


def test_a_rollout_whose_virtual_service_is_gone_is_abandoned(kube: KubeApi, live: Environment, tmp_path: Path) -> None:
    kube.store.delete("VirtualService", "default", "reviews")

    assert canary_bot(live, tmp_path, "abandon", "reviews", "--reason", "it was deleted").returncode == 0


def test_status_and_history_tell_of_freezes(kube: KubeApi, tmp_path: Path) -> None:
    deploy(kube, bookinfo.objects())
    with Redis(tmp_path / "redis") as redis:
        env = environment(kube, tmp_path) | {"REDIS_URL": redis.url}
        connection = connect(redis.url)
        RedisFreezes(connection).freeze(a_freeze())
        RedisFreezes(connection).freeze(a_freeze("ratings"))
        connection.close()

        shown = canary_bot(env, tmp_path, "status", "reviews").stdout
        past = canary_bot(env, tmp_path, "history", "reviews").stdout

    assert shown.splitlines() == [
        "No rollout is live.",
        "reviews is frozen since 1970-01-01 00:16 UTC by U0MAYA, until somebody ends it: database migration.",
    ]
    assert past.splitlines()[1:] == ["1970-01-01 00:16 UTC  U0MAYA froze reviews: database migration"]


def test_usage_is_two_and_a_version_needs_no_settings(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}  # this tree's own program, from its very beginning

    def program(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "bot", *words]
        return subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  # our own words

    assert program("nonsense").returncode == 2
    assert program("version").stdout.count(".") == 2
