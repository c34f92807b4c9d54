"""The bot's and the watchdog's figures about themselves, as ``/metrics`` shows them. Who measures is no matter here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bot.model.figures import Exposure

_REACTION_BUCKETS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300)
_WAITING_BUCKETS = (10, 30, 60, 300, 900, 1800, 3600, 7200, 14400, 86400)
_TICK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class OwnMetrics:
    """The bot's figures about itself, in their own registry. Labels are words from short lists, never sentences."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._make_rollout_metrics()
        self._make_process_metrics()

    def _make_rollout_metrics(self) -> None:
        self._rollouts = Gauge(
            "canary_bot_rollouts",
            "Live rollouts by phase, of the replica that leads",
            ["phase"],
            registry=self.registry,
        )
        self._exposed = Gauge(
            "canary_bot_exposed_requests",
            "Requests of users that the canary of a live rollout has answered, of the replica that leads",
            ["service"],
            registry=self.registry,
        )
        self._exposed_failures = Gauge(
            "canary_bot_exposed_failures",
            "Those of them that failed",
            ["service"],
            registry=self.registry,
        )
        self._budget_spent = Gauge(
            "canary_bot_error_budget_spent_ratio",
            "About which share of the service's error budget they are, 1 for all of it; only where one is set",
            ["service"],
            registry=self.registry,
        )
        self._verdicts = Counter(
            "canary_bot_verdicts_total", "Judgements by verdict", ["verdict"], registry=self.registry
        )
        self._aborts = Counter(
            "canary_bot_aborts_total",
            "Aborts by reason: people asked for it, a gate failed, or the bot saw something else",
            ["reason"],
            registry=self.registry,
        )
        self._step_backs = Counter(
            "canary_bot_step_backs_total",
            "Times that users were taken home at low evidence, while the canary was judged on copies",
            registry=self.registry,
        )
        self._abort_seconds = Histogram(
            "canary_bot_abort_seconds",
            "From when the sample that a gate aborted for can first have been visible (the end of what was judged "
            "before it) to the first safe routes being accepted",
            buckets=_REACTION_BUCKETS,
            registry=self.registry,
        )
        self._approvals_waiting = Histogram(
            "canary_bot_approvals_waiting_seconds",
            "From asking people to each of their approvals",
            buckets=_WAITING_BUCKETS,
            registry=self.registry,
        )

    def _make_process_metrics(self) -> None:
        self._ticks = Counter(
            "canary_bot_ticks_total", "Rounds in which every live rollout was looked at", registry=self.registry
        )
        self._reconciles_failed = Counter(
            "canary_bot_looks_failed_total",
            "Failures met while looking at one rollout, service, record or message, by the system that failed or the "
            "kind of the bot's own error",
            ["cause"],
            registry=self.registry,
        )
        self._jobs_failed = Counter(
            "canary_bot_jobs_failed_total",
            "Runs of a job that ended early, by its name and the system that failed or the kind of the bot's own error",
            ["name", "cause"],
            registry=self.registry,
        )
        self._tick_seconds = Histogram(
            "canary_bot_tick_seconds",
            "How long such a round works, without its pauses",
            buckets=_TICK_BUCKETS,
            registry=self.registry,
        )
        self._tick_lag = Gauge(
            "canary_bot_tick_lag_seconds", "How late the latest look of the last round began", registry=self.registry
        )
        self._outside_calls = Counter(
            "canary_bot_outside_calls_total",
            "Calls to kubernetes, prometheus, redis and slack by outcome: ok (any answer but an error), failed (no "
            "usable answer), timed_out, conflict, forbidden, missing, refused, limited",
            ["system", "outcome"],
            registry=self.registry,
        )
        self._outbox = Gauge(
            "canary_bot_outbox_depth", "Messages not yet delivered, and cards out of date", registry=self.registry
        )
        self._aside = Gauge(
            "canary_bot_outbox_unreadable",
            "Messages that were set aside, because this version cannot read them or they are not ours",
            registry=self.registry,
        )
        self._leader = Gauge(
            "canary_bot_leader", "1 on the replica that looks after rollouts, else 0", registry=self.registry
        )

    def rollouts(self, by_phase: Mapping[str, int]) -> None:
        """How many rollouts are active now; phases left out have none."""
        self._rollouts.clear()
        for phase, count in by_phase.items():
            self._rollouts.labels(phase).set(count)

    def exposure(self, by_service: Mapping[str, tuple[Exposure, float | None]]) -> None:
        """What users had of each live rollout's canary, and its share of the error budget; others have none."""
        for gauge in (self._exposed, self._exposed_failures, self._budget_spent):
            gauge.clear()
        for service, (exposure, share) in by_service.items():
            self._exposed.labels(service).set(exposure.requests)
            self._exposed_failures.labels(service).set(exposure.errors)
            if share is not None:
                self._budget_spent.labels(service).set(share)

    def tick(self, *, seconds: float, lag: float) -> None:
        """One round worked for ``seconds``, and its latest look began ``lag`` seconds late."""
        self._ticks.inc()
        self._tick_seconds.observe(seconds)
        self._tick_lag.set(lag)

    def reconcile_failed(self, cause: str) -> None:
        """One reconcile met a failure; ``cause`` is a system or the name of an error of ours."""
        self._reconciles_failed.labels(cause).inc()

    def job_failed(self, job: str, cause: str) -> None:
        """One run of a job ended early; ``cause`` as above."""
        self._jobs_failed.labels(job, cause).inc()

    def verdict(self, verdict: str) -> None:
        """One judgement."""
        self._verdicts.labels(verdict).inc()

    def aborted(self, reason: str) -> None:
        """One abort began; ``reason`` is ``people``, ``gate`` or ``other``."""
        self._aborts.labels(reason).inc()

    def stepped_back(self) -> None:
        """Users were taken home, and that was no abort."""
        self._step_backs.inc()

    def abort_accepted(self, seconds: float) -> None:
        """The safe routes were accepted ``seconds`` after the bad sample was visible."""
        self._abort_seconds.observe(seconds)

    def approved(self, after_seconds: float) -> None:
        """People approved, that long after they were asked."""
        self._approvals_waiting.observe(after_seconds)

    def called(self, system: str, outcome: str) -> None:
        """One call to ``kubernetes``, ``prometheus``, ``redis`` or ``slack`` ended as ``ok`` or in some failure."""
        self._outside_calls.labels(system, outcome).inc()

    def outbox(self, depth: int) -> None:
        """How many messages wait to be delivered."""
        self._outbox.set(depth)

    def set_aside(self, count: int) -> None:
        """How many messages are set aside, because they cannot be read."""
        self._aside.set(count)

    def leader(self, leads: Callable[[], bool]) -> None:
        """How to find out whether this replica leads; asked whenever somebody wants to know."""
        self._leader.set_function(lambda: float(leads()))


class WatchdogMetrics:
    """The watchdog's figures about itself."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._watched = Gauge(
            "canary_bot_watchdog_rollouts", "Rollouts whose heartbeat is listened for", registry=self.registry
        )
        self._silence = Gauge(
            "canary_bot_watchdog_silence_seconds", "The longest silence of any heartbeat now", registry=self.registry
        )
        self._failsafes = Counter(
            "canary_bot_watchdog_rescues_total", "Rollouts it took in hand, by deed", ["deed"], registry=self.registry
        )
        self._failures = Counter(
            "canary_bot_watchdog_failures_total", "Looks and writes that failed", registry=self.registry
        )

    def listened(self, silences: Sequence[float]) -> None:
        """One reconcile: the silence of each rollout that is listened for, seconds."""
        self._watched.set(len(silences))
        self._silence.set(max(silences, default=0.0))

    def acted(self, action: str) -> None:
        """Users of one rollout were brought to safety, or kept there."""
        self._failsafes.labels(action).inc()

    def failed(self) -> None:
        """Something could not be read or written."""
        self._failures.inc()
