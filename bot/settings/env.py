"""The settings of one process, read once from the environment and ``.env``; nothing else in ``bot`` reads those.

A variable that is set to nothing counts as not set. No sentence here repeats the value of a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from bot.words.language import Language, spoken_in
from bot.words.rendering import Voice
from bot.words.sentence import Code, Text, said


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSettings:
    """Where Prometheus is and how to be let in; at most one of bearer token and basic authentication."""

    url: str
    bearer_token: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    # Not shown at all: where somebody writes a token ahead of the "=", the name is the secret.
    headers: Mapping[str, Secret] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesSettings:
    """Which cluster. No kubeconfig: in-cluster when there is a service account, else the client's own default."""

    kubeconfig: str | None = None  # may be several paths, as kubectl takes them
    context: str | None = None
    istio_namespace: str = "istio-system"  # istiod's


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
    language: Language  # of everything that is said; services.yaml may say another for some
    log_format: LogFormat
    log_level: LogLevel

    @property
    def voice(self) -> Voice:
        """How sentences are said: in our language, and with our command as it is called in Slack."""
        voice = Voice(language=self.language)
        return replace(voice, command=self.slack.command) if self.slack is not None else voice

    def require_slack(self) -> SlackSettings:
        """The Slack settings, for what cannot do without.

        Raises:
            Refusal: nothing of Slack is set.
        """
        if self.slack is None:
            raise Refusal(
                said(
                    "settings.no_slack",
                    bot="SLACK_BOT_TOKEN",
                    app="SLACK_APP_TOKEN",
                    signing="SLACK_SIGNING_SECRET",
                )
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
    errors: list[Text] = []
    below = read_env_file(env_file, errors) if env_file is not None else {}
    merged = _merged(environ, below)
    values = Values(merged)
    settings = Settings(
        slack=_slack(values),
        redis=read_redis(values),
        signer=_signer(values),
        prometheus=_prometheus(values),
        kubernetes=KubernetesSettings(
            kubeconfig=values.text("KUBECONFIG") or None,
            context=values.text("KUBE_CONTEXT") or None,
            istio_namespace=_namespace(values, "ISTIO_NAMESPACE"),
        ),
        services_file=Path(values.text("SERVICES_FILE")),
        probe_port=values.port("PROBE_PORT", least=0),
        tick_seconds=(tick := values.seconds("TICK_SECONDS", TICK_BOUNDS)),
        dead_man_seconds=(limit := _dead_man_seconds(values, tick)),
        lease_seconds=_lease_seconds(values, limit),
        history_rollouts=values.count("HISTORY_ROLLOUTS", least=LEAST_OF_A_HISTORY),
        history_days=values.count("HISTORY_DAYS", least=0),
        language=_language(values),
        log_format=values.choice("LOG_FORMAT", LogFormat),
        log_level=values.choice("LOG_LEVEL", LogLevel),
    )
    _check_ports(values, settings)
    errors += [*near_misses(below, merged, NEAR_IN_FILE), *near_misses(environ, merged, NEAR), *values.errors]
    if errors:
        named = said("settings.environment_and", file=env_file.name) if env_file else said("settings.environment")
        raise SettingsError(named, errors)
    return settings


def spoken(environ: Mapping[str, str], env_file: Path | None = None) -> Voice:
    """How sentences are said, as far as that can be made out: for whoever has to say that the settings are wrong."""
    values = Values(_merged(environ, read_env_file(env_file, []) if env_file is not None else {}))
    return Voice(language=_language(values), command=_command(values))


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
        values.errors.append(
            said(
                "settings.no_mode",
                bot="SLACK_BOT_TOKEN",
                app="SLACK_APP_TOKEN",
                signing="SLACK_SIGNING_SECRET",
            )
        )
    elif mode:
        values.errors.append(said("settings.mute", bot="SLACK_BOT_TOKEN"))
    return None


def _dead_man_seconds(values: Values, tick: float) -> float:
    """Three heartbeats must fit into it, and each may be a reconcile late."""
    limit = values.seconds("DEAD_MAN_SECONDS", DEAD_MAN_BOUNDS)
    if limit < TICKS_TO_LIVE * tick:
        values.errors.append(
            said(
                "settings.dead_too_soon",
                limit="DEAD_MAN_SECONDS",
                tick="TICK_SECONDS",
                times=TICKS_TO_LIVE,
                least=f"{TICKS_TO_LIVE * tick:g}",
                value=f"{limit:g}",
            )
        )
    return limit


def _lease_seconds(values: Values, limit: float) -> float:
    """Another replica must be able to take over before the watchdog takes the bot for dead."""
    lease = values.seconds("LEASE_SECONDS", LEASE_BOUNDS)
    if not values.is_set("LEASE_SECONDS"):
        return min(lease, limit / 2)
    if lease >= limit:
        values.errors.append(
            said(
                "settings.lease_too_long",
                lease="LEASE_SECONDS",
                limit="DEAD_MAN_SECONDS",
                most=f"{limit:g}",
                value=f"{lease:g}",
            )
        )
    return lease


def _check_ports(values: Values, settings: Settings) -> None:
    mode = settings.slack.mode if settings.slack is not None else None
    if isinstance(mode, HttpMode) and mode.port == settings.probe_port:
        values.errors.append(said("settings.one_port", one="PORT", other="PROBE_PORT", port=str(mode.port)))


def _namespace(values: Values, name: str) -> str:
    namespace = values.text(name)
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", namespace):
        values.wrong(name, said("settings.namespace", example=Code("istio-system")), namespace)
    return namespace


def _command(values: Values) -> str:
    command = values.text("SLACK_COMMAND")
    if not re.fullmatch(r"/[a-z0-9_-]{1,31}", command):
        values.wrong("SLACK_COMMAND", said("settings.slash_command"), command)
    return command


def _language(values: Values) -> Language:
    """The first one that we speak: many systems set the variable themselves, to several locales with colons between."""
    text = values.text("LANGUAGE")
    locales = [part.partition(".")[0] for part in text.split(":") if part]
    spoken = next(filter(None, map(spoken_in, locales)), None)
    if spoken is not None:
        return spoken
    if not all(re.fullmatch(r"[a-z]{2,3}(_[A-Z]{2})?|C|POSIX", locale) for locale in locales):
        values.wrong("LANGUAGE", said("settings.language"), text)
    return Language.ENGLISH


def _team_id(values: Values) -> str:
    team_id = values.text("SLACK_TEAM_ID")
    if team_id and not re.fullmatch(r"T[A-Z0-9]{2,}", team_id):
        values.wrong("SLACK_TEAM_ID", said("settings.workspace"), team_id)
    return team_id


def _signer(values: Values) -> Signer:
    secret = values.secret("CANARY_SIGNING_KEY", several=True)
    keys = tuple(key.strip() for key in secret.reveal().split(",")) if secret else ()
    if any(len(key) < LEAST_OF_A_KEY for key in keys):
        values.wrong(
            "CANARY_SIGNING_KEY",
            said("settings.signing_key", least=LEAST_OF_A_KEY, command=Code("openssl rand -hex 32")),
        )
        return Signer()
    return Signer(keys=tuple(key.encode() for key in keys))


def _prometheus(values: Values) -> PrometheusSettings:
    bearer_token = values.secret("PROMETHEUS_BEARER_TOKEN")
    username, password = values.text("PROMETHEUS_USERNAME") or None, values.secret("PROMETHEUS_PASSWORD")
    if bool(username) != bool(password):
        values.errors.append(said("settings.need_each_other", one="PROMETHEUS_USERNAME", other="PROMETHEUS_PASSWORD"))
    if bearer_token and (username or password):
        values.errors.append(said("settings.exclude", one="PROMETHEUS_BEARER_TOKEN", other="PROMETHEUS_USERNAME"))
    return PrometheusSettings(
        url=values.web_address("PROMETHEUS_URL").rstrip("/"),
        bearer_token=bearer_token,
        username=username,
        password=password,
        ca_file=values.certificates("PROMETHEUS_CA_FILE"),
        headers=_headers(values),
    )


def _headers(values: Values) -> dict[str, Secret]:
    secret = values.secret("PROMETHEUS_HEADERS", several=True)
    headers = {}
    for position, pair in enumerate(secret.reveal().split(",") if secret else (), start=1):
        name, _, value = (part.strip() for part in pair.partition("="))
        if re.fullmatch(r"[A-Za-z0-9-]+", name) and value and value.isprintable():
            headers[name] = Secret(value)
        else:
            values.wrong("PROMETHEUS_HEADERS", said("settings.pairs", position=position))
    return headers
