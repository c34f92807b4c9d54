"""Watches what the bot writes to the cluster, and says what must never have been written.

The rules are the invariants every promise of safety rests on: users and copies only where ready pods of the expected
image are; no new template under users' feet; a canary is scaled down only after it has been idle; weights add up to
100; nothing is touched that is not ours; the watchdog writes routes alone, and only after a long silence. They are
checked at the moment of each write, against the cluster alone: what the bot believes is no evidence.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sandbox.kube.api import Written
from sandbox.kube.objects import Object, labels_of
from sandbox.kube.pods import image_id
from sandbox.kube.store import Store
from sandbox.sides import INSERTED, Ground, Shares, images_of, of_all, owner_of, place_labels, ready_pods, shares_of

BOT = "canary-bot"
WATCHDOG = "canary-bot-watchdog"
OURS = frozenset({BOT, WATCHDOG})
HEARTBEAT = "canary-bot/heartbeat"
WATCHING = "canary-bot.watchdog"  # where watchdogs say that they watch
# The last of them is there between two writes: an object that bears no other mark any more is changed and changed back.
ENDED = "canary-bot/ended"  # for the moment between two writes
ANNOTATIONS = ("canary-bot/rollout", "canary-bot/restore", HEARTBEAT, "canary-bot/watchdog", ENDED)
WHOLE = 100  # percent
DRAIN_SECONDS = 30.0

Images = Mapping[str, str]
Ready = Mapping[str, list[Object]]  # pods by subset


@dataclass(slots=True)
class Recorded:
    """What happened so far, by the bot's own writes.

    Attributes:
        expected: the image the primary must run: as it was, as the bot wrote it last, or as it came when somebody
            deleted the Deployment and made another one.
        patches: the images of every change of a template, in order.
        idle_since: when the canary's subset was last left by users and copies; None while it is in use.
        beaten_at: when the bot gave its last sign of life.
        failsafe actions: how often the watchdog wrote.
    """

    expected: dict[str, str]
    patches: list[dict[str, str]] = field(default_factory=list)
    routes: list[Shares] = field(default_factory=list)
    scaled_down: int = 0
    deployed_by_others: bool = False
    idle_since: float | None = None
    beaten_at: float = float("-inf")
    failsafes: int = 0
    violations: list[str] = field(default_factory=list)


class Referee:
    """Bound to one service of one cluster, from before its rollout begins."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        ground: Ground,
        *,
        drain: float = DRAIN_SECONDS,
        dead_man: float = 0.0,
    ) -> None:
        """``drain`` and ``dead_man`` are seconds: a canary must have been idle, and a bot silent, for so long."""
        self._store = store
        self._clock = clock
        self._ground = ground
        self._drain = drain
        self._dead_man = dead_man
        self._subsets = place_labels(store, ground.namespace, ground.destination_rule)
        self._originals = {place: self._routes_at(place) for place in ground.every_route}
        self._canary_images = images_of(self._get("Deployment", ground.canary)["spec"]["template"]["spec"])
        self._old = images_of(self._get("Deployment", ground.primary)["spec"]["template"]["spec"])
        self._is_parked = not self._get("Deployment", ground.canary)["spec"]["replicas"]
        self._whole = int(self._get("Deployment", ground.primary)["spec"]["replicas"])
        self._primary = self._get("Deployment", ground.primary)["metadata"]["uid"]
        self._sent: Ready = {}
        self.seen = Recorded(expected=dict(self._old))

    @property
    def violations(self) -> list[str]:
        """What must not have happened, in sentences."""
        return self.seen.violations

    def shares_now(self) -> Shares:
        """Where users and copies are."""
        return of_all([shares_of(vs) for vs in self._every_vs()])

    def ready_now(self, subset: str) -> int:
        """How many pods could take them there."""
        return len(self._ready(subset))

    def marked(self) -> bool:
        """Whether a rollout holds a VirtualService of the service."""
        return any(ANNOTATIONS[0] in _annotations(vs) for vs in self._every_vs() if vs is not None)

    def sign_of_life(self) -> tuple[str | None, ...]:
        """Whose heartbeat the VirtualService bears: whoever changes it, silence is counted from there."""
        every = [_annotations(vs or {"metadata": {}}) for vs in self._every_vs()]
        return tuple(annotations.get(name) for annotations in every for name in (ANNOTATIONS[0], HEARTBEAT))

    def is_help_asked_for(self) -> bool:
        """Whether an Event says that the watchdog cannot help and a person has to."""
        events = self._store.list("Event", self._ground.namespace)
        return any(one["reason"] == "RescueFailed" for one in events)

    def remember_ready(self) -> Ready:
        """The pods that could take requests now: a write that hangs was decided by what is so when it was sent."""
        return {subset: self._ready(subset) for subset in self._subsets}

    @contextmanager
    def landing(self, sent: Ready) -> Iterator[None]:
        """A write arrives that was sent when these pods were ready."""
        self._sent = sent
        yield
        self._sent = {}

    def observe(self, written: Written) -> None:
        """One write; whoever wrote, the shares that hold now are remembered."""
        self._notice_another_primary()
        kind, name = written.target.kind.kind, written.target.name
        ground = self._ground
        if kind == "VirtualService" and name in {place[1] for place in ground.every_route}:
            self._observe_routes(written)
        elif kind == "Deployment" and written.before and written.after and written.manager != WATCHDOG:
            if written.manager != BOT:
                self._hear_of(name, written.after)
            elif written.target.subresource == "scale":
                self._judge_scale(name, written.before, written.after)
            else:
                self._judge_template(name, written.before, written.after)
        elif kind == "Lease" and written.manager in OURS:
            self._observe_heartbeat(written)
        elif written.manager in OURS and kind != "Event":
            self._violated(f"{written.manager} wrote {kind} {name}, which is not its business")

    def _observe_heartbeat(self, written: Written) -> None:
        """A bot that takes or renews the heartbeat lives; nobody of us has business with any other Lease."""
        name = written.target.name
        if name in {f"canary-bot-{place[1]}" for place in self._ground.every_route}:
            if written.manager == BOT and written.after is not None:
                self.seen.beaten_at = self._clock()
        elif name and (written.manager, name) != (WATCHDOG, WATCHING):  # what is created has no name in its path
            self._violated(f"{written.manager} wrote Lease {name}, which is not its business")

    # Routes

    def _observe_routes(self, written: Written) -> None:
        before, after = written.before, written.after
        if before is None or after is None:
            return
        was, now = shares_of(before), shares_of(after)
        if written.manager == BOT and _annotations(before).get(HEARTBEAT) != _annotations(after).get(HEARTBEAT):
            self.seen.beaten_at = self._clock()
        if written.manager == WATCHDOG:
            self.seen.failsafes += 1
            self._judge_silence()
        if written.manager in OURS:
            self.seen.routes.append(now)
            self._judge_weights(after)
            self._judge_scope(before, after)
            for subset in (self._ground.primary_subset, self._ground.canary_subset):
                if now.of(subset) > was.of(subset) or subset in now.mirrored - was.mirrored:
                    self._judge_arrival(subset, was, now)
        canary = self._ground.canary_subset
        if now.uses(canary) or self._uses_another(canary, after):
            self.seen.idle_since = None
        elif was.uses(canary) or self.seen.idle_since is None:
            self.seen.idle_since = self._clock()

    def _uses_another(self, subset: str, written: Object) -> bool:
        """Whether users or copies reach it by another VirtualService than the one that is written."""
        metadata = written["metadata"]
        others = [place for place in self._ground.every_route if place != (metadata["namespace"], metadata["name"])]
        return any(shares_of(self._store.get("VirtualService", *place)).uses(subset) for place in others)

    def _judge_silence(self) -> None:
        silence = self._clock() - self.seen.beaten_at
        if silence < self._dead_man:
            self._violated(f"the watchdog wrote {silence:g} s after a sign of life; its limit is {self._dead_man:g} s")

    def _judge_weights(self, vs: Object) -> None:
        for route in vs["spec"].get("http") or []:
            weights = [int(entry.get("weight", 0)) for entry in route.get("route") or []]
            if len(weights) > 1 and sum(weights) != WHOLE:
                self._violated(f"the weights {weights} do not add up to 100")

    def _judge_scope(self, before: Object, after: Object) -> None:
        if _without_ours(before) != _without_ours(after):
            self._violated("a field was changed that is not ours")

    def _judge_arrival(self, subset: str, was: Shares, now: Shares) -> None:
        """Users, or copies, are about to arrive at this subset."""
        pods = self._ready(subset) or self._sent.get(subset, [])
        text = f"{now.users} (before: {was.users}, mirrored: {sorted(now.mirrored)})"
        if not pods:
            self._violated(f"{text} sends requests to {subset}, which has no ready pod")
            return
        others = [name for name, share in was.users.items() if share > 0 and name != subset]
        if others and not any(self._ready(name) for name in others):
            return  # nobody is ready where they are now: any ready pod is better than none
        if subset == self._ground.primary_subset and self.seen.deployed_by_others:
            return
        wanted = self._expected(subset)
        wrong = [pod["metadata"]["name"] for pod in pods if not _runs(pod, wanted)]
        if wrong:
            self._violated(f"{text} sends requests to {subset}, where {wrong} do not run {wanted}")
        if subset == self._ground.primary_subset and self.seen.patches:
            self._judge_complete(text, pods)

    def _judge_complete(self, text: str, pods: list[Object]) -> None:
        """A primary that was patched gets users only when all of it is ready."""
        primary = self._get("Deployment", self._ground.primary)
        # More than it had at the start an HPA may ask for at any moment: those are not waited for.
        whole = min(int(primary["spec"]["replicas"]), self._whole)
        if len(pods) < whole:
            self._violated(f"{text} sends users to a primary with {len(pods)} of {whole} pods")

    def _expected(self, subset: str) -> dict[str, str]:
        return self.seen.expected if subset == self._ground.primary_subset else self._canary_images

    # Deployments

    def _hear_of(self, name: str, after: Object) -> None:
        """Somebody else deployed: what runs there now is theirs to answer for, or where a later rollout begins."""
        if name != self._ground.primary:
            return
        if self.seen.patches or self.marked():
            self.seen.deployed_by_others = True
        else:
            self._old = images_of(after["spec"]["template"]["spec"])
            self.seen.expected = dict(self._old)

    def _notice_another_primary(self) -> None:
        """One that was deleted and made again runs what its maker's files say: the bot's last patch went with it."""
        primary = self._store.get("Deployment", self._ground.namespace, self._ground.primary)
        if primary is not None and primary["metadata"]["uid"] != self._primary:
            self._primary = primary["metadata"]["uid"]
            self.seen.expected = images_of(primary["spec"]["template"]["spec"])

    def _judge_template(self, name: str, before: Object, after: Object) -> None:
        was, now = images_of(before["spec"]["template"]["spec"]), images_of(after["spec"]["template"]["spec"])
        if before["spec"] == after["spec"]:
            return
        if name != self._ground.primary:
            self._violated(f"the template of {name} was changed, which is not the primary")
            return
        if _without_images(before) != _without_images(after):
            self._violated(f"more than images and labels of {name} was changed")
        self._judge_under_users(name, before, after)
        self.seen.patches.append(now)
        self.seen.expected = now
        if not _same(now, self._old) and not _same(now, self._canary_images):
            self._violated(f"{name} was given {now}, which is neither the old nor the new image")
        if was == now:
            self._violated(f"the labels of {name} were changed without its image")

    def _judge_under_users(self, name: str, before: Object, after: Object) -> None:
        """No new template under users' feet, unless its pods join another subset, and somebody stays behind."""
        if self.seen.deployed_by_others:
            return  # what is written over theirs is no longer a step of a rollout
        left, joined = _labels(before), _labels(after)
        shares = self.shares_now()
        for subset, labels in self._subsets.items():
            if not shares.uses(subset) or not labels.items() <= left.items():
                continue
            ready = self._ready(subset)
            owned = [pod for pod in ready if owner_of(pod) != name]
            # Where nobody answers there is nobody to be taken away from users.
            if ready and (labels.items() <= joined.items() or not owned):
                self._violated(f"the template of {name} was changed while {subset} was in use ({shares.users})")

    def _judge_scale(self, name: str, before: Object, after: Object) -> None:
        if before["spec"]["replicas"] == after["spec"]["replicas"]:
            return
        if name == self._ground.primary and before["spec"]["replicas"] < after["spec"]["replicas"]:
            return  # it is made ready for users who are about to return
        if name == self._ground.canary and self._is_parked and not before["spec"]["replicas"]:
            return  # it is given pods before anybody is sent to it
        if name != self._ground.canary or after["spec"]["replicas"] != 0:
            self._violated(f"{name} was scaled to {after['spec']['replicas']}")
            return
        self.seen.scaled_down += 1
        canary = self._ground.canary_subset
        shares = self.shares_now()
        if shares.uses(canary):
            primary = self._get("Deployment", self._ground.primary)
            staying = [pod for pod in self._ready(canary) if owner_of(pod) == self._ground.primary]
            if len(staying) < primary["spec"]["replicas"]:
                self._violated(f"{name} was scaled to zero while {canary} was in use ({shares.users})")
        elif self.seen.idle_since is None or self._clock() - self.seen.idle_since < self._drain:
            self._violated(f"{name} was scaled to zero before it had been idle for {self._drain:g} s")

    # The end

    def judge_end(self, *, promoted: bool, final_subset: str, upgraded: bool | None) -> None:
        """After a rollout has ended: no annotation is left, everyone is in one place, on the image that place should
        have.

        ``upgraded`` None: people were told that the image is theirs to put back.
        """
        for place in self._ground.every_route:
            vs = self._routes_at(place)
            left = [mark for mark in ANNOTATIONS if mark in _annotations(vs)]
            shares = shares_of(vs)
            if left or shares.mirrored or len(vs["spec"]["http"]) != len(self._originals[place]["spec"]["http"]):
                self._violated(f"the rollout has ended and left {left or 'a mirror'} behind")
            if shares.of(final_subset) != WHOLE:
                self._violated(f"the rollout has ended with {shares.users}, not with everyone on {final_subset}")
        if self.seen.deployed_by_others or upgraded is None:
            return
        images = images_of(self._get("Deployment", self._ground.primary)["spec"]["template"]["spec"])
        wanted = self._canary_images if upgraded else self._old
        if not _same(images, wanted):
            self._violated(
                f"the rollout has ended {'promoted' if promoted else 'aborted'} and the primary runs {images}"
            )

    # Small words

    def _violated(self, what: str) -> None:
        self.seen.violations.append(what)

    def _every_vs(self) -> list[Object | None]:
        """Somebody may have deleted one."""
        return [self._store.get("VirtualService", *place) for place in self._ground.every_route]

    def _routes_at(self, place: tuple[str, str]) -> Object:
        found = self._store.get("VirtualService", *place)
        assert found is not None, f"There is no VirtualService {'/'.join(place)}."  # noqa: S101  # our own world
        return found

    def _ready(self, subset: str) -> list[Object]:
        return ready_pods(self._store, self._ground.namespace, self._subsets.get(subset, {"": ""}))

    def _get(self, kind: str, name: str) -> Object:
        found = self._store.get(kind, self._ground.namespace_of(kind), name)
        assert found is not None, f"There is no {kind} {name}."  # noqa: S101  # our own world
        return found


