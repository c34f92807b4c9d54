"""The sections of ``services.yaml``, one model each: the one definition behind reading, refusing and the JSON Schema.

Defaults are those of ``bot.model.service``; no figure is repeated here. The gates have a
module of their own, and so have line numbers (``services``).
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from bot.model.service import (
    ApprovalRule,
    ApproveAt,
    DriftRule,
    MetricsSource,
    OnDrift,
    OnTimeout,
    Promote,
    ServiceConfig,
)
from bot.settings.base import Section, lasting
from bot.settings.errors import Wrong
from bot.settings.gates import GatesSection
from bot.settings.hook_section import Webhooks
from bot.settings.types import (
    Approve,
    Approver,
    Budget,
    CanaryName,
    Channel,
    Duration,
    LabelName,
    Methods,
    ObjectName,
    Percent,
    PlacedName,
    PositiveDuration,
    Regex,
    ServiceName,
    Switchback,
    Weights,
)
from bot.words.language import Language
from bot.words.sentence import said

_RULE = ApprovalRule()
_DRIFT = DriftRule()
_SOURCE = MetricsSource()
# Only for its defaults.
_SERVICE = ServiceConfig(
    name="",
    namespace="",
    channel="",
    virtual_service="",
    destination_rule="",
    primary_deployment="",
    canary_deployment="",
)


class StageApprovalsSection(Section):
    """What is otherwise for one question than for the others."""

    count: Annotated[StrictInt, Field(ge=1)] | None = None
    """How many different people must approve."""
    own: StrictBool | None = Field(default=None, alias="self")
    """Whether the person who started a rollout may approve it."""
    approvers: tuple[Approver, ...] | None = None
    """Who may approve: user groups and user ids."""


class ApprovalsSection(Section):
    """How many people must approve, and what silence means."""

    count: Annotated[StrictInt, Field(ge=1)] = _RULE.count
    """How many different people must approve."""
    own: StrictBool = Field(default=_RULE.own, alias="self")
    """Whether the person who started a rollout may approve it."""
    timeout: PositiveDuration = lasting(_RULE.timeout)
    """How long to wait for approvals."""
    on_timeout: OnTimeout = _RULE.on_timeout
    """What an unanswered question means. Never a promotion."""
    at: dict[ApproveAt, StageApprovalsSection] = Field(default_factory=dict)
    """Questions for which another count, other approvers or another `self` holds."""


class DriftSection(Section):
    """What happens when somebody else changes what a rollout owns: routes, annotations, images."""

    timeout: PositiveDuration = lasting(_DRIFT.timeout)
    """How long to wait for somebody to choose: restore, hold or abort."""
    on_timeout: OnDrift = _DRIFT.on_timeout
    """What happens then. `hold` leaves theirs and waits; `restore` writes ours again, three times at the most."""


class PrometheusSection(Section):
    """How the service shows up in Prometheus."""

    scrape_interval: PositiveDuration = lasting(_SOURCE.scrape_interval)
    """How often Prometheus scrapes the proxies."""
    reporter: Literal["destination", "source", "waypoint"] = Field(default=_SOURCE.reporter, validate_default=True)
    """Which proxy's view is judged. Mirrored copies are seen by `destination` (and `waypoint`) only."""
    source_workload: Regex = _SOURCE.source_workload
    """Only requests from workloads that match this regular expression are compared, on both sides."""
    labels: dict[LabelName, StrictStr] = Field(default_factory=dict)
    """Labels that the scrape gives the mesh's series, as in `{job: envoy-stats}`; every query asks for them."""
    read_delay: Duration | None = _SOURCE.read_delay
    """How far behind the clock figures are read; empty is `scrape_interval`, at most 10 s: what a scrape may take."""

    def source(self) -> MetricsSource:
        """The same in the rules' words."""
        return MetricsSource(
            scrape_interval=self.scrape_interval,
            reporter=self.reporter,
            source_workload=self.source_workload,
            labels=tuple(sorted(self.labels.items())),
            read_delay=self.read_delay,
        )


