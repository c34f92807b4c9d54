"""``canary-bot check``: the configuration and every connection, one line each, with what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from slack_sdk import WebClient

from bot import bootstrap
from bot.adapters import redis_connection, redis_examination
from bot.adapters.clock import stopwatch
from bot.adapters.kube import Kube
from bot.adapters.redis_examination import Finding, Grade
from bot.adapters.surroundings import watchdog_trouble
from bot.cli import check_systems
from bot.cli.lines import Line as Line  # noqa: PLC0414  # it is what `check` answers
from bot.cli.lines import contained
from bot.cluster import heartbeat_lease, version_hosts
from bot.cluster.objects import Object, service_name, service_namespace
from bot.model.errors import CanaryError, Cause, Fault
from bot.model.service import ServiceConfig
from bot.settings.env import Settings
from bot.settings.errors import SettingsError
from bot.settings.services import read_services
from bot.slack.approvers import Approvers
from bot.slack.audience import Audience
from bot.slack.channels import Channels
from bot.words.sentence import Code, Seconds, said, together

Parts = Mapping[str, Callable[[], Iterable[Line]]]  # what is asked, by the name in front of what goes wrong


def check(settings: Settings) -> Iterator[Line]:
    """Every part, in this order; one that fails does not keep the others from being asked.

    All systems are asked at the same time: whoever does not answer is waited for once, and not one after another.
    """
    yield Line(ok=True, part="settings", sentence=said("cli.settings_complete"))
    yield from contained("services", lambda: _catalogue(settings))
    try:
        adapters = bootstrap.connect(settings, without_services=True)
    except CanaryError as error:
        yield from _at_once(_one_by_one(settings, error))
        return
    parts: Parts = {
        "redis": lambda: _redis(adapters, settings),
        "prometheus": lambda: check_systems.prometheus(settings),
        "webhooks": lambda: check_systems.webhooks(adapters),
        "kubernetes": lambda: _kubernetes(adapters, settings),
        "slack": lambda: _slack(adapters, settings),
    }
    yield from _at_once(parts)


def _at_once(parts: Parts) -> Iterator[Line]:
    with ThreadPoolExecutor(len(parts), thread_name_prefix="check") as pool:
        asked = [pool.submit(list, contained(part, ask)) for part, ask in parts.items()]
        for answer in asked:
            yield from answer.result()


def _one_by_one(settings: Settings, error: CanaryError) -> Parts:
    """Each system by itself, where one of them cannot even be spoken of; that one is told with its own name."""
    parts: Parts
    if isinstance(error, Fault) and error.system == "Redis":
        parts = {
            "redis": lambda: [Line(ok=False, part="redis", sentence=error.sentence)],
            "kubernetes": lambda: check_systems.cluster(settings),
        }
    else:
        parts = {
            "redis": lambda: check_systems.redis(settings),
            "kubernetes": lambda: [Line(ok=False, part="kubernetes", sentence=error.text)],
        }
    return {
        **parts,
        "prometheus": lambda: check_systems.prometheus(settings),
        "slack": lambda: check_systems.slack(settings),
    }


def _catalogue(settings: Settings) -> Iterator[Line]:
    try:
        names = read_services(settings.services_file).names
    except SettingsError as error:
        yield from (Line(ok=False, part="services", sentence=reason) for reason in error.reasons)
        return
    yield Line(
        ok=True,
        part="services",
        sentence=said("cli.services", n=len(names), file=str(settings.services_file), names=names),
    )


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
    if all(line.ok for line in lines) and adapters.slack is not None and adapters.channels is not None:
        yield from _audience(adapters, adapters.slack, adapters.channels)


def _redis_answers(adapters: bootstrap.Adapters) -> Line:
    try:
        adapters.ports.store.ping()
    except Fault as fault:
        return Line(ok=False, part="redis", sentence=said("cli.redis_silent", why=fault.sentence, url="REDIS_URL"))
    return Line(ok=True, part="redis", sentence=said("cli.answers"))


def _redis(adapters: bootstrap.Adapters, settings: Settings) -> Iterator[Line]:
    """Whether it answers, is one to rely on, and whether what is in it says who wrote it."""
    reached = _redis_answers(adapters)
    yield reached
    if not reached.ok:
        return
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
        routes = ("virtual_services",) if service.siblings else ("virtual_service",)
        wanted = [
            *((routes, ("VirtualService", *key)) for key in service.virtual_service_keys),
            (("destination_rule",), ("DestinationRule", *service.rule_at)),
            (("host",), ("Service", service_namespace(service), service_name(service))),  # by any form of its name
            (("primary", "deployment"), ("Deployment", home, service.primary_deployment)),
        ]
        try:
            missing = [
                said(
                    "cli.missing", place=adapters.catalogue.written_at(name, *keys), kind=kind, name=at, namespace=space
                )
                for keys, (kind, space, at) in wanted
                if adapters.kube.get(kind, space, at) is None
            ]
            missing = [] if missing and _has_all_of_versions(service, adapters.kube) else missing
        except Fault as fault:
            yield Line(ok=False, part=name, sentence=fault.sentence)
            continue
        if missing:
            sentence = said("cli.objects_missing", missing=tuple(missing), command=Code(f"canary-bot init {name}"))
            yield Line(ok=False, part=name, sentence=sentence)
        else:
            yield Line(ok=True, part=name, sentence=said("cli.objects_there", namespace=service.namespace))


def _has_all_of_versions(service: ServiceConfig, kube: Kube) -> bool:
    """Whether each version has a Service, so that one for all of them, and a DestinationRule, is not needed."""
    home = service.namespace
    primary = kube.get("Deployment", home, service.primary_deployment)
    every = [kube.get("VirtualService", *key) for key in service.virtual_service_keys]
    routes = every[0]
    if primary is None or any(one is None for one in every):
        return False
    return version_hosts.primarys(service, routes, kube.list("Service", home), primary) is not None


def _audience(adapters: bootstrap.Adapters, slack: WebClient, channels: Channels) -> Iterator[Line]:
    """Whether each service's channel is open, and whether its approvers are people and groups that Slack knows."""
    services = [adapters.catalogue.get(name) for name in adapters.catalogue.names]
    for service, wrong, unknown in Audience(services, channels, Approvers(slack, stopwatch)).findings():
        problems = together([*wrong, *(said("cli.of_slack", sentence=fault.sentence) for fault in unknown)])
        approvers = service.approvals.approvers or (said("cli.any_member"),)
        fine = said("cli.channel_open", channel=service.channel, approvers=approvers)
        yield Line(ok=not problems, part=service.name, sentence=problems or fine)


