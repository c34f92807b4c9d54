"""Values to start from in tests: a service, a rollout, observations and figures in domain words."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from bot.model.figures import Figures, Judgement, SideFigures, Verdict
from bot.model.freeze import Freeze
from bot.model.incidents import Difference, Drift, Edit
from bot.model.observation import DeploymentStatus, Observation, Progress
from bot.model.rollout import PodTemplate, Rollout, RolloutId, RolloutSpec, Routes, Target, Template, Topology, UserId
from bot.model.service import Promote, ServiceConfig
from bot.rollout.plans import make_plan
from bot.words.rendering import plain
from bot.words.sentence import Arg, Sentence, Text

MAYA, OMAR, LENA = UserId("U0MAYA"), UserId("U0OMAR"), UserId("U0LENA")
EVER = 1e9  # seconds; later than any reconcile of a test that begins at 0
OLD, NEW = "reviews:1", "reviews:2@sha256:" + "2" * 64


def a_service(**changes: Any) -> ServiceConfig:
    """Bookinfo's reviews, with the defaults of ``services.yaml``."""
    reviews = ServiceConfig(
        name="reviews",
        namespace="default",
        channel="#releases",
        virtual_service="reviews",
        destination_rule="reviews",
        primary_deployment="reviews-v1",
        canary_deployment="reviews-{version}",
        mirror_methods=None,
    )
    return replace(reviews, **changes)


def a_freeze(scope: str = "reviews", **changes: Any) -> Freeze:
    """Maya froze it at 1000.5, until somebody ends it."""
    return replace(Freeze(scope=scope, by=MAYA, since=1000.5, until=None, reason="database migration"), **changes)


def a_target(topology: Topology = Topology.PER_VERSION, **changes: Any) -> Target:
    """Where that service is."""
    target = Target(
        namespace="default",
        host="reviews.default.svc.cluster.local",
        virtual_service="reviews",
        virtual_service_namespace="default",
        destination_rule="reviews",
        primary_subset="v1",
        canary_subset="v2",
        primary_deployment="reviews-v1",
        canary_deployment="reviews-v2",
        topology=topology,
    )
    if topology is Topology.HOSTS:
        ours, theirs = (f"reviews-{version}.default.svc.cluster.local" for version in ("v1", "v2"))
        target = replace(target, host=ours, canary_host=theirs, primary_subset="", canary_subset="")
    return replace(target, **changes)


def a_rollout(
    service: ServiceConfig | None = None, topology: Topology = Topology.PER_VERSION, **changes: Any
) -> Rollout:
    """A rollout of reviews v2 that Maya has just asked for, in preflight."""
    service = service or a_service()
    relabel = topology is Topology.RELABEL
    rollout = Rollout(
        spec=RolloutSpec(
            id=RolloutId("r-1"),
            service=service.name,
            version="v2",
            channel=service.channel,
            started_by=MAYA,
            started_at=0.0,
            target=a_target(topology),
            plan=make_plan(service, topology),
            recorded=PodTemplate(images={"reviews": OLD}, labels={"version": "v1"} if relabel else {}),
            upgraded=PodTemplate(images={"reviews": NEW}, labels={"version": "v2"} if relabel else {}),
            canary_images={"reviews": "reviews:2"},
            gates=service.gates,
            approvals_rule=service.approvals,
            metrics=service.metrics,
            upgrade_timeout=service.upgrade_timeout,
            hold_patience=service.hold_patience,
            scale_timeout=service.scale_timeout,
            drift_rule=service.drift,
            language=service.language or "",
            budget=service.budget,
            webhooks=service.webhooks,
            by_git=service.promote is Promote.GIT,
        )
    )
    return changed(rollout, **changes)


def changed(rollout: Rollout, **changes: Any) -> Rollout:
    """The rollout with these fields changed, of its spec or of its status."""
    spec = {one.name: changes.pop(one.name) for one in fields(RolloutSpec) if one.name in changes}
    return replace(rollout, **({"spec": replace(rollout.spec, **spec)} | changes))


def a_side(template: Template | None = Template.RECORDED, **changes: Any) -> DeploymentStatus:
    """A Deployment with both of its two pods ready."""
    return replace(DeploymentStatus(template=template, progress=Progress.DONE, ready=2, wanted=2), **changes)


_SIDES = {template: a_side(template) for template in (None, *Template)}


def an_observation(rollout: Rollout, **changes: Any) -> Observation:
    """The cluster exactly as the rollout's current stage wants it."""
    stage = rollout.current
    as_wanted: dict[str, Any] = {
        "routes": stage.routes,
        "primary": _SIDES[stage.template],
        "canary": _SIDES[Template.RECORDED],
        "owner": None if stage.release else rollout.spec.id,
    }
    return Observation(**(as_wanted | changes))


def a_drift(**changes: Any) -> Drift:
    """Somebody has moved all users back with kubectl."""
    moved = Difference(what="users", ours="80/20", theirs="100/0")
    edit = Edit(kind="VirtualService", name="reviews", differences=(moved,), who="kubectl-edit", at=1_750_000_000.0)
    return replace(Drift(edits=(edit,), since=0.0), **changes)


def routes(canary: int, *, mirror: bool = False) -> Routes:
    """Routes by the canary's share in percent."""
    return Routes(canary=canary, mirror=mirror)


def verdict(word: Verdict, at: float = EVER) -> Judgement:
    """A judgement that is only its verdict, of figures up to ``at``: whenever it is looked at, by default."""
    return Judgement(at=at, verdict=word)


def a_side_of(requests: float, errors: float = 0, slow: float = 0, **others: Any) -> SideFigures:
    """Counts of one side; ``slow`` requests took between 500 and 1000 ms, the others under 100."""
    fast = requests - slow
    buckets = {50.0: fast * 0.5, 100.0: fast, 250.0: fast, 500.0: fast, 1000.0: requests, float("inf"): requests}
    return SideFigures(requests=requests, errors=errors, buckets=buckets, **others)


def figures(primary: SideFigures | None, canary: SideFigures | None, **changes: Any) -> Figures:
    """One reconcile's figures over a minute."""
    return replace(Figures(start=0.0, end=60.0, primary=primary, canary=canary), **changes)


def keys(text: Text) -> list[str]:
    """The keys of a sentence and of every sentence in it, outermost first; none of what an older version stored."""

    def within(arg: Arg) -> list[str]:
        if isinstance(arg, tuple):
            return [key for item in arg for key in within(item)]
        return keys(arg) if isinstance(arg, Sentence) else []

    return [text.key, *(key for arg in text.args.values() for key in within(arg))] if isinstance(text, Sentence) else []


def unreadable(read: Routes | Text) -> str:
    """In English, why routes were not read."""
    assert not isinstance(read, Routes), read
    return plain(read)
