"""The Kubernetes API as plain JSON, sent with the ``kubernetes`` client.

That client brings credentials (kubeconfig, in-cluster, refreshed tokens) and TLS. Its typed models stay unused: they
drop the fields they do not know, and an object that goes back without them has been changed by us. No rule of ours
lives here, only how to ask; what the answers mean is in ``kube_answers``.

Each request is sent once, and its answer ends in time (see ``bot.bounded``); the client's own retries are off, because
they would repeat writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote, urlencode

import structlog
import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTResponse

from bot import bounded
from bot.adapters.calls import Called, counted, nobody
from bot.adapters.kube_answers import (
    Expired,
    Unanswered,
    answer_in,
    continue_in,
    event_in,
    failed,
    items_in,
    shows_ready,
    version_in,
    warnings_in,
)
from bot.adapters.kube_credentials import learn, now_and_then
from bot.adapters.kube_shapes import checked
from bot.cluster.managed_fields import FIELD_MANAGER
from bot.cluster.objects import Object
from bot.cluster.selectors import EVERYTHING, LabelSelector
from bot.model.errors import Cause, Fault, Refusal
from bot.words.sentence import Code, Sentence, Text, said

WATCHDOG_MANAGER = "canary-bot-watchdog"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

LONGEST_NAME = 253
PAGE = 500  # objects of a list that one answer has, as kubectl asks for them; each answer is bounded by itself
MOST_PAGES = 400  # that one list may have: more objects than Kubernetes' own limit for a cluster's pods, 150,000
LISTS = 3  # tries of one list, which takes minutes where the server forgets its beginning meanwhile
BOOKMARK = "BOOKMARK"  # an event that says only how far the watch has come
ISTIO = "networking.istio.io"
ISTIO_VERSIONS = ("v1", "v1beta1", "v1alpha3")  # best first; their schemas are the same

SECURITY = "security.istio.io"  # every Istio that mirrors serves its v1beta1

AUTHENTICATION = "authentication.k8s.io/v1"
REVIEWS = "authorization.k8s.io/v1"

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
WATCH_GRACE_SECONDS = 3.0  # a stream that outlives what was asked for by this much has no server at its other end
CHUNK = 65_536  # bytes
CONNECTIONS = 32  # as many as there are threads that may ask at once


log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Reads(Protocol):
    """Whoever can say what is in the cluster: the API server, or a cache of it.

    What it answers may be shared with others and is not to be altered.
    """

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, or None when there is none of that name."""

    def list(self, kind: str, namespace: str, selector: LabelSelector = EVERYTHING) -> list[Object]:
        """The objects of a namespace that match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Where a kind is served.

    version: None where it must be discovered.
    since: the Kubernetes that first served it so, where the bot may meet an older one.
    namespaced: whether its objects are in Namespaces.
    """

    plural: str
    group: str = ""
    version: str | None = "v1"
    since: str = ""
    namespaced: bool = True


