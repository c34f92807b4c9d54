"""The production process as a child: HTTP mode, a wrong token, and probes that say what is wrong."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.catalogue import reviews, services_yaml
from sandbox.kube import bookinfo
from sandbox.kube.server import KubeApi
from sandbox.people import CHANNEL, MAYA
from sandbox.ports import free_port
from sandbox.processes import Program, answers, listens
from sandbox.redis import Redis
from sandbox.slack.server import Slack
from tests.sandbox.waiting import wait_until
from tests.unit.adapters.test_own_queries import serving

ROOT = Path(__file__).parents[2]


@contextmanager
def a_bot(folder: Path, slack: Slack, services: str = "", **changes: str) -> Iterator[tuple[Program, int]]:
    """The bot with a cluster and Redis, no Prometheus, and these settings; its probe port."""
    (folder / "services.yaml").write_text(services or services_yaml({"reviews": reviews()}))
    probes = free_port()
    with KubeApi(start_seconds=0.02).load(bookinfo.objects()) as kube, Redis(folder / "redis") as redis:
        env: Mapping[str, str] = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),  # this tree's own program
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_API_URL": f"{slack.url}/api/",
            "REDIS_URL": redis.url,
            "PROMETHEUS_URL": "http://127.0.0.1:9",
            "KUBECONFIG": str(kube.write_kubeconfig(folder / "kubeconfig")),
            "PROBE_PORT": str(probes),
            "TICK_SECONDS": "1",
            **changes,
        }
        argv = [sys.executable, "-m", "bot", "run"]
        healthy = answers(probes, "/healthz")
        bot = Program(argv, log=folder / "bot.log", ready=healthy, env=env, directory=folder)
        try:
            bot.start()
            if "PORT" in changes:  # the probes are there before Slack may call
                wait_until(lambda: listens(int(changes["PORT"])))
            yield bot, probes
        finally:
            bot.stop(grace_seconds=20)


def readiness(port: int) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.sandbox
def test_in_http_mode_signed_commands_are_answered_whatever_else_is_in_the_environment(tmp_path: Path) -> None:
    port = free_port()
    with Slack() as slack:
        mode = {"SLACK_SIGNING_SECRET": slack.signing_secret, "PORT": str(port), "LOG_LEVEL": "debug"}
        with a_bot(tmp_path, slack, **mode, SLACK_CLIENT_ID="1.2", SLACK_CLIENT_SECRET="of-another-app"):
            slack.request_url(f"http://127.0.0.1:{port}/slack/events")

            delivery = slack.command(MAYA, CHANNEL, "services")

            assert delivery.acknowledged
            slack.wait_for(lambda workspace: [m for m in workspace.ephemerals(MAYA) if "reviews" in m.text])
    log = (tmp_path / "bot.log").read_text()
    assert "response_url" not in log
    assert slack.signing_secret not in log


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "redis", ["redis://127.0.0.1:9", "redis+sentinel://127.0.0.1:9/main", "redis+cluster://127.0.0.1:9"]
)
def test_a_redis_that_is_down_at_the_start_ends_nothing_and_is_told(tmp_path: Path, redis: str) -> None:
    with Slack() as slack, a_bot(tmp_path, slack, SLACK_APP_TOKEN=slack.app_token, REDIS_URL=redis) as (bot, probes):
        wait_until(lambda: "redis: " in readiness(probes)[1])

        assert readiness(probes)[0] == 503
        assert bot.running


@pytest.mark.sandbox
def test_readiness_names_a_prometheus_without_istios_series(tmp_path: Path) -> None:
    nothing = b'{"status": "success", "data": {"resultType": "vector", "result": []}}'
    with Slack() as slack, serving(lambda _query: (200, nothing)) as url:
        mode = {"SLACK_APP_TOKEN": slack.app_token, "PROMETHEUS_URL": url}
        with a_bot(tmp_path, slack, **mode) as (_, probes):
            wait_until(lambda: "istio series: There is no series" in readiness(probes)[1])
            wait_until(lambda: readiness(probes)[0] == 200)

            assert "permissions: ok" in readiness(probes)[1]


@pytest.mark.sandbox
def test_a_services_file_with_mistakes_keeps_the_process_alive_and_whoever_asks_is_told(tmp_path: Path) -> None:
    port = free_port()
    with Slack() as slack:
        mode = {"SLACK_SIGNING_SECRET": slack.signing_secret, "PORT": str(port)}
        with a_bot(tmp_path, slack, "services: {reviews: {spacename: default}}", **mode) as (bot, _):
            slack.request_url(f"http://127.0.0.1:{port}/slack/events")

            slack.command(MAYA, CHANNEL, "start reviews v2")

            notified = slack.wait_for(
                lambda space: [m.text for m in space.ephemerals(MAYA) if "Nothing can be" in m.text]
            )
            assert bot.running
    assert "services.yaml line 1" in notified[0]
    assert "services_unusable" in (tmp_path / "bot.log").read_text()


@pytest.mark.sandbox
def test_a_changed_services_file_is_used_when_it_is_good_and_told_when_it_is_not(tmp_path: Path) -> None:
    port = free_port()
    good = (ROOT / "services.yaml").read_text(encoding="utf-8")
    with Slack() as slack:
        mode = {"SLACK_SIGNING_SECRET": slack.signing_secret, "PORT": str(port)}
        with a_bot(tmp_path, slack, "services: {reviews: {spacename: default}}", **mode) as (_, probes):
            slack.request_url(f"http://127.0.0.1:{port}/slack/events")
            file = tmp_path / "services.yaml"

            file.write_text(good, encoding="utf-8")
            wait_until(lambda: "Nothing can be started" not in readiness(probes)[1])
            file.write_text(good + "\n  ratings: {}\n", encoding="utf-8")
            wait_until(lambda: "services: services.yaml has changed" in readiness(probes)[1])

            slack.command(MAYA, CHANNEL, "list")
            slack.wait_for(lambda space: [m for m in space.ephemerals(MAYA) if "what it said before goes on" in m.text])
    log = (tmp_path / "bot.log").read_text()
    assert "services_reloaded" in log
    assert "services_refused" in log


@pytest.mark.sandbox
def test_a_wrong_token_keeps_the_process_alive_unready_and_secret(tmp_path: Path) -> None:
    with Slack() as slack:
        wrong = {"SLACK_BOT_TOKEN": "xoxb-wrong-1234567890", "SLACK_APP_TOKEN": "xapp-wrong-1234567890"}
        with a_bot(tmp_path, slack, **wrong) as (bot, probes):
            status, text = readiness(probes)

            assert (bot.running, status) == (True, 503)
            assert "slack: Slack is not connected." in text
            assert "prometheus: cannot be reached" in text
            assert "kubernetes" not in [line.split(":")[0] for line in text.splitlines() if "ok" not in line]
    assert "wrong-1234567890" not in (tmp_path / "bot.log").read_text()
