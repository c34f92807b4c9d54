"""Users of the primary whom the rollout would not move: routes that ``routes`` leaves out, or that name no subset.

While the primary is upgraded nobody may be on its pods, so a route that keeps users there stops such a start. Where the
canary takes the primary's place instead, they go on meeting what they meet before, and a person should know it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from bot.cluster.bindings import delegated
from bot.cluster.objects import Object, name_of, namespace_of
from bot.cluster.objects import title as title_of
from bot.cluster.virtual_service import (
    STREAMS,
    LeftOut,
    RouteSides,
    is_inserted,
    left_out,
    owner_of,
    reached,
    reaches_primary,
    title,
    without_subset,
)
from bot.model.errors import Refusal
from bot.model.rollout import Target
from bot.preflight import mesh, moved
from bot.preflight.destination_rules import known_subsets
from bot.preflight.mesh import speaks_http
from bot.preflight.problems import Problem, blocks, canary_bot, patch, warns
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, Text, said

_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n)$)[a-z][\w-]*", re.IGNORECASE)  # to YAML it is a text
_ALIKE = {"port", "gateways", "sourceLabels", "sourceNamespace"}  # what a match of tcp and one of http have in common


def check(subject: Subject, target: Target) -> Iterator[Problem]:
    """Each of them; nothing where the routes themselves cannot be told, which is a problem of its own."""
    virtual_service = subject.snapshot.virtual_service
    if virtual_service is None:
        return
    try:
        found = left_out(virtual_service, target)
    except Refusal:
        yield from _none_is_ours(subject, virtual_service, target)
        return
    says = blocks if subject.service.upgrades else warns
    name = title(virtual_service)
    for kinds, remedy in (
        (("http",), _moving_remedy(subject, virtual_service, found)),
        (STREAMS, _stream_remedy(subject)),
    ):
        staying = [one for one in found if one.part and one.kind in kinds]
        if staying:
            routes, part = tuple(one.label for one in staying), staying[0].part
            sentence = (
                said("preflight.left_on_primary", name=name, routes=routes, subset=part)
                if subject.service.upgrades
                else said("preflight.left_with_primary", name=name, routes=routes, subset=part)
            )
            yield says(sentence, remedy=remedy)
    for one in found:
        if not one.part:
            yield says(
                said("preflight.left_open", name=name, route=one.label, host=target.host),
                remedy=_subset_remedy(subject, target),
            )


def _moving_remedy(subject: Subject, virtual_service: Object, found: Sequence[LeftOut]) -> Text:
    """The line that moves them as well; one without a name moves where no names are listed."""
    staying = {one.name for one in found if one.kind == "http" and one.part}
    http = [str(one.get("name") or "") for one in virtual_service["spec"].get("http") or () if not is_inserted(one)]
    names = [one for one in http if one in {*subject.service.routes, *staying}]
    if "" in staying or len(names) != len(set(names)):
        return said("preflight.move_all", key=Code("routes"), service=subject.service.name)
    listed = ", ".join(one if _PLAIN.fullmatch(one) else json.dumps(one) for one in names)
    return said("preflight.move_them_too", line=Code(f"routes: [{listed}]"), service=subject.service.name)


def _stream_remedy(subject: Subject) -> Text:
    if not subject.service.upgrades:
        return said("preflight.streams_stay")
    return said("preflight.adopt_instead", line=Code("promote: adopt"), service=subject.service.name)


def _subset_remedy(subject: Subject, target: Target) -> Text:
    command = canary_bot("init", subject.service.name, "--apply")
    return said("preflight.init_names_subset", field=Code(f"subset: {target.primary_subset}"), command=command)


def _none_is_ours(subject: Subject, virtual_service: Object, target: Target) -> Iterator[Problem]:
    """Where no route names the primary's subset, those that name none are what has to be written."""
    routes = without_subset(virtual_service, target)
    about = title_of(virtual_service)
    if routes:
        sentence = said(
            "preflight.route_without_subset", name=title(virtual_service), routes=tuple(routes), host=target.host
        )
        yield blocks(sentence, remedy=_subset_remedy(subject, target), about=about)
    elif not virtual_service["spec"].get("http") and any(virtual_service["spec"].get(kind) for kind in STREAMS):
        sentence = said("preflight.only_streams", name=title(virtual_service))
        yield blocks(sentence, remedy=_http_remedy(subject, virtual_service, target), about=about)
    elif owner_of(virtual_service) is not None:
        return  # a rollout is on, which is told as that
    elif moved.everyone_at(subject) is None and not reaches_primary(virtual_service, target):
        yield from filter(None, [_routed_elsewhere(subject, virtual_service, target)])


