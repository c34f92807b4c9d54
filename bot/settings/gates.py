"""The section ``gates`` of ``services.yaml``: when figures are good enough. How they are judged is the rules'."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    Tag,
    model_validator,
)

from bot.model.figures import is_our_gate
from bot.model.judge_settings import STRICTNESS, JudgeSettings, MetricLimits, Weights
from bot.model.service import ClientLimits, CustomGate, GateAction, GateLimits, HardLimit, Measure, Rule, Unproven
from bot.settings.base import Section, lasting
from bot.settings.errors import Wrong
from bot.settings.types import Bounds, Duration, PositiveDuration, Query, Share, shown
from bot.words.sentence import said

_JUDGE = STRICTNESS
# A ceiling of 0 % or 100 % has to mean something to a test of shares in between.
HARDLY_ANY, NO_LIMIT = 1e-4, 0.999
_GATES = GateLimits()
_CLIENTS = ClientLimits()

Times = Annotated[StrictFloat, Field(ge=1)]
Open = Annotated[StrictFloat, Field(gt=0, lt=1)]
Rows = Annotated[StrictFloat, Field(ge=1)]


class ErrorsSection(Section):
    """What is tolerated of errors: 5xx and gRPC server errors, counted on both sides."""

    ceiling: Share = _JUDGE.ceiling
    """The share of errors that is too many, whatever the other side does."""
    tolerance: Times = _JUDGE.errors.tolerance
    """More than so many times the other side's share, and `slack`, is worse: once that is sure, it aborts."""
    slack: Share = _JUDGE.errors.slack
    """Added to that, so that one error is no failure where the other side has none."""
    margin: Times = _JUDGE.errors.margin
    """Fewer than so many times the other side's share, and `margin_slack`, is good: once that is sure, it passes."""
    margin_slack: Share = _JUDGE.errors.margin_slack
    """Added to that."""

    def tolerated(self) -> MetricLimits:
        """The same in the rules' words."""
        return MetricLimits(
            tolerance=self.tolerance, slack=self.slack, margin=self.margin, margin_slack=self.margin_slack
        )


class LatencySection(Section):
    """What is tolerated of slow requests."""

    bounds: Bounds = Field(default=_JUDGE.bounds, json_schema_extra={"default": "auto"})
    """Milliseconds, bounds of histogram buckets: the shares of slower requests are compared. `auto` picks two."""
    tolerance: Times = _JUDGE.slow.tolerance
    """As for errors."""
    slack: Share = _JUDGE.slow.slack
    """As for errors."""
    margin: Times = _JUDGE.slow.margin
    """As for errors."""
    margin_slack: Share = _JUDGE.slow.margin_slack
    """As for errors."""
    slower: Literal["ask", "observe"] = "ask"
    """What is done about a typical latency above 1.1 times the other side's: people are asked, or it is only shown."""
    quantile: Open = 0.99
    """The quantile that `max` is about."""
    maximum: Annotated[StrictFloat, Field(gt=0)] | None = Field(default=None, alias="max")
    """Milliseconds the quantile may reach, whatever the other side does: a hard limit, not set unless written."""

    def tolerated(self) -> MetricLimits:
        """The same in the rules' words."""
        return MetricLimits(
            tolerance=self.tolerance, slack=self.slack, margin=self.margin, margin_slack=self.margin_slack
        )

    def limit(self) -> tuple[HardLimit, ...]:
        """The hard limit, if there is one."""
        if self.maximum is None:
            return ()
        name = f"p{self.quantile * 100:g}"
        return (HardLimit(name=name, of=Measure.LATENCY, quantile=self.quantile, maximum=self.maximum),)


class ClientErrorsSection(Section):
    """What is tolerated of client errors: answers of 400 to 499, in all, and 401, 403, 404 and 429 by themselves."""

    action: GateAction = _CLIENTS.action
    """What is done about a version that refuses otherwise than the other one."""
    tolerance: Times = _CLIENTS.tolerance
    """More than so many times the other side's share, and `slack`, is told; of 401 and 403 also so many times fewer."""
    slack: Share = _CLIENTS.slack
    """Added to that."""
    ceiling: Share = _CLIENTS.ceiling
    """The share that is told where there is no other side, or twice what is usual if that is more."""

    def limits(self) -> ClientLimits:
        """The same in the rules' words."""
        return ClientLimits(tolerance=self.tolerance, slack=self.slack, ceiling=self.ceiling, action=self.action)


class WeightsSection(Section):
    """How the judge's right to abort by mistake is shared out among what it looks at."""

    errors: Annotated[StrictFloat, Field(gt=0)] = _JUDGE.weights.errors
    """For errors."""
    slow_a: Annotated[StrictFloat, Field(gt=0)] = _JUDGE.weights.slow_a
    """For the first latency bound."""
    slow_b: Annotated[StrictFloat, Field(gt=0)] = _JUDGE.weights.slow_b
    """For the second."""
    ceiling: Annotated[StrictFloat, Field(gt=0)] = _JUDGE.weights.ceiling
    """For the ceiling."""


