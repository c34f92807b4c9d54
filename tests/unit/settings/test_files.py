"""Files of operators are read without waiting: a pipe in the place of one is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot import files
from bot.settings.env import read_settings
from bot.settings.errors import SettingsError
from bot.settings.services import read_services


def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    assert files.content(path, 4) == b"0123"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)  # nobody ever writes into it, so that whoever waits for a writer waits for ever
    return path


def test_a_pipe_is_no_file(pipe: Path) -> None:
    with pytest.raises(OSError, match="Operation not supported"):
        files.content(pipe, 4)


def test_a_pipe_in_the_place_of_any_file_of_settings_is_a_sentence(pipe: Path) -> None:
    with pytest.raises(SettingsError, match="Operation not supported"):
        read_services(pipe)
    with pytest.raises(SettingsError, match="Operation not supported"):
        read_settings({}, pipe)
    with pytest.raises(SettingsError, match="SLACK_BOT_TOKEN_FILE"):
        read_settings({"SLACK_BOT_TOKEN_FILE": str(pipe)}, None)
