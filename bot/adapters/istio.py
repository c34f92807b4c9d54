"""The port ``Mesh``: reads and writes VirtualServices so that nobody else's edit is lost.

What is edited is decided in ``routes``; here is how it reaches the API server: read, edit, replace with the
resourceVersion that was read. After a conflict the object is read again. If only unrelated fields changed, the edit is
made again on top of them; if the managed part changed, somebody else is steering too, and people must know.
After a write without an answer the object is read again before anything is said about it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from bot.adapters import routes as edits
from bot.adapters.kube import Kube, Unanswered
from bot.adapters.routes import VirtualService
from bot.controller.ports import Marks, MeshSight
from bot.rollout.errors import Contended, Fault, Refusal
from bot.rollout.model import PodTemplate, RolloutId, Routes, Target

ATTEMPTS = 5

Edit = Callable[[VirtualService], VirtualService]


def pause(attempt: int) -> None:
    """Wait shortly after the ``attempt``-th conflict, each writer for another time."""
    time.sleep(0.02 * attempt * (1 + random.random()))  # noqa: S311  # jitter, not a secret


class IstioMesh:
    """The managed routes of one cluster.

    ``now`` tells the time for heartbeats; ``wait`` is called with the number of the attempt that met a conflict.
    """

    def __init__(self, kube: Kube, now: Callable[[], float], wait: Callable[[int], None] = pause) -> None:
        self._kube = kube
        self._now = now
        self._wait = wait

    def look(self, target: Target) -> MeshSight:
        """The managed routes as they are now."""
        vs = self._get(target)
        read = edits.read_routes(vs, target)
        return MeshSight(
            routes=read if isinstance(read, Routes) else None,
            owner=edits.owner_of(vs),
            writer=last_writer(vs),
            reason=read if isinstance(read, str) else "",
        )

    def route(self, target: Target, routes: Routes, owner: RolloutId, recorded: PodTemplate) -> None:
        """Make the managed routes equal ``routes``; nothing is written when they already do.

        Raises:
            Contended: the managed part changed between read and write, or became something we must not edit.
        """

        def edit(vs: VirtualService) -> VirtualService:
            if edits.owner_of(vs) == owner and edits.read_routes(vs, target) == routes:
                return vs
            return self._taken(vs, target, routes, owner, recorded)

        self._write(target, edit)

    def release(self, target: Target, routes: Routes, owner: RolloutId) -> None:
        """Leave ``routes`` behind for good: annotations and inserted routes go."""

        def edit(vs: VirtualService) -> VirtualService:
            edits.refuse_other_owner(vs, owner)
            return edits.leave(vs, target, routes)

        self._write(target, edit)

    def marks(self, namespace: str, virtual_service: str) -> Marks | None:
        """The marks of whatever rollout holds the object; None when there are none, or no object."""
        vs = self._kube.get("VirtualService", namespace, virtual_service)
        return None if vs is None else edits.marks_of(vs)

    def preview(self, target: Target, routes: Routes, owner: RolloutId, recorded: PodTemplate) -> dict[str, Any]:
        """The object ``route`` would write now; nothing is written.

        Raises:
            Refusal: the object is one that we must not edit, in words for whoever asked.
        """
        return self._taken(self._get(target), target, routes, owner, recorded)

    def preview_release(self, target: Target, routes: Routes) -> dict[str, Any]:
        """The object ``release`` would leave behind; nothing is written."""
        return edits.leave(self._get(target), target, routes)

    def rehearse(self, target: Target, objects: Sequence[dict[str, Any]]) -> Sequence[str]:
        """Offer each object to the API server as a dry run; one sentence per refusal, empty when all are accepted."""
        version = self._get(target)["metadata"]["resourceVersion"]  # previews may be older than an unrelated edit
        fresh = [{**obj, "metadata": {**obj["metadata"], "resourceVersion": version}} for obj in objects]
        refusals = (self._rehearsed(obj) for obj in fresh)
        return list(dict.fromkeys(refusal for refusal in refusals if refusal))  # stages share their mistakes

    def _rehearsed(self, obj: dict[str, Any]) -> str:
        try:
            self._kube.put(obj, dry_run=True)
        except (Unanswered, Contended):
            raise
        except Fault as refused:
            return refused.sentence
        return ""

    def _taken(
        self, vs: VirtualService, target: Target, routes: Routes, owner: RolloutId, recorded: PodTemplate
    ) -> VirtualService:
        return edits.take(vs, target, routes, owner=owner, recorded=recorded, now=self._now())

    def _write(self, target: Target, edit: Edit) -> None:
        """Read, edit, replace, until it is as ``edit`` wants it. Edits leave alone what is already right."""
        vs = self._get(target)
        for attempt in range(1, ATTEMPTS + 1):
            wanted = _edited(edit, vs)
            if wanted == vs:
                return
            try:
                self._kube.put(wanted)
            except Contended as conflict:
                self._wait(attempt)
                before, vs = vs, self._get(target)
                if _edited(edit, vs) != vs and _rival_wrote(before, vs, target):
                    who = last_writer(vs) or "somebody"
                    raise Contended(
                        "Kubernetes", f"{who} changed the managed routes of {edits.title(vs)}."
                    ) from conflict
            except Unanswered:
                vs = self._get(target)
                if _edited(edit, vs) != vs:
                    raise
                return
            else:
                return
        raise Contended("Kubernetes", f"{edits.title(vs)} is written by others all the time; gave up for now.")

    def _get(self, target: Target) -> VirtualService:
        namespace, name = target.virtual_service_namespace, target.virtual_service
        vs = self._kube.get("VirtualService", namespace, name)
        if vs is None:
            raise Fault("Kubernetes", f"VirtualService {namespace}/{name} does not exist.")
        return vs


def last_writer(vs: VirtualService) -> str:
    """The field manager that wrote the spec last; "" where the server does not say."""
    entries = vs["metadata"].get("managedFields") or []
    wrote_spec = [entry for entry in entries if "f:spec" in (entry.get("fieldsV1") or {})]
    in_order = sorted(wrote_spec, key=lambda entry: str(entry.get("time", "")))
    return str(in_order[-1].get("manager", "")) if in_order else ""


def _edited(edit: Edit, vs: VirtualService) -> VirtualService:
    """In mid-run a refusal is not a person's: what was fine at preflight has been changed by somebody else."""
    try:
        return edit(vs)
    except Refusal as refusal:
        raise Contended("Kubernetes", " ".join((refusal.sentence, *refusal.reasons))) from refusal


def _rival_wrote(before: VirtualService, after: VirtualService, target: Target) -> bool:
    try:
        return edits.managed_part(before, target) != edits.managed_part(after, target)
    except Refusal:
        return True  # no longer a thing that we could manage
