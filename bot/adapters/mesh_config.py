"""What the mesh itself is set to, from istiod's own ConfigMap."""

from __future__ import annotations

import yaml

from bot.adapters.kube import Kube
from bot.model.errors import Cause, Fault

MESH_CONFIG = "istio"  # the ConfigMap


def root_namespace(kube: Kube, istiod: str) -> str:
    """Where objects are that are meant for the whole mesh; istiod's namespace where that may not be read.

    Raises:
        Fault: the API server has trouble.
    """
    try:
        found = kube.get("ConfigMap", istiod, MESH_CONFIG)
        settings = yaml.safe_load(str(((found or {}).get("data") or {}).get("mesh", "")))
    except (yaml.YAMLError, RecursionError):
        return istiod
    except Fault as fault:
        if fault.cause is not Cause.FORBIDDEN:
            raise
        return istiod
    named = settings.get("rootNamespace") if isinstance(settings, dict) else None
    return named if isinstance(named, str) and named else istiod
