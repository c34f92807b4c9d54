"""What the process tells about itself: the server (``server``), the figures it shows (``own_metrics``), how others are
(``asking``).
"""

from bot.probes.asking import Asking
from bot.probes.own_metrics import OwnMetrics, WatchdogMetrics
from bot.probes.server import Probes, Readiness

__all__ = ["Asking", "OwnMetrics", "Probes", "Readiness", "WatchdogMetrics"]
