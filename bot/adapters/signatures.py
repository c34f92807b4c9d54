"""Signed JSON: what Redis holds is a store's, not an authority's, so each text says who wrote it.

The signature is the object's last field, over the text before it and over what the text is about: copied to another
key, it is worth nothing. Versions that know of no signatures ignore the field.
"""

from __future__ import annotations

import re

from bot.model.errors import Unreadable
from bot.model.signing import Signature, Signer
from bot.words.sentence import Code, Text, said

_SIGNATURE = re.compile(r',"signature":"([0-9a-f]{64})"}\Z')

_KEY = Code("CANARY_SIGNING_KEY")
_WHY = {
    Signature.MISSING: said("adapters.not_signed", setting=_KEY, command=Code("canary-bot sign")),
    Signature.WRONG: said("adapters.signed_otherwise", setting=_KEY),
}


def signed(text: str, signer: Signer, *about: str) -> str:
    """A JSON object with its signature; as it is without a key."""
    if not signer.signs:
        return text
    return f'{text[:-1]},"signature":"{signer.sign(*about, text)}"}}'


def signature_of(text: str, signer: Signer, *about: str) -> Signature:
    """Who wrote it, as far as its signature says."""
    found = _SIGNATURE.search(text)
    return signer.judge(found.group(1) if found else "", *about, unsigned(text))


def unsigned(text: str) -> str:
    """The text without its signature."""
    found = _SIGNATURE.search(text)
    return f"{text[: found.start()]}}}" if found else text


def believed(what: Text, text: str, signer: Signer, *about: str) -> str:
    """The text, if it is one of ours.

    Raises:
        Unreadable: it is not; ``what`` says what it is, as in "a rollout".
    """
    why = _WHY.get(signature_of(text, signer, *about))
    if why is not None:
        raise Unreadable("Redis", said("adapters.not_believed", what=what, why=why))
    return text
