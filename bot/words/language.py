"""The languages that the bot speaks; each has a catalogue."""

from enum import StrEnum


class Language(StrEnum):
    """Whose words are used."""

    ENGLISH = "en"
    CHINESE = "zh_cn"


# Simplified characters; whoever reads the traditional ones may read English better.
_CHINESE = frozenset({"zh", "zh_cn", "zh_sg", "zh_hans"})


def spoken_in(locale: str) -> Language | None:
    """What is spoken in a locale such as ``zh-CN`` or ``en_GB``; None where it is nothing that we speak."""
    name = locale.replace("-", "_").lower()
    if name in _CHINESE or name.startswith("zh_hans_"):
        return Language.CHINESE
    return Language.ENGLISH if name.partition("_")[0] == "en" else None
