"""The shipped admission policy, where it does not fit: what it has to be given to let a rollout through. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bot.cluster.objects import Object, full_name, namespace_of
from bot.cluster.version_hosts import entries_of
from bot.model.rollout import Target, Topology
from bot.words.sentence import Code, Sentence, said

POLICY = "canary-bot-virtualservices"  # as deploy/admissionpolicy.yaml calls it


def hosts_to_name(target: Target, objects: Sequence[Object], answers: Iterable[str]) -> Sentence | None:
    """What to write into the policy's variable ``hosts``; None where it has nothing against these hosts.

    Args:
        target: what the rollout is about.
        objects: the VirtualServices that it would write.
        answers: what the API server has against them, in its own words.
    """
    if target.topology is not Topology.HOSTS or not any(f"'{POLICY}'" in answer for answer in answers):
        return None
    written = dict.fromkeys(host for one in objects for host in _hosts(one) if _is_of(host, one, target))
    pattern = "|".join(re.escape(host).replace("\\.", "[.]").replace("\\-", "-") for host in written)
    return said("cluster.hosts_to_name", policy=Code(POLICY), variable=Code("hosts"), pattern=Code(f"'^({pattern})$'"))


def _hosts(virtual_service: Object) -> list[str]:
    return [str((entry.get("destination") or {}).get("host", "")) for entry in entries_of(virtual_service)]


def _is_of(host: str, virtual_service: Object, target: Target) -> bool:
    """Whether it is one of the target's, in whatever form the routes write it."""
    whole = full_name(host, namespace_of(virtual_service, target.namespace))
    return any(f"{known}.".startswith(f"{whole}.") for known in target.hosts)
