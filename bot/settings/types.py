"""The kinds of values in ``services.yaml``: how each is written, what it means, and its part of the JSON Schema.

Every kind refuses with a sentence that shows how to write it. What sections there are is not known here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StrictInt,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from bot.model.errors import Refusal
from bot.model.service import ApproveAt, ErrorBudget
from bot.rollout.plans import check_weights
from bot.settings.errors import Wrong
from bot.words.sentence import Code, Text, said

LONGEST_SHOWN = 80  # characters of a value
MOST_SHOWN = 10  # items of a list
LONGEST_DURATION = 50  # characters
LARGEST_DURATION = 366 * 86400.0  # seconds
WHOLE = 100  # percent
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$"
_PERCENT = r"^\d+(\.\d+)?%$"
_BUDGET = r"^\d+(\.\d+)?%/(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$"
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_PLACEHOLDERS = ("namespace", "deployment", "window", "labels")


def parse_duration(value: object) -> float:
    """Seconds from ``30s``, ``5m`` or ``1h30m``.

    Raises:
        ValueError: a number has no unit, and a guess at it could keep bad metrics in front of users for an hour.
    """
    if not isinstance(value, str) or not value or not re.fullmatch(_DURATION, value):
        raise Wrong(said("settings.duration", value=shown(value)))
    parts = re.findall(r"(\d+)(ms|[dhms])", value)
    # A number of hundreds of digits is none that can be calculated with.
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts) if len(value) <= LONGEST_DURATION else math.inf
    if seconds > LARGEST_DURATION:
        raise Wrong(said("settings.at_most", most=spoken_duration(LARGEST_DURATION), value=shown(value)))
    return seconds


def spoken_duration(seconds: float) -> str:
    """The way a person would write it: 5400 is ``1h30m``."""
    rest = round(seconds * 1000)
    words = []
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, round(size * 1000))
        words.append(f"{count}{unit}" if count else "")
    return "".join(words) or "0s"


def shown(value: object) -> Text:
    """A value as it is (or could be) written in YAML, for the end of a sentence."""
    if isinstance(value, list | tuple):
        return _list_shown(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        written = value if value.isprintable() else value.encode("unicode_escape").decode()
        return f'"{written if len(written) <= LONGEST_SHOWN else written[:LONGEST_SHOWN] + "…"}"'
    return said("settings.a_mapping") if isinstance(value, dict) else str(value)


def _list_shown(values: Sequence[object]) -> Text:
    if not values:
        return said("settings.empty_list")
    first, more = tuple(shown(item) for item in values[:MOST_SHOWN]), len(values) - MOST_SHOWN
    return said("settings.values_and_more", values=first, n=more) if more > 0 else said("settings.values", values=first)


def _positive_duration(value: object) -> float:
    seconds = parse_duration(value)
    if seconds == 0:
        raise Wrong(said("settings.positive_duration"))
    return seconds


def parse_budget(value: object) -> ErrorBudget:
    """An error budget from ``99.9%/30d``: the share of requests that must succeed, and the time that is counted over.

    Raises:
        ValueError: it is written otherwise, leaves nothing to fail or everything, or its window has no length.
    """
    objective, slash, window = value.partition("/") if isinstance(value, str) else ("", "", "")
    if not slash or not re.fullmatch(_PERCENT, objective) or not 0 < float(objective[:-1]) < WHOLE:
        raise Wrong(said("settings.budget", value=shown(value)))
    try:
        return ErrorBudget(objective=float(f"{objective[:-1]}e-2"), window=_positive_duration(window))
    except Wrong as wrong:
        raise Wrong(said("settings.budget_time", why=wrong.sentence)) from wrong


def _number(value: object) -> float | None:
    """A plain number; ``true`` is one to Python, but not to a reader."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:  # a whole number of more than 300 digits
        return None


def _parse_share(value: object) -> float:
    if isinstance(value, str) and re.fullmatch(_PERCENT, value):
        share: float | None = float(value[:-1]) / WHOLE
    else:
        share = _number(value)
    if share is None or not 0 <= share <= 1:
        raise Wrong(said("settings.share", value=shown(value)))
    return share


def _parse_percent(value: object) -> float:
    if isinstance(value, str) and re.fullmatch(_PERCENT, value):
        percent: float | None = float(value[:-1])
    else:
        percent = _number(value)
    if percent is None or not 0 < percent <= WHOLE:
        raise Wrong(said("settings.percent", value=shown(value)))
    return percent


