"""Hosts in the service's own mesh objects that DNS would complete, or shorten: Istio knows no service of that name."""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.dotted_hosts import dotted_hosts, half_written
from bot.cluster.objects import full_host, title
from bot.preflight.problems import Problem, blocks
from bot.preflight.snapshot import Subject
from bot.words.sentence import Code, said


def check(subject: Subject) -> Iterator[Problem]:
    """Each object that writes one."""
    snapshot = subject.snapshot
    ours = [snapshot.virtual_service] if snapshot.virtual_service is not None else []
    for thing, host in dotted_hosts((*ours, *snapshot.destination_rules), subject.service):
        yield blocks(
            said("cluster.dotted_host", thing=title(thing), host=Code(host)),
            remedy=said("cluster.without_dot", host=Code(host.removesuffix("."))),
        )
    for thing, host in half_written((*ours, *snapshot.destination_rules), subject.service):
        yield blocks(
            said("cluster.half_written_host", thing=title(thing), host=Code(host)),
            remedy=said("cluster.without_dot", host=Code(full_host(subject.service))),
        )
