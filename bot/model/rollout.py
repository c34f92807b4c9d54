"""What a rollout is: frozen values, and the words the rest of the program uses for them.

Time is always seconds since the epoch, shares of traffic are whole percent, latencies are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NewType

from bot.model.figures import UNTRIED, AnalysisState, Exposure, Incident, Judgement
from bot.model.incidents import Drift, Shortage, Size
from bot.model.service import ApprovalRule, DriftRule, ErrorBudget, GateLimits, MetricsSource
from bot.model.webhooks import HookRun, Webhook
from bot.words.sentence import Text

RolloutId = NewType("RolloutId", str)
UserId = NewType("UserId", str)  # a Slack user id, or a name for something that is not a person, such as ``canary-bot``

BOT = UserId("canary-bot")
MOST_HOOK_RUNS = 100
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
    HOSTS = "hosts"  # each version has a Service of its own, and no subset: traffic returns to the primary's Service


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


NEARLY_ALL = 0.95  # of users' requests: where so many are copied, the others are no reason to ask people
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
        rule: who approves leaving it, and how many; None: as everywhere else in the rollout.
        home_from: of a step back, the canary's share from which users were taken home, percent; 0: it is none. A field
            and no phase, so that an older version sees one more mirror stage. It goes on from there as from a mirror,
            and what it does not know is read off the stage's name afterwards.
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
    rule: ApprovalRule | None = None
    home_from: int = 0

    @property
    def on_copies(self) -> bool:
        """Whether users were taken home, and the canary is judged by copies until it is shown to be good or bad."""
        return self.home_from > 0


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
        canary_host: the canary's Service, fully qualified, where versions are hosts; "": it is ``host``.
        canary_port: what an entry for it says where the primary's says another; 0: the same.
        siblings: further VirtualServices that are moved with this one, ``NAMESPACE/NAME`` each.
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
    canary_host: str = ""
    canary_port: int = 0
    siblings: tuple[str, ...] = ()

    @property
    def virtual_service_key(self) -> tuple[str, str]:
        """Namespace and name of this VirtualService."""
        return self.virtual_service_namespace, self.virtual_service

    @property
    def each(self) -> tuple[Target, ...]:
        """The same target once for each of its VirtualServices: each in its turn the one, with the others beside it."""
        names = ("/".join(self.virtual_service_key), *self.siblings)
        return (self, *(self._at(names, name) for name in self.siblings))

    def _at(self, names: tuple[str, ...], name: str) -> Target:
        space, _, own = name.partition("/")
        others = tuple(one for one in names if one != name)
        return replace(self, virtual_service=own, virtual_service_namespace=space, siblings=others)

    @property
    def routes_name(self) -> str:
        """What people call this VirtualService: with its namespace where another of the target may have its name."""
        return "/".join(self.virtual_service_key) if self.siblings else self.virtual_service

    @property
    def routes_names(self) -> str:
        """What people call all of them."""
        return ", ".join(one.routes_name for one in self.each)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The Services that its users are sent to, fully qualified; one, unless versions are hosts."""
        return (self.host, self.canary_host) if self.canary_host else (self.host,)

    @property
    def deployments(self) -> tuple[str, str]:
        """Those of the canary and of the primary."""
        return self.canary_deployment, self.primary_deployment

    @property
    def primary_place(self) -> str:
        """Where its users go, as people call it: its subset, or its Service where versions are hosts."""
        return self.primary_subset or self.host.partition(".")[0]

    @property
    def canary_place(self) -> str:
        """The same of the canary."""
        return self.canary_subset or self.canary_host.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What somebody had in front of them when they decided.

    Attributes:
        channel, ts: the message whose button they pressed, by Slack's names; "" for a typed command.
        permalink: the address of the rollout's card; "" where nobody could say it.
        text: the question, with the figures beside it.
    """

    channel: str = ""
    ts: str = ""
    permalink: str = ""
    text: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who let the current stage be left, and when.

    Attributes:
        about: what they were asked about (``Question.about``); "" in records of older versions.
        shown: what they saw; None in records of older versions.
    """

    by: UserId
    at: float
    about: str = ""
    shown: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """That a question was asked anew because somebody changed what an approval rests on.

    Attributes:
        evidence: the first under which it was shown anew.
        why: what was changed, by whom.
    """

    evidence: int
    why: Text


