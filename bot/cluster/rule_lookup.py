"""Which DestinationRule a caller's proxy obeys: the first that Istio finds for it, whatever others say. Pure.

Istio looks in the namespace of the caller, then in the Service's, then in the root namespace, and takes what it finds
first; the latter two only where ``exportTo`` shows it to the caller (``destinationRule`` of pilot's push context).
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.bindings import shown_to
from bot.cluster.objects import Object, namespace_of


def obeyed(caller: str, rules: Sequence[Object], home: str, *fallbacks: str) -> list[Object]:
    """Those of ``rules``, all about one host, that callers of the namespace ``caller`` obey; none where none is found.

    Args:
        caller: where the proxy is that asks.
        rules: each in its own namespace; ``home`` for one that names none.
        home: the service's namespace.
        fallbacks: where Istio looks when the caller's namespace has none, in that order.
    """
    for space in dict.fromkeys((caller, *fallbacks)):
        there = [one for one in rules if namespace_of(one, home) == space and _is_shown(one, caller)]
        if there:
            return there
    return []


def _is_shown(rule: Object, caller: str) -> bool:
    exported = [str(entry) for entry in rule["spec"].get("exportTo") or ["*"]]
    return shown_to(caller, exported, namespace_of(rule, caller))
