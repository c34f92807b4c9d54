"""The stage of the pictures' story: the whole bot in a time of its own, with people who type, click and fill in forms.

Nothing in it depends on how fast the machine is, or on chance: played again, the story shows the same words.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from kubernetes.client import ApiClient

from bot.http_server import Limits
from bot.model.rollout import Rollout, RolloutId
from bot.slack.approvers import Approvers
from bot.slack.bolt_app import build_app
from bot.slack.channels import Channels
from bot.slack.client import web_client
from bot.slack.delivery import Delivery
from bot.slack.http_mode import HttpMode
from bot.slack.voices import Voices
from bot.slack.web_api import Channel
from bot.words.language import Language
from bot.words.rendering import Voice
from sandbox.catalogue import reviews
from sandbox.people import CHANNEL, cards
from sandbox.ports import LOOPBACK
from sandbox.slack.model import Message, View
from tests.torture.events import TICK
from tests.torture.rig import Bot, Rig
from tests.torture.schedule import Schedule

MAYA, OMAR, LENA = "@maya", "@omar", "@lena"
SERVICE = reviews(
    drill=True,
    budget="99.9%/30d",
    mirror={"percent": 100, "methods": "all", "for": "2m"},
    weights=[10, 50, 100],
    stage={"for": "1m", "approve": ["mirror", "upgrade", "switchback"]},
    bake="1m",
    gates={
        "errors": {"tolerance": 1.25, "ceiling": "5%"},
        "latency": {"bounds": [250], "tolerance": 1.5},
        "minimum_requests": 50,
    },
    prometheus={"scrape_interval": "5s"},
    upgrade_timeout="2m",
)
ORDINARY = {"reviews-v1": 0.004, "reviews-v2": 0.004, "reviews-v3": 0.004}  # share of requests that fail on any day
MOST_SENT = 1024 * 1024  # bytes
PATIENCE_SECONDS = 60.0  # with a bot that does everything before it acknowledges
MOST_SWEEPS = 400  # in which a story has got to wherever it goes


class Calm(Schedule):
    """A schedule without events, of a cluster that nothing can be said against."""

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The cluster before it."""
        things = super().objects
        for thing in things:
            if "gateways" in thing["spec"]:
                thing["spec"]["gateways"] = ["istio-system/reviews-gateway"]
            if thing["kind"] == "Deployment":
                thing["spec"]["progressDeadlineSeconds"] = 100
        return things


class Inline(Executor):
    """Runs what it is given at once: whoever types or clicks sees everything that follows from it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As it says."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Stage(Rig):
    """The world, and what people do in it."""

    # Both wait as long as a busy machine needs.
    api_client = ApiClient
    reads_names = True
    prometheus_patience = (PATIENCE_SECONDS, PATIENCE_SECONDS)

    def __init__(self, directory: Path, redis_port: int, language: Language = Language.ENGLISH) -> None:
        self._voices, self._language = Voices(Voice(language=language)), language
        super().__init__(directory, redis_port, Calm(seed=7, service=SERVICE, relabel=False, events=()))
        serial = itertools.count(1)
        self.new_id = lambda: RolloutId(f"r-{0xA11CE0 + next(serial):06x}")
        self._connection: HttpMode | None = None
        self.figures.ranges = True

    def __enter__(self) -> Self:
        super().__enter__()
        self.slack.workspace.language = self._language
        self.fails()
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        super().__exit__(*_)

    def _new_bot(self) -> Bot:
        """The rig's, with the ears and the manners that it does without."""
        bot = super()._new_bot()
        client = web_client(self.slack.bot_token, f"{self.slack.url}/api/")
        approvers, channels = Approvers(client, self.clock.now), Channels(client, self.clock.now)
        app = build_app(
            controller=bot.controller,
            client=client,
            approvers=approvers,
            clock=self.clock,
            voices=self._voices,
            signing_secret=self.slack.signing_secret,
            executor=Inline(),
            monotonic=self.clock.now,
        )
        limits = Limits(body=MOST_SENT, seconds=PATIENCE_SECONDS)
        self._connection = HttpMode(app, 0, signing_secret=self.slack.signing_secret, host=LOOPBACK, limits=limits)
        self._connection.start()
        address = f"http://{LOOPBACK}:{self._connection.port}/slack/events"
        self.slack.request_url(address, patience_seconds=PATIENCE_SECONDS)
        delivery = Delivery(
            outbox=bot.adapters.outbox,
            store=bot.adapters.ports.store,
            channel=Channel(client, self.clock),
            clock=self.clock,
            mentions=approvers.mentions,
            people=approvers.people,
            channels=channels,
            voices=self._voices,
            steady=self.clock.now,
        )
        return replace(bot, delivery=delivery)

    # Time

    def sweep(self) -> None:
        """Five seconds."""
        self.pass_time(TICK)
        self.bot.controller.sweep(self.bot.adapters.ports.store.live())
        self.bot.adoption.reconcile()
        self.bot.delivery.deliver()

    def until(self, reached: Callable[[Rollout | None], object]) -> None:
        """Let time go by until the live rollout (None: there is none) is like that, and everybody has been told."""
        for _ in range(MOST_SWEEPS):
            self.sweep()
            if reached(self.store_says()):
                self.sweep()
                return
        raise TimeoutError(f"The story never got there; at last it was {self.store_says()}.")

    def minutes(self, count: float) -> None:
        """Let so many go by."""
        for _ in range(int(count * 60 / TICK)):
            self.sweep()

    # The world

    def fails(self, **shares: float) -> None:
        """From now on the pods of these versions fail that share of their requests; all others as on any day."""
        self.traffic.now(bad={**ORDINARY, **{f"reviews-{version}": share for version, share in shares.items()}})

    # People

    def types(self, who: str, words: str) -> Message | None:
        """A command; what they read last of its answer, alone or with everybody, if it is a message."""
        before = self._read_by(who)
        delivery = self.slack.command(who, CHANNEL, words)
        assert delivery.acknowledged, delivery
        answers = [message for message in self._read_by(who) if message not in before]
        return answers[-1] if answers else None

    def _read_by(self, who: str) -> list[Message]:
        workspace = self.slack.workspace
        return sorted([*workspace.messages(CHANNEL), *workspace.ephemerals(who)], key=lambda message: message.ts)

    def clicks(self, who: str, action: str) -> None:
        """The button of the newest card with this action id."""
        delivery = self.slack.click(who, self.card, action)
        assert delivery.acknowledged, delivery

    def fills_in(self, who: str, **values: str) -> None:
        """The form that is open in front of them, by how its blocks' ids begin."""
        form = self.form(who)
        inputs = {block["block_id"]: block["element"]["action_id"] for block in form.blocks if block["type"] == "input"}
        found = {name: next(block for block in inputs if block.partition(":")[0] == name) for name in values}
        state = {found[name]: {inputs[found[name]]: value} for name, value in values.items()}
        delivery = self.slack.submit_view(who, form, state)
        assert delivery.acknowledged, delivery
        for view in self.slack.workspace.views(who):  # what it came to; they have read it
            self.slack.close_view(who, view)

    def form(self, who: str) -> View:
        """What is open in front of them."""
        return self.slack.workspace.views(who)[-1]

    @property
    def card(self) -> Message:
        """The newest card in the channel."""
        return cards(self.slack.workspace)[-1]

    def newest(self) -> Message:
        """The last thing the channel was told, in a thread or not."""
        return self.slack.workspace.messages(CHANNEL)[-1]
