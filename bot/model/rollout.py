"""What a rollout is: frozen values, and the words the rest of the program uses for them.

Time is always seconds since the epoch, shares of traffic are whole percent, latencies are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from bot.model.figures import UNTRIED, AnalysisState, Exposure, Judgement
from bot.model.incidents import Drift, Shortage, Size
from bot.model.service import ApprovalRule, DriftRule, GateLimits, MetricsSource
from bot.words.said import Text

RolloutId = NewType("RolloutId", str)
UserId = NewType("UserId", str)  # a Slack user id, or a name for something that is not a person, such as ``canary-bot``

BOT = UserId("canary-bot")
MOST_WALKED = 60  # stages: more than any plan has, with its way back; a halt that is retried for ever stays bounded


class Phase(StrEnum):
    """Where a rollout is; the comment says what is true of the cluster then."""

    PREFLIGHT = "preflight"  # nothing has changed
    MIRRORING = "mirroring"  # users on the primary, copies to the canary
    SHIFTING = "shifting"  # users split between both, no copies
    UPGRADING = "upgrading"  # users on the canary, the primary gets its image
    SWITCHING_BACK = "switching_back"  # users return to the upgraded primary
    BAKING = "baking"  # final routes, still watched, the canary still runs
    PROMOTED = "promoted"  # end: the new version serves everyone
    ABORTING = "aborting"  # users are on their way to the healthy side
    ABORTED = "aborted"  # end: the old version serves everyone
    HALTED = "halted"  # neither forward nor back is safe: a person decides
    REFUSED = "refused"  # end: preflight said no, nothing has changed
    ABANDONED = "abandoned"  # end: a person took it out of our hands, everything was left as it was


ENDED = frozenset({Phase.PROMOTED, Phase.ABORTED, Phase.REFUSED, Phase.ABANDONED})
JUDGED = frozenset({Phase.MIRRORING, Phase.SHIFTING, Phase.SWITCHING_BACK, Phase.BAKING})
# Figures are read in these phases: wherever users may be on something new, and while copies are made. They are acted
# upon in all of them but a halt, where people are told and nothing moves by itself.
WATCHED = JUDGED | {Phase.UPGRADING, Phase.HALTED}


class Topology(StrEnum):
    """How the two Deployments tell their pods apart, which decides what the primary upgrade means."""

    PER_VERSION = "per-version"  # the version is in the immutable selector: traffic returns to the primary's subset
    RELABEL = "relabel"  # the selector leaves it free: image and label move together, the canary's subset is final


class Template(StrEnum):
    """Which of the two recorded pod templates the primary must have."""

    RECORDED = "recorded"  # as it was when the rollout began
    UPGRADED = "upgraded"  # with the canary's image


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """How user requests are shared out, in percent, and whether the canary gets copies of them."""

    canary: int
    mirror: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.canary <= 100:  # noqa: PLR2004  # percent
            raise ValueError(f"a share is 0 to 100 percent, not {self.canary}")
        if self.mirror and self.canary:
            # A mirror is per route, before the weighted choice: the canary would get copies of what it answered.
            raise ValueError("requests are mirrored only while all users are on the primary")

    @property
    def primary(self) -> int:
        """The primary's share, percent."""
        return 100 - self.canary

    @property
    def compared(self) -> bool:
        """Whether both sides get requests, so that one can be judged by the other."""
        return self.mirror or 0 < self.canary < 100  # noqa: PLR2004  # percent

    def __str__(self) -> str:
        return f"{self.primary}/{self.canary}" + (" with mirror" if self.mirror else "")


HOME = Routes(canary=0)
ALL_CANARY = Routes(canary=100)


