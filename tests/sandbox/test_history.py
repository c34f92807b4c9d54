"""What the page's chart remembers: answers by second, and what happened when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.history import History, version_run_by
from sandbox.kube import bookinfo
from sandbox.kube.store import Store
from sandbox.mesh.users import Ledger, Request
from sandbox.slack import Slack
from sandbox.slack.model import Message
from tests.sandbox.waiting import wait_until


@pytest.fixture
def store() -> Store:
    store = Store()
    for thing in bookinfo.objects():
        store.put(thing)
    return store


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack() as slack:
        yield slack


def answered(version: str, *, status: int = 200) -> Request:
    return Request(at=0, wall=0, method="GET", status=status, version=version, workload="", seconds=0)


def send(store: Store, canary: str, percent: int, *, mirror: bool = False, marked: bool = True) -> None:
    """Routes as the bot writes them."""
    vs = store.get("VirtualService", "default", "reviews")
    assert vs is not None
    vs["metadata"]["annotations"] = {"canary-bot/rollout": "{}"} if marked else {}
    shares = {"v1": 100 - percent, canary: percent}
    route = [{"destination": {"host": "reviews", "subset": name}, "weight": share} for name, share in shares.items()]
    vs["spec"]["http"] = [{"route": route}]
    if mirror:
        vs["spec"]["http"][0] |= {"mirror": {"host": "reviews", "subset": canary}}
    store.put(vs)


def upgrade(store: Store, version: str) -> None:
    thing = store.get("Deployment", "default", "reviews-v1")
    assert thing is not None
    thing["spec"]["template"]["spec"]["containers"][0]["image"] = bookinfo.image(version)
    store.put(thing)


def happened(history: History) -> list[tuple[str, str]]:
    return [(mark["kind"], mark["words"]) for mark in history.moments()]


def test_answers_are_counted_by_second_and_version_and_errors_with_them(store: Store, slack: Slack) -> None:
    ledger = Ledger()
    with History(store, ledger, slack) as history:
        for request in (answered("v1"), answered("v2"), answered("v2", status=500), answered("", status=0)):
            ledger.add(request)
        wait_until(lambda: sum(history.chart()["failed"]) == 2, 10)
        chart: dict[str, Any] = history.chart()

    assert {version: sum(counts) for version, counts in chart["answers"].items()} == {"v1": 1, "v2": 2, "no answer": 1}
    assert {len(counts) for counts in chart["answers"].values()} == {len(chart["failed"])}


def test_a_promotion_and_its_rollback_are_told_from_an_abort_by_what_the_primary_runs(
    store: Store, slack: Slack
) -> None:
    with History(store, Ledger(), slack) as history:
        send(store, "v2", 0, mirror=True)
        send(store, "v2", 20)
        send(store, "v2", 0, marked=False)
        send(store, "v3", 100)
        upgrade(store, "v3")
        send(store, "v3", 0, marked=False)
        send(store, "v3", 100)
        upgrade(store, "v1")
        send(store, "v3", 0, marked=False)

    assert version_run_by(store, "reviews-v1") == "v1"
    assert happened(history) == [
        ("start", "v2 begins"),
        ("weights", "v2 0 %, copies to v2"),
        ("weights", "v2 20 %"),
        ("weights", "v2 0 %"),
        ("abort", "v2 is aborted"),
        ("start", "v3 begins"),
        ("weights", "v3 100 %"),
        ("weights", "v3 0 %"),
        ("end", "v3 is promoted"),
        ("start", "v3 begins"),
        ("weights", "v3 100 %"),
        ("weights", "v3 0 %"),
        ("end", "Rolled back to v1"),
    ]


def test_what_people_type_and_press_is_on_the_list_with_their_names(store: Store, slack: Slack) -> None:
    button = {"type": "button", "action_id": "canary_approve", "text": {"type": "plain_text", "text": "Approve"}}
    block = {"type": "actions", "block_id": "gate", "elements": [button]}
    where = slack.workspace.channel("#releases").id
    with History(store, Ledger(), slack) as history:
        card = slack.workspace.post(Message(ts="", channel=where, user="@canary", blocks=(block,)))
        slack.command("@maya", "#releases", "start reviews v2")
        slack.click("@omar", card, "canary_approve")
        slack.command("@lena", "#releases", "abort reviews")

    assert happened(history) == [
        ("deed", "Maya: /canary start reviews v2"),
        ("approve", "Omar: Approve"),
        ("abort", "Lena: /canary abort reviews"),
    ]
