"""A stand-in for a Kubernetes API server with Istio's kinds, over real HTTP.

``KubeApi`` (server) runs it; ``store`` is its memory, ``api`` its wire, ``deployments`` the controllers that turn
Deployments into Pods and EndpointSlices, ``bookinfo`` what to begin with.
"""

from sandbox.kube.api import AuditRecord
from sandbox.kube.deployments import DeploymentController
from sandbox.kube.server import KubeApi
from sandbox.kube.store import Store

__all__ = ["AuditRecord", "DeploymentController", "KubeApi", "Store"]
