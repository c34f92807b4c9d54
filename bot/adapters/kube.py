"""The Kubernetes API as plain JSON: the only module that knows the ``kubernetes`` client.

That client brings credentials (kubeconfig, in-cluster, refreshed tokens) and TLS. Its typed models stay unused: they
drop the fields they do not know, and an object that goes back without them has been changed by us. No rule of ours
lives here, only how to ask and what the answers mean:

- a missing object reads as None; a conflict is ``Contended``;
- ``Unanswered`` is a request whose outcome nobody knows (no connection, timeout, 5xx): before writing again, look;
- everything else the server refuses is a ``Fault`` with its own sentence, which never holds a header or a token.

Each request is sent once and has a timeout; the client's own retries are off, because they would repeat writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import structlog
import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from bot.rollout.errors import Contended, Fault, Refusal

Object = dict[str, Any]

FIELD_MANAGER = "canary-bot"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

ISTIO = "networking.istio.io"
ISTIO_VERSIONS = ("v1", "v1beta1", "v1alpha3")  # best first; their schemas are the same

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
CONNECTIONS = 32  # as many as there are threads that may ask at once
LONGEST_MESSAGE = 500

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Unanswered(Fault):
    """The API server gave no usable answer, so a write may have happened or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Where a kind is served. ``version`` is None where it must be discovered."""

    plural: str
    group: str = ""
    version: str | None = "v1"


KINDS: Mapping[str, Kind] = {
    "VirtualService": Kind(plural="virtualservices", group=ISTIO, version=None),
    "DestinationRule": Kind(plural="destinationrules", group=ISTIO, version=None),
    "Gateway": Kind(plural="gateways", group=ISTIO, version=None),
    "Deployment": Kind(plural="deployments", group="apps"),
    "ReplicaSet": Kind(plural="replicasets", group="apps"),
    "HorizontalPodAutoscaler": Kind(plural="horizontalpodautoscalers", group="autoscaling", version="v2"),
    "EndpointSlice": Kind(plural="endpointslices", group="discovery.k8s.io"),
    "Service": Kind(plural="services"),
    "Pod": Kind(plural="pods"),
    "Event": Kind(plural="events"),
}


def log_warning(text: str) -> None:
    """What happens to an admission warning unless somebody else wants to hear it."""
    log.warning("kubernetes_warning", text=text)


class Kube:
    """One cluster. Safe to share between threads."""

    def __init__(self, api: client.ApiClient, on_warning: Callable[[str], None] = log_warning) -> None:
        self._api = api
        self._on_warning = on_warning
        self._istio_version: str | None = None

    @classmethod
    def connect(
        cls,
        kubeconfig: str | None = None,
        context: str | None = None,
        on_warning: Callable[[str], None] = log_warning,
    ) -> Kube:
        """By kubeconfig (several paths are joined as kubectl does); without one, as the pod we are or as kubectl would.

        Nothing is asked of the server yet.

        Raises:
            Refusal: the configuration does not say which cluster is meant, or as whom.
        """
        settings = client.Configuration()
        settings.retries = False
        settings.connection_pool_maxsize = CONNECTIONS
        try:
            _configure(settings, kubeconfig, context)
        except config.ConfigException as error:
            raise Refusal(f"Cannot tell which Kubernetes cluster to use: {error}. Set KUBECONFIG.") from error
        except (yaml.YAMLError, OSError) as error:  # their own words may quote the file, and it holds tokens
            raise Refusal(f"The kubeconfig {kubeconfig or ''} cannot be read ({type(error).__name__}).") from error
        return cls(client.ApiClient(settings), on_warning)

    def ping(self) -> None:
        """Raise ``Fault`` when the API server cannot be asked."""
        self.version()

    def version(self) -> str:
        """The API server's version, such as v1.35.1; which it tells anybody who may speak to it."""
        answer = self._ask("GET", "/version", "read the server's version")
        return str((answer or {}).get("gitVersion", "unknown"))

    def istio_version(self) -> str:
        """The version of networking.istio.io to speak; found once, because changing it in mid-run splits ownership."""
        if self._istio_version is None:
            group = self._ask("GET", f"/apis/{ISTIO}", f"discover {ISTIO}") or {}
            served = {entry["version"] for entry in group.get("versions", [])}
            known = [version for version in ISTIO_VERSIONS if version in served]
            if not known:
                raise Fault("Kubernetes", f"The cluster serves no {ISTIO}: is Istio installed?")
            self._istio_version = known[0]
        return self._istio_version

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, or None when there is none of that name."""
        return self._ask("GET", self._path(kind, namespace, name), f"read {kind} {namespace}/{name}")

    def list(self, kind: str, namespace: str, label_selector: str = "") -> list[Object]:
        """The objects of a namespace, each with its apiVersion and kind, which the server leaves out of lists."""
        path = self._path(kind, namespace, labelSelector=label_selector)
        answer = self._ask("GET", path, f"list {kind}s of {namespace}") or {}
        head = {"apiVersion": self._api_version(KINDS[kind]), "kind": kind}
        return [{**head, **item} for item in answer.get("items") or []]

    def put(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Replace an object if its resourceVersion is still the one in ``obj``. Unknown fields are refused."""
        metadata = obj["metadata"]
        path = self._path(obj["kind"], metadata["namespace"], metadata["name"], **_writing(dry_run=dry_run))
        return self._write("PUT", path, f"update {obj['kind']} {metadata['namespace']}/{metadata['name']}", obj)

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Create an object."""
        metadata = obj["metadata"]
        path = self._path(obj["kind"], metadata["namespace"], **_writing(dry_run=dry_run))
        name = metadata.get("name", metadata.get("generateName", ""))
        return self._write("POST", path, f"create {obj['kind']} {metadata['namespace']}/{name}", obj)

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
        path = self._path(kind, namespace, name, subresource, **_writing(dry_run=dry_run))
        doing = f"patch {kind} {namespace}/{name}" + (f" ({subresource})" if subresource else "")
        return self._write("PATCH", path, doing, body, content_type)

    # The wire

    def _path(self, kind: str, namespace: str, name: str = "", subresource: str = "", **query: str) -> str:
        where = KINDS[kind]
        version = self._api_version(where)
        root = ["apis" if where.group else "api", version, "namespaces", namespace, where.plural, name, subresource]
        asked = urlencode({key: value for key, value in query.items() if value})
        return "/" + "/".join(quote(part) for part in root if part) + (f"?{asked}" if asked else "")

    def _api_version(self, kind: Kind) -> str:
        version = kind.version or self.istio_version()
        return f"{kind.group}/{version}" if kind.group else version

    def _write(
        self, method: str, path: str, doing: str, body: Object, content_type: str = "application/json"
    ) -> Object:
        answer = self._ask(method, path, doing, body, content_type)
        if answer is None:
            raise Fault("Kubernetes", f"Could not {doing}: it does not exist.")
        return answer

    def _ask(
        self, method: str, path: str, doing: str, body: Object | None = None, content_type: str | None = None
    ) -> Object | None:
        """Send one request; None is a 404."""
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if content_type else {})
        try:
            _, url, headers, _, _ = self._api.param_serialize(
                method, path, header_params=headers, auth_settings=["BearerToken"]
            )
            timeout = (CONNECT_SECONDS, READ_SECONDS)
            response = self._api.call_api(method, url, headers, body, _request_timeout=timeout)
            text = response.read()  # type: ignore[no-untyped-call]  # the client has no types here
        except config.ConfigException as error:
            raise Fault("Kubernetes", f"Could not {doing}: the credentials cannot be renewed.") from error
        except urllib3.exceptions.TimeoutError as error:
            raise Unanswered("Kubernetes", f"Could not {doing}: the API server did not answer in time.") from error
        except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
            what = type(error).__name__
            raise Unanswered("Kubernetes", f"Could not {doing}: the API server cannot be reached ({what}).") from error
        for text_of_warning in warnings_in(response.headers.getlist("Warning")):
            self._on_warning(text_of_warning)
        return _answer(response.status, text, doing)


def _configure(settings: client.Configuration, kubeconfig: str | None, context: str | None) -> None:
    if kubeconfig is None and context is None:
        try:
            config.load_incluster_config(settings)  # type: ignore[no-untyped-call]  # the client has no types here
        except config.ConfigException:
            log.debug("not_in_a_cluster")
        else:
            return
    config.load_kube_config(kubeconfig, context, settings, persist_config=False)  # type: ignore[no-untyped-call]  # here


def selector_text(selector: Mapping[str, Any]) -> str:
    """A Deployment's ``spec.selector`` in the form the API server takes in a query."""
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*equal, *map(_requirement, selector.get("matchExpressions") or [])])


