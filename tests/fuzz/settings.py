"""Targets: what operators write."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from bot.settings.env import read_settings
from bot.settings.errors import SettingsError
from bot.settings.services import read_services
from tests.fuzz.law import demand

SECRET = "s3cr3t-of-the-corpus"  # every secret in the seeds holds it


def services(data: bytes) -> None:
    """A services.yaml."""
    catalogue = read_services(_written("services.yaml", data))
    for one in catalogue:
        demand(one.name in catalogue and "\n" not in one.name, "name", one.name)


def env(data: bytes) -> None:
    """A .env."""
    try:
        settings = read_settings({}, _written(".env", data))
    except SettingsError as error:
        demand(SECRET not in str(error), "a secret in a sentence", str(error))
        raise
    demand(SECRET not in repr(settings), "a secret in a repr", settings)


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
