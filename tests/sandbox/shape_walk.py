"""Shapes of mesh objects walked on the real Envoy, with users who notice: refused, mended by what is said, released.

``python -m tests.sandbox.shape_walk`` walks every shape of ``tests/unit/preflight/test_shapes.py`` and
``test_shapes_as_found.py`` to each of its three ends; a folder as argument walks what is in it, names after that walk
those alone. A folder holds one for each shape: ``objects.yaml`` (documents that replace or join Bookinfo's;
``$delete: true`` takes one out) and, where it needs other keys, ``services.yaml``.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Self
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import yaml

from sandbox.catalogue import reviews
from sandbox.kube import bookinfo
from sandbox.mesh.mesh import MeshError
from sandbox.mesh.objects import service_of
from sandbox.mesh.routes import UNROUTED
from sandbox.mesh.users import Ask, Users
from sandbox.mesh.xds import GATEWAY, SIDECAR, View, route_configurations
from sandbox.people import CHANNEL, MAYA, OMAR, Approver, cards
from sandbox.stories.checks import content, wait_for_words
from sandbox.world import World
from tests.sandbox import command_line
from tests.unit.preflight.test_shapes import AWAY, SHAPES, Shape
from tests.unit.preflight.test_shapes_as_found import AS_FOUND

Object = dict[str, Any]
EVERY = SHAPES | AS_FOUND
ENDS = ("promotion", "adoption", "abort")
MOST_REMEDIES = 5
PAST = 25  # requests of each kind that are answered before anybody does anything
AFTERWARDS = 60  # requests after the end, once every proxy has heard of it
TIMED_OUT = 504
BROKEN = "Nobody is answered before anybody has done anything: nothing can be released so."
LATEST = 120  # requests after a write, of which the last follow it
SCRAPE_SECONDS = 1
FAST: Object = {
    "mirror": {"percent": 100, "methods": "all", "for": "8s"},
    "weights": [20, 100],
    "switchback": [100],
    "stage": {"for": "3s", "approve": ["mirror"]},
    "bake": "1s",
    "prometheus": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
    "gates": {
        "errors": {"tolerance": 1.25, "ceiling": "50%"},
        "latency": False,
        "minimum_requests": 10,
        "warm_up": "2s",
        "judge": {"least": "2s"},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that is in the cluster, and what services.yaml says of it."""

    name: str
    objects: list[Object]
    entry: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one walk.

    Attributes:
        remedies: what was done, in order, as it was said.
        refused: why a start was refused still, where no remedy was left; empty: it began, and came to its end.
        wrong: what must not be: errors of users, versions that they should not have met, what was not restored.
        requests: how many users sent.
    """

    remedies: tuple[str, ...]
    refused: str
    wrong: tuple[str, ...]
    requests: int
    seconds: float


def ours(shape: Shape) -> list[Object]:
    """What a shape of the unit tests looks like in a whole cluster."""
    text = json.dumps(shape.virtual_services)
    wanted = {"reviews-v1", "reviews-v2", *(["reviews-v3"] if '"v3"' in text else [])}
    kinds = {"Deployment": wanted, "Pod": {"istio-ingressgateway-0"}}
    found = [one for one in bookinfo.objects() if one["metadata"]["name"] in kinds.get(one["kind"], ())]
    for thing in found:
        if thing["metadata"]["name"] == "reviews-v2":
            thing["spec"]["replicas"] = shape.pods
    return [*found, *_mesh_objects(shape), *(_elsewhere("staging") if AWAY in text else [])]


def _mesh_objects(shape: Shape) -> Iterator[Object]:
    yield {"apiVersion": "v1"} | deepcopy(shape.backend)
    for thing in (*shape.rules, *shape.virtual_services, *shape.gateways):
        yield {"apiVersion": "networking.istio.io/v1"} | deepcopy(thing)


def _elsewhere(namespace: str) -> list[Object]:
    """The same service in another namespace, of the version that is released."""
    found = [
        one
        for one in bookinfo.objects(namespace)
        if (one["kind"], one["metadata"]["name"]) in {("Deployment", "reviews-v1"), ("Service", "reviews")}
    ]
    labels = {"kubernetes.io/metadata.name": namespace}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}, *found]


def case_of(name: str) -> Case:
    """A shape of the unit tests, by its name."""
    shape = EVERY[name]()
    service = shape.service
    return Case(name=name, objects=ours(shape), entry={"routes": list(service.routes)} if service.routes else {})


def cases_of(folder: Path) -> Iterator[Case]:
    """What is in a folder of shapes."""
    for path in sorted(folder.glob("*/objects.yaml")):
        objects = {_key(one): one for one in bookinfo.objects()}
        for thing in filter(None, yaml.safe_load_all(path.read_text())):
            thing["metadata"].setdefault("namespace", "default")
            if thing.pop("$delete", False):
                objects.pop(_key(thing), None)
            else:
                objects[_key(thing)] = thing
        changes = path.with_name("services.yaml")
        entry = yaml.safe_load(changes.read_text())["reviews"] if changes.exists() else {}
        yield Case(name=path.parent.name, objects=list(objects.values()), entry=entry)


def _key(thing: Object) -> tuple[str, str, str]:
    return thing["kind"], thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


class Walk:
    """One shape in a world of its own, while the ``with`` block lasts."""

    def __init__(self, case: Case, end: str, directory: Path) -> None:
        adopted = {"promote": "adopt"} if end == "adoption" else {}
        self._entry = reviews(**(FAST | adopted | case.entry))
        if "virtual_services" in self._entry:
            del self._entry["virtual_service"]
        self._end = end
        self._world = World(
            directory,
            objects=deepcopy(case.objects),
            services={"reviews": self._entry},
            asks=(),
            scrape_seconds=SCRAPE_SECONDS,
        )
        self._stack = ExitStack()
        self._reached: list[tuple[float, frozenset[str]]] = []

    def __enter__(self) -> Self:
        self._stack.enter_context(self._world)
        self._asked = set[tuple[str, Ask]]()
        self._begin_asking()
        self._wait_a_while()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def outcome(self) -> Outcome:
        """Mend, release, and say what users and the cluster saw of it."""
        began, world = time.monotonic(), self._world
        self._own = {(one.ask, one.status) for one in world.ledger.errors}
        before = self._met()
        if not any(filter(None, set().union(*before.values()))):
            return Outcome(remedies=(), refused=BROKEN, wrong=(), requests=len(world.ledger), seconds=0.0)
        remedies, refused = self._mend()
        wrong = [f"before a start: {one}" for one in self._strangers(before, 0.0, time.monotonic())]
        if not refused:
            self._begin_asking()
            mended = time.monotonic()
            self._wait_a_while()
            wrong += self._release(mended)
        wrong += self._failures()
        return Outcome(
            remedies=tuple(remedies),
            refused=refused,
            wrong=tuple(dict.fromkeys(wrong)),
            requests=len(world.ledger),
            seconds=time.monotonic() - began,
        )

    def _wait_a_while(self) -> None:
        self._world.ledger.wait_for_more(PAST * len(self._asked))

    def _release(self, mended: float) -> list[str]:
        """From the start to the end; what must not have been."""
        world = self._world
        known, was, begun = self._met(mended), self._objects(), time.monotonic()
        world.kube.store.subscribe(self._note)
        with Approver(world.slack):
            world.slack.command(MAYA, CHANNEL, "start reviews v2")
            world.slack.wait_for(lambda workspace: cards(workspace) or None, timeout=20)
            if self._end == "abort":
                self._await_users_on_the_canary()
                world.slack.command(OMAR, CHANNEL, "abort reviews enough seen")
                wait_for_words(world, "users are back on", timeout=40)
            else:
                wait_for_words(world, "is promoted", timeout=120)
        world.ledger.wait_for_more(LATEST)
        ended = time.monotonic()
        world.ledger.wait_for_more(AFTERWARDS)
        invited = next((at for at, met in self._reached if met), ended)
        return [*self._strangers(known, begun, invited), *self._afterwards(known, ended), *self._not_restored(was)]

    def _note(self, _event: str, thing: Object) -> None:
        """Whether the routes lead anybody to the canary who was not led there before."""
        if thing["kind"] == "VirtualService":
            self._reached.append((time.monotonic(), frozenset(_on_the_canary(thing))))

    def _await_users_on_the_canary(self) -> None:
        """Until the routes invite somebody, and some have come."""
        if not self._world.kube.store.wait_until(lambda: any(met for _, met in self._reached), 90):
            raise TimeoutError("No user was sent to the canary.")
        self._wait_a_while()

    def _afterwards(self, known: dict[Ask, set[str]], ended: float) -> Iterator[str]:
        if self._end == "abort":
            yield from self._strangers(known, ended, time.monotonic())
            return
        if any(one["metadata"]["namespace"] == "staging" for one in self._world.kube.store.list("Service")):
            return  # whoever is there keeps what is there
        late = [one for one in self._world.ledger.between(ended) if "v2" not in known.get(one.ask, ())]
        yield from (f"{one.ask} met v1 at the end" for one in late if one.version == "v1")

    def _not_restored(self, was: dict[tuple[str, str, str], Object]) -> Iterator[str]:
        for key, thing in self._objects().items():
            before = was.get(key)
            adopted = self._end == "adoption" and thing["kind"] == "VirtualService"
            if before is None or content(_unweighted(thing) if adopted else thing) != content(
                _unweighted(before) if adopted else before
            ):
                yield f"{'/'.join(key)} is not what it was"

    def _objects(self) -> dict[tuple[str, str, str], Object]:
        kinds = ("VirtualService", "DestinationRule", "Service", "Gateway")
        return {_key(one): one for kind in kinds for one in self._world.kube.store.list(kind)}

    def _met(self, since: float = 0.0) -> dict[Ask, set[str]]:
        """The versions that answered, by what was asked for; whoever met several may meet any that somebody met."""
        found: dict[Ask, set[str]] = {}
        for one in self._world.ledger.between(since):
            found.setdefault(one.ask, set()).add(one.version)
        anybody = set().union(*found.values())
        return {ask: anybody if len(versions) > 1 else versions for ask, versions in found.items()}

    def _strangers(self, known: dict[Ask, set[str]], start: float, end: float) -> Iterator[str]:
        """Versions beside the released one that somebody met who had not, nor has anybody decided that he should.

        Where hosts without pods answer most requests of a route, too few are left to say what its users had met.
        """
        unclear = {ask for ask, _ in self._own}
        for one in self._world.ledger.between(start, end):
            if one.version and one.ask not in unclear and one.version not in {"v1"} | known.get(one.ask, {one.version}):
                yield f"{one.ask} met {one.version}"

    def _failures(self) -> Iterator[str]:
        """Errors that users had, but for those that the shape itself answers with: delays, and hosts without pods."""
        routes = [one for each in self._world.kube.store.list("VirtualService") for one in each["spec"].get("http", [])]
        faults = [one["fault"] for one in routes if one.get("fault")]
        theirs = {one["abort"]["httpStatus"] for one in faults if "abort" in one} | ({TIMED_OUT} if faults else set())
        for one in self._world.ledger.errors:
            if (one.ask, one.status) not in self._own and one.status not in theirs:
                yield f"{one.ask}: {one.status}"

    # -- users

    def _begin_asking(self) -> None:
        """Users for every way to the service that nobody uses yet."""
        mesh = self._world.mesh
        urls = {GATEWAY: mesh.gateway_url, SIDECAR: mesh.sidecar_url}
        new = [one for one in self._ways() if one not in self._asked]
        self._asked |= set(new)
        for proxy, asks in groupby(sorted(new, key=lambda one: one[0]), key=lambda one: one[0]):
            chosen = tuple(ask for _, ask in asks)
            self._stack.enter_context(Users(urls[proxy], rate=60, asks=chosen, ledger=self._world.ledger))

    def _ways(self) -> list[tuple[str, Ask]]:
        """A request for each route to the service that some proxy has."""
        store = self._world.kube.store
        view = View(
            virtual_services=store.list("VirtualService"),
            destination_rules=store.list("DestinationRule"),
            gateways=store.list("Gateway"),
            services=tuple(service_of(one) for one in store.list("Service")),
            endpoints=(),
        )
        found = [
            (proxy, ask)
            for proxy, configuration in route_configurations(view).items()
            for host in configuration["virtual_hosts"]
            for route in host["routes"]
            if "|reviews" in json.dumps(route) and (proxy == GATEWAY or _is_governed(route))
            for ask in _ask(host["domains"][0], route["match"])
        ]
        return found or [(SIDECAR, Ask(headers=(("Host", "reviews.default"),)))]

    # -- remedies

    def _mend(self) -> tuple[list[str], str]:
        """Do what each refusal says until there is none, or nothing to do; what was done, and what is refused still."""
        done: list[str] = []
        for _ in range(MOST_REMEDIES):
            planned = self._canary_bot("plan", "reviews", "v2")
            if planned.returncode == 0:
                return done, ""
            refusal = "\n".join(line for line in _lines(planned) if "Warning: " not in line)
            found = [(match, act) for pattern, act in REMEDIES if (match := re.search(pattern, refusal))]
            if not found:
                return done, refusal
            match, act = min(found, key=lambda one: one[0].start())
            act(self, match)
            done.append(match[0])
            self._world.mesh.settle()
        return done, refusal

    def _canary_bot(self, *words: str) -> Any:
        return command_line.run(words, self._world.environment(), self._world.directory)

    def _initialize(self, _: re.Match[str]) -> None:
        """Where it stops half-way with a command of its own, that is done, and it is run again."""
        made = self._canary_bot("init", "reviews", "--apply")
        if made.returncode:
            further = re.search(PATCH, made.stderr)
            if further is None:
                raise AssertionError(f"init refused: {made.stderr}")
            self._patch(further)
            made = self._canary_bot("init", "reviews", "--apply")
        if made.returncode:
            raise AssertionError(f"init refused again: {made.stderr}")

    def _patch(self, command: re.Match[str]) -> None:
        namespace, kind, name, changes = command.groups()
        version = "networking.istio.io/v1" if kind == "virtualservice" else "v1"
        root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        self._send(f"{root}/namespaces/{namespace}/{kind}s/{name}", "application/json-patch+json", changes)

    def _scale(self, command: re.Match[str]) -> None:
        namespace, name, replicas = command.groups()
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"
        self._send(path, "application/merge-patch+json", json.dumps({"spec": {"replicas": int(replicas)}}))
        store = self._world.kube.store
        store.wait_until(
            lambda: (
                (store.get("Deployment", namespace, name) or {}).get("status", {}).get("readyReplicas") == int(replicas)
            ),
            timeout=15,
        )

    def _send(self, path: str, kind: str, body: str) -> None:
        api = self._world.kube
        headers = {"Authorization": f"Bearer {api.token}", "Content-Type": kind}
        with urlopen(HttpRequest(api.url + path, body.encode(), headers, method="PATCH")) as answer:  # noqa: S310
            answer.read()

    def _write_keys(self, line: re.Match[str]) -> None:
        for key in re.findall(r"`(.*?)`", line[1]):
            self._entry |= yaml.safe_load(key)
        if "virtual_services" in self._entry:
            self._entry.pop("virtual_service", None)
        self._reread()

    def _take_routes_out(self, _: re.Match[str]) -> None:
        del self._entry["routes"]
        self._reread()

    def _reread(self) -> None:
        self._world.write_services({"reviews": self._entry})
        self._world.restart_bot()


PATCH = r"`kubectl -n (\S+) patch (virtualservice|service) (\S+) --type=json -p '(.*?)'`"
_KEY = r"`(?:virtual_services?|destination_rule|routes|weights|switchback|promote|primary): [^`]*`"
REMEDIES: list[tuple[str, Callable[[Walk, re.Match[str]], None]]] = [
    (r"`canary-bot init reviews --apply`", Walk._initialize),
    (PATCH, Walk._patch),
    (rf"({_KEY}(?: and {_KEY})*) for reviews in services.yaml", Walk._write_keys),
    (r"Take `routes` out of reviews in services.yaml", Walk._take_routes_out),
    (r"`kubectl -n (\S+) scale deployment/(\S+) --replicas=(\d+)`", Walk._scale),
]


def _lines(planned: Any) -> list[str]:
    """Why there is no plan, and what of a plan stops a start."""
    return [*planned.stderr.splitlines(), *(one for one in planned.stdout.splitlines() if one.startswith("# Stops"))]


def _is_governed(route: Object) -> bool:
    """Whether a VirtualService says so."""
    return bool(route["name"] != UNROUTED)


def _on_the_canary(thing: Object) -> Iterator[str]:
    """The routes without headers that give somebody to the canary."""
    for number, route in enumerate(thing["spec"].get("http") or ()):
        entries = route.get("route") or []
        for entry in entries:
            place = entry["destination"].get("subset") or entry["destination"]["host"].partition(".")[0]
            if (
                (entry.get("weight") or len(entries) == 1)
                and place in CANARY_PLACES
                and "headers" not in str(route.get("match"))
            ):
                yield f"{number}: {place}"


CANARY_PLACES = {"v2", "canary", "reviews-v2", "reviews-canary", "version-b"}


def _unweighted(thing: Object) -> Object:
    """Without shares and the canary's destinations: what an adoption leaves otherwise."""
    kept = deepcopy(thing)
    for route in kept["spec"].get("http") or ():
        places = (json.dumps(one["destination"], sort_keys=True) for one in route.get("route") or ())
        route["route"] = [place for place in places if not any(f'"{name}' in place for name in CANARY_PLACES)]
    return kept


