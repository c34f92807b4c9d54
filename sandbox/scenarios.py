"""The scenarios of ``make demo``. Each plays one story and checks its outcome from what users and Envoy saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.catalogue import WEBHOOKS, listed, reviews
from sandbox.kube import bookinfo
from sandbox.mesh.users import ASKS, Ask
from sandbox.recorder import Recorder
from sandbox.stories.decisions import bound_approval, retry
from sandbox.stories.failures import bot_killed, dead_man, drift, primary_stuck, redis_lost, two_bots
from sandbox.stories.homecoming import bad_canary, blip, users_only_fault
from sandbox.stories.hooks import promote_git, webhooks
from sandbox.stories.releases import (
    EARLY_STAGE,
    adopt,
    drill,
    early_pass,
    get_only,
    happy,
    hosts,
    relabel,
    rollback,
    two_objects,
    two_routes,
)
from sandbox.stories.surroundings import autoscaler, left_the_file, second_release
from sandbox.stories.verdicts import (
    prometheus_down,
    shared_incident,
    slow_canary,
    slow_scrape,
    slow_scrape_healthy,
    unshielded_canary,
)
from sandbox.story import Timeline
from sandbox.world import USERS_PER_SECOND, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story.

    Attributes:
        objects, services: what is in the cluster and in services.yaml at the beginning.
        post_share: share of users' requests that are POST.
        users_per_second: how many requests they send.
        asks: what they ask for, in turn.
        dead_man_seconds: the watchdog's limit; None: there is no watchdog.
        rollouts: how many it takes as long as, from start to promotion.
    """

    name: str
    about: str
    play: Callable[[World, Timeline, Recorder], None]
    objects: Callable[[], Sequence[dict[str, Any]]] = bookinfo.objects
    services: dict[str, dict[str, Any]] = field(default_factory=lambda: {"reviews": reviews()})
    primary: str = "reviews-v1"
    version: str = "v2"
    post_share: float = 0.0
    users_per_second: float = USERS_PER_SECOND
    asks: Sequence[Ask] = ASKS
    dead_man_seconds: float | None = None
    rollouts: int = 1


def stuck_objects() -> Sequence[dict[str, Any]]:
    """Bookinfo whose primary gives up on a rollout after five seconds."""
    objects = bookinfo.objects()
    for thing in objects:
        if thing["kind"] == "Deployment" and thing["metadata"]["name"] == "reviews-v1":
            thing["spec"]["progressDeadlineSeconds"] = 5
    return objects


def scaled_objects() -> Sequence[dict[str, Any]]:
    """Bookinfo with three pods of either version, as many as everyone needs, and an HPA of each that keeps one."""
    objects = bookinfo.objects()
    for thing in objects:
        if thing["kind"] == "Deployment" and thing["metadata"]["name"] in {"reviews-v1", "reviews-v2"}:
            thing["spec"]["replicas"] = 3
    names = ("reviews-v1", "reviews-v2")
    scalers = [bookinfo.autoscaler(name, least=1, most=4, utilization=60, stable_seconds=5) for name in names]
    return [*objects, *scalers]


def callers_inside() -> Sequence[dict[str, Any]]:
    """Bookinfo with a VirtualService more, for callers inside the mesh."""
    return bookinfo.with_callers_inside(bookinfo.objects())


def neighbours() -> Sequence[dict[str, Any]]:
    """Bookinfo's reviews, and another service beside it."""
    return [*bookinfo.objects(), *bookinfo.service_objects("ratings")]