def warnings_in(headers: Iterable[str]) -> list[str]:
    """The texts of ``Warning: 299 - "..."`` response headers."""
    return [_ESCAPED.sub(r"\1", text) for header in headers for text in _WARNING.findall(header)]


def _requirement(expression: Mapping[str, Any]) -> str:
    key, values = expression["key"], ",".join(expression.get("values") or [])
    forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "DoesNotExist": f"!{key}"}
    return str(forms.get(expression["operator"], key))


def _writing(*, dry_run: bool) -> dict[str, str]:
    # Strict: an unknown field would otherwise be dropped in silence (`mirror_percentage` is 100 % mirroring).
    return {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "dryRun": "All" if dry_run else ""}


def _answer(status: int, body: bytes, doing: str) -> Object | None:
    answer = _json(body)
    if status < HTTPStatus.MULTIPLE_CHOICES and answer is not None:
        return answer
    if status == HTTPStatus.NOT_FOUND:
        return None
    said = str((answer or {}).get("message") or f"HTTP {status}")[:LONGEST_MESSAGE].rstrip(".")
    sentence = f"Could not {doing}: {said}."
    if status == HTTPStatus.CONFLICT:
        raise Contended("Kubernetes", sentence)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS or answer is None:
        raise Unanswered("Kubernetes", sentence)
    raise Fault("Kubernetes", sentence)


def _json(body: bytes) -> Object | None:
    """The JSON object in an answer; None for anything else, such as a proxy's page."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
