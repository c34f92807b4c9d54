"""What all sections of ``services.yaml`` have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.settings.types import spoken_duration


def lasting(seconds: float, alias: str | None = None) -> Any:
    """A duration's default, which the schema shows as a person would write it."""
    return Field(default=seconds, alias=alias, json_schema_extra={"default": spoken_duration(seconds)})


def _optional(schema: dict[str, Any]) -> None:
    """In the schema nothing of a section is required: each key may stand under ``defaults`` instead."""
    schema.pop("required", None)


class Section(BaseModel):
    """A mapping with known keys. The sentence below a key is its description in the schema."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True, json_schema_extra=_optional
    )