def _ask(domain: str, match: Object) -> Iterator[Ask]:
    """A request that a route of Envoy's takes; none where its pattern is too much for us."""
    path = match.get("path") or match.get("prefix") or _like(match.get("safe_regex", {}).get("regex", ""))
    headers = {one["name"]: one.get("string_match", {}).get("exact", "yes") for one in match.get("headers", ())}
    if path is not None and not any(name.startswith(":") for name in headers):
        host = domain.replace("*.", "shop.").replace("*", "shop.example")
        yield Ask(path=path, headers=(("Host", host), *sorted(headers.items())))


def _like(pattern: str) -> str | None:
    """A path that fits a pattern: its first alternatives, and nothing where anything may be."""
    simple = re.sub(r"\(\??:?([^()|]*)[^()]*\)", r"\1", pattern.strip("^$")).replace(".*", "").replace(".+", "x")
    return simple if re.fullmatch(pattern, simple) else None


def walk(case: Case, end: str, directory: Path) -> Outcome:
    """One shape to one end."""
    with Walk(case, end, directory) as walking:
        return walking.outcome()


def main(words: Sequence[str]) -> int:
    """Walk what is named, and print what came of each; how many went wrong."""
    folder = next((Path(word) for word in words if Path(word).is_dir()), None)
    cases = list(cases_of(folder)) if folder else [case_of(name) for name in EVERY]
    names = [word for word in words if not Path(word).is_dir() and word not in ENDS]
    ends = [word for word in words if word in ENDS] or ENDS
    chosen = [(case, end) for case in cases for end in ends if not names or case.name in names]
    return sum(_has_failed(case, end) for case, end in chosen)


def _has_failed(case: Case, end: str) -> bool:
    """Whether something was wrong with it."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            found = walk(case, end, Path(directory))
        except (TimeoutError, AssertionError, MeshError) as stuck:
            sys.stdout.write(f"FAIL {case.name}: {end}: {stuck}\n")
            return True
    name = "FAIL" if found.wrong else "ok"
    lines = [f"{name:<4} {case.name}: {end}, {found.requests} requests, {found.seconds:.0f} s"]
    lines += [f"       {line[:400]}" for line in (*found.remedies, *found.wrong, *found.refused.splitlines())]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return bool(found.wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
