"""What a team says about its service in ``services.yaml``: frozen values, already checked by ``bot.settings``.

Durations are seconds, shares are 0 to 1 unless the name says percent, latencies are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.model.judge_settings import STRICTNESS, JudgeSettings
from bot.model.webhooks import Webhook
from bot.words.language import Language


class Promote(StrEnum):
    """What happens to the primary once the canary has proven itself."""

    UPGRADE = "upgrade"  # the primary gets the canary's image and takes the traffic back
    GIT = "git"  # as upgrade, but whoever keeps the Deployment in git gives it the image: the bot asks and waits
    ADOPT = "adopt"  # the canary becomes the primary; nothing is upgraded


class ApproveAt(StrEnum):
    """Stages that people let through."""

    MIRROR = "mirror"  # leaving the mirror: the first users reach the canary
    STEP = "step"  # leaving a weight below the last
    UPGRADE = "upgrade"  # leaving the last weight: the primary is upgraded
    SWITCHBACK = "switchback"  # leaving the upgrade: users return to the primary


class OnTimeout(StrEnum):
    """What an unanswered approval means. Never a promotion."""

    HOLD = "hold"
    ABORT = "abort"


class OnDrift(StrEnum):
    """What happens to somebody else's change when nobody chooses in time."""

    HOLD = "hold"  # theirs stays, and the rollout waits
    RESTORE = "restore"  # ours is written again
    ABORT = "abort"


class GateAction(StrEnum):
    """What a failing custom gate does."""

    ABORT = "abort"
    HOLD = "hold"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """Who may approve, how many of them, and what silence means."""

    approvers: tuple[str, ...] = ()  # Slack user ids, user group ids or @handles; empty: any member of the workspace
    count: int = 1
    own: bool = False  # may the person who started it approve it?
    timeout: float = 1800.0
    on_timeout: OnTimeout = OnTimeout.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRule:
    """What happens when somebody else changes what a rollout owns, and nobody says what to do about it."""

    timeout: float = 600.0
    on_timeout: OnDrift = OnDrift.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How many of the last checks have to be bad before a limit acts; 1 of 1 is at once, 3 of 3 three in a row."""

    times: int = 1
    within: int = 1


class Measure(StrEnum):
    """What a hard limit is about."""

    ERRORS = "errors"  # share of 5xx and gRPC server errors
    LATENCY = "latency"  # a quantile, milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class HardLimit:
    """A limit for those who know the threshold, beside the sequential judge; it looks at the last minute.

    Attributes:
        name: what people see.
        maximum: a share for errors, milliseconds for latency; or None.
        relative: times the other side's, or None.
        quantile: which one, for latency.
    """

    name: str
    of: Measure
    maximum: float | None = None
    relative: float | None = None
    quantile: float = 0.99
    action: GateAction = GateAction.ABORT
    rule: Rule = Rule()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """What is tolerated of client errors: answers of 400 to 499, in all and by some of their codes.

    Attributes:
        tolerance, slack: more than ``tolerance`` x the other side's share + ``slack`` is told.
        ceiling: the share that is told where there is no other side, or twice the usual one if that is more.
        action: what is done about it.
    """

    tolerance: float = 1.25
    slack: float = 0.002
    ceiling: float = 0.5
    action: GateAction = GateAction.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomGate:
    """A PromQL query of the team's own with limits. ``$namespace``, ``$deployment`` and their like are filled in."""

    name: str
    query: str
    maximum: float | None = None
    minimum: float | None = None
    action: GateAction = GateAction.ABORT
    rule: Rule = Rule()


