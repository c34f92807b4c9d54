"""What the further events of a schedule do to a rig: to the world around a rollout, and to what is remembered of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from redis import Redis

from bot.adapters import redis_store, signatures
from bot.adapters.serialization import SCHEMA
from bot.cluster.virtual_service.annotations import RESTORE, SIGNATURE, about
from bot.model.errors import CanaryError
from bot.model.rollout import Phase, UserId
from bot.model.signing import Signer
from sandbox.figures import Figures
from sandbox.kube.objects import Object
from sandbox.kube.server import KubeApi
from sandbox.sides import Ground
from sandbox.wire import Latch
from tests.torture.events import Held
from tests.torture.people import Trouble
from tests.torture.ports import Ports
from tests.torture.rig import KEY, NEIGHBOUR, Rig

Heal = Callable[[], None]

RIVAL = UserId("U0RIVAL001")
EVIL = "registry.example/evil:1"


class Setting(Protocol):
    """Where something happens: a rig of the fault schedules, or a cell of the crash matrix.

    Attributes:
        objects: the cluster as it is in somebody's files.
        signer: of the bot and its watchdog.
        garbled, remade: whether a record was damaged, and an object made again.
        withdrawn, scraping: how many events of that kind are under way.
    """

    kube: KubeApi
    figures: Figures
    redis: Redis
    garbled: bool
    signer: Signer
    remade: bool
    withdrawn: int
    scraping: int

    @property
    def ground(self) -> Ground:
        """The names of the service's objects."""

    @property
    def objects(self) -> Sequence[Object]:
        """As above."""

    def crowd(self, factor: float) -> None:
        """So many times the users."""

    def settle(self) -> None:
        """What follows from a change by hand has happened."""

    def hold(self, held: Held) -> Latch:
        """The next such request hangs on its way."""

    def let_go(self, latch: Latch) -> None:
        """It lands now, if there was one."""

    def record(self) -> str:
        """The key of the live rollout's record; "" where none is live."""

    def edit_file(self, how: str) -> None:
        """services.yaml is another one ("": as it was), and the bot is started again with it."""

    def quiet(self) -> AbstractContextManager[None]:
        """Somebody acts who is not the one with the bad line."""