class StageKind(StrEnum):
    """What a stage is for, where its phase does not say it all."""

    STEP = "step"  # what its phase says
    RESTORE = "restore"  # the primary gets its recorded template back while the canary has the users
    SCALE_UP = "scale up"  # users stay wherever they are until the primary has pods for them
    RETURN = "return"  # everyone goes back to the primary


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a plan: what the world must look like, and when the step may be left.

    Attributes:
        name: shown to people and used in ``plan``, such as ``mirror`` or ``shift 40``.
        seconds: the least time the stage lasts once its routes are in force.
        approval: whether people must approve leaving it.
        release: the last stage: what the rollout left on the VirtualService is taken away.
        pods: how many pods the primary must ask for at least, so that it can carry who returns; 0: as it is.
    """

    name: str
    phase: Phase
    routes: Routes
    template: Template = Template.RECORDED
    seconds: float = 0
    approval: bool = False
    release: bool = False
    pods: int = 0
    kind: StageKind = StageKind.STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTemplate:
    """The part of a pod template a rollout may change: images by container name, and labels by key."""

    images: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where in the cluster a rollout acts; found at preflight and never recomputed in mid-run.

    Attributes:
        primary_replicas, canary_replicas: pods each side asked for when the rollout began; 0: not known.
        primary_minimum: the least its HPA keeps of the primary; 0: it has none.
        primary_uid, canary_uid: of the two Deployments, so that one that was replaced is recognised; "": not known.
    """

    namespace: str
    host: str  # fully qualified, such as reviews.default.svc.cluster.local
    virtual_service: str
    virtual_service_namespace: str
    destination_rule: str
    primary_subset: str
    canary_subset: str
    primary_deployment: str
    canary_deployment: str
    topology: Topology
    route_names: tuple[str, ...] = ()  # which http routes are ours when several could be
    mirror_percent: float = 100.0
    mirror_methods: tuple[str, ...] | None = None  # None: every method, the service says it is idempotent
    primary_replicas: int = 0
    canary_replicas: int = 0
    primary_minimum: int = 0
    primary_uid: str = ""
    canary_uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who let the current stage be left, and when."""

    by: UserId
    at: float


class Outcome(StrEnum):
    """How a stage was left."""

    DONE = "done"  # nothing is judged in it
    PASSED = "passed"  # on evidence
    TIME_UP = "time up"  # nothing against it, and too little to be sure
    IN_DOUBT = "in doubt"  # people said go on all the same
    ABORTED = "aborted"
    HALTED = "halted"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """A stage that was left, as it is remembered.

    Attributes:
        began, ended: seconds since the epoch.
        settled_at: when the cluster was first seen as the stage wanted it; None: never.
        canary, primary: requests and errors that each side answered in it; None: not known.
        approvals: who let it be left.
    """

    name: str
    outcome: Outcome
    began: float
    ended: float
    settled_at: float | None = None
    canary: tuple[float, float] | None = None
    primary: tuple[float, float] | None = None
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision that was made with a button or a form, and what it rested on: the same click is served once.

    Attributes:
        what: the event's name, such as ``approve``.
    """

    by: UserId
    what: str
    stage: int
    evidence: int
    at: float


class HoldCause(StrEnum):
    """Why a rollout waits by itself."""

    METRICS = "metrics"  # the verdict is inconclusive, or could not be had
    CLUSTER = "cluster"  # something of the cluster could not be seen or written
    DRIFT = "drift"  # somebody else changed what is ours
    CAPACITY = "capacity"  # the side that must receive users is not ready
    PODS = "pods"  # the primary's new pods do not come up
    APPROVAL = "approval"  # nobody approved in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A rollout neither advances nor aborts; it goes on by itself when the cause is gone (drift and approval ask).

    Attributes:
        notified: the channel was asked about it, because its patience ran out or because only a person can help.
        times: how often the cause came in this stage, without having been away for long.
        calm_since: of a cause that comes and goes: since when it has not been there; it must stay away for a while.
        over_since: when it ended; it is remembered for the rest of the stage, so that it is not told as news again.
    """

    cause: HoldCause
    sentence: Text
    since: float
    notified: bool = False
    times: int = 1
    calm_since: float | None = None
    over_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSpec:
    """What was fixed when a rollout began; an edit of ``services.yaml`` reaches the next one.

    Attributes:
        channel: where its card is.
        plan: the stages on the way to promotion, in order.
        recorded, upgraded: the primary's template before and after.
        canary_images: by container, what the primary is upgraded to.
        upgrade_timeout, hold_patience, scale_timeout: seconds.
    """

    id: RolloutId
    service: str
    version: str
    channel: str
    started_by: UserId
    started_at: float
    target: Target
    plan: tuple[Stage, ...]
    recorded: PodTemplate
    upgraded: PodTemplate
    canary_images: Mapping[str, str]
    gates: GateLimits
    approvals_rule: ApprovalRule
    metrics: MetricsSource
    upgrade_timeout: float
    hold_patience: float
    scale_timeout: float = 180.0
    drift_rule: DriftRule = DriftRule()  # noqa: RUF009  # frozen
    scale_canary_down: bool = False

    @property
    def key(self) -> str:
        """The service's identity in stores and locks: ``namespace/service``."""
        return f"{self.target.namespace}/{self.service}"


