"""Whether a rollout may begin: pure, from the raw objects of the cluster, every reason at once.

``snapshot`` is what was read. ``examine`` finds out what is where and refuses what is ambiguous (with ``subsets``, and
``hosts`` where each version has a Service); the other modules are one concern each, and each says its ``problems``:
``permissions``, ``ownership``, ``workloads``, ``gateways``, ``mesh``, ``dotted``, ``waypoints``, ``left_out``,
``as_written``, ``shares``, ``moved``, ``other_namespaces``, ``sidecars``, ``policies``, ``pod_counts``, ``quotas``,
``image_pull``, ``templates``; and from Prometheus's figures ``measurements`` and ``leak``. ``scope`` and
``destination_rules`` say which objects Istio obeys where. ``live_state`` looks at the live state, and ``freezes`` at
what people said. What each check says, and what to do, is listed in ``docs/preflight.md``.
"""

from bot.preflight.examine import Examined, examine
from bot.preflight.live_state import ready_to_begin
from bot.preflight.problems import Problem
from bot.preflight.snapshot import Access, Callers, MetricFacts, Permission, Snapshot, Traffic, Unread

__all__ = [
    "Access",
    "Callers",
    "Examined",
    "MetricFacts",
    "Permission",
    "Problem",
    "Snapshot",
    "Traffic",
    "Unread",
    "examine",
    "ready_to_begin",
]
