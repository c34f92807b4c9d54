"""``canary-bot init --apply``: each step is proven before the next, or taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.adapters.kube import Kube
from bot.cli.init import Systems, applied, needed
from bot.model.errors import Fault, Refusal
from bot.model.service import ServiceConfig
from bot.preflight.snapshot import Callers
from bot.words.rendering import plain
from sandbox.kube import bookinfo
from sandbox.kube.server import KubeApi
from tests.builders import a_service


@dataclass
class Users:
    """A clock that is moved by waiting, and who has reached whom since."""

    on: dict[str, float] = field(default_factory=lambda: {"reviews-v1": 3.0})
    inside: dict[str, float] = field(default_factory=dict)
    fault: Fault | None = None
    now: float = 1000.0
    waited: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds

    def callers(self, _service: ServiceConfig, deployment: str, _end: float, _since: float) -> Callers:
        if self.fault:
            raise self.fault
        return Callers(of_canary={"gateway": self.on.get(deployment, 0.0)}, of_service=self.inside)


@pytest.fixture
def api() -> Iterator[KubeApi]:
    """Bookinfo, whose route names no subset, and whose Service selects the first version alone."""
    with KubeApi(start_seconds=0.01) as server:
        server.load(bookinfo.objects())
        route = server.store.get("VirtualService", "default", "reviews")
        service = server.store.get("Service", "default", "reviews")
        assert route is not None and service is not None  # noqa: PT018  # for the type checker
        for destination in route["spec"]["http"][-1]["route"]:
            destination["destination"].pop("subset", None)
        route["spec"]["http"][-1]["route"] = route["spec"]["http"][-1]["route"][:1]
        service["spec"]["selector"]["version"] = "v1"
        for thing in (route, service):
            server.replace_as("maya", thing)
        yield server


def run(api: KubeApi, users: Users, directory: Path, service: ServiceConfig | None = None) -> list[str]:
    return [*running(api, users, directory, service or a_service())]


def running(api: KubeApi, users: Users, directory: Path, service: ServiceConfig) -> Iterator[str]:
    kube = Kube.connect(str(api.write_kubeconfig(directory / "kubeconfig")))
    systems = Systems(kube=kube, callers=users.callers, now=lambda: users.now, pause=users.pause)
    yield from map(plain, applied(service, needed(service, kube), systems))


def subset_of(api: KubeApi) -> object:
    thing = api.store.get("VirtualService", "default", "reviews")
    return thing["spec"]["http"][-1]["route"][0]["destination"].get("subset") if thing else None


def selector_of(api: KubeApi) -> object:
    thing = api.store.get("Service", "default", "reviews")
    return thing["spec"]["selector"] if thing else None


def test_the_service_selects_other_versions_only_after_users_were_seen_at_the_primary(
    api: KubeApi, tmp_path: Path
) -> None:
    users = Users()
    said = run(api, users, tmp_path)

    assert subset_of(api) == "v1"
    assert selector_of(api) == {"app": "reviews"}
    assert "Requests arrive at reviews-v1, and at no other version." in said
    assert said[-1].startswith("Service default/reviews is changed. The selector no longer asks for `version`")
    assert run(api, users, tmp_path) == ["Nothing is missing: every object is there and says what a release needs."]


def test_where_users_reach_another_version_the_route_is_taken_back(api: KubeApi, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="Users reach reviews-v2, so nothing more is written"):
        run(api, Users(on={"reviews-v1": 3.0, "reviews-v2": 1.0}), tmp_path)

    assert subset_of(api) is None
    assert selector_of(api) == {"app": "reviews", "version": "v1"}


LOOSE = {"http": [{"route": [{"destination": {"host": "reviews"}}]}]}


def with_a_second(api: KubeApi) -> None:
    """A VirtualService for callers inside the mesh, which names no subset either."""
    inside = {"hosts": ["reviews"], "gateways": ["mesh"], **LOOSE}
    metadata = {"name": "inside", "namespace": "default"}
    api.load([{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": inside}])


def routes_of(api: KubeApi) -> list[object]:
    return [one["spec"]["http"] for one in api.store.list("VirtualService")]


@pytest.mark.parametrize("siblings", [(), ("default/inside",)])
def test_every_object_that_routes_to_the_service_names_the_subset_before_the_selector_is_wider(
    api: KubeApi, tmp_path: Path, siblings: tuple[str, ...]
) -> None:
    with_a_second(api)
    run(api, Users(), tmp_path, a_service(siblings=siblings))

    assert all('"subset": "v1"' in json.dumps(http) for http in routes_of(api))
    assert selector_of(api) == {"app": "reviews"}


def test_where_users_reach_another_version_every_object_is_taken_back(api: KubeApi, tmp_path: Path) -> None:
    with_a_second(api)
    before = routes_of(api)
    with pytest.raises(Refusal, match="Users reach reviews-v2, so nothing more is written"):
        run(api, Users(on={"reviews-v1": 3.0, "reviews-v2": 1.0}), tmp_path, a_service(siblings=("default/inside",)))

    assert routes_of(api) == before
    assert selector_of(api) == {"app": "reviews", "version": "v1"}


def test_where_a_later_object_cannot_be_written_the_earlier_ones_are_taken_back(api: KubeApi, tmp_path: Path) -> None:
    with_a_second(api)
    before = routes_of(api)
    steps = running(api, Users(), tmp_path, a_service(siblings=("default/inside",)))
    assert any("VirtualService default/reviews is changed" in sentence for sentence in steps)
    inside = api.store.get("VirtualService", "default", "inside")
    assert inside is not None
    api.replace_as("maya", inside | {"metadata": inside["metadata"] | {"labels": {"team": "shop"}}})

    with pytest.raises(Fault):
        list(steps)

    assert routes_of(api) == before


def until(steps: Iterator[str], words: str) -> Iterator[str]:
    """The same steps, after the one that says so."""
    assert any(words in sentence for sentence in steps)
    return steps


FIRST_IS_WRITTEN = "VirtualService default/reviews is changed"


def edit(api: KubeApi, name: str, **spec: object) -> None:
    """Somebody's own change."""
    thing = api.store.get("VirtualService", "default", name)
    assert thing is not None
    labels = {"labels": {"team": "shop"}}
    api.replace_as("maya", {**thing, "metadata": thing["metadata"] | labels, "spec": thing["spec"] | spec})


