"""The settings of one process, read once from the environment and ``.env``; nothing else in ``bot`` reads those.

A variable that is set to nothing counts as not set. No sentence here repeats the value of a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bot.model.errors import Refusal
from bot.model.signing import Signer
from bot.settings.env_file import NEAR, NEAR_IN_FILE, near_misses, read_env_file
from bot.settings.environment import Values
from bot.settings.errors import SettingsError
from bot.settings.redis import RedisSettings, read_redis
from bot.settings.secret import Secret
from bot.settings.variables import VARIABLES
from bot.words.rendering import Voice


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least important lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


TICKS_TO_LIVE = 6
TICK_BOUNDS = (0.1, 300.0)  # seconds, as all of these
LEASE_BOUNDS = (0.5, 300.0)
DEAD_MAN_BOUNDS = (1.0, 86_400.0)
LEAST_OF_A_HISTORY = 10  # rollouts: what is shown, and looked through before a start
LEAST_OF_A_KEY = 32  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketMode:
    """Slack is called, and calls back over the same WebSocket: no public address is needed."""

    app_token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMode:
    """Slack calls us at ``/slack/events``."""

    signing_secret: Secret
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """How to speak with Slack."""

    bot_token: Secret
    mode: SocketMode | HttpMode
    api_url: str
    command: str
    team_id: str = ""  # the workspace that is meant; "" is the only one that the token belongs to

    @property
    def voice(self) -> Voice:
        """How sentences are said to people in Slack: with our command as it is called there."""
        return Voice(command=self.command)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSettings:
    """Where Prometheus is and how to be let in; at most one of bearer token and basic authentication."""

    url: str
    bearer_token: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    headers: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesSettings:
    """Which cluster. No kubeconfig: in-cluster when there is a service account, else the client's own default."""

    kubeconfig: str | None = None  # may be several paths, as kubectl takes them
    context: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set outside ``services.yaml``.

    Attributes:
        slack: None when nothing of Slack is set, which is fine for commands that do not speak with it.
    """

    slack: SlackSettings | None
    redis: RedisSettings
    signer: Signer
    prometheus: PrometheusSettings
    kubernetes: KubernetesSettings
    services_file: Path
    probe_port: int
    tick_seconds: float
    dead_man_seconds: float  # the same for the bot and its watchdog
    lease_seconds: float
    history_rollouts: int  # of each service so many are kept,
    history_days: float  # and whatever is younger
    log_format: LogFormat
    log_level: LogLevel

    def require_slack(self) -> SlackSettings:
        """The Slack settings, for what cannot do without.

        Raises:
            Refusal: nothing of Slack is set.
        """
        if self.slack is None:
            raise Refusal(
                "Slack is not set up: set SLACK_BOT_TOKEN, and SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET "
                "(HTTP mode); .env.example says where to find them."
            )
        return self.slack


def environment() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ  # noqa: TID251  # the one place that reads it


def read_settings(environ: Mapping[str, str], env_file: Path | None = None) -> Settings:
    """The settings in ``environ`` and, for what that leaves out, in ``env_file`` if it exists.

    Raises:
        SettingsError: with every mistake.
    """
    mistakes: list[str] = []
    below = read_env_file(env_file, mistakes) if env_file is not None else {}
    merged = _merged(environ, below)
    values = Values(merged)
    settings = Settings(
        slack=_slack(values),
        redis=read_redis(values),
        signer=_signer(values),
        prometheus=_prometheus(values),
        kubernetes=KubernetesSettings(
            kubeconfig=values.text("KUBECONFIG") or None, context=values.text("KUBE_CONTEXT") or None
        ),
        services_file=Path(values.text("SERVICES_FILE")),
        probe_port=values.port("PROBE_PORT", least=0),
        tick_seconds=(tick := values.seconds("TICK_SECONDS", TICK_BOUNDS)),
        dead_man_seconds=(limit := _dead_man_seconds(values, tick)),
        lease_seconds=_lease_seconds(values, limit),
        history_rollouts=values.count("HISTORY_ROLLOUTS", least=LEAST_OF_A_HISTORY),
        history_days=values.count("HISTORY_DAYS", least=0),
        log_format=values.choice("LOG_FORMAT", LogFormat),
        log_level=values.choice("LOG_LEVEL", LogLevel),
    )
    _check_ports(values, settings)
    mistakes += [*near_misses(below, merged, NEAR_IN_FILE), *near_misses(environ, merged, NEAR), *values.mistakes]
    if mistakes:
        raise SettingsError("the environment" + (f" and {env_file.name}" if env_file else ""), mistakes)
    return settings


def _merged(environ: Mapping[str, str], below: dict[str, str]) -> dict[str, str]:
    """Both together. The environment wins, also with ``NAME_FILE`` over a ``NAME`` in the file and the reverse."""
    given = {name: value for name, value in environ.items() if value.strip()}
    below = {name: value for name, value in below.items() if value}  # not interpolated: a `$` in a password is a `$`
    for variable in VARIABLES:
        if variable.secret and (variable.name in given or f"{variable.name}_FILE" in given):
            below.pop(variable.name, None)
            below.pop(f"{variable.name}_FILE", None)
    return {**below, **given}


def _slack(values: Values) -> SlackSettings | None:
    """An app token means Socket Mode, whatever else is set: every Slack app has a signing secret as well."""
    bot_token = values.secret("SLACK_BOT_TOKEN", prefix="xoxb-")
    app_token = values.secret("SLACK_APP_TOKEN", prefix="xapp-")
    signing_secret = values.secret("SLACK_SIGNING_SECRET")
    api_url, command, port = values.web_address("SLACK_API_URL"), _command(values), values.port("PORT", least=1)
    team_id = _team_id(values)
    mode: SocketMode | HttpMode | None = None
    if app_token:
        mode = SocketMode(app_token=app_token)
    elif signing_secret:
        mode = HttpMode(signing_secret=signing_secret, port=port)
    if bot_token and mode:
        address = f"{api_url.rstrip('/')}/"
        return SlackSettings(bot_token=bot_token, mode=mode, api_url=address, command=command, team_id=team_id)
    if bot_token:
        values.mistakes.append(
            "SLACK_BOT_TOKEN is set, and neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP mode) is"
        )
    elif mode:
        values.mistakes.append("SLACK_BOT_TOKEN is not set, and without it the bot cannot speak")
    return None


def _dead_man_seconds(values: Values, tick: float) -> float:
    """Three heartbeats must fit into it, and each may be a reconcile late."""
    limit = values.seconds("DEAD_MAN_SECONDS", DEAD_MAN_BOUNDS)
    if limit < TICKS_TO_LIVE * tick:
        values.mistakes.append(
            f"DEAD_MAN_SECONDS must be at least {TICKS_TO_LIVE} times TICK_SECONDS ({TICKS_TO_LIVE * tick:g}), not "
            f"{limit:g}: a living bot would be taken for a dead one"
        )
    return limit


def _lease_seconds(values: Values, limit: float) -> float:
    """Another replica must be able to take over before the watchdog takes the bot for dead."""
    lease = values.seconds("LEASE_SECONDS", LEASE_BOUNDS)
    if not values.is_set("LEASE_SECONDS"):
        return min(lease, limit / 2)
    if lease >= limit:
        values.mistakes.append(
            f"LEASE_SECONDS must be shorter than DEAD_MAN_SECONDS ({limit:g}), not {lease:g}: the watchdog would act "
            "before another replica may take over"
        )
    return lease


def _check_ports(values: Values, settings: Settings) -> None:
    mode = settings.slack.mode if settings.slack is not None else None
    if isinstance(mode, HttpMode) and mode.port == settings.probe_port:
        values.mistakes.append(f"PORT and PROBE_PORT are both {mode.port}; each needs a port of its own")


def _command(values: Values) -> str:
    command = values.text("SLACK_COMMAND")
    if not re.fullmatch(r"/[a-z0-9_-]{1,31}", command):
        values.wrong("SLACK_COMMAND", "a slash command in small letters such as /canary", command)
    return command


def _team_id(values: Values) -> str:
    team_id = values.text("SLACK_TEAM_ID")
    if team_id and not re.fullmatch(r"T[A-Z0-9]{2,}", team_id):
        values.wrong("SLACK_TEAM_ID", "a workspace's id such as T0123ABCD", team_id)
    return team_id


def _signer(values: Values) -> Signer:
    secret = values.secret("CANARY_SIGNING_KEY")
    keys = tuple(key.strip() for key in secret.reveal().split(",")) if secret else ()
    if any(len(key) < LEAST_OF_A_KEY for key in keys):
        values.wrong(
            "CANARY_SIGNING_KEY", f"at least {LEAST_OF_A_KEY} characters, such as `openssl rand -hex 32` prints"
        )
        return Signer()
    return Signer(keys=tuple(key.encode() for key in keys))


def _prometheus(values: Values) -> PrometheusSettings:
    bearer_token = values.secret("PROMETHEUS_BEARER_TOKEN")
    username, password = values.text("PROMETHEUS_USERNAME") or None, values.secret("PROMETHEUS_PASSWORD")
    if bool(username) != bool(password):
        values.mistakes.append("PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD need each other; only one is set")
    if bearer_token and (username or password):
        values.mistakes.append("PROMETHEUS_BEARER_TOKEN and PROMETHEUS_USERNAME exclude each other; keep one")
    return PrometheusSettings(
        url=values.web_address("PROMETHEUS_URL").rstrip("/"),
        bearer_token=bearer_token,
        username=username,
        password=password,
        ca_file=values.file("PROMETHEUS_CA_FILE"),
        headers=_headers(values),
    )


def _headers(values: Values) -> dict[str, Secret]:
    secret = values.secret("PROMETHEUS_HEADERS")
    headers = {}
    for position, pair in enumerate(secret.reveal().split(",") if secret else (), start=1):
        name, _, value = (part.strip() for part in pair.partition("="))
        if re.fullmatch(r"[A-Za-z0-9-]+", name) and value and value.isprintable():
            headers[name] = Secret(value)
        else:
            values.wrong("PROMETHEUS_HEADERS", f"NAME=VALUE,NAME=VALUE, and pair {position} is not")
    return headers
