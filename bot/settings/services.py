"""Reads ``services.yaml`` into the catalogue of services, or refuses with every mistake and its line.

What may be written is defined in ``schema`` and ``types``; here are the file, its lines and its defaults.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails

from bot.model.errors import Refusal
from bot.model.service import ServiceConfig
from bot.settings.errors import SettingsError, did_you_mean
from bot.settings.schema import ServiceSection, ServicesFile
from bot.settings.sharing import clashes
from bot.settings.types import shown
from bot.settings.yaml_limits import LARGEST
from bot.settings.yaml_tree import Mistake, Tree, YamlPath, parse

M = TypeVar("M", bound=BaseModel)

MOST_TOLD = 100  # mistakes
_OR_DEFAULTS = "; say it here, or under defaults for all services"
_SENTENCES = {
    "model_type": "must be a mapping with keys of its own, not {value}",
    "dict_type": "must be a mapping with keys of its own, not {value}",
    "tuple_type": "must be a list, not {value}",
    "too_short": "must not be empty",
    "string_type": "must be text (in quotes), not {value}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "int_type": "must be a whole number, not {value}",
    "float_type": "must be a number, not {value}",
    "finite_number": "must be a number, not {value}",
    "bool_type": "must be true or false, not {value}",
    "enum": "must be {expected}, not {value}",
    "literal_error": "must be {expected}, not {value}",
    "greater_than": "must be above {gt}, not {value}",
    "greater_than_equal": "must be at least {ge}, not {value}",
    "less_than": "must be below {lt}, not {value}",
}


class Catalogue:
    """The services by the name people type."""

    def __init__(
        self,
        services: Mapping[str, ServiceConfig],
        source: str = "services.yaml",
        document: Tree | None = None,
        trouble: str = "",
        content: bytes | None = None,
    ) -> None:
        self.trouble = trouble  # why the file is not used as it is now, as a sentence
        self.content = content  # what was read, used or not; None where it could not be read
        self._services = dict(services)
        self._source = source
        self._document = document

    def __iter__(self) -> Iterator[ServiceConfig]:
        return iter(self._services.values())

    def __len__(self) -> int:
        return len(self._services)

    def __contains__(self, name: str) -> bool:
        return name in self._services

    def troubled(self, trouble: str) -> Catalogue:
        """The same services, and why the file is not used as it is now."""
        return Catalogue(self._services, self._source, self._document, trouble, self.content)

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(self._services)

    def written_at(self, name: str, *keys: str) -> str:
        """Where a key of a service is written, such as ``services.yaml line 14``; its nearest parent if it is not."""
        if self._document is None:
            return self._source
        return f"{self._source} line {self._document.at(['services', name, *keys]).line}"

    def get(self, name: str) -> ServiceConfig:
        """The service of that name.

        Raises:
            Refusal: there is none; the sentence names those there are.
        """
        if name not in self._services:
            known = ", ".join(sorted(self._services))
            raise Refusal(f'There is no service "{name}" in {self._source}. Known: {known}.')
        return self._services[name]


def read_services(path: Path) -> Catalogue:
    """The catalogue in ``path``.

    Raises:
        SettingsError: the file cannot be read, or with every mistake in it.
    """
    return catalogue_of(content_of(path), path)


def catalogue_of(content: bytes, path: Path) -> Catalogue:
    """The catalogue that a file's content is; ``path`` is for its sentences.

    Raises:
        SettingsError: with every mistake in it.
    """
    if len(content) > LARGEST:
        raise SettingsError(path.name, [f"{path} is larger than {LARGEST:,} bytes; no services.yaml needs to be"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(path.name, [f"{path} is not UTF-8 text"]) from error
    document, file, mistakes = _read(text)
    services = {name: entry.service(name) for name, entry in file.services.items()} if file is not None else {}
    mistakes += [_shared(document, *clash) for clash in islice(clashes(tuple(services.values())), MOST_TOLD + 1)]
    if file is None or mistakes:
        raise SettingsError(path.name, _told([one.sentence_in(path) for one in sorted(set(mistakes))]))
    return Catalogue(services, path.name, document, content=content)


def content_of(path: Path) -> bytes:
    """What is in the file; not much more than may be in it.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(path.name, [f"{path} cannot be read ({error.strerror}); SERVICES_FILE names it"]) from error
    except ValueError as error:
        raise SettingsError(path.name, [f"{shown(str(path))} is no name of a file; SERVICES_FILE says it"]) from error


def _told(sentences: list[str]) -> list[str]:
    """Those that people can still read; whether there are more."""
    more = len(sentences) - MOST_TOLD
    return [*sentences[:MOST_TOLD], "and more; these come first"] if more > 0 else sentences


def read_or_do_without(path: Path) -> Catalogue:
    """The catalogue in ``path``; where it cannot be used, one without any service that says why.

    For whoever looks after rollouts: those that are live hold everything they need.
    """
    try:
        return read_services(path)
    except SettingsError as error:
        return Catalogue({}, path.name, trouble=f"nothing can be started: {summary(error)}")


