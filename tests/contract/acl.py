"""The rules of docs/redis.md, as a real Redis takes them: whoever gives the bot's user these, gives it enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redis import Redis as Client

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
USER, PASSWORD = "canary-bot", "s3cret-of-redis"
BEGINS = f"ACL SETUSER {USER} on >PASSWORD"
ALSO = {"cluster": "+cluster|slots +command", "check": "+info +role +config|get +acl|whoami"}


def rules(number: int) -> list[str]:
    """The words of one of the page's users: 0 is the one at the servers, 1 the one at the sentinels."""
    text = PAGE.read_text(encoding="utf-8").split(BEGINS)[number + 1].partition("```")[0]
    return text.split()


def also(what: str) -> list[str]:
    """The words of the page that are also needed for something."""
    assert f"`{ALSO[what]}`" in PAGE.read_text(encoding="utf-8")
    return ALSO[what].split()


def let_in(server: Client, words: list[str], user: str = USER) -> None:
    """Make the user, with these rules and the password."""
    ask: Any = server.execute_command
    ask("ACL", "SETUSER", user, "reset", "on", f">{PASSWORD}", *words)