@dataclass(frozen=True, slots=True)
class Written:
    """A kind of text; ``rule`` completes "must be ..."."""

    pattern: str
    rule: Text

    def __get_pydantic_core_schema__(self, source: type[str], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": self.pattern}

    def _check(self, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise Wrong(said("settings.written", rule=self.rule, value=shown(value)))
        return value


def _checked(check: Callable[[tuple[int, ...]], None]) -> AfterValidator:
    """Apply one of the rules' own checks; the sentence of its refusal becomes the mistake."""

    def apply(value: tuple[int, ...]) -> tuple[int, ...]:
        try:
            check(value)
        except Refusal as refusal:
            raise Wrong(said("settings.rule", sentence=refusal.sentence)) from refusal
        return value

    return AfterValidator(apply)


def _check_switchback(shares: tuple[int, ...]) -> tuple[int, ...]:
    rising = all(low < high for low, high in pairwise((0, *shares)))
    if not rising or not shares or shares[-1] != WHOLE:
        raise Wrong(said("settings.switchback", value=shown(shares)))
    return shares


def _parse_methods(value: object) -> tuple[str, ...] | None:
    if value == "all":
        return None
    if not isinstance(value, list) or not value or any(item not in _METHODS for item in value):
        raise Wrong(said("settings.word_or_list", word=Code("all"), choices=_METHODS, value=shown(value)))
    return tuple(value)


def _parse_approve(value: object) -> tuple[ApproveAt, ...]:
    words = [word.value for word in ApproveAt]
    if value == "each":
        return tuple(ApproveAt)
    if not isinstance(value, list) or any(item not in words for item in value):
        raise Wrong(said("settings.word_or_list", word=Code("each"), choices=tuple(words), value=shown(value)))
    return tuple(ApproveAt(item) for item in value)


def _parse_bounds(value: object) -> tuple[float, ...]:
    if value == "auto":
        return ()
    numbers = [_number(item) for item in value] if isinstance(value, list) else []
    bounds = tuple(number for number in numbers if number is not None)
    rising = all(low < high for low, high in pairwise((0.0, *bounds)))
    if not bounds or len(bounds) != len(numbers) or not rising:
        raise Wrong(said("settings.bounds", word=Code("auto"), value=shown(value)))
    return bounds


def _parse_query(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong(said("settings.query"))
    for name in re.findall(r"\$([a-z_]+)", value):
        if name not in _PLACEHOLDERS:
            raise Wrong(
                said("settings.not_filled_in", name=f"${name}", known=tuple(f"${known}" for known in _PLACEHOLDERS))
            )
    return value


def _parse_regex(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong(said("settings.regex", value=shown(value)))
    try:
        re.compile(value)
    except re.error as error:
        raise Wrong(said("settings.bad_regex", value=shown(value), why=str(error))) from error
    return value


def _any_of(word: str, item: dict[str, Any], **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"const": word}, {"type": "array", "items": item, **more}]})


_DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": _DURATION, "minLength": 2})
_PERCENT_TEXT = {"type": "string", "pattern": _PERCENT}

Duration: TypeAlias = Annotated[float, BeforeValidator(parse_duration), _DURATION_SCHEMA]
PositiveDuration: TypeAlias = Annotated[float, BeforeValidator(_positive_duration), _DURATION_SCHEMA]
Share: TypeAlias = Annotated[
    float,
    BeforeValidator(_parse_share),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, _PERCENT_TEXT]}),
]
Percent: TypeAlias = Annotated[
    float,
    BeforeValidator(_parse_percent),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": WHOLE}, _PERCENT_TEXT]}),
]
_SHARES_SCHEMA = WithJsonSchema(
    {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1, "maximum": WHOLE}}
)
Weights: TypeAlias = Annotated[tuple[StrictInt, ...], Field(min_length=1), _checked(check_weights), _SHARES_SCHEMA]
Switchback: TypeAlias = Annotated[
    tuple[StrictInt, ...], Field(min_length=1), AfterValidator(_check_switchback), _SHARES_SCHEMA
]
Methods: TypeAlias = Annotated[
    tuple[str, ...] | None, BeforeValidator(_parse_methods), _any_of("all", {"enum": list(_METHODS)}, minItems=1)
]
Approve: TypeAlias = Annotated[
    tuple[ApproveAt, ...],
    BeforeValidator(_parse_approve),
    _any_of("each", {"enum": [word.value for word in ApproveAt]}),
]
Bounds: TypeAlias = Annotated[
    tuple[float, ...],
    BeforeValidator(_parse_bounds),
    _any_of("auto", {"type": "number", "exclusiveMinimum": 0}, minItems=1),
]
Budget: TypeAlias = Annotated[
    ErrorBudget,
    BeforeValidator(parse_budget),
    WithJsonSchema({"type": "string", "pattern": _BUDGET}),
]
Query: TypeAlias = Annotated[str, BeforeValidator(_parse_query)]
Regex: TypeAlias = Annotated[str, BeforeValidator(_parse_regex)]

ServiceName: TypeAlias = Annotated[str, Written(r"^[a-z0-9-]{1,63}$", said("settings.service_name"))]
ObjectName: TypeAlias = Annotated[str, Written(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$", said("settings.object_name"))]
PlacedName: TypeAlias = Annotated[
    str,
    Written(
        r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
        said("settings.placed_name"),
    ),
]
LabelName: TypeAlias = Annotated[str, Written(r"^[a-zA-Z_][a-zA-Z0-9_]*$", said("settings.label_name"))]
CanaryName: TypeAlias = Annotated[
    str,
    Written(
        r"^([-a-z0-9.]|\{version\})+$",
        said("settings.canary_name", example="reviews-{version}"),
    ),
]
Channel: TypeAlias = Annotated[str, Written(r"^(#[^\s#@,]{1,80}|[CG][A-Z0-9]{6,})$", said("settings.channel"))]
Approver: TypeAlias = Annotated[
    str,
    Written(r"^(@[^\s@,]{1,80}|[UWS][A-Z0-9]{6,})$", said("settings.approver")),
]
HookName: TypeAlias = Annotated[str, Written(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", said("settings.hook_name"))]
HookVariable: TypeAlias = Annotated[
    str, Written(r"^WEBHOOK_[A-Z0-9_]{1,80}$", said("settings.hook_variable", prefix="WEBHOOK_"))
]
FileName: TypeAlias = Annotated[str, Written(r"^/[^\x00]{1,1000}$", said("settings.file_name"))]
