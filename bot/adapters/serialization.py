"""What Redis holds, as text: names of keys, and JSON in and out. Reading and writing Redis is not done here.

A rollout is stored as ``{"schema": N, "rollout": {...}}``. Fields nobody knows are ignored, so a newer version may add
one with a default and be rolled back. Anything else raises ``SCHEMA`` and adds a step to ``UPGRADES``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import ConfigDict, RootModel, ValidationError
from pydantic_core import to_json

from bot.model.errors import Fault, Remains, Unreadable
from bot.model.figures import Judgement
from bot.model.freeze import Freeze, FreezeLine
from bot.model.judge_settings import ERRORS, SLOW
from bot.model.rollout import Rollout, RolloutId, RolloutSpec, copies_from
from bot.model.story import Entry, EntryKind
from bot.words.rendering import plain
from bot.words.sentence import Code, Text, said

SCHEMA = 4

Document = dict[str, Any]
Upgrade = Callable[[Document], Document]


def _gates_become_a_judge(document: Document) -> Document:
    """Schema 1 had two fixed gates; what they were told is what the judge is told now, and a quantile a hard limit."""
    rollout = document["rollout"]
    gates = rollout["gates"]
    errors, latency = gates.pop("errors"), gates.pop("latency")
    judge = {"least_requests": gates.pop("minimum_requests"), "latency_after": gates.pop("warm_up")}
    if errors is not None:
        judge |= {"ceiling": min(max(errors["ceiling"], 1e-4), 0.999)}
        judge |= {"errors": asdict(replace(ERRORS, tolerance=errors["tolerance"]))}
    limits = []
    if latency is not None:
        judge |= {"bounds": latency["bounds"], "slow": asdict(replace(SLOW, tolerance=latency["tolerance"]))}
        if latency["maximum"] is not None:
            named = {"name": f"p{latency['quantile'] * 100:g}", "of": "latency"}
            limits = [named | {"quantile": latency["quantile"], "maximum": latency["maximum"]}]
    gates |= {"errors": errors is not None, "latency": latency is not None, "judge": judge, "limits": limits}
    return document


def _guesses_become_fields(document: Document) -> Document:
    """Schema 2 read off names and routes what a stage is for, if the primary was touched and if a halt was accepted."""
    rollout = document["rollout"]
    retreat = rollout.get("retreat") or []
    accepted = bool(retreat) and rollout["phase"] in {"baking", "promoted"}
    if retreat:
        touched = any(one["routes"]["canary"] == _EVERYONE and one["name"] != "scale up" for one in retreat)
    else:
        walked = rollout["plan"][: rollout["stage"] + 1]
        touched = any(one.get("template") == "upgraded" for one in walked)
    kinds = frozenset({"restore", "scale up", "return"})
    for stage in retreat:
        stage["kind"] = stage["name"] if stage["name"] in kinds else "step"
    return document | {"rollout": rollout | {"touched": touched, "accepted": accepted}}


def _sentences_become_values(document: Document) -> Document:
    """Schema 3 stored what was said in English; that is text as before, and only what is said from now on a value."""
    return document


_EVERYONE = 100  # percent

# From the schema that is the key to the next one.
UPGRADES: Mapping[int, Upgrade] = {
    1: _gates_become_a_judge,
    2: _guesses_become_fields,
    3: _sentences_become_values,
}

# Every service that ever had a rollout; never shrinks, so no writer can lose a race with a reader that tidies up.
# Written before anything else, so it may name a service that holds nothing. ``RedisStore.reindex`` rebuilds it.
SERVICES = "canary:index:services"
# Services with words to say (a set), and with cards out of date (a sorted set, by since when). Written after the
# notifications themselves, so they may miss some until ``RedisStore.reindex``; they may name a service that has none.
WORDS = "canary:index:words"
CARDS = "canary:index:cards"
# A pattern: exactly the services that ever had a rollout have this key. ``Keys.of_history`` is its inverse.
HISTORIES = "canary:{*}:history"
# That everything here was signed once, by a replica with a key: what is unsigned since is nobody's.
SIGNED = "canary:{signed}"

# Seconds that a fence may be ahead of Redis' clock, which is what it is made of: as far as the clocks of two of its
# servers may differ. Whatever is further ahead is nobody's: somebody put it there to shut out whoever leads.
FENCE_AHEAD = 300
# Freezes belong to no service, and share a hash tag of their own. A hash: scope to the freeze's JSON.
FREEZES = "canary:{freezes}:now"
# A stream: who froze and unfroze what, each line's JSON in the field ``line``. Append-only.
FREEZES_STORY = "canary:{freezes}:story"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Names of the keys of one service (``namespace/name``), which share a hash tag: one slot in a Redis Cluster."""

    service: str

    def rollout(self, rollout_id: RolloutId) -> str:
        """JSON of one rollout."""
        return self._key(f"rollout:{rollout_id}")

    def story(self, rollout_id: RolloutId) -> str:
        """A stream: what happened, each entry's JSON in the field ``entry``. Append-only."""
        return self._key(f"story:{rollout_id}")

    def card(self, rollout_id: RolloutId) -> str:
        """A hash: where the card is."""
        return self._key(f"card:{rollout_id}")

    @property
    def active(self) -> str:
        """The id of the live rollout; missing when there is none."""
        return self._key("active")

    @property
    def history(self) -> str:
        """A sorted set: ids of all rollouts by the time they were started."""
        return self._key("history")

    @property
    def refused(self) -> str:
        """A sorted set: ids of starts that were refused, as ``history`` has them; those that went may be among them."""
        return self._key("refused")

    @property
    def outbox(self) -> str:
        """A stream: words that are not delivered yet."""
        return self._key("outbox")

    @property
    def aside(self) -> str:
        """A stream: words that were in the outbox, and cannot be read."""
        return self._key("aside")

    @property
    def cards(self) -> str:
        """A hash: rollouts whose card is out of date, and the revision it should show."""
        return self._key("cards")

    @property
    def tries(self) -> str:
        """A hash: notifications that may have been posted without anybody knowing, and how often."""
        return self._key("tries")

    @property
    def fence(self) -> str:
        """The largest number of a lease that was written with."""
        return self._key("fence")

    @staticmethod
    def of_history(key: str) -> str:
        """The service whose ``history`` this is."""
        return key.removeprefix("canary:{").removesuffix("}:history")

    def _key(self, rest: str) -> str:
        return f"canary:{{{self.service}}}:{rest}"