@dataclass(frozen=True, kw_only=True)  # without slots: see ``bot.model.copies``
class Rollout:
    """Everything that is remembered about one rollout: what was fixed at its start, and its status, which changes.

    The status is changed by the rules that ``decide`` asks in order, and by what people decide.

    Attributes:
        spec: what was fixed at the start; all other fields are the status.
        stage: index into ``plan``, or into ``retreat`` while aborting.
        since: when the current stage was entered.
        settled_at: when the cluster was first seen as the stage wants it; judging and its minimum time start there.
        touched: whether the primary may have been patched; see ``primary_touched``.
        accepted: somebody ended a halt with everyone on the canary.
        asked_at: when people were asked to approve leaving the stage; None while it is not theirs to decide.
        asked_about: what the question that stands is about: good figures, or which doubt (``bot.rollout.questions``).
        asked: everything that was asked about in this stage; each is asked once.
        asked_for: seconds for which questions of this stage stood before the one that stands now.
        withdrawn: how often a question of this stage was withdrawn.
        evidence: grows whenever what an approval would rest on changes, so that an old button is recognised.
        decided: the last decisions made with buttons and forms, so that a click delivered twice is served once.
        retries: how often a halt was retried; then a stuck Deployment gets its full time-out again.
        hold: why it waits now, of several causes the one that people should know of first; None: it does not.
        others: the causes behind that one, and those of this stage that are over.
        gone_since: since when its VirtualService does not exist.
        analysis_state: what judging remembers.
        warnings: what preflight doubted; whoever approves the first users accepts it.
        drift: what somebody else changed, while it is there.
        restoring_at: when somebody chose to write ours again, until that has been seen to be so.
        overwritten: whose changes were overwritten so far, one name each time.
        restarts: restarts by pod and container when the stage was first seen; None before.
        shortage: too few ready pods with users, while it lasts.
        sizes: how many pods each Deployment was last seen to ask for, by its name.
        urgent: the abort is because of the canary: home at once is better than home in comfort.
        pod_rate: the most requests per second that one pod of the primary was seen to carry; None: not known.
        walked: the stages that were left so far, in the order in which they were; the last ``MOST_WALKED`` of them.
        user_rate: requests per second of all users while they were last split between both; None: not known.
        revision: grows with every stored change; the store compares and sets on it.
    """

    spec: RolloutSpec
    phase: Phase = Phase.PREFLIGHT
    stage: int = 0
    retreat: tuple[Stage, ...] = ()
    since: float = 0.0
    settled_at: float | None = None
    touched: bool = False
    accepted: bool = False
    asked_at: float | None = None
    asked_about: str = ""
    asked: tuple[str, ...] = ()
    asked_for: float = 0.0
    withdrawn: int = 0
    evidence: int = 0
    approvals: tuple[Approval, ...] = ()
    decided: tuple[Decided, ...] = ()
    paused_by: UserId | None = None
    hold: Hold | None = None
    others: tuple[Hold, ...] = ()
    gone_since: float | None = None
    judgement: Judgement | None = None
    analysis_state: AnalysisState = UNTRIED
    warnings: tuple[Text, ...] = ()
    reason: Text = ""
    retries: int = 0
    drift: Drift | None = None
    restoring_at: float | None = None
    overwritten: tuple[str, ...] = ()
    restarts: Mapping[str, int] | None = None
    shortage: Shortage | None = None
    sizes: Mapping[str, Size] = field(default_factory=dict)
    urgent: bool = False
    pod_rate: float | None = None
    user_rate: float | None = None
    walked: tuple[Walked, ...] = ()
    ended_at: float | None = None
    revision: int = 0

    @property
    def key(self) -> str:
        """The service's identity in stores and locks: ``namespace/service``."""
        return self.spec.key

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.phase in ENDED

    @property
    def current(self) -> Stage:
        """The stage it is in; the last one reached when it has ended or is halted."""
        return (self.retreat or self.spec.plan)[self.stage]

    @property
    def limited(self) -> bool:
        """Whether only some requests are copied, by what they are: the primary counts others besides."""
        chosen = self.spec.target.mirror_methods is not None or bool(self.spec.target.route_names)
        return self.current.routes.mirror and chosen

    @property
    def primary_judged(self) -> bool:
        """Whether the (upgraded) primary is on trial rather than the canary: while users return to it."""
        return self.phase is Phase.SWITCHING_BACK or (self.phase is Phase.BAKING and self.primary_touched)

    @property
    def primary_touched(self) -> bool:
        """Whether the primary may have been patched: then going home leads over the canary (``decide.abort``)."""
        on_the_way = () if self.retreat else self.spec.plan[: self.stage + 1]
        return self.touched or any(stage.template is Template.UPGRADED for stage in on_the_way)

    @property
    def exposure(self) -> Exposure:
        """Of users to the canary, as far as it has been counted."""
        return self.analysis_state.exposure

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Every cause for which it waits now, the one that people should know of first."""
        behind = tuple(hold for hold in self.others if hold.over_since is None)
        return behind if self.hold is None else (self.hold, *behind)


class EntryKind(StrEnum):
    """What a line of the story is about; Slack decides from it how loudly to say it."""

    STARTED = "started"
    STAGE = "stage"  # a stage was entered
    SUMMARY = "summary"  # a stage was left: its figures
    ASK = "ask"  # people must approve
    APPROVED = "approved"
    HELD = "held"
    RESUMED = "resumed"
    PAUSED = "paused"
    ALERT = "alert"  # a person is wanted now
    ABORTING = "aborting"
    HALTED = "halted"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a rollout's story: kept for ever, logged, and posted.

    Attributes:
        stage: the name of the stage that was entered, or that a summary is about; "" where the line is about none.
        gist: of a summary: its first sentence, for where there is room for no more.
    """

    at: float
    kind: EntryKind
    text: Text
    by: UserId = BOT
    stage: str = ""
    gist: Text = ""
