"""The long-running process: Slack, the lease, what the leader does each second, and the probes."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from bot.adapters.scheduler import Job, Scheduler
from bot.adapters.surroundings import ABOUT, Surroundings
from bot.bootstrap import (
    ADOPT_SECONDS,
    Adapters,
    collect_less_often,
    connection,
    make_adoption,
    make_controller,
    slack_client,
)
from bot.controller.containment import contained
from bot.controller.leadership import LeadersStore
from bot.controller.rounds import Rounds
from bot.model.errors import Fault
from bot.model.rollout import Rollout
from bot.probes import Asking, OwnMetrics, Probes
from bot.probes.failure_log import Failures
from bot.probes.telemetry_metrics import TelemetryMetrics
from bot.rollout import exposure
from bot.settings.env import HttpMode as HttpSettings
from bot.settings.env import Settings
from bot.settings.reload import ServicesReload
from bot.settings.services import Catalogue
from bot.slack.app_home_facts import AppHomeFacts
from bot.slack.app_home_refresh import AppHomes
from bot.slack.approvers import Approvers
from bot.slack.audience import Audience
from bot.slack.bolt_app import build_app
from bot.slack.channels import Channels
from bot.slack.delivery import Delivery
from bot.slack.permalinks import Permalinks
from bot.slack.requester import Deduplication
from bot.slack.token_check import TokenCheck
from bot.slack.voices import Voices
from bot.slack.web_api import Channel
from bot.words.sentence import Text, said, together

CHECKS_OF_LEASE = 10  # in the time of a lease; it is renewed when a third of it is over
DELIVERY_SECONDS = 0.5  # what somebody decided is on the card within a second
DEPTH_SECONDS = 5.0  # between two counts of what waits to be delivered
REINDEX_SECONDS = 60.0
OWED_SECONDS = 5.0  # between two looks for webhooks of rollouts that have ended
AUDIENCE_SECONDS = 60.0  # between two looks at channels and user groups, by every replica: for people, not for rollouts
HOMES_SECONDS = 5.0  # between two looks at what App Homes show
SERVICES_SECONDS = 2.0  # between two looks at services.yaml
DRAIN_SECONDS = 10.0
# Without Prometheus nothing is judged and every rollout holds, told on its card. People are served all the same, and
# another replica would be no better off: taking this one out of service mends nothing.
# A closed channel is one team's, and taking the bot from all the others would not open it.
# What is live goes on without services.yaml, and by the last one that could be used.
# No replica has other rights, figures or watchdogs than this one.
OPTIONAL = frozenset({"prometheus", "channels and approvers", "services", *ABOUT})

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Bot:
    """One replica of the bot."""

    def __init__(
        self, settings: Settings, adapters: Adapters, own: OwnMetrics | None = None, failures: Failures | None = None
    ) -> None:
        """``own`` is what ``adapters`` tells of its calls, ``failures`` of what it cannot read."""
        slack = settings.require_slack()
        self._own = own = own or OwnMetrics()
        self._failures = failures or Failures(own, time.monotonic)
        self._adapters = adapters
        self._lease = adapters.lease
        self._leads_as: int | None = None  # the number of the lease it last led with
        self._indexed_as: int | None = None  # and that for which the indexes are surely whole
        self._own.leader(self._leads)
        self._count_at = 0.0  # when what waits to be delivered is counted again
        self._notifying = TelemetryMetrics(self._own, adapters.ports.clock)
        self._controller = make_controller(adapters, self._notifying.telemetry(), settings.dead_man_seconds)
        self._leader = self._controller.under(LeadersStore(adapters.store, adapters.lease))
        self._adoption = adoption = make_adoption(adapters, self._leader, settings.dead_man_seconds)
        client = adapters.slack or slack_client(slack, own.called)
        channels = adapters.channels or Channels(client, adapters.stopwatch)
        approvers = Approvers(client, adapters.stopwatch)
        self._voices = Voices(settings.voice, self._controller.services(), adapters.catalogue.languages)
        self._delivery = Delivery(
            outbox=adapters.outbox,
            store=adapters.ports.store,
            channel=Channel(client, adapters.ports.clock, adapters.refused_forms),
            clock=adapters.ports.clock,
            mentions=approvers.mentions,
            people=approvers.people,
            channels=channels,
            voices=self._voices,
            leads=self._leads,
            failed=self._failures.item,
        )
        homes: AppHomes[AppHomeFacts] = AppHomes(client, adapters.ports.clock)
        app = build_app(
            controller=self._controller,
            client=client,
            approvers=approvers,
            clock=adapters.ports.clock,
            monotonic=adapters.stopwatch,
            voices=self._voices,
            signing_secret=slack.mode.signing_secret.reveal() if isinstance(slack.mode, HttpSettings) else "",
            deduplication=Deduplication(adapters.deduplication.is_new),
            homes=homes,
            card=Permalinks(adapters.outbox, client).of,
            heard=self._freshness,
        )
        self._audience = Audience(self._controller.services(), channels, approvers, self._failures.item)
        self._services = ServicesReload(settings.services_file, adapters.catalogue, self._use)
        self._surroundings = Surroundings(
            adapters.kube,
            adapters.metrics,
            self._controller.services(),
            reads=adapters.reads,
            limit=settings.dead_man_seconds,
            now=adapters.ports.clock.now,
            failed=self._failures.item,
        )
        self._standing = TokenCheck(client)
        self._connection = connection(app, slack)
        self._rounds = Rounds(settings.tick_seconds)
        self._seen: dict[str, Rollout] = {}  # the live rollout of each service, as it was last seen
        self._scheduler = Scheduler(
            [
                Job(name="lease", seconds=settings.lease_seconds / CHECKS_OF_LEASE, run=self._keep_lease),
                Job(name="sweep", seconds=self._rounds.seconds, run=self._if_leading(self._sweep)),
                Job(name="delivery", seconds=DELIVERY_SECONDS, run=self._if_leading(self._deliver)),
                # A lost index would hide live rollouts and notifications; the services' own keys bring it back.
                Job(name="reindex", seconds=REINDEX_SECONDS, run=self._if_leading(self._tidy)),
                Job(name="adopt", seconds=ADOPT_SECONDS, run=self._if_leading(adoption.reconcile)),
                Job(name="webhooks", seconds=OWED_SECONDS, run=self._if_leading(self._leader.call_owed_webhooks)),
                Job(name="services", seconds=SERVICES_SECONDS, run=self._services.poll),
                Job(name="homes", seconds=HOMES_SECONDS, run=homes.refresh),
                Job(name="standing", seconds=AUDIENCE_SECONDS, run=self._standing.check),
                Job(name="audience", seconds=AUDIENCE_SECONDS, run=self._audience.check),
                Job(name="surroundings", seconds=AUDIENCE_SECONDS, run=self._surroundings.check),
            ],
            failed=self._failures.job,
        )
        self._probes = Probes(
            port=settings.probe_port,
            ready=Asking(self._parts()),
            registry=own.registry,
            optional=OPTIONAL,
            voice=settings.voice,
        )

    def run(self) -> None:
        """Until SIGTERM or SIGINT: then no new work, what runs is finished, what must be said is said."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        collect_less_often()
        self._probes.start()
        self._keep_lease()  # before the first sweep, so that a bot on its own is at work at once
        self._scheduler.start()
        self._connection.start()
        log.info("running", services=list(self._adapters.catalogue.names), probes=self._probes.port)
        stop.wait()
        log.info("stopping")
        self._step_down()
        self._connection.close()
        self._controller.close()
        if self._adapters.reads is not None:
            self._adapters.reads.close()
        self._probes.close()

    def _use(self, catalogue: Catalogue) -> None:
        """Go by another ``services.yaml`` from now on; what is live keeps what it began with."""
        self._controller.use({service.name: service for service in catalogue}, catalogue.trouble)
        self._adoption.use(self._controller.services())
        self._audience.use(self._controller.services())
        self._voices.use(self._controller.services(), catalogue.languages)
        self._surroundings.use(self._controller.services())

    # Leading: one replica does what nobody has asked for; all of them serve people

    def _leads(self) -> bool:
        return self._lease.fence is not None

    def _if_leading(self, work: Callable[[], None]) -> Callable[[], None]:
        """The same work, done by the leader alone."""

        def done() -> None:
            if self._leads():
                work()

        return done

    def _keep_lease(self) -> None:
        try:
            with contained("renew the lease"):
                self._lease.keep()
        except Fault as fault:
            self._failures.job("lease", fault)
        fence = self._lease.fence
        if fence is None and self._leads_as is not None:
            log.warning("leads_no_longer")
            self._show_live({})  # the new leader's to tell
            self._own.outbox(0)
        elif fence != self._leads_as:
            log.info("leading", fence=fence)
            self._sign_once()
        self._leads_as = fence

    def _sign_once(self) -> None:
        """Whoever led before may have had no key. What could not be signed is not believed, and told as that."""
        try:
            with contained("sign what is in Redis"):
                self._adapters.signing.sign_once()
        except Fault as fault:
            self._failures.job("signing", fault)

    def _step_down(self) -> None:
        """Finish what runs, say what is to be said, and let another replica lead at once."""
        self._scheduler.stop(DRAIN_SECONDS)
        last = {"delivery": self._if_leading(self._delivery.deliver), "lease": self._lease.release}
        for name, work in last.items():  # the lease ends by itself
            try:
                work()
            except Exception as error:  # noqa: BLE001  # whatever it was, the process ends in order
                self._failures.job(name, error)

    def _deliver(self) -> None:
        # Whoever led before us may have died between a notification and its index.
        if self._indexed_as != self._leads_as:
            self._indexed_as = self._leads_as
            self._adapters.store.reindex()
            self._adapters.outbox.recall()
        self._delivery.deliver()
        if time.monotonic() >= self._count_at:
            self._count_at = time.monotonic() + DEPTH_SECONDS
            self._own.outbox(self._adapters.outbox.depth())

    def _tidy(self) -> None:
        self._adapters.store.reindex()
        self._own.set_aside(self._adapters.outbox.set_aside())
        self._adapters.retention.tidy(self._adapters.ports.clock.now())

    def _show_live(self, live: Mapping[str, Rollout]) -> None:
        """Where live rollouts are, and what users had of them, as this process' own figures."""
        self._own.rollouts(Counter(str(rollout.phase) for rollout in live.values()))
        self._own.exposure({key: (one.exposure, exposure.spent(one)) for key, one in live.items()})

    def _sweep(self) -> None:
        late = self._rounds.advance(time.monotonic())
        if self._rounds.is_idle:
            return
        store = self._adapters.ports.store
        busy = store.busy()
        asked = {key: busy[key] for key in self._rounds.turn(busy)}
        live = store.live(asked)
        self._leader.report_unreadable(asked.keys() - {rollout.key for rollout in live})
        self._seen = {key: rollout for key, rollout in self._seen.items() if key in busy}
        self._seen |= {rollout.key: rollout for rollout in live}
        if self._rounds.is_last:  # a thousand gauges, that nobody reads more often
            self._show_live(self._seen)
        try:
            self._leader.sweep(live, late)
        finally:
            if self._rounds.is_last:
                self._notifying.round_is_over()

    def _parts(self) -> Mapping[str, Callable[[], Text | None]]:
        """Each part this process needs or makes use of, and how to find out what is wrong with it."""
        adapters = self._adapters
        return {
            "redis": lambda: trouble(adapters.ports.store.ping),
            "slack": self._slack_trouble,
            "kubernetes": lambda: trouble(adapters.kube.ping),
            "prometheus": lambda: trouble(adapters.metrics.ping),
            "channels and approvers": self._audience.trouble,
            **{about: partial(self._surroundings.trouble, about) for about in ABOUT},
            "services": lambda: self._services.trouble or None,
        }

    def _freshness(self) -> float | None:
        """Seconds since Slack was last heard of; the connection is made after whoever asks."""
        return self._connection.freshness()

    def _slack_trouble(self) -> Text | None:
        if self._freshness() is None:
            return together((said("probes.slack_not_connected"), self._standing.trouble() or ""))
        if self._standing.trouble():
            return self._standing.trouble()
        return (self._delivery.trouble or None) if self._leads() else None


def trouble(ask: Callable[[], object]) -> Text | None:
    """None when asking goes well, else the fault's sentence."""
    try:
        ask()
    except Fault as fault:
        return fault.sentence
    return None
