"""Users of the service in another namespace: a route that shares them out between its Services of several namespaces.

A rollout moves users between two Deployments of one namespace. Where no subset says yet what is whose, such a route is
taken for versions that live apart, and its users come home before anything else is written. Where the primary's
destination names its subset, the other namespace is a third destination like any, and keeps its share.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.objects import Object, full_name, name_of, namespace_of, service_name, service_namespace
from bot.cluster.objects import title as title_of
from bot.cluster.virtual_service import label_of, title
from bot.cluster.virtual_service.managed import has_users
from bot.preflight.problems import Problem, blocks, patch
from bot.preflight.snapshot import Subject
from bot.words.sentence import Sentence, said


def check(subject: Subject) -> Iterator[Problem]:
    """One, with the command that brings the users of every such route home."""
    ours = subject.snapshot.virtual_service
    if ours is None or subject.apart is not None:
        return
    routes, changes, hosts = list[Sentence](), list[Object](), dict[str, None]()
    http = ours["spec"].get("http") or []
    for number, route in enumerate(http):
        home, others = _shared_out(route, ours, subject)
        if others:
            routes.append(label_of(http, route))
            hosts |= dict.fromkeys(_host(route["route"][index], ours, subject) for index in others)
            changes += _homeward(f"/spec/http/{number}/route", route["route"], home, others)
    if changes:
        space = service_namespace(subject.service)
        yield blocks(
            said(
                "preflight.several_namespaces", name=title(ours), routes=tuple(routes), hosts=tuple(hosts), space=space
            ),
            remedy=said(
                "preflight.bring_to_namespace",
                command=patch(ours, changes, namespace_of(ours, subject.service.namespace)),
                version=subject.version,
                space=space,
            ),
            about=title_of(ours),
        )


def _shared_out(route: Object, ours: Object, subject: Subject) -> tuple[int, list[int]]:
    """The index of the destination at home, and those of other namespaces' that have users; none where it is clear."""
    entries = route.get("route") or []
    hosts = [_host(one, ours, subject) for one in entries]
    home = [index for index, host in enumerate(hosts) if host in subject.host_names]
    if len(home) != 1 or entries[home[0]]["destination"].get("subset"):
        return 0, []
    away = [index for index, host in enumerate(hosts) if _is_elsewhere(host, subject)]
    return home[0], [index for index in away if has_users(entries[index], route)]


def _is_elsewhere(host: str, subject: Subject) -> bool:
    """Whether it is a Service of another namespace that is called like one of ours, or like the canary."""
    name, _, rest = host.partition(".")
    space, _, domain = rest.partition(".")
    names = {
        *map(name_of, subject.backends),
        service_name(subject.service),
        subject.service.canary_name(subject.version),
    }
    return name in names and space != service_namespace(subject.service) and domain.startswith("svc")


def _host(entry: Object, ours: Object, subject: Subject) -> str:
    host = str((entry.get("destination") or {}).get("host", ""))
    return full_name(host, namespace_of(ours, subject.service.namespace))


def _homeward(path: str, entries: list[Object], home: int, others: list[int]) -> Iterator[Object]:
    total = sum(entries[index].get("weight", 0) for index in (home, *others))
    yield {"op": "add", "path": f"{path}/{home}/weight", "value": total}
    for index in others:
        yield {"op": "add", "path": f"{path}/{index}/weight", "value": 0}
