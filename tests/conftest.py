"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says something about the machine; timings live in ``bench``.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
