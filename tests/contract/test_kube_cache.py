"""Cached reads before a Kubernetes API over HTTP: nothing is asked twice, nothing old is told, no trouble is hidden."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.istio import IstioMesh
from bot.adapters.kube import MERGE_PATCH, PAGE, Kube
from bot.adapters.kube_answers import Expired, Unanswered
from bot.adapters.kube_cache import PACE, CachedReads, Pace
from bot.adapters.workloads import KubeWorkloads
from bot.cluster.objects import name_of
from bot.controller.observe import observe
from bot.model.errors import Fault
from bot.model.rollout import PodTemplate, RolloutId, Routes
from sandbox.kube import KubeApi, bookinfo
from tests.builders import a_rollout, a_target
from tests.contract.wire import Wire

SHORT = replace(PACE, stream=1, stale=2.5)
VS = ("VirtualService", "default", "reviews")


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with KubeApi(start_seconds=0.02, bookmark_seconds=0.2) as api:
        api.load(bookinfo.objects())
        assert api.store.wait_until(lambda: len(ready_pods(api)) == 5)
        yield api


@pytest.fixture
def wire(api: KubeApi) -> Iterator[Wire]:
    host, _, port = api.url.removeprefix("http://").partition(":")
    with Wire((host, int(port))) as wire:
        yield wire


@pytest.fixture
def kube(api: KubeApi, wire: Wire, tmp_path: Path) -> Kube:
    path = api.write_kubeconfig(tmp_path / "kubeconfig")
    config = yaml.safe_load(path.read_text())
    config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{wire.port}"
    path.write_text(yaml.safe_dump(config))
    return Kube.connect(str(path))


@pytest.fixture
def reads(kube: Kube) -> Iterator[CachedReads]:
    with closing(CachedReads(kube, pace=SHORT)) as reads:
        assert reads.get(*VS) is not None
        yield reads


def ready_pods(api: KubeApi) -> list[dict[str, Any]]:
    pods = api.store.list("Pod", "default")
    return [pod for pod in pods if any(one["ready"] for one in pod.get("status", {}).get("containerStatuses", []))]


def eventually(condition: Callable[[], bool], seconds: float = 8.0) -> bool:
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.02)
    return True


def label(api: KubeApi, value: str) -> None:
    vs = api.store.get(*VS)
    assert vs is not None
    vs["metadata"]["labels"] = {"team": value}
    api.store.put(vs)


def team(reads: CachedReads) -> str:
    return str((reads.get(*VS) or {})["metadata"].get("labels", {}).get("team", ""))


def asked(api: KubeApi, *methods: str) -> int:
    return sum(count for method, count in api.requests.items() if method in (methods or ("GET", "watch")))


def test_looking_again_asks_the_api_server_for_nothing(api: KubeApi, kube: Kube) -> None:
    with closing(CachedReads(kube)) as reads:
        mesh, workloads = IstioMesh(kube, lambda: 0.0, reads=reads), KubeWorkloads(kube, reads=reads)
        first = observe(a_rollout(), mesh, workloads)
        before = api.requests
        for _ in range(50):
            assert observe(a_rollout(), mesh, workloads) == first
        assert api.requests == before
        assert first.primary.ready == first.canary.ready == 2


def test_a_change_by_others_is_told_without_being_asked_for(api: KubeApi, reads: CachedReads) -> None:
    before = asked(api, "GET")
    label(api, "books")
    assert eventually(lambda: team(reads) == "books")
    api.store.delete(*VS)
    assert eventually(lambda: reads.get(*VS) is None)
    assert asked(api, "GET") == before


def test_a_stream_that_ended_is_resumed_where_it_ended(api: KubeApi, reads: CachedReads) -> None:
    before, streams = asked(api, "GET"), asked(api, "watch")
    assert eventually(lambda: asked(api, "watch") >= streams + 2)
    label(api, "books")
    assert eventually(lambda: team(reads) == "books")
    assert asked(api, "GET") == before


def test_without_bookmarks_a_quiet_stream_is_believed_all_the_same(tmp_path: Path) -> None:
    with KubeApi(bookmark_seconds=60) as api:
        kube = Kube.connect(str(api.load(bookinfo.objects()).write_kubeconfig(tmp_path / "kubeconfig")))
        with closing(CachedReads(kube, pace=SHORT)) as reads:
            assert reads.get(*VS) is not None
            before, streams = asked(api, "GET"), asked(api, "watch")
            assert eventually(lambda: reads.get(*VS) is not None and asked(api, "watch") >= streams + 3)
            assert asked(api, "GET") == before


def test_a_version_that_the_server_forgot_is_answered_with_a_new_list(api: KubeApi, reads: CachedReads) -> None:
    label(api, "books")
    api.forget_history()
    assert eventually(lambda: team(reads) == "books")
    label(api, "shop")
    assert eventually(lambda: team(reads) == "shop")


def many(api: KubeApi, count: int) -> list[str]:
    names = [f"c{number:04}" for number in range(count)]
    head = {"apiVersion": "v1", "kind": "ConfigMap"}
    api.load([{**head, "metadata": {"name": name, "namespace": "default"}} for name in names])
    return names


def test_a_list_of_more_than_a_page_is_read_page_by_page_and_followed_from_there(api: KubeApi, kube: Kube) -> None:
    names = many(api, 2 * PAGE + 1)
    before = asked(api, "GET")
    with closing(CachedReads(kube, pace=SHORT)) as reads:
        assert [name_of(one) for one in reads.list("ConfigMap", "default")] == names
        assert asked(api, "GET") == before + 3
        api.store.delete("ConfigMap", "default", names[PAGE])
        assert eventually(lambda: reads.get("ConfigMap", "default", names[PAGE]) is None)
        assert asked(api, "GET") == before + 3


class Disturbed(Kube):
    """Something happens to the cluster between the first two pages of a list, as often as it is told."""

    happens: Callable[[], None]
    times = 1

    def _page(self, *args: Any) -> Any:
        answer = super()._page(*args)
        if self.times:
            self.times -= 1
            self.happens()
        return answer


@pytest.fixture
def disturbed(api: KubeApi, tmp_path: Path) -> Disturbed:
    kube = Disturbed.connect(str(api.write_kubeconfig(tmp_path / "kubeconfig")))
    assert isinstance(kube, Disturbed)
    return kube


def test_what_changes_between_two_pages_is_told_by_the_watch_from_the_lists_version(
    api: KubeApi, disturbed: Disturbed
) -> None:
    names = many(api, PAGE + 1)
    revision = str(api.store.revision)
    disturbed.happens = lambda: api.store.delete("ConfigMap", "default", names[-1])

    items, version = disturbed.snapshot("ConfigMap", "default")

    assert ([name_of(one) for one in items], version) == (names, revision)
    disturbed.times = 1
    disturbed.happens = lambda: api.store.delete("ConfigMap", "default", names[0])
    many(api, PAGE + 1)
    with closing(CachedReads(disturbed, pace=SHORT)) as reads:
        reads.list("ConfigMap", "default")
        assert eventually(lambda: [name_of(one) for one in reads.list("ConfigMap", "default")] == names[1:])


def test_a_list_whose_rest_was_forgotten_begins_anew(api: KubeApi, disturbed: Disturbed) -> None:
    names = many(api, PAGE + 1)

    def happens() -> None:
        api.store.delete("ConfigMap", "default", names[-1])
        api.forget_history()

    disturbed.happens = happens
    assert [name_of(one) for one in disturbed.list("ConfigMap", "default")] == names[:-1]

    many(api, PAGE + 1)
    disturbed.happens, disturbed.times = api.forget_history, 100
    with pytest.raises(Expired):
        disturbed.list("ConfigMap", "default")
    disturbed.times = 0
    assert len(disturbed.list("ConfigMap", "default")) == PAGE + 1


def test_a_list_that_never_ends_is_a_fault(api: KubeApi, tmp_path: Path) -> None:
    class Endless(Kube):
        def _page(self, *_: Any) -> Any:
            return {"items": [], "metadata": {"continue": "more", "resourceVersion": "1"}}

    with pytest.raises(Unanswered):
        Endless.connect(str(api.write_kubeconfig(tmp_path / "kubeconfig"))).list("ConfigMap", "default")


def test_while_the_api_is_down_every_read_is_a_fault_and_afterwards_all_is_known(
    api: KubeApi, wire: Wire, reads: CachedReads
) -> None:
    wire.cut()
    assert eventually(lambda: faults(reads), seconds=2)
    label(api, "books")
    wire.mend()
    assert eventually(lambda: not faults(reads) and team(reads) == "books")
    assert eventually(lambda: quiet(api, reads))


def test_a_peer_that_vanished_without_a_word_is_noticed_by_its_silence(api: KubeApi, wire: Wire, kube: Kube) -> None:
    clock = [0.0]
    with closing(CachedReads(kube, monotonic=lambda: clock[0] + time.monotonic())) as reads:
        assert reads.get(*VS) is not None
        wire.stall()
        label(api, "books")
        assert team(reads) == ""
        clock[0] = PACE.stale + 1
        asking = threading.Thread(target=lambda: heard.append(team(reads)))
        heard: list[str] = []
        asking.start()
        wire.mend()  # the read was on its way to the server itself, not to the cache
        asking.join(10)
        assert heard == ["books"]


def test_a_dropped_answer_is_tried_again_after_a_pause(api: KubeApi, kube: Kube) -> None:
    api.drop_next(verb="watch", kind="VirtualService", times=2)
    with closing(CachedReads(kube, pace=SHORT)) as reads:
        assert reads.get(*VS) is not None
        assert eventually(lambda: quiet(api, reads))


def test_where_watching_is_forbidden_reads_go_to_the_server(api: KubeApi, kube: Kube) -> None:
    api.forbid(verb="watch", kind="VirtualService")
    with closing(CachedReads(kube, pace=SHORT)) as reads:
        label(api, "books")
        assert team(reads) == "books"
        label(api, "shop")
        assert team(reads) == "shop"


def test_what_we_wrote_is_what_we_read_though_the_watch_lags(api: KubeApi, kube: Kube) -> None:
    with closing(CachedReads(kube)) as reads:
        mesh = IstioMesh(kube, lambda: 0.0, reads=reads)
        for canary in range(1, 60):
            mesh.route(a_target(), Routes(canary=canary), RolloutId("r-1"), PodTemplate(images={"reviews": "x"}))
            assert mesh.observe(a_target()).routes == Routes(canary=canary)
        assert asked(api, "GET") < 59 + 10  # one for each write, which has to be built on the newest object


def test_what_is_understood_of_an_object_is_of_its_newest_version_and_of_who_asks(api: KubeApi, kube: Kube) -> None:
    with closing(CachedReads(kube)) as reads:
        mesh, ours = IstioMesh(kube, lambda: 0.0, reads=reads), a_target()
        before = mesh.observe(ours)
        assert mesh.observe(ours) is before
        theirs = mesh.observe(replace(ours, primary_subset="v3"))
        assert (before.routes, theirs.routes) == (Routes(canary=0), None)
        assert mesh.observe(ours) == before

        vs = api.store.get(*VS)
        assert vs is not None
        vs["spec"]["http"][0]["timeout"] = "7s"
        api.store.put(vs)
        assert eventually(lambda: mesh.observe(ours).fingerprint != before.fingerprint)


def test_a_write_whose_outcome_is_not_known_is_looked_up_once(api: KubeApi, kube: Kube) -> None:
    with closing(CachedReads(kube)) as reads:
        deployment = ("Deployment", "default", "reviews-v2")
        assert reads.get(*deployment) is not None
        none = {"spec": {"replicas": 0}}
        kube.patch(*deployment, none, content_type=MERGE_PATCH, subresource="scale")
        before = asked(api, "GET")
        assert (reads.get(*deployment) or {})["spec"]["replicas"] == 0
        assert (reads.get(*deployment) or {})["spec"]["replicas"] == 0
        assert asked(api, "GET") == before + 1


def test_a_namespace_that_nobody_reads_is_no_longer_watched(api: KubeApi, kube: Kube) -> None:
    with closing(CachedReads(kube, pace=Pace(stream=1, idle=0.5))) as reads:
        assert reads.get(*VS) is not None
        assert eventually(lambda: not watching(), seconds=5)
        label(api, "books")
        assert team(reads) == "books"
        assert watching()


def test_closed_caches_leave_no_thread_and_reads_go_on(api: KubeApi, kube: Kube) -> None:
    reads = CachedReads(kube, pace=Pace(stream=240))  # none of its streams ends by itself while this test waits
    assert reads.get(*VS) is not None
    reads.close()
    assert eventually(lambda: not watching(), seconds=20)
    label(api, "books")
    assert team(reads) == "books"


def watching() -> bool:
    return any(thread.name.startswith("watch ") for thread in threading.enumerate())


def faults(reads: CachedReads) -> bool:
    try:
        reads.get(*VS)
    except Fault:
        return True
    return False


def quiet(api: KubeApi, reads: CachedReads) -> bool:
    before = asked(api, "GET")
    reads.get(*VS)
    return asked(api, "GET") == before
