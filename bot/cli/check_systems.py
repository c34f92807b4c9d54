"""What ``canary-bot check`` finds out about the systems themselves: which they are, and whether they are enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot import bootstrap
from bot.adapters import surroundings
from bot.adapters.kube import Kube
from bot.adapters.redis_store import RedisStore
from bot.adapters.snapshot import permission
from bot.cli.lines import Line
from bot.model.errors import Fault, Refusal
from bot.preflight import Access, Permission
from bot.preflight.permissions import lacking
from bot.settings.env import Settings, SlackSettings, SocketMode
from bot.slack.codes import (
    ACCOUNT_SCOPE,
    NO_SCOPE,
    NO_TOKEN,
    ORG_WIDE,
    SCOPES,
    answer_code,
    granted,
    needed_scope,
    remedy,
)
from bot.slack.requester import SLACK_FAILURES

ASKED_AT_ONCE = 8

T = TypeVar("T")


def prometheus(settings: Settings) -> Iterator[Line]:
    """Whether it answers, and has what Istio's proxies count."""
    url, metrics = settings.prometheus.url, bootstrap.prometheus(settings.prometheus)
    try:
        metrics.ping()
    except Fault as fault:
        sentence = f"{url}: {fault.sentence} Check PROMETHEUS_URL and its credentials."
        yield Line(ok=False, part="prometheus", sentence=sentence)
        return
    yield Line(ok=True, part="prometheus", sentence=f"{url} answers")
    trouble = surroundings.without_series(metrics)
    if trouble is not None:
        yield Line(ok=False, part="prometheus", sentence=f"{url}: {trouble}")


def cluster(settings: Settings) -> Iterator[Line]:
    """The cluster alone, where nothing else can be connected to."""
    yield reached(Kube.connect(settings.kubernetes.kubeconfig, settings.kubernetes.context))


def reached(kube: Kube) -> Line:
    """Whether the API server answers: which one it is, and who we are to it."""
    try:
        kube.ping()
    except Fault as fault:
        sentence = f"{kube.where}: {fault.sentence} Check KUBECONFIG and KUBE_CONTEXT, or the service account."
        return Line(ok=False, part="kubernetes", sentence=sentence)
    return Line(ok=True, part="kubernetes", sentence=f"{kube.where} answers; {account(kube)}")


def redis(settings: Settings) -> Iterator[Line]:
    """Redis alone, where nothing else can be connected to."""
    RedisStore(bootstrap.redis(settings.redis), settings.signer).ping()
    yield Line(ok=True, part="redis", sentence="answers")


def account(kube: Kube) -> str:
    """As whom we are known there, as half a sentence."""
    try:
        name = kube.account()
    except Fault as fault:
        return f"as whom is not known: {fault.sentence}"
    return f"we are {name}" if name else "as whom is not known: servers tell it from Kubernetes 1.28 on"


def permissions(adapters: bootstrap.Adapters) -> Iterator[Line]:
    """What we may not do of all that preflight and a rollout ask for, each with the rule to add; by service."""
    wanted = {service.name: surroundings.wanted(adapters.kube, service) for service in adapters.catalogue}
    everything = list(dict.fromkeys(access for several in wanted.values() for access in several))
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        answers = dict(
            zip(everything, pool.map(lambda access: permission(adapters.kube, access), everything), strict=True)
        )
    told: set[Access] = set()
    for name, several in wanted.items():
        yield from _permission_lines(name, [answers[one] for one in several if one not in told])
        told.update(several)


def _permission_lines(service: str, found: list[Permission]) -> Iterator[Line]:
    problems = list(lacking(found))
    for problem in problems:
        yield Line(ok=not problem.blocking, doubt=True, part=service, sentence=str(problem))
    if found and not problems:
        yield Line(ok=True, part=service, sentence=f"canary-bot may do all {len(found)} things that a rollout does")


def slack(settings: Settings) -> Iterator[Line]:
    """Whether both tokens are good, and the scopes enough; who the bot is, and where."""
    try:
        given = settings.require_slack()
    except Refusal as refusal:
        yield Line(ok=False, part="slack", sentence=str(refusal))
        return
    try:
        identity = _identity(given)
    except Fault as fault:
        yield Line(ok=False, part="slack", sentence=str(fault.sentence))
        return
    scopes = granted(identity)
    problem = _problem(identity, given, sorted(SCOPES - (SCOPES if scopes is None else scopes)))
    if problem:
        yield Line(ok=False, part="slack", sentence=problem)
        return
    mode = "Socket Mode" if isinstance(given.mode, SocketMode) else f"HTTP mode on port {given.mode.port}"
    where = (
        f"{identity.get('team')} ({given.team_id or identity.get('team_id')}, {identity.get('url') or given.api_url})"
    )
    yield Line(ok=True, part="slack", sentence=f"{identity.get('user')} in {where}, {mode}")
    if scopes is not None and ACCOUNT_SCOPE not in scopes:
        sentence = f"The app lacks the scope {ACCOUNT_SCOPE}: bots and deactivated accounts count as their groups say."
        yield Line(ok=True, doubt=True, part="slack", sentence=sentence)


def _identity(given: SlackSettings) -> SlackResponse:
    """Who the bot's token is; the app's token is tried as well, where there is one.

    Raises:
        Fault: Slack refuses one of them, or cannot be reached.
    """
    client = bootstrap.slack_client(given, lambda _system, _outcome: None)
    identity = _asked("auth.test", "SLACK_BOT_TOKEN", client.auth_test)
    if isinstance(given.mode, SocketMode):
        token = given.mode.app_token.reveal()
        _asked("apps.connections.open", "SLACK_APP_TOKEN", lambda: client.apps_connections_open(app_token=token))
    return identity


def _asked(method: str, token: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except SlackApiError as error:
        raise Fault("Slack", _refusal(method, token, error)) from error
    except SLACK_FAILURES as error:
        sentence = f"cannot be reached ({method}: {type(error).__name__}). Check the network and SLACK_API_URL."
        raise Fault("Slack", sentence) from error


def _refusal(method: str, token: str, error: SlackApiError) -> str:
    code = answer_code(error)
    if code in NO_TOKEN or code == "not_allowed_token_type":
        return f"does not accept the token ({method}: {code}). Copy {token} anew from the app's page."
    if code == NO_SCOPE:
        return f"{remedy(code, needed_scope(error))} ({method}: {code})"
    return f"{method} answers {code}."


def _problem(identity: SlackResponse, given: SlackSettings, missing: list[str]) -> str:
    if missing:
        return remedy(NO_SCOPE, ", ".join(missing))
    if identity.get("is_enterprise_install"):
        return "" if given.team_id else ORG_WIDE
    if given.team_id and identity.get("team_id") != given.team_id:
        return f"The token is of workspace {identity.get('team_id')}, and SLACK_TEAM_ID says {given.team_id}."
    return ""
