"""What a person's command carries on its way to the controller, and back on a button.

A button's value says what its reader had in front of them: which rollout, at which stage, resting on which evidence. An
approval is worth only that, so the controller compares it with the rollout as it is when the click arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.rollout.errors import Refusal
from bot.rollout.model import Rollout, RolloutId
from bot.rollout.plans import Overrides

__all__ = ["Overrides", "Seen", "service_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the person who clicks had seen. Its string form is the opaque value of every button."""

    key: str
    rollout_id: RolloutId
    stage: int
    evidence: int

    def __str__(self) -> str:
        return f"{self.key}|{self.rollout_id}|{self.stage}|{self.evidence}"

    @property
    def service(self) -> str:
        """The service's name, without its namespace."""
        return self.key.rpartition("/")[2]

    @classmethod
    def of(cls, rollout: Rollout) -> Seen:
        """What a card of this rollout shows."""
        return cls(key=rollout.key, rollout_id=rollout.id, stage=rollout.stage, evidence=rollout.evidence)

    @classmethod
    def read(cls, token: str) -> Seen:
        """The reverse of ``str``.

        Raises:
            Refusal: the token is none of ours; a button's value can be made up by anybody with an API client.
        """
        parts = token.split("|")
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts[2:]):  # noqa: PLR2004  # see __str__
            raise Refusal("This button is not one of mine any more. Use the newest card of the rollout.")
        key, rollout_id, stage, evidence = parts
        return cls(key=key, rollout_id=RolloutId(rollout_id), stage=int(stage), evidence=int(evidence))


def service_of(token: str) -> str:
    """The name of the service a button's value is about.

    Raises:
        Refusal: the token is none of ours.
    """
    return Seen.read(token).service
