"""The audience of the schedules and of the crash matrix notices what it is there for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.model.figures import Verdict
from bot.model.rollout import Phase, Question, QuestionKind, Rollout, UserId
from bot.model.story import Entry, EntryKind
from bot.words.sentence import said
from tests.audience import Audience, Written
from tests.builders import a_rollout, changed, verdict

GOOD, DOUBTFUL = verdict(Verdict.PASS), verdict(Verdict.INCONCLUSIVE)
DOUBT = Question(kind=QuestionKind.DOUBT, gate="errors")
ASKED = said("rollout.asked", question="Shift?", notes=())


def asking(**changes: Any) -> Rollout:
    return changed(a_rollout(), **{"phase": Phase.MIRRORING, "asked_at": 100.0, "judgement": GOOD, **changes})


def called(at: float, kind: EntryKind = EntryKind.ASK, **changes: Any) -> Entry:
    return Entry(**{"at": at, "kind": kind, "text": ASKED, **changes})


def heard(*written: tuple[Rollout, list[Entry]]) -> list[str]:
    """What was wrong with these revisions, each the next one."""
    audience = Audience()
    for revision, (rollout, entries) in enumerate(written, 1):
        audience.read(Written(replace(rollout, revision=revision), entries))
    return list(audience.wrong)


def test_a_revision_that_redis_lost_is_written_again_with_its_call() -> None:
    audience = Audience()
    for at in (100.0, 105.0):
        audience.read(Written(replace(asking(), revision=3), [called(at)]))

    assert list(audience.wrong) == []


def test_a_plain_question_about_a_doubt_is_noticed_and_one_that_names_the_doubt_is_fine() -> None:
    (wrong,) = heard((asking(judgement=DOUBTFUL), []))

    assert wrong.startswith("a plain question at mirror")
    assert heard((asking(), []), (asking(judgement=DOUBTFUL, question=DOUBT), [])) == []


def test_a_second_call_within_ten_minutes_is_noticed_unless_it_is_about_something_else() -> None:
    (wrong,) = heard((asking(), [called(100.0)]), (asking(), [called(400.0)]))

    assert wrong.startswith("called to good again after 300 s")
    assert heard((asking(), [called(100.0)]), (asking(), [called(700.0)])) == []
    assert heard((asking(), [called(100.0)]), (asking(question=DOUBT), [called(110.0)])) == []
    assert heard((asking(), [called(100.0)]), (asking(stage=1, phase=Phase.SHIFTING), [called(110.0)])) == []


def test_an_alarm_is_news_again_once_somebody_has_decided() -> None:
    alarm, decided = called(100.0, EntryKind.ALERT), called(105.0, EntryKind.PAUSED, by=UserId("U0OMAR"))
    again = replace(alarm, at=110.0)

    assert len(heard((asking(), [alarm]), (asking(), [again]))) == 1
    assert heard((asking(), [alarm]), (asking(), [decided]), (asking(), [again])) == []
