"""What Istio makes of a delegate's routes under the conditions of the root that delegates to them. Pure.

It joins each condition of a route with each of the root's, and drops the whole route where they cannot be joined
(``hasConflict`` of pilot's model). A condition that names neither case nor namespace is at odds with one that does.
"""

from __future__ import annotations

from bot.cluster.objects import Object

_SAID_BY_BOTH = ("ignoreUriCase", "sourceNamespace")


def at_odds_with_methods(root: Object, route: Object) -> list[str]:
    """The fields of the root's conditions for which a copy of ``route`` that asks for methods as well is dropped.

    A route without conditions has the root's as they are; its copy has one, in which these are missing.
    """
    outer = root.get("match") or []
    unasked = any("method" not in match for match in route.get("match") or [{}])
    methods = ["method"] if unasked and any(match.get("method") for match in outer) else []
    silent = [] if route.get("match") else [name for name in _SAID_BY_BOTH if any(match.get(name) for match in outer)]
    return [*methods, *silent]
