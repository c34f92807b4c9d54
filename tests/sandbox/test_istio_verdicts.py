"""The webhook of the rehearsal says of a VirtualService what Istio's own validation said of it, once and for all.

The sample was made by running Istio's ``ValidateVirtualService``; what it was asked, and what it answered, is inside.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.kube.admission import admit
from sandbox.kube.errors import ApiError

SAMPLE = json.loads((Path(__file__).parent / "samples" / "istio-verdicts.json").read_text(encoding="utf-8"))
INVALID = "configuration is invalid: "
NO_REGEX = "error parsing regexp"  # what is wrong with it, each library says in its own words


@pytest.mark.parametrize("verdict", SAMPLE["verdicts"], ids=lambda verdict: "; ".join(verdict["errors"])[:60] or "good")
def test_istio_says_the_same(verdict: dict[str, Any]) -> None:
    errors, warnings = said_of({"kind": "VirtualService", "spec": verdict["spec"]})

    assert errors == {without_regex(one) for one in verdict["errors"]}
    assert errors or warnings == set(verdict["warnings"])


def said_of(vs: dict[str, Any]) -> tuple[set[str], set[str]]:
    try:
        return set(), set(admit(vs))
    except ApiError as refused:
        text = refused.message.partition(INVALID)[2]
        lines = [line.removeprefix("\t* ") for line in text.splitlines() if line.startswith("\t* ")] or [text]
        return {without_regex(line) for line in lines}, set()


def without_regex(error: str) -> str:
    head, found, _ = error.partition(NO_REGEX)
    return head + found
