"""A sentence's value becomes text: by the kind of what goes in, in each language, and nothing in it comes alive."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.adapters.serialization import dump_entry, load_entry
from bot.model.story import Entry, EntryKind
from bot.slack import blocks as b
from bot.words import rendering
from bot.words.language import Language
from bot.words.rendering import ENGLISH, Voice, parts, plain
from bot.words.sentence import Arg, Channel, Code, Moment, Person, Seconds, Sentence, Share, TypedIn, said, together

CHINESE = Voice(language=Language.CHINESE)


def written(template: str, language: Language = Language.ENGLISH, /, **args: Arg) -> str:
    """What a template gives: as a catalogue of one sentence would."""
    return rendering.as_plain(rendering.filled(template, args, Voice(language=language)))


@pytest.mark.parametrize(
    ("template", "args", "english", "chinese"),
    [
        ("{n:error|errors}", {"n": 1}, "1 error", None),
        ("{n:error|errors}", {"n": 1234}, "1,234 errors", None),
        ("{n:error|errors}", {"n": 0}, "0 errors", None),
        ("{n:is|are:bare}", {"n": 1}, "is", None),
        ("{n:is|are:bare}", {"n": 2}, "are", None),
        ("{n}", {"n": 2.5}, "2.5", "2.5"),
        ("{n}", {"n": 10**400}, "1.00e+400", "1.00e+400"),
        ("{s}", {"s": Share(0.28)}, "28 %", "28 %"),
        ("{s}", {"s": Share(0.00123)}, "0.123 %", "0.123 %"),
        ("{d}", {"d": Seconds(1)}, "1 second", "1 秒"),
        ("{d}", {"d": Seconds(25.2)}, "25 seconds", "25 秒"),
        ("{d}", {"d": Seconds(150)}, "2.5 minutes", "2.5 分钟"),
        ("{d}", {"d": Seconds(750)}, "12 minutes", "12 分钟"),
        ("{d}", {"d": Seconds(7200)}, "2 hours", "2 小时"),
        ("{d}", {"d": Seconds(2592000)}, "30 days", "30 天"),
        ("{d}", {"d": Seconds(float("inf"))}, "without end", "无限期"),
        ("{m}", {"m": Moment(0)}, "1970-01-01 00:00 UTC", "1970-01-01 00:00 UTC"),
        ("{m}", {"m": Moment(1e20)}, "1e+20", "1e+20"),
        ("{p}", {"p": Person("canary-bot")}, "canary-bot", "canary-bot"),
        ("{c}", {"c": Code("kubectl get pods")}, "`kubectl get pods`", "`kubectl get pods`"),
        ("{c}", {"c": TypedIn("abort reviews")}, "`/canary abort reviews`", "`/canary abort reviews`"),
        ("{x}", {"x": ("a", "b", "c")}, "a, b and c", "a、b和c"),
        ("{x:or}", {"x": ("a", "b", "c")}, "a, b or c", "a、b或c"),
        ("{x}", {"x": ("a",)}, "a", "a"),
        ("{x:lines}", {"x": ("a", "b")}, "\n• a\n• b", "\n• a\n• b"),
        ("{x:sentences}", {"x": (said("words.seconds", n=1), "B.")}, "1 second B.", "1 秒B."),
        ("({w:clause})", {"w": "It is so."}, "(It is so)", "(It is so)"),
    ],
)
def test_what_goes_in_is_written_by_its_kind(
    template: str, args: dict[str, Arg], english: str, chinese: str | None
) -> None:
    assert written(template, **args) == english
    if chinese is not None:
        assert written(template, Language.CHINESE, **args) == chinese


def test_our_slash_command_is_called_as_it_is_called_here() -> None:
    assert plain(said("words.together", sentences=(TypedIn("help"),)), Voice(command="/release")) == "`/release help`"


def test_a_sentence_of_a_newer_version_is_shown_with_what_goes_into_it() -> None:
    unknown = said("of.tomorrow", service="reviews", share=Share(0.5))

    assert plain(unknown) == "of.tomorrow: reviews and 50 %"


def test_what_an_older_version_stored_is_shown_as_it_stands() -> None:
    assert parts("Aborted at shift 40: {why}", CHINESE) == ("Aborted at shift 40: {why}",)


def test_what_is_missing_in_a_damaged_record_is_named_and_raises_nothing() -> None:
    assert plain(Sentence("words.seconds")) == "(n)"


def test_one_sentence_together_is_that_sentence() -> None:
    assert together(["", "One."]) == "One."
    assert together([]) == ""
    assert plain(together(["One.", "Two."])) == "One. Two."


HOSTILE = st.text(alphabet=st.sampled_from("<>&!@#*_~`|^{}:U0CS1 ab金\n"), max_size=40)
ITEMS = st.one_of(
    HOSTILE,
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False),
    st.builds(Seconds, st.floats(allow_nan=False)),
    st.builds(Share, st.floats(allow_nan=False)),
    st.builds(Moment, st.floats(allow_nan=False)),
    st.builds(Person, HOSTILE | st.just("U12AB") | st.just("S12AB")),
    st.builds(Channel, HOSTILE | st.just("C1234567")),
    st.builds(Code, HOSTILE),
    st.builds(TypedIn, HOSTILE),
)
SENTENCES = st.recursive(
    st.builds(lambda item: said("words.together", sentences=(item,)), ITEMS),
    lambda inner: st.builds(lambda several: said("words.together", sentences=tuple(several)), st.lists(inner | ITEMS)),
    max_leaves=8,
)


@given(SENTENCES, st.sampled_from(Language))
@example(said("words.together", sentences=("0`0", Code(":*0"), Code("*"))), Language.ENGLISH)
def test_nothing_that_goes_in_comes_alive(sentence: Sentence, language: Language) -> None:
    voice = Voice(language=language)

    elements = b.spoken(sentence, voice)
    markup = b.mrkdwn(sentence, voice)

    assert all(len(element.get("text", "")) <= b.LONGEST_TEXT for element in elements)
    assert set(ENTITY.findall(markup)) <= {"<@U12AB>", "<!subteam^S12AB>", "<#C1234567>"} | {
        found for found in ENTITY.findall(markup) if found.startswith("<!date^")
    }
    unquoted = CODE.sub("", ENTITY.sub("", markup))
    assert not BOLD.search(unquoted)


ENTITY = re.compile(r"<[^>]*>")
CODE = re.compile(r"`[^`\n]*`")
BOLD = re.compile(r"(?:^|\W)([*_~`])\S(?:.*\S)?\1(?:$|\W)")


@given(SENTENCES)
def test_what_was_said_survives_being_stored_and_an_older_version_reads_it_in_english(sentence: Sentence) -> None:
    entry = Entry(at=1.0, kind=EntryKind.ALERT, text=sentence, gist=sentence)

    stored = dump_entry(entry)

    assert plain(load_entry(stored).text) == plain(sentence)
    assert json.loads(stored)["text"] == plain(sentence, ENGLISH)


def test_a_sentence_is_never_put_into_another_text_as_it_is() -> None:
    hours = said("words.hours", n=2)

    with pytest.raises(TypeError, match=r"words\.hours goes into a sentence by name"):
        str.format("after {}", hours)
    assert plain(hours) == "2 hours"


@given(st.integers() | st.integers(-(10**6000), 10**6000) | st.floats())
@example(10**6000)
def test_no_number_that_somebody_wrote_stops_a_sentence(count: float) -> None:
    for arg in (count, Seconds(count), Moment(count)):
        assert written("{x} pods", x=arg)


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        (said("rollout.reminder", question="？", left=Seconds(50)), "仍在等待决定：？还剩 50 秒，之后保持不变。"),  # noqa: RUF001
        (
            said("slack.froze", who="Omar", what="reviews", reason="3 号"),
            "Omar 冻结了 reviews 的发布，直到有人解除：3 号",  # noqa: RUF001
        ),
        (
            said("slack.froze", who="Omar", what=said("controller.all_services"), reason="x"),
            "Omar 冻结了所有服务的发布，直到有人解除：x",  # noqa: RUF001
        ),
        (
            said(
                "slack.retries",
                stage=said("rollout.stage_shift", share=Share(0.2)),
                service="a",
                version="v2",
                channel="#c",
            ),
            "正在从 20 % 用户流量重试 a v2，会先镜像流量检查一次：卡片在 #c。",  # noqa: RUF001
        ),
    ],
)
def test_chinese_keeps_a_space_beside_other_letters_whatever_goes_in(sentence: Sentence, shown: str) -> None:
    assert plain(sentence, Voice(language=Language.CHINESE)) == shown


def test_no_sentence_becomes_text_but_in_a_voice() -> None:
    sentence = said("words.seconds", n=2)

    with pytest.raises(TypeError, match=r"plain\(\)"):
        str(sentence)  # type: ignore[misc]
    with pytest.raises(TypeError, match=r"plain\(\)"):
        f"{sentence}"
