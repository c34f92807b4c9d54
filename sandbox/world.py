"""The whole rehearsal: cluster, mesh, Prometheus, Redis, workspace, users and the bot, while the ``with`` block lasts.

The bot is the unmodified production process, started as a child. It knows nothing of this package: it gets addresses
and tokens in its environment, as it does in production.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from sandbox.catalogue import SCRAPE_SECONDS, WEBHOOKS, reviews, services_yaml
from sandbox.kube import bookinfo
from sandbox.kube.server import KubeApi
from sandbox.mesh.mesh import Mesh
from sandbox.mesh.users import ASKS, Ask, Ledger, Users
from sandbox.people import CHANNEL
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import POLL_SECONDS, START_SECONDS, Program, answers, listens
from sandbox.prometheus import Prometheus
from sandbox.redis import Redis
from sandbox.slack.scopes import MANIFEST
from sandbox.slack.server import Slack
from sandbox.webhooks import Receiver

ROOT = Path(__file__).parents[1]
USERS_PER_SECOND = 40.0
TICK_SECONDS = 1
POD_SECONDS = 1.5  # how long a new pod takes until it is ready, once the rehearsal runs
HPA_SECONDS = 5.0  # between two looks at HorizontalPodAutoscalers: a third of the real fifteen
WEBHOOK_SECRET = "sandbox-webhook-secret"
REQUEST_COST = 4.0  # percent of what a pod requests, for each request a second


class World:
    """Everything, tied together; the parts are public because scenarios and tests act on them."""

    def __init__(
        self,
        directory: Path,
        *,
        objects: Iterable[dict[str, Any]] | None = None,
        services: dict[str, dict[str, Any]] | None = None,
        scrape_seconds: float = SCRAPE_SECONDS,
        post_share: float = 0.0,
        users_per_second: float = USERS_PER_SECOND,
        asks: Sequence[Ask] = ASKS,
        slack: Slack | None = None,
        dead_man_seconds: float | None = None,
        signing_key: str = "",
        http_mode: bool = False,
        language: str = "",
    ) -> None:
        """Nothing runs yet.

        Args:
            directory: where everything keeps its files.
            objects: what is in the cluster at the beginning.
            services: what is in services.yaml then.
            scrape_seconds: between two scrapes.
            post_share: share of users' requests that are POST.
            users_per_second: requests that users send.
            asks: what they ask for, in turn.
            slack: the workspace, opened and closed by whoever lends it; None: one of its own.
            dead_man_seconds: the watchdog's limit; None: there is no watchdog.
            signing_key: what the bot and the watchdog sign with.
            http_mode: Slack calls the bot, instead of the bot keeping a socket open.
            language: what the bot speaks, as its setting names it; "" is its default.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.kube = KubeApi(start_seconds=POD_SECONDS)
        self.slack = slack or Slack(scopes=MANIFEST)
        self._lent = slack is not None
        self.redis = Redis(directory / "redis")
        self.webhooks = Receiver()
        targets = directory / "targets.json"
        self.mesh = Mesh(self.kube.store, directory / "mesh", targets=targets)
        self.prometheus = Prometheus(directory / "prometheus", scrape_seconds=scrape_seconds, targets=targets)
        self._objects = list(bookinfo.objects() if objects is None else objects)
        self._services = {"reviews": reviews()} if services is None else services
        self.kube.autoscalers.sync_seconds = HPA_SECONDS
        self.kube.autoscalers.load = self._load
        self._language = {"LANGUAGE": language} if language else {}
        self._post_share, self.users_per_second, self._asks = post_share, users_per_second, asks
        self._stack = ExitStack()
        self._bot_log = directory / "bot.log"
        self.dead_man_seconds = dead_man_seconds
        self._signing = {"CANARY_SIGNING_KEY": signing_key} if signing_key else {}
        self.slack_events_port = free_port() if http_mode else None  # where Slack calls the bot
        self.watchdog: Program | None = None

    def __enter__(self) -> Self:
        try:
            return self._open()
        except BaseException:
            self._stack.close()
            raise

    def _open(self) -> Self:
        enter = self._stack.enter_context
        enter(self.kube)
        enter(self.webhooks)
        self._deploy()
        if not self._lent:
            enter(self.slack)
        with ThreadPoolExecutor(3) as starting:  # each takes a second or so to become ready
            for ready in [starting.submit(enter, part) for part in (self.redis, self.mesh, self.prometheus)]:
                ready.result()
        rate, share = self.users_per_second, self._post_share
        self.users = enter(Users(self.mesh.gateway_url, rate=rate, post_share=share, asks=self._asks))
        self.started = time.monotonic()
        if self.dead_man_seconds is not None:
            self.watchdog = self._make_watchdog()
            self._stack.callback(self.watchdog.stop)
            self.watchdog.start()
        self.bot = self._make_bot()
        self._stack.callback(self.bot.stop)
        self.bot.start()
        self._await_slack()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def ledger(self) -> Ledger:
        """What users saw."""
        return self.users.ledger

    def _deploy(self) -> None:
        """The objects as if they had been there for long: pods are ready at once."""
        deployments = [thing for thing in self._objects if thing["kind"] == "Deployment"]
        for thing in deployments:
            meta = thing["metadata"]
            self.kube.deployments.start_seconds(meta["namespace"], meta["name"], 0.05)
        self.kube.load(self._objects)
        self.kube.store.wait_until(lambda: all(self._is_ready(thing) for thing in deployments), timeout=15)
        for thing in deployments:
            meta = thing["metadata"]
            self.kube.deployments.start_seconds(meta["namespace"], meta["name"], POD_SECONDS)

    def _load(self, _namespace: str, workload: str) -> float | None:
        """What HPAs see: pods of a service without traffic use nothing."""
        return self.mesh.load(workload, cost=REQUEST_COST)

    def _is_ready(self, thing: dict[str, Any]) -> bool:
        live = self.kube.store.get("Deployment", thing["metadata"]["namespace"], thing["metadata"]["name"])
        return live is not None and live.get("status", {}).get("readyReplicas", 0) >= thing["spec"]["replicas"]

    def write_services(self, services: dict[str, dict[str, Any]]) -> None:
        """Somebody edits services.yaml; whoever runs knows nothing of it until its next start."""
        self._services = services
        (self.directory / "services.yaml").write_text(self._services_text())

    def _services_text(self) -> str:
        """What is in services.yaml; webhooks end up at ours."""
        return services_yaml(self._services).replace(WEBHOOKS, self.webhooks.url(""))

    def restart_bot(self) -> None:
        """The bot ends as in a rolling update, and starts again with what is in its files now."""
        self.bot.stop()
        self.bot.start()
        self._await_slack()

    def _await_slack(self) -> None:
        """Until people can reach the bot."""
        if self.slack_events_port is None:
            self.slack.wait_for_connections(1, timeout=START_SECONDS)
            return
        deadline = time.monotonic() + START_SECONDS
        self.slack.request_url(None)
        while not listens(self.slack_events_port):
            if time.monotonic() > deadline:
                raise TimeoutError("The bot did not listen for Slack in time.")
            time.sleep(POLL_SECONDS)
        self.slack.request_url(f"http://{LOOPBACK}:{self.slack_events_port}/slack/events")

    @property
    def probe_port(self) -> int:
        """Where the bot's probes and metrics are."""
        return self._probe_port

    def bot_log_tail(self, lines: int = 30) -> str:
        """The end of the bot's log, for a story that got stuck."""
        return "\n".join(self._bot_log.read_text(errors="replace").splitlines()[-lines:])

    def last_words(self) -> str:
        """What the bot shows and has stored at this moment, for a story that got stuck."""
        shown = [message.text for message in self.slack.workspace.messages(CHANNEL)]
        status = subprocess.run(
            [sys.executable, "-m", "bot", "status"],
            env=self.environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return "\n".join([*shown, status.stdout, status.stderr])

    def environment(self) -> dict[str, str]:
        """The bot's environment: addresses, tokens and nothing else of ours."""
        services = self.directory / "services.yaml"
        services.write_text(self._services_text())
        ours = {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            **self._slack_link(),
            "SLACK_API_URL": f"{self.slack.url}/api/",
            "REDIS_URL": self.redis.url,
            "PROMETHEUS_URL": self.prometheus.url,
            "KUBECONFIG": str(self.kube.write_kubeconfig(self.directory / "kubeconfig")),
            "SERVICES_FILE": str(services),
            "PROBE_PORT": str(self._probe_port),
            "TICK_SECONDS": str(TICK_SECONDS),
            "LOG_FORMAT": "json",
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
        }
        return _kept() | ours | self._dead_man() | self._signing | self._language

    def _slack_link(self) -> dict[str, str]:
        if self.slack_events_port is None:
            return {"SLACK_APP_TOKEN": self.slack.app_token}
        return {"SLACK_SIGNING_SECRET": self.slack.signing_secret, "PORT": str(self.slack_events_port)}

    def _dead_man(self) -> dict[str, str]:
        return {} if self.dead_man_seconds is None else {"DEAD_MAN_SECONDS": f"{self.dead_man_seconds:g}"}

    def _make_watchdog(self) -> Program:
        """It gets the cluster and nothing else: no Slack, no Redis, no Prometheus."""
        services, port = self.directory / "services.yaml", free_port()
        services.write_text(self._services_text())
        ours = {
            "KUBECONFIG": str(self.kube.write_kubeconfig(self.directory / "kubeconfig")),
            "SERVICES_FILE": str(services),
            "PROBE_PORT": str(port),
            "TICK_SECONDS": str(TICK_SECONDS),
            "LOG_FORMAT": "json",
        }
        return Program(
            [sys.executable, "-m", "bot", "watchdog"],
            log=self.directory / "watchdog.log",
            ready=answers(port, "/healthz"),
            env=_kept() | ours | self._dead_man() | self._signing,
            directory=self.directory,
        )

    def _make_bot(self) -> Program:
        self._probe_port = free_port()
        return Program(
            [sys.executable, "-m", "bot", "run"],
            log=self._bot_log,
            ready=answers(self._probe_port, "/healthz"),
            env=self.environment(),
            directory=self.directory,
        )


def _kept() -> dict[str, str]:
    """What a child needs of our own environment."""
    ours = {"PYTHONPATH": str(ROOT)}  # this tree's own program, whatever is installed beside it
    return ours | {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TZ"}}