def _watchdogs(adapters: bootstrap.Adapters, limit: float) -> Iterator[Line]:
    """Whether anybody would bring users home if this bot died, and after how long; a line for each place of routes."""
    services = [adapters.catalogue.get(name) for name in adapters.catalogue.names]
    for namespace in dict.fromkeys(space for service in services for space, _ in service.virtual_service_keys):
        try:
            lease = adapters.kube.get("Lease", namespace, heartbeat_lease.WATCHING)
        except Fault as fault:
            forbidden = fault.cause is Cause.FORBIDDEN
            sentence = said("cli.lease_unreadable", why=fault.sentence) if forbidden else fault.sentence
            yield Line(ok=False, part="watchdog", sentence=sentence)
            continue
        yield watchdog_line(namespace, lease, limit, adapters.ports.clock.now())


def watchdog_line(namespace: str, lease: Object | None, limit: float, now: float) -> Line:
    """What the watchdogs' own Lease says, beside our limit in seconds."""
    if lease is None:
        return Line(ok=True, part="watchdog", sentence=said("cli.no_watchdog", namespace=namespace))
    trouble = watchdog_trouble(namespace, lease, limit, now)
    if trouble is not None:
        return Line(ok=False, part="watchdog", sentence=trouble)
    return Line(ok=True, part="watchdog", sentence=said("cli.watchdog", namespace=namespace, limit=Seconds(limit)))
