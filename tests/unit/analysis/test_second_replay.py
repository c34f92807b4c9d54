"""Recorded intervals judged offline by the second edition: which verdicts would have moved traffic."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.analysis.judge.replay import replay
from bot.analysis.judge.second.recorded import replay_second
from bot.cli.status import replayed
from bot.model.errors import Refusal
from bot.model.judge_settings import SECOND
from bot.words.rendering import plain

BUCKETS = {"50": 33, "100": 97, "250": 145, "500": 150, "+Inf": 150}
HISTORY = json.dumps({"history": [{"requests": 150, "errors": 1 + i % 2, "buckets": BUCKETS} for i in range(240)]})
Counts = tuple[float, float]


def line(n: int, stage: str | int, canary: Counts, primary: Counts, **more: Any) -> str:
    sides = {
        name: {"requests": requests, "errors": errors, "buckets": {le: requests * c / 150 for le, c in BUCKETS.items()}}
        for name, (requests, errors) in (("canary", canary), ("primary", primary))
    }
    return json.dumps({"t": 15.0 * n, "stage": stage, **sides, **more})


def rows(*groups: tuple[int, str | int, Counts, Counts], **more: Any) -> list[str]:
    """So many lines of each."""
    found = [HISTORY]
    for count, stage, canary, primary in groups:
        found += [line(len(found) + n, stage, canary, primary, **more) for n in range(count)]
    return found


GOOD, FAILS = ((60, 0), (240, 2)), ((60, 20), (240, 2))
COPIES = ((300, 2), (300, 3))


def test_a_blip_would_send_users_home_and_back() -> None:
    *answers, last = replay_second(rows((4, 20, *GOOD), (2, 20, *FAILS), (30, 20, *COPIES)))

    moves = last["summary"]["moves"]
    assert [(move["what"], move["by"]) for move in moves] == [("home", "errors"), ("back", "")]
    assert moves[0]["t"] == 90
    assert last["summary"]["aborted_at"] is None
    assert [answer["t"] for answer in answers if answer["moves_traffic"]] == [move["t"] for move in moves]
    texts = [answer["text"] for answer in answers]
    assert texts[5].startswith("Users would go home: errors 11.1 % (40 of 360)")
    assert texts[6].startswith("Judged by copies: errors")
    assert any(one.startswith("Healthy again, users would go back: ") for one in texts)


def test_a_fault_would_send_users_home_and_abort() -> None:
    *answers, last = replay_second(rows((4, 20, *GOOD), (12, 20, (300, 90), (300, 3))))

    assert [move["what"] for move in last["summary"]["moves"]] == ["home", "abort"]
    assert last["summary"]["aborted_by"] == "errors"
    assert answers[-1]["verdict"] == "abort"
    assert "canary is worse: errors" in next(one["text"] for one in answers if one["verdict"] == "abort")
    assert plain(replayed(last)) == (
        "aborted at 165 s by errors; passed: none; would have moved traffic: users home at 90 s by errors "
        "and abort at 165 s by errors. From then on the file is of traffic as it was."
    )


def test_nobody_is_sent_home_from_a_mirror() -> None:
    *_, last = replay_second(rows((8, "mirror", (300, 90), (300, 3))))

    assert [move["what"] for move in last["summary"]["moves"]] == ["abort"]


def test_of_copies_of_some_requests_nobody_goes_back_by_itself_and_people_are_asked_once() -> None:
    *_, last = replay_second(rows((2, 20, *FAILS), (40, 20, *COPIES), limited=True))

    assert [move["what"] for move in last["summary"]["moves"]] == ["home", "ask"]
    assert "people asked at" in plain(replayed(last))


def test_a_good_canary_moves_nothing_and_passes() -> None:
    *answers, last = replay_second(rows((40, 20, (300, 2), (1200, 12))))

    assert last["summary"]["moves"] == []
    assert last["summary"]["stages"][0]["passed_at"] is not None
    assert not any(answer["moves_traffic"] for answer in answers)
    assert plain(replayed(last)).endswith("; no traffic would have moved")


def test_both_editions_read_the_same_files() -> None:
    lines = rows((4, 20, *GOOD), (12, 20, (300, 90), (1200, 6)))

    first, second = [*replay(lines)], [*replay_second(lines)]

    assert [answer.get("t") for answer in first] == [answer.get("t") for answer in second]
    assert first[-1]["summary"]["aborted_at"] < second[-1]["summary"]["aborted_at"]


def test_a_repeated_line_counts_once() -> None:
    lines = rows((4, 20, *GOOD), (4, 20, *FAILS))
    twice = [lines[0], *(one for one in lines[1:] for _ in range(2))]

    assert [*replay_second(lines)][-1] == [*replay_second(twice)][-1]


def test_the_first_line_sets_the_judge_and_a_later_one_is_refused() -> None:
    first = json.dumps({"settings": {"ceiling": 0.9}})
    assert [*replay_second([first, line(1, 20, *GOOD)])][-1]["summary"]["moves"] == []

    with pytest.raises(Refusal, match="line 2: `t` is missing"):
        list(replay_second([line(1, 20, *GOOD), first]))


def test_a_slower_canary_is_said_to_be_so() -> None:
    lines = rows((2, 20, (300, 2), (1200, 12)))
    slow = {"50": 25, "100": 70, "250": 143, "500": 150, "+Inf": 150}
    for n in range(3, 60):
        one = json.loads(line(n, 20, (300, 2), (1200, 12)))
        one["canary"]["buckets"] = {le: count * 2 for le, count in slow.items()}
        lines.append(json.dumps(one))

    assert [*replay_second(lines)][-2]["text"].endswith("canary is slower: its typical latency is above 1.1x primary.")


def test_silence_is_said() -> None:
    lines = [line(n, 20, *GOOD) for n in range(1, 4)]
    lines += [json.dumps({"t": 15.0 * n, "stage": 20, "canary": {"requests": 60}}) for n in range(4, 14)]

    assert [*replay_second(lines)][-2]["text"].startswith("No fresh metrics for ")


@pytest.mark.parametrize(("returns", "then"), [(0, "ask"), (1, "back")])
def test_who_returns_by_itself_does_so_as_often_as_is_set(returns: int, then: str) -> None:
    lines = rows((4, 20, *GOOD), (2, 20, *FAILS), (40, "mirror", *COPIES))

    summary = [*replay_second(lines, replace(SECOND, returns=returns))][-1]["summary"]

    assert [move["what"] for move in summary["moves"]] == ["home", then]
