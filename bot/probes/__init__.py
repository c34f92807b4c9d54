"""What the process tells about itself: the server (``server``), the figures it shows (``figures``), how others are
(``asking``).
"""

from bot.probes.asking import Asking
from bot.probes.figures import OwnMetrics, WatchdogMetrics
from bot.probes.server import Probes, Readiness

__all__ = ["Asking", "OwnMetrics", "Probes", "Readiness", "WatchdogMetrics"]
