"""``canary-bot check``: the configuration and every connection, one line each, with what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from slack_sdk import WebClient

from bot import bootstrap
from bot.adapters import redis_connection, redis_examination
from bot.adapters.redis_examination import Finding, Grade
from bot.adapters.surroundings import watchdog_trouble
from bot.cli import check_systems
from bot.cli.lines import Line as Line  # noqa: PLC0414  # it is what `check` answers
from bot.cli.lines import contained
from bot.cluster import heartbeat_lease
from bot.cluster.objects import Object, service_name, service_namespace
from bot.model.errors import CanaryError, Fault
from bot.settings.env import Settings
from bot.settings.errors import SettingsError
from bot.settings.services import read_services
from bot.slack.approvers import Approvers
from bot.slack.audience import Audience
from bot.slack.rooms import Rooms


def check(settings: Settings) -> Iterator[Line]:
    """Every part in turn; one that fails does not keep the others from being asked."""
    yield Line(ok=True, part="settings", sentence="complete")
    yield from contained("services", lambda: _catalogue(settings))
    try:
        adapters = bootstrap.connect(settings, without_services=True)
    except CanaryError as error:
        yield from _one_by_one(settings, error)
        return
    reached = _ask("redis", adapters.ports.store.ping, "answers", "Check REDIS_URL and that Redis is up.")
    yield reached
    if reached.ok:
        yield from contained("redis", lambda: _redis(adapters, settings))
    yield from contained("prometheus", lambda: check_systems.prometheus(settings))
    yield from contained("kubernetes", lambda: _kubernetes(adapters, settings))
    yield from contained("slack", lambda: _slack(adapters, settings))


def _one_by_one(settings: Settings, error: CanaryError) -> Iterator[Line]:
    """Each system by itself, where one of them cannot even be spoken of; that one is told with its own name."""
    if isinstance(error, Fault) and error.system == "Redis":
        yield Line(ok=False, part="redis", sentence=str(error.sentence))
        yield from contained("kubernetes", lambda: check_systems.cluster(settings))
    else:
        yield from contained("redis", lambda: check_systems.redis(settings))
        yield Line(ok=False, part="kubernetes", sentence=str(error))
    yield from contained("prometheus", lambda: check_systems.prometheus(settings))
    yield from contained("slack", lambda: check_systems.slack(settings))


def _catalogue(settings: Settings) -> Iterator[Line]:
    try:
        names = read_services(settings.services_file).names
    except SettingsError as error:
        yield from (Line(ok=False, part="services", sentence=str(reason)) for reason in error.reasons)
        return
    yield Line(ok=True, part="services", sentence=f"{len(names)} in {settings.services_file}: {', '.join(names)}")


def _kubernetes(adapters: bootstrap.Adapters, settings: Settings) -> Iterator[Line]:
    reached = check_systems.reached(adapters.kube)
    yield reached
    if not reached.ok:
        return
    yield from contained("services", lambda: _services(adapters))
    yield from contained("services", lambda: check_systems.permissions(adapters))
    yield from contained("watchdog", lambda: _watchdogs(adapters, settings.dead_man_seconds))


def _slack(adapters: bootstrap.Adapters, settings: Settings) -> Iterator[Line]:
    lines = list(check_systems.slack(settings))
    yield from lines
    if all(line.ok for line in lines) and adapters.slack is not None and adapters.rooms is not None:
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
        yield Line(ok=False, part="redis", sentence=str(fault.sentence))


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
            yield Line(ok=False, part=name, sentence=str(fault.sentence))
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
    trouble = watchdog_trouble(namespace, lease, limit, now)
    if trouble is not None:
        return Line(ok=False, part="watchdog", sentence=str(trouble))
    return Line(ok=True, part="watchdog", sentence=f"watches over namespace {namespace}, and acts after {limit:g} s")