# Fields that are called otherwise in what is stored, where older versions find them.
_STORED_AS = {"analysis_state": "trial", "notified": "told", "watermarks": "marks", "reconciles": "looks"}


def _stored_as(field: str) -> str:
    return _STORED_AS.get(field, field)


# ``ser_json_inf_nan``: by default infinity is stored as null, and the rollout never read again.
_AS_STORED = ConfigDict(ser_json_inf_nan="strings", validate_by_name=True, alias_generator=_stored_as)


class _StoredSpec(RootModel[RolloutSpec]):
    model_config = _AS_STORED


class _Stored(RootModel[Rollout]):
    model_config = _AS_STORED


class _StoredJudgement(RootModel[Judgement]):
    model_config = _AS_STORED


class _StoredEntry(RootModel[Entry]):
    model_config = ConfigDict(ser_json_inf_nan="strings")


class _StoredFreeze(RootModel[Freeze]):
    model_config = ConfigDict(ser_json_inf_nan="strings")


class _StoredFreezeLine(RootModel[FreezeLine]):
    model_config = ConfigDict(alias_generator=lambda field: "deed" if field == "action" else field)


def dump_rollout(rollout: Rollout, spec: str = "") -> str:
    """A rollout as it is stored: its spec's fields beside those of its status, as every version has written them.

    ``spec``: what ``dump_spec`` said of its spec, where that is known.
    """
    spec = spec or dump_spec(rollout.spec)
    status = _Stored(rollout).model_dump_json(by_alias=True, exclude={"spec", "judgement"})
    return f'{{"schema":{SCHEMA},"rollout":{spec[:-1]},{status[1:-1]},"judgement":{_judgement(rollout)}}}}}'


def _judgement(rollout: Rollout) -> str:
    """The last judgement. Its findings are sentences within sentences, which take longest of all where each thing in
    them is tried as everything that it might be: they are written as what they are.
    """
    if rollout.judgement is None:
        return "null"
    rest = _StoredJudgement(rollout.judgement).model_dump_json(by_alias=True, exclude={"findings"})
    findings = to_json(rollout.judgement.findings, inf_nan_mode="strings").decode()
    return f'{rest[:-1]},"findings":{findings}}}'


def dump_spec(spec: RolloutSpec) -> str:
    """What was fixed at a rollout's start, as a part of how it is stored."""
    return _StoredSpec(spec).model_dump_json(by_alias=True)


