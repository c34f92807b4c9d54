"""Somebody else's changes of what a rollout owns: what they are, whose, and what becomes of them. Pure.

Ours are the managed routes with their mirror and annotations, the images and labels of the primary that were recorded,
and that the canary stays the one that is judged. A change of any of it is told at once, with a choice: restore ours,
hold (theirs stays, the rollout waits), or abort. Without an answer the service's rule decides. An abort overrides
drift: it writes what is safe, whatever it finds.

Nobody is fought for ever. Whose changes were overwritten is remembered, and after ``FLAPS`` times the same writer is
left alone until a person says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.cluster.gitops import ignore_rules
from bot.model.copies import replace
from bot.model.errors import Refusal
from bot.model.incidents import Difference, Drift, Edit
from bot.model.observation import DeploymentStatus, Observation, RouteStatus
from bot.model.rollout import BOT, Hold, HoldCause, Phase, PodTemplate, Rollout, Routes, Template, Topology, UserId
from bot.model.service import OnDrift
from bot.model.story import EntryKind
from bot.rollout import holds
from bot.rollout.compare import Part, Whose, compare, foreign_bits
from bot.rollout.phrases import called
from bot.rollout.transitions import Change, entry, withdraw
from bot.words.sentence import Moment, Person, Seconds, Sentence, Text, said, together

FLAPS = 3  # times that one writer's changes are overwritten without a person
RESTORING_SECONDS = 60.0  # that a restore may take before what is still there is told again

_NOTHING = said("rollout.nothing_there")
_THERE = said("rollout.there")
_SPLIT = said("rollout.split")
_VIRTUAL_SERVICE, _DEPLOYMENT = "VirtualService", "Deployment"


# What was changed


def find(rollout: Rollout, observed: Observation, now: float) -> tuple[Edit, ...]:
    """Every change of others that is there now, one for each object; none while an abort, or a step back, writes over
    them all.

    What was told of an object that is not seen now is taken to be there still.
    """
    if rollout.phase is Phase.ABORTING or rollout.goes_home:
        return ()
    parts = {gap.part for gap in compare(rollout, observed) if gap.whose is Whose.THEIRS}
    edits = (
        *(_routes_edit(rollout, one, parts) for one in observed.objects),
        _primary_edit(rollout, observed, parts),
        _canary_edit(rollout, observed, parts),
    )
    found = tuple(edit for edit in edits if edit is not None) + tuple(_unobserved(rollout, observed))
    restoring = rollout.restoring_at is not None and now - rollout.restoring_at <= RESTORING_SECONDS
    return tuple(edit for edit in found if not edit.restorable) if restoring else found


def _unobserved(rollout: Rollout, observed: Observation) -> Iterator[Edit]:
    known = rollout.drift.edits if rollout.drift is not None else ()
    seen = {one.name for one in observed.each}
    for edit in known:
        unseen = observed.routes_unobserved if edit.kind == _VIRTUAL_SERVICE else observed.pods_unobserved
        if unseen is not None and (edit.kind != _VIRTUAL_SERVICE or edit.name not in seen):
            yield edit


def _routes_edit(rollout: Rollout, live: RouteStatus, parts: set[Part]) -> Edit | None:
    """What others have changed of one VirtualService."""
    on_routes = tuple(_on_routes(rollout, live)) if Part.ROUTES in parts else ()
    on_annotations = tuple(_on_annotations(rollout, live)) if Part.ANNOTATIONS in parts else ()
    if not (on_routes or on_annotations):
        return None
    who, at = (live.writer, live.written_at) if on_routes else (live.annotated_by, live.annotated_at)
    name, differences = live.name or rollout.spec.target.virtual_service, (*on_routes, *on_annotations)
    return Edit(kind=_VIRTUAL_SERVICE, name=name, differences=differences, who=who, at=at)


def _on_annotations(rollout: Rollout, live: RouteStatus) -> Iterator[Difference]:
    if live.owner not in {None, rollout.spec.id}:
        yield Difference(what=said("rollout.owner"), ours=rollout.spec.id, theirs=str(live.owner))
    gone = live.owner is None or not live.annotated
    if rollout.settled_at is not None and not rollout.current.release and gone:
        yield Difference(what=said("rollout.annotations"), ours=_THERE, theirs=_NOTHING)


def _on_routes(rollout: Rollout, status: RouteStatus) -> Iterator[Difference]:
    wanted, live = rollout.current.routes, status.routes
    if live is None:
        other = said("rollout.routes_because", why=status.reason) if status.reason else said("rollout.other_routes")
        yield Difference(what=_SPLIT, ours=_users(wanted), theirs=other)
        return
    if live.canary != wanted.canary:
        yield Difference(what=_SPLIT, ours=_users(wanted), theirs=_users(live))
    if live.mirror != wanted.mirror:
        yield Difference(what=said("rollout.mirroring"), ours=_on(wanted.mirror), theirs=_on(live.mirror))


def _primary_edit(rollout: Rollout, observed: Observation, parts: set[Part]) -> Edit | None:
    """Ours may be written again only while the primary has no users, and is the one that the rollout began with."""
    side, name = observed.primary, rollout.spec.target.primary_deployment
    ours = rollout.spec.upgraded if rollout.current.template is Template.UPGRADED else rollout.spec.recorded
    replaced = tuple(_replaced(name, side, rollout.spec.target.primary_uid)) if Part.PRIMARY in parts else ()
    changed = tuple(_on_template(side, ours)) if Part.TEMPLATE in parts else ()
    if not (replaced or changed):
        return None
    shares = rollout.spec.target.topology is Topology.RELABEL and rollout.primary_touched
    idle = (
        observed.placed is not None
        and observed.placed.primary == 0
        and (not shares or rollout.phase is Phase.UPGRADING)
    )
    return _of_deployment(name, side, (*replaced, *changed), restorable=idle and not replaced)


def _canary_edit(rollout: Rollout, observed: Observation, parts: set[Part]) -> Edit | None:
    """A canary that runs something else is not the one that was judged; ours cannot be put back."""
    side, name = observed.canary, rollout.spec.target.canary_deployment
    if Part.CANARY not in parts:
        return None
    differences = tuple(_replaced(name, side, rollout.spec.target.canary_uid))
    if not differences and side.template is None:
        differences = tuple(_on_template(side, PodTemplate(images=rollout.spec.canary_images)))
    differences = differences or tuple(_on_digests(name, side, rollout.spec.upgraded.images))
    return _of_deployment(name, side, differences, restorable=False) if differences else None


def _of_deployment(name: str, side: DeploymentStatus, differences: tuple[Difference, ...], *, restorable: bool) -> Edit:
    return Edit(
        kind=_DEPLOYMENT,
        name=name,
        differences=differences,
        who=side.writer,
        at=side.written_at,
        restorable=restorable,
    )


def _replaced(name: str, side: DeploymentStatus, uid: str) -> Iterator[Difference]:
    if not side.exists:
        yield Difference(what=name, ours=_THERE, theirs=_NOTHING)
    elif uid and side.uid and side.uid != uid:
        yield Difference(what=name, ours=said("rollout.the_first"), theirs=said("rollout.another"))


def _on_template(side: DeploymentStatus, ours: PodTemplate) -> Iterator[Difference]:
    changed = [(one, image) for one, image in ours.images.items() if side.images.get(one) != image]
    for container, image in changed:
        what = said("rollout.image") if len(ours.images) == 1 else said("rollout.image_of", container=container)
        theirs = _short(side.images[container]) if container in side.images else _NOTHING
        yield Difference(what=what, ours=_short(image), theirs=theirs)
    if not changed:
        labels = ", ".join(f"{key}={value}" for key, value in sorted(ours.labels.items()))
        before, now = labels or said("rollout.as_recorded"), said("rollout.others")
        yield Difference(what=said("rollout.pod_labels"), ours=before, theirs=now)


def _on_digests(name: str, side: DeploymentStatus, pinned: Mapping[str, str]) -> Iterator[Difference]:
    for asked, others in foreign_bits(side, pinned):
        what = said("rollout.digest_of", name=name)
        yield Difference(what=what, ours=_bits(asked), theirs=", ".join(map(_bits, others)))


def _users(routes: Routes) -> str:
    return f"{routes.primary}/{routes.canary}"


def _on(mirror: bool) -> Sentence:  # noqa: FBT001  # a word for it
    return said("rollout.switched_on" if mirror else "rollout.switched_off")


def _short(image: str) -> str:
    """The reference without its registry, and no more of a digest than people compare."""
    name, at, found = image.partition("@")
    tail = name.rpartition("/")[2]
    return f"{tail}@{_bits(found)}" if at else tail


def _bits(found: str) -> str:
    return found[:19]  # sha256: and twelve digits


# What is said about it


def sentence(rollout: Rollout, edits: tuple[Edit, ...]) -> Text:
    """Who changed what, as a small diff: ours → theirs."""
    return together([*map(_edited, edits), *_flapping(rollout, edits)])


def unanswered_sentence(rollout: Rollout, edits: tuple[Edit, ...]) -> Text:
    """The same, and that nobody has said what to do about it."""
    return together([sentence(rollout, edits), _unanswered(rollout)])


def _unanswered(rollout: Rollout) -> Sentence:
    return said("rollout.nobody_chose", time=Seconds(rollout.spec.drift_rule.timeout))


def _edited(edit: Edit) -> Sentence:
    thing, changes = _thing(edit), _changes(edit)
    if not edit.who and all(one.theirs == _NOTHING for one in edit.differences):
        return _removed(edit)
    split = _split(edit)
    if split is not None and edit.who:
        ours, theirs = split.ours, split.theirs
        return said("rollout.split_edited_by", name=edit.name, who=_writer(edit), ours=ours, theirs=theirs)
    if split is not None:
        return said("rollout.split_edited", name=edit.name, ours=split.ours, theirs=split.theirs)
    if edit.who:
        return said("rollout.edited_by", thing=thing, who=_writer(edit), changes=changes)
    return said("rollout.edited", thing=thing, changes=changes)


def _removed(edit: Edit) -> Sentence:
    return said("rollout.removed" if edit.kind == _DEPLOYMENT else "rollout.annotations_removed", thing=_thing(edit))


def _thing(edit: Edit) -> Sentence:
    return said("rollout.deployment" if edit.kind == _DEPLOYMENT else "rollout.virtual_service", name=edit.name)


def _writer(edit: Edit) -> Text:
    return edit.who if edit.at is None else said("rollout.writer_at", who=edit.who, at=Moment(edit.at))


def _split(edit: Edit) -> Difference | None:
    """The one difference, where it is that users are shared out otherwise."""
    return edit.differences[0] if [one.what for one in edit.differences] == [_SPLIT] else None


def _changes(edit: Edit) -> tuple[Sentence, ...]:
    return tuple(_change(one.what, one.ours, one.theirs) for one in edit.differences)


def _change(what: Text, before: Text, after: Text) -> Sentence:
    return said("rollout.difference", what=what, before=before, after=after)


def _flapping(rollout: Rollout, edits: tuple[Edit, ...]) -> Iterator[Sentence]:
    for edit in edits:
        times = rollout.overwritten.count(edit.who)
        if edit.who and times:
            yield said("rollout.changed_again", who=edit.who, times=times)


def _hints(rollout: Rollout, edits: tuple[Edit, ...]) -> Iterator[Sentence]:
    """What makes a tool that keeps the object leave it alone."""
    for edit in edits:
        primary = edit.name == rollout.spec.target.primary_deployment
        tool, rules = ignore_rules(edit.who, rollout.spec.service, image=primary)
        if tool:
            yield said("rollout.is_a_tool", who=edit.who, tool=tool, rules=rules)
        elif rollout.overwritten.count(edit.who) and edit.who:
            yield said("rollout.may_be_a_tool", who=edit.who)


_DEFAULTS = {
    OnDrift.ABORT: said("rollout.will_abort"),
    OnDrift.RESTORE: said("rollout.will_restore"),
    OnDrift.HOLD: said("rollout.will_hold"),
}


def _choices(rollout: Rollout, drift: Drift) -> tuple[Sentence, ...]:
    waited, default = Seconds(rollout.spec.drift_rule.timeout), _DEFAULTS[_default(rollout, drift)]
    unanswered = said("rollout.without_answer", time=waited, default=default)
    split = _split(drift.edits[0]) if len(drift.edits) == 1 else None
    if not drift.restorable:
        return (said("rollout.choices_without_restore"), said("rollout.not_restorable"), unanswered)
    if split is not None and not _is_explained(split.theirs):
        return (said("rollout.choices_of_split", ours=split.ours, theirs=split.theirs), unanswered)
    return (said("rollout.choices"), unanswered)


def _is_explained(theirs: Text) -> bool:
    """Whether it says why the routes are none of ours: that is said once."""
    return isinstance(theirs, Sentence) and theirs.key == "rollout.routes_because"


def _default(rollout: Rollout, drift: Drift) -> OnDrift:
    """What the rule comes to here: what cannot be restored, or has been restored too often, is held."""
    wanted = rollout.spec.drift_rule.on_timeout
    tired = any(rollout.overwritten.count(edit.who) >= FLAPS for edit in drift.edits)
    return OnDrift.HOLD if wanted is OnDrift.RESTORE and (tired or not drift.restorable) else wanted


# What becomes of it


def notice(rollout: Rollout, edits: tuple[Edit, ...], now: float) -> Change:
    """Hold for what is there; each change is told once. What people were asked rested on something else."""
    if rollout.drift is not None and rollout.drift.edits == edits:
        return rollout, ()
    drift = Drift(edits=edits, since=now)
    what = sentence(rollout, edits)
    held = replace(withdraw(rollout, now), drift=drift, restoring_at=None)
    held = holds.put(held, Hold(cause=HoldCause.DRIFT, sentence=what, since=now, notified=True))
    text = said("rollout.drift", facts=(what, *_choices(rollout, drift), *_hints(rollout, edits)))
    return held, (entry(now, EntryKind.ALERT, text),)


def overdue(rollout: Rollout, now: float) -> OnDrift | None:
    """What the service's rule says when nobody has chosen in time; None while there is time, or somebody has."""
    drift = rollout.drift
    if drift is None or drift.left_by is not None or now - drift.since <= rollout.spec.drift_rule.timeout:
        return None
    return _default(rollout, drift)


