"""What each command and each button does: check who asks, ask the controller, answer the person. No Slack payloads
here.

A refusal is raised, and told by whoever called. What succeeds is answered in a short line to the person alone;
everybody else sees the card. A freeze has no card, so it is announced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.controller.controller_port import ControllerPort
from bot.controller.decisions import (
    Abandon,
    Abort,
    Accept,
    Approve,
    Back,
    ButtonToken,
    By,
    Event,
    KeepTheirs,
    OutOfDate,
    Pause,
    Restore,
    Resume,
    Retry,
    SetShare,
)
from bot.controller.ports import Clock
from bot.model.errors import Fault, Refusal, Unreadable
from bot.model.freeze import ALL, Freeze, covering
from bot.model.rollout import Rollout, Shown
from bot.model.service import ApprovalRule
from bot.rollout.phrases import called
from bot.slack import cards, forms, freezes, replies, views, wording
from bot.slack.approvers import Approvers
from bot.slack.caller import Caller
from bot.slack.forms import ReasonForm
from bot.slack.freeze_until import seconds_until
from bot.slack.grammar import Verb
from bot.slack.parsing import Command, parse
from bot.slack.starting import Starting
from bot.slack.stopping import StopMeant
from bot.slack.voices import Voices
from bot.slack.which import only_service, refuse_without_services, service_meant
from bot.words.sentence import Channel, Code, Text, TypedIn, said, together

REFUSALS_SHOWN = 5  # in a history, beside the rollouts
DONE = said("slack.done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Answers commands, clicks and forms; starts are ``Starting``'s. ``card`` is the address of a rollout's card."""

    controller: ControllerPort
    approvers: Approvers
    clock: Clock
    voices: Voices
    card: Callable[[Rollout], str] = lambda _rollout: ""

    @property
    def command(self) -> str:
        """Our slash command."""
        return self.voices.command

    @property
    def starting(self) -> Starting:
        """What a start asks for."""
        return Starting(controller=self.controller, approvers=self.approvers)

    def answer(self, caller: Caller, text: str) -> None:
        """Do what was typed. Whoever seems to want everyone back is offered the abort, and nothing is done yet.

        Raises:
            Refusal: it is no command, not possible, or not theirs to ask.
        """
        try:
            self.serve(caller, self._parse(text))
        except StopMeant as meant:
            self._offer_abort(caller, meant)

    def _parse(self, text: str) -> Command:
        try:
            names = self.controller.names()
        except Fault:  # whatever needs the store says so itself; help does not
            names = [service.name for service in self.controller.services()]
        return parse(text, names)

    def serve(self, caller: Caller, asked: Command) -> None:
        """Do what a command asks.

        Raises:
            Refusal: it is not possible, or not theirs to ask.
        """
        if asked.verb is not Verb.HELP:
            self.approvers.check_member(caller.person)
        serve = self._questions().get(asked.verb) or self._handlers()[asked.verb]
        serve(caller, asked)

    def _questions(self) -> dict[Verb, Callable[[Caller, Command], None]]:
        return {
            Verb.STATUS: self._status,
            Verb.LIST: self._list,
            Verb.WHY: self._why,
            Verb.PLAN: self._plan,
            Verb.HISTORY: self._history,
            Verb.SERVICES: self._services,
            Verb.HELP: lambda caller, _asked: caller.reply(replies.help_text(caller.voice)),
        }

    def _handlers(self) -> dict[Verb, Callable[[Caller, Command], None]]:
        return {
            Verb.START: self._start,
            Verb.APPROVE: lambda caller, asked: self._decide(caller, asked, Approve(), said("slack.noted")),
            Verb.ABORT: lambda caller, asked: self._decide(caller, asked, Abort(asked.reason), said("slack.aborting")),
            Verb.ABANDON: self._abandon,
            Verb.PAUSE: lambda caller, asked: self._decide(caller, asked, Pause()),
            Verb.RESUME: lambda caller, asked: self._decide(caller, asked, Resume()),
            Verb.RETRY: self._retry,
            Verb.ACCEPT: lambda caller, asked: self._decide(caller, asked, Accept()),
            Verb.RESTORE: lambda caller, asked: self._decide(caller, asked, Restore()),
            Verb.BACK: lambda caller, asked: self._decide(caller, asked, Back()),
            Verb.SET: lambda caller, asked: self._decide(caller, asked, SetShare(asked.percent)),
            Verb.ROLLBACK: self._rollback,
            Verb.DRILL: self._drill,
            Verb.FREEZE: self._freeze,
            Verb.UNFREEZE: self._unfreeze,
        }

    # Clicks and forms

    def click(self, caller: Caller, action_id: str, value: str) -> None:
        """Do what a button says. Nothing is told on success: the card changes.

        Raises:
            Refusal: the button is old, or not theirs to press.
        """
        self.approvers.check_member(caller.person)
        event, token = _clicked(action_id, value)
        button_token = ButtonToken.read(token)
        if event is not None:
            self.controller.decide(button_token.key, event, self._by(caller), button_token)
        elif action_id == cards.DETAILS:
            rollout = self._shown(button_token)
            caller.show(views.details(rollout, self.controller.story(rollout), caller.voice))
        elif action_id == cards.START_AGAIN:
            ended = self._shown(button_token)
            again = Command(verb=Verb.START, service=ended.spec.service, version=ended.spec.version)
            self.starting.open(caller, again)
        elif action_id == cards.ROLLBACK:
            self._roll_back_from_card(caller, self._shown(button_token))
        elif action_id == cards.ABORT:
            caller.show(forms.abort_form(self._shown(button_token), caller.channel, caller.voice))
        else:
            raise Refusal(said("slack.unknown_button"))

    def abort(self, caller: Caller, form: ReasonForm) -> None:
        """Do what the abort form says.

        Raises:
            Refusal: the rollout it is about is over, or has moved on since the form was opened.
        """
        self.approvers.check_member(caller.person)
        try:
            self.controller.decide(form.button_token.key, Abort(form.reason), self._by(caller), form.button_token)
        except OutOfDate as refusal:
            command = TypedIn(f"abort {form.button_token.service} {form.reason}".strip())
            raise Refusal(said("slack.abort_again", command=command)) from refusal

    def abandon(self, caller: Caller, form: ReasonForm) -> None:
        """Do what the form says, and tell what could not be cleaned up.

        Raises:
            Refusal: the rollout it is about is over, or has moved on since the form was opened.
        """
        self.approvers.check_member(caller.person)
        rollout = self.controller.decide(
            form.button_token.key, Abandon(form.reason), self._by(caller), form.button_token
        )
        caller.reply(self.controller.story(rollout)[-1].text)

    def _offer_abort(self, caller: Caller, meant: StopMeant) -> None:
        self.approvers.check_member(caller.person)
        try:
            live = [
                r for r in self.controller.live() if meant.service is None or meant.service in {r.key, r.spec.service}
            ]
        except Fault:  # the command in the sentence is all there is
            raise meant from None
        caller.whisper(replies.offer_abort(meant, live, caller.voice))

    # Questions

    def _status(self, caller: Caller, asked: Command) -> None:
        if asked.service is None and len(self.controller.live()) != 1:
            caller.reply(replies.live(self.controller.live(), caller.voice))
            return
        service = asked.service or self.controller.live()[0].key
        rollout = self.controller.active(service)
        if rollout is None:
            frozen = covering(self.controller.freezes(), service)
            caller.reply(replies.idle(service, self.controller.history(service), frozen, caller.voice))
        else:
            caller.reply(replies.status(rollout, self.controller.story(rollout), self.clock.now(), caller.voice))

    def _why(self, caller: Caller, asked: Command) -> None:
        service = service_meant(self.controller, asked)
        past = (*self.controller.history(service)[:1], *self.controller.refusals(service)[:1])
        rollout = self.controller.active(service) or next(iter(past), None)
        if rollout is None:
            raise Refusal(said("slack.no_rollout_yet", service=service))
        caller.reply(replies.why(rollout, self.controller.story(rollout), caller.voice))

    def _plan(self, caller: Caller, asked: Command) -> None:
        service = only_service(self.controller, asked)
        planned = self.controller.plan(service, asked.version)
        caller.reply(replies.plan(service, asked.version, planned, caller.voice))

    def _history(self, caller: Caller, asked: Command) -> None:
        service = service_meant(self.controller, asked)
        past = [*self.controller.history(service), *self.controller.refusals(service)[:REFUSALS_SHOWN]]
        past.sort(key=lambda rollout: rollout.spec.started_at, reverse=True)
        caller.reply(replies.history(service, past, self.controller.unreadable(service), caller.voice))

    def _list(self, caller: Caller, _asked: Command) -> None:
        caller.reply(replies.live(self.controller.live(), caller.voice))
        self._notify_of_trouble(caller)

    def _services(self, caller: Caller, _asked: Command) -> None:
        refuse_without_services(self.controller)
        in_flight = {rollout.key: rollout for rollout in self.controller.live()}
        caller.reply(replies.services(self.controller.services(), in_flight, self.controller.freezes(), caller.voice))
        self._notify_of_trouble(caller)

    # Actions

    def _start(self, caller: Caller, asked: Command) -> None:
        """Begin, by ``Starting.start``; without a version, open the form that asks for one."""
        if not asked.version:
            self.starting.open(caller, asked)
            return
        rollout = self.starting.start(caller, asked)
        here = caller.channel_name and rollout.spec.channel.lstrip("#") == caller.channel_name
        name, version = rollout.spec.service, rollout.spec.version
        caller.reply(
            said("slack.started_here", service=name, version=version)
            if here
            else said("slack.started_there", service=name, version=version, channel=Channel(rollout.spec.channel))
        )
        self._notify_of_trouble(caller)

    def _drill(self, caller: Caller, asked: Command) -> None:
        service = only_service(self.controller, asked)
        version = asked.version or next(iter(self.controller.versions(service)), "")
        if not version:
            raise Refusal(said("slack.drill_which", service=service, command=TypedIn(f"drill {service} v2")))
        spec = self.controller.drill(service, version, by=caller.person.id).spec
        caller.reply(said("slack.drills", service=spec.service, version=spec.version, channel=Channel(spec.channel)))

    def _retry(self, caller: Caller, asked: Command) -> None:
        """Out of a halt; or an aborted rollout again, from where it stopped."""
        if asked.slip:
            service = only_service(self.controller, asked)
            commands = self._retries(service) or (TypedIn(f"retry {service} --from-stage"),)
            raise Refusal(said("slack.retry_slip", option=Code(asked.slip), commands=commands))
        if asked.stage is not None:
            self._take_up(caller, asked)
            return
        service = service_meant(self.controller, asked)
        if self.controller.active(service) is None and (commands := self._retries(service)):
            raise Refusal(said("slack.retry_ended", service=service, commands=commands))
        self._decide(caller, asked, Retry())

    def _take_up(self, caller: Caller, asked: Command) -> None:
        service = only_service(self.controller, asked)
        rollout = self.controller.retry(service, by=caller.person.id, stage=asked.stage or "", because=asked.reason)
        spec = rollout.spec
        where = called(spec.again.stage) if spec.again is not None else ""
        channel = Channel(spec.channel)
        caller.reply(said("slack.retries", service=spec.service, version=spec.version, stage=where, channel=channel))
        self._notify_of_trouble(caller)

    def _retries(self, service: str) -> tuple[TypedIn, ...]:
        """Each stage at which the service's last rollout may begin again, as a command to paste."""
        return tuple(TypedIn(f"retry {service} --from-stage {stage}") for stage in self.controller.retries(service))

    def _roll_back_from_card(self, caller: Caller, promoted: Rollout) -> None:
        """What a promoted card's button asks for; an older card's is about something that has been left behind."""
        newest = self.controller.newest_release(promoted.key)
        if newest is None or newest.spec.id != promoted.spec.id:
            raise Refusal(said("slack.not_the_newest", service=promoted.spec.service))
        self._rollback(caller, Command(verb=Verb.ROLLBACK, service=promoted.spec.service))

    def _rollback(self, caller: Caller, asked: Command) -> None:
        rollout = self.controller.rollback(only_service(self.controller, asked), by=self._by(caller))
        spec = rollout.spec
        if not spec.back_to:  # it was still watched, and is aborted
            caller.reply(said("slack.aborting"))
            return
        channel = Channel(spec.channel)
        caller.reply(said("slack.rolls_back", service=spec.service, version=spec.back_to, channel=channel))

    def _decide(self, caller: Caller, asked: Command, event: Event, done: Text = DONE) -> None:
        rollout = self.controller.decide(service_meant(self.controller, asked), event, self._by(caller))
        state = said("slack.is", title=wording.title(rollout), state=wording.state(rollout))
        caller.reply(together((done, state)))

    def _abandon(self, caller: Caller, asked: Command) -> None:
        """The form is the confirmation; it opens from the slash command alone."""
        service = service_meant(self.controller, asked)
        try:
            rollout = self.controller.active(service)
        except Unreadable:  # it can be ended all the same
            rollout = None
        if rollout is not None:
            self.approvers.check_approver(caller.person, rollout.approvals_rule)
            button_token = ButtonToken.of(rollout)
        else:
            button_token = self.controller.token_without_rollout(service)
        form = forms.abandon_form(
            button_token.service, rollout, button_token, caller.channel, caller.voice, asked.reason
        )
        caller.show(form)

    def _freeze(self, caller: Caller, asked: Command) -> None:
        scope = only_service(self.controller, asked)
        for before in self.controller.freezes():
            if before.scope == scope:
                self._check_may_end(caller, before)
        live = [rollout for rollout in self.controller.live() if scope in {ALL, rollout.spec.service}]
        by = caller.person.id
        seconds = asked.seconds
        if asked.until is not None:
            seconds = seconds_until(asked.until, self.clock.now(), self.approvers.zone(caller.person))
        freeze, replaced = self.controller.freeze(scope, by=by, reason=asked.reason, seconds=seconds)
        caller.announce(freezes.begun(freeze, replaced, live, caller.voice))

    def _unfreeze(self, caller: Caller, asked: Command) -> None:
        scope = only_service(self.controller, asked)
        frozen = self.controller.freezes()
        freeze = next((one for one in frozen if one.scope == scope), None)
        if freeze is None:
            raise Refusal(freezes.not_frozen(scope, frozen))
        self._check_may_end(caller, freeze)
        left = [one for one in frozen if one != freeze and (scope == ALL or one.covers(scope))]
        self.controller.unfreeze(freeze, by=caller.person.id)
        caller.announce(freezes.ended(freeze, caller.person.id, left, caller.voice))

    def _notify_of_trouble(self, caller: Caller) -> None:
        """Whoever goes by services.yaml must know that it is not what is gone by."""
        if self.controller.trouble:
            caller.reply(self.controller.trouble)

    # Who and which

    def _by(self, caller: Caller) -> By:
        """The person, to be checked against the rule of whatever they decide about."""
        return By(
            id=caller.person.id,
            check=lambda rule: self.approvers.check_approver(caller.person, rule),
            shown=lambda rollout: Shown(channel=caller.channel, ts=caller.message, permalink=self.card(rollout)),
        )

    def _check_may_end(self, caller: Caller, freeze: Freeze) -> None:
        """To end somebody else's freeze, or to put another in its place, is a second person's decision.

        Raises:
            Refusal: they neither froze it nor are an approver of what is frozen.
        """
        if caller.person.id == freeze.by:
            return
        rules = [service.approvals for service in self.controller.services() if freeze.covers(service.name)]
        names = [] if any(not rule.approvers for rule in rules) else [name for rule in rules for name in rule.approvers]
        try:
            self.approvers.check_approver(caller.person, ApprovalRule(approvers=tuple(dict.fromkeys(names))))
        except Refusal as refusal:
            raise Refusal(freezes.not_theirs(freeze, refusal.sentence)) from refusal

    def _shown(self, button_token: ButtonToken) -> Rollout:
        """The rollout a button or a form is about, live or ended; never a later one of the same service.

        Raises:
            Refusal: nobody knows it any more.
        """
        rollout = self.controller.shown_by(button_token)
        if rollout is None:
            raise Refusal(said("slack.long_over"))
        return rollout


def _clicked(action_id: str, value: str) -> tuple[Event | None, str]:
    """What a button decides, if it decides anything, and what its reader had seen."""
    if action_id == cards.PAUSE:
        for prefix, event in _HOLDING.items():
            if value.startswith(prefix):
                return event, value.removeprefix(prefix)
    return _DECIDING.get(action_id), value


_HOLDING: dict[str, Event] = {
    cards.PAUSE_PREFIX: Pause(),
    cards.RESUME_PREFIX: Resume(),
    cards.KEEP_THEIRS_PREFIX: KeepTheirs(),
}
_DECIDING: dict[str, Event] = {
    cards.APPROVE: Approve(),
    cards.PAUSE: Pause(),
    cards.RETRY: Retry(),
    cards.ACCEPT: Accept(),
    cards.RESTORE: Restore(),
}