class QuestionKind(StrEnum):
    """What people are asked about before a stage is left."""

    PLAIN = "plain"  # the figures are good
    DOUBT = "doubt"  # it may be worse
    TOO_LITTLE = "too little"  # nothing against it, and not enough traffic to be sure
    UNKNOWN = "unknown"  # there are no figures now, in a stage that is left without any
    WEBHOOK = "webhook"  # a webhook did not say yes


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What people are asked, and on what it rests.

    Attributes:
        gate: the check that doubts, or the webhook that did not say yes, by its name; "" where none does.
        why: the doubt as people were told of it, with the figures of both sides; "" where there is none.
    """

    kind: QuestionKind = QuestionKind.PLAIN
    gate: str = ""
    why: Text = ""

    @property
    def about(self) -> str:
        """The same for the same thing asked about: what is asked once in a stage."""
        if self.kind is QuestionKind.PLAIN:
            return "good"  # as every version has stored it
        return f"{self.kind} {self.gate}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A doubt that people may have to decide about, and since when it has been there without a break."""

    about: str
    since: float


class StageOutcome(StrEnum):
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
    outcome: StageOutcome
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


SWIFT = 1.5  # seconds from the decision to abort to its end in which both are told in one message


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """That a rollout was aborted: where, by whom, and on what it rests.

    Attributes:
        at: when it was decided, seconds since the epoch.
        stage: what people call the stage in which it was; "" where that is not known.
        gate: the check that decided, by its name; "" where none did.
        canary, primary: requests and errors that each side had answered in that stage; None: not known.
        home_at: when all users were seen to be back; None before.
    """

    at: float
    stage: Text = ""
    by: UserId = BOT
    gate: str = ""
    canary: tuple[float, float] | None = None
    primary: tuple[float, float] | None = None
    home_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBack:
    """That users were taken home while the canary was judged on: when, and from which share, percent.

    ``home_at``: when all of them were seen to be home; None before.
    """

    at: float
    share: int
    home_at: float | None = None


def copies_from(share: int) -> str:
    """The name of the stage on copies to which a step back from that share leads."""
    return f"copies {share}"


