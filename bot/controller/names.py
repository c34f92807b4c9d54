"""Which service is meant, and which rollout: names of live rollouts come first, then those of ``services.yaml``.

A live rollout holds everything it needs, so a service that left the file, was renamed, or whose file cannot be read
can be approved, paused and ended like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.controller.decisions import ButtonToken
from bot.controller.ports import Store
from bot.model.errors import Refusal, Unreadable
from bot.model.rollout import Rollout
from bot.model.service import ApprovalRule, ServiceConfig
from bot.words.sentence import Text, said, together


class Known:
    """The services of ``services.yaml`` as it was last understood, shared by whoever goes by them."""

    def __init__(self, services: Mapping[str, ServiceConfig], trouble: Text = "") -> None:
        self._now = (services, trouble)  # together, so that nobody sees one without the other

    @property
    def services(self) -> Mapping[str, ServiceConfig]:
        """By name."""
        return self._now[0]

    @property
    def trouble(self) -> Text:
        """Why the file is not used as it is now; "" when it is."""
        return self._now[1]

    def replace(self, services: Mapping[str, ServiceConfig], trouble: Text) -> None:
        """From now on."""
        self._now = (services, trouble)


def name_of(key: str) -> str:
    """The name in ``namespace/name``."""
    return key.rpartition("/")[2]


def key_of(name: str, live: Iterable[str], services: Mapping[str, ServiceConfig], trouble: Text = "") -> str:
    """The key of the service that somebody called ``name`` or ``namespace/name``.

    Args:
        name: what they said.
        live: the keys of services that have a live rollout.
        services: those of ``services.yaml``, by name.
        trouble: why that file could not be read; "" when it could.

    Raises:
        Refusal: there is none of that name, or several live rollouts have it.
    """
    known = {service.key for service in services.values()}
    for keys in (set(live), known):
        meant = sorted(key for key in keys if name in {key, name_of(key)})
        if len(meant) > 1:
            raise Refusal(said("controller.several_services", name=name, keys=tuple(meant)))
        if meant:
            return meant[0]
    raise unknown(name, services, trouble)


def unknown(name: str, services: Mapping[str, ServiceConfig], trouble: Text = "") -> Refusal:
    """Why nothing can be done about a service that is neither live nor in the file."""
    if trouble and not services:
        return Refusal(said("controller.only_live", name=name, trouble=trouble))
    known = tuple(sorted(services))
    none = said("controller.no_services", name=name)
    sentence = said("controller.no_such_service", name=name, known=known) if known else none
    return Refusal(together([sentence, trouble]))


def concerned(store: Store, key: str, seen: ButtonToken | None) -> Rollout | None:
    """The rollout that a decision is about: the one that was seen, live or ended; else the live one.

    Raises:
        Fault: the store cannot be reached.
    """
    live = store.active(key)
    if seen is None or (live is not None and live.spec.id == seen.rollout_id):
        return live
    return store.load(key, seen.rollout_id)


def unlisted(key: str, store: Store) -> ServiceConfig | None:
    """A service that left the file while its rollout lives, where the rollout's record cannot be read either.

    What the record still tells is in it, so that its annotations are found and its own approvers are asked; the rest is
    what ``services.yaml`` says of a service by default. None where the store knows no such rollout, or can read it.

    Raises:
        Fault: the store cannot be reached.
    """
    try:
        store.active(key)
    except Unreadable as unreadable:
        remains = unreadable.remains
    else:
        return None
    namespace, _, name = key.rpartition("/")
    return ServiceConfig(
        name=name,
        namespace=namespace,
        channel=remains.channel,
        virtual_service=remains.virtual_service or name,
        destination_rule="",
        primary_deployment="",
        canary_deployment="",
        approvals=ApprovalRule(approvers=remains.approvers),
    )
