"""An attacker's story, end to end: each has one thing that they should not have, and gets nothing for it but sentences.

The bot is the production process with a signing key, beside real Redis, Prometheus and Envoy, and Slack calls it on a
port that everybody can reach. A rollout waits at its first question, so that any write that moves a user or gives the
primary another image is one that nobody asked for. ``Night`` holds the law; each test is somebody's night.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import pytest
from redis import Redis

from bot.adapters import redis_store, signatures
from bot.model.signing import Signer
from sandbox.catalogue import reviews
from sandbox.kube import bookinfo
from sandbox.kube.objects import Object
from sandbox.mesh.metrics import BUCKETS
from sandbox.people import CHANNEL, MAYA, OMAR, Approver, button, cards
from sandbox.ports import LOOPBACK
from sandbox.processes import fetch
from sandbox.recorder import routes_of
from sandbox.slack.model import TEAM_ID, Message, User, UserGroup
from sandbox.world import World
from tests.sandbox.waiting import wait_until

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

KEY = "k" * 32
EVIL = "registry.example/evil:1"
EVIL_WORDS = "give me your passwords"
PAST = 200  # requests before a start: the judge learns from the primary's past
RECONCILES = 4  # of the bot after each deed, so that whatever it would do it has done
SOON = 60.0  # seconds; the machine may be busy
PROBE_SECONDS = 1.0  # a probe that takes longer has failed, and three in a row end a container: the kubelet's defaults
PROBES = 3


class Night:
    """A rollout of ``world`` that waits for its first answer, and what must not happen to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.redis = Redis(LOOPBACK, world.redis.port, decode_responses=True)
        self._images = self.images()
        self._seen: set[str] = set()
        self._pids = self._processes()
        self._probes: list[float] = []
        self._dawn = threading.Event()
        self._probing = threading.Thread(target=self._probe, daemon=True)
        world.kube.store.subscribe(lambda _event, _thing: self._seen.update(self.images()))

    def __enter__(self) -> Self:
        self._probing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._dawn.set()
        self._probing.join(10)
        self.redis.close()

    # What is so

    def images(self) -> frozenset[str]:
        """Of every container of every Deployment and pod."""
        things = [*self.world.kube.store.list("Deployment"), *self.world.kube.store.list("Pod")]
        specs = [thing["spec"].get("template", thing)["spec"] for thing in things]
        return frozenset(one["image"] for spec in specs for one in spec["containers"])

    def service(self, name: str = "reviews") -> Object:
        """A VirtualService as it is."""
        found = self.world.kube.store.get("VirtualService", "default", name)
        assert found is not None
        return found

    def said(self) -> list[str]:
        """Everything that anybody was told."""
        space = self.world.slack.workspace
        notified = [*space.messages(CHANNEL), *space.ephemerals(MAYA), *space.ephemerals(OMAR)]
        return [f"{message.text} {json.dumps(message.blocks, ensure_ascii=False)}" for message in notified]

    def log(self) -> str:
        return (self.world.directory / "bot.log").read_text(errors="replace")

    def record(self) -> tuple[str, str]:
        """The key and the text of the live rollout's record."""
        rollout = str(self.redis.get("canary:{default/reviews}:active"))
        name = f"canary:{{default/reviews}}:rollout:{rollout}"
        return name, str(self.redis.get(name))

    # What goes on

    def begin(self) -> Message:
        """Maya starts a rollout; when the canary has been looked at it asks, and nobody answers."""
        self.world.ledger.wait_for_more(PAST)
        assert self.world.slack.command(MAYA, CHANNEL, "start reviews v2").acknowledged
        return self.question()

    def question(self) -> Message:
        """The card with a button to approve."""
        return self.world.slack.wait_for(
            lambda space: next((card for card in cards(space) if button(card, "canary_approve")), None), SOON
        )

    def reconcile(self, count: int = RECONCILES) -> None:
        """Wait until the bot has looked at everything so many times more."""
        until = self._looked() + count
        wait_until(lambda: self._looked() >= until)

    def _looked(self) -> float:
        return next(
            float(line.split()[1])
            for line in fetch(self.world.probe_port, "/metrics", timeout=10)[1].decode().splitlines()
            if line.startswith("canary_bot_ticks_total ")
        )

    def edit(self, change: Callable[[dict[str, str]], None], name: str = "reviews") -> None:
        """Somebody who may edit this VirtualService writes annotations."""
        vs = self.service(name)
        change(vs["metadata"].setdefault("annotations", {}))
        self.world.kube.replace_as("mallory", vs)

    # The law

    def violations(self) -> list[str]:
        """What was written or ended that no approved rollout asked for."""
        found = [f"the image {image} was there" for image in self._seen - self._images]
        for record in self.world.kube.audit:
            if not record.manager.startswith("canary-bot") or record.dry_run or record.code >= 300:
                continue
            if record.kind == "VirtualService" and record.name == "reviews":
                share, _ = routes_of(record.body, "v2")
                hosts = {one["destination"]["host"] for route in record.body["spec"]["http"] for one in route["route"]}
                if share or hosts != {"reviews"}:
                    found.append(f"{record.manager} wrote {share} % to {hosts}")
            elif record.kind not in {"Lease", "Event"}:
                found.append(f"{record.manager} wrote {record.kind} {record.name} {record.subresource}")
        found += [f"{text!r} was said" for text in self.said() if EVIL_WORDS in text]
        if self._processes() != self._pids:
            found.append("a process has ended")
        late = [seconds > PROBE_SECONDS for seconds in self._probes]
        if any(all(late[at : at + PROBES]) for at in range(len(late) - PROBES + 1)):
            found.append(f"the kubelet would have ended the bot: {max(self._probes):.1f} s for /healthz")
        assert self._probes
        return found

    def is_home_again(self) -> None:
        """An approver ends it by word, and everything is as it was before anybody came."""
        assert self.world.slack.command(OMAR, CHANNEL, "abort reviews enough for one night").acknowledged
        wait_until(lambda: "canary-bot/rollout" not in (self.service()["metadata"].get("annotations") or {}))
        assert routes_of(self.service(), "v2") == (0, False)

    def _processes(self) -> list[tuple[bool, int]]:
        watchdog = self.world.watchdog
        return [(one.running, one.pid) for one in (self.world.bot, watchdog) if one is not None]

    def _probe(self) -> None:
        while not self._dawn.wait(0.2):
            began = time.monotonic()
            with suppress(OSError):
                assert fetch(self.world.probe_port, "/healthz", timeout=5)[0] == 200
            self._probes.append(time.monotonic() - began)