def summary(error: SettingsError) -> str:
    """The first mistake, how many more there are, and where all of them are told."""
    first = str(error.reasons[0]).rstrip(".") if error.reasons else str(error.sentence).rstrip(":")
    more = f" (and {len(error.reasons) - 1} more)" if len(error.reasons) > 1 else ""
    return f"{first}{more}. `canary-bot check` lists every mistake."


def _shared(document: Tree, service: ServiceConfig, keys: tuple[str, ...], sentence: str) -> Mistake:
    here = document.at(["services", service.name, *keys])
    return Mistake(here.line, ".".join(("services", service.name, *keys)), sentence)


def schema() -> dict[str, Any]:
    """The JSON Schema of ``services.yaml``."""
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **ServicesFile.model_json_schema(schema_generator=_Plain),
    }


def schema_text() -> str:
    """The text of ``docs/services.schema.json``."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


class _Plain(GenerateJsonSchema):
    """Without a title for every key: it would only repeat the key."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  # the base class passes it
        return False


def _read(text: str) -> tuple[Tree, ServicesFile | None, list[Mistake]]:
    tree, mistakes = parse(text)
    if tree.value == {} and mistakes:
        return tree, None, mistakes  # nothing to look at
    root, defaults = _split(tree)
    file, wrong = _validate(ServicesFile, _with_defaults(root, defaults))
    # Also by themselves: a default that every service replaces would never be looked at. What they leave out is fine.
    _, wrong_defaults = _validate(ServiceSection, defaults, ignore="missing")
    return tree, file, [*mistakes, *wrong, *wrong_defaults]


def _split(tree: Tree) -> tuple[Tree, Tree]:
    """The document without its ``defaults``, and those."""
    if not isinstance(tree.value, dict) or "defaults" not in tree.value:
        return tree, Tree(tree.line, "defaults", {})
    rest = {key: inner for key, inner in tree.value.items() if key != "defaults"}
    return Tree(tree.line, tree.path, rest), tree.value["defaults"]


def _with_defaults(root: Tree, defaults: Tree) -> Tree:
    """The document with ``defaults`` below each service; what comes from there keeps its own line and path."""
    services = root.at(["services"])
    if services is root or not isinstance(services.value, dict):
        return root
    merged = {name: entry.over(defaults) for name, entry in services.value.items()}
    return Tree(root.line, root.path, {"services": Tree(services.line, services.path, merged)}).over(root)


def _validate(model: type[M], tree: Tree, ignore: str = "") -> tuple[M | None, list[Mistake]]:
    try:
        return model.model_validate(tree.plain()), []
    except ValidationError as error:
        problems = [problem for problem in error.errors() if problem["type"] != ignore]
        # To say what is wrong takes longer than to find it: those that nobody will read are not made.
        problems.sort(key=lambda problem: tree.at(problem["loc"]).line)
        return None, [_mistake(model, tree, problem) for problem in problems[: MOST_TOLD + 1]]


def _mistake(model: type[BaseModel], tree: Tree, problem: ErrorDetails) -> Mistake:
    """One of pydantic's errors, in a sentence and at its line."""
    place = problem["loc"]
    here, kind, last = tree.at(place), problem["type"], str(place[-1]) if place else ""
    if kind == "missing":
        path = f"{here.path}.{last}" if here.path else last
        # The file itself and the items of lists have no defaults.
        can_be_default = len(place) > 1 and not any(isinstance(step, int) for step in place)
        return Mistake(here.line, path, "is missing" + (_OR_DEFAULTS if can_be_default else ""))
    if kind == "extra_forbidden":
        return Mistake(here.line, here.path, f"is no known key; {did_you_mean(last, _keys(model, place[:-1]))}")
    if kind == "value_error":
        return Mistake(here.line, here.path, str(problem["ctx"]["error"]))
    facts = {**problem.get("ctx", {}), "value": shown(problem["input"])}
    facts["expected"] = str(facts.get("expected", "")).replace("'", '"')
    # Anything pydantic may learn to say later is still a sentence, if not one of ours.
    sentence = _SENTENCES[kind].format_map(facts) if kind in _SENTENCES else problem["msg"]
    return Mistake(here.line, here.path, sentence)


def _keys(model: type[BaseModel], place: YamlPath) -> set[str]:
    """The keys that may stand at ``place``: found by walking down the schema."""
    whole = _schema_of(model)
    options = _options(whole, whole)
    for step in place:
        options = [deeper for option in options for inner in _inside(option, step) for deeper in _options(whole, inner)]
    return {key for option in options for key in option.get("properties", {})}


@cache
def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _options(whole: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    """What a part of the schema stands for, once references and alternatives are followed."""
    if "$ref" in part:
        return _options(whole, whole["$defs"][part["$ref"].removeprefix("#/$defs/")])
    choices = [*part.get("anyOf", ()), *part.get("oneOf", ())]
    return [option for choice in choices for option in _options(whole, choice)] or [part]


def _inside(option: dict[str, Any], step: str | int) -> list[dict[str, Any]]:
    """The parts one step further down; a step the schema does not have is pydantic's name of an alternative."""
    if isinstance(step, int):
        return [option["items"]] if "items" in option else []
    named = option.get("properties", {}).get(step)
    return [named] if named else [*option.get("patternProperties", {}).values()] or [option]
