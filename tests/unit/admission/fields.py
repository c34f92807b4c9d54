"""Every field of a schema as a path, with a value to write there, and the writing of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

SCHEMA: dict[str, Any] = json.loads(
    Path(__file__).with_name("samples").joinpath("virtualservice-spec.json").read_text(encoding="utf-8")
)
_PLAIN: Mapping[str, Any] = {"string": "written-by-a-test", "integer": 7, "number": 7.5, "boolean": True}

Field = tuple[str, Any]  # a path such as `match[].uri.exact`, and what to write there


def fields_of(schema: Mapping[str, Any], path: str = "") -> Iterator[Field]:
    """Every plain field, and one key of every map."""
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from fields_of(inner, f"{path}.{name}" if path else name)
    elif "items" in schema:
        yield from fields_of(schema["items"], f"{path}[]")
    elif isinstance(schema.get("additionalProperties"), dict):
        yield from fields_of(schema["additionalProperties"], f"{path}.key")
    elif schema["type"] == "object":
        yield path, {}
    else:
        yield path, _PLAIN[schema["type"]]


def below(*names: str) -> dict[str, Any]:
    """The part of the schema at these names; through lists."""
    schema = SCHEMA
    for name in names:
        schema = schema["properties"][name]
        schema = schema.get("items", schema)
    return schema


def written(obj: Any, path: str, value: Any) -> Any:
    """A copy of ``obj`` with ``value`` at ``path``: in the first item of each list, made where there is none."""
    new = deepcopy(obj)
    place = new
    steps = [step for step in path.replace("[]", ".[]").split(".") if step]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        fresh: Any = value if following is None else [] if following == "[]" else {}
        if step == "[]":
            if following is None or not place:
                place[:1] = [fresh]
            place = place[0]
        else:
            place[step] = fresh if following is None else place.get(step, fresh)
            place = place[step]
    return new


def removed(obj: Any, path: str) -> Any:
    """A copy of ``obj`` without the field at ``path``, which is there."""
    new = deepcopy(obj)
    place = new
    *steps, last = [step for step in path.replace("[]", ".[]").split(".") if step]
    for step in steps:
        place = place[0 if step == "[]" else step]
    del place[0 if last == "[]" else last]
    return new
