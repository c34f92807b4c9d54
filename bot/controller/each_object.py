"""Several VirtualServices as one: what is done to a rollout's routes is done to each of them, and seen of each.

Several writes are not one. So each says the whole of what is wanted ("80/20"), is made whatever became of the others,
and is repeated until all are seen to be so: a gap between them is one that the next reconcile closes. What a stage
allows is allowed on each, so in between users meet the canary as often as in this stage or in the one before.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.model.errors import Cause, Fault, Stale
from bot.model.observation import RouteStatus, Unobserved
from bot.model.rollout import Target

# A server that does not answer is asked for nothing more: each question would take its whole time-out.
_SILENT = frozenset({Cause.UNREACHABLE, Cause.TIMED_OUT})


def observe_each(target: Target, observe: Callable[[Target], RouteStatus]) -> RouteStatus:
    """One status of all of them; one that is gone, or that we may not read, hides no other.

    Raises:
        Fault: none of them could be seen, or the server does not answer.
    """
    parts, faults = list[RouteStatus](), list[Fault]()
    for one in target.each:
        try:
            parts.append(observe(one))
        except Fault as fault:
            if fault.cause in _SILENT:
                raise
            faults.append(fault)
            unseen = Unobserved(cause=fault.cause, sentence=fault.sentence)
            parts.append(RouteStatus(routes=None, name=one.routes_name, unobserved=unseen))
    if len(faults) == len(parts):
        raise _worst(faults)
    return RouteStatus.of_all(parts)


def do_on_each(target: Target, do: Callable[[Target], object]) -> None:
    """Do it to each of them, whatever becomes of the others. One that does not exist has no users, and is passed over.

    Raises:
        Fault: what one of them met, after all were tried; that none exists.
        Stale: it is not wanted any more; the rest was not tried.
    """
    faults = list[Fault]()
    for one in target.each:
        try:
            do(one)
        except Stale:
            raise
        except Fault as fault:
            faults.append(fault)
    if faults and (len(faults) == len(target.each) or _worst(faults).cause is not Cause.MISSING):
        raise _worst(faults)


def _worst(faults: list[Fault]) -> Fault:
    """The first, but for those about an object that does not exist."""
    return min(faults, key=lambda fault: fault.cause is Cause.MISSING)
