"""``canary-bot check``: the configuration and every connection, one line each, with what to do."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import bootstrap
from bot.adapters import redis_connection, redis_examination
from bot.adapters.redis_examination import Finding, Grade
from bot.cluster import heartbeat_lease
from bot.cluster.objects import Object, service_name, service_namespace
from bot.model.errors import CanaryError, Fault, Refusal
from bot.settings.env import Settings, SlackSettings, SocketMode
from bot.slack.approvers import Approvers
from bot.slack.audience import Audience
from bot.slack.codes import NO_SCOPE, ORG_WIDE, SCOPES, granted, remedy
from bot.slack.rooms import Rooms

MISSED = 2  # limits without a word of the watchdog's, by two clocks that may differ a little


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One answer of ``check``."""

    ok: bool
    part: str
    sentence: str
    doubt: bool = False  # it works, and somebody should know

    def __str__(self) -> str:
        word = "warn" if self.ok and self.doubt else "ok  " if self.ok else "FAIL"
        return f"{word}  {self.part:<12} {self.sentence}"


def check(settings: Settings) -> Iterator[Line]:
    """Every part in turn; one that fails does not keep the others from being asked."""
    yield Line(ok=True, part="settings", sentence="complete")
    try:
        adapters = bootstrap.connect(settings)
    except CanaryError as error:
        yield Line(ok=False, part="services", sentence=str(error))
        return
    count = len(adapters.catalogue.names)
    yield Line(
        ok=True, part="services", sentence=f"{count} in {settings.services_file}: {', '.join(adapters.catalogue.names)}"
    )
    reached = _ask("redis", adapters.ports.store.ping, "answers", "Check REDIS_URL and that Redis is up.")
    yield reached
    if reached.ok:
        yield from _redis(adapters, settings)
    yield _ask("prometheus", adapters.metrics.ping, "answers", "Check PROMETHEUS_URL and its credentials.")
    reached = _ask(
        "kubernetes", adapters.kube.ping, "answers", "Check KUBECONFIG and KUBE_CONTEXT, or the service account."
    )
    yield reached
    if reached.ok:
        yield from _services(adapters)
        yield from _watchdogs(adapters, settings.dead_man_seconds)
    reached = _slack(settings)
    yield reached
    if reached.ok and adapters.slack is not None and adapters.rooms is not None:
        yield from _audience(adapters, adapters.slack, adapters.rooms)


def _ask(part: str, ask: Callable[[], object], fine: str, remedy: str) -> Line:
    try:
        ask()
    except Fault as fault:
        return Line(ok=False, part=part, sentence=f"{fault.sentence} {remedy}")
    return Line(ok=True, part=part, sentence=fine)


def _redis(adapters: bootstrap.Adapters, settings: Settings) -> Iterator[Line]:
    """Whether this Redis is one to rely on, and whether what is in it says who wrote it."""
    url, access = settings.redis.url.reveal(), bootstrap.redis_access(settings.redis)
    try:
        yield from map(_found, redis_examination.examine_servers(adapters.redis))
        strangers = redis_connection.asks_for_no_password(url, access)
        yield from map(_found, redis_examination.examine_login(open_to_all=strangers))
        yield from map(_found, redis_examination.examine_signatures(adapters.signing, settings.signer))
    except Fault as fault:
        yield Line(ok=False, part="redis", sentence=fault.sentence)


def _found(finding: Finding) -> Line:
    wrong, doubt = finding.grade is Grade.WRONG, finding.grade is Grade.DOUBT
    return Line(ok=not wrong, part="redis", sentence=finding.sentence, doubt=doubt)


def _services(adapters: bootstrap.Adapters) -> Iterator[Line]:
    """The objects each service names that exist before any canary does."""
    for name in adapters.catalogue.names:
        service = adapters.catalogue.get(name)
        home = service.namespace
        wanted = {
            ("virtual_service",): ("VirtualService", home, service.virtual_service),
            ("destination_rule",): ("DestinationRule", home, service.destination_rule),
            ("host",): ("Service", service_namespace(service), service_name(service)),  # by any form of its name
            ("primary", "deployment"): ("Deployment", home, service.primary_deployment),
        }
        try:
            missing = [
                f"{adapters.catalogue.written_at(name, *keys)}: there is no {kind} {at} in namespace {space}"
                for keys, (kind, space, at) in wanted.items()
                if adapters.kube.get(kind, space, at) is None
            ]
        except Fault as fault:
            yield Line(ok=False, part=name, sentence=fault.sentence)
            continue
        if missing:
            hint = f"`canary-bot init {name}` shows the mesh objects it needs."
            sentence = f"{'; '.join(missing)}. {hint}"
            yield Line(ok=False, part=name, sentence=sentence)
        else:
            yield Line(ok=True, part=name, sentence=f"every object is there (namespace {service.namespace})")