EARLY = reviews(
    mirror={"percent": 100, "methods": "all", "for": f"{EARLY_STAGE}s"},
    weights=[50, 100],
    stage={"for": f"{EARLY_STAGE}s", "approve": ["mirror", "upgrade", "switchback"]},
    gates={**reviews()["gates"], "early": True},
)
# A stage sees some hundred requests on the canary: enough to prove that it is no worse by a wide margin.
PROVEN = reviews(
    stage={**reviews()["stage"], "for": "4s"},
    bake="3s",
    gates={
        **reviews()["gates"],
        "errors": {"tolerance": 1.25, "ceiling": "5%", "margin_slack": "3%"},
        "latency": {"bounds": [500, 1000], "tolerance": 1.5, "margin_slack": "10%"},
        "judge": {"least": "3s", "pass_patience": 1.0},
    },
)
BY_ITSELF = {
    **PROVEN,
    "weights": [20, 40, 100],
    "stage": {**PROVEN["stage"], "approve": []},
    "switchback": [100],
}
UNSHIELDED = reviews(gates={**reviews()["gates"], "judge": {"least": "5s", "shield": False}})
CALLED = reviews(
    weights=[50, 100],
    switchback=[100],
    webhooks=[
        {"name": "load", "url": f"{WEBHOOKS}/load/start", "when": "before_start"},
        {"name": "smoke", "url": f"{WEBHOOKS}/smoke", "when": "stage", "on_failure": "wait"},
        {
            "name": "acceptance",
            "url": f"{WEBHOOKS}/acceptance",
            "when": "before_users",
            "retries": 1,
            "secret_env": "WEBHOOK_SECRET",
        },
        {"name": "ticket", "url": f"{WEBHOOKS}/ticket", "when": "before_upgrade", "on_failure": "wait"},
        {"name": "released", "url": f"{WEBHOOKS}/released", "when": "promoted"},
        {"name": "load-stop", "url": f"{WEBHOOKS}/load/stop", "when": "end"},
    ],
)
KEPT_IN_GIT = reviews(
    weights=[50, 100],
    switchback=[100],
    promote="git",
    webhooks=[{"name": "pull-request", "url": f"{WEBHOOKS}/pull-request", "when": "promoted"}],
)
RELABEL = {"primary": {"deployment": "reviews", "container": "reviews"}, "canary": {"deployment": "reviews-canary"}}

