"""Where a VirtualService has a say: which proxies see it at all, and which of them take its routes.

Istio shows an object only to the namespaces in its ``exportTo``; without one to all (a mesh whose settings say
otherwise shows less than is told here).
"""

from __future__ import annotations

from bot.cluster.bindings import SIDECARS, bindings, shown_to
from bot.cluster.objects import NamespacedName, Object, namespace_of

_NOBODY = "~"  # in exportTo: hidden from all


def is_seen(virtual_service: Object, space: str) -> bool:
    """Whether the proxies and the VirtualServices of a namespace know of it."""
    return shown_to(space, _exported(virtual_service), namespace_of(virtual_service, "default"))


def applies(virtual_service: Object) -> bool:
    """Whether any proxy takes its routes. One without hosts counts as part of another, wherever that one is."""
    keys = bindings(virtual_service)
    return not virtual_service["spec"].get("hosts") or any(_is_seen_at(key, virtual_service) for key in keys)


def meeting(one: Object, two: Object) -> list[NamespacedName]:
    """Where a proxy has the routes of both."""
    return sorted(key for key in {*bindings(one)} & {*bindings(two)} if _is_seen_at(key, one, two))


def _is_seen_at(key: NamespacedName, *together: Object) -> bool:
    """On a Gateway its own namespace must see them all; a sidecar's may be any that one of them names."""
    spaces = {space for one in together for space in _spaces(one)} if key == SIDECARS else {key[0]}
    return any(all(is_seen(one, space) for one in together) for space in spaces)


def _spaces(virtual_service: Object) -> set[str]:
    home = namespace_of(virtual_service, "default")
    return {home if entry == "." else entry for entry in _exported(virtual_service)} - {_NOBODY}


def _exported(virtual_service: Object) -> list[str]:
    return [str(entry) for entry in virtual_service["spec"].get("exportTo") or ["*"]]
