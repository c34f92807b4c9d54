"""Draws the documents that are made from code; ``drawn()`` is what a test compares them with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bot.model.rollout import ENDED, Phase
from bot.rollout.transitions import TRANSITIONS
from bot.settings.services import schema, schema_text
from bot.settings.variables import env_example
from scripts import judge_pictures, mesh_pictures
from scripts.advice import INTRODUCTION, SECTIONS

ROOT = Path(__file__).parent.parent

MEANINGS = {
    Phase.PREFLIGHT: "nothing has changed yet",
    Phase.MIRRORING: "users on the primary, copies to the canary",
    Phase.SHIFTING: "users split between both, no copies",
    Phase.UPGRADING: "users on the canary, the primary gets its image",
    Phase.SWITCHING_BACK: "users return to the upgraded primary",
    Phase.BAKING: "final routes, still watched, the canary still runs",
    Phase.PROMOTED: "end: the new version serves everyone",
    Phase.ABORTING: "users are on their way to the healthy side",
    Phase.ABORTED: "end: the old version serves everyone",
    Phase.HALTED: "neither forward nor back is safe: a person decides",
    Phase.REFUSED: "end: preflight said no, nothing has changed",
    Phase.ABANDONED: "end: a person took it out of the bot's hands, everything was left as it was",
}


def drawn() -> dict[str, str]:
    """The text of every drawn document, by its path."""
    return {
        ".env.example": env_example(),
        "docs/services.schema.json": schema_text(),
        "docs/services.md": services(),
        "docs/states.md": states(),
        **judge_pictures.pictures(),
        **mesh_pictures.pictures(),
    }


def states() -> str:
    """The phases of a rollout as a diagram and a table."""
    lines = ["# States", "", "Drawn by `make docs` from the table in `bot/rollout/transitions.py`.", "", "```mermaid"]
    lines += ["stateDiagram-v2", "    [*] --> preflight"]
    for phase, following in TRANSITIONS.items():
        lines += [f"    {phase} --> {after}" for after in Phase if after in following]
        lines += [f"    {phase} --> [*]"] if phase in ENDED else []
    lines += ["```", "", "| phase | what is true in the cluster |", "|---|---|"]
    lines += [f"| `{phase}` | {MEANINGS[phase]} |" for phase in Phase]
    lines += [
        "",
        "*Paused* and *held* are no phases: the routes stay, the safety loop goes on, and a hold ends by itself when",
        "its cause is gone. An abort swaps the plan for a way back, which leads over the canary once the primary may",
        "have been patched: nobody is routed to a primary in mid-upgrade.",
    ]
    return "\n".join(lines) + "\n"


def services() -> str:
    """Every key of services.yaml."""
    parts = {name.removesuffix("Section").lower(): part for name, part in schema()["$defs"].items()}
    lines = ["# services.yaml", "", INTRODUCTION]
    for name, (heading, advice) in SECTIONS.items():
        section = parts.pop(name)
        lines += ["", f"## {heading}", "", section["description"], ""]
        lines += ["| key | default | what it says | when to change it |", "|---|---|---|---|"]
        lines += [_row(key, part, advice.get(key, "")) for key, part in section["properties"].items()]
        _refuse_rest(f"advice on {name}", advice.keys() - section["properties"].keys())
    _refuse_rest("sections without a heading", {name for name, part in parts.items() if part.get("properties")})
    return "\n".join(lines) + "\n"


def _refuse_rest(what: str, rest: set[str]) -> None:
    if rest:
        raise LookupError(f"scripts/advice.py and the schema disagree, {what}: {', '.join(sorted(rest))}")


def _row(key: str, part: dict[str, Any], advice: str) -> str:
    simple = isinstance(part.get("default"), str | int | float | list)
    default = f"`{json.dumps(part['default'])}`" if simple else ""
    return f"| `{key}` | {default} | {part.get('description', 'See below.')} | {advice} |"


def main() -> None:
    """Write them all."""
    for path, text in drawn().items():
        (ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
