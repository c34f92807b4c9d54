"""Which service is meant where a command names none: the only one in flight, or the only one there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.controller.controller_port import ControllerPort
from bot.controller.names import name_of
from bot.model.errors import Refusal
from bot.model.freeze import ALL
from bot.slack.grammar import Verb, example
from bot.slack.parsing import MOST_NAMED, Command
from bot.slack.stopping import StopMeant
from bot.words.sentence import Text, said

MOST_COMMANDS = 4  # to choose from in one sentence


def service_meant(controller: ControllerPort, asked: Command) -> str:
    """The service that was named, the only one in flight, or the only one there is.

    Raises:
        StopMeant: an abort could be of several.
        Refusal: it could be several.
    """
    if asked.service is not None:
        return asked.service
    live = sorted(rollout.key for rollout in controller.live())
    if len(live) == 1:
        return live[0]
    if not live:
        return only_service(controller, asked)
    if asked.verb is Verb.ABORT:  # nobody in a hurry is sent away to type it again
        raise StopMeant
    names = Counter(map(name_of, live))
    raise Refusal(_which(asked, [name_of(key) if names[name_of(key)] == 1 else key for key in live]))


def only_service(controller: ControllerPort, asked: Command) -> str:
    """The service that was named, or the only one of services.yaml.

    Raises:
        Refusal: there are several, or none.
    """
    if asked.service is not None:
        return asked.service
    names = [service.name for service in controller.services()]
    if len(names) == 1:
        return names[0]
    refuse_without_services(controller)
    raise Refusal(_which(asked, names))


def refuse_without_services(controller: ControllerPort) -> None:
    """Say why nothing can be started where no service is known.

    Raises:
        Refusal: none is.
    """
    if controller.trouble and not controller.services():
        raise Refusal(controller.trouble)


def _which(asked: Command, names: Sequence[str]) -> Text:
    """Each of a few as a command to paste; of many, or where more was typed, their names."""
    if asked.verb is Verb.FREEZE:
        return said("slack.which_freeze", names=(*names[:MOST_NAMED], ALL))
    commands = [example(asked.verb, service=name, version=asked.version) for name in names]
    if len(names) <= MOST_COMMANDS:
        return said("slack.which_command", commands=tuple(commands))
    return said("slack.which_service", command=commands[0], names=tuple(names[:MOST_NAMED]))
