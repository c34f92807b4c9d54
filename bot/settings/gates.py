"""The section ``gates`` of ``services.yaml``: when figures are good enough. How they are judged is the rules'."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictFloat,
    StrictInt,
    Tag,
    model_validator,
)

from bot.rollout.service import CustomGate, ErrorLimits, GateAction, GateLimits, LatencyLimits
from bot.settings.kinds import Bounds, Duration, Query, Share, shown
from bot.settings.section import Section, lasting

_ERRORS = ErrorLimits()
_LATENCY = LatencyLimits()
_GATES = GateLimits()


class ErrorsSection(Section):
    """Limits on the share of 5xx and gRPC server errors; all must hold."""

    ceiling: Share = _ERRORS.ceiling
    """The largest share of errors, whatever the other side does."""
    tolerance: Annotated[StrictFloat, Field(ge=1)] = _ERRORS.tolerance
    """How many times the other side's share is still as good."""
    slack: Share = _ERRORS.slack
    """Added to that, so that one error is no failure where the other side has none."""

    def limits(self) -> ErrorLimits:
        """The same in the rules' words."""
        return ErrorLimits(ceiling=self.ceiling, tolerance=self.tolerance, slack=self.slack)


class LatencySection(Section):
    """Limits on slow requests."""

    bounds: Bounds = Field(default=_LATENCY.bounds, json_schema_extra={"default": "auto"})
    """Milliseconds, bounds of histogram buckets: the shares of slower requests are compared. `auto` picks them."""
    tolerance: Annotated[StrictFloat, Field(ge=1)] = _LATENCY.tolerance
    """How many times the other side's share of slow requests is still as good."""
    slack: Share = _LATENCY.slack
    """Added to that."""
    quantile: Annotated[StrictFloat, Field(gt=0, lt=1)] = _LATENCY.quantile
    """The quantile that `max` is about."""
    maximum: Annotated[StrictFloat, Field(gt=0)] | None = Field(default=_LATENCY.maximum, alias="max")
    """Milliseconds the quantile may reach, whatever the other side does; not limited unless written."""

    def limits(self) -> LatencyLimits:
        """The same in the rules' words."""
        return LatencyLimits(
            bounds=self.bounds,
            tolerance=self.tolerance,
            slack=self.slack,
            quantile=self.quantile,
            maximum=self.maximum,
        )


class CustomSection(BaseModel):
    """A PromQL query of the team's own; at least one of `max` and `min` is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1, max_length=80)]
    """What people see."""
    query: Query
    """Gives one number. `$namespace`, `$deployment` and `$window` are filled in."""
    maximum: StrictFloat | None = Field(default=None, alias="max")
    """The largest good value."""
    minimum: StrictFloat | None = Field(default=None, alias="min")
    """The smallest good value."""
    action: GateAction = GateAction.ABORT
    """What a bad value does; `observe` only shows it."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.maximum is None and self.minimum is None:
            raise ValueError("needs max, min or both; without a limit nothing can fail")
        if self.maximum is not None and self.minimum is not None and self.minimum > self.maximum:
            raise ValueError(f"min ({self.minimum}) is above max ({self.maximum})")
        return self

    def gate(self) -> CustomGate:
        """The same in the rules' words."""
        return CustomGate(
            name=self.name, query=self.query, maximum=self.maximum, minimum=self.minimum, action=self.action
        )


def _off_or_limits(value: object) -> str:
    return "limits" if isinstance(value, dict | Section) else "off"


def _parse_off(value: object) -> bool:
    if value is not False and value != "off":  # YAML 1.1 reads `off` as false, YAML 1.2 (most editors) as text
        raise ValueError(f"must be a mapping of limits, or `off`, not {shown(value)}")
    return False


_Off = Annotated[Literal[False, "off"], BeforeValidator(_parse_off), Tag("off")]
_Switch = Discriminator(_off_or_limits)


class GatesSection(Section):
    """When figures are good enough."""

    errors: Annotated[Annotated[ErrorsSection, Tag("limits")] | _Off, _Switch] = Field(default=ErrorsSection())
    """Counts of errors, canary against primary, or `off`."""
    latency: Annotated[Annotated[LatencySection, Tag("limits")] | _Off, _Switch] = Field(default=LatencySection())
    """Counts of slow requests, canary against primary, or `off`."""
    custom: tuple[CustomSection, ...] = ()
    """Queries of the team's own."""
    minimum_requests: Annotated[StrictInt, Field(ge=1)] = _GATES.minimum_requests
    """Fewer requests than this in the window are too few to judge: the rollout waits."""
    warm_up: Duration = lasting(_GATES.warm_up)
    """How long after a change of routes figures do not count."""
    coverage: Share = _GATES.coverage
    """The least share of the copies that must arrive while mirroring."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [gate.name for gate in self.custom]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f'two custom gates are called "{twice}"')
        return self

    def limits(self) -> GateLimits:
        """The same in the rules' words."""
        return GateLimits(
            errors=self.errors.limits() if isinstance(self.errors, ErrorsSection) else None,
            latency=self.latency.limits() if isinstance(self.latency, LatencySection) else None,
            custom=tuple(gate.gate() for gate in self.custom),
            minimum_requests=self.minimum_requests,
            warm_up=self.warm_up,
            coverage=self.coverage,
        )
