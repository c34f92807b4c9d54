"""What each command and each button does: check who asks, ask the controller, answer the person. No Slack payloads
here.

A refusal is raised, and told by whoever called. What succeeds is answered in a short line to the person alone;
everybody else sees the card. A freeze has no card, so it is announced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bot.controller.decisions import (
    Abandon,
    Abort,
    Accept,
    Approve,
    ButtonToken,
    By,
    Event,
    KeepTheirs,
    OutOfDate,
    Pause,
    Restore,
    Resume,
    Retry,
)
from bot.controller.names import name_of
from bot.controller.ports import Clock
from bot.model.errors import Fault, Refusal, Unreadable
from bot.model.freeze import ALL, Freeze, covering
from bot.model.rollout import Rollout
from bot.model.service import ApprovalRule
from bot.slack import cards, freezes, replies, views, wording
from bot.slack.accounts import Person
from bot.slack.approvers import Approvers
from bot.slack.blocks import Message
from bot.slack.controller_port import ControllerPort
from bot.slack.parsing import Command, Verb, parse, usage
from bot.slack.views import ReasonForm, View

REFUSALS_SHOWN = 5  # in a history, beside the rollouts


class Caller(Protocol):
    """The person at the other end, and the ways to answer them."""

    @property
    def person(self) -> Person:
        """Who it is."""

    @property
    def channel(self) -> str:
        """The id of the channel they are in, "" outside of channels."""

    @property
    def channel_name(self) -> str:
        """Its name without ``#``, "" where Slack does not say it."""

    def reply(self, answer: Message | str) -> None:
        """Answer the person; a string is a sentence of ours, not yet escaped."""

    def announce(self, message: Message) -> None:
        """Tell everybody where this was asked; whoever came where nobody else is hears it alone."""

    def show(self, view: View) -> None:
        """Open a form, where one can be opened.

        Raises:
            Refusal: not from here.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Answers commands, clicks and forms."""

    controller: ControllerPort
    approvers: Approvers
    clock: Clock
    command: str

    def parse(self, text: str) -> Command:
        """What was typed.

        Raises:
            Refusal: no command.
        """
        try:
            names = self.controller.names()
        except Fault:  # whatever needs the store says so itself; help does not
            names = [service.name for service in self.controller.services()]
        return parse(text, names, self.command)

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
            Verb.HELP: lambda caller, _asked: caller.reply(replies.help_text(self.command)),
        }

    def _handlers(self) -> dict[Verb, Callable[[Caller, Command], None]]:
        return {
            Verb.START: self._start,
            Verb.APPROVE: lambda caller, asked: self._decide(caller, asked, Approve(), "Noted."),
            Verb.ABORT: lambda caller, asked: self._decide(caller, asked, Abort(asked.reason), "Aborting."),
            Verb.ABANDON: self._abandon,
            Verb.PAUSE: lambda caller, asked: self._decide(caller, asked, Pause()),
            Verb.RESUME: lambda caller, asked: self._decide(caller, asked, Resume()),
            Verb.RETRY: lambda caller, asked: self._decide(caller, asked, Retry()),
            Verb.ACCEPT: lambda caller, asked: self._decide(caller, asked, Accept()),
            Verb.RESTORE: lambda caller, asked: self._decide(caller, asked, Restore()),
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
            caller.show(views.details(rollout, self.controller.story(rollout)))
        elif action_id == cards.ABORT:
            caller.show(views.abort_form(self._shown(button_token), caller.channel))
        else:
            raise Refusal("I do not know that button. Use the newest card of the rollout.")

    def abort(self, caller: Caller, form: ReasonForm) -> None:
        """Do what the abort form says.

        Raises:
            Refusal: the rollout it is about is over, or has moved on since the form was opened.
        """
        self.approvers.check_member(caller.person)
        try:
            self.controller.decide(form.button_token.key, Abort(form.reason), self._by(caller), form.button_token)
        except OutOfDate as refusal:
            again = f"{self.command} abort {form.button_token.service} {form.reason}".strip().replace("`", "'")
            now = "The rollout has moved on since the form was opened, so nothing was aborted."
            raise Refusal(f"{now} To abort it as it is now: `{again}`") from refusal

    def abandon(self, caller: Caller, form: ReasonForm) -> None:
        """Do what the form says, and tell what could not be cleaned up.

        Raises:
            Refusal: the rollout it is about is over, or has moved on since the form was opened.
        """
        self.approvers.check_member(caller.person)
        rollout = self.controller.decide(
            form.button_token.key, Abandon(form.reason), self._by(caller), form.button_token
        )
        caller.reply(str(self.controller.story(rollout)[-1].text))

    def start_form(self, caller: Caller, service: str | None = None) -> None:
        """Open the start form.

        Raises:
            Refusal: nothing can be started.
        """
        self.approvers.check_member(caller.person)
        self._refuse_without_services()
        try:
            frozen = self.controller.freezes()
        except Fault:
            frozen = ()  # whoever submits the form is told what is wrong
        services = self.controller.services()
        caller.show(views.start_form(services, caller.channel, service, frozen=frozen, command=self.command))

    def home(self, person: Person) -> View:
        """The App Home of this person."""
        live = self.controller.live()
        yours = [r for r in live if wording.needs_somebody(r) and self._may_decide(person, r)]
        past = [
            r for service in self.controller.services() for r in self.controller.history(service.key)[:5] if r.ended
        ]
        past.sort(key=lambda rollout: rollout.ended_at or 0.0, reverse=True)
        others = [rollout for rollout in live if rollout not in yours]
        return views.home(yours, others, past, self.controller.freezes(), self.command, self.clock.now())

    # Questions

    def _status(self, caller: Caller, asked: Command) -> None:
        if asked.service is None and len(self.controller.live()) != 1:
            caller.reply(replies.live(self.controller.live(), self.command))
            return
        service = asked.service or self.controller.live()[0].key
        rollout = self.controller.active(service)
        if rollout is None:
            frozen = covering(self.controller.freezes(), service)
            caller.reply(replies.idle(service, self.controller.history(service), frozen, self.command))
        else:
            caller.reply(replies.status(rollout, self.controller.story(rollout), self.clock.now()))

    def _why(self, caller: Caller, asked: Command) -> None:
        service = self._service(asked)
        past = (*self.controller.history(service)[:1], *self.controller.refusals(service)[:1])
        rollout = self.controller.active(service) or next(iter(past), None)
        if rollout is None:
            raise Refusal(f"{service} has had no rollout yet.")
        caller.reply(replies.why(rollout, self.controller.story(rollout)))

    def _plan(self, caller: Caller, asked: Command) -> None:
        service = self._only_service(asked)
        caller.reply(replies.plan(service, asked.version, self.controller.plan(service, asked.version)))

    def _history(self, caller: Caller, asked: Command) -> None:
        service = self._service(asked)
        past = [*self.controller.history(service), *self.controller.refusals(service)[:REFUSALS_SHOWN]]
        past.sort(key=lambda rollout: rollout.spec.started_at, reverse=True)
        caller.reply(replies.history(service, past, self.controller.unreadable(service)))

    def _list(self, caller: Caller, _asked: Command) -> None:
        caller.reply(replies.live(self.controller.live(), self.command))
        self._tell_trouble(caller)

    def _services(self, caller: Caller, _asked: Command) -> None:
        self._refuse_without_services()
        in_flight = {rollout.key: rollout for rollout in self.controller.live()}
        caller.reply(replies.services(self.controller.services(), in_flight, self.controller.freezes()))
        self._tell_trouble(caller)

    # Deeds

    def _start(self, caller: Caller, asked: Command) -> None:
        if not asked.version:
            self.start_form(caller, asked.service)
            return
        service = self._only_service(asked)
        if asked.overrides.auto:  # it gives every approval in advance, so it is an approver's to give
            for known in self.controller.services():
                if service in {known.name, known.key}:
                    self.approvers.check_approver(caller.person, known.approvals)
        # Always the service's own channel: whoever follows its releases follows that one, wherever this was typed.
        rollout = self.controller.start(
            service, asked.version, by=caller.person.id, channel="", overrides=asked.overrides
        )
        here = caller.channel_name and rollout.spec.channel.lstrip("#") == caller.channel_name
        where = "the card is below" if here else f"the card is in {rollout.spec.channel}"
        caller.reply(f"Started {rollout.spec.service} {rollout.spec.version}: {where}.")
        self._tell_trouble(caller)

    def _decide(self, caller: Caller, asked: Command, event: Event, done: str = "Done.") -> None:
        rollout = self.controller.decide(self._service(asked), event, self._by(caller))
        caller.reply(f"{done} {wording.title(rollout)}: {wording.state(rollout)}.")

    def _abandon(self, caller: Caller, asked: Command) -> None:
        """The form is the confirmation; it opens from the slash command alone."""
        service = self._service(asked)
        try:
            rollout = self.controller.active(service)
        except Unreadable:  # it can be ended all the same
            rollout = None
        if rollout is not None:
            self.approvers.check_approver(caller.person, rollout.spec.approvals_rule)
            button_token = ButtonToken.of(rollout)
        else:
            button_token = self.controller.token_without_rollout(service)
        caller.show(views.abandon_form(button_token.service, rollout, button_token, caller.channel, asked.reason))

    def _freeze(self, caller: Caller, asked: Command) -> None:
        scope = self._only_service(asked)
        for before in self.controller.freezes():
            if before.scope == scope:
                self._check_may_end(caller, before)
        live = [rollout for rollout in self.controller.live() if scope in {ALL, rollout.spec.service}]
        by = caller.person.id
        freeze, replaced = self.controller.freeze(scope, by=by, reason=asked.reason, seconds=asked.seconds)
        caller.announce(freezes.begun(freeze, replaced, live, self.command))

    def _unfreeze(self, caller: Caller, asked: Command) -> None:
        scope = self._only_service(asked)
        frozen = self.controller.freezes()
        freeze = next((one for one in frozen if one.scope == scope), None)
        if freeze is None:
            raise Refusal(freezes.not_frozen(scope, frozen, self.command))
        self._check_may_end(caller, freeze)
        left = [one for one in frozen if one != freeze and (scope == ALL or one.covers(scope))]
        self.controller.unfreeze(freeze, by=caller.person.id)
        caller.announce(freezes.ended(freeze, caller.person.id, left))

    def _refuse_without_services(self) -> None:
        if self.controller.trouble and not self.controller.services():
            raise Refusal(f"No service of services.yaml is known; {self.controller.trouble}")

    def _tell_trouble(self, caller: Caller) -> None:
        """Whoever goes by services.yaml must know that it is not what is gone by."""
        if self.controller.trouble:
            caller.reply(f"{self.controller.trouble[0].upper()}{self.controller.trouble[1:]}")

    # Who and which

    def _by(self, caller: Caller) -> By:
        """The person, to be checked against the rule of whatever they decide about."""
        return By(id=caller.person.id, check=lambda rule: self.approvers.check_approver(caller.person, rule))

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
            raise Refusal(freezes.not_theirs(freeze, str(refusal.sentence))) from refusal

    def _may_decide(self, person: Person, rollout: Rollout) -> bool:
        rule: ApprovalRule = rollout.spec.approvals_rule
        own = person.id == rollout.spec.started_by and not rule.own and wording.needs_approval(rollout)
        return not own and self.approvers.may_approve(person, rule)

    def _service(self, asked: Command) -> str:
        """The service meant: the one named, the only one in flight, or the only one there is.

        Raises:
            Refusal: it could be several.
        """
        if asked.service is not None:
            return asked.service
        live = sorted(rollout.key for rollout in self.controller.live())
        if len(live) == 1:
            return live[0]
        if not live:
            return self._only_service(asked)
        names = Counter(map(name_of, live))
        choices = ", ".join(name_of(key) if names[name_of(key)] == 1 else key for key in live)
        raise Refusal(f"Which one: {choices}? {usage(asked.verb, self.command)}")

    def _only_service(self, asked: Command) -> str:
        if asked.service is not None:
            return asked.service
        names = [service.name for service in self.controller.services()]
        if len(names) == 1:
            return names[0]
        self._refuse_without_services()
        raise Refusal(f"Which service: {', '.join(names[:20])}? {usage(asked.verb, self.command)}")

    def _shown(self, button_token: ButtonToken) -> Rollout:
        """The rollout a button or a form is about, live or ended; never a later one of the same service.

        Raises:
            Refusal: nobody knows it any more.
        """
        rollout = self.controller.shown_by(button_token)
        if rollout is None:
            raise Refusal("That rollout is long over. The newest card has the buttons that count.")
        return rollout


def _clicked(action_id: str, value: str) -> tuple[Event | None, str]:
    """What a button decides, if it decides anything, and what its reader had seen."""
    if action_id == cards.HOLD:
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
    cards.HOLD: Pause(),
    cards.RETRY: Retry(),
    cards.ACCEPT: Accept(),
    cards.RESTORE: Restore(),
}
