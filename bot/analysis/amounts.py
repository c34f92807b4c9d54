"""Single figures as people read them: a share with its counts, a number in its unit, and whose column it is. Pure."""

from __future__ import annotations

from math import isfinite
from typing import TypedDict

from bot.model.figures import Unit
from bot.model.rollout import Rollout
from bot.words.sentence import Sentence, Share, Text, said


class Cells(TypedDict):
    """The figures of a finding, by whose they are."""

    canary: Text
    primary: Text


def of(bad: float, requests: float) -> Sentence:
    """A share with its counts: ``28 % (34 of 122)``, ``none of 126``."""
    if requests <= 0:
        return said("analysis.no_requests")
    if bad <= 0:
        return said("analysis.none_of", n=round(requests))
    return said("analysis.share_of", share=Share(bad / requests), bad=round(bad), n=round(requests))


def amount(value: float | None, unit: Unit) -> Text:
    """A figure in its unit; "" for none."""
    if value is None:
        return ""
    match unit:
        case Unit.SHARE:
            return said("analysis.share", share=Share(value))
        case Unit.MILLISECONDS:
            return said("analysis.milliseconds", n=round(value) if isfinite(value) else value)
        case Unit.NUMBER:
            return said("analysis.number", n=value)


def by_side(rollout: Rollout, subject: Text, reference: Text = "") -> Cells:
    """Figures of who is on trial and of the other side, in the columns of canary and primary."""
    if rollout.primary_judged:
        return Cells(canary=reference, primary=subject)
    return Cells(canary=subject, primary=reference)
