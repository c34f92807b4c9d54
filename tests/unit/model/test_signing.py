"""A signature is worth something for one text, one subject and one of our keys, and for nothing else."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from bot.model.signing import UNSIGNED, Signature, Signer

OURS = Signer(keys=(b"k" * 32,))
PARTS = st.lists(st.text(max_size=8), min_size=1, max_size=4)


@given(parts=PARTS)
def test_what_was_signed_is_known_again(parts: list[str]) -> None:
    assert OURS.judge(OURS.sign(*parts), *parts) is Signature.VALID


@given(parts=PARTS, others=PARTS)
def test_a_signature_is_wrong_for_any_other_parts_however_they_are_cut(parts: list[str], others: list[str]) -> None:
    assume(parts != others)

    assert OURS.judge(OURS.sign(*parts), *others) is Signature.WRONG


@given(parts=PARTS, signature=st.one_of(st.none(), st.text(max_size=70), st.integers(), st.lists(st.integers())))
def test_nothing_that_comes_from_outside_is_a_signature_by_chance(parts: list[str], signature: object) -> None:
    assert OURS.judge(signature, *parts) in {Signature.MISSING, Signature.WRONG}


def test_a_key_can_be_replaced_while_both_are_known() -> None:
    both = Signer(keys=(b"n" * 32, *OURS.keys))

    assert both.judge(OURS.sign("text"), "text") is Signature.VALID
    assert OURS.judge(both.sign("text"), "text") is Signature.WRONG


def test_without_a_key_nothing_is_signed_and_nothing_refused() -> None:
    assert UNSIGNED.sign("text") == ""
    assert UNSIGNED.judge("anything", "text") is Signature.UNCHECKED


def test_a_key_is_never_shown() -> None:
    assert "kkk" not in repr(OURS)
