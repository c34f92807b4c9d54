"""Freezes of the service: somebody said that nothing is to be started now."""

from __future__ import annotations

from collections.abc import Iterable

from bot.model import freeze
from bot.model.freeze import Freeze
from bot.preflight.problems import Problem, blocks
from bot.words.sentence import TypedIn, said


def check(freezes: Iterable[Freeze], service: str, now: float) -> list[Problem]:
    """One problem for each freeze of the service that is not over: its own, and the one of all services."""
    return [
        blocks(
            freeze.freeze_sentence(one),
            remedy=said("preflight.unfreeze", command=TypedIn(f"unfreeze {one.scope}")),
        )
        for one in freeze.covering(freeze.current(freezes, now), service)
    ]
