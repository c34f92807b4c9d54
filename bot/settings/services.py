"""Reads ``services.yaml`` into the catalogue of services, or refuses with every mistake and its line.

What may be written is defined in ``schema`` and ``types``; here are the file, its lines and its defaults.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails

from bot import files
from bot.model.errors import Refusal
from bot.model.service import ServiceConfig
from bot.settings.errors import SettingsError, Wrong, did_you_mean
from bot.settings.schema import ServiceSection, ServicesFile
from bot.settings.sharing import clashes
from bot.settings.types import shown
from bot.settings.yaml_limits import LARGEST
from bot.settings.yaml_tree import Mistake, Tree, YamlPath, parse
from bot.words.language import Language
from bot.words.sentence import Code, Item, Sentence, Text, said

M = TypeVar("M", bound=BaseModel)

MOST_TOLD = 100  # mistakes
_EMPTY = frozenset({"too_short", "string_too_short"})
# What a value has to be, by what pydantic calls another kind than that.
_KINDS: Mapping[str, Sentence] = {
    "model_type": said("settings.mapping"),
    "dict_type": said("settings.mapping"),
    "tuple_type": said("settings.list"),
    "string_type": said("settings.text"),
    "int_type": said("settings.an_integer"),
    "float_type": said("settings.number"),
    "finite_number": said("settings.number"),
    "bool_type": said("settings.boolean"),
}


class Catalogue:
    """The services by the name people type."""

    def __init__(
        self,
        services: Mapping[str, ServiceConfig],
        source: str = "services.yaml",
        document: Tree | None = None,
        trouble: Text = "",
        content: bytes | None = None,
        languages: Mapping[str, Language] = MappingProxyType({}),
    ) -> None:
        self.trouble = trouble  # why the file is not used as it is now, as a sentence
        self.languages = languages  # of channels that have one of their own, by name or id
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

    def troubled(self, trouble: Text) -> Catalogue:
        """The same services, and why the file is not used as it is now."""
        return Catalogue(self._services, self._source, self._document, trouble, self.content, self.languages)

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
            known = tuple(sorted(self._services))
            raise Refusal(said("settings.no_such_service", name=name, file=self._source, known=known))
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
        raise SettingsError(path.name, [said("settings.file_too_large", file=str(path), most=LARGEST)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(path.name, [said("settings.file_no_text", file=str(path))]) from error
    document, file, errors = _read(text)
    services = file.catalogue() if file is not None else {}
    errors += [_shared(document, *clash) for clash in islice(clashes(tuple(services.values())), MOST_TOLD + 1)]
    if file is None or errors:
        in_order = sorted(
            dict.fromkeys(errors), key=lambda one: (one.line, one.path)
        )  # as a person would read the file
        raise SettingsError(path.name, _first([one.sentence_in(path) for one in in_order]))
    return Catalogue(services, path.name, document, content=content, languages=file.languages)


def content_of(path: Path) -> bytes:
    """What is in the file; not much more than may be in it.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return files.content(path, LARGEST + 1)
    except OSError as error:
        sentence = said("settings.services_unreadable", file=str(path), reason=str(error.strerror), by="SERVICES_FILE")
        raise SettingsError(path.name, [sentence]) from error
    except ValueError as error:
        sentence = said("settings.no_file_name", file=shown(str(path)), by="SERVICES_FILE")
        raise SettingsError(path.name, [sentence]) from error


def _first(sentences: list[Text]) -> list[Text]:
    """Those that people can still read; whether there are more."""
    more = len(sentences) - MOST_TOLD
    return [*sentences[:MOST_TOLD], said("settings.and_more")] if more > 0 else sentences


def read_or_do_without(path: Path) -> Catalogue:
    """The catalogue in ``path``; where it cannot be used, one without any service that says why.

    For whoever looks after rollouts: those that are live hold everything they need.
    """
    try:
        return read_services(path)
    except SettingsError as error:
        return Catalogue({}, path.name, trouble=none_usable(error))


def none_usable(error: SettingsError) -> Sentence:
    """That no service can be started, and why."""
    return said("settings.none_usable", first=first(error))


def first(error: SettingsError) -> Sentence:
    """The first mistake, how many more there are, and where all of them are told."""
    reason, more, check = error.reasons[0], len(error.reasons) - 1, Code("canary-bot check")
    if not more:
        return said("settings.first", reason=reason, check=check)
    return said("settings.first_of_several", reason=reason, n=more, check=check)


def _shared(document: Tree, service: ServiceConfig, keys: tuple[str, ...], sentence: Sentence) -> Mistake:
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
    tree, errors = parse(text)
    if tree.value == {} and errors:
        return tree, None, errors  # nothing to look at
    root, defaults = _split(tree)
    file, wrong = _validate(ServicesFile, _with_defaults(root, defaults))
    # Also by themselves: a default that every service replaces would never be looked at. What they leave out is fine.
    _, wrong_defaults = _validate(ServiceSection, defaults, ignore="missing")
    return tree, file, [*errors, *wrong, *wrong_defaults]


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
    loc = problem["loc"]
    here, kind, last = tree.at(loc), problem["type"], str(loc[-1]) if loc else ""
    if kind == "missing":
        path = f"{here.path}.{last}" if here.path else last
        # The file itself and the items of lists have no defaults.
        can_be_default = len(loc) > 1 and not any(isinstance(step, int) for step in loc)
        missing = said("settings.missing_here_or_defaults") if can_be_default else said("settings.missing")
        return Mistake(here.line, path, missing)
    if kind == "extra_forbidden":
        near = did_you_mean(last, _keys(model, loc[:-1]))
        return Mistake(here.line, here.path, said("settings.no_known_key", near=near))
    if kind == "value_error":
        return Mistake(here.line, here.path, _refused(problem["ctx"]["error"]))
    return Mistake(here.line, here.path, _said_of(problem))


def _refused(error: Exception) -> Text:
    return error.sentence if isinstance(error, Wrong) else str(error)


def _said_of(problem: ErrorDetails) -> Text:
    """What is wrong with a value of the wrong kind or size."""
    kind, value = problem["type"], shown(problem["input"])
    if kind in _KINDS:
        return said("settings.written", rule=_KINDS[kind], value=value)
    if kind in _EMPTY:
        return said("settings.not_empty")
    # Anything pydantic may learn to say later is still a sentence, if not one of ours.
    return _out_of_bounds(kind, problem.get("ctx", {}), value) or problem["msg"]


def _out_of_bounds(kind: str, context: Mapping[str, Any], value: Text) -> Text:
    sentence: Text = ""
    match kind:
        case "string_too_long":
            sentence = said("settings.too_long", most=context["max_length"])
        case "enum" | "literal_error":
            sentence = said("settings.one_of", expected=_choices(str(context["expected"])), value=value)
        case "greater_than":
            sentence = said("settings.above", least=_bound(context["gt"]), value=value)
        case "greater_than_equal":
            sentence = said("settings.at_least", least=_bound(context["ge"]), value=value)
        case "less_than_equal":
            sentence = said("settings.at_most", most=_bound(context["le"]), value=value)
        case "less_than":
            sentence = said("settings.below", most=_bound(context["lt"]), value=value)
    return sentence


def _choices(expected: str) -> tuple[Item, ...]:
    """The words in ``'a', 'b' or 'c'``."""
    return tuple(f'"{word}"' for word in re.findall(r"'([^']*)'", expected))


def _bound(limit: object) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _keys(model: type[BaseModel], path: YamlPath) -> set[str]:
    """The keys that may stand at ``path``: found by walking down the schema."""
    whole = _schema_of(model)
    options = _options(whole, whole)
    for step in path:
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