class PrimarySection(Section):
    """The Deployment that serves users today."""

    deployment: ObjectName
    """Its name."""
    container: ObjectName | None = None
    """The container whose image is the version; needed only when the pod has several."""
    containers: tuple[ObjectName, ...] = ()
    """Several whose images are promoted together, init containers too; instead of `container`."""
    host: ObjectName | None = None
    """Its own Service, where routes share users out between hosts; found by its selector unless written."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.container and self.containers:
            raise Wrong(said("settings.container_or_containers"))
        return self


class WhenDone(StrEnum):
    """What becomes of the canary after a promotion."""

    KEEP = "keep"
    SCALE_DOWN = "scale_down"


class CanarySection(Section):
    """The Deployment of the new version; it must run before a rollout starts, unless `scale` is written."""

    deployment: CanaryName
    """Its name; `{version}`, if it is there, is what is typed after the service."""
    host: CanaryName | None = None
    """Its own Service, where routes share users out between hosts, as for the primary; `{version}` as above."""
    scale: StrictBool = _SERVICE.scale_canary_up
    """Whether a canary without pods is given what it needs when a rollout starts, and scaled to zero at its end."""
    when_done: WhenDone = WhenDone.SCALE_DOWN if _SERVICE.scale_canary_down else WhenDone.KEEP
    """Whether the canary keeps running after a promotion or is scaled to zero."""
    drain: Duration = lasting(_SERVICE.drain_seconds)
    """How long at least a canary that will be scaled to zero keeps running without users: callers learn late."""


class MirrorSection(Section):
    """The stage in which the canary gets copies of users' requests and its answers are thrown away."""

    percent: Percent = _SERVICE.mirror_percent
    """Percent of the requests that are copied."""
    methods: Methods = Field(
        default=_SERVICE.mirror_methods, json_schema_extra={"default": list(_SERVICE.mirror_methods or ())}
    )
    """Methods that are copied. `all` says the service is idempotent: a copied POST does its work twice."""
    seconds: Duration = lasting(_SERVICE.mirror_seconds, alias="for")
    """The least time the stage lasts."""


class StageSection(Section):
    """What holds for each weight."""

    seconds: Duration = lasting(_SERVICE.stage_seconds, alias="for")
    """The least time each weight lasts."""
    approve: Approve = _SERVICE.approve
    """Stages that people let through; `each` is all of them, `step` is every weight below the last."""


def _name(placed: str) -> str:
    return placed.rpartition("/")[2]


def _space(placed: str) -> str:
    return placed.rpartition("/")[0]


def _placed(name: str, namespace: str) -> str:
    return f"{_space(name) or namespace}/{_name(name)}"


