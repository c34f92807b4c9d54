"""The environment and ``.env``: what is read, what is refused, and that no secret is ever shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import certifi
import pytest

from bot.model.errors import Refusal
from bot.settings.env import HttpMode, LogFormat, Settings, SocketMode, read_settings
from bot.settings.errors import SettingsError
from bot.settings.secret import Secret
from bot.settings.variables import VARIABLES, env_example
from bot.words.language import Language
from bot.words.rendering import plain
from bot.words.sentence import TypedIn, said

ROOT = Path(__file__).parents[3]

SOCKET = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
HTTP = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s1gning"}

# Every variable, none at its default; the two that exclude others are in ALSO.
FULL = {
    **HTTP,
    "PORT": "3001",
    "SLACK_API_URL": "http://127.0.0.1:9/api",
    "SLACK_TEAM_ID": "T0SHOP",
    "SLACK_COMMAND": "/canary2",
    "REDIS_URL": "rediss+sentinel://:pw@redis:26380/main/1",
    "PROMETHEUS_URL": "http://prometheus:9090/",
    "PROMETHEUS_USERNAME": "u",
    "PROMETHEUS_PASSWORD": "p",
    "PROMETHEUS_CA_FILE": certifi.where(),
    "PROMETHEUS_HEADERS": "X-Scope-OrgID=shop",
    "KUBECONFIG": "/kube/config",
    "KUBE_CONTEXT": "prod",
    "ISTIO_NAMESPACE": "mesh",
    "SERVICES_FILE": "other.yaml",
    "PROBE_PORT": "0",
    "TICK_SECONDS": "0.5",
    "DEAD_MAN_SECONDS": "3",
    "LEASE_SECONDS": "2.5",
    "HISTORY_ROLLOUTS": "20",
    "HISTORY_DAYS": "30",
    "LANGUAGE": "zh_cn",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "DEBUG",
}
ALSO = {
    "SLACK_APP_TOKEN": "xapp-1",
    "REDIS_CA_FILE": certifi.where(),
    "REDIS_SENTINEL_USERNAME": "u",
    "REDIS_SENTINEL_PASSWORD": "p",
    "PROMETHEUS_BEARER_TOKEN": "b",
    "CANARY_SIGNING_KEY": "k" * 32,
}


def outcome(environ: dict[str, str]) -> Settings | str:
    try:
        return read_settings(environ)
    except SettingsError as error:
        return str(error)


def errors(environ: dict[str, str], env_file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        read_settings(environ, env_file)
    return tuple(map(plain, raised.value.reasons))


def test_the_example_file_says_what_the_code_reads() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example()


def test_writing_out_every_default_changes_nothing(tmp_path: Path) -> None:
    written = "\n".join(f"{variable.name}={variable.default}" for variable in VARIABLES)
    env_file = tmp_path / ".env"
    env_file.write_text(written, encoding="utf-8")

    assert read_settings({}, env_file) == read_settings({})


@pytest.mark.parametrize("name", [variable.name for variable in VARIABLES])
def test_every_variable_of_the_example_has_an_effect(name: str) -> None:
    changed = {key: value for key, value in FULL.items() if key != name} if name in FULL else FULL | {name: ALSO[name]}

    assert isinstance(outcome(FULL), Settings)
    assert outcome(changed) != outcome(FULL)


def test_the_environment_wins_over_the_file_even_when_one_of_them_names_a_secret_file(tmp_path: Path) -> None:
    secret_file = tmp_path / "token"
    secret_file.write_text("xoxb-mounted\n", encoding="utf-8")
    env_file = tmp_path / ".env"
    env_file.write_text("SLACK_BOT_TOKEN=xoxb-file\nSLACK_APP_TOKEN=xapp-file\nLOG_FORMAT=json\n", encoding="utf-8")

    settings = read_settings({"SLACK_BOT_TOKEN_FILE": str(secret_file), "LOG_FORMAT": "console"}, env_file)

    assert settings.require_slack().bot_token.reveal() == "xoxb-mounted"
    assert settings.require_slack().mode == SocketMode(app_token=Secret("xapp-file"))
    assert settings.log_format is LogFormat.CONSOLE


def test_a_dollar_in_the_file_is_a_dollar(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("REDIS_URL=redis://:a${HOME}b@redis:6379/0\n", encoding="utf-8")

    assert read_settings({}, env_file).redis.url.reveal() == "redis://:a${HOME}b@redis:6379/0"


def test_an_app_token_means_socket_mode_whatever_else_is_set() -> None:
    both = read_settings(SOCKET | HTTP | {"PORT": "3001"}).require_slack()

    assert both.mode == SocketMode(app_token=Secret("xapp-1"))
    assert read_settings(HTTP).require_slack().mode == HttpMode(signing_secret=Secret("s1gning"), port=3000)


def test_without_slack_the_other_settings_can_be_read_and_slack_is_refused_when_needed() -> None:
    settings = read_settings({"SLACK_BOT_TOKEN": " "})

    assert settings.slack is None
    with pytest.raises(Refusal, match="set SLACK_BOT_TOKEN, and SLACK_APP_TOKEN"):
        settings.require_slack()


def test_all_mistakes_are_told_at_once() -> None:
    assert errors(
        {
            "SLACK_APP_TOKEN": "xoxb-1",
            "PORT": "99999",
            "SLACK_COMMAND": "canary",
            "REDIS_URL": "http://redis",
            "PROMETHEUS_USERNAME": "u",
            "PROMETHEUS_CA_FILE": "/no/such/file",
            "TICK_SECONDS": "0",
            "LOG_FORMAT": "jsn",
        }
    ) == (
        "SLACK_APP_TOKEN must be a token that begins with xapp-",
        'SLACK_COMMAND must be a slash command in small letters such as /canary, not "canary"',
        'PORT must be a port from 1 to 65535, not "99999"',
        "SLACK_BOT_TOKEN is not set, and without it the bot cannot speak",
        (
            "REDIS_URL must be an address that begins with redis://, rediss://, unix://, redis+sentinel://, "
            "rediss+sentinel://, redis+cluster://, rediss+cluster://, embedded://"
        ),
        "PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD need each other; only one is set",
        'PROMETHEUS_CA_FILE must be a file, not "/no/such/file"',
        'TICK_SECONDS must be a number of seconds from 0.1 to 300, not "0"',
        'LOG_FORMAT cannot be "jsn"; did you mean "json"?',
    )


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"SLACK_BOT_TOKEN": "xoxb-1"},
            "neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET",
        ),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_BOT_TOKEN_FILE": __file__}, "are both set; keep one"),
        ({"REDIS_URL_FILE": "/no/such/file"}, 'REDIS_URL_FILE: "/no/such/file" cannot be read'),
        ({"REDIS_URL": "embedded://"}, "PATH is missing"),
        ({"REDIS_URL": "redis:///0"}, "HOST is missing"),
        ({"REDIS_URL": "redis://redis:x/0"}, "PORT is no port"),
        ({"REDIS_URL": "redis+sentinel://a:1,b:2"}, "the hosts or NAME are missing"),
        ({"REDIS_URL": "rediss+cluster://:x@"}, "rediss+cluster://HOST:PORT, and HOST is missing"),
        ({"REDIS_URL": "unix://host/redis.sock"}, "REDIS_URL must be unix:///PATH?db=0"),
        ({"REDIS_CA_FILE": "/no/such/file"}, 'REDIS_CA_FILE must be a file, not "/no/such/file"'),
        ({"REDIS_CA_FILE": certifi.where()}, "REDIS_URL does not speak it: write rediss, not redis"),
        ({"REDIS_SENTINEL_USERNAME": "u"}, "needs REDIS_SENTINEL_PASSWORD; only one is set"),
        ({"REDIS_SENTINEL_PASSWORD": "p"}, "REDIS_URL names no sentinels"),
        ({"PROMETHEUS_URL": "prometheus:9090"}, "PROMETHEUS_URL must be an address such as"),
        ({"PROMETHEUS_HEADERS": "X-A=1,nonsense"}, "NAME=VALUE,NAME=VALUE, and pair 2 is not"),
        ({"TICK_SECONDS": "nan"}, "TICK_SECONDS must be a number of seconds from 0.1 to 300"),
        ({"PORT": "٣"}, "PORT must be a port"),
        ({"PORT": "9" * 5000}, "PORT must be a port"),
        ({"HISTORY_ROLLOUTS": "9"}, 'HISTORY_ROLLOUTS must be a whole number of at least 10, not "9"'),
        ({"HISTORY_DAYS": "1e9"}, "HISTORY_DAYS must be a whole number of at least 0"),
        ({"HISTORY_DAYS": "9" * 10}, "HISTORY_DAYS must be a whole number"),
        (
            {"TICK_SECONDS": "30"},
            "DEAD_MAN_SECONDS must be at least 6 times TICK_SECONDS (180), not 120: a living bot would be taken for",
        ),
    ],
)
def test_a_mistake_says_what_to_write_instead(environ: dict[str, str], sentence: str) -> None:
    assert any(sentence in mistake for mistake in errors(environ))


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "rediss://h:1/2",
        "unix:///run/redis.sock?db=1",
        "unix://user:password@/run/redis.sock",
        "redis+sentinel://a:1,b:2/main/0",
        "rediss+sentinel://a:1,b:2/main/0",
        "redis+cluster://a:1",
        "rediss+cluster://user:password@a:1,b:2",
        "embedded://var/x",
    ],
)
def test_every_kind_of_redis_is_understood(url: str) -> None:
    assert read_settings({"REDIS_URL": url}).redis.url.reveal() == url


def test_no_mistake_shows_a_secret() -> None:
    hidden = "hunter2"
    environ = {variable.name: f"?{hidden}" for variable in VARIABLES if variable.secret}
    environ["PROMETHEUS_URL"] = f"http://user:{hidden}@prometheus"

    sentences = [
        *errors(environ),
        *errors({"REDIS_URL": f"redis://:{hidden}@:x"}),
        *errors({"REDIS_URL": f"r://{hidden}"}),
    ]

    assert len(sentences) > 5
    assert not [mistake for mistake in sentences if hidden in mistake]


def test_a_token_written_ahead_of_a_headers_sign_is_not_shown() -> None:
    settings = read_settings({**HTTP, "PROMETHEUS_HEADERS": "tok3n==, X-Team=s3cret"}, None)

    assert settings.prometheus.headers.keys() == {"tok3n", "X-Team"}
    assert "tok3n" not in repr(settings)


def test_settings_can_be_logged_without_giving_a_secret_away() -> None:
    settings = replace(read_settings(FULL), slack=read_settings(FULL | ALSO | {"PROMETHEUS_BEARER_TOKEN": ""}).slack)

    shown = f"{settings!r} {settings.redis.url} {[settings.redis.url]}"

    assert "Secret(…)" in shown
    assert not [secret for secret in ("xoxb-1", "xapp-1", "s1gning", ":pw@", "'p'", "shop") if secret in shown]


def test_our_command_is_called_in_sentences_what_it_is_called_in_slack() -> None:
    settings = read_settings(SOCKET | {"SLACK_COMMAND": "/canary2"})
    sentence = said("words.together", sentences=(TypedIn("abort reviews"),))

    assert plain(sentence, settings.voice) == "`/canary2 abort reviews`"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("en", Language.ENGLISH),
        ("zh_cn", Language.CHINESE),
        ("ZH_CN", Language.CHINESE),
        # What Debian and Ubuntu set themselves, for gettext.
        ("en_GB:en", Language.ENGLISH),
        ("zh_CN.UTF-8:en", Language.CHINESE),
        ("de_DE:zh_CN:en", Language.CHINESE),
        ("de", Language.ENGLISH),
        ("C", Language.ENGLISH),
        ("", Language.ENGLISH),
    ],
)
def test_the_bot_speaks_the_first_language_it_is_asked_for_and_knows(written: str, spoken: Language) -> None:
    assert read_settings({"LANGUAGE": written}).language is spoken


def test_what_is_no_language_is_a_mistake() -> None:
    assert errors({"LANGUAGE": "Chinese!"}) == ('LANGUAGE must be en or zh_cn, not "Chinese!"',)
