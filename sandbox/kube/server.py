"""``KubeApi``: a whole cluster's control plane in one ``with`` block."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.request import Request, urlopen

import yaml

from sandbox.kube.access import OTHERS, Denial
from sandbox.kube.api import Api, AuditRecord, Written
from sandbox.kube.autoscalers import Autoscalers
from sandbox.kube.deployments import DeploymentController
from sandbox.kube.faults import Fault
from sandbox.kube.objects import Object
from sandbox.kube.resources import ISTIO_VERSIONS, Served, kind_named
from sandbox.kube.store import Store
from sandbox.kube.writes import Target
from sandbox.serving import Serving
from sandbox.wire import Wire

_NAMESPACES = ("default", "kube-system", "istio-system")


class KubeApi:
    """An API server with its store and the controllers behind it, on loopback while the block lasts.

    ``start_seconds`` is how long new pods take until they are Ready. ``istio_versions`` are the served versions of
    networking.istio.io, preferred first. ``bookmark_seconds`` is how often an idle watch that asked for bookmarks
    gets one. With a ``clock`` of one's own (seconds) nothing happens by itself: ``settle`` does what is due by it.
    """

    def __init__(
        self,
        *,
        start_seconds: float | None = 1.0,
        istio_versions: Sequence[str] = ISTIO_VERSIONS,
        bookmark_seconds: float = 2.0,
        clock: Callable[[], float] | None = None,
        names: random.Random | None = None,
        token: str = "sandbox-token",  # noqa: S107 -- made up, and only good here
        port: int = 0,
    ) -> None:
        self.token = token
        self.store = Store() if clock is None else Store(now=lambda: datetime.fromtimestamp(clock(), UTC))
        self._by_hand = clock is not None
        self.deployments = DeploymentController(
            self.store, start_seconds=start_seconds, clock=clock or time.monotonic, names=names
        )
        self.autoscalers = Autoscalers(self.store, clock=clock or time.monotonic)
        self._api = Api(self.store, Served(istio_versions), token=token, bookmark_seconds=bookmark_seconds)
        self._serving = Serving(self._api.application(), port=port, name="kube-api")
        for name in _NAMESPACES:
            labels = {"kubernetes.io/metadata.name": name}
            self.store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def __enter__(self) -> Self:
        self._serving.open()
        if not self._by_hand:
            self.deployments.open()
            self.autoscalers.open()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._by_hand:
            self.autoscalers.close()
            self.deployments.close()
        self._serving.close()

    def settle(self) -> None:
        """Do everything the controllers and nodes have to do by now."""
        revision = -1
        while revision != self.store.revision:
            revision = self.store.revision
            self.autoscalers.step()
            self.deployments.step()

    @property
    def url(self) -> str:
        """The server's address."""
        return self._serving.url

    @property
    def wire(self) -> Wire:
        """Where every request is announced."""
        return self._api.wire

    def witness(self, seen: Callable[[Written], None]) -> None:
        """Call ``seen`` after every write that was carried out, before it is answered."""
        self._api.witnesses.append(seen)

    @property
    def audit(self) -> list[AuditRecord]:
        """Every write request so far, oldest first."""
        return self._api.audit

    @property
    def requests(self) -> Counter[str]:
        """How many requests there were, by HTTP method; those that watch are counted as "watch"."""
        return Counter(self._api.requests)

    def load(self, objects: Iterable[Object]) -> Self:
        """Put objects there, as an administrator did long ago."""
        for obj in objects:
            self.store.put(obj)
        return self

    def write_kubeconfig(self, path: Path) -> Path:
        """A kubeconfig for this server: context "sandbox", namespace "default"."""
        name = "sandbox"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": self.url}}],
            "users": [{"name": name, "user": {"token": self.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
            "current-context": name,
        }
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return path

    def replace_as(self, manager: str, obj: Object) -> None:
        """PUT an object through the API, as somebody's tool with this field manager does (``kubectl-edit``).

        What is forbidden is so to the bot alone.
        """
        kind, metadata = kind_named(obj["kind"]), obj["metadata"]
        head = f"/apis/{obj['apiVersion']}" if "/" in obj["apiVersion"] else f"/api/{obj['apiVersion']}"
        path = f"{head}/namespaces/{metadata['namespace']}/{kind.plural}/{metadata['name']}?fieldManager={manager}"
        headers = {"Authorization": f"Bearer {OTHERS}", "Content-Type": "application/json"}
        request = Request(self.url + path, data=json.dumps(obj).encode(), headers=headers, method="PUT")  # noqa: S310  # our own address
        with urlopen(request, timeout=10) as answer:  # noqa: S310  # our own address
            answer.read()

    def delete_as(self, manager: str, kind: str, namespace: str, name: str) -> None:
        """An object goes, as somebody's tool deletes it; one that is not there is no mistake."""
        before = self.store.get(kind, namespace, name)
        self.store.delete(kind, namespace, name)
        target = Target(kind=kind_named(kind), version=kind_named(kind).versions[0], namespace=namespace, name=name)
        for witness in self._api.witnesses:
            witness(Written(manager=manager, target=target, before=before, after=None))

    def enforce(self, documents: Iterable[Object]) -> Self:
        """Hold writes to the ValidatingAdmissionPolicies among these; whose they are is told by field managers."""
        self._api.enforce(documents)
        return self

    # Trouble on request

    def fail_next(self, *, verb: str, kind: str, status: int, times: int = 1) -> None:
        """The next ``times`` matching requests answer this status, worded as the real server words it.

        Verbs: get, list, watch, create, update, patch, delete.
        """
        self._api.faults.plan(Fault(verb=verb, kind=kind_named(kind).kind, times=times, status=status))

    def drop_next(self, *, verb: str, kind: str, times: int = 1, after_write: bool = False) -> None:
        """The next matching requests lose their connection: before anything happened, or after the write did."""
        self._api.faults.plan(Fault(verb=verb, kind=kind_named(kind).kind, times=times, after=after_write))

    def not_ready(self, *parts: str) -> None:
        """From now on the server says of itself that these parts of it are not ready; none: it is."""
        self._api.failing = parts

    def forbid(self, *, verb: str, kind: str, namespace: str | None = None, subresource: str = "") -> Denial:
        """Deny the bot from now on, by 403 and in SelfSubjectAccessReviews; answers what ``allow`` takes back."""
        plural = kind_named(kind).plural + (f"/{subresource}" if subresource else "")
        denial = Denial(verb=verb, plural=plural, namespace=namespace)
        self._api.access.denials += (denial,)
        return denial

    def allow(self, denial: Denial) -> None:
        """Take one ``forbid`` back; what was denied twice is so until it was allowed twice."""
        denials = list(self._api.access.denials)
        denials.remove(denial)
        self._api.access.denials = tuple(denials)

    def forget_history(self) -> None:
        """Compact the change log: running watches end with an ERROR event 410, and so do later ones from before."""
        self.store.forget_history()
        self._api.watching.bell.ring()
