"""What Redis holds, as text: names of keys, and JSON in and out. Reading and writing Redis is not done here.

A rollout is stored as ``{"schema": N, "rollout": {...}}``. Fields nobody knows are ignored, so a newer version may add
one with a default and be rolled back. Anything else raises ``SCHEMA`` and adds a step to ``UPGRADES``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from bot.rollout.errors import Fault
from bot.rollout.model import Entry, Rollout, RolloutId

SCHEMA = 1

Document = dict[str, Any]
Upgrade = Callable[[Document], Document]

# From the schema that is the key to the next one. Empty for as long as there has been one schema only.
UPGRADES: Mapping[int, Upgrade] = {}

# Every service that ever had a rollout; never shrinks, so no writer can lose a race with a reader that tidies up.
# Written before anything else, so it may name a service that holds nothing. ``RedisStore.reindex`` rebuilds it.
SERVICES = "canary:index:services"
# A pattern: exactly the services that ever had a rollout have this key. ``Keys.of_history`` is its inverse.
HISTORIES = "canary:{*}:history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Names of the keys of one service (``namespace/name``), which share a hash tag: one slot in a Redis Cluster."""

    service: str

    def rollout(self, rollout_id: RolloutId) -> str:
        """JSON of one rollout."""
        return self._key(f"rollout:{rollout_id}")

    def story(self, rollout_id: RolloutId) -> str:
        """A stream: what happened, each entry's JSON in the field ``entry``. Append-only."""
        return self._key(f"story:{rollout_id}")

    def card(self, rollout_id: RolloutId) -> str:
        """A hash: where the card is."""
        return self._key(f"card:{rollout_id}")

    @property
    def active(self) -> str:
        """The id of the live rollout; missing when there is none."""
        return self._key("active")

    @property
    def history(self) -> str:
        """A sorted set: ids of all rollouts by the time they were started."""
        return self._key("history")

    @property
    def outbox(self) -> str:
        """A stream: letters that are not delivered yet."""
        return self._key("outbox")

    @staticmethod
    def of_history(key: str) -> str:
        """The service whose ``history`` this is."""
        return key.removeprefix("canary:{").removesuffix("}:history")

    def _key(self, rest: str) -> str:
        return f"canary:{{{self.service}}}:{rest}"


# ``ser_json_inf_nan``: by default infinity is stored as null, and the rollout never read again.
class _Stored(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings", populate_by_name=True)

    schema_version: int = Field(alias="schema")
    rollout: Rollout


class _StoredEntry(RootModel[Entry]):
    model_config = ConfigDict(ser_json_inf_nan="strings")


def dump_rollout(rollout: Rollout) -> str:
    """A rollout as it is stored."""
    return _Stored(schema_version=SCHEMA, rollout=rollout).model_dump_json(by_alias=True)


def load_rollout(text: str, upgrades: Mapping[int, Upgrade] = UPGRADES, newest: int = SCHEMA) -> Rollout:
    """A rollout from what is stored, upgraded from an older schema step by step.

    Raises:
        Fault: it is of a newer schema, or no rollout at all.
    """
    try:
        document = json.loads(text)
        schema = int(document["schema"])
        if schema > newest:
            raise Fault(
                "Redis",
                f"holds rollout {document['rollout'].get('id', '(no id)')} in schema {schema}, written by a newer "
                f"canary-bot; this one reads up to schema {newest}. Run the newer version again.",
            )
        for older in range(schema, newest):
            document = upgrades[older](document)
        return _Stored.model_validate(document | {"schema": newest}).rollout
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise Fault("Redis", f"holds a rollout that cannot be read: {_fields(broken)}.") from broken


def dump_entry(entry: Entry) -> str:
    """One line of a story as it is stored."""
    return _StoredEntry(entry).model_dump_json()


def load_entry(text: str) -> Entry:
    """One line of a story from what is stored.

    Raises:
        Fault: it is no entry.
    """
    try:
        return _StoredEntry.model_validate_json(text).root
    except ValidationError as broken:
        raise Fault("Redis", f"holds a line of a story that cannot be read: {_fields(broken)}.") from broken


def _fields(error: Exception) -> str:
    """What is wrong with it, without any value of it."""
    if isinstance(error, ValidationError):
        places = sorted({".".join(str(part) for part in detail["loc"]) for detail in error.errors()})
        return f"wrong or missing {', '.join(places)}"
    return type(error).__name__