class Around:
    """Each public method begins something and answers with what ends it (None: nothing to end)."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    # The cluster

    def users_change(self, factor: float) -> Heal:
        """There are more users, or fewer, and HPAs follow."""
        self._setting.crowd(factor)
        return lambda: self._setting.crowd(1.0)

    def delete(self, thing: str) -> Heal:
        """Somebody deletes an object; somebody's pipeline makes it again, as it is in their files."""
        ground = self._setting.ground
        named = {
            "VirtualService": [("VirtualService", ground.virtual_service)],
            "DestinationRule": [("DestinationRule", ground.destination_rule)],
            "canary": [("Deployment", ground.canary)],
            "primary": [("Deployment", ground.primary)],
        }
        wanted = named.get(thing) or [thing for things in named.values() for thing in things]
        store = self._setting.kube.store
        gone = [(kind, name) for kind, name in wanted if store.get(kind, ground.namespace_of(kind), name)]
        for kind, name in gone:
            self._setting.kube.delete_as("kubectl-delete", kind, ground.namespace_of(kind), name)
        self._setting.settle()
        return lambda: self._make_again(gone)

    def _make_again(self, gone: Sequence[tuple[str, str]]) -> None:
        ground = self._setting.ground
        for obj in self._setting.objects:
            kind, name = obj["kind"], obj["metadata"]["name"]
            if (kind, name) in gone and self._setting.kube.store.get(kind, ground.namespace_of(kind), name) is None:
                self._setting.remade = True
                self._setting.kube.load([obj])
        self._setting.settle()

    def withdraw(self, rights: Sequence[tuple[str, str, str]]) -> Heal:
        """The bot may no longer do some of what it does."""
        withdrawn = [self._setting.kube.forbid(verb=verb, kind=kind, subresource=part) for verb, kind, part in rights]
        self._setting.withdrawn += 1

        def give_back() -> None:
            for denial in withdrawn:
                self._setting.kube.allow(denial)
            self._setting.withdrawn -= 1

        return give_back

    def hold_write(self, held: Held) -> Heal:
        """The bot's next write hangs on its way, and lands when nobody expects it any more."""
        latch = self._setting.hold(held)
        return lambda: self._setting.let_go(latch)

    def scrape(self, side: str, seconds: float, lost: float, *, late: bool) -> Heal:
        """Scrapes of a side take long, and some fail."""
        ground, scraped = self._setting.ground, self._setting.figures.scraped
        sides = {"canary": [ground.canary], "primary": [ground.primary], "both": [ground.primary, ground.canary]}[side]
        for name in sides:
            scraped.scrape(name, seconds=seconds, lost=lost, late=late)
        self._setting.scraping += 1

        def well() -> None:
            for name in sides:
                scraped.scrape(name)
            self._setting.scraping -= 1

        return well

    # Files

    def edit_file(self, how: str) -> Heal:
        """services.yaml loses the service, calls it something else or cannot be read; the bot is started again."""
        self._setting.edit_file(how)
        return lambda: self._setting.edit_file("")

    # What is remembered

    def garble_record(self, how: str) -> None:
        """The record of the live rollout is nothing anybody can read."""
        if self._rewrite(GARBAGE[how]):
            self._setting.garbled = True

    def newer_bot_writes(self) -> None:
        """A bot of a newer version beside this one writes what this one does not know."""
        if self._rewrite(_of_a_newer_bot, ours=True):
            self._annotate(_with_novelty, ours=True)

    def older_bot_writes(self) -> None:
        """A bot of an older version beside this one has written the record, in a schema of its own."""
        self._rewrite(_as_before, ours=True)

    def _rewrite(self, change: Callable[[str], str], *, ours: bool = False) -> bool:
        """Change the live rollout's record; False where there is none to change. Nobody goes on from a garbled one.

        ``ours``: whoever writes is one of us, and has the key.
        """
        key = self._setting.record()
        text = self._setting.redis.get(key) if key else None
        if not isinstance(text, bytes) or "rollout" not in _read(text.decode()):
            return False
        changed = change(text.decode())
        if ours:
            rollout_id = _read(text.decode())["rollout"]["id"]
            about = redis_store.about(key.partition("{")[2].partition("}")[0], rollout_id)
            changed = signatures.signed(signatures.unsigned(changed), self._setting.signer, *about)
        self._setting.redis.set(key, changed)
        return True

    def newer_bot_leads(self) -> None:
        """A bot of a newer version wrote last, in a schema that this one cannot read."""
        self.newer_bot_writes()
        self.garble_record("newer")

    def garble_annotations(self, which: str) -> None:
        """Somebody's tool damages our annotations."""

        def damage(annotations: dict[str, str]) -> None:
            for name in [
                name for name in annotations if name.startswith("canary-bot/") and which in {"all", name[11:]}
            ]:
                annotations[name] = annotations[name][: len(annotations[name]) // 2] + "}"

        self._annotate(damage)

    # What somebody writes who should not

    def forge_record(self, how: str) -> None:
        """Whoever may write to Redis writes a record: "bare", or "signed" with the signature that was there."""

        def forged(text: str) -> str:
            document = json.loads(text)
            for name in ("recorded", "upgraded"):
                document["rollout"][name]["images"] = dict.fromkeys(document["rollout"][name]["images"], EVIL)
            document["rollout"]["revision"] += 1
            if how == "bare":
                document.pop("signature", None)
            return json.dumps(document, separators=(",", ":"))

        if self._rewrite(forged):
            self._setting.garbled = True

    def forge_annotations(self, how: str) -> None:
        """Whoever may edit the VirtualService writes annotations: another image, Deployment or rollout."""

        def forged(annotations: dict[str, str]) -> None:
            if how == "owner":
                annotations["canary-bot/rollout"] = "r-forged"
                return
            saved = _read(annotations.get("canary-bot/restore", ""))
            if not saved:
                return
            if how == "image":
                saved["primary"]["images"] = dict.fromkeys(saved["primary"]["images"], EVIL)
            else:
                saved["target"]["primary_deployment"] = "details-v1"
            annotations["canary-bot/restore"] = json.dumps(saved)

        self._annotate(forged)

    def replay_annotations(self) -> Heal:
        """Whoever may edit the VirtualService keeps its annotations, and puts them back later, whoever's it is then."""
        known = self._annotations()

        def put_back() -> None:
            vs = self._setting.kube.store.get("VirtualService", *self._setting.ground.routes_at)
            if known and vs is not None:
                vs["metadata"].setdefault("annotations", {}).update(known)
                self._put(vs)

        return put_back

    def _annotations(self) -> dict[str, str]:
        vs = self._setting.kube.store.get("VirtualService", *self._setting.ground.routes_at)
        annotations: dict[str, str] = (vs or {"metadata": {}})["metadata"].get("annotations") or {}
        return {name: text for name, text in annotations.items() if name.startswith("canary-bot/")}

    def _annotate(self, change: Callable[[dict[str, str]], None], *, ours: bool = False) -> None:
        ground = self._setting.ground
        vs = self._setting.kube.store.get("VirtualService", *ground.routes_at)
        annotations = (vs or {"metadata": {}})["metadata"].get("annotations") or {}
        if vs is not None and "canary-bot/rollout" in annotations:
            change(annotations)
            if ours:
                _sign(vs, self._setting.signer)
            self._put(vs)

    def _put(self, obj: Object) -> None:
        with self._setting.quiet():
            self._setting.kube.replace_as("somebodys-tool", obj)


class Surroundings(Around):
    """What only a rig can do as well."""

    def __init__(self, rig: Rig, violated: Trouble) -> None:
        super().__init__(rig)
        self._rig = rig
        self._violated = violated

    def set_clock(self, seconds: float) -> Heal:
        """The wall clock of the bot's machine is set; what only counts seconds is not."""
        self._rig.wall.ahead += seconds

        def back() -> None:
            self._rig.wall.ahead -= seconds

        return back

    # Whoever reaches the ports

    def slow_connections(self, count: int) -> Heal:
        """Somebody holds so many connections to each port of the bot, and never ends a request."""
        ports = Ports(count)

        def let_go() -> None:
            for violation in ports.violations():
                self._violated(violation)
            ports.close()

        return let_go

    # Another service

    def neighbour_tries(self, action: str) -> None:
        """The other service of this VirtualService is started, or aborted: neither may touch the live rollout."""
        before = self._rig.store_says()
        if self._rig.away:
            return
        controller = self._rig.bot.controller
        try:
            if action == "start":
                controller.start(NEIGHBOUR, "v9", by=RIVAL)
            else:
                controller.abort(NEIGHBOUR, by=RIVAL, reason="not mine")
        except CanaryError:
            pass
        else:
            if before is not None:
                self._violated(f"another service's {action} was carried out on a VirtualService that is in use")
        after = self._rig.store_says()
        if before is not None and before.phase is not Phase.ABORTING:
            gone = after is None or after.spec.id != before.spec.id or after.phase is Phase.ABORTING
            if gone and not self._rig.garbled:
                self._violated(f"another service's {action} ended the live rollout of {KEY}")


def _read(text: str) -> dict[str, Any]:
    """The object that a text is; an empty one where it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_a_newer_bot(text: str) -> str:
    document: dict[str, Any] = json.loads(text)
    document["rollout"] |= {"novelty": {"since": 9}}
    document["rollout"]["target"] |= {"novelty": [1, 2]}
    return json.dumps(document)


def _phase(text: str) -> str:
    document: dict[str, Any] = json.loads(text)
    document["rollout"]["phase"] = "levitating"
    return json.dumps(document)


def _of_the_future(text: str) -> str:
    return json.dumps(json.loads(text) | {"schema": SCHEMA + 1})


def _as_before(text: str) -> str:
    """As schema 2 had it, which read off names and routes what are fields since."""
    document: dict[str, Any] = json.loads(text)
    rollout = document["rollout"]
    for name in ("touched", "accepted"):
        del rollout[name]
    for stage in (*rollout["plan"], *(rollout["retreat"] or ())):
        del stage["kind"]
    return json.dumps(document | {"schema": 2})


GARBAGE: Mapping[str, Callable[[str], str]] = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda _text: "{}",
    "phase": _phase,
    "newer": _of_the_future,
}


def _sign(vs: Object, signer: Signer) -> None:
    """As one of us would, after a change of what is recorded."""
    annotations = vs["metadata"]["annotations"]
    if signer.signs and (saved := _read(annotations.get(RESTORE, ""))):
        saved.pop(SIGNATURE, None)
        signature = signer.sign(*about(vs, RESTORE), json.dumps(saved, separators=(",", ":")))
        annotations[RESTORE] = json.dumps(saved | {SIGNATURE: signature}, separators=(",", ":"))


def _with_novelty(annotations: dict[str, str]) -> None:
    for name, text in annotations.items():
        if name.startswith("canary-bot/") and (known := _read(text)):
            annotations[name] = json.dumps(known | {"novelty": True})
