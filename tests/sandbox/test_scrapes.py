"""Scrapes that take long and fail, as a Prometheus meets them: over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import requests
from aiohttp import web

from sandbox.mesh.scrapes import Scrape, Scrapes
from sandbox.serving import Serving
from tests.sandbox.test_mesh_programs import eventually

SLOW = 0.2


class Proxies:
    """Pages of two workloads; each page says how often it was written."""

    def __init__(self) -> None:
        self.scrapes = Scrapes()
        self.written = count(1)
        app = web.Application()
        app.router.add_get("/{workload}/{pod}", self._page)
        self.serving = Serving(app)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        workload, pod = request.match_info["workload"], request.match_info["pod"]
        return await self.scrapes.answer(workload, pod, lambda: f"written {next(self.written)}")

    def scrape(self, target: str = "reviews-v1/a") -> requests.Response:
        return requests.get(f"{self.serving.url}/{target}", timeout=5)


@pytest.fixture
def proxies() -> Iterator[Proxies]:
    made = Proxies()
    with made.serving:
        yield made


def test_scrapes_are_quick_and_succeed_until_told_otherwise(proxies: Proxies) -> None:
    assert proxies.scrape().text == "written 1"
    assert not proxies.scrapes.failed


def test_a_slow_scrape_takes_its_time_and_the_others_do_not(proxies: Proxies) -> None:
    proxies.scrapes.set("reviews-v2", Scrape(seconds=SLOW))
    began = time.monotonic()
    proxies.scrape("reviews-v2/b")

    assert time.monotonic() - began >= SLOW
    assert proxies.scrape().elapsed.total_seconds() < SLOW


@pytest.mark.parametrize(("late", "shown"), [(True, "written 2"), (False, "written 1")])
def test_a_page_is_written_at_the_end_or_at_the_beginning(proxies: Proxies, *, late: bool, shown: str) -> None:
    """Another proxy's page is written in the middle of the slow scrape."""
    proxies.scrapes.set("reviews-v2", Scrape(seconds=SLOW, late=late))

    with ThreadPoolExecutor(1) as prometheus:
        slow = prometheus.submit(proxies.scrape, "reviews-v2/b")
        assert eventually(lambda: proxies.scrapes.asked["b"] == 1)
        proxies.scrape()
        assert slow.result().text == shown


def test_each_third_scrape_of_a_pod_fails_and_pods_are_counted_apart(proxies: Proxies) -> None:
    proxies.scrapes.set("reviews-v1", Scrape(fails_every=3))
    codes = [proxies.scrape("reviews-v1/a").status_code for _ in range(6)]

    assert codes == [200, 200, 503, 200, 200, 503]
    assert proxies.scrape("reviews-v1/b").status_code == 200
    assert proxies.scrapes.failed == {"a": 2}


def test_a_failure_may_be_a_connection_that_is_reset(proxies: Proxies) -> None:
    proxies.scrapes.set("reviews-v1", Scrape(fails_every=1, cut=True))

    with pytest.raises(requests.ConnectionError):
        proxies.scrape()


def test_cleared_everything_is_well_again(proxies: Proxies) -> None:
    proxies.scrapes.set("reviews-v1", Scrape(fails_every=1))
    proxies.scrapes.clear()

    assert proxies.scrape().status_code == 200
