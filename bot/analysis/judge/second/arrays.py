"""Arrays that may have no axis: those of one rollout, which is judged row by row."""

from __future__ import annotations

from bot.analysis.judge.settings import Bools


def any_of(these: Bools) -> bool:
    """Whether any is; of a single value many times as fast as ``any``."""
    return bool(these.any() if these.ndim else these)