class JudgeSection(Section):
    """How strict the sequential judge is. The defaults were chosen by simulation; [how it judges](judge.md)."""

    alpha: Open = _JUDGE.alpha
    """The probability of ever aborting a canary that is within tolerance."""
    patience: Rows = _JUDGE.patience
    """How many scrapes have to agree before an abort, without `shield` and once the upgrade began; else five."""
    alpha_pass: Open = _JUDGE.alpha_pass
    """The probability of ever passing a canary that is beyond the margin."""
    pass_patience: Rows = _JUDGE.pass_patience
    """How many scrapes have to agree before a pass."""
    active: Open = _JUDGE.active
    """The part of the evidence's capital that bets from the start; the rest waits for a canary that turns bad late."""
    hazard: Open = _JUDGE.hazard
    """The part of what waits that joins every 15 s."""
    stage_injection: Open = _JUDGE.stage_injection
    """The part of what waits that joins when a stage begins."""
    carry: Share = _JUDGE.carry
    """The part of the evidence for a pass that the next stage inherits."""
    weights: WeightsSection = WeightsSection()
    vote_above: Annotated[StrictFloat, Field(ge=1)] = _JUDGE.vote_above
    """From this burst factor of the primary's past on, scrapes also vote, one each."""
    vote_patience: Rows = _JUDGE.vote_patience
    """How many votes an abort needs."""
    least: Duration = lasting(_JUDGE.least_seconds)
    """The least time before a stage can be shown to be good."""
    no_data_after: PositiveDuration = lasting(_JUDGE.no_data_after)
    """How long a side may be silent before that is said."""
    shield: StrictBool = _JUDGE.shield
    """Whether users are taken home at low evidence, while the canary keeps its copies and is judged on them."""
    home: Annotated[StrictFloat, Field(gt=1)] = _JUDGE.home
    """That evidence, as odds; four times as much by latency. More: fewer false alarms, more users who meet a fault."""
    returns: Annotated[StrictInt, Field(ge=0)] = _JUDGE.returns
    """How often users return to the canary with nobody being asked; `0` where copies do not show what users meet."""


class RuleSection(BaseModel):
    """What every limit has: what it does, and how many bad checks it takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    action: GateAction = GateAction.ABORT
    """What a bad value does; `observe` only shows it."""
    times: Annotated[StrictInt, Field(ge=1)] = 1
    """How many bad checks it takes."""
    within: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    """Of how many checks, a scrape interval each; as many as `times` (all in a row) unless written."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.within is not None and self.within < self.times:
            raise Wrong(said("settings.never_acts", times=self.times, within=self.within))
        return self

    def rule(self) -> Rule:
        """The same in the rules' words."""
        return Rule(times=self.times, within=self.within or self.times)


class LimitSection(RuleSection):
    """A hard limit over the last minute, for those who know the threshold; `max`, `relative` or both."""

    of: Measure
    """`errors` (their share) or `latency` (a quantile)."""
    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    """What people see; made from the rest unless written."""
    maximum: Share | None = Field(default=None, alias="max")
    """The largest good share of errors."""
    milliseconds: Annotated[StrictFloat, Field(gt=0)] | None = None
    """The largest good latency."""
    relative: Annotated[StrictFloat, Field(gt=0)] | None = None
    """How many times the other side's is still good."""
    quantile: Open = 0.99
    """Which one, for latency."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        wrong = self.milliseconds if self.of is Measure.ERRORS else self.maximum
        if wrong is not None:
            raise Wrong(said("settings.limited_by"))
        if self.maximum is None and self.milliseconds is None and self.relative is None:
            raise Wrong(said("settings.needs_limit"))
        return self

    @property
    def called(self) -> str:
        """What people see."""
        if self.name:
            return self.name
        what = "error share" if self.of is Measure.ERRORS else f"p{self.quantile * 100:g}"
        return f"{what} against the other side" if self.relative is not None else what

    def limit(self) -> HardLimit:
        """The same in the rules' words."""
        return HardLimit(
            name=self.called,
            of=self.of,
            maximum=self.maximum if self.of is Measure.ERRORS else self.milliseconds,
            relative=self.relative,
            quantile=self.quantile,
            action=self.action,
            rule=self.rule(),
        )


class CustomSection(RuleSection):
    """A PromQL query of the team's own; at least one of `max` and `min` is needed."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    """What people see."""
    query: Query
    """Gives one number. `$namespace`, `$deployment` and `$window` are filled in."""
    maximum: StrictFloat | None = Field(default=None, alias="max")
    """The largest good value."""
    minimum: StrictFloat | None = Field(default=None, alias="min")
    """The smallest good value."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.maximum is None and self.minimum is None:
            raise Wrong(said("settings.needs_bound"))
        if self.maximum is not None and self.minimum is not None and self.minimum > self.maximum:
            raise Wrong(said("settings.min_above_max", least=str(self.minimum), most=str(self.maximum)))
        return self

    def gate(self) -> CustomGate:
        """The same in the rules' words."""
        return CustomGate(
            name=self.name,
            query=self.query,
            maximum=self.maximum,
            minimum=self.minimum,
            action=self.action,
            rule=self.rule(),
        )


