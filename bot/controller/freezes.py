"""Whether anything of a service may begin now, by what people have frozen."""

from __future__ import annotations

from bot.controller.ports import Ports
from bot.model.errors import Fault
from bot.preflight import freezes
from bot.words.sentence import Text, said


def frozen_now(service: str, ports: Ports) -> list[Text]:
    """Why nothing of this service may begin now."""
    now = ports.clock.now()
    found = freezes.check(ports.freezes.current(now), service, now)
    return [problem.text for problem in found]


def frozen_or_why_not(service: str, ports: Ports) -> tuple[list[Text], list[Text]]:
    """The same for whoever starts nothing: that it is not known is worth a sentence, and no more."""
    try:
        return frozen_now(service, ports), []
    except Fault as fault:
        return [], [said("controller.freeze_unknown", service=service, system=fault.system, why=fault.sentence)]
