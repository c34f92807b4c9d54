"""Webhooks of a team's own: when they are called, what is done when they do not say yes, and what they have said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.words.sentence import Text


class HookMoment(StrEnum):
    """When a webhook is called."""

    BEFORE_START = "before_start"  # nothing has been written yet
    BEFORE_USERS = "before_users"  # the mirror is good and approved: the next stage sends users to the canary
    STAGE = "stage"  # in each stage, once its routes are in force
    BEFORE_UPGRADE = "before_upgrade"  # the next stage upgrades the primary
    PROMOTED = "promoted"  # the rollout has ended with the new version
    ABORT = "abort"  # users are on their way back
    END = "end"  # the rollout has ended, however


# A rollout waits for the answer. All others are told what has happened, and keep nobody waiting.
ASKED = frozenset({HookMoment.BEFORE_START, HookMoment.BEFORE_USERS, HookMoment.STAGE, HookMoment.BEFORE_UPGRADE})


class OnFailure(StrEnum):
    """What a rollout does whose webhook does not answer with 2xx."""

    WAIT = "wait"  # it is called again until it does
    HOLD = "hold"  # people decide whether to go on
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is called at a moment of a rollout.

    Attributes:
        name: what people see; no two of a service share one.
        timeout: seconds for one call, all of it.
        retries: calls after the first one that failed.
        secret_env, secret_file: where the key is that the call is signed with; "" and "": it is not signed.
    """

    name: str
    url: str
    when: HookMoment
    on_failure: OnFailure = OnFailure.HOLD
    timeout: float = 10.0
    retries: int = 3
    secret_env: str = ""
    secret_file: str = ""

    @property
    def is_asked(self) -> bool:
        """Whether the rollout waits for its answer."""
        return self.when in ASKED


class HookState(StrEnum):
    """What has become of a webhook."""

    CALLED = "called"  # without success so far: it is called again
    PASSED = "passed"
    FAILED = "failed"  # for good
    OVERRULED = "overruled"  # people go on without it


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRun:
    """What one webhook has said at one point of a rollout.

    Attributes:
        place: that point (the stage, or another moment), as it is part of the call's key; stored by this name.
        tries: calls that were answered or given up.
        tried_at: when the last of them ended, seconds since the epoch.
        why: why the last call failed; "" where it did not.
    """

    hook: str
    place: str
    state: HookState
    tries: int
    tried_at: float
    why: Text = ""