class Unproven(StrEnum):
    """What a stage does whose time is up with nothing against the canary, and too little to prove it good."""

    ASK_BEFORE_UPGRADE = "ask_before_upgrade"  # weights go on, marked as not proven; what is final, people decide
    GO_ON = "go_on"  # all of it goes on, marked as not proven
    HOLD = "hold"  # people decide in every such stage


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """When figures are good enough.

    Attributes:
        judge: how strict the sequential judge is.
        errors, latency: whether it judges them at all.
        client_errors: what is tolerated of them; None: they are not judged.
        limits, custom: what acts beside it.
        early: whether a stage may end before its time once the canary is shown to be good.
        unproven: what to do where it is not.
        propagation: whether to hold where users are not where the routes say.
        coverage: least share of the copies that must arrive while mirroring.
    """

    judge: JudgeSettings = STRICTNESS
    errors: bool = True
    latency: bool = True
    client_errors: ClientLimits | None = ClientLimits()  # frozen
    limits: tuple[HardLimit, ...] = ()
    custom: tuple[CustomGate, ...] = ()
    early: bool = False
    unproven: Unproven = Unproven.ASK_BEFORE_UPGRADE
    propagation: bool = True
    coverage: float = 0.9

    @property
    def minimum_requests(self) -> int:
        """Of the judged side in a stage."""
        return round(self.judge.least_requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBudget:
    """What may fail of a service.

    Attributes:
        objective: the share of requests that must succeed, above 0 and below 1.
        window: the time over which that is counted, seconds.
    """

    objective: float
    window: float


SCRAPE_TIMEOUT = 10.0  # seconds; Prometheus's own default
# Seconds that hard limits look back, or four scrapes (Prometheus' rule for rates) where that is longer.
LATELY = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSource:
    """How the service shows up in Prometheus."""

    scrape_interval: float = 15.0
    reporter: str = "destination"
    source_workload: str = ".*"  # regex; the same for both sides, so that their populations are equal
    labels: tuple[tuple[str, str], ...] = ()  # that its series carry, by name: which cluster's they are
    read_delay: float | None = None  # seconds; None: as long as a scrape may take

    @property
    def cluster(self) -> str:
        """The service's cluster, by the label with which a Prometheus of several tells them apart; "" where unnamed."""
        return dict(self.labels).get("cluster", "")

    @property
    def delay(self) -> float:
        """Seconds that what is read ends behind the clock.

        A sample bears the time at which its scrape began, and is there once it has ended: at most its time-out later,
        which is ten seconds where nobody changed it, and never more than the interval.
        """
        return self.read_delay if self.read_delay is not None else min(self.scrape_interval, SCRAPE_TIMEOUT)

    @property
    def lately(self) -> float:
        """How many seconds back hard limits and custom queries look."""
        return max(LATELY, 4 * self.scrape_interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """One entry of ``services.yaml`` with its defaults filled in."""

    name: str
    namespace: str
    channel: str
    virtual_service: str
    destination_rule: str
    primary_deployment: str
    canary_deployment: str  # ``{version}`` is what is typed after the service
    virtual_service_namespace: str = ""  # empty: the service's own
    siblings: tuple[str, ...] = ()  # further VirtualServices that are moved with it, ``NAMESPACE/NAME``
    destination_rule_namespace: str = ""  # empty: the service's own
    containers: tuple[str, ...] = ()  # whose images are the version; empty: the only one
    host: str = ""  # the Kubernetes Service; empty: the service's name
    primary_host: str = ""  # the primary's own Service, where each version has one; empty: it is found
    canary_host: str = ""  # the canary's, with ``{version}`` where it is different for each; empty: it is found
    routes: tuple[str, ...] = ()  # names of the http routes to move when several could be
    mirror_percent: float = 100.0
    mirror_methods: tuple[str, ...] | None = ("GET", "HEAD")  # None: all
    mirror_seconds: float = 300.0
    weights: tuple[int, ...] = (20, 40, 60, 80, 100)
    stage_seconds: float = 120.0
    approve: tuple[ApproveAt, ...] = (ApproveAt.MIRROR, ApproveAt.UPGRADE, ApproveAt.SWITCHBACK)
    switchback: tuple[int, ...] = (50, 100)
    bake_seconds: float = 600.0
    promote: Promote = Promote.UPGRADE
    scale_canary_up: bool = False  # where it is parked without pods, for the time of a rollout
    scale_canary_down: bool = False
    drain_seconds: float = 30.0  # that a canary keeps running without users before it is scaled down
    approvals: ApprovalRule = ApprovalRule()
    approvals_at: Mapping[ApproveAt, ApprovalRule] = field(default_factory=dict)  # where another rule holds
    gates: GateLimits = GateLimits()
    metrics: MetricsSource = MetricsSource()
    drift: DriftRule = DriftRule()
    upgrade_timeout: float = 900.0
    scale_timeout: float = 180.0
    hold_patience: float = 900.0
    rollback_seconds: float = 86400.0  # after a promotion, in which it may be rolled back
    drill: bool = False  # aborts may be rehearsed on it
    webhooks: tuple[Webhook, ...] = ()
    language: Language | None = None  # of its rollouts; None: the bot's own
    budget: ErrorBudget | None = None  # None: nothing is said of one

    @property
    def upgrades(self) -> bool:
        """Whether the primary gets the canary's image, whoever writes it."""
        return self.promote is not Promote.ADOPT

    @property
    def key(self) -> str:
        """The service's identity in stores and locks: ``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def routes_at(self) -> tuple[str, str]:
        """Namespace and name of its VirtualService, and of the heartbeat beside that."""
        return self.virtual_service_namespace or self.namespace, self.virtual_service

    @property
    def virtual_service_keys(self) -> tuple[tuple[str, str], ...]:
        """Namespace and name of each of its VirtualServices, the one of ``routes_at`` first."""
        apart = (name.partition("/") for name in self.siblings)
        return (self.routes_at, *((space, name) for space, _, name in apart))

    @property
    def routes_names(self) -> str:
        """What people call them, as ``Target.routes_names``."""
        return ", ".join(map("/".join, self.virtual_service_keys)) if self.siblings else self.virtual_service

    @property
    def rule_at(self) -> tuple[str, str]:
        """Namespace and name of its DestinationRule."""
        return self.destination_rule_namespace or self.namespace, self.destination_rule

    def canary_service(self, version: str) -> str:
        """The name of the canary's own Service for a version; "" where it has to be found."""
        return self.canary_host.replace("{version}", version)

    def version_of(self, canary: str) -> str | None:
        """What was typed for a canary Deployment of that name; None where the name tells none."""
        before, there, after = self.canary_deployment.partition("{version}")
        fits = canary.startswith(before) and canary.endswith(after) and len(canary) > len(before) + len(after)
        return canary[len(before) : len(canary) - len(after)] if there and fits else None

    def canary_name(self, version: str) -> str:
        """The canary Deployment's name for a version."""
        return self.canary_deployment.replace("{version}", version)
