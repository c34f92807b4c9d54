"""Which hosts of an object are looked at: those that requests are sent to, and those that it is about."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cluster.dotted_hosts import dotted_hosts, half_written
from bot.cluster.objects import Object
from tests.builders import a_service

HALF = "reviews.default"
DOTTED = "reviews.default.svc.cluster.local."


def routed(**route: Any) -> Object:
    whole = {"destination": {"host": "reviews.default.svc.cluster.local", "subset": "v1"}}
    spec = {"hosts": ["shop.example"], "http": [{"route": [whole], **route}]}
    return {"kind": "VirtualService", "metadata": {"name": "shop", "namespace": "default"}, "spec": spec}


def sent_to(host: str) -> list[Object]:
    rule: Object = {
        "kind": "DestinationRule",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"host": host},
    }
    destination = {"destination": {"host": host}}
    return [
        rule,
        routed(route=[destination]),
        routed(mirror={"host": host}),
        routed(mirrors=[{"destination": {"host": host}, "percentage": {"value": 1}}]),
    ]


def only_called_so(host: str) -> list[Object]:
    return [
        routed(headers={"request": {"set": {"host": host}, "add": {"host": host}}}),
        routed(match=[{"sourceLabels": {"host": host}}]),
        routed(redirect={"authority": host}),
    ]


@pytest.mark.parametrize("thing", sent_to(HALF))
def test_a_half_written_destination_is_found(thing: Object) -> None:
    assert list(half_written([thing], a_service())) == [(thing, HALF)]


@pytest.mark.parametrize("thing", sent_to(DOTTED))
def test_a_destination_with_a_dot_is_found(thing: Object) -> None:
    assert list(dotted_hosts([thing], a_service())) == [(thing, DOTTED)]


@pytest.mark.parametrize("thing", only_called_so(HALF))
def test_a_header_or_a_label_that_is_called_host_sends_nobody_anywhere(thing: Object) -> None:
    assert list(half_written([thing], a_service())) == []


@pytest.mark.parametrize("thing", only_called_so(DOTTED))
def test_nor_does_one_with_a_dot(thing: Object) -> None:
    assert list(dotted_hosts([thing], a_service())) == []
