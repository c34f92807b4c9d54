"""``canary-bot plan``: objects as YAML documents or as JSON, for people and for files."""

from __future__ import annotations

import json
from typing import Any

import yaml

from bot.cluster.managed_fields import without_managed_fields
from bot.controller.preview import Plan, PlannedStage
from bot.words.rendering import Voice, plain


def plan_as_yaml(plan: Plan, voice: Voice) -> str:
    """Every object that would be written, in order, under a comment line ``# stage: NAME``.

    Without ``managedFields``, as kubectl shows objects: the API server keeps those of a write that has none.
    """
    notes = [f"# {line}" for finding in plan.findings for line in plain(finding, voice).splitlines()]
    documents = [
        f"---\n# stage: {stage.name}\n# {plain(stage.sentence, voice)}\n{dump(thing)}"
        for stage in plan.planned
        for thing in _shown(stage)
    ]
    return "\n".join([*notes, *documents]).rstrip() + "\n"


def plan_as_json(plan: Plan, voice: Voice) -> str:
    """The same for programs."""
    stages = [
        {"stage": stage.name, "does": plain(stage.sentence, voice), "objects": _shown(stage)} for stage in plan.planned
    ]
    findings = [plain(finding, voice) for finding in plan.findings]
    return json.dumps({"findings": findings, "stages": stages}, indent=2, ensure_ascii=False)


def as_yaml(thing: dict[str, Any]) -> str:
    """One YAML document, without ``managedFields``."""
    return dump(without_managed_fields(thing))


def _shown(stage: PlannedStage) -> list[dict[str, Any]]:
    return [without_managed_fields(thing) for thing in stage.objects]


def dump(thing: dict[str, Any]) -> str:
    """One YAML document, in the order in which it is written."""
    return str(yaml.safe_dump(thing, sort_keys=False, width=120))