def _annotations(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def _labels(deployment: Object) -> dict[str, str]:
    return dict(labels_of(deployment["spec"]["template"]))


def _runs(pod: Object, wanted: Images) -> bool:
    return _same(images_of(pod["spec"]), wanted)


def _same(some: Images, others: Images) -> bool:
    """Whether both name the same bits: a digest is asked for by what a tag was found to be."""
    return {name: _bits(image) for name, image in some.items()} == {
        name: _bits(image) for name, image in others.items()
    }


def _bits(image: str) -> str:
    return image_id(image).rpartition("@")[2]


def _without_images(deployment: Object) -> Object:
    spec = copy.deepcopy(deployment["spec"])
    for one in spec["template"]["spec"]["containers"]:
        one.pop("image", None)
    spec["template"].get("metadata", {}).pop("labels", None)
    return dict(spec)


def _without_ours(vs: Object) -> tuple[object, ...]:
    """The object without what is ours to change."""
    spec = copy.deepcopy(vs["spec"])
    http = [route for route in spec.get("http") or [] if not str(route.get("name", "")).startswith(INSERTED)]
    for route in http:
        for field_name in ("mirror", "mirrorPercentage"):
            route.pop(field_name, None)
        for entry in route.get("route") or []:
            entry.pop("weight", None)
    spec["http"] = http
    metadata = vs["metadata"]
    annotations = {key: value for key, value in _annotations(vs).items() if key not in ANNOTATIONS}
    return spec, annotations, metadata.get("labels"), metadata.get("ownerReferences"), metadata["name"]