@contextmanager
def a_night(folder: Path, key: str) -> Iterator[Night]:
    """A world, the rollout's people, and whoever the test is about."""
    objects = [*bookinfo.objects(), *bookinfo.service_objects("ratings")]
    services = {"reviews": reviews(mirror={"percent": 100, "methods": "all", "for": "6s"})}
    world = World(folder, objects=objects, services=services, dead_man_seconds=20.0, signing_key=key, http_mode=True)
    with world, Night(world) as night:
        yield night


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    with a_night(tmp_path, KEY) as night:
        yield night


# Who may edit one VirtualService


def forged_image(annotations: dict[str, str]) -> None:
    saved = json.loads(annotations["canary-bot/restore"])
    saved["primary"]["images"] = dict.fromkeys(saved["primary"]["images"], EVIL)
    annotations["canary-bot/restore"] = json.dumps(saved, separators=(",", ":"))


def foreign_target(annotations: dict[str, str]) -> None:
    saved = json.loads(annotations["canary-bot/restore"])
    saved["target"] |= {"primary_deployment": "ratings-v1", "virtual_service": "ratings", "namespace": "../../kube"}
    annotations["canary-bot/restore"] = json.dumps(saved, separators=(",", ":"))


def damaged(annotations: dict[str, str]) -> None:
    for name in [name for name in annotations if name.startswith("canary-bot/")]:
        annotations[name] = annotations[name][: len(annotations[name]) // 2] + "}"


def deep(annotations: dict[str, str]) -> None:
    annotations["canary-bot/restore"] = "[" * 100_000


def another_rollout(annotations: dict[str, str]) -> None:
    annotations["canary-bot/rollout"] = "r-of-mallory"


def none(annotations: dict[str, str]) -> None:
    annotations.clear()


EDITS = (forged_image, foreign_target, damaged, deep, another_rollout, none)


@pytest.mark.parametrize("loses", [False, True], ids=["with Redis", "without Redis"])
def test_who_may_edit_a_virtual_service_gets_nothing_but_sentences(night: Night, *, loses: bool) -> None:
    night.begin()
    good = dict(night.service()["metadata"]["annotations"])

    def as_it_was(annotations: dict[str, str]) -> None:
        annotations.clear()
        annotations.update(good)

    for change in EDITS:
        night.edit(as_it_was)
        night.edit(change)
        night.edit(lambda annotations: annotations.update(good), "ratings")  # replayed on another object
        if loses:
            night.redis.flushall()
        night.reconcile()

    assert night.violations() == []
    assert [text for text in (*night.said(), night.log()) if "canary-bot/" in text or "annotation" in text] != []


# Who may write to Redis, and has no key


def forged(text: str, *, signed: bool) -> str:
    """A record that says: approved, with everyone on the canary, and the primary's image is another."""
    document = json.loads(text)
    rollout = document["rollout"]
    for name in ("recorded", "upgraded"):
        rollout[name]["images"] = dict.fromkeys(rollout[name]["images"], EVIL)
    rollout |= {"stage": len(rollout["plan"]) - 1, "phase": "shifting", "revision": rollout["revision"] + 1}
    if not signed:
        document.pop("signature")
    return json.dumps(document, separators=(",", ":"))


def test_who_may_write_to_redis_without_the_key_gets_nothing_but_sentences(night: Night) -> None:
    redis, outbox = night.redis, "canary:{default/reviews}:outbox"
    night.begin()
    name, text = night.record()
    word = json.dumps({"kind": "abort", "text": EVIL_WORDS, "at": time.time(), "by": "U0MAYA0001"})
    documents = (forged(text, signed=False), forged(text, signed=True), "[" * 100_000, "{}", "", "\x00", text[:200])

    for document in documents:
        redis.set(name, document)
        redis.xadd(outbox, {"rollout": "r", "revision": "1", "number": "0", "entry": word})
        night.reconcile()
    redis.hset("canary:{freezes}:now", "all", json.dumps({"scope": "all", "by": "U0MAYA0001", "reason": EVIL_WORDS}))
    redis.set("canary:{leader}:lease", "99999999999999 mallory")
    redis.set("canary:{leader}:fence", "99999999999999999")
    night.reconcile()
    redis.set(name, text)
    for key in (outbox, "canary:{default/reviews}:active", "canary:index:services", "canary:{default/reviews}:cards"):
        redis.delete(key)
        redis.set(key, "of another kind")
        night.reconcile()
    flood(redis, outbox)
    night.reconcile()
    redis.flushall()
    night.reconcile()

    assert night.violations() == []
    assert any("canary-bot sign" in text or "not what a canary-bot" in text for text in (*night.said(), night.log()))


def test_the_same_with_the_key_would_be_believed_and_the_law_would_see_it(night: Night) -> None:
    """A control: what keeps the record from being believed is the signature, and nothing that failed to be read."""
    night.begin()
    name, text = night.record()
    document, signer = json.loads(text), Signer(keys=(KEY.encode(),))
    rollout = document["rollout"]
    place = next(at for at, stage in enumerate(rollout["plan"]) if stage["phase"] == "shifting")
    rollout |= {"stage": place, "phase": "shifting", "settled_at": None, "revision": rollout["revision"] + 1}
    document.pop("signature")
    unsigned = json.dumps(document, separators=(",", ":"))

    night.redis.set(name, signatures.signed(unsigned, signer, *redis_store.about("default/reviews", rollout["id"])))

    wait_until(lambda: any("% to" in one for one in night.violations()))


def flood(redis: Redis, outbox: str) -> None:
    """Thousands of words, services and rollouts that nobody has ever heard of."""
    redis.delete(outbox)
    with redis.pipeline() as pipe:
        for number in range(5000):
            pipe.xadd(outbox, {"rollout": f"r{number}", "revision": "1", "number": "0", "entry": EVIL_WORDS * 10})
            pipe.set(f"canary:{{default/s{number}}}:active", "r")
            pipe.zadd(f"canary:{{default/s{number}}}:history", {"r": number})
        pipe.sadd("canary:index:words:flood", *range(5000))
        pipe.execute()


# Whoever is scraped


def lies(workload: str, *, code: int, requests: int) -> str:
    """A page of somebody's pod, with Istio's figures in the name of a workload that is not its own, and odd ones."""
    labels = (
        f'reporter="destination",destination_workload="{workload}",destination_workload_namespace="default",'
        f'response_code="{code}",grpc_response_status="",destination_service="reviews.default.svc.cluster.local",'
        'source_workload="istio-ingressgateway",source_workload_namespace="istio-system",request_protocol="http"'
    )
    page = ["# TYPE istio_requests_total counter", f"istio_requests_total{{{labels}}} {requests}"]
    page += ["# TYPE istio_request_duration_milliseconds histogram"]
    bucket = "istio_request_duration_milliseconds_bucket"
    page += [f'{bucket}{{{labels},le="{bound}"}} {requests}' for bound in (*BUCKETS, "+Inf")]
    page += [f'{bucket}{{{labels},le="{bound}"}} NaN' for bound in ("NaN", "-Inf", "", "fast", "1e400", "0x10", "[[")]
    page += [f'istio_requests_total{{{labels},odd="{"[" * 5000}"}} NaN']
    page += [f'istio_requests_total{{{labels},odd="{odd}"}} {value}' for odd, value in (("i", "+Inf"), ("n", "-1e300"))]
    return "\n".join([*page, *page[-2:], ""])  # and twice


@pytest.mark.parametrize("requests", [10_000, 0], ids=["many", "odd"])
def test_a_scraped_pod_that_speaks_for_the_canary_keeps_no_bad_canary_from_its_end(night: Night, requests: int) -> None:
    """It lets none pass, and blinds nobody: the canary's own pods are judged as if nobody else spoke."""
    world = night.world
    world.mesh.faults.set(version="v2", error_share=1.0)
    notified, done = 0, threading.Event()

    def speak() -> None:
        nonlocal notified
        while not done.wait(0.5):
            notified += requests
            world.mesh.scrapes.lie("ratings-v1", lies("reviews-v2", code=200, requests=notified))

    speaking = threading.Thread(target=speak, daemon=True)
    speaking.start()
    world.ledger.wait_for_more(PAST)
    with Approver(world.slack):
        world.slack.command(MAYA, CHANNEL, "start reviews v2 --for 6s")
        wait_until(lambda: scraped(world) > 0)
        wait_until(lambda: any("Aborted" in text for text in night.said()))
    done.set()
    speaking.join()

    assert night.violations() == []


def test_a_canary_that_is_good_by_itself_does_pass_and_the_law_would_see_it(night: Night) -> None:
    """A control: it is the canary's own figures that keep it from passing in the nights before."""
    night.world.ledger.wait_for_more(PAST)
    with Approver(night.world.slack):
        night.world.slack.command(MAYA, CHANNEL, "start reviews v2 --for 6s")
        wait_until(lambda: any("% to" in one for one in night.violations()))


def scraped(world: World) -> float:
    """Series in the real Prometheus that the pod has made up."""
    query = urlencode({"query": 'count(istio_requests_total{pod=~"ratings.*",destination_workload="reviews-v2"})'})
    body = json.loads(fetch(world.prometheus.port, f"/api/v1/query?{query}")[1])
    return sum(float(one["value"][1]) for one in body["data"]["result"])


# Whoever reaches the ports


def test_who_reaches_the_ports_gets_nothing_but_refusals(night: Night) -> None:
    world = night.world
    card = night.begin()
    assert world.slack_events_port is not None
    value = (button(card, "canary_approve") or {})["value"]
    click = approval(card, value)
    abort = urlencode(command("abort reviews it is mine"))

    with ExitStack() as held:
        for port in (world.probe_port, world.slack_events_port):
            for number in range(150):
                held.enter_context(slow(port, number))
        night.reconcile()
        codes = [ask(world.slack_events_port, sent) for sent in oversize_and_garbage()]
        codes += [ask(world.probe_port, sent) for sent in oversize_and_garbage()]
        refused = [
            post(world, body, **headers)
            for body in (click, abort)
            for headers in (
                {},
                signature(body, secret="of-mallory"),
                signature(body, at=time.time() - 600),
                signature("another body"),
                {**signature(body), "X-Slack-Request-Timestamp": str(int(time.time()) + 1)},
            )
        ]
        night.reconcile()

    assert {code for code in codes if code} <= {400, 404, 405, 408, 411, 413, 414, 431, 401, 503, 505}
    assert set(refused) == {401}
    assert night.violations() == []
    assert "Traceback" not in night.log()
    night.is_home_again()


def test_a_signed_request_is_served_and_the_law_would_see_it(night: Night) -> None:
    """A control: the click that was refused has nothing wrong about it but its signature."""
    card = night.begin()
    click = approval(card, (button(card, "canary_approve") or {})["value"])

    assert post(night.world, click, **signature(click)) == 200
    wait_until(lambda: any("% to" in one for one in night.violations()))


def test_a_bot_that_hangs_or_ends_is_seen_by_the_law(night: Night) -> None:
    """A control: slow connections would have to do this."""
    bot = night.world.bot
    night.begin()
    assert night.violations() == []

    os.kill(bot.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: any("kubelet" in one for one in night.violations()))
    finally:
        os.kill(bot.pid, signal.SIGCONT)
    bot.kill()

    assert "a process has ended" in night.violations()


def test_a_request_of_slack_that_is_sent_again_is_served_once(night: Night) -> None:
    world = night.world
    night.begin()
    pause, resume = urlencode(command("pause reviews")), urlencode(command("resume reviews"))
    heard = signature(pause)
    assert post(world, pause, **heard) == 200
    wait_until(lambda: json.loads(night.record()[1])["rollout"]["paused_by"])
    assert post(world, resume, **signature(resume)) == 200
    wait_until(lambda: not json.loads(night.record()[1])["rollout"]["paused_by"])

    post(world, pause, **heard)
    night.reconcile()

    assert not json.loads(night.record()[1])["rollout"]["paused_by"]
    assert night.violations() == []


def test_nobody_who_may_not_approve_does_although_their_group_may(night: Night) -> None:
    space, slack = night.world.slack.workspace, night.world.slack
    odd = [
        User(id="U0BOT00009", name="ci", real_name="ci", is_bot=True),
        User(id="U0GONE0001", name="gone", real_name="Gone", deleted=True),
        User(id="U0GUEST001", name="guest", real_name="Guest", team_id="T0OTHER001"),
    ]
    for user in odd:
        space.users[user.id] = user
    members = ("U0MAYA0001", "U0OMAR0001", *(user.id for user in odd))
    space.put_usergroup(UserGroup(id="S0RELMGRS1", handle="release-managers", name="Managers", members=members))
    night.begin()

    for name in ("ci", "gone", "guest", "lena", "maya"):
        slack.click(f"@{name}", night.question(), "canary_approve")
        slack.command(f"@{name}", CHANNEL, "approve reviews")
        night.reconcile(2)

    assert night.violations() == []
    slack.click(OMAR, night.question(), "canary_approve")  # the very same click of somebody who may
    wait_until(lambda: routes_of(night.service(), "v2")[0] > 0)
    wait_until(lambda: night.violations() != [])  # which is what the law would have seen


def command(text: str) -> dict[str, str]:
    """What Slack posts when Omar types it."""
    return {
        "command": "/canary", "text": text, "user_id": "U0OMAR0001", "user_name": "omar", "team_id": TEAM_ID,
        "channel_id": "C0RELEASES", "channel_name": "releases", "api_app_id": "A0CANARY01", "token": "sandbox",
        "response_url": "http://127.0.0.1:9/none", "trigger_id": f"1.{time.monotonic_ns()}.x",
    }  # fmt: skip


def approval(card: Message, value: str) -> str:
    """Omar's click on a card."""
    payload: dict[str, Any] = {
        "type": "block_actions",
        "user": {"id": "U0OMAR0001", "team_id": TEAM_ID},
        "team": {"id": TEAM_ID},
        "channel": {"id": card.channel},
        "container": {"type": "message", "message_ts": card.ts, "channel_id": card.channel},
        "actions": [
            {"type": "button", "action_id": "canary_approve", "block_id": "b", "value": value, "action_ts": "1"}
        ],
    }
    return urlencode({"payload": json.dumps(payload)})


def signature(body: str, *, secret: str = "", at: float | None = None) -> dict[str, str]:
    """Slack's two headers."""
    stamp = str(int(time.time() if at is None else at))
    key = (secret or "5a1d0c0de5a1d0c0de5a1d0c0de5a1d0").encode()
    digest = hmac.new(key, f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


def post(world: World, body: str, **headers: str) -> int:
    """The status of what Slack's port answers."""
    url = f"http://{LOOPBACK}:{world.slack_events_port}/slack/events"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    request = urllib.request.Request(url, data=body.encode(), headers={**form, **headers})  # our own
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # our own
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


@contextmanager
def slow(port: int, number: int) -> Iterator[None]:
    """A connection that has sent a part of a request, and nothing more for as long as it may."""
    parts = (
        b"",
        b"G",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
        b"POST /slack/events HTTP/1.1\r\nContent-Length: 999\r\n\r\nx",
    )
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        with suppress(OSError):
            connection.sendall(parts[number % len(parts)])
        yield


def oversize_and_garbage() -> Iterator[bytes]:
    """What no honest client sends."""
    post = b"POST /slack/events HTTP/1.1\r\nHost: x\r\n"
    yield b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"
    yield b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n"
    yield post + b"Content-Length: 2000000\r\n\r\n" + b"a" * 2_000_000
    yield post + b"Content-Length: -1\r\n\r\n"
    yield post + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"
    yield post + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n"
    for name in (b"X-Slack-Request-Timestamp", b"X-Slack-Signature", b"X-Slack-Retry-Num", b"Content-Type", b"Host"):
        for odd in (b"\xff\xfe", b"a\x00b", "٣".encode(), b"9" * 400, b"v0=" + b"z" * 64, b"\r\n : ", b"NaN"):
            yield post + b"Content-Length: 0\r\n" + name + b": " + odd + b"\r\n\r\n"
    yield bytes(range(256)) * 50


def ask(port: int, sent: bytes) -> int:
    """The status of the answer; 0 when it was hung up on."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        with suppress(OSError):
            connection.sendall(sent)
        received = connection.recv(200)
        return int(received.split(b" ", 2)[1]) if received else 0
    return 0
