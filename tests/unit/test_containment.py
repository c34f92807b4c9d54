"""Law: whatever one job raises ends there; it is counted each time and told once."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from bot.adapters.scheduler import Job, Scheduler
from bot.controller.containment import kind
from bot.model.errors import Fault
from bot.probes.failure_log import AGAIN, Failures
from bot.probes.own_metrics import OwnMetrics, WatchdogMetrics
from tests.fakes.clock import FakeClock

ERRORS = [
    KeyError("spec"),
    TypeError("'NoneType' object is not subscriptable"),
    RecursionError("maximum recursion depth exceeded"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    OverflowError("int too large to convert to float"),
]
SOON = 5.0
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


class Notified:
    """What is counted and told of in one process."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.own = OwnMetrics()
        self.failures = Failures(self.own, self.clock.now)

    def counted(self, figure: str) -> float:
        lines = generate_latest(self.own.registry).decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"canary_bot_{figure} ")), 0.0)


@each_error
def test_a_job_that_fails_at_every_run_keeps_no_other_from_running(error: Exception) -> None:
    notified, ran, failed = Notified(), threading.Semaphore(0), threading.Semaphore(0)

    def fail() -> None:
        failed.release()
        raise error

    with capture_logs() as lines:
        jobs = [Job(name="sweep", seconds=0.01, run=fail), Job(name="lease", seconds=0.01, run=ran.release)]
        scheduler = Scheduler(jobs, failed=notified.failures.job)
        scheduler.start()
        for each in (ran, failed):
            assert all(each.acquire(timeout=SOON) for _ in range(5))
        assert scheduler.stop()

    assert notified.counted(f'jobs_failed_total{{cause="{type(error).__name__}",name="sweep"}}') >= 5
    told_of = [line for line in lines if line["event"] == "job_failed"]  # a busy machine is told of as well
    assert [(line["job"], line["exc_info"]) for line in told_of] == [("sweep", error)]


def test_what_another_system_refuses_is_a_line_without_a_traceback_and_counted_by_its_name() -> None:
    notified = Notified()

    with capture_logs() as lines:
        notified.failures.job("adopt", Fault("Redis", "cannot be reached."))

    assert notified.counted('jobs_failed_total{cause="redis",name="adopt"}') == 1
    assert [(line["sentence"], line["exc_info"]) for line in lines] == [("cannot be reached.", None)]


def test_the_same_failure_is_news_again_when_it_is_another_one_or_was_away() -> None:
    notified = Notified()

    def fails(error: Exception, after: float) -> int:
        notified.clock.advance(after)
        with capture_logs() as lines:
            notified.failures.item("rollout r-1", error)
        return len(lines)

    assert [fails(KeyError("a"), 1.0), fails(KeyError("b"), 1.0), fails(KeyError("c"), AGAIN - 1)] == [1, 0, 0]
    assert [fails(TypeError(), 1.0), fails(TypeError(), AGAIN)] == [1, 1]
    assert notified.counted('looks_failed_total{cause="KeyError"}') == 3


def test_the_rules_for_alerts_name_figures_that_there_are_with_their_labels() -> None:
    text = Path("docs/operations.md").read_text()
    document = next(one for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if one.startswith("groups:"))
    rules = {rule["alert"]: rule["expr"] for rule in yaml.safe_load(document)["groups"][0]["rules"]}
    own, watchdog = OwnMetrics(), WatchdogMetrics()
    own.job_failed("sweep", "KeyError")
    own.reconcile_failed(kind(Fault("Redis", "is away.")))
    own.rollouts({"halted": 1})
    watchdog.acted("home")
    shown = (generate_latest(own.registry) + generate_latest(watchdog.registry)).decode()

    asked = {name for rule in rules.values() for name in re.findall(r"canary_bot_\w+", rule)}

    assert {"canary_bot_jobs_failed_total", "canary_bot_looks_failed_total"} <= asked
    assert [name for name in asked if not re.search(rf"^{name}[ {{]", shown, re.MULTILINE)] == []
    assert 'canary_bot_jobs_failed_total{cause="KeyError",name="sweep"} 1.0' in shown


def test_every_job_of_the_bot_is_told_of_by_its_name() -> None:
    jobs = re.findall(r'Job\(name="(\w+)"', Path("bot/app.py").read_text())
    (line,) = re.findall(r"\| `canary_bot_jobs_failed_total`.*", Path("docs/operations.md").read_text())

    assert len(jobs) >= 6
    assert [job for job in jobs if f"`{job}`" not in line] == []
