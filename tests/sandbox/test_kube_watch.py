"""Watches of the Kubernetes stand-in: nothing is missed, and whoever was away too long is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from kubernetes import client, config, watch

from sandbox.kube import KubeApi
from sandbox.kube.bookinfo import objects, service_objects

SERVICES = "/api/v1/namespaces/default/services"
WHO = {"Authorization": "Bearer sandbox-token"}


@pytest.fixture
def kube() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0, bookmark_seconds=0.1) as running:
        yield running


def service(name: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}


def follow(kube: KubeApi, **query: str) -> requests.Response:
    answer = requests.get(kube.url + SERVICES, params={"watch": "1"} | query, headers=WHO, stream=True, timeout=5)
    answer.raise_for_status()
    return answer


def events(answer: requests.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in answer.iter_lines():
        event = json.loads(line)
        yield event["type"], event["object"]


def test_a_watch_resumes_where_the_last_one_ended(kube: KubeApi) -> None:
    first = kube.store.put(service("a"))
    kube.store.put(service("b"))
    kube.store.delete("Service", "default", "a")
    with follow(kube, resourceVersion=first["metadata"]["resourceVersion"], timeoutSeconds="1") as answer:
        kube.store.put(service("c"))
        seen = events(answer)
        missed = [(what, obj["metadata"]["name"]) for what, obj in (next(seen), next(seen), next(seen))]

    assert missed == [("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


def test_a_watch_without_a_version_begins_with_what_there_is_and_ends_in_time(kube: KubeApi) -> None:
    kube.store.put(service("a"))
    kube.store.put(service("b"))
    with follow(kube, timeoutSeconds="0.05") as answer:
        assert [(what, obj["metadata"]["name"]) for what, obj in events(answer)] == [("ADDED", "a"), ("ADDED", "b")]


def test_an_idle_watch_gets_bookmarks_it_can_resume_from(kube: KubeApi) -> None:
    with follow(kube, allowWatchBookmarks="true") as answer:
        kube.store.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {}, "status": {}})
        what, obj = next(events(answer))

    assert (what, obj["kind"]) == ("BOOKMARK", "Service")
    assert int(obj["metadata"]["resourceVersion"]) <= kube.store.revision


def test_an_object_that_stops_matching_is_deleted_to_the_watch(kube: KubeApi) -> None:
    start = str(kube.store.revision)
    kube.store.put(service("a", tier="front"))
    kube.store.put(service("a", tier="back"))
    kube.store.put(service("a", tier="front"))
    with follow(kube, resourceVersion=start, labelSelector="tier in (front, edge)") as answer:
        seen = events(answer)
        assert [next(seen)[0] for _ in range(3)] == ["ADDED", "DELETED", "ADDED"]


def test_a_version_from_before_the_compaction_is_gone(kube: KubeApi) -> None:
    old = str(kube.store.revision)
    kube.forget_history()

    with follow(kube, resourceVersion=old) as answer:
        ((what, status),) = events(answer)

    assert (what, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    assert status["message"].startswith(f"too old resource version: {old} (")


def test_a_compaction_ends_a_running_watch_with_an_error_event(kube: KubeApi) -> None:
    with follow(kube, resourceVersion=str(kube.store.revision)) as answer:
        kube.forget_history()
        ((what, status),) = events(answer)

    assert (what, status["code"]) == ("ERROR", 410)


def test_the_official_client_sees_a_change_of_routes(kube: KubeApi, tmp_path: Path) -> None:
    kube.load(objects()).load(service_objects("ratings"))
    path = str(kube.write_kubeconfig(tmp_path / "config"))
    api: Any = config.new_client_from_config(path)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    found = kube.store.get("VirtualService", "default", "reviews")
    assert found is not None
    found["spec"]["http"][0]["route"][0]["weight"] = 80
    kube.store.put(found)
    watcher: Any = watch.Watch()  # type: ignore[no-untyped-call]  # the library leaves it untyped
    stream = watcher.stream(
        client.CustomObjectsApi(api).list_namespaced_custom_object,
        "networking.istio.io",
        "v1beta1",
        "default",
        "virtualservices",
        field_selector="metadata.name=reviews",
        resource_version=found["metadata"]["resourceVersion"],
        timeout_seconds=1,
    )
    event = next(stream)
    stream.close()
    api.close()

    assert (event["type"], event["object"]["apiVersion"]) == ("MODIFIED", "networking.istio.io/v1beta1")
    assert event["object"]["spec"]["http"][0]["route"][0]["weight"] == 80
