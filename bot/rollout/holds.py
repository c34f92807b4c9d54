"""Why a rollout waits: a set of causes, each noticed, told and ended by itself. Pure.

At each reconcile the rules say of every cause whether it is there (``there``) or not (``gone``). Of several,
``rollout.hold`` is the one that people should know of first; the others wait behind it, and are told again when it is
over.

A cause that comes and goes is no news each time. The second time in a stage it is told as such, and is over only once
it has stayed away for a while, longer each time; from then on nothing more is said until it is. A retreat waits for
nothing of the kind: there only the words are saved.
"""

from __future__ import annotations

from bot.model.copies import replace
from bot.model.rollout import Hold, HoldCause, Phase, Rollout
from bot.model.story import Entry, EntryKind
from bot.rollout import hooks
from bot.rollout.phrases import called
from bot.rollout.transitions import Change, entry
from bot.words.sentence import Seconds, Sentence, Text, said

CALM_SECONDS = 60.0  # that a cause must stay away when it came back once; twice as long each time more
CALM_SCRAPES = 4  # figures say nothing new between two scrapes: where those are quick, so many are as good as a minute
LONGEST_CALM = 10.0  # times as long at most
STEADY_SECONDS = 1800.0  # away for so long, it is news when it comes again
FLAPS = 2  # times after which a cause that comes and goes is not told any more

# Which of several causes people should know of first.
_ORDER = (
    HoldCause.CLUSTER,
    HoldCause.DRIFT,
    HoldCause.CAPACITY,
    HoldCause.PODS,
    HoldCause.GIT,
    HoldCause.METRICS,
    HoldCause.WEBHOOK,
    HoldCause.APPROVAL,
)


def find(rollout: Rollout, cause: HoldCause) -> Hold | None:
    """The hold for this cause, while it lasts."""
    return next((hold for hold in rollout.holds if hold.cause is cause), None)


def there(rollout: Rollout, cause: HoldCause, sentence: Text, now: float, *, loud: bool = False) -> Change:
    """The cause is there. It is told when it is news, and the channel is asked when its patience runs out.

    ``loud`` asks the channel at once: nothing but a person can help.
    """
    known = _remembered(rollout, cause)
    if known is None or (known.over_since is not None and now - known.over_since > STEADY_SECONDS):
        hold = Hold(cause=cause, sentence=sentence, since=now, notified=loud)
        kind = EntryKind.ALERT if loud else EntryKind.HELD
        return put(rollout, hold), (entry(now, kind, _holding(rollout, sentence)),)
    if known.over_since is not None:
        return _again(rollout, known, sentence, now)
    hold = replace(known, sentence=sentence, calm_since=None)
    if hold.notified or not (loud or now - hold.since > rollout.spec.hold_patience):
        return put(rollout, hold), ()
    held = Seconds(now - hold.since)
    text = said("rollout.still_holding", stage=called(rollout.current), lasted=held, why=sentence)
    return put(rollout, replace(hold, notified=True)), (entry(now, EntryKind.ALERT, text),)


def _again(rollout: Rollout, known: Hold, sentence: Text, now: float) -> Change:
    """It was over a moment ago."""
    times = known.times + 1
    hold = replace(known, sentence=sentence, times=times, over_since=None, calm_since=None)
    if times > FLAPS:
        return put(rollout, hold), ()
    text = _holding_again(rollout, sentence)
    if not rollout.retreat:
        calm = Seconds(calm_seconds(rollout, hold))
        text = said("rollout.holding_until_calm", stage=called(rollout.current), why=sentence, calm=calm)
    return put(rollout, hold), (entry(now, EntryKind.HELD, text),)


def _holding(rollout: Rollout, sentence: Text) -> Text:
    stage = called(rollout.current)
    if hooks.keeps_start(rollout):
        return sentence  # it is nowhere yet
    if rollout.retreat:
        return said("rollout.way_back_holds", stage=stage, why=sentence)
    return said("rollout.holding", stage=stage, why=sentence)


def _holding_again(rollout: Rollout, sentence: Text) -> Sentence:
    return said("rollout.holding_again", stage=called(rollout.current), why=sentence)


def is_over(rollout: Rollout, lasted: float) -> Sentence:
    """That nothing keeps it any more, after so many seconds."""
    if rollout.phase is Phase.MIRRORING:
        return said("rollout.hold_over_mirror", lasted=Seconds(lasted))
    return said("rollout.hold_over", lasted=Seconds(lasted), stage=called(rollout.current))


def gone(rollout: Rollout, now: float, *causes: HoldCause) -> Change:
    """None of these causes is there."""
    entries: tuple[Entry, ...] = ()
    for cause in causes:
        hold = find(rollout, cause)
        if hold is not None:
            rollout, more = _over(rollout, hold, now)
            entries += more
    return rollout, entries


def _over(rollout: Rollout, hold: Hold, now: float) -> Change:
    if hold.times > 1 and not rollout.retreat:
        calm_since = now if hold.calm_since is None else hold.calm_since
        if now - calm_since < calm_seconds(rollout, hold):
            return (rollout if hold.calm_since is not None else put(rollout, replace(hold, calm_since=now))), ()
    led = rollout.hold is not None and rollout.hold.cause is hold.cause
    after = put(rollout, replace(hold, over_since=now, calm_since=None))
    if hold.times > FLAPS and not hold.notified:
        return after, ()  # it was not told that it came, either
    if after.hold is None:
        return after, (entry(now, EntryKind.RESUMED, is_over(rollout, now - hold.since)),)
    return after, (entry(now, EntryKind.HELD, _holding_again(rollout, after.hold.sentence)),) if led else ()


def calm_seconds(rollout: Rollout, hold: Hold) -> float:
    """How long its cause must stay away before it is over, in seconds."""
    calm = CALM_SECONDS
    if hold.cause is HoldCause.METRICS:
        calm = min(calm, CALM_SCRAPES * rollout.spec.metrics.scrape_interval)
    return calm * min(2.0 ** min(hold.times - 2, 16), LONGEST_CALM)


def put(rollout: Rollout, hold: Hold) -> Rollout:
    """This hold, in the place of the one of its cause; nothing is said."""
    return _with(rollout, [one for one in _all(rollout) if one.cause is not hold.cause] + [hold])


def drop(rollout: Rollout, *causes: HoldCause) -> Rollout:
    """Without the holds of these causes, as if they had never been; nothing is said."""
    return _with(rollout, [one for one in _all(rollout) if one.cause not in causes])


def _remembered(rollout: Rollout, cause: HoldCause) -> Hold | None:
    return next((hold for hold in _all(rollout) if hold.cause is cause), None)


def _all(rollout: Rollout) -> tuple[Hold, ...]:
    return rollout.others if rollout.hold is None else (rollout.hold, *rollout.others)


def _with(rollout: Rollout, holds: list[Hold]) -> Rollout:
    ranked = sorted(holds, key=lambda hold: (hold.over_since is not None, _ORDER.index(hold.cause)))
    leads = bool(ranked) and ranked[0].over_since is None
    hold, others = (ranked[0], tuple(ranked[1:])) if leads else (None, tuple(ranked))
    return rollout if (hold, others) == (rollout.hold, rollout.others) else replace(rollout, hold=hold, others=others)