def _audience(adapters: bootstrap.Adapters, slack: WebClient, rooms: Rooms) -> Iterator[Line]:
    """Whether each service's channel is open, and whether its approvers are people and groups that Slack knows."""
    services = [adapters.catalogue.get(name) for name in adapters.catalogue.names]
    for service, wrong, unknown in Audience(services, rooms, Approvers(slack, time.monotonic)).findings():
        problems = [*wrong, *(f"Slack {fault.sentence}" for fault in unknown)]
        approvers = ", ".join(service.approvals.approvers) or "any member of the workspace"
        fine = f"{service.channel} is open to the bot; approvers: {approvers}"
        yield Line(ok=not problems, part=service.name, sentence=" ".join(problems) or fine)


def _watchdogs(adapters: bootstrap.Adapters, limit: float) -> Iterator[Line]:
    """Whether anybody would bring users home if this bot died, and after how long; one line for each namespace."""
    names = adapters.catalogue.names
    for namespace in dict.fromkeys(adapters.catalogue.get(name).namespace for name in names):
        try:
            lease = adapters.kube.get("Lease", namespace, heartbeat_lease.WATCHING)
        except Fault as fault:
            yield Line(ok=False, part="watchdog", sentence=f"{fault.sentence} Its Role needs `get` of it.")
            continue
        yield watchdog_line(namespace, lease, limit, adapters.ports.clock.now())


def watchdog_line(namespace: str, lease: Object | None, limit: float, now: float) -> Line:
    """What the watchdogs' own Lease says, beside our limit in seconds."""
    if lease is None:
        sentence = (
            f"no watchdog says that it watches over namespace {namespace}: if the bot dies, users stay where they are. "
            "See deploy/watchdog.yaml."
        )
        return Line(ok=True, part="watchdog", sentence=sentence)
    theirs, said_at = heartbeat_lease.watched(lease)
    silent = now - said_at if said_at is not None else 0.0
    if silent > MISSED * theirs:
        sentence = f"the one of namespace {namespace} has said nothing for {silent:.0f} s: is it running?"
        return Line(ok=False, part="watchdog", sentence=sentence)
    if theirs != math.ceil(limit):
        sentence = (
            f"DEAD_MAN_SECONDS is {limit:g} here and {theirs:g} at the watchdog of namespace {namespace}: it acts "
            "after the longer of the two. Give both the same."
        )
        return Line(ok=False, part="watchdog", sentence=sentence)
    return Line(ok=True, part="watchdog", sentence=f"watches over namespace {namespace}, and acts after {limit:g} s")


def _slack(settings: Settings) -> Line:
    try:
        slack = settings.require_slack()
    except Refusal as refusal:
        return Line(ok=False, part="slack", sentence=str(refusal))
    client = WebClient(token=slack.bot_token.reveal(), base_url=slack.api_url, timeout=10)
    try:
        identity = client.auth_test()
        if isinstance(slack.mode, SocketMode):
            client.apps_connections_open(app_token=slack.mode.app_token.reveal())
    except SlackApiError as error:
        return Line(ok=False, part="slack", sentence=_slack_remedy(str(error.response.get("error")), slack))
    except OSError:
        return Line(ok=False, part="slack", sentence="cannot be reached. Check the network and SLACK_API_URL.")
    lacking = sorted(SCOPES - (granted(identity) or SCOPES))
    if lacking:
        return Line(ok=False, part="slack", sentence=remedy(NO_SCOPE, ", ".join(lacking)))
    if identity.get("is_enterprise_install"):
        return Line(ok=False, part="slack", sentence=ORG_WIDE)
    mode = "Socket Mode" if isinstance(slack.mode, SocketMode) else f"HTTP mode on port {slack.mode.port}"
    return Line(ok=True, part="slack", sentence=f"{identity.get('user')} in {identity.get('team')}, {mode}")


def _slack_remedy(error: str, slack: SlackSettings) -> str:
    token = "SLACK_BOT_TOKEN or SLACK_APP_TOKEN" if isinstance(slack.mode, SocketMode) else "SLACK_BOT_TOKEN"
    if error in {"invalid_auth", "not_authed", "token_revoked", "account_inactive", "not_allowed_token_type"}:
        return f"does not accept the token ({error}). Copy {token} anew from the app's page."
    return f"answers {error}."
