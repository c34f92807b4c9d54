"""What a team says about its service in ``services.yaml``: frozen values, already checked by ``bot.settings``.

Durations are seconds, shares are 0 to 1 unless the name says percent, latencies are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Promote(StrEnum):
    """What happens to the primary once the canary has proven itself."""

    UPGRADE = "upgrade"  # the primary gets the canary's image and takes the traffic back
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
class ErrorLimits:
    """Limits on the share of 5xx and gRPC server errors."""

    ceiling: float = 0.05  # absolute, whatever the other side does
    tolerance: float = 1.25  # times the other side's share ...
    slack: float = 0.005  # ... plus this: a primary without errors must not make one error a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLimits:
    """Limits on slow requests.

    Attributes:
        bounds: bucket bounds; the share of requests slower than each is compared. Empty: chosen from the other side's
            histogram (the smallest bound with at most 10 % and at most 1 % of its requests above).
        quantile, maximum: an absolute limit on one quantile, or None.
    """

    bounds: tuple[float, ...] = ()
    tolerance: float = 1.5
    slack: float = 0.02
    quantile: float = 0.99
    maximum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomGate:
    """A PromQL query of the team's own with limits. ``$namespace``, ``$deployment`` and ``$window`` are filled in."""

    name: str
    query: str
    maximum: float | None = None
    minimum: float | None = None
    action: GateAction = GateAction.ABORT


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """When figures are good enough.

    Attributes:
        minimum_requests: of the judged side in the window; below it the verdict is inconclusive.
        warm_up: seconds after a stage's routes are in force before its window begins.
        coverage: least share of the copies that must arrive while mirroring.
    """

    errors: ErrorLimits | None = ErrorLimits()
    latency: LatencyLimits | None = LatencyLimits()
    custom: tuple[CustomGate, ...] = ()
    minimum_requests: int = 100
    warm_up: float = 30.0
    coverage: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSource:
    """How the service shows up in Prometheus."""

    scrape_interval: float = 15.0
    reporter: str = "destination"
    source_workload: str = ".*"  # regex; the same for both sides, so that their populations are equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One entry of ``services.yaml`` with its defaults filled in."""

    name: str
    namespace: str
    channel: str
    virtual_service: str
    destination_rule: str
    primary_deployment: str
    canary_deployment: str  # ``{version}`` is what is typed after the service
    container: str | None = None  # None: the only one
    host: str = ""  # the Kubernetes Service; empty: the service's name
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
    scale_canary_down: bool = False
    approvals: ApprovalRule = ApprovalRule()
    gates: GateLimits = GateLimits()
    metrics: MetricsSource = MetricsSource()
    upgrade_timeout: float = 900.0
    hold_patience: float = 900.0

    @property
    def key(self) -> str:
        """The service's identity in stores and locks: ``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def canary_name(self, version: str) -> str:
        """The canary Deployment's name for a version."""
        return self.canary_deployment.replace("{version}", version)