def _routed_elsewhere(subject: Subject, virtual_service: Object, target: Target) -> Problem | None:
    """No route of this object sends anybody to the primary: another one's do, or its users are on other versions."""
    service, about = subject.service, title_of(virtual_service)
    sides = RouteSides.of(virtual_service, target)
    place = said(
        "preflight.subset_called" if sides.primary.subset else "preflight.service_called", name=str(sides.primary)
    )
    sentence = said("preflight.no_route_to_primary", name=title(virtual_service), place=place, host=target.host)
    others = mesh.routing(subject)
    home = namespace_of(virtual_service, service.namespace)
    parts = {delegated(route, home) for route in virtual_service["spec"].get("http") or ()}
    meant = [one for one in others if (namespace_of(one, home), name_of(one)) in parts] or others
    siblings = [one for one in subject.snapshot.siblings if reaches_primary(one, target)]
    if meant or siblings:
        return blocks(sentence, remedy=mesh.naming_remedy([*siblings, *meant], service), about=about)
    there = sorted({one for route in virtual_service["spec"].get("http") or () for one in reached(route, sides)} - {""})
    if there and not subject.apart and not {*there} & known_subsets(subject):
        return None  # they are nowhere, which is told as that
    if there:
        names = {name_of(one) for each in there for one in moved.in_subset(subject, each)}
        if service.primary_deployment in names:
            return None  # a subset of every version's pods, which is told as that
        names -= {service.canary_name(subject.version)}
        key = next(iter(names)) + moved.containers_key(service.containers) if len(names) == 1 else "NAME"
        return blocks(
            said(
                "preflight.users_on_others",
                name=title(virtual_service),
                places=tuple(there),
                primary=str(sides.primary),
            ),
            remedy=said(
                "preflight.name_primary",
                key=Code(f"primary: {{deployment: {key}}}"),
                service=service.name,
                primary=service.primary_deployment,
            )
            if key == "NAME"
            else said("preflight.write_keys", keys=(Code(f"primary: {{deployment: {key}}}"),), service=service.name),
            about=about,
        )
    host = sides.primary.host.partition(".")[0] if home == service.namespace else sides.primary.host
    subset = f", subset: {sides.primary.subset}" if sides.primary.subset else ""
    field = Code(f"{{destination: {{host: {host}{subset}}}}}")
    return blocks(sentence, remedy=said("preflight.add_route", field=field), about=about)


def _http_remedy(subject: Subject, virtual_service: Object, target: Target) -> Text:
    """Where ports are HTTP by their own word, tcp routes to the versions alone can be http routes as they are."""
    tcp, sides = virtual_service["spec"].get("tcp") or [], RouteSides.of(virtual_service, target)
    ours = [one for one in tcp if reached(one, sides) & {str(sides.primary), ""}]
    matches = [match for route in ours for match in route.get("match") or ()]
    versions = {str(sides.primary), str(sides.canary)}
    is_alike = all(reached(one, sides) <= versions for one in ours) and all(one.keys() <= _ALIKE for one in matches)
    if not ours or not is_alike or not subject.backends or not all(map(speaks_http, subject.backends)):
        return said("preflight.only_http", protocol=Code("http"))
    rest = [one for one in tcp if not any(one is each for each in ours)]
    left = {"op": "replace", "path": "/spec/tcp", "value": rest} if rest else {"op": "remove", "path": "/spec/tcp"}
    changes = [left, {"op": "add", "path": "/spec/http", "value": ours}]
    space = namespace_of(virtual_service, subject.service.namespace)
    return said("preflight.write_http", command=patch(virtual_service, changes, space))
