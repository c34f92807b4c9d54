"""What ``canary-bot check`` finds out about the systems themselves: which they are, and whether they are enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
from bot.model.webhooks import Webhook
from bot.preflight import Access, Permission
from bot.preflight.permissions import lacking
from bot.settings.env import HttpMode, Settings, SlackSettings, SocketMode
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
from bot.words.sentence import Text, said

ASKED_AT_ONCE = 8

T = TypeVar("T")


def prometheus(settings: Settings) -> Iterator[Line]:
    """Whether it answers, and has what Istio's proxies count."""
    url, metrics = settings.prometheus.url, bootstrap.prometheus(settings.prometheus)
    try:
        metrics.ping()
    except Fault as fault:
        sentence = said("cli.prometheus_silent", url=url, why=fault.sentence, setting="PROMETHEUS_URL")
        yield Line(ok=False, part="prometheus", sentence=sentence)
        return
    yield Line(ok=True, part="prometheus", sentence=said("cli.it_answers", what=url))
    trouble = surroundings.without_series(metrics)
    if trouble is not None:
        yield Line(ok=False, part="prometheus", sentence=said("cli.about", what=url, sentence=trouble))


def cluster(settings: Settings) -> Iterator[Line]:
    """The cluster alone, where nothing else can be connected to."""
    yield reached(Kube.connect(settings.kubernetes.kubeconfig, settings.kubernetes.context))


def reached(kube: Kube) -> Line:
    """Whether the API server answers: which one it is, and who we are to it."""
    try:
        kube.ping()
    except Fault as fault:
        sentence = said(
            "cli.kubernetes_silent", where=kube.where, why=fault.sentence, file="KUBECONFIG", context="KUBE_CONTEXT"
        )
        return Line(ok=False, part="kubernetes", sentence=sentence)
    return Line(ok=True, part="kubernetes", sentence=said("cli.kubernetes", where=kube.where, account=account(kube)))


def redis(settings: Settings) -> Iterator[Line]:
    """Redis alone, where nothing else can be connected to."""
    RedisStore(bootstrap.redis(settings.redis), settings.signer).ping()
    yield Line(ok=True, part="redis", sentence=said("cli.answers"))


def webhooks(adapters: bootstrap.Adapters) -> Iterator[Line]:
    """Whether each service's webhooks can be connected to; they hear nothing. Several are tried at once."""
    every = [(service.name, hook) for service in adapters.catalogue for hook in service.webhooks]
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        found = pool.map(lambda one: _unreached(adapters, one[1]), every)
        for (service, hook), trouble in zip(every, found, strict=True):
            reached = said("cli.webhook_reached", name=hook.name)
            wrong = said("cli.webhook_unreached", name=hook.name, why=trouble) if trouble else ""
            yield Line(ok=not trouble, part=service, sentence=wrong or reached)


def _unreached(adapters: bootstrap.Adapters, hook: Webhook) -> Text:
    try:
        adapters.ports.webhooks.connect(hook)
    except Fault as fault:
        return fault.sentence
    return ""


def account(kube: Kube) -> Text:
    """As whom we are known there, as half a sentence."""
    try:
        name = kube.account()
    except Fault as fault:
        return said("cli.account_unknown", why=fault.sentence)
    return said("cli.account", name=name) if name else said("cli.account_untold")


def permissions(adapters: bootstrap.Adapters) -> Iterator[Line]:
    """What we may not do of all that preflight and a rollout ask for, each with the rule to add; by service."""
    wanted = {service.name: surroundings.wanted(adapters.kube, service) for service in adapters.catalogue}
    everything = list(dict.fromkeys(access for several in wanted.values() for access in several))
    answers = _answers(lambda access: permission(adapters.kube, access), everything)
    asked: set[Access] = set()
    for name, several in wanted.items():
        yield from _permission_lines(name, [answers[one] for one in several if one not in asked])
        asked.update(several)


def _answers(ask: Callable[[Access], Permission], everything: Sequence[Access]) -> Mapping[Access, Permission]:
    """Several at once. A server that answers none of those is not asked on: each question may take its whole time."""
    found: dict[Access, Permission] = {}
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        for start in range(0, len(everything), ASKED_AT_ONCE):
            some = everything[start : start + ASKED_AT_ONCE]
            given = list(pool.map(ask, some))
            found.update(zip(some, given, strict=True))
            if all(one.allowed is None for one in given):
                rest = everything[start + ASKED_AT_ONCE :]
                return found | {access: replace(given[-1], access=access) for access in rest}
    return found


def _permission_lines(service: str, found: list[Permission]) -> Iterator[Line]:
    problems = list(lacking(found))
    for problem in problems:
        yield Line(ok=not problem.blocking, doubt=True, part=service, sentence=problem.text)
    if found and not problems:
        yield Line(ok=True, part=service, sentence=said("cli.may_do_all", n=len(found)))


def slack(settings: Settings) -> Iterator[Line]:
    """Whether both tokens are good, and the scopes enough; who the bot is, and where."""
    try:
        given = settings.require_slack()
    except Refusal as refusal:
        yield Line(ok=False, part="slack", sentence=refusal.text)
        return
    try:
        identity = _identity(given)
    except Fault as fault:
        yield Line(ok=False, part="slack", sentence=fault.sentence)
        return
    scopes = granted(identity)
    problem = _problem(identity, given, sorted(SCOPES - (SCOPES if scopes is None else scopes)))
    if problem:
        yield Line(ok=False, part="slack", sentence=problem)
        return
    yield Line(ok=True, part="slack", sentence=_who_and_where(identity, given))
    if scopes is not None and ACCOUNT_SCOPE not in scopes:
        yield Line(ok=True, doubt=True, part="slack", sentence=said("cli.no_account_scope", scope=ACCOUNT_SCOPE))


def _who_and_where(identity: SlackResponse, given: SlackSettings) -> Text:
    mode = given.mode
    return said(
        "cli.slack",
        user=str(identity.get("user")),
        team=str(identity.get("team")),
        id=str(given.team_id or identity.get("team_id")),
        url=str(identity.get("url") or given.api_url),
        mode=said("cli.http_mode", port=str(mode.port)) if isinstance(mode, HttpMode) else said("cli.socket_mode"),
    )


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
        kind = type(error).__name__
        raise Fault("Slack", said("cli.slack_unreached", method=method, kind=kind, setting="SLACK_API_URL")) from error


def _refusal(method: str, token: str, error: SlackApiError) -> Text:
    code = answer_code(error)
    if code in NO_TOKEN or code == "not_allowed_token_type":
        return said("cli.token_refused", method=method, code=code, token=token)
    if code == NO_SCOPE:
        return said("cli.with_code", sentence=remedy(code, needed_scope(error)), method=method, code=code)
    return said("cli.method_answers", method=method, code=code)


def _problem(identity: SlackResponse, given: SlackSettings, missing: list[str]) -> Text:
    if missing:
        return remedy(NO_SCOPE, ", ".join(missing))
    if identity.get("is_enterprise_install"):
        return "" if given.team_id else ORG_WIDE
    if given.team_id and identity.get("team_id") != given.team_id:
        theirs = str(identity.get("team_id"))
        return said("cli.other_workspace", theirs=theirs, setting="SLACK_TEAM_ID", ours=given.team_id)
    return ""
