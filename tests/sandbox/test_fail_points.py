"""The stand-ins announce every request before and after it, and give the trouble that is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Lost
from redis.retry import Retry

from bot.adapters.prometheus import PrometheusMetrics
from bot.adapters.prometheus_connection import PrometheusConnection
from bot.controller.ports import Window
from bot.model.errors import Fault
from bot.model.figures import Figures as Answered
from bot.model.rollout import Phase
from sandbox.figures import Figures, Mood
from sandbox.redis import Redis
from sandbox.redis_proxy import RedisProxy, end_of, words_of
from sandbox.traffic import Traffic
from sandbox.wire import Moment, Request, Trouble
from tests.builders import a_rollout
from tests.fakes.clock import FakeClock


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProxy]:
    with Redis(tmp_path_factory.mktemp("redis"), appendonly=False) as redis, RedisProxy(redis.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: RedisProxy) -> Iterator[Client]:
    with Client(port=proxy.port, decode_responses=True, retry=Retry(NoBackoff(), 0)) as client:
        yield client


@pytest.mark.parametrize(
    "value",
    [
        b"+OK\r\n",
        b":7\r\n",
        b"$3\r\nabc\r\n",
        b"$-1\r\n",
        b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
        b"%1\r\n+k\r\n$0\r\n\r\n",
        b"_\r\n",
    ],
)
def test_the_end_of_a_value_is_found_and_not_before_it_is_there(value: bytes) -> None:
    assert end_of(value + b"+next\r\n") == len(value)
    assert all(end_of(value[:short]) is None for short in range(len(value)))


def test_the_words_of_a_command_are_read() -> None:
    assert list(words_of(b"*2\r\n$3\r\nGET\r\n$5\r\nw x\r\n\r\n")) == ["GET", "w x\r\n"]


def test_a_command_cut_off_before_it_happened_did_not_and_after_it_did(proxy: RedisProxy, client: Client) -> None:
    cuts = {("SET", Moment.BEFORE), ("INCRBY", Moment.AFTER)}

    def ear(request: Request, moment: Moment) -> Trouble | None:
        planned = (request.kind, moment)
        if planned not in cuts:
            return None
        cuts.remove(planned)
        return Trouble(cut=True)

    client.flushall()
    proxy.wire.listen(ear)
    with pytest.raises(Lost):
        client.set("never", "1")
    with pytest.raises(Lost):
        client.incr("once")

    assert client.get("never") is None
    assert client.get("once") == "1"
    assert cuts == set()


def test_every_connection_may_be_cut_at_once(proxy: RedisProxy, client: Client) -> None:
    before = client.client_id()
    proxy.cut_all()

    assert client.client_id() != before  # the pool has noticed, and connected again


# A Prometheus of many moods


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def figures(clock: FakeClock) -> Iterator[Figures]:
    traffic = Traffic(clock.now)
    traffic.now(rates={"reviews-v1": 40.0, "reviews-v2": 10.0}, bad={"reviews-v2": 0.5})
    clock.advance(60)
    with Figures(traffic, canaries=frozenset({"reviews-v2"})) as figures:
        yield figures


def read_by(metrics: PrometheusMetrics, now: float) -> Answered:
    """What half a minute looks like to the adapter; a fault is raised."""
    rollout = a_rollout(phase=Phase.SHIFTING, stage=1)
    answer = metrics.read([Window(rollout=rollout, since=now - 30, until=now)])[rollout.spec.id]
    if isinstance(answer, Fault):
        raise answer
    return answer


def test_the_stand_in_answers_what_the_adapter_asks(figures: Figures, clock: FakeClock) -> None:
    metrics = PrometheusMetrics(PrometheusConnection(figures.url))
    now = clock.now()

    read = read_by(metrics, now)
    metrics.close()

    assert read.primary is not None
    assert read.canary is not None
    assert (read.primary.requests, read.primary.errors) == (1200, 0)
    assert (read.canary.requests, read.canary.errors) == (300, 150)


def test_each_mood_is_no_data_or_a_fault_and_never_a_good_figure(figures: Figures, clock: FakeClock) -> None:
    metrics = PrometheusMetrics(PrometheusConnection(figures.url))
    now = clock.now()
    found: dict[Mood, tuple[bool, bool] | None] = {}
    for mood in Mood:
        if mood is Mood.FORGED:  # what others add is another matter (below)
            continue
        figures.mood = mood
        try:
            read = read_by(metrics, now)
            found[mood] = (read.primary is not None, read.canary is not None)
        except Fault:
            found[mood] = None
    metrics.close()

    assert found == {
        Mood.WELL: (True, True),
        Mood.DOWN: None,
        Mood.FAILING: None,
        Mood.EMPTY: (False, False),
        Mood.NAN: (False, False),
        Mood.HALF: (True, False),
    }


def test_what_somebody_elses_pod_shows_changes_no_figure(figures: Figures, clock: FakeClock) -> None:
    metrics = PrometheusMetrics(PrometheusConnection(figures.url))
    well = read_by(metrics, clock.now())
    figures.mood = Mood.FORGED
    forged = read_by(metrics, clock.now())
    metrics.close()

    assert (well.primary, well.canary) != (None, None)
    assert (forged.primary, forged.canary) == (well.primary, well.canary)
