"""What can be asked for: each command, how it is written, what it does, and one that can be pasted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bot.words.sentence import Sentence, TypedIn, said

A_SERVICE, A_VERSION = "reviews", "v2"  # in examples, where no other name is known


class Verb(StrEnum):
    """What can be asked for."""

    START = "start"
    STATUS = "status"
    LIST = "list"
    APPROVE = "approve"
    ABORT = "abort"
    ABANDON = "abandon"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    ACCEPT = "accept"
    RESTORE = "restore"
    BACK = "back"
    SET = "set"
    ROLLBACK = "rollback"
    DRILL = "drill"
    WHY = "why"
    PLAN = "plan"
    HISTORY = "history"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    SERVICES = "services"
    HELP = "help"


GRAMMAR: dict[Verb, tuple[str, Sentence]] = {
    Verb.START: (
        "start SERVICE VERSION [--weights 10,50,100] [--for 5m] [--auto] [--because TEXT]",
        said("slack.help_start"),
    ),
    Verb.STATUS: ("status [SERVICE]", said("slack.help_status")),
    Verb.LIST: ("list", said("slack.help_list")),
    Verb.APPROVE: ("approve [SERVICE]", said("slack.help_approve")),
    Verb.ABORT: ("abort [SERVICE] [REASON]", said("slack.help_abort")),
    Verb.ABANDON: ("abandon [SERVICE] [REASON]", said("slack.help_abandon")),
    Verb.PAUSE: ("pause [SERVICE]", said("slack.help_pause")),
    Verb.RESUME: ("resume [SERVICE]", said("slack.help_resume")),
    Verb.RETRY: ("retry [SERVICE] [--from-stage [STAGE]] [--because TEXT]", said("slack.help_retry")),
    Verb.ACCEPT: ("accept [SERVICE]", said("slack.help_accept")),
    Verb.RESTORE: ("restore [SERVICE]", said("slack.help_restore")),
    Verb.BACK: ("back [SERVICE]", said("slack.help_back")),
    Verb.SET: ("set [SERVICE] PERCENT", said("slack.help_set")),
    Verb.ROLLBACK: ("rollback [SERVICE]", said("slack.help_rollback")),
    Verb.DRILL: ("drill SERVICE [VERSION]", said("slack.help_drill")),
    Verb.WHY: ("why [SERVICE]", said("slack.help_why")),
    Verb.PLAN: ("plan SERVICE VERSION", said("slack.help_plan")),
    Verb.HISTORY: ("history [SERVICE]", said("slack.help_history")),
    Verb.FREEZE: ("freeze [SERVICE|all] [--for 2h | until 18:00] REASON", said("slack.help_freeze")),
    Verb.UNFREEZE: ("unfreeze [SERVICE|all]", said("slack.help_unfreeze")),
    Verb.SERVICES: ("services", said("slack.help_services")),
    Verb.HELP: ("help", said("slack.help_help")),
}

# Words of other tools: answered with ours, never obeyed, so that nothing happens that was not meant.
SYNONYMS = {
    "hold": Verb.PAUSE, "wait": Verb.PAUSE, "continue": Verb.RESUME, "unpause": Verb.RESUME,
    "promote": Verb.APPROVE, "yes": Verb.APPROVE, "ok": Verb.APPROVE,
    "rehearse": Verb.DRILL,
    "deploy": Verb.START, "release": Verb.START, "run": Verb.START, "ls": Verb.LIST, "show": Verb.STATUS,
    "lock": Verb.FREEZE, "block": Verb.FREEZE, "unlock": Verb.UNFREEZE, "unblock": Verb.UNFREEZE, "thaw": Verb.UNFREEZE,
}  # fmt: skip

_WITHOUT_SERVICE = frozenset({Verb.LIST, Verb.SERVICES, Verb.HELP})


def example(verb: Verb, known: Sequence[str] = (), service: str | None = None, version: str = A_VERSION) -> TypedIn:
    """A command of this kind that can be pasted as it stands, about ``service`` or one that is known."""
    name = service or next(iter(known), A_SERVICE)
    match verb:
        case Verb.START | Verb.PLAN:
            return TypedIn(f"{verb} {name} {version}")
        case Verb.SET:
            return TypedIn(f"{verb} {name} 30")
        case Verb.FREEZE:
            return TypedIn(f"{verb} {name} --for 2h migration")
        case _ if verb in _WITHOUT_SERVICE:
            return TypedIn(str(verb))
        case _:
            return TypedIn(f"{verb} {name}")
