"""Both sides of some figures, by who is on trial. Pure.

The *subject* is the side that is on trial (the canary, and while users return the upgraded primary), the *reference*
the other one.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.figures import Figures, SideFigures
from bot.model.rollout import Rollout
from bot.model.versions import spoken_sides
from bot.words.sentence import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both sides of some figures, by who is on trial."""

    subject: SideFigures | None
    reference: SideFigures | None
    name: Text
    other: Text
    limited: bool = False  # the subject got copies of some of the reference's requests only

    @classmethod
    def of(cls, rollout: Rollout, figures: Figures) -> Sides:
        """The sides as the rollout's phase has them."""
        canary, primary = spoken_sides(rollout)
        if rollout.primary_judged:
            return cls(subject=figures.primary, reference=figures.canary, name=primary, other=canary)
        return cls(
            subject=figures.canary, reference=figures.primary, name=canary, other=primary, limited=rollout.limited
        )

    @property
    def fair(self) -> SideFigures | None:
        """The reference by what the subject may be compared with: no more requests than can have been copied.

        All that was bad of them counts, copied or not, so what is said against the subject by it holds (``originals``).
        """
        if not self.limited or self.subject is None or self.reference is None:
            return self.reference
        return self.reference.among(self.subject.requests)
