from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.adapters.serialization import Keys, dump_entry, dump_rollout, load_entry, load_rollout
from bot.model.errors import Fault
from bot.model.judge_settings import JudgeSettings, MetricLimits
from bot.model.rollout import Hold, HoldCause, Phase, Rollout, RolloutId, Routes, Topology
from bot.model.service import HardLimit, Measure, Promote
from bot.model.story import Entry
from bot.rollout import aborts, decide, people, transitions
from bot.rollout.plans import make_wait
from bot.words.rendering import plain
from bot.words.sentence import Item, Moment, Person, Seconds, Sentence
from tests.builders import MAYA, a_rollout, a_service
from tests.contract.examples import rollout

NEWER = (
    "holds rollout r1 in schema 9, written by a newer canary-bot. This one reads up to schema 4. "
    "Run the newer version again."
)

# NaN is not equal to itself, and a test of equality could not say anything about it.
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(
    Routes,
    st.builds(Routes, canary=st.integers(0, 100), mirror=st.just(value=False)) | st.just(Routes(canary=0, mirror=True)),
)

SHARE, TIMES = st.floats(0, 1), st.floats(1, 100)
LIMITS = st.builds(MetricLimits, tolerance=TIMES, slack=SHARE, margin=TIMES, margin_slack=SHARE)
st.register_type_strategy(
    JudgeSettings,
    st.builds(JudgeSettings, alpha=st.floats(0.001, 0.5), errors=LIMITS, slow=LIMITS, bounds=st.just((100.0, 250.5))),
)
st.register_type_strategy(
    Mapping, lambda hint: st.dictionaries(*(st.from_type(part) for part in get_args(hint)), max_size=3)
)
# A bare number in a sentence is a count or a limit, and finite; what may be endless has a kind of its own.
ITEMS: st.SearchStrategy[Item] = st.one_of(
    st.text(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.builds(Seconds, st.floats(allow_nan=False)),
    st.builds(Person, st.text()),
    st.builds(Moment, st.floats(0, 9e9)),
)
st.register_type_strategy(
    Sentence,
    st.recursive(
        st.builds(Sentence, st.text(), st.dictionaries(st.text(), ITEMS, max_size=2)),
        lambda inner: st.builds(
            Sentence, st.text(), st.dictionaries(st.text(), inner | st.lists(inner | ITEMS).map(tuple), max_size=2)
        ),
        max_leaves=3,
    ),
)


def on_a_plan(any_rollout: Rollout) -> Rollout:
    """At a stage that there is: every other record is damaged."""
    spec = replace(any_rollout.spec, plan=any_rollout.spec.plan or a_rollout().spec.plan)
    return replace(any_rollout, spec=spec, stage=any_rollout.stage % len(any_rollout.retreat or spec.plan))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a rollout has many fields
@given(st.from_type(Rollout))
def test_any_rollout_survives_being_stored(any_rollout: Rollout) -> None:
    stored = on_a_plan(any_rollout)

    assert load_rollout(dump_rollout(stored)) == stored


@given(st.from_type(Entry))
def test_any_line_of_a_story_survives_being_stored(entry: Entry) -> None:
    assert load_entry(dump_entry(entry)) == entry


def test_fields_a_newer_version_added_are_ignored() -> None:
    document = json.loads(dump_rollout(rollout()))
    document["later"] = document["rollout"]["later"] = document["rollout"]["target"]["later"] = {"any": "thing"}

    assert load_rollout(json.dumps(document)) == rollout()


def test_a_rollout_of_before_the_judge_keeps_what_its_service_tolerated() -> None:
    document = json.loads(dump_rollout(rollout())) | {"schema": 1}
    document["rollout"].pop("trial")
    document["rollout"]["gates"] = {
        "errors": {"ceiling": 0.02, "tolerance": 2.0, "slack": 0.005},
        "latency": {"bounds": [250.0], "tolerance": 3.0, "slack": 0.02, "quantile": 0.95, "maximum": 400.0},
        "custom": [],
        "minimum_requests": 30,
        "warm_up": 5.0,
        "coverage": 0.9,
    }

    gates = load_rollout(json.dumps(document)).spec.gates

    assert (gates.judge.ceiling, gates.judge.errors.tolerance, gates.judge.slow.tolerance) == (0.02, 2.0, 3.0)
    assert (gates.minimum_requests, gates.judge.latency_after, gates.judge.bounds) == (30, 5.0, (250.0,))
    assert gates.limits == (HardLimit(name="p95", of=Measure.LATENCY, quantile=0.95, maximum=400.0),)


# Fields that schema 3 stores where schema 2 guessed, or had nothing.
SINCE_3 = ("touched", "accepted", "asked", "asked_for", "withdrawn", "others", "gone_since", "sizes")


def as_of_schema_2(stored: Rollout) -> str:
    document = json.loads(dump_rollout(stored)) | {"schema": 2}
    for field in SINCE_3:
        del document["rollout"][field]
    for stage in (*document["rollout"]["plan"], *document["rollout"]["retreat"]):
        del stage["kind"]
    for field in ("times", "calm_since", "over_since"):
        (document["rollout"]["hold"] or {}).pop(field, None)
    return json.dumps(document)


def everywhere(promote: Promote, topology: Topology) -> Iterator[Rollout]:
    """A rollout in every stage of its plan, of each way back from there, and at each end of them."""
    begun, _ = decide.enter_first_stage(a_rollout(a_service(promote=promote), topology), 1.0)
    place = begun
    for number, stage in enumerate(begun.spec.plan):
        place = begun if number == 0 else transitions.enter(replace(place, touched=False), stage.phase, number, 2.0)
        yield place
        aborting, _ = aborts.abort(place, MAYA, "because.", 3.0)
        yield from (replace(aborting, stage=step) for step in range(len(aborting.retreat)))
        wait = replace(aborting, retreat=(*aborting.retreat[:-2], make_wait(2), *aborting.retreat[-2:]))
        yield from (wait, replace(wait, phase=Phase.HALTED), replace(wait, phase=Phase.ABORTED, ended_at=9.0))
        if stage.phase is Phase.UPGRADING:
            halted = transitions.enter(place, Phase.HALTED, number, 3.0)
            accepted, _ = people.accept(halted, MAYA, 4.0)
            yield from (halted, accepted, replace(accepted, phase=Phase.PROMOTED, ended_at=9.0))
    yield replace(place, phase=Phase.PROMOTED, ended_at=9.0)
    yield a_rollout(phase=Phase.REFUSED, ended_at=1.0)


@pytest.mark.parametrize("topology", Topology)
@pytest.mark.parametrize("promote", Promote)
def test_a_rollout_of_schema_2_in_any_phase_comes_to_know_what_was_guessed(
    promote: Promote, topology: Topology
) -> None:
    for stored in everywhere(promote, topology):
        read = load_rollout(as_of_schema_2(stored))

        assert (read.touched, read.accepted) == (stored.primary_touched, stored.accepted)
        assert read == replace(stored, touched=stored.primary_touched)


def test_a_hold_of_schema_2_is_the_one_that_people_know_of() -> None:
    hold = Hold(cause=HoldCause.DRIFT, sentence="Somebody changed it.", since=5.0, notified=True)

    read = load_rollout(as_of_schema_2(replace(rollout(), hold=hold)))

    assert (read.hold, read.holds, read.others) == (hold, (hold,), ())


def test_an_older_schema_is_upgraded_step_by_step() -> None:
    document = json.loads(dump_rollout(rollout())) | {"schema": 0}
    document["rollout"]["identity"] = document["rollout"].pop("id")

    def renamed_once(old: dict[str, Any]) -> dict[str, Any]:
        old["rollout"]["name"] = old["rollout"].pop("identity")
        return old

    def renamed_again(old: dict[str, Any]) -> dict[str, Any]:
        old["rollout"]["id"] = old["rollout"].pop("name")
        return old

    assert load_rollout(json.dumps(document), {0: renamed_once, 1: renamed_again}, newest=2) == rollout()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"schema": 9, "rollout": {"id": "r1"}}', NEWER),
        ("not JSON", "holds a rollout that cannot be read: JSONDecodeError."),
        ("[]", "holds a rollout that cannot be read: TypeError."),
        ("{}", "holds a rollout that cannot be read: KeyError."),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Fault) as fault:
        load_rollout(text)

    assert plain(fault.value.sentence) == sentence


def test_a_damaged_rollout_names_its_wrong_fields_and_no_value() -> None:
    document = json.loads(dump_rollout(rollout()))
    document["rollout"]["phase"] = "hunter2"
    del document["rollout"]["target"]["host"]

    with pytest.raises(Fault) as fault:
        load_rollout(json.dumps(document))

    assert plain(fault.value.sentence) == "holds a rollout that cannot be read: wrong or missing phase and target.host."


def test_all_keys_of_a_service_share_a_hash_tag() -> None:
    keys, one = Keys(service="default/reviews"), RolloutId("r1")

    names = [keys.rollout(one), keys.story(one), keys.card(one), keys.active, keys.history, keys.outbox]

    assert names == [
        f"canary:{{default/reviews}}:{rest}"
        for rest in ("rollout:r1", "story:r1", "card:r1", "active", "history", "outbox")
    ]
    assert Keys.of_history(keys.history) == "default/reviews"
