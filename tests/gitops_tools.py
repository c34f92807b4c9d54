"""What Argo CD and Flux do, as far as their documents and threads say it: when an object differs from git, and what a
sync writes. Written anew for tests, from:

* Argo CD, "Diffing Customization": ignored paths are deleted from both sides. Then three ways are compared: fields that
  git does not have are nobody's; lists of custom resources are one value, containers are found by their names.
* Argo CD, ``RespectIgnoreDifferences`` (issues 9678, 11876, 17694): what is ignored is copied from the cluster before
  a sync, by a JSON merge patch: a list with anything ignored in it is copied as a whole.
* Flux, ``driftDetection.ignore`` and ``spec.ignore``: JSON pointers are left out of what is compared and applied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

Object = dict[str, Any]

_STEP = re.compile(
    r"""\.?\[(?P<quoted>"(?:[^"\\]|\\.)*")\] | (?P<each>\[\])
    | \s*\|\s*select\(\.name\ ==\ (?P<name>"(?:[^"\\]|\\.)*")\)\s*\|\s* | \.(?P<key>[A-Za-z_]\w*)""",
    re.VERBOSE,
)


def places(thing: Any, expression: str) -> list[tuple[str | int, ...]]:
    """Where a jq path expression points to; of jq only what such rules are made of."""
    found: list[tuple[str | int, ...]] = [()]
    at = 0
    while at < len(expression):
        step = _STEP.match(expression, at)
        assert step is not None, f"no jq that is known here: {expression[at:]}"
        found = [(*path, more) for path in found for more in _step(_get(thing, path), step)]
        if step["name"] is not None:
            found = [path[:-1] for path in found]
        at = step.end()
    return found


def _step(here: Any, step: re.Match[str]) -> Iterator[str | int]:
    if step["each"]:
        assert isinstance(here, list), "jq cannot iterate over that"
        yield from range(len(here))
    elif step["name"] is not None:
        if here.get("name") == json.loads(step["name"]):
            yield "name"  # what it is found by; taken off again
    else:
        yield step["key"] or json.loads(step["quoted"])


def _get(thing: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        thing = thing.get(step) if isinstance(thing, dict) else thing[step]
    return thing


def without(thing: Object, paths: Sequence[Sequence[str | int]]) -> Object:
    new = deepcopy(thing)
    for path in sorted(paths, key=str, reverse=True):
        parent = _get(new, path[:-1])
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
    return new


def covers(git: Any, live: Any, *, by_name: bool) -> bool:
    """Whether everything of git is so in the cluster."""
    if isinstance(git, dict) and isinstance(live, dict):
        return all(covers(value, live.get(key), by_name=by_name) for key, value in git.items())
    if by_name and isinstance(git, list) and isinstance(live, list) and all(isinstance(one, dict) for one in git):
        named = {one.get("name"): one for one in live}
        return all(covers(one, named.get(one.get("name")), by_name=by_name) for one in git)
    return bool(git == live)


def is_builtin(thing: Object) -> bool:
    return bool(thing["kind"] == "Deployment")


# Argo CD


def argo_rule(rules: Object, thing: Object) -> list[str]:
    return [
        expression
        for rule in rules["spec"]["ignoreDifferences"]
        if (rule["kind"], rule["name"], rule["namespace"])
        == (thing["kind"], thing["metadata"]["name"], thing["metadata"]["namespace"])
        for expression in rule["jqPathExpressions"]
    ]


def argo_in_sync(git: Object, live: Object, rules: Object) -> bool:
    expressions = argo_rule(rules, git)
    plain = [without(one, [p for e in expressions for p in places(one, e)]) for one in (git, live)]
    return covers(plain[0], plain[1], by_name=is_builtin(git))


def argo_synced(git: Object, live: Object, rules: Object) -> Object:
    """The object after a sync that respects what is ignored."""
    target = deepcopy(git)
    for expression in argo_rule(rules, git):
        for path in places(live, expression):
            lists = [depth for depth, step in enumerate(path) if isinstance(step, int)]
            if lists and not is_builtin(git):
                path = path[: lists[0]]  # noqa: PLW2901  # the list as a whole
            _put(target, path, deepcopy(_get(live, path)))
    return {**live, "spec": merged(live["spec"], target["spec"])}


def _put(thing: Object, path: Sequence[str | int], value: Any) -> None:
    parent = _get(thing, path[:-1])
    if isinstance(parent, dict) and value is not None:
        parent[path[-1]] = value


def merged(live: Any, target: Any) -> Any:
    if isinstance(live, dict) and isinstance(target, dict):
        return {**live, **{key: merged(live.get(key), value) for key, value in target.items()}}
    return deepcopy(target)


# Flux


def flux_in_sync(git: Object, live: Object, ignore: Sequence[Object]) -> bool:
    """``ignore`` is the list of rules, of a Kustomization or a HelmRelease."""
    pointers = [
        pointer
        for rule in ignore
        if (rule["target"]["kind"], rule["target"]["name"]) == (git["kind"], git["metadata"]["name"])
        for pointer in rule["paths"]
    ]
    plain = [without(one, list(_pointed(one, pointers))) for one in (git, live)]
    return covers(plain[0], plain[1], by_name=is_builtin(git))


def _pointed(thing: Object, pointers: Sequence[str]) -> Iterator[tuple[str | int, ...]]:
    for pointer in pointers:
        path: list[str | int] = []
        here: Any = thing
        for step in pointer.removeprefix("/").split("/"):
            if not isinstance(here, dict | list):
                break
            key = int(step) if isinstance(here, list) else step.replace("~1", "/").replace("~0", "~")
            path.append(key)
            here = _get(here, [key])
        else:
            yield tuple(path)
