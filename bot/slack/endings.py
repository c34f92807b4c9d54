"""How a rollout ended: one message for an abort and for a promotion, and what its card keeps. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from bot.model.rollout import Approval, Phase, Rollout, Stage, StageOutcome, Walked, copies_from
from bot.model.story import Entry
from bot.model.versions import old_version, spoken
from bot.rollout.phrases import called, share
from bot.slack import blocks as b
from bot.slack import plan
from bot.slack.blocks import Block, Element
from bot.slack.gate_rows import NOTHING
from bot.words.rendering import Voice, plain
from bot.words.sentence import Code, Moment, Person, Seconds, Sentence, Text, said, together

MOST_ROWS = 6
MOST_APPROVALS = 3  # in a cell
_COLUMNS = (
    said("slack.column_step"),
    said("slack.column_failed"),
    said("slack.column_sure"),
    said("slack.column_approved"),
)
_DIGEST = 12  # characters of a digest that people compare

# What an abort may leave for people to do, or that it could move nobody.
_LEFT_TO_DO = frozenset(
    {
        "rollout.home_upgraded",
        "rollout.home_with_images",
        "rollout.home_with_some_image",
        "rollout.ended_without_route",
        "rollout.image_unknown",
        "rollout.image_left",
    }
)


def came_home(rollout: Rollout, entry: Entry | None = None) -> Text:
    """That all users are back, and after how long; in the rule's own words where something is left to do."""
    left = _left_to_do(entry.text) if entry is not None else ()
    if left:
        return together(left)
    broken = plan.broken_at(rollout)
    if broken is not None and broken.routes.mirror and not broken.on_copies:
        return said("slack.nobody_affected")
    took, old = plan.seconds_home(rollout), spoken(old_version(rollout))
    if took is None or took < 1:
        return said("slack.all_back", old=old)
    return said("slack.all_back_after", old=old, time=Seconds(took))


def _left_to_do(text: Text) -> tuple[Sentence, ...]:
    facts = text.args.get("facts", ()) if isinstance(text, Sentence) else ()
    several = facts if isinstance(facts, tuple) else ()
    return tuple(fact for fact in several if isinstance(fact, Sentence) and fact.key in _LEFT_TO_DO)


def approvals(rollout: Rollout) -> Text:
    """Who approved what, and when; "" where nobody did."""
    # A stage on copies is in the plan only while it lasts.
    titles = {copies_from(one.share): said("rollout.stage_copies") for one in rollout.step_backs}
    titles |= {stage.name: called(stage) for stage in rollout.spec.plan}
    given = tuple(
        said("slack.approved_by", stage=titles.get(walked.name, walked.name), who=Person(one.by), at=Moment(one.at))
        for walked in rollout.walked
        for one in walked.approvals
    )
    return said("slack.approvals", given=given) if given else ""


def images(rollout: Rollout) -> Text:
    """Which image became which; "" where that is not known, or nothing was to change."""
    spec = rollout.spec
    old, new = spec.recorded.images, spec.upgraded.images if spec.back_to else spec.canary_images
    changed = [(old[one], new[one]) for one in old if new.get(one) and new[one] != old[one]]
    if not changed:
        return ""
    before, after = (Code(", ".join(images)) for images in zip(*(_short(*pair) for pair in changed), strict=True))
    promoted = rollout.phase is Phase.PROMOTED and rollout.primary_touched and not rollout.accepted
    if promoted:
        primary = rollout.spec.target.primary_deployment
        return said("slack.image_now", primary=primary, new=after, old=before)
    return said("slack.images", old=before, new=after)


def _short(old: str, new: str) -> tuple[str, str]:
    """As people compare them: without the registry, and with the beginning of the digest where only that differs."""
    parts = [image.rpartition("/")[2].partition("@") for image in (old, new)]
    (before, _, _), (after, _, _) = parts
    if before != after:
        return before, after
    first, last = (f"{name}@{digest.partition(':')[2][:_DIGEST]}" for name, _, digest in parts)
    return first, last


