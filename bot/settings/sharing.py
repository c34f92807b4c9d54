"""What two services must not share: a Deployment, or the routes that move their users. Pure.

Two rollouts that patch one Deployment take each other's images back; two that move the same routes move each other's
users. Names that only a far-fetched version would make the same are let through: whoever starts that version is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from bot.cluster.objects import full_host
from bot.model.service import ServiceConfig
from bot.words.sentence import Sentence, said

VERSION = "{version}"

Clash = tuple[ServiceConfig, tuple[str, ...], Sentence]  # whose, which key, and a sentence that names both


def clashes(services: tuple[ServiceConfig, ...]) -> Iterator[Clash]:
    """Everything that two services share and must not, told at the later one."""
    for first, second in sorted(_near(services)):
        one, other = services[first], services[second]
        yield from _deployments(one, other)
        yield from _routes(one, other)


def _near(services: tuple[ServiceConfig, ...]) -> set[tuple[int, int]]:
    """Pairs of positions that have to be compared; of a thousand services that is not each with each."""
    names, routed = defaultdict[str, list[tuple[str, bool, int]]](list), defaultdict[tuple[str, str], list[int]](list)
    for position, service in enumerate(services):
        for key in service.virtual_service_keys:
            routed[key].append(position)
        for name in (service.primary_deployment, service.canary_deployment):
            names[service.namespace].append((name.partition(VERSION)[0], VERSION in name, position))
    pairs = {pair for positions in routed.values() for pair in combinations(positions, 2)}
    return pairs.union(*(_alike(sorted(several)) for several in names.values()))


def _alike(names: list[tuple[str, bool, int]]) -> Iterator[tuple[int, int]]:
    """Positions of names that begin alike: in order, whatever begins with a name's fixed part follows it at once."""
    for index, (begins, is_open, one) in enumerate(names):
        for following in range(index + 1, len(names)):
            other_begins, _, other = names[following]
            if not (other_begins.startswith(begins) if is_open else other_begins == begins):
                break
            if one != other:
                yield min(one, other), max(one, other)


def _deployments(one: ServiceConfig, other: ServiceConfig) -> Iterator[Clash]:
    primary, canary = ("primary", "deployment"), ("canary", "deployment")
    mine, theirs = other.primary_deployment, one.primary_deployment
    if mine == theirs:
        yield other, primary, said("settings.same_primary", name=mine, one=one.name, other=other.name)
    if can_be_same(one.canary_deployment, other.canary_deployment):
        names = other.canary_deployment, one.canary_deployment
        yield other, canary, said("settings.same_canary", names=names, one=one.name, other=other.name)
    if can_be_same(one.canary_deployment, mine):
        pattern = one.canary_deployment
        yield other, primary, said("settings.primary_as_canary", name=mine, one=one.name, pattern=pattern)
    if can_be_same(theirs, other.canary_deployment):
        pattern = other.canary_deployment
        yield other, canary, said("settings.canary_as_primary", pattern=pattern, name=theirs, one=one.name)


def _routes(one: ServiceConfig, other: ServiceConfig) -> Iterator[Clash]:
    shared = sorted(set(one.virtual_service_keys) & set(other.virtual_service_keys))
    if not shared:
        return
    named = sorted(set(one.routes) & set(other.routes))
    where = shared[0][1]
    if named:
        clash = said("settings.same_routes", routes=tuple(named), where=where, one=one.name, other=other.name)
        yield other, ("routes",), clash
    elif full_host(one) == full_host(other) and not (one.routes and other.routes):
        clash = said("settings.same_host", host=full_host(one), where=where, one=one.name, other=other.name)
        yield other, ("virtual_services" if other.siblings else "virtual_service",), clash


def can_be_same(one: str, other: str) -> bool:
    """Whether some version makes two names of Deployments the same; a version with a dash in it is far-fetched."""
    if one == other:
        return True
    if VERSION not in one and VERSION not in other:
        return False
    (before, _, after), (begins, _, ends) = one.partition(VERSION), other.partition(VERSION)
    if VERSION not in one or VERSION not in other:
        fixed, (start, end) = (one, (begins, ends)) if VERSION in other else (other, (before, after))
        between = fixed.removeprefix(start).removesuffix(end)
        fits = fixed.startswith(start) and fixed.endswith(end) and len(fixed) > len(start) + len(end)
        return fits and "-" not in between
    longer, shorter = sorted((before, begins), key=len, reverse=True)
    last, least = sorted((after, ends), key=len, reverse=True)
    rest = longer[len(shorter) :] + last[: len(last) - len(least)]
    return longer.startswith(shorter) and last.endswith(least) and "-" not in rest