HOSTS = {key: value for key, value in reviews().items() if key != "destination_rule"}

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="happy",
            about="mirror, five weights, upgrade, switchback, promoted",
            play=happy,
            services={"reviews": PROVEN},
            users_per_second=100.0,
        ),
        Scenario(
            name="bad-canary",
            about="v2 starts failing at 40 %: users go home at once, it is aborted on copies",
            play=bad_canary,
            services={"reviews": BY_ITSELF},
            users_per_second=100.0,
        ),
        Scenario(
            name="no-shield",
            about="the same without the shield: aborted without a human",
            play=unshielded_canary,
            services={"reviews": UNSHIELDED},
        ),
        Scenario(
            name="blip",
            about="v2 fails for some seconds at 40 %: users go home and return by themselves, promoted",
            play=blip,
            services={"reviews": BY_ITSELF},
            users_per_second=100.0,
        ),
        Scenario(
            name="users-only-fault",
            about="v2 fails users at 40 %, and no copies: they return once, then people are asked",
            play=users_only_fault,
            services={"reviews": BY_ITSELF},
            users_per_second=100.0,
            rollouts=2,
        ),
        Scenario(name="bot-killed", about="the bot is killed at 40 % and started again: promoted", play=bot_killed),
        Scenario(
            name="shared-incident",
            about="both versions fail at 40 %: held, not aborted",
            play=shared_incident,
            services={"reviews": reviews(weights=[40, 100], switchback=[100])},
        ),
        Scenario(
            name="early-pass",
            about="stages end on evidence before their time",
            play=early_pass,
            services={"reviews": EARLY},
        ),
        Scenario(
            name="dead-man",
            about="bot and Redis are killed at 60 %: the watchdog brings everyone home",
            play=dead_man,
            dead_man_seconds=8,
        ),
        Scenario(
            name="redis-lost",
            about="Redis loses everything at 40 %: taken up from its annotations, and aborted",
            play=redis_lost,
            dead_man_seconds=20,
        ),
        Scenario(name="two-bots", about="two replicas; the leader is killed at 40 %: promoted", play=two_bots),
        Scenario(name="slow-canary", about="v2 is slow: aborted before any user met it", play=slow_canary),
        Scenario(name="prometheus-down", about="no metrics for a while: held, then promoted", play=prometheus_down),
        Scenario(
            name="primary-stuck",
            about="the upgraded primary never becomes ready: users stay on v2",
            play=primary_stuck,
            objects=stuck_objects,
        ),
        Scenario(
            name="relabel",
            about="image and version label move together",
            play=relabel,
            objects=bookinfo.relabel_objects,
            services={"reviews": reviews(**RELABEL)},
            primary="reviews",
        ),
        Scenario(
            name="hosts",
            about="a Service for each version and no subsets: promoted",
            play=hosts,
            objects=bookinfo.hosts_objects,
            services={"reviews": HOSTS},
        ),
        Scenario(
            name="two-routes",
            about="several routes send users to the primary: they move together, and nothing else of them changes",
            play=two_routes,
            objects=bookinfo.routes_objects,
            services={"reviews": reviews(weights=[50, 100])},
            asks=(Ask(headers=(("x-user", "tester"),)), Ask(path="/api/reviews/0"), Ask()),
        ),
        Scenario(
            name="two-objects",
            about="a VirtualService at the gateway and one inside the mesh: both are moved in one step, promoted",
            play=two_objects,
            objects=callers_inside,
            services={"reviews": listed(reviews(weights=[50, 100]))},
        ),
        Scenario(
            name="adopt",
            about="the canary becomes the primary",
            play=adopt,
            services={"reviews": reviews(promote="adopt")},
        ),
        Scenario(
            name="get-only",
            about="only GET and HEAD are mirrored",
            play=get_only,
            services={"reviews": reviews(mirror={"percent": 100, "methods": ["GET", "HEAD"], "for": "14s"})},
            post_share=0.2,
        ),
        Scenario(
            name="second-release",
            about="v1 to v2, promoted; then v3, promoted",
            play=second_release,
            rollouts=2,
        ),
        Scenario(
            name="drill",
            about="an abort is rehearsed: how long until routes are accepted, with no user on v2",
            play=drill,
            services={"reviews": reviews(drill=True)},
        ),
        Scenario(
            name="rollback",
            about="v2 is promoted, then rolled back by one command",
            play=rollback,
            services={"reviews": reviews(weights=[50, 100])},
        ),
        Scenario(
            name="retry",
            about="aborted at 40 %, taken up there again by one command: promoted",
            play=retry,
            services={"reviews": PROVEN | {"weights": [20, 40, 100], "switchback": [100]}},
            users_per_second=100.0,
        ),
        Scenario(
            name="bound-approval",
            about="the VirtualService changes behind a question: a click on the old one is refused",
            play=bound_approval,
        ),
        Scenario(
            name="autoscaler",
            about="HPAs of both sides scale in during the question and the bake: promoted",
            play=autoscaler,
            objects=scaled_objects,
            services={"reviews": reviews(weights=[50, 100], bake="20s")},
        ),
        Scenario(
            name="slow-scrape",
            about="scrapes take a second and some fail; v2 starts failing at 40 %: aborted",
            play=slow_scrape,
        ),
        Scenario(
            name="slow-scrape-healthy",
            about="scrapes take a second and some fail, and v2 is healthy: promoted",
            play=slow_scrape_healthy,
        ),
        Scenario(
            name="left-the-file",
            about="services.yaml loses the service at 40 %: aborted by command",
            play=left_the_file,
            objects=neighbours,
        ),
        Scenario(
            name="webhooks",
            about="webhooks say yes, no and later: people go on without one; promoted",
            play=webhooks,
            services={"reviews": CALLED},
        ),
        Scenario(
            name="promote-git",
            about="the primary gets its image from git: asked for, waited for, promoted",
            play=promote_git,
            services={"reviews": KEPT_IN_GIT},
        ),
        Scenario(name="drift", about="somebody edits the routes at 40 %: told, restored, promoted", play=drift),
    )
}
