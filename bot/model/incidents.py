"""What can go wrong around a rollout, as values: other people's edits, pods in trouble, pods that are missing.

How each is recognised and what follows from it is in ``drift`` and ``pods``; times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.words.sentence import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as the rollout left it."""

    what: Text
    ours: Text
    theirs: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What somebody else changed of one object.

    Attributes:
        kind, name: of the object, such as ``VirtualService`` and ``reviews``.
        obj: what to call it, kind and name together; also stored, for versions that know no other name of it.
        who: the field manager that wrote it last, by managedFields; "" where the server does not say.
        at: when, by the API server's clock; None where it does not say.
        restorable: whether ours may be written again: never to a Deployment that has users.
    """

    kind: str
    name: str
    obj: str = field(default="", init=False)
    differences: tuple[Difference, ...]
    who: str = ""
    at: float | None = field(default=None, compare=False)
    restorable: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "obj", f"{self.kind} {self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Somebody else's change of what is ours, from when it is noticed until it is gone or overwritten.

    Attributes:
        since: when it was noticed.
        left_by: who said that theirs stays for now; None while nobody has.
    """

    edits: tuple[Edit, ...]
    since: float
    left_by: str | None = None

    @property
    def restorable(self) -> bool:
        """Whether all of it may be overwritten."""
        return all(edit.restorable for edit in self.edits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A side with fewer ready pods than its share of the users needs: since when, and for how many reconciles."""

    deployment: str
    since: float
    seen_at: float
    reconciles: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many pods a Deployment asks for, and how many of them may be expected to be ready by now.

    Somebody, or an autoscaler, may ask for more at any time; the new ones take a while to start, and until they have
    had it, those that were there before are the measure.

    Attributes:
        wanted: as it was last seen.
        expected: of these, how many must be ready.
        since: when it began to ask for so many.
    """

    wanted: int
    expected: int
    since: float


UNSCHEDULABLE, FAILED_CREATE = "Unschedulable", "FailedCreate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A container that has been restarted, or that cannot be started.

    Attributes:
        restarts: since the pod began.
        ended: why it ended last (``OOMKilled``, ``Error``), "" if it never has.
        waiting: why it does not run (``CrashLoopBackOff``, ``ImagePullBackOff``), "" when it does.
        detail: what else the cluster says about that, for people.

    A pod that no node takes (``UNSCHEDULABLE``) has no container yet, and one that may not be created
    (``FAILED_CREATE``) has not even a name.
    """

    pod: str
    container: str
    restarts: int = 0
    ended: str = ""
    waiting: str = ""
    detail: str = ""
