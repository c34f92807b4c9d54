"""The data plane of the rehearsal: real requests through a real Envoy to real small servers.

``Mesh`` follows the objects of the Kubernetes stand-in; ``Users`` send requests and keep a ``Ledger``.
"""

from __future__ import annotations

from sandbox.mesh.faults import Fault, Faults
from sandbox.mesh.gateway import RouteInForce
from sandbox.mesh.mesh import Mesh, MeshError, Snapshot
from sandbox.mesh.users import Ledger, Request, Users

__all__ = ["Fault", "Faults", "Ledger", "Mesh", "MeshError", "Request", "RouteInForce", "Snapshot", "Users"]
