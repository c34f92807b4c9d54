"""The section ``webhooks`` of ``services.yaml``: what a team wants to be called or asked, and when."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Self, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, StrictInt, StrictStr, model_validator

from bot.model.webhooks import ASKED, HookMoment, OnFailure, Webhook
from bot.settings.base import Section, lasting
from bot.settings.errors import Wrong
from bot.settings.types import FileName, HookName, HookVariable, PositiveDuration, spoken_duration
from bot.words.sentence import Code, said

MOST = 20  # of a service
LONGEST_URL = 2000  # characters
LONGEST_CALL = 60.0  # seconds
MOST_RETRIES = 10
# Only for its defaults.
_HOOK = Webhook(name="", url="", when=HookMoment.END)


def _parsed_url(value: str) -> str:
    """No part of a refused address is shown: its path may be a secret."""
    if len(value) > LONGEST_URL or not value.isascii() or not value.isprintable() or " " in value:
        raise Wrong(said("settings.hook_address", most=LONGEST_URL))
    try:
        parts = urlsplit(value)
        usable = bool(parts.hostname) and parts.port != 0 and _is_host(parts)
    except ValueError:
        usable = False
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in {"http", "https"} or not usable:
        raise Wrong(said("settings.hook_scheme"))
    if "@" in parts.netloc:
        raise Wrong(said("settings.hook_password", env="secret_env", file="secret_file"))
    if parts.fragment:
        raise Wrong(said("settings.hook_fragment"))
    return value


def _is_host(parts: SplitResult) -> bool:
    """Whether a name has only parts that a resolver takes."""
    return all(0 < len(label) < 64 for label in (parts.hostname or "").rstrip(".").split("."))  # noqa: PLR2004  # RFC 1035


Url: TypeAlias = Annotated[StrictStr, AfterValidator(_parsed_url)]


class WebhookSection(Section):
    """An address that is called with JSON at a moment of each rollout, and answers 2xx for yes."""

    name: HookName
    """What people see."""
    url: Url
    """Where it is, with `http` or `https`. It is called without a proxy, and redirects are not followed."""
    when: HookMoment
    """The rollout waits for all but `promoted`, `abort` and `end`, which are told what has happened."""
    on_failure: OnFailure = _HOOK.on_failure
    """Without a yes `wait` calls until there is one; after the retries `hold` asks people, and `abort` aborts."""
    timeout: PositiveDuration = lasting(_HOOK.timeout)
    """How long one call may take in all."""
    retries: Annotated[StrictInt, Field(ge=0, le=MOST_RETRIES)] = _HOOK.retries
    """How often a call that failed is repeated, after 1, 2, 4 seconds and so on."""
    secret_env: HookVariable | None = None
    """A variable of the bot's environment whose value signs the calls."""
    secret_file: FileName | None = None
    """A file whose content signs them."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.when not in ASKED and "on_failure" in self.model_fields_set:
            raise Wrong(said("settings.hook_no_wait", when=self.when.value, key="on_failure"))
        if self.secret_env and self.secret_file:
            raise Wrong(said("settings.both_there", one="secret_env", other="secret_file"))
        if self.timeout > LONGEST_CALL:
            raise Wrong(
                said("settings.hook_timeout", most=spoken_duration(LONGEST_CALL), again=Code("on_failure: wait"))
            )
        return self

    def webhook(self) -> Webhook:
        """The same in the rules' words."""
        return Webhook(
            name=self.name,
            url=self.url,
            when=self.when,
            on_failure=self.on_failure,
            timeout=self.timeout,
            retries=self.retries,
            secret_env=self.secret_env or "",
            secret_file=self.secret_file or "",
        )


def _names_differ(sections: tuple[WebhookSection, ...]) -> tuple[WebhookSection, ...]:
    name, count = next(iter(Counter(one.name for one in sections).most_common(1)), ("", 0))
    if count > 1:
        raise Wrong(said("settings.two_hooks", name=name))
    if len(sections) > MOST:
        raise Wrong(said("settings.most_hooks", most=MOST))
    return sections


Webhooks: TypeAlias = Annotated[tuple[WebhookSection, ...], AfterValidator(_names_differ)]