@pytest.mark.parametrize("came", [True, False])
def test_a_route_whose_write_nobody_answered_is_taken_back_with_the_earlier_ones(
    api: KubeApi, tmp_path: Path, *, came: bool
) -> None:
    with_a_second(api)
    before = routes_of(api)
    steps = until(running(api, Users(), tmp_path, a_service(siblings=("default/inside",))), FIRST_IS_WRITTEN)
    api.drop_next(verb="update", kind="VirtualService", after_write=came)

    with pytest.raises(Fault) as stopped:
        list(steps)

    assert routes_of(api) == before
    assert ("VirtualService default/inside is as it was. The write may" in str(stopped.value)) is not came


def test_a_new_object_whose_write_nobody_answered_is_deleted_again(api: KubeApi, tmp_path: Path) -> None:
    api.store.delete("VirtualService", "default", "reviews")
    api.drop_next(verb="create", kind="VirtualService", after_write=True)

    with pytest.raises(Fault):
        run(api, Users(), tmp_path)

    assert routes_of(api) == []


def test_what_somebody_wrote_over_a_write_that_nobody_answered_stays_and_is_told(api: KubeApi, tmp_path: Path) -> None:
    with_a_second(api)
    steps = until(running(api, Users(), tmp_path, a_service(siblings=("default/inside",))), FIRST_IS_WRITTEN)
    edit(api, "inside", hosts=["reviews", "books"])
    api.drop_next(verb="update", kind="VirtualService")

    with pytest.raises(Fault, match="VirtualService default/inside was changed by somebody else meanwhile"):
        list(steps)

    assert subset_of(api) is None


def test_what_stopped_it_is_told_together_with_what_could_not_be_taken_back(api: KubeApi, tmp_path: Path) -> None:
    with_a_second(api)
    steps = until(running(api, Users(), tmp_path, a_service(siblings=("default/inside",))), FIRST_IS_WRITTEN)
    edit(api, "reviews")
    edit(api, "inside")

    with pytest.raises(Fault) as stopped:
        list(steps)

    first, _, rest = str(stopped.value).partition("Not everything is taken back: ")
    assert "VirtualService default/inside" in first
    assert "VirtualService default/reviews" in rest
    assert rest.endswith("Put that object back by hand.")


def test_an_object_that_cannot_be_read_again_is_told(api: KubeApi, tmp_path: Path) -> None:
    with_a_second(api)
    steps = until(running(api, Users(), tmp_path, a_service(siblings=("default/inside",))), FIRST_IS_WRITTEN)
    api.drop_next(verb="update", kind="VirtualService", after_write=True)
    api.fail_next(verb="get", kind="VirtualService", status=503)

    with pytest.raises(Fault, match=r"Not everything is taken back: .*VirtualService default/inside"):
        list(steps)

    assert subset_of(api) is None