# How a promotion went


def how_it_went(rollout: Rollout, voice: Voice) -> Block | None:
    """A row for each part of the plan: what failed, whether that is enough to be sure, and who approved."""
    rows = list(_rows(rollout, voice))
    if not rows:
        return None
    head = [_cell(plain(column, voice)) for column in _COLUMNS]
    caption = b.shorten(plain(said("slack.how_it_went"), voice), 150)
    return {"type": "data_table", "caption": caption, "page_size": 10, "rows": [head, *rows[:MOST_ROWS]]}


def how_it_went_plainly(rollout: Rollout, voice: Voice) -> Block | None:
    """The same in lines."""
    lines = [[" · ".join(_text(cell) for cell in row)] for row in _rows(rollout, voice)]
    return b.rich_list([[b.words(line[0], limit=300)] for line in lines[:MOST_ROWS]]) if lines else None


def _rows(rollout: Rollout, voice: Voice) -> Iterator[list[Element]]:
    walked = plan.left(rollout)
    parts = [(stage, walked[stage.name]) for stage in rollout.spec.plan if stage.name in walked and not stage.release]
    for _, group in groupby(parts, key=_alike):
        stages, left = zip(*group, strict=True)
        yield [
            _cell(b.capital(plain(_title(stages), voice))),
            _cell(plain(_failed(stages, left), voice)),
            _cell(plain(_sure(left), voice)),
            _approved([one for walk in left for one in walk.approvals]),
        ]


def _alike(part: tuple[Stage, Walked]) -> tuple[str, bool]:
    """What is told in one row: the weights that went alike, and the end of the plan."""
    stage, walked = part
    kind = stage.phase if stage.phase in {Phase.MIRRORING, Phase.SHIFTING} else Phase.BAKING
    return kind, walked.outcome in plan.UNSURE


def _title(stages: Sequence[Stage]) -> Text:
    if len(stages) == 1:
        return called(stages[0])
    if stages[0].phase is Phase.SHIFTING:
        return said("slack.weights_to", first=share(stages[0].routes.canary), last=share(stages[-1].routes.canary))
    return plan.in_turn_briefly(stages)


def _failed(stages: Sequence[Stage], left: Sequence[Walked]) -> Text:
    """Of the side on trial: the canary, and the upgraded primary while users return to it."""
    returning = stages[-1].phase not in {Phase.MIRRORING, Phase.SHIFTING}
    counts = [one for walked in left if (one := walked.primary if returning else walked.canary) is not None]
    requests, errors = (round(sum(one[index] for one in counts)) for index in (0, 1))
    return said("slack.bad_of", bad=errors, n=requests) if requests else NOTHING


def _sure(left: Sequence[Walked]) -> Sentence:
    outcomes = {walked.outcome for walked in left}
    if StageOutcome.IN_DOUBT in outcomes:
        return said("slack.sure_people")
    if StageOutcome.TIME_UP in outcomes:
        return said("slack.sure_no")
    return said("slack.sure_yes") if StageOutcome.PASSED in outcomes else said("slack.sure_watched")


def _approved(given: Sequence[Approval]) -> Element:
    if not given:
        return _cell(NOTHING)
    parts: list[Element] = []
    for one in given[:MOST_APPROVALS]:
        parts += [b.words(" "), b.person(one.by), b.words(" "), b.date(one.at, "{time}")]
    return b.rich_text(*parts[1:])


def _cell(text: str) -> Element:
    return {"type": "raw_text", "text": b.shorten(text, 200)}


def _text(cell: Element) -> str:
    """What a cell shows, where only text may be."""
    if cell["type"] == "raw_text":
        return str(cell["text"])
    section = cell["elements"][0]["elements"]
    return "".join(str(part.get("text") or part.get("user_id") or part.get("fallback") or "") for part in section)