def keep_theirs(rollout: Rollout, by: UserId, now: float) -> Change:
    """Theirs stays: the rollout waits until it is undone, restored or aborted, and says no more about it.

    Raises:
        Refusal: that was chosen already.
    """
    drift = rollout.drift
    if drift is None:
        return rollout, ()
    if drift.left_by is not None:
        raise Refusal(said("rollout.theirs_kept_already", service=rollout.spec.service))
    changes = tuple(change for edit in drift.edits for change in _changes(edit))
    text = said("rollout.theirs_kept_by", who=Person(by), changes=changes)
    if by == BOT:
        text = said("rollout.theirs_kept", why=_unanswered(rollout), changes=changes)
    left = replace(rollout, drift=replace(drift, left_by=by))
    return left, (entry(now, EntryKind.HELD, text, by),)


def restore(rollout: Rollout, by: UserId, now: float) -> Change:
    """Ours is written again over theirs.

    Raises:
        Refusal: ours must not be written now.
    """
    drift = rollout.drift
    if drift is None:
        return rollout, ()
    if not drift.restorable:
        things = tuple(_thing(edit) for edit in drift.edits if not edit.restorable)
        raise Refusal(said("rollout.cannot_restore", things=things))
    changes = tuple(_change(one.what, one.theirs, one.ours) for edit in drift.edits for one in edit.differences)
    restoring = replace(
        rollout,
        drift=None,
        settled_at=None,
        restoring_at=now,
        overwritten=(*rollout.overwritten, *(edit.who for edit in drift.edits)),
    )
    restoring = holds.drop(restoring, HoldCause.DRIFT)
    text = said("rollout.restored_by", who=Person(by), changes=changes)
    if by == BOT:
        text = said("rollout.restored", why=_unanswered(rollout), changes=changes)
    return restoring, (entry(now, EntryKind.RESUMED, text, by),)


def end(rollout: Rollout, now: float) -> Change:
    """It is gone without us: the stage is judged anew, because its figures were those of other routes."""
    if rollout.drift is None:
        return rollout, ()
    lasted = Seconds(now - rollout.drift.since)
    text = said("rollout.undone", lasted=lasted, stage=called(rollout.current))
    ended = holds.drop(replace(rollout, drift=None, settled_at=None), HoldCause.DRIFT)
    return ended, (entry(now, EntryKind.RESUMED, text),)
