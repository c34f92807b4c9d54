"""Targets: what operators write."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from dotenv import dotenv_values

from bot import redaction
from bot.settings.env import read_settings
from bot.settings.errors import SettingsError
from bot.settings.services import read_services
from bot.settings.variables import VARIABLES
from tests.fuzz.law import demand

SECRETS = frozenset(variable.name for variable in VARIABLES if variable.secret)
SECRET = "s3cr3t-of-the-corpus"  # every secret in the seeds holds it


def services(data: bytes) -> None:
    """A services.yaml."""
    catalogue = read_services(_written("services.yaml", data))
    for one in catalogue:
        demand(one.name in catalogue and "\n" not in one.name, "name", one.name)


def env(data: bytes) -> None:
    """A .env."""
    path = _written(".env", data)
    redaction.forget()  # or it would know ever more of them
    try:
        said = repr(read_settings({}, path))
    except SettingsError as error:
        said = str(error)
    if SECRET in said:
        # A piece of one that was moved to where no secret belongs is shown like anything else there.
        given = dotenv_values(path, interpolate=False)
        open_values = [value or "" for name, value in given.items() if name not in SECRETS]
        demand(any(SECRET in value for value in (*open_values, *given)), "a secret is shown", said)


def _written(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


@functools.cache
def _folder() -> Path:
    return Path(_kept().name)


@functools.cache
def _kept() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="canary-fuzz-")
