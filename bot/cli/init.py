"""``canary-bot init``: what a service's mesh objects lack before its first release, shown, or written step by step.

Each step is written when the one before it is in force. The Service selects other versions' pods only when live figures
have proven that users arrive at the primary, and nobody at another version; what cannot be proven stops before that.
So do callers inside the mesh whom no route leads: they would reach every version that the Service selects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.adapters.kube import Kube
from bot.adapters.kube_answers import Unanswered
from bot.adapters.mesh_config import root_namespace
from bot.cli.objects import as_yaml
from bot.cluster.mesh_setup import GATEWAY_NAMESPACE, Found, Kind, Setup, Write, setup
from bot.cluster.objects import Object, full_host, service_name, service_namespace
from bot.model.errors import Cause, Fault, Refusal
from bot.model.service import ServiceConfig
from bot.preflight.leak import onto_the_mesh
from bot.preflight.snapshot import Callers
from bot.words.sentence import Code, Seconds, Text, said, together

# istiod waits at most so long before it pushes (PILOT_DEBOUNCE_MAX), and nothing says from outside who has it.
PROXIES_SECONDS = 10.0
PROOF_SECONDS = 90.0  # in which some request has to be scraped
SCRAPES = 2  # that have to agree


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """What it works on.

    Attributes:
        callers: who reached a Deployment through the service, from one moment to another, seconds since the epoch.
        now: seconds since the epoch.
        pause: waits so many seconds.
    """

    kube: Kube
    callers: Callable[[ServiceConfig, str, float, float], Callers]
    now: Callable[[], float]
    pause: Callable[[float], None]


def needed(service: ServiceConfig, kube: Kube, istiod: str = GATEWAY_NAMESPACE) -> Setup:
    """What has to be written, in order; ``istiod`` is the namespace of Istio itself.

    Raises:
        Refusal: the Service is missing, or it cannot be told what to write.
        Fault: the cluster could not be read.
    """
    found = Found(
        backend=kube.get("Service", service_namespace(service), service_name(service)),
        services=kube.list("Service", service.namespace),
        deployments=kube.list("Deployment", service.namespace),
        rules=_of_the_mesh("DestinationRule", kube, service.namespace, service.rule_at[0]),
        virtual_services=_of_the_mesh("VirtualService", kube, service.namespace, *_spaces(service)),
        gateways=_of_the_mesh("Gateway", kube, service.routes_at[0], GATEWAY_NAMESPACE),
        root=root_namespace(kube, istiod),
    )
    return setup(service, found, kube.istio_version())


def _spaces(service: ServiceConfig) -> tuple[str, ...]:
    """Where its VirtualServices are."""
    return tuple(dict.fromkeys(space for space, _ in service.virtual_service_keys))


def _of_the_mesh(kind: str, kube: Kube, *spaces: str) -> list[Object]:
    """Of all namespaces, as Istio obeys them; where that is forbidden, of those that are named."""
    try:
        return kube.list_everywhere(kind)
    except Fault as fault:
        if fault.cause is not Cause.FORBIDDEN:
            raise
    return [one for space in dict.fromkeys(spaces) for one in kube.list(kind, space)]


def shown(needed: Setup) -> Iterator[Text]:
    """Each object under what is new in it, as YAML."""
    for number, write in enumerate(needed.writes, start=1):
        yield said("cli.needed", number=number, place=_place(write), about=write.about, yaml=as_yaml(write.thing))
    if not needed.writes:
        yield said("cli.nothing_missing")


def applied(service: ServiceConfig, needed: Setup, systems: Systems) -> Iterator[Text]:
    """Write each in turn, one sentence each.

    Raises:
        Refusal: users did not arrive where they must, and all routes are again as they were, but for those that it
            names; or nothing was proven.
        Fault: the cluster refused a write, did not answer, or somebody changed the object first; all routes are again
            as they were, but for those that it names, and unless it was the last step, of which nobody can know
            whether it came through.
    """
    done = list[_Done]()
    for write in needed.writes:
        if done:
            yield said("cli.proxies_learn", time=Seconds(PROXIES_SECONDS))
            systems.pause(PROXIES_SECONDS)
        if write.kind is Kind.SELECTOR:
            if not needed.in_the_mesh:
                _refuse_callers_without_routes(service, systems)
            yield _proof(service, needed.others, done, systems)
        done.append((write, _put(write, done, systems.kube)))
        yield _written(write)
    if not needed.writes:
        yield said("cli.nothing_missing")


def _written(write: Write) -> Text:
    if write.before is None:
        return said("cli.created", place=_place(write), about=write.about)
    return said("cli.changed", place=_place(write), about=write.about)


_Done: TypeAlias = tuple[Write, Object]  # what was to be written, and what the API server made of it


def _put(write: Write, done: Sequence[_Done], kube: Kube) -> Object:
    try:
        return kube.create(write.thing) if write.before is None else kube.put(write.thing)
    except Fault as fault:
        # The last step may have come through all the same, and then routes must keep users off other versions.
        if write.kind is Kind.SELECTOR:
            raise
        why = [*_unanswered(write, fault, kube), *_take_back(done, kube)]
        if why:
            raise Fault(fault.system, together([fault.sentence, *why]), fault.cause) from fault
        raise


def _unanswered(write: Write, fault: Fault, kube: Kube) -> Iterator[Text]:
    """Take a route back that was written all the same, though nobody said so; what is left to know of it, for people.

    No read tells that a write will not arrive later: the API server may take a minute for one that it has begun.
    """
    if write.kind is not Kind.ROUTES or not isinstance(fault, Unanswered):
        return
    meta = write.thing["metadata"]
    try:
        left = kube.get(write.thing["kind"], meta["namespace"], meta["name"])
        if left is not None and left["spec"] == write.thing["spec"]:
            _as_it_was(write, left, kube)
        elif (left or {}).get("spec") == (write.before or {}).get("spec"):
            yield said("cli.may_come_late", place=_place(write))
        else:
            yield said("cli.changed_meanwhile", place=_place(write))
    except Fault as again:
        yield said("cli.not_taken_back", why=again.sentence)


def _place(write: Write) -> str:
    meta = write.thing["metadata"]
    return f"{write.thing['kind']} {meta['namespace']}/{meta['name']}"


def _proof(service: ServiceConfig, others: frozenset[str], done: Sequence[_Done], systems: Systems) -> Text:
    """Wait until requests were seen at the primary, and none at any other version of the service.

    ``done`` is what was written before, of which all routes are taken back where users are elsewhere.
    """
    since, interval = systems.now(), service.metrics.scrape_interval
    agreed = 0
    while systems.now() - since < PROOF_SECONDS:
        systems.pause(interval)
        astray = next((one for one in sorted(others) if _reached(service, one, since, systems)), None)
        if astray is not None:
            why = _take_back(done, systems.kube)
            if why:
                raise Refusal(together([said("cli.users_still_astray", deployment=astray), *why]))
            raise Refusal(said("cli.users_astray", deployment=astray))
        agreed += _reached(service, service.primary_deployment, since, systems)
        if agreed == SCRAPES:
            return said("cli.users_arrive", deployment=service.primary_deployment)
    raise Refusal(said("cli.nothing_proven", time=Seconds(PROOF_SECONDS)))


def _refuse_callers_without_routes(service: ServiceConfig, systems: Systems) -> None:
    """Callers inside the mesh whom no route leads: the Service alone keeps them off other versions so far."""
    now = systems.now()
    inside = [
        name for name, count in _callers(service, service.primary_deployment, now, systems).of_service.items() if count
    ]
    if inside:
        host, routes = full_host(service), systems.kube.get("VirtualService", *service.routes_at)
        command = onto_the_mesh(routes, service)
        astray = said("cli.callers_without_routes", callers=tuple(sorted(inside)), host=host)
        by_hand = said("cli.onto_the_mesh_by_hand", host=host, mesh=Code("mesh"), all_hosts=Code("*"))
        raise Refusal(together([astray, said("cli.onto_the_mesh", command=command) if command else by_hand]))


def _reached(service: ServiceConfig, deployment: str, since: float, systems: Systems) -> bool:
    """Whether anybody has reached it through the service since then, counted at the callers."""
    callers = _callers(service, deployment, since, systems)
    return any(count > 0 for count in callers.of_canary.values())


def _callers(service: ServiceConfig, deployment: str, since: float, systems: Systems) -> Callers:
    try:
        return systems.callers(service, deployment, systems.now(), since)
    except Fault as fault:
        raise Refusal(said("cli.not_proven_without_figures", why=fault.sentence)) from fault


def _take_back(done: Sequence[_Done], kube: Kube) -> list[Text]:
    """Every route as it was, the last first. Subsets that nobody names change nothing, and stay for the next try.

    Each is tried whatever becomes of the others; answers which are not as they were, and why, for people.
    """
    failed = list[Text]()
    for write, left in reversed(done):
        if write.kind is Kind.ROUTES:
            try:
                _as_it_was(write, left, kube)
            except Fault as fault:
                failed.append(said("cli.not_taken_back", why=fault.sentence))
    return failed


def _as_it_was(write: Write, left: Object, kube: Kube) -> None:
    if write.before is None:
        kube.delete(left)
        return
    version = left["metadata"]["resourceVersion"]
    kube.put({**write.before, "metadata": {**write.before["metadata"], "resourceVersion": version}})
