"""What ``canary-bot check`` says of each system: which one it is, and what it lacks, whatever the others do."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.cli.check import Line, check
from bot.cli.check_systems import ASKED_AT_ONCE
from bot.settings.env import read_settings
from bot.words.rendering import plain
from sandbox.catalogue import reviews, services_yaml
from sandbox.kube import bookinfo
from sandbox.kube.server import KubeApi
from sandbox.ports import free_port
from sandbox.webhooks import Receiver
from sandbox.wire import Moment, Request, Trouble
from tests.fakes.slack_client import FakeSlack

ROOT = Path(__file__).parents[2]


@pytest.fixture
def kube() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.02).load(bookinfo.objects()) as api:
        yield api


def environment(kube: KubeApi, folder: Path, **changes: str) -> dict[str, str]:
    file = folder / "services.yaml"
    if not file.exists():
        file.write_text(services_yaml({"reviews": reviews()}))
    return {
        "KUBECONFIG": str(kube.write_kubeconfig(folder / "kubeconfig")),
        "SERVICES_FILE": str(file),
        "PROMETHEUS_URL": "http://127.0.0.1:9",  # nobody listens there
        "REDIS_URL": "redis://127.0.0.1:9/0",
        **changes,
    }


def said(environ: dict[str, str], part: str) -> list[Line]:
    return [line for line in check(read_settings(environ)) if line.part == part]


@contextmanager
def a_prometheus(series: int) -> Iterator[str]:
    """One that counts so many series of whatever it is asked for."""

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = [{"metric": {}, "value": [1.0, str(series)]}] if series or "vector" in self.path else []
            answer = {"status": "success", "data": {"resultType": "vector", "result": found}}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_cluster_is_told_with_its_server_its_context_and_our_account(kube: KubeApi, tmp_path: Path) -> None:
    (line,) = said(environment(kube, tmp_path), "kubernetes")

    assert line.ok
    assert "127.0.0.1" in plain(line.sentence)
    assert "(context " in plain(line.sentence)
    assert "we are system:serviceaccount:default:canary-bot" in plain(line.sentence)


def test_each_verb_that_is_missing_is_told_with_the_rule_to_add(kube: KubeApi, tmp_path: Path) -> None:
    for verb, kind in (
        ("update", "VirtualService"),
        ("create", "Lease"),
        ("list", "ReplicaSet"),
        ("get", "Service"),
    ):
        kube.forbid(verb=verb, kind=kind, namespace="default")
    kube.forbid(verb="list", kind="HorizontalPodAutoscaler", namespace="default")

    kube.forbid(verb="get", kind="Gateway", namespace="istio-system")

    lines = said(environment(kube, tmp_path), "reviews")

    failed = [plain(line.sentence) for line in lines if not line.ok]
    rules = (
        "resources: [virtualservices], resourceNames: [reviews], verbs: [update]}",
        "resources: [leases], verbs: [create]}",
        "resources: [replicasets], verbs: [list]}",
        "resources: [services], verbs: [get]}",
    )
    assert [rule for rule in rules if not any(rule in sentence for sentence in failed)] == []
    doubts = [plain(line.sentence) for line in lines if line.doubt and line.ok]
    assert [sentence for sentence in doubts if "[horizontalpodautoscalers]" in sentence]
    assert [sentence for sentence in doubts if "[gateways]" in sentence and "istio-system" in sentence]


def test_a_watchdogs_lease_is_told_with_a_right_only_where_that_is_missing(kube: KubeApi, tmp_path: Path) -> None:
    kube.fail_next(verb="get", kind="Lease", status=504)
    (late,) = said(environment(kube, tmp_path), "watchdog")
    kube.forbid(verb="get", kind="Lease", namespace="default")
    (forbidden,) = said(environment(kube, tmp_path), "watchdog")

    assert not late.ok
    assert "Role" not in plain(late.sentence)
    assert "Its Role needs `get` of it." in plain(forbidden.sentence)


def test_with_every_right_one_line_says_so(kube: KubeApi, tmp_path: Path) -> None:
    assert "may do all" in plain(said(environment(kube, tmp_path), "reviews")[-1].sentence)


@pytest.mark.parametrize(("series", "fine"), [(0, False), (12, True)])
def test_a_prometheus_without_istios_series_is_told(kube: KubeApi, tmp_path: Path, series: int, fine: bool) -> None:  # noqa: FBT001
    with a_prometheus(series) as url:
        lines = said(environment(kube, tmp_path, PROMETHEUS_URL=url), "prometheus")

    assert plain(lines[0].sentence) == f"{url} answers"
    assert all(line.ok for line in lines) is fine
    assert fine or "no series `istio_requests_total`" in plain(lines[1].sentence)


def test_a_cluster_that_cannot_be_told_keeps_nothing_else_from_being_asked(kube: KubeApi, tmp_path: Path) -> None:
    with FakeSlack() as slack, a_prometheus(3) as url:
        environ = environment(kube, tmp_path, PROMETHEUS_URL=url, KUBE_CONTEXT="no-such-context")
        environ |= {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s", "SLACK_API_URL": f"{slack.url}/api/"}
        lines = {line.part: line for line in check(read_settings(environ))}

    assert not lines["kubernetes"].ok
    assert lines["services"].ok
    assert lines["prometheus"].ok
    assert lines["slack"].ok


def test_a_redis_that_cannot_be_spoken_of_is_told_as_redis_and_the_cluster_is_asked(
    kube: KubeApi, tmp_path: Path
) -> None:
    environ = environment(kube, tmp_path, REDIS_URL="redis+cluster://127.0.0.1:9")

    lines = {line.part: line for line in check(read_settings(environ))}

    assert not lines["redis"].ok
    assert lines["kubernetes"].ok


def test_mistakes_in_services_yaml_keep_nothing_else_from_being_asked(kube: KubeApi, tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text("services: {reviews: {weights: x, bake: y}}")

    lines = list(check(read_settings(environment(kube, tmp_path))))

    assert len([line for line in lines if line.part == "services" and not line.ok]) > 2
    assert {"redis", "prometheus", "kubernetes", "slack"} <= {line.part for line in lines}


@pytest.mark.parametrize(
    ("method", "code", "said_of_it"),
    [
        ("auth.test", "token_revoked", "auth.test: token_revoked). Copy SLACK_BOT_TOKEN anew"),
        ("apps.connections.open", "invalid_auth", "apps.connections.open: invalid_auth). Copy SLACK_APP_TOKEN anew"),
        ("apps.connections.open", "fatal_error", "apps.connections.open answers fatal_error."),
    ],
)
def test_what_slack_refuses_is_told_with_method_and_code(
    kube: KubeApi, tmp_path: Path, method: str, code: str, said_of_it: str
) -> None:
    with FakeSlack() as slack:
        slack.fail(method, code)
        environ = environment(kube, tmp_path, SLACK_API_URL=f"{slack.url}/api/")
        (line,) = said(environ | {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}, "slack")

    assert not line.ok
    assert said_of_it in plain(line.sentence)


def test_the_workspace_is_told_and_a_scope_that_one_can_do_without(kube: KubeApi, tmp_path: Path) -> None:
    with FakeSlack() as slack:
        slack.scopes = "chat:write,channels:read,groups:read,usergroups:read"
        environ = environment(kube, tmp_path, SLACK_API_URL=f"{slack.url}/api/")
        identity, scope = said(environ | {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}, "slack")

    assert "T0CANARY" in plain(identity.sentence)
    assert scope.doubt
    assert "users:read" in plain(scope.sentence)


def test_a_reader_who_has_enough_ends_it_quietly(kube: KubeApi, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "bot", "check"]
    env = environment(kube, tmp_path) | {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:  # noqa: S603  # our own words
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().startswith(b"ok    settings")
        running.stdout.close()
        complaints = running.stderr.read()
        running.wait(timeout=60)

    assert complaints == b""
    assert running.returncode == 1


def test_each_webhook_is_connected_to_and_told_nothing(kube: KubeApi, tmp_path: Path) -> None:
    with Receiver() as receiver:
        hooks = [
            {"name": "tests", "url": receiver.url("/run"), "when": "before_users"},
            {"name": "gone", "url": f"http://127.0.0.1:{free_port()}/in-secret", "when": "end"},
            {"name": "unsigned", "url": receiver.url("/run"), "when": "end", "secret_env": "WEBHOOK_NOWHERE"},
        ]
        (tmp_path / "services.yaml").write_text(services_yaml({"reviews": reviews(webhooks=hooks)}))
        lines = [one for one in said(environment(kube, tmp_path), "reviews") if "webhook" in plain(one.sentence)]

        assert [(line.ok, plain(line.sentence)) for line in lines] == [
            (True, "webhook tests can be reached"),
            (False, "webhook gone: nothing listens there."),
            (False, "webhook unsigned: there is no secret to sign with at WEBHOOK_NOWHERE."),
        ]
        assert receiver.heard == []


def test_a_server_that_says_of_no_right_whether_we_have_it_is_not_asked_for_each(kube: KubeApi, tmp_path: Path) -> None:
    asked: list[str] = []

    def refuse(request: Request, moment: Moment) -> Trouble | None:
        if moment is Moment.AFTER or "SelfSubjectAccessReview" not in request.kind:
            return None
        asked.append(request.kind)
        return Trouble(status=500)

    kube.wire.listen(refuse)
    (line,) = [one for one in said(environment(kube, tmp_path), "reviews") if "may" in plain(one.sentence)]

    assert len(asked) == ASKED_AT_ONCE
    assert "patch deployments" in plain(line.sentence)
