"""Whether anybody would hear of a rollout: the channel where its card goes."""

from __future__ import annotations

from bot.controller.ports import Ports
from bot.model.errors import Fault
from bot.words.sentence import Channel, Text, said


def why_unheard(channel: str, ports: Ports) -> tuple[list[Text], list[Text]]:
    """Why nobody would be told of the rollout; and that this is not known, which is worth a warning and no more."""
    try:
        closed = ports.channels.closed(channel)
    except Fault as fault:
        unknown = said("controller.room_unknown", channel=Channel(channel), system=fault.system, why=fault.sentence)
        return [], [unknown]
    return ([said("controller.nobody_told", why=closed)] if closed else []), []
