"""One rollout with everything around it, and a trap: at a named request of a named stage the bot is killed.

Cluster, Slack and Prometheus are stand-ins of this process, Redis is real behind a proxy, the bot is the production
process. Nothing here sleeps for what can be awaited: each write of the rollout's state passes the proxy.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bot.adapters import redis_connection
from bot.adapters.outbox import RedisOutbox
from bot.adapters.redis_store import RedisStore
from bot.adapters.serialization import SCHEMA, load_rollout
from bot.cluster.virtual_service import HEARTBEAT
from bot.model.rollout import Rollout, RolloutId
from bot.slack.thread import line
from sandbox.figures import Figures, Mood
from sandbox.kube.server import KubeApi
from sandbox.people import CHANNEL, MAYA, OMAR, cards
from sandbox.redis_proxy import RedisProxy
from sandbox.referee import Referee
from sandbox.slack.server import Slack
from sandbox.traffic import Traffic
from sandbox.webhooks import Receiver
from sandbox.wire import Moment, Request, System, Trouble
from tests.audience import Audience
from tests.crash.bots import BotProcess, BotServer
from tests.crash.stories import Story
from tests.crash.upsets import HPA_SECONDS, SIGNER, SIGNING_KEY, RedisDatabase, Surroundings, Upsets
from tests.messages import Reader

TICK_SECONDS = 0.1
SCRAPE_SECONDS = 0.1
LEASE_SECONDS = 0.5  # of the bot that was killed: the next one waits for its end
DEAD_MAN_SECONDS = 3.0  # a heartbeat a second: in any stage, and beside any write of routes
POD_SECONDS = 0.05
PATIENCE_SECONDS = 240.0  # only what is truly stuck waits for so long
KEY = "default/reviews"
ENDED = frozenset({"promoted", "aborted", "abandoned", "refused"})
ROUTE = "update VirtualService"
BEAT = "update VirtualService/heartbeat"  # our name for a write that renews the heartbeat and changes nothing else
FIRST_BEAT, LEASE_BEAT, LAST_BEAT = "create Lease", "update Lease", "delete Lease"
# Requests in delivery's own time, and the heart's: they follow the stages.
FROM_THEN_ON = ("chat.postMessage", "chat.update", "HSET tries", "HSET", "XDEL", LEASE_BEAT)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """Kill the bot at the first request of this kind in this stage (delivery's kinds: in it or after it)."""

    stage: str
    kind: str
    moment: Moment


def stage_of(rollout: Document) -> str:
    """The name of the stage; told apart where a name is used twice."""
    if rollout["phase"] in {"halted", "abandoned"}:
        return str(rollout["phase"])
    stage: str = (rollout["retreat"] or rollout["plan"])[rollout["stage"]]["name"]
    if stage == "finish" and rollout["retreat"]:
        return "finish (aborting)"
    if rollout.get("step_backs") and not rollout["retreat"] and stage.startswith("shift "):
        return f"{stage} again"
    return f"{stage} again" if stage == "upgrade" and rollout["retries"] else stage


class World:
    """One cell of the matrix."""

    def __init__(self, directory: Path, bots: BotServer, place: RedisDatabase, story: Story, trap: Trap | None) -> None:
        self.directory = directory
        self.story = story
        self.trap = trap
        self.kube = KubeApi(start_seconds=0.0)
        self.slack = Slack()
        self.traffic = Traffic(time.time)
        self.figures = Figures(self.traffic, canaries=frozenset({story.ground.canary}), every=SCRAPE_SECONDS)
        self.proxy = RedisProxy(place.port)
        self.receiver = Receiver()
        self.audience = Audience()
        self.reader = Reader("", "", figures=False)  # of two Deployments that end with one version
        self.census: dict[tuple[str, str], int] = {}
        self.kills = 0
        self._place = place
        self._restarted = False
        self._bots = bots
        self.surroundings = Surroundings(
            kube=self.kube,
            figures=self.figures,
            traffic=self.traffic,
            ground=story.ground,
            objects=story.objects,
            service=story.service,
            file=directory / "services.yaml",
            place=place,
            restart=self.restart_bot,
            neighbour=story.shared,
            webhooks=self.receiver.url(""),
        )
        self._upset = Upsets(self.surroundings, story.upset, self._persuade) if story.upset else None
        self._stack = ExitStack()
        self._versions: dict[str, Document] = {}  # of the VirtualService, by resourceVersion
        self._changed = threading.Condition()
        self._stored: Document | None = None
        self._documents: dict[str, Document] = {}  # the newest of each rollout that the bot itself stored
        self._stages: list[str] = []
        self._bot: BotProcess | None = None
        self._asked = False  # somebody has typed the first command
        self._in_story = not story.rolled_back  # what goes before a story is nobody's to disturb

    # Building it up

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._kill_bot()
        self._await_death()
        self._stack.close()

    def _open(self) -> None:
        self.kube.autoscalers.sync_seconds, self.kube.autoscalers.load = HPA_SECONDS, self.surroundings.load
        for part in (self.kube, self.slack, self.figures, self.proxy, self.receiver):
            self._stack.enter_context(part)
        self.kube.load(self.story.objects)
        ready = self.kube.store.wait_until(self._all_ready, timeout=PATIENCE_SECONDS)
        assert ready, "The cluster's first pods did not become ready."
        ground = self.story.ground
        self.kube.deployments.start_seconds(ground.namespace, ground.primary, POD_SECONDS)
        self.referee = Referee(self.kube.store, time.monotonic, ground, drain=0.0)
        self.kube.witness(self.referee.observe)
        self.slack.workspace.subscribe(self.reader.read)
        self.kube.store.subscribe(self.reader.observe)
        self.kube.store.subscribe(self._notice)
        for vs in self.kube.store.list("VirtualService"):
            self._notice("ADDED", vs)
        for wire in (self.kube.wire, self.slack.wire, self.figures.wire, self.proxy.wire, self.receiver.wire):
            wire.listen(self._hear)
        connection = redis_connection.connect(f"redis://127.0.0.1:{self._place.port}/{self._place.database}")
        self._stack.callback(connection.close)
        self.store, self.outbox = RedisStore(connection, SIGNER), RedisOutbox(connection, SIGNER)
        self._env = self._environment()
        self._start_bot()

    def _all_ready(self) -> bool:
        wanted = [thing for thing in self.story.objects if thing["kind"] == "Deployment"]
        live = [self.kube.store.get("Deployment", "default", thing["metadata"]["name"]) for thing in wanted]
        return all(
            found is not None and found.get("status", {}).get("availableReplicas", 0) >= thing["spec"]["replicas"]
            for found, thing in zip(live, wanted, strict=True)
        )

    def _environment(self) -> dict[str, str]:
        self.surroundings.write_file()
        return {
            "PATH": os.environ.get("PATH", ""),  # noqa: TID251  # the child finds its own interpreter by it
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_API_URL": f"{self.slack.url}/api/",
            "REDIS_URL": self.proxy.url(self._place.database),
            "PROMETHEUS_URL": self.figures.url,
            "KUBECONFIG": str(self.kube.write_kubeconfig(self.directory / "kubeconfig")),
            "SERVICES_FILE": str(self.surroundings.file),
            "CANARY_SIGNING_KEY": SIGNING_KEY,
            "PROBE_PORT": "0",
            "TICK_SECONDS": str(TICK_SECONDS),
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "DEAD_MAN_SECONDS": str(DEAD_MAN_SECONDS),
            "LOG_FORMAT": "json",
        }

    def _start_bot(self) -> None:
        self._bot = self._bots.start(self._env, self.directory)

    def _kill_bot(self) -> None:
        if self._bot is not None:
            self._bot.kill()

    def _await_death(self) -> None:
        if self._bot is not None:
            self._bot.await_death()

    # What passes

    def _hear(self, request: Request, moment: Moment) -> Trouble | None:
        """On the thread of whoever is asked, so the bot is dead before its request goes any further."""
        if request.rehearsal:
            return None
        if (caught := self.surroundings.caught(request, moment)) is not None:
            return caught
        writes = _rollout_in(request)
        # What the bot looks at by itself before anybody asks for anything is no part of a story.
        begun = "preflight" if self._asked else "unasked"
        stage = stage_of(writes) if writes else self._stages[-1] if self._stages else begun
        kind = BEAT if self._is_beat(request) else request.kind
        with self._changed:
            if writes and moment is Moment.AFTER:
                self._remember(writes)
                self.audience.note(request, self.store)
            self.census[stage, kind] = self.census.get((stage, kind), 0) + 1
        if not self._is_trap(kind, moment, stage):
            return None
        self.kills += 1
        self._kill_bot()
        with self._changed:
            self._changed.notify_all()
        return Trouble(cut=True)

    def _is_beat(self, request: Request) -> bool:
        """Heartbeats come at a time of their own, in any stage; routes are written where the plan says so."""
        if request.kind != ROUTE:
            return False
        built_on = self._versions.get(request.body["metadata"].get("resourceVersion", ""))
        return built_on is not None and _without_beat(built_on) == _without_beat(request.body)

    def _is_trap(self, kind: str, moment: Moment, stage: str) -> bool:
        trap = self.trap
        if trap is None or self.kills or not self._in_story or (kind, moment) != (trap.kind, trap.moment):
            return False
        if self._upset is not None and not self._upset.started:
            return False  # what is killed is a bot that has met it
        return stage == trap.stage or (kind in FROM_THEN_ON and trap.stage in self._stages)

    def _remember(self, rollout: Document) -> None:
        self._stored = self._documents[rollout["id"]] = rollout
        stage = stage_of(rollout)
        if not self._stages or self._stages[-1] != stage:
            self._stages.append(stage)
        self.figures.mood = Mood.EMPTY if self._holds(stage) else Mood.WELL
        self._changed.notify_all()

    def _holds(self, stage: str) -> bool:
        """No data keeps a rollout where it is, until the trap has closed or a person has aborted."""
        trapped = self._in_story and self.trap is not None and not self.kills and self.trap.stage == stage
        waits_for_delivery = trapped and self.trap is not None and self.trap.kind in FROM_THEN_ON
        return waits_for_delivery or stage == self.story.speaks_in

    # The mesh

    def _notice(self, _what: str, obj: Document) -> None:
        if obj["kind"] == "VirtualService":
            self._versions[obj["metadata"]["resourceVersion"]] = obj
        if obj["kind"] in {"VirtualService", "Pod"}:
            self.surroundings.count_users()

    # What people do

    def play(self) -> Document:
        """The whole story, from the command to the end; the rollout as it was stored last."""
        self._say(MAYA, "start reviews v2", lambda: self._stored is not None)
        if self.story.stuck:
            self._pods_start_in(None)
        if self.story.rolled_back:
            self._walk()
            self._roll_back()
        self._walk()
        self._keep_bot_alive()
        if self._upset is not None:
            self._upset.heal()
        assert self._stored is not None
        return self._stored

    def _roll_back(self) -> None:
        """From here on it is the story."""
        promoted = self._stored
        with self._changed:
            self._in_story, self._stages = True, ["preflight"]
            self.census.clear()
        self._say(OMAR, "rollback reviews", lambda: self._stored is not promoted)

    def _walk(self) -> None:
        """To the end of the rollout."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._ended():
            assert time.monotonic() < deadline, self._stuck_at()
            self._keep_bot_alive()
            self._act()
            with self._changed:
                self._changed.wait(0.05)

    def _pods_start_in(self, seconds: float | None) -> None:
        self.kube.deployments.start_seconds("default", self.story.ground.primary, seconds)

    def _ended(self) -> bool:
        over = self._stored is not None and self._stored["phase"] in ENDED
        return over and (not self._in_story or self.trap is None or self.kills > 0 or not _closes_late(self.trap))

    def _keep_bot_alive(self) -> None:
        if self._dying():
            self._await_death()
            self._restarted = True
            self._start_bot()

    def restart_bot(self) -> None:
        """Kill it if it lives, and start it again."""
        self._kill_bot()
        self._await_death()
        self._start_bot()

    def _act(self) -> None:
        rollout = self._stored
        if rollout is None:
            return
        at = (stage_of(rollout), rollout["evidence"])

        def moved() -> bool:
            stored = self._stored
            return stored is not None and ((stage_of(stored), stored["evidence"]) != at or stored["phase"] in ENDED)

        def approved() -> bool:
            return moved() or bool(self._stored and self._stored["approvals"])

        if self._upset is not None and not self._is_upset(self._upset, at[0]):
            return
        if rollout["phase"] == "halted":
            self._pods_start_in(POD_SECONDS)
            self._say(OMAR, f"{self.story.on_halt} reviews" + (" bad" if self.story.on_halt == "abort" else ""), moved)
        elif at[0] == self.story.speaks_in:
            if not self._holds_for_trap(at[0]):
                self._say(OMAR, self.story.says, moved)
        elif rollout["asked_at"] is not None and not rollout["approvals"]:
            self._say(OMAR, "approve reviews", approved)

    def _is_upset(self, upset: Upsets, stage: str) -> bool:
        """Whether what is around the rollout is as the story has it, so that people go on; it is seen to."""
        if stage == upset.upset.at and not upset.begun:
            if self._routed(stage):
                upset.begin()
            return False
        if stage == upset.upset.heals_in and self.census.get((stage, ROUTE)) and not self._may_be_trapped_yet(stage):
            upset.heal()
        if stage == self.story.speaks_in or (stage == upset.upset.at and not upset.upset.says):
            return upset.ready and not self._holds_for_trap(stage)
        return True

    def _routed(self, stage: str) -> bool:
        """Whether the stage's routes are in force."""
        return self.census.get((stage, ROUTE), 0) > 1  # it was announced before it was carried out, and after

    def _may_be_trapped_yet(self, stage: str) -> bool:
        """Whether the trap may close before it is over; a write that is turned down has no moment after it."""
        trap = self.trap
        accepted = trap is not None and (trap.kind, trap.moment) == (ROUTE, Moment.AFTER)
        return self._holds_for_trap(stage) and not accepted

    def _holds_for_trap(self, stage: str) -> bool:
        trap = self.trap
        return self._in_story and trap is not None and not self.kills and trap.stage == stage

    def _say(self, who: str, text: str, done: Callable[[], object]) -> None:
        """Type a command until it has had its effect: a bot that was just killed hears nothing."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done():
            assert time.monotonic() < deadline, self._stuck_at()
            self._keep_bot_alive()
            self.slack.wait_for_connections(1, timeout=PATIENCE_SECONDS)
            self._type(who, text)
            with self._changed:
                self._changed.wait_for(lambda: bool(done() or self._dying()), 1.0)

    def _type(self, who: str, text: str) -> None:
        self._asked = True
        self.slack.command(who, CHANNEL, text)
        if text.startswith("abandon "):  # the form that opens is the confirmation
            with contextlib.suppress(TimeoutError):
                forms = self.slack.wait_for(lambda workspace: workspace.views(who), timeout=1.0)
                self.slack.submit_view(who, forms[-1], {"reason": {"value": "nothing else ends it"}})

    def _persuade(self, command: str, answer: str) -> None:
        self._say(MAYA, command, lambda: any(answer in m.text for m in self.slack.workspace.ephemerals(MAYA)))

    def _dying(self) -> bool:
        return self.kills > 0 and not self._restarted

    def _stuck_at(self) -> str:
        log = self.directory / "bot.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:]) if log.exists() else ""
        return f"Stuck after {self._stages}, {self._stored and self._stored['hold']}. The bot's log ends:\n{tail}"

    # What was said

    def words(self) -> tuple[int, list[str]]:
        """How many posts came twice, and which lines are lost: neither said nor waiting to be."""
        newest, ids = self.store.history(KEY, 1)[0], self.surroundings.rollouts()  # one more where a record was damaged
        told_by = {one.spec.id: one for one in (*self.store.history(KEY), *self.store.refusals(KEY))}
        ours = [m for m in self.slack.workspace.messages(CHANNEL) if m.text.startswith("reviews ")]
        posted = [m.text for m in ours if m.is_reply]
        story = []
        for one in ids:
            # A record that nobody can read was told of as it was, or, after that, as the one that took its place.
            tellers = (told_by[one],) if one in told_by else (newest, self._as_it_was(one))
            for entry in self.store.story(KEY, one):
                lines = [text for teller in tellers if (text := _line(teller, entry))]
                story += [text for text in lines if text in posted][:1] or lines[:1]
        notifications = [notification for notification in self.outbox.pending(1000) if notification.key == KEY]
        waiting = [
            text
            for one in notifications
            if one.entry and (text := _line(told_by.get(one.rollout_id, newest), one.entry))
        ]
        known = posted + waiting
        twice = sum(max(0, known.count(text) - story.count(text)) for text in set(known))
        lost = [text for text in set(story) if known.count(text) < story.count(text)]
        return twice + max(0, sum(one in ours for one in cards(self.slack.workspace)) - len(ids)), lost

    def _as_it_was(self, rollout_id: RolloutId) -> Rollout:
        return load_rollout(json.dumps({"schema": SCHEMA, "rollout": self._documents[rollout_id]}))


def _closes_late(trap: Trap) -> bool:
    """Whether it may close after the end was stored: what is delivered and tidied up follows it."""
    tells_the_end = trap.kind.startswith("POST ") and trap.stage.startswith("finish")
    return trap.kind in FROM_THEN_ON or trap.stage in ENDED or tells_the_end


def is_well(words: tuple[int, list[str]]) -> bool:
    """At most one post came twice, and nothing is lost."""
    twice, lost = words
    return twice <= 1 and not lost


def _rollout_in(request: Request) -> Document | None:
    """The rollout that a script of the store's is about to write."""
    if request.system is not System.REDIS or request.kind != "EVAL":
        return None
    for document in (word for word in request.body if word.startswith('{"schema"')):
        with contextlib.suppress(ValueError):  # what was there before may be damaged
            found: Document = json.loads(document)["rollout"]
            # People are told of a record that nobody can read by one of a refused start; no rollout ends with it.
            ours = found["service"] == KEY.rpartition("/")[2] and found["phase"] != "refused"
            return found if ours else None
    return None


def _without_beat(vs: Document) -> tuple[Document, Document]:
    annotations = vs["metadata"].get("annotations", {})
    return vs["spec"], {name: value for name, value in annotations.items() if name != HEARTBEAT}


def _line(rollout: Rollout, entry: Any) -> str:
    said = line(rollout, entry)
    return said.message.text if said else ""