def test_users_astray_are_told_together_with_what_could_not_be_taken_back(api: KubeApi, tmp_path: Path) -> None:
    users = Users(on={"reviews-v1": 3.0, "reviews-v2": 1.0})
    steps = until(running(api, users, tmp_path, a_service()), FIRST_IS_WRITTEN)
    edit(api, "reviews")

    with pytest.raises(Refusal) as refused:
        list(steps)

    assert str(refused.value).startswith("Users reach reviews-v2, so nothing more is written. Look at who else routes")
    assert "Not everything is taken back: " in str(refused.value)
    assert subset_of(api) == "v1"


INSIDE = {"productpage-v1": 12.0}


def on_the_gateway(api: KubeApi, *hosts: str) -> None:
    routes = api.store.get("VirtualService", "default", "reviews")
    assert routes is not None
    routes["spec"] |= {"hosts": [*hosts], "gateways": ["istio-system/reviews-gateway"]}
    api.replace_as("maya", routes)


def test_callers_inside_the_mesh_whom_no_route_leads_keep_the_service_as_it_is(api: KubeApi, tmp_path: Path) -> None:
    on_the_gateway(api, "shop.example")
    with pytest.raises(Refusal) as refused:
        run(api, Users(inside=INSIDE), tmp_path)

    assert str(refused.value).startswith(
        "The Service stays as it is: productpage-v1 called reviews.default.svc.cluster.local inside the mesh, where no "
        "route keeps them off other versions. `kubectl -n default patch virtualservice reviews --type=json -p '["
    )
    added = '{"op":"add","path":"/spec/gateways/-","value":"mesh"}]\'` gives them the routes. Then run it again.'
    assert str(refused.value).endswith(added)
    assert selector_of(api) == {"app": "reviews", "version": "v1"}


def test_a_host_that_is_there_is_not_written_twice(api: KubeApi, tmp_path: Path) -> None:
    on_the_gateway(api, "reviews.default.svc.cluster.local")
    with pytest.raises(Refusal, match="/spec/gateways/-") as refused:
        run(api, Users(inside=INSIDE), tmp_path)

    assert "/spec/hosts" not in str(refused.value)


def test_a_host_that_the_mesh_does_not_take_is_left_to_people(api: KubeApi, tmp_path: Path) -> None:
    on_the_gateway(api, "*")
    with pytest.raises(Refusal, match=r"among its hosts; a host `\*` must go then. Then run it again.") as refused:
        run(api, Users(inside=INSIDE), tmp_path)

    assert "kubectl" not in str(refused.value)


def test_callers_inside_the_mesh_who_follow_the_routes_keep_nothing(api: KubeApi, tmp_path: Path) -> None:
    routes = api.store.get("VirtualService", "default", "reviews")
    assert routes is not None
    routes["spec"] |= {"hosts": ["reviews"], "gateways": [*routes["spec"]["gateways"], "mesh"]}
    api.replace_as("maya", routes)
    run(api, Users(inside=INSIDE), tmp_path)
    assert selector_of(api) == {"app": "reviews"}


def test_a_version_without_a_service_gets_one_where_versions_are_hosts(tmp_path: Path) -> None:
    with KubeApi(start_seconds=0.01) as api:
        api.load([one for one in bookinfo.hosts_objects() if (one["kind"], one["metadata"]["name"]) != MISSING])

        said = run(api, Users(), tmp_path)

        assert said == ["Service default/reviews-v2 is created. A Service for reviews-v2 alone. No route names it yet."]
        made = api.store.get("Service", "default", "reviews-v2")
        assert made is not None
        assert made["spec"]["selector"] == {"app": "reviews", "version": "v2"}
        assert run(api, Users(), tmp_path) == [
            "Nothing is missing: every object is there and says what a release needs."
        ]


MISSING = ("Service", "reviews-v2")

UNPROVEN = [
    (Users(on={}), "No request was counted in 90 seconds"),
    (Users(fault=Fault("Prometheus", "It cannot be reached.")), "It cannot be reached. Run it again"),
]


@pytest.mark.parametrize(("users", "words"), UNPROVEN)
def test_what_cannot_be_proven_stops_before_the_step_that_rests_on_it(
    api: KubeApi, tmp_path: Path, users: Users, words: str
) -> None:
    with pytest.raises(Refusal) as refused:
        run(api, users, tmp_path)

    assert words in str(refused.value)
    assert subset_of(api) == "v1"
    with pytest.raises(Refusal, match=words):  # once more, where only the last step is left
        run(api, users, tmp_path)
    assert selector_of(api) == {"app": "reviews", "version": "v1"}
