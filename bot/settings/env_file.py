"""``.env`` as a mapping, and names that are nearly ours: both told in sentences, which never show a value."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from bot import files
from bot.settings.variables import VARIABLES
from bot.words.sentence import Text, said

LARGEST = 100_000  # bytes
LEAST = 8  # characters of a name that is compared; shorter ones are like too many others
NEAR_IN_FILE = 2  # letters that may be wrong in a name; the file is ours
NEAR = 1  # the environment is everybody's

NAMES = frozenset(name for one in VARIABLES for name in ((one.name, f"{one.name}_FILE") if one.secret else (one.name,)))
# Set by other tools, and near ours.
OTHERS = frozenset({"KUBE_CONFIG"})


def read_env_file(path: Path, errors: list[Text]) -> dict[str, str]:
    """What the file sets, with what cannot be understood added to ``mistakes``; nothing when there is no such file."""
    try:
        if not path.exists() and not path.is_symlink():  # a link that leads nowhere was to lead somewhere
            return {}
        content = files.content(path, LARGEST + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        errors.append(said("settings.file_no_text", file=path.name))
        return {}
    except OSError as error:
        errors.append(said("settings.file_unreadable", file=path.name, reason=str(error.strerror)))
        return {}
    if "\0" in text:  # what UTF-16 is to whoever reads it as UTF-8
        errors.append(said("settings.file_no_text", file=path.name))
        return {}
    if len(content) > LARGEST:
        errors.append(said("settings.file_too_large", file=path.name, most=LARGEST))
        return {}
    values = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            errors.append(said("settings.no_pair", file=path.name, line=binding.original.line))
        elif binding.key is not None:
            values[binding.key] = binding.value or ""
    return values


def near_misses(given: Mapping[str, str], known: Mapping[str, str], most: int) -> Iterator[Text]:
    """A sentence for each name that somebody has probably mistyped.

    Args:
        given: where names may be mistyped.
        known: all that is set anywhere: a name of ours that is there was not forgotten.
        most: how many letters may be wrong.
    """
    missing = sorted(NAMES - known.keys())
    for name in sorted(given.keys() - NAMES - OTHERS):
        meant = nearest(name, missing, most) if len(name) >= LEAST else None
        if meant is not None:
            yield said("settings.near_miss", name=name, meant=meant)


def nearest(name: str, known: Iterable[str], most: int) -> str | None:
    """The known name that differs least, by at most so many letters; case is no difference."""
    found = [(distance(name.upper(), one, most), one) for one in known]
    near = [(letters, one) for letters, one in found if letters <= most]
    return min(near)[1] if near else None


def distance(one: str, other: str, most: int) -> int:
    """How many letters were left out, added, changed, or exchanged with their neighbour (Damerau, Levenshtein).

    ``most`` + 1 stands for everything beyond it.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before, row = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        earlier, before, row = before, row, [i]
        for j, right in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return min(row[-1], most + 1)