def _off_or_limits(value: object) -> str:
    return "limits" if isinstance(value, dict | Section) else "off"


def _parse_off(value: object) -> bool:
    if value is not False and value != "off":  # YAML 1.1 reads `off` as false, YAML 1.2 (most editors) as text
        raise Wrong(said("settings.must_be_off", value=shown(value)))
    return False


_Off = Annotated[Literal[False, "off"], BeforeValidator(_parse_off), Tag("off")]
_Switch = Discriminator(_off_or_limits)


class GatesSection(Section):
    """When figures are good enough."""

    errors: Annotated[Annotated[ErrorsSection, Tag("limits")] | _Off, _Switch] = Field(default=ErrorsSection())
    """Counts of errors, canary against primary, or `off`."""
    latency: Annotated[Annotated[LatencySection, Tag("limits")] | _Off, _Switch] = Field(default=LatencySection())
    """Counts of slow requests, canary against primary, or `off`."""
    client_errors: Annotated[Annotated[ClientErrorsSection, Tag("limits")] | _Off, _Switch] = Field(
        default=ClientErrorsSection()
    )
    """Answers of 400 to 499, canary against primary, or `off`."""
    limits: tuple[LimitSection, ...] = ()
    """Hard limits beside the judge, for those who know a threshold."""
    custom: tuple[CustomSection, ...] = ()
    """Queries of the team's own."""
    minimum_requests: Annotated[StrictInt, Field(ge=1)] = _GATES.minimum_requests
    """Fewer requests than this in a stage are too few to leave it: the rollout waits."""
    warm_up: Duration = lasting(_JUDGE.latency_after)
    """How long slow requests do not count at the beginning; errors always do, users see them."""
    coverage: Share = _GATES.coverage
    """The least share of the copies that must arrive while mirroring."""
    propagation: StrictBool = _GATES.propagation
    """Whether to hold where users are not where the routes say, counted by the proxies that send their requests."""
    early: StrictBool = _GATES.early
    """Whether a stage may end before its time, once the canary is shown to be good."""
    unproven: Unproven = _GATES.unproven
    """What a stage does that ends with nothing against the canary and too little to prove it good."""
    judge: JudgeSection = JudgeSection()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        fixed = self.latency.limit() if isinstance(self.latency, LatencySection) else ()
        names = [gate.name for gate in self.custom]
        names += [*(limit.name for limit in fixed), *(limit.called for limit in self.limits)]
        ours = next(filter(is_our_gate, names), None)
        if ours is not None:
            raise Wrong(said("settings.own_gate", name=ours))
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise Wrong(said("settings.two_gates", name=twice))
        return self

    def gates(self) -> GateLimits:
        """The same in the rules' words."""
        errors, latency = (section if isinstance(section, Section) else None for section in (self.errors, self.latency))
        clients = self.client_errors
        fixed = latency.limit() if isinstance(latency, LatencySection) else ()
        return GateLimits(
            judge=self._strictness(),
            errors=errors is not None,
            latency=latency is not None,
            client_errors=clients.limits() if isinstance(clients, ClientErrorsSection) else None,
            limits=(*fixed, *(limit.limit() for limit in self.limits)),
            custom=tuple(gate.gate() for gate in self.custom),
            early=self.early,
            unproven=self.unproven,
            propagation=self.propagation,
            coverage=self.coverage,
        )

    def _strictness(self) -> JudgeSettings:
        errors = self.errors if isinstance(self.errors, ErrorsSection) else ErrorsSection()
        latency = self.latency if isinstance(self.latency, LatencySection) else LatencySection()
        judge = self.judge
        return JudgeSettings(
            edition=_JUDGE.edition,
            alpha=judge.alpha,
            patience=judge.patience,
            alpha_pass=judge.alpha_pass,
            pass_patience=judge.pass_patience,
            active=judge.active,
            hazard=judge.hazard,
            stage_injection=judge.stage_injection,
            carry=judge.carry,
            ceiling=min(max(errors.ceiling, HARDLY_ANY), NO_LIMIT),
            errors=errors.tolerated(),
            slow=latency.tolerated(),
            weights=Weights(**judge.weights.model_dump()),
            bounds=latency.bounds,
            vote_above=judge.vote_above,
            vote_patience=judge.vote_patience,
            least_seconds=judge.least,
            least_requests=float(self.minimum_requests),
            latency_after=self.warm_up,
            no_data_after=judge.no_data_after,
            shield=judge.shield,
            slower_asks=latency.slower == "ask",
            home=judge.home,
            returns=judge.returns,
        )