def load_rollout(text: str, upgrades: Mapping[int, Upgrade] = UPGRADES, newest: int = SCHEMA) -> Rollout:
    """A rollout from what is stored, upgraded from an older schema step by step.

    Raises:
        Unreadable: it is of a newer schema, or no rollout at all.
    """
    try:
        document = _json(text)
    except (ValueError, RecursionError) as broken:
        raise Unreadable("Redis", said("adapters.broken_rollout", why=_fields(broken))) from broken
    try:
        schema = int(document["schema"])
        if schema > newest:
            named = str(document["rollout"].get("id", "(no id)"))
            newer = said("adapters.newer_schema", id=named, theirs=str(schema), ours=str(newest))
            raise Unreadable("Redis", newer, _remains(document["rollout"]))
        for older in range(schema, newest):
            document = upgrades[older](document)
        rollout = _with_step_backs(_with_own_fields(document["rollout"]))
        return _on_its_plan(_Stored.model_validate({**rollout, "spec": rollout}).root)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as broken:
        left = _remains(document.get("rollout") if isinstance(document, dict) else None)
        raise Unreadable("Redis", said("adapters.broken_rollout", why=_fields(broken)), left) from broken


def _on_its_plan(rollout: Rollout) -> Rollout:
    """The rollout, if there is a stage where it says that it is."""
    if not 0 <= rollout.stage < len(rollout.retreat or rollout.spec.plan):
        raise IndexError("no stage of its plan")
    return rollout


def _json(text: str) -> Any:
    """What the text says.

    Raises:
        ValueError: it is no JSON, or holds half a character, with which it could never be stored again.
    """
    found = json.loads(text)
    if _HALF.search(text):
        json.dumps(found, ensure_ascii=False).encode()
    text.encode()
    return found


_HALF = re.compile(r"\\u[dD][89a-fA-F]")

# Our own checks whose figures are shares, and how the one of slow requests is called, by every version that did not
# store what a figure is. What a service's own limits and queries give stands in the limits and queries themselves.
_SHARES = frozenset({"errors", "coverage", "harm"})
_SLOWER = re.compile(r"slower than (\d+(?:\.\d+)?(?:e[+-]?\d+)?) ms")


def _with_own_fields(rollout: Document) -> Document:
    """What older versions only wrote into names is read out of them: units of figures, which object was edited, and
    which doubt people were asked about.
    """
    judgement, drift = rollout.get("judgement"), rollout.get("drift")
    if judgement:
        units = _units(rollout.get("gates") or {})
        findings = [(units.get(one["gate"]) or _unit_of(one["gate"])) | one for one in judgement.get("findings", ())]
        rollout = rollout | {"judgement": judgement | {"findings": findings}}
    if drift:
        rollout = rollout | {"drift": drift | {"edits": [_object_of(one["obj"]) | one for one in drift["edits"]]}}
    kind, _, gate = str(rollout.get("asked_about", "")).partition(" ")
    return {"question": {"kind": kind, "gate": gate}} | rollout if kind == "doubt" else rollout


_COPIES = re.compile(re.escape(copies_from(0))[:-1] + r"([1-9]\d?|100)")


def _with_step_backs(rollout: Document) -> Document:
    """What a version that knows no step back has lost, while it had the rollout: that a stage is on copies, which it
    takes for a mirror and keeps in the plan, and how often users were taken home.
    """
    plan, retreat, here = rollout["plan"], rollout.get("retreat"), rollout.get("stage", 0)
    began = [(one, one["name"], one["began"]) for one in rollout.get("walked", ())]
    began += [] if retreat or not plan else [(rollout, plan[here]["name"], rollout.get("since", 0.0))]
    back = [
        {"at": at, "share": int(named[1]), "home_at": one.get("settled_at")}
        for one, name, at in began
        if (named := _COPIES.fullmatch(name))
    ]
    over = [] if retreat else [stage for stage in plan[:here] if _home_from(stage)]
    return rollout | {
        "plan": [{"home_from": _home_from(stage)} | stage for stage in plan if stage not in over],
        "stage": here - len(over),
        "step_backs": rollout.get("step_backs") or back,
    }


def _home_from(stage: Document) -> int:
    """Of a stage on copies that does not say so itself: from which share users were taken home; else 0."""
    named = _COPIES.fullmatch(stage["name"]) if stage["phase"] == "mirroring" and not stage.get("home_from") else None
    return int(named[1]) if named else 0


def _unit_of(gate: str) -> Document:
    if slower := _SLOWER.fullmatch(gate):
        return {"unit": "share", "compared": "latency", "bound": float(slower[1])}
    if gate in _SHARES:
        return {"unit": "share", "compared": "errors" if gate == "errors" else None}
    return {"unit": "number"}


