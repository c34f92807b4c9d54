"""The law for everything that reads what others write, tried on what is known and on a little at random."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import mutation, targets
from tests.fuzz.law import Violation, demand_nothing_alive, obey
from tests.fuzz.searching import inputs

EXAMPLES = 25  # for each target: all of them take a few seconds


@pytest.mark.parametrize("name", targets.TARGETS)
def test_what_is_known_and_what_is_made_of_it_obeys_the_law(name: str) -> None:
    seeds = targets.seeds(name)
    for seed in seeds:
        obey(targets.TARGETS[name], seed)

    @settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(inputs(seeds))
    def made(data: bytes) -> None:
        obey(targets.TARGETS[name], data)

    made()


@given(st.binary(max_size=100), st.integers(0, 2**32))
def test_a_change_depends_on_its_seed_alone_and_keeps_the_limit(data: bytes, seed: int) -> None:
    assert mutation.mutated(data, seed, 50) == mutation.mutated(data, seed, 50)
    assert len(mutation.mutated(data, seed, 50)) <= 50


def test_an_error_that_is_none_of_ours_breaks_the_law_and_is_known_by_its_place() -> None:
    def broken(data: bytes) -> None:
        int(data)

    with pytest.raises(Violation) as found:
        obey(broken, b"x")

    assert found.value.key == "ValueError at outside"


@pytest.mark.parametrize("text", ["<!channel>", "hello <@U0BOT00001|x>", "<https://evil.example|fine>", "a > b"])
def test_a_mention_in_mrkdwn_breaks_the_law(text: str) -> None:
    with pytest.raises(Violation):
        demand_nothing_alive([{"type": "section", "text": {"type": "mrkdwn", "text": text}}])