class HoldCause(StrEnum):
    """Why a rollout waits by itself."""

    METRICS = "metrics"  # the verdict is inconclusive, or could not be had
    CLUSTER = "cluster"  # something of the cluster could not be seen or written
    DRIFT = "drift"  # somebody else changed what is ours
    CAPACITY = "capacity"  # the side that must receive users is not ready
    PODS = "pods"  # the primary's new pods do not come up
    APPROVAL = "approval"  # nobody approved in time
    GIT = "git"  # the primary's image has not come from git yet
    WEBHOOK = "webhook"  # a webhook has not said yes yet


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
class Alarm:
    """An incident of production while a rollout watches it; it outlasts the stage in which it was noticed.

    Attributes:
        since: when it was noticed.
        told_at: when the channel was told; None while it has not been.
        times: how often it has been told so far in this rollout; it must stay away the longer each time.
        calm_since: since when it has not been there; None while it is.
        over_since: when the channel was told that it is over; None before.
    """

    incident: Incident
    since: float
    told_at: float | None = None
    times: int = 0
    calm_since: float | None = None
    over_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """That a rollout takes up one that was aborted: the steps that passed in it are not walked again.

    Attributes:
        of: the aborted one.
        stage: at which it goes on after the mirror.
        passed: those before it, from the mirror on, which passed on evidence.
    """

    of: RolloutId
    stage: Stage
    passed: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A canary that had no pods when the rollout began: it gets some for as long as it is needed.

    Attributes:
        pods: so many.
        drain: seconds that it keeps them after its last users, because callers learn late.
    """

    pods: int
    drain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSpec:
    """What was fixed when a rollout began; an edit of ``services.yaml`` reaches the next one.

    Attributes:
        channel: where its card is.
        plan: the stages on the way to promotion, in order.
        recorded, upgraded: the primary's template before and after.
        canary_images: by container, what the primary is upgraded to.
        upgrade_timeout, hold_patience, scale_timeout: seconds.
        back_to: of a rollback, what people call the version that the primary gets again; "": it is none.
        language: of its card and thread, by the name of a catalogue; "": the bot's own.
        parked: what is to become of a canary without pods; None: it had some.
        because: why it was started, as it was typed: a sentence or a link; "" where nobody said.
        budget: the service's error budget; None: it has none.
        drill: it rehearses an abort: it mirrors, and is aborted as if the canary had failed.
        again: which aborted rollout it takes up, and where; None: none, it goes through all of its plan.
        webhooks: what is called at its moments.
        by_git: the primary gets its image from git, and never from us on the way forward.
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
    parked: Parked | None = None
    back_to: str = ""
    language: str = ""
    because: str = ""
    budget: ErrorBudget | None = None
    again: Again | None = None
    drill: bool = False
    webhooks: tuple[Webhook, ...] = ()
    by_git: bool = False

    @property
    def key(self) -> str:
        """The service's identity in stores and locks: ``namespace/service``."""
        return f"{self.target.namespace}/{self.service}"

    @property
    def on_canary(self) -> PodTemplate:
        """What the canary runs: what the primary is upgraded to, and what it has before it is rolled back."""
        return self.recorded if self.back_to else self.upgraded

    @property
    def arrives(self) -> str:
        """What people call the version that the primary has in the end."""
        return self.back_to or self.version


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
        question: what is asked while ``asked_at`` says so; None: as for good figures.
        asked: everything that was asked about in this stage; each is asked once.
        called_at: when people were last called because of a question of this stage.
        reminded: people were reminded of the questions of this stage.
        doubt: what may have to be asked about, once it has lasted (``bot.rollout.questions``).
        asked_for: seconds for which questions of this stage stood before the one that stands now.
        withdrawn: how often a question of this stage was withdrawn.
        evidence: grows whenever what an approval would rest on changes, so that an old button is recognised.
        asked_on: the VirtualService as others have written it, by its fingerprint, when the question was asked.
        renewed: why a question of this stage was asked anew, the last time.
        decided: the last decisions made with buttons and forms, so that a click delivered twice is served once.
        stopped: that it was aborted, from the decision on.
        step_backs: how often users were taken home while the canary was judged on, the first one first.
        came_from: what else than the plan's the routes may be, until those of this stage have been written.
        retries: how often a halt was retried; then a stuck Deployment gets its full time-out again.
        hold: why it waits now, of several causes the one that people should know of first; None: it does not.
        others: the causes behind that one, and those of this stage that are over.
        alarms: incidents of production that were noticed in this rollout.
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
        arrived_at: when the primary was seen to have the image that git was to give it; None: not yet.
        gate_at: since when the stage could be left but for its webhooks; None: it cannot, or nobody has asked them.
        hook_runs: what webhooks have said, the oldest first; the last ``MOST_HOOK_RUNS`` of them.
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
    question: Question | None = None
    asked: tuple[str, ...] = ()
    called_at: float | None = None
    reminded: bool = False
    doubt: Doubt | None = None
    asked_for: float = 0.0
    withdrawn: int = 0
    evidence: int = 0
    asked_on: str = ""
    renewed: Renewed | None = None
    approvals: tuple[Approval, ...] = ()
    decided: tuple[Decided, ...] = ()
    paused_by: UserId | None = None
    hold: Hold | None = None
    others: tuple[Hold, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    gone_since: float | None = None
    judgement: Judgement | None = None
    analysis_state: AnalysisState = UNTRIED
    warnings: tuple[Text, ...] = ()
    reason: Text = ""
    stopped: Stopped | None = None
    step_backs: tuple[StepBack, ...] = ()
    came_from: tuple[Routes, ...] = ()
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
    arrived_at: float | None = None
    gate_at: float | None = None
    hook_runs: tuple[HookRun, ...] = ()
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
    def approvals_rule(self) -> ApprovalRule:
        """Who may approve leaving the current stage, how many must, and what silence means."""
        return self.current.rule or self.spec.approvals_rule

    @property
    def limited(self) -> bool:
        """Whether only some requests are copied now, by what they are: the primary counts others besides."""
        return self.current.routes.mirror and self.copies_some

    @property
    def copies_some(self) -> bool:
        """Whether its mirror copies some requests only."""
        return self.spec.target.mirror_methods is not None or bool(self.spec.target.route_names)

    @property
    def copies_suffice(self) -> bool:
        """Whether the canary's copies tell how it would serve users: all of their requests are copied, or nearly all
        were in the mirror stage.
        """
        return not self.copies_some or (self.analysis_state.copied or 0.0) >= NEARLY_ALL

    def was_taken_home(self, walked: Walked) -> bool:
        """Whether users were taken home from that stage when it was left."""
        return any(walked.ended == one.at for one in self.step_backs)

    @property
    def goes_home(self) -> bool:
        """Whether users are on their way home from a step back: what is written then overrides what others wrote."""
        return self.current.on_copies and self.settled_at is None and self.home_at is None

    @property
    def home_at(self) -> float | None:
        """Of a stage on copies, when all users were seen to be home; None before, and of any other stage."""
        return self.step_backs[-1].home_at if self.current.on_copies and self.step_backs else None

    @property
    def primary_judged(self) -> bool:
        """Whether the (upgraded) primary is on trial rather than the canary: while users return to it."""
        return self.phase is Phase.SWITCHING_BACK or (self.phase is Phase.BAKING and self.primary_touched)

    @property
    def primary_touched(self) -> bool:
        """Whether the primary may have been patched: then going home leads over the canary (``aborts.abort``)."""
        on_the_way = () if self.retreat else self.spec.plan[: self.stage + 1]
        return self.touched or any(stage.template is Template.UPGRADED for stage in on_the_way)

    @property
    def waits_for_git(self) -> bool:
        """Whether it is somebody else's turn to give the primary its image."""
        return self.spec.by_git and self.phase is Phase.UPGRADING and self.arrived_at is None

    @property
    def ended_swiftly(self) -> bool:
        """Whether an abort was over so soon that its end tells of it as well."""
        if self.phase is not Phase.ABORTED or self.stopped is None or self.ended_at is None:
            return False
        return self.ended_at - self.stopped.at <= SWIFT

    @property
    def drilled(self) -> float | None:
        """Seconds from the decision of a drill to accepted routes; None: it is no drill, or they are not yet."""
        stopped = self.stopped
        if not self.spec.drill or stopped is None or stopped.home_at is None:
            return None
        return max(0.0, stopped.home_at - stopped.at)

    @property
    def is_asked_in_doubt(self) -> bool:
        """Whether the question that stands is about anything but good figures."""
        return self.asked_at is not None and self.question is not None and self.question.kind is not QuestionKind.PLAIN

    @property
    def exposure(self) -> Exposure:
        """Of users to the canary, as far as it has been counted."""
        return self.analysis_state.exposure

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Every cause for which it waits now, the one that people should know of first."""
        behind = tuple(hold for hold in self.others if hold.over_since is None)
        return behind if self.hold is None else (self.hold, *behind)
