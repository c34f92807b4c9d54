"""The port ``Surveyor``: everything preflight reads, as the API server has it. What it means is decided there."""

from __future__ import annotations

from collections.abc import Sequence

from bot.adapters.kube import Kube, Object, Unanswered, selector_text
from bot.rollout.errors import Fault
from bot.rollout.preflight import Survey
from bot.rollout.service import Service

MESH = "mesh"  # in a VirtualService's list of gateways: the sidecars, and no Gateway object


class KubeSurveyor:
    """Surveys services of one cluster."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def survey(self, service: Service, version: str) -> Survey:
        """The raw objects as the API server has them; missing ones are None or empty, forbidden ones are told.

        Raises:
            Unanswered: the API server gave no answer, so nothing could be said about the service.
        """
        look = _Look(self._kube)
        meshes = look.list("VirtualService", service.namespace)
        ours = next((one for one in meshes if one["metadata"]["name"] == service.virtual_service), None)
        kubernetes_service = look.get("Service", *service_place(service))
        destination_rules = look.list("DestinationRule", service.namespace)
        gateways = [look.get("Gateway", *place) for place in gateway_places(ours)] if ours else []
        deployments = look.list("Deployment", service.namespace)
        sides = {service.primary_deployment, service.canary_name(version)}
        pods = look.pods([one for one in deployments if one["metadata"]["name"] in sides])
        return Survey(
            virtual_service=ours,
            service=kubernetes_service,
            virtual_services=tuple(one for one in meshes if one is not ours),
            destination_rules=tuple(destination_rules),
            gateways=tuple(gateway for gateway in gateways if gateway),
            deployments=tuple(deployments),
            pods=tuple(pods),
            failures=tuple(look.failures),
        )


class _Look:
    """One survey's reads. What may not be read is remembered as a sentence, and the survey goes on."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self.failures: list[str] = []

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        try:
            return self._kube.get(kind, namespace, name)
        except Fault as fault:
            self._remember(fault)
            return None

    def list(self, kind: str, namespace: str, label_selector: str = "") -> Sequence[Object]:
        try:
            return self._kube.list(kind, namespace, label_selector)
        except Fault as fault:
            self._remember(fault)
            return []

    def pods(self, deployments: Sequence[Object]) -> Sequence[Object]:
        """Pods of these Deployments by their selectors, which may overlap: each pod once."""
        found: dict[str, Object] = {}
        for deployment in deployments:
            selector = selector_text(deployment["spec"]["selector"])
            pods = self.list("Pod", deployment["metadata"]["namespace"], selector)
            found |= {pod["metadata"]["name"]: pod for pod in pods}
        return list(found.values())

    def _remember(self, fault: Fault) -> None:
        if isinstance(fault, Unanswered):
            raise fault
        self.failures.append(fault.sentence)


def service_place(service: Service) -> tuple[str, str]:
    """Namespace and name of the Kubernetes Service, which may be given by any form of its DNS name."""
    name, _, rest = (service.host or service.name).partition(".")
    return rest.partition(".")[0] or service.namespace, name


def gateway_places(vs: Object) -> list[tuple[str, str]]:
    """Namespace and name of each Gateway a VirtualService names, in any of the three forms Istio takes."""
    home = vs["metadata"]["namespace"]
    named = [gateway for gateway in vs["spec"].get("gateways") or [] if gateway != MESH]
    return [_gateway_place(gateway, home) for gateway in named]


def _gateway_place(gateway: str, home: str) -> tuple[str, str]:
    if "/" in gateway:
        namespace, _, name = gateway.partition("/")
        return (home if namespace == "." else namespace), name
    name, _, rest = gateway.partition(".")  # the legacy form, NAME.NAMESPACE.svc.cluster.local
    return rest.partition(".")[0] or home, name