def _units(gates: Document) -> dict[str, Document]:
    """What the figures of a service's own limits and queries are, by their names."""
    limits = {
        one["name"]: {"unit": "milliseconds" if one.get("of") == "latency" else "share"}
        for one in gates.get("limits", ())
    }
    return limits | {one["name"]: {"unit": "number"} for one in gates.get("custom", ())}


def _object_of(title: str) -> Document:
    kind, _, name = title.partition(" ")
    return {"kind": kind, "name": name}


def dump_entry(entry: Entry) -> str:
    """One line of a story as it is stored: in English, for versions that know no other words, and as values."""
    stored = _StoredEntry(entry).model_dump(mode="json")
    values = {field: stored[field] for field in _SPOKEN if not isinstance(stored[field], str)}
    english = {field: plain(getattr(entry, field)) for field in values}
    return json.dumps(stored | english | ({"said": values} if values else {}), separators=(",", ":"))


# Fields of an entry that are sentences.
_SPOKEN = ("text", "gist")


def load_entry(text: str) -> Entry:
    """One line of a story from what is stored; what an older version only wrote into its text is read out of that.

    Raises:
        Unreadable: it is no entry.
    """
    try:
        document = _json(text)
        values = document.pop("said", {})
        entry = _StoredEntry.model_validate(
            document | {field: values[field] for field in _SPOKEN if field in values}
        ).root
    except (ValueError, TypeError, AttributeError, RecursionError) as broken:
        raise Unreadable("Redis", said("adapters.broken_line", why=_fields(broken))) from broken
    return entry if "stage" in document else _with_stage(entry)


# How every version that had no fields for it began the lines about a stage that was entered, and that was left.
_ENTERED = re.compile(r"([a-z]+(?: [a-z]+)?(?: [0-9]+)?): ")
_LEFT = re.compile(r"([a-z]+(?: [a-z]+)?(?: [0-9]+)?) (?:passed|ended, not proven)\. ?")


def _with_stage(entry: Entry) -> Entry:
    """A line that was stored without fields for its stage and its gist."""
    text = plain(entry.text)
    if entry.kind is EntryKind.STAGE and (entered := _ENTERED.match(text)):
        return replace(entry, stage=entered[1])
    if entry.kind is EntryKind.SUMMARY and (left := _LEFT.match(text)):
        rest = text[left.end() :]
        return replace(entry, stage=left[1], gist=rest and rest.partition(". ")[0].rstrip(".") + ".")
    return entry


def dump_freeze(freeze: Freeze) -> str:
    """A freeze as it is stored."""
    return _StoredFreeze(freeze).model_dump_json()


def load_freeze(text: str) -> Freeze:
    """A freeze from what is stored. Fields nobody knows are ignored, as a rollout's are.

    Raises:
        Fault: it is no freeze. Nobody knows then what must not be started.
    """
    try:
        return _StoredFreeze.model_validate_json(text).root
    except ValidationError as broken:
        raise Fault("Redis", said("adapters.broken_freeze", key=Code(FREEZES), why=_fields(broken))) from broken


def dump_freeze_line(line: FreezeLine) -> str:
    """One line of the story of all freezes as it is stored."""
    return _StoredFreezeLine(line).model_dump_json(by_alias=True)


def load_freeze_line(text: str) -> FreezeLine:
    """One line of the story of all freezes from what is stored.

    Raises:
        Fault: it is no line.
    """
    try:
        return _StoredFreezeLine.model_validate_json(text).root
    except ValidationError as broken:
        raise Fault("Redis", said("adapters.broken_freeze_line", why=_fields(broken))) from broken


def _remains(rollout: object) -> Remains:
    """What a record tells by the names that every schema so far has had; each part only where it is of its kind."""
    target, rule = _part(rollout, "target"), _part(rollout, "approvals_rule")
    approvers = _part(rule, "approvers")
    return Remains(
        virtual_service=_text(_part(target, "virtual_service")),
        channel=_text(_part(rollout, "channel")),
        approvers=tuple(filter(None, map(_text, approvers))) if isinstance(approvers, list) else (),
    )


def _part(whole: object, name: str) -> object:
    return whole.get(name) if isinstance(whole, dict) else None


def _text(part: object) -> str:
    return part if isinstance(part, str) else ""


def _fields(error: Exception) -> Text:
    """What is wrong with it, without any value of it."""
    if isinstance(error, ValidationError):
        places = sorted({".".join(str(part) for part in detail["loc"]) for detail in error.errors()})
        # What is stored has no spec of its own.
        places = [place.removeprefix("spec.") for place in places]
        return said("adapters.wrong_fields", fields=tuple(places))
    return type(error).__name__