KINDS: Mapping[str, Kind] = {
    "VirtualService": Kind(plural="virtualservices", group=ISTIO, version=None),
    "DestinationRule": Kind(plural="destinationrules", group=ISTIO, version=None),
    "Gateway": Kind(plural="gateways", group=ISTIO, version=None),
    "Deployment": Kind(plural="deployments", group="apps"),
    "StatefulSet": Kind(plural="statefulsets", group="apps"),
    "DaemonSet": Kind(plural="daemonsets", group="apps"),
    "ReplicaSet": Kind(plural="replicasets", group="apps"),
    "HorizontalPodAutoscaler": Kind(plural="horizontalpodautoscalers", group="autoscaling", version="v2", since="1.23"),
    "HTTPRoute": Kind(plural="httproutes", group="gateway.networking.k8s.io"),
    "PodDisruptionBudget": Kind(plural="poddisruptionbudgets", group="policy", since="1.21"),
    "ResourceQuota": Kind(plural="resourcequotas"),
    "Sidecar": Kind(plural="sidecars", group=ISTIO, version=None),
    "PeerAuthentication": Kind(plural="peerauthentications", group=SECURITY, version="v1beta1"),
    "AuthorizationPolicy": Kind(plural="authorizationpolicies", group=SECURITY, version="v1beta1"),
    "Canary": Kind(plural="canaries", group="flagger.app", version="v1beta1"),
    "Rollout": Kind(plural="rollouts", group="argoproj.io", version="v1alpha1"),
    "Lease": Kind(plural="leases", group="coordination.k8s.io"),
    "Namespace": Kind(plural="namespaces", namespaced=False),
    "ConfigMap": Kind(plural="configmaps"),
    "Service": Kind(plural="services"),
    "Pod": Kind(plural="pods"),
    "Event": Kind(plural="events"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectKey:
    """One object, or a part of it."""

    kind: str
    namespace: str
    name: str
    subresource: str = ""

    def __str__(self) -> str:
        part = f" ({self.subresource})" if self.subresource else ""
        return f"{self.kind} {self.namespace}/{self.name}{part}"


# Told after each write: the object as the write left it, or None when only a new look can say.
Hear = Callable[[ObjectKey, Object | None], None]


def log_warning(text: str) -> None:
    """What happens to an admission warning unless somebody else wants to hear it."""
    log.warning("kubernetes_warning", text=text)


class Kube:
    """One cluster. Safe to share between threads."""

    def __init__(
        self,
        api: client.ApiClient,
        on_warning: Callable[[str], None] = log_warning,
        manager: str = FIELD_MANAGER,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._api = api
        bounded.bound(api.rest_client.pool_manager)
        self._manager = manager
        self._read_seconds = read_seconds
        self._on_warning = on_warning
        self._hears: list[Hear] = []
        self._called: Called = nobody
        self.where: Text = api.configuration.host  # and by what it was chosen, for people
        self._istio_version: str | None = None

    @classmethod
    def connect(
        cls,
        kubeconfig: str | None = None,
        context: str | None = None,
        on_warning: Callable[[str], None] = log_warning,
        manager: str = FIELD_MANAGER,
    ) -> Kube:
        """By kubeconfig (several paths are joined as kubectl does); without one, as the pod we are or as kubectl would.

        Nothing is asked of the server yet. ``manager`` is under whose name we write.

        Raises:
            Refusal: the configuration does not say which cluster is meant, or as whom.
        """
        settings = client.Configuration()
        settings.retries = False
        settings.connection_pool_maxsize = CONNECTIONS
        try:
            named = _configure(settings, kubeconfig, context)
        except config.ConfigException as error:
            raise Refusal(said("adapters.no_cluster", why=str(error), setting=Code("KUBECONFIG"))) from error
        except (yaml.YAMLError, OSError) as error:  # their own words may quote the file, and it holds tokens
            raise Refusal(said("adapters.no_kubeconfig", file=kubeconfig or "", kind=type(error).__name__)) from error
        settings.refresh_api_key_hook = now_and_then(settings.refresh_api_key_hook)  # type: ignore[assignment]  # the client has it None
        learn(settings)
        kube = cls(client.ApiClient(settings), on_warning, manager)
        kube.where = said("adapters.where", host=settings.host, named=named)
        return kube

    def count_calls(self, called: Called) -> None:
        """Call ``called`` after each request with how it ended; "there is no such object" is an answer, and ``ok``."""
        self._called = called

    def ping(self) -> None:
        """Raise ``Fault`` when the API server cannot be asked, or says that it is not ready.

        Without etcd it still tells its version, and much from memory. Where it does not show whether it is ready (the
        rights of system:public-info-viewer were taken away), its version has to do.
        """
        doing = said("adapters.do_ready")
        with counted(self._called):
            with _faults(doing):
                response = self._send("GET", "/readyz")
                text = _body(response)
            if not shows_ready(response.status, text):
                with _faults(doing):
                    response = self._send("GET", "/version")
                    text = _body(response)
                answer_in(response.status, text, doing)

    def version(self) -> str:
        """The API server's version, such as v1.35.1; which it tells anybody who may speak to it."""
        answer = self._ask("GET", "/version", said("adapters.do_version"))
        return str((answer or {}).get("gitVersion", "unknown"))

    def istio_version(self) -> str:
        """The version of networking.istio.io to speak; found once, because changing it in mid-run splits ownership."""
        if self._istio_version is None:
            group = self._ask("GET", f"/apis/{ISTIO}", said("adapters.do_discover", group=ISTIO)) or {}
            served = {entry["version"] for entry in group.get("versions", [])}
            known = [version for version in ISTIO_VERSIONS if version in served]
            if not known:
                raise Fault("Kubernetes", said("adapters.no_istio", group=ISTIO), Cause.MISSING)
            self._istio_version = known[0]
        return self._istio_version

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, or None when there is none of that name."""
        found = self._ask(
            "GET", self._path(kind, namespace, name), said("adapters.do_read", thing=f"{kind} {namespace}/{name}")
        )
        return None if found is None else checked(found, kind)

    def snapshot(
        self, kind: str, namespace: str | None, selector: LabelSelector = EVERYTHING
    ) -> tuple[list[Object], str]:
        """What ``list`` answers, and the version of the cluster it shows: where a watch goes on from.

        ``namespace`` None: all of them, for which a Role is not enough. A kind of an extension that is not installed
        has no objects.

        Raises:
            Fault: it is a kind of Kubernetes' own and the API server is too old to serve it, so there may be some.
        """
        doing = (
            said("adapters.do_list_all", kind=kind)
            if namespace is None
            else said("adapters.do_list", kind=kind, namespace=namespace)
        )
        pages = self._pages(kind, namespace, selector, doing)
        head = {"apiVersion": self._api_version(KINDS[kind]), "kind": kind}
        items = [{**checked(item, kind), **head} for page in pages for item in items_in(page)]
        return items, version_in(pages[0])

    def _pages(self, kind: str, namespace: str | None, selector: LabelSelector, doing: Sentence) -> list[Object]:
        """The answers that make one list of ``PAGE`` objects each; all show the same version of the cluster.

        Where the server has forgotten that version before the last of them, the list begins anew.
        """
        for _ in range(LISTS):
            pages = list[Object]()
            go_on = ""
            try:
                while not pages or go_on:
                    pages.append(self._page(kind, namespace, selector, go_on, doing))
                    go_on = continue_in(pages[-1])
                    if len(pages) >= MOST_PAGES and go_on:
                        raise Unanswered("Kubernetes", said("adapters.no_list"))
            except Expired as expired:
                outdated = expired
            else:
                return pages
        raise outdated

    def _page(self, kind: str, namespace: str | None, selector: LabelSelector, go_on: str, doing: Sentence) -> Object:
        asked = {"labelSelector": str(selector), "limit": str(PAGE), "continue": go_on}
        answer = self._ask("GET", self._path(kind, namespace, **asked), doing)
        if answer is None and (since := KINDS[kind].since):
            raise Fault("Kubernetes", said("adapters.too_old", kind=kind, since=since))
        return answer or {}

    def list_everywhere(self, kind: str, selector: LabelSelector = EVERYTHING) -> list[Object]:
        """The objects of all namespaces, as ``list`` has them."""
        return self.snapshot(kind, None, selector)[0]

    def list(self, kind: str, namespace: str, selector: LabelSelector = EVERYTHING) -> list[Object]:
        """The objects of a namespace, each with its apiVersion and kind, which the server leaves out of lists."""
        return self.snapshot(kind, namespace, selector)[0]

    def watch(self, kind: str, namespace: str, resource_version: str, seconds: int) -> Stream:
        """What changes in a namespace after that version, bookmarks included; the server ends it after ``seconds``.

        Raises:
            Expired: the server no longer knows that version; also later, from the stream.
        """
        asked = {"resourceVersion": resource_version, "timeoutSeconds": str(seconds), "allowWatchBookmarks": "true"}
        path = self._path(kind, namespace, watch="true", **asked)
        doing = said("adapters.do_watch", kind=kind, namespace=namespace)
        with counted(self._called):
            with _faults(doing):
                response = self._send("GET", path, read_seconds=seconds + WATCH_GRACE_SECONDS)
                if response.status == HTTPStatus.OK:
                    return Stream(response.response, doing, kind)
                text = _body(response)
            answer_in(response.status, text, doing)
        raise Fault("Kubernetes", failed(doing, said("adapters.not_served")), Cause.MISSING)

    def notifying(self, on_warning: Callable[[str], None]) -> Kube:
        """The same cluster for a while: what admission has against an object is told to ``on_warning`` instead."""
        other = copy(self)
        other._on_warning = on_warning  # noqa: SLF001  # our own copy
        return other

    def account(self) -> str:
        """As whom the server knows us; "" where it cannot tell (before Kubernetes 1.28)."""
        body = {"apiVersion": AUTHENTICATION, "kind": "SelfSubjectReview"}
        path = f"/apis/{AUTHENTICATION}/selfsubjectreviews"
        answer = self._ask("POST", path, said("adapters.do_ask_who"), body, "application/json") or {}
        return str(((answer.get("status") or {}).get("userInfo") or {}).get("username") or "")

    def review(self, attributes: Object) -> Object:
        """Whether we may do what ``attributes`` say: the status of a SelfSubjectAccessReview. Nothing is stored."""
        body = {"apiVersion": REVIEWS, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        doing = said("adapters.do_ask_rights")
        answer = self._ask("POST", f"/apis/{REVIEWS}/selfsubjectaccessreviews", doing, body, "application/json")
        if answer is None:
            raise Fault("Kubernetes", failed(doing, said("adapters.group_not_served", group=REVIEWS)), Cause.MISSING)
        status: Object = answer.get("status") or {}
        return status

    def on_write(self, hear: Hear) -> None:
        """Call ``hear`` after each write that was no rehearsal, before whoever wrote goes on."""
        self._hears.append(hear)

    def put(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Replace an object if its resourceVersion is still the one in ``obj``. Unknown fields are refused."""
        key = _key_of(obj)
        return self._write("PUT", said("adapters.do_update", thing=str(key)), key, obj, dry_run=dry_run)

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Create an object."""
        key = _key_of(obj)
        return self._write("POST", said("adapters.do_create", thing=str(key)), key, obj, dry_run=dry_run)

    def delete(self, obj: Object) -> None:
        """Delete an object if it is still the one that was read; nothing where it is gone already."""
        key, metadata = _key_of(obj), obj["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
        }
        path = self._path(key.kind, key.namespace, key.name)
        try:
            self._ask("DELETE", path, said("adapters.do_delete", thing=str(key)), body, "application/json")
        finally:
            self._notify(key, None)

    def patch(
        self,
        kind: str,
        namespace: str,
        name: str,
        body: Object,
        *,
        content_type: str = STRATEGIC_PATCH,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Patch an object; a resourceVersion in ``body`` makes it conditional. Custom resources take merge patches."""
        key = ObjectKey(kind=kind, namespace=namespace, name=name, subresource=subresource)
        doing = said("adapters.do_patch", thing=str(key))
        return self._write("PATCH", doing, key, body, dry_run=dry_run, content_type=content_type)

    # The wire

    def _path(self, kind: str, namespace: str | None, name: str = "", subresource: str = "", **query: str) -> str:
        where = KINDS[kind]
        version = self._api_version(where)
        space = ("namespaces", _segment(namespace)) if namespace is not None and where.namespaced else ()
        root = ["apis" if where.group else "api", version, *space, where.plural, _segment(name), subresource]
        asked = urlencode({key: value for key, value in query.items() if value})
        return "/" + "/".join(part for part in root if part) + (f"?{asked}" if asked else "")

    def _api_version(self, kind: Kind) -> str:
        version = kind.version or self.istio_version()
        return f"{kind.group}/{version}" if kind.group else version

    def _write(
        self,
        method: str,
        doing: Sentence,
        key: ObjectKey,
        body: Object,
        *,
        dry_run: bool,
        content_type: str = "application/json",
    ) -> Object:
        name = "" if method == "POST" else key.name
        path = self._path(key.kind, key.namespace, name, key.subresource, **_writing(self._manager, dry_run=dry_run))
        try:
            answer = self._ask(method, path, doing, body, content_type)
        except Unanswered:
            self._notify(key, None)
            raise
        if answer is None:
            raise Fault("Kubernetes", failed(doing, said("adapters.not_there")), Cause.MISSING)
        if not dry_run:
            self._notify(key, None if key.subresource else answer)
        return answer

    def _notify(self, key: ObjectKey, left: Object | None) -> None:
        for hear in self._hears:
            hear(key, left)

    def _ask(
        self, method: str, path: str, doing: Sentence, body: Object | None = None, content_type: str | None = None
    ) -> Object | None:
        """Send one request and read its answer; None is a 404."""
        with counted(self._called):
            with _faults(doing):
                response = self._send(method, path, body, content_type)
                text = _body(response)
            answer = answer_in(response.status, text, doing)
        for text_of_warning in warnings_in(response.headers.getlist("Warning")):
            self._on_warning(text_of_warning)
        return answer

    def _send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str | None = None,
        read_seconds: float | None = None,
    ) -> RESTResponse:
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if content_type else {})
        _, url, headers, _, _ = self._api.param_serialize(
            method, path, header_params=headers, auth_settings=["BearerToken"]
        )
        return self._api.call_api(
            method, url, headers, body, _request_timeout=(CONNECT_SECONDS, read_seconds or self._read_seconds)
        )


class Stream:
    """The events of one watch as they arrive, each an object with ``type`` and ``object``. It ends when the server's
    time for it is up; whatever else ends it is raised, as a request's would be.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, doing: Sentence, kind: str) -> None:
        self._kind = kind
        self._response = response
        self._doing = doing

    def __iter__(self) -> Iterator[Object]:
        rest = b""
        with _faults(self._doing), self._response:
            for chunk in self._response.stream(None):
                # A line cut off by the stream's end is dropped: whoever resumes is told again.
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (self._event(line) for line in lines if line)
                bounded.whole([rest])

    def _event(self, line: bytes) -> Object:
        event = event_in(line, self._doing)
        if event["type"] != BOOKMARK:
            checked(event["object"], self._kind)
        return event

    def close(self) -> None:
        """End it; from any thread, while another waits for an event."""
        try:
            self._response.shutdown()
        except (ValueError, RuntimeError, OSError):
            log.debug("stream_had_ended")  # and its connection may be somebody else's by now


def _body(response: RESTResponse) -> bytes:
    """The whole answer."""
    try:
        return bounded.whole(response.response.stream(CHUNK))
    except BaseException:
        response.response.close()  # what is still to come is nobody's
        raise


@contextmanager
def _faults(doing: Sentence) -> Iterator[None]:
    """What the client raises, in our words."""
    try:
        yield
    except config.ConfigException as error:
        raise Fault("Kubernetes", failed(doing, said("adapters.not_renewed")), Cause.FORBIDDEN) from error
    except urllib3.exceptions.NewConnectionError as error:  # to urllib3 this is a time-out, though nobody waited
        raise Unanswered("Kubernetes", failed(doing, said("adapters.nobody_there"))) from error
    except urllib3.exceptions.TimeoutError as error:
        raise Unanswered("Kubernetes", failed(doing, said("adapters.server_late")), Cause.TIMED_OUT) from error
    except (urllib3.exceptions.HTTPError, ApiException, OSError, ValueError) as error:  # the last of a redirect's
        why = said("adapters.server_unreached", kind=type(error).__name__)
        raise Unanswered("Kubernetes", failed(doing, why)) from error


def _configure(settings: client.Configuration, kubeconfig: str | None, context: str | None) -> Text:
    """Fill in the settings; answers what they come from, for people."""
    if kubeconfig is None and context is None:
        try:
            config.load_incluster_config(settings)  # type: ignore[no-untyped-call]  # the client has no types here
        except config.ConfigException:
            log.debug("not_in_a_cluster")
        else:
            return said("adapters.own_account")
    config.load_kube_config(kubeconfig, context, settings, persist_config=False)  # type: ignore[no-untyped-call]  # here
    _, active = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]  # here
    return said("adapters.context", name=str(context or active["name"]))


def _segment(name: str) -> str:
    """A name as one part of an address; names come from annotations and from Redis, too.

    Raises:
        Fault: no object can be called that (``IsValidPathSegmentName`` of k8s.io/apimachinery).
    """
    if name in {".", ".."} or "/" in name or "%" in name or not name.isascii():
        raise Fault("Kubernetes", said("adapters.no_such_name", name=ascii(name[:LONGEST_NAME])), Cause.REFUSED)
    return quote(name, safe="")


def _writing(manager: str, *, dry_run: bool) -> dict[str, str]:
    # Strict: an unknown field would otherwise be dropped in silence (`mirror_percentage` is 100 % mirroring).
    return {"fieldManager": manager, "fieldValidation": "Strict", "dryRun": "All" if dry_run else ""}


def _key_of(obj: Object) -> ObjectKey:
    metadata = obj["metadata"]
    name = metadata.get("name", metadata.get("generateName", ""))
    return ObjectKey(kind=obj["kind"], namespace=metadata["namespace"], name=name)
