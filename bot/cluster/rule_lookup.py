"""Which DestinationRule a caller's proxy obeys: the first that Istio finds for it, whatever others say. Pure.

Istio looks in the namespace of the caller, then in the Service's, then in the root namespace, and takes what it finds
first (``destinationRule`` of pilot's push context). What the root namespace has for everyone is no rule of callers that
happen to be there, such as a gateway beside istiod: for them it comes last as for everyone, and what goes first is only
what is exported to nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.cluster.bindings import shown_to
from bot.cluster.objects import Object, namespace_of


def obeyed(caller: str, rules: Sequence[Object], home: str, service: str, root: str) -> list[Object]:
    """Those of ``rules``, all about one host, that callers of the namespace ``caller`` obey; none where none is found.

    Args:
        caller: where the proxy is that asks.
        rules: each in its own namespace; ``home`` for one that names none.
        home: the namespace of what is released.
        service: the Service's namespace.
        root: the mesh's root namespace.
    """
    return next(filter(None, _found(caller, rules, home, service, root)), [])


def _found(caller: str, rules: Sequence[Object], home: str, service: str, root: str) -> Iterator[list[Object]]:
    """What is in each place, in the order in which Istio looks there."""
    own = [one for one in rules if namespace_of(one, home) == caller and shown_to(caller, _exported(one), caller)]
    yield [one for one in own if _is_private(one, home)] if caller == root else own
    for space in (service, root):
        there = [one for one in rules if namespace_of(one, home) == space and not _is_private(one, home)]
        # A "." among other names is nobody here, not even its own namespace.
        yield [one for one in there if {*_exported(one)} & {"*", caller}]


def _is_private(rule: Object, home: str) -> bool:
    """Whether only its own namespace sees it, by the one name or the other."""
    return _exported(rule) in (["."], [namespace_of(rule, home)])


def _exported(rule: Object) -> list[str]:
    return [str(entry) for entry in rule["spec"].get("exportTo") or ["*"]]