class ServiceSection(Section):
    """One service, or the `defaults` for all of them."""

    namespace: ObjectName
    """Where its objects are."""
    channel: Channel
    """Where its rollouts are told."""
    language: Language | None = None
    """What its rollouts are told in; what `channels` says of its channel, or `LANGUAGE`, unless written."""
    approvers: tuple[Approver, ...] = _RULE.approvers
    """User groups or user ids that may approve; any member of the workspace when empty."""
    approvals: ApprovalsSection = ApprovalsSection()
    drift: DriftSection = DriftSection()
    prometheus: PrometheusSection = PrometheusSection()
    virtual_service: PlacedName
    """The VirtualService that routes its users; `NAMESPACE/NAME` where it is in another namespace."""
    virtual_services: tuple[PlacedName, ...] = ()
    """Instead of `virtual_service`, where users come by several: all of them, which are moved together."""
    destination_rule: PlacedName | None = None
    """The DestinationRule with a subset for each version (`NAMESPACE/NAME` in another namespace); the service's name
    unless written."""
    host: ObjectName | None = None
    """The Kubernetes Service; the name of the service unless written."""
    routes: tuple[Annotated[str, Field(min_length=1)], ...] = _SERVICE.routes
    """Names of the http routes to move, needed only when several could be."""
    primary: PrimarySection
    canary: CanarySection
    mirror: MirrorSection = MirrorSection()
    weights: Weights = _SERVICE.weights
    """The canary's shares of user traffic, percent, one stage each; the last is 100."""
    stage: StageSection = StageSection()
    switchback: Switchback = _SERVICE.switchback
    """The upgraded primary's shares as users return to it; the last is 100."""
    bake: Duration = lasting(_SERVICE.bake_seconds)
    """How long the final state is watched before the rollout ends."""
    promote: Promote = _SERVICE.promote
    """`upgrade` gives the primary the canary's image, `git` waits until git does; `adopt` keeps users on the canary."""
    gates: GatesSection = GatesSection()
    upgrade_timeout: PositiveDuration = lasting(_SERVICE.upgrade_timeout)
    """How long the primary's Deployment may take to roll out its new image."""
    scale_timeout: PositiveDuration = lasting(_SERVICE.scale_timeout)
    """How long returning users may wait for a primary that has shrunk and is scaled up again."""
    hold_patience: PositiveDuration = lasting(_SERVICE.hold_patience)
    """How long a rollout waits by itself (no data, too little traffic) before it asks a person."""
    rollback: Duration = lasting(_SERVICE.rollback_seconds)
    """How long after a promotion it may be rolled back; `0s` is never."""
    drill: bool = False
    """Whether aborts may be rehearsed on it, by `/canary drill`; no user meets the canary in one."""
    budget: Budget | None = None
    """Its error budget, as in `99.9%/30d`: what a rollout costs of it is told where it is set."""
    webhooks: Webhooks = ()
    """What is called with JSON at moments of a rollout, and may keep it waiting."""

    @model_validator(mode="before")
    @classmethod
    def _first_of_several(cls, written: Any) -> Any:
        """``virtual_service`` is the first of a list, which is the other way to write it."""
        several = written.get("virtual_services") if isinstance(written, dict) else None
        if not isinstance(several, list | tuple) or not several:
            return written
        if "virtual_service" in written:
            raise Wrong(said("settings.virtual_service_or_several"))
        return {**written, "virtual_service": several[0]}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        places = [_placed(name, self.namespace) for name in self.virtual_services]
        if len(set(places)) < len(places):
            raise Wrong(said("settings.virtual_service_twice"))
        return self

    def service(self, name: str, channel: Language | None = None) -> ServiceConfig:
        """The same in the rules' words; ``channel`` is the language of its channel."""
        return ServiceConfig(
            name=name,
            namespace=self.namespace,
            channel=self.channel,
            virtual_service=_name(self.virtual_service),
            virtual_service_namespace=_space(self.virtual_service),
            siblings=tuple(_placed(one, self.namespace) for one in self.virtual_services[1:]),
            destination_rule=_name(self.destination_rule or name),
            destination_rule_namespace=_space(self.destination_rule or ""),
            primary_deployment=self.primary.deployment,
            canary_deployment=self.canary.deployment,
            containers=(self.primary.container,) if self.primary.container else self.primary.containers,
            host=self.host or name,
            primary_host=self.primary.host or "",
            canary_host=self.canary.host or "",
            routes=self.routes,
            mirror_percent=self.mirror.percent,
            mirror_methods=self.mirror.methods,
            mirror_seconds=self.mirror.seconds,
            weights=self.weights,
            stage_seconds=self.stage.seconds,
            approve=self.stage.approve,
            switchback=self.switchback,
            bake_seconds=self.bake,
            promote=self.promote,
            scale_canary_up=self.canary.scale,
            scale_canary_down=self.canary.when_done is WhenDone.SCALE_DOWN,
            drain_seconds=self.canary.drain,
            approvals=self._rule(),
            approvals_at={at: self._rule_at(section) for at, section in self.approvals.at.items()},
            gates=self.gates.gates(),
            metrics=self.prometheus.source(),
            drift=DriftRule(timeout=self.drift.timeout, on_timeout=self.drift.on_timeout),
            upgrade_timeout=self.upgrade_timeout,
            scale_timeout=self.scale_timeout,
            hold_patience=self.hold_patience,
            rollback_seconds=self.rollback,
            drill=self.drill,
            language=self.language or channel,
            budget=self.budget,
            webhooks=tuple(hook.webhook() for hook in self.webhooks),
        )

    def _rule_at(self, section: StageApprovalsSection) -> ApprovalRule:
        rule = self._rule()
        return replace(
            rule,
            approvers=rule.approvers if section.approvers is None else section.approvers,
            count=rule.count if section.count is None else section.count,
            own=rule.own if section.own is None else section.own,
        )

    def _rule(self) -> ApprovalRule:
        return ApprovalRule(
            approvers=self.approvers,
            count=self.approvals.count,
            own=self.approvals.own,
            timeout=self.approvals.timeout,
            on_timeout=self.approvals.on_timeout,
        )


class ChannelSection(Section):
    """What holds for everything that is said in a channel."""

    language: Language
    """What is spoken there."""


class ServicesFile(Section):
    """The services canary-bot may roll out: their `defaults`, and each by name."""

    defaults: ServiceSection | None = None
    """What every service says unless it says otherwise; merged key by key."""
    channels: dict[Channel, ChannelSection] = Field(default_factory=dict)
    """Channels with a language of their own, by name or id."""
    services: Annotated[dict[ServiceName, ServiceSection], Field(min_length=1)]
    """By the name that is typed after `/canary start`."""

    @property
    def languages(self) -> dict[str, Language]:
        """The language of each channel that has one of its own."""
        return {channel: section.language for channel, section in self.channels.items()}

    def catalogue(self) -> dict[str, ServiceConfig]:
        """The services in the rules' words, by name."""
        return {name: entry.service(name, self.languages.get(entry.channel)) for name, entry in self.services.items()}
